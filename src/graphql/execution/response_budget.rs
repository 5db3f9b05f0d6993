//! How large a response may be, and the memory that it takes until it is sent.
//!
//! Resolvers say how much they have read and how much text goes into the response, so that a response that would be too
//! large is given up before it has been put together, and its memory counts for the client from the beginning. Few bytes are
//! not counted: most responses never meet a lock that others use.

use std::io;
use std::sync::Arc;

use async_graphql::Context;
use parking_lot::{Mutex, MutexGuard};

use crate::client_limit::ClientPermit;
use crate::domain::client_key::ClientKey;
use crate::unsent_bytes::{UNCOUNTED, UnsentBytes};

/// Bytes by which a reservation grows.
const STEP: usize = 64 * 1024;

/// Why a response is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::graphql) enum OverBudget {
    #[error("the response would be larger than {max} bytes; ask for fewer fields or for a smaller page")]
    TooLarge { max: usize },
    #[error("the change was made, but its result would be larger than {max} bytes; ask for fewer fields")]
    ResultTooLarge { max: usize },
    /// Too much waits to be sent already, to this client or to all.
    #[error("too many bytes wait to be sent already; read the responses that are under way, then try again")]
    Unsent,
}

/// What one response may take.
#[derive(Clone)]
pub(in crate::graphql) struct ResponseBudget(Arc<Inner>);

struct Inner {
    /// Bytes of the response, at most.
    max: usize,
    unsent: UnsentBytes,
    client: ClientKey,
    /// The response is the result of a change, which cannot be taken back any more.
    is_of_change: bool,
    spent: Mutex<Spent>,
}

#[derive(Default)]
struct Spent {
    /// Bytes of text that go into the response.
    resolved: usize,
    /// Bytes in memory for it.
    held: usize,
    permit: Option<ClientPermit>,
    refusal: Option<OverBudget>,
}

impl ResponseBudget {
    pub(in crate::graphql) fn new(max: usize, unsent: &UnsentBytes, client: ClientKey, is_of_change: bool) -> Self {
        let unsent = unsent.clone();
        Self(Arc::new(Inner { max, unsent, client, is_of_change, spent: Mutex::default() }))
    }

    /// Sets so many bytes aside before anything is changed.
    pub(in crate::graphql) fn reserve(&self, bytes: usize) -> Result<(), OverBudget> {
        if bytes > UNCOUNTED {
            let permit = self.0.unsent.reserve(self.0.client, bytes).map_err(|_| OverBudget::Unsent)?;
            self.lock().permit = Some(permit);
        }
        Ok(())
    }

    /// Counts bytes that were read for the response.
    pub(in crate::graphql) fn hold(&self, bytes: usize) -> Result<(), OverBudget> {
        self.spend(bytes, false)
    }

    /// Counts text that goes into the response.
    pub(in crate::graphql) fn resolve(&self, bytes: usize) -> Result<(), OverBudget> {
        self.spend(bytes, true)
    }

    fn spend(&self, bytes: usize, is_resolved: bool) -> Result<(), OverBudget> {
        let mut spent = self.lock();
        if let Some(refusal) = spent.refusal {
            return Err(refusal);
        }
        spent.held = spent.held.saturating_add(bytes);
        if is_resolved {
            spent.resolved = spent.resolved.saturating_add(bytes);
        }
        let outcome = if spent.resolved > self.0.max { Err(self.too_large()) } else { self.reserve_for(&mut spent) };
        spent.refusal = outcome.err();
        outcome
    }

    fn too_large(&self) -> OverBudget {
        let max = self.0.max;
        if self.0.is_of_change { OverBudget::ResultTooLarge { max } } else { OverBudget::TooLarge { max } }
    }

    /// Reserves what is held, where that is worth counting. The result of a change is not refused for what others have not read.
    fn reserve_for(&self, spent: &mut Spent) -> Result<(), OverBudget> {
        let amount = spent.held.next_multiple_of(STEP);
        let reserved = match &mut spent.permit {
            _ if spent.held <= UNCOUNTED => Ok(()),
            Some(permit) if permit.amount() >= spent.held => Ok(()),
            Some(permit) => permit.resize(amount),
            none => self.0.unsent.reserve(self.0.client, amount).map(|permit| *none = Some(permit)),
        };
        match reserved {
            Err(_) if !self.0.is_of_change => Err(OverBudget::Unsent),
            _ => Ok(()),
        }
    }

    /// Why the response is given up, if it is.
    pub(in crate::graphql) fn refusal(&self) -> Option<OverBudget> {
        self.lock().refusal
    }

    /// A text in JSON to write the response into.
    pub(in crate::graphql) fn json(&self) -> LimitedJson<'_> {
        LimitedJson {
            text: String::with_capacity(512),
            allowed: UNCOUNTED.min(self.0.max),
            budget: self,
            refusal: None,
        }
    }

    /// What is held for a response of so many bytes from now on: those bytes and nothing else.
    fn settle(&self, bytes: usize) -> Option<ClientPermit> {
        let mut spent = self.lock();
        spent.held = bytes;
        let _ = self.reserve_for(&mut spent);
        let mut permit = spent.permit.take()?;
        if bytes <= UNCOUNTED {
            return None;
        }
        // To hold less than before is always possible.
        let _ = permit.resize(bytes.min(permit.amount()));
        Some(permit)
    }

    /// A panic under the lock leaves counts that are still right.
    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.0.spent.lock()
    }
}

/// Counts bytes that were read for the response that is being resolved. Events are rendered without a budget.
pub(in crate::graphql) fn hold(ctx: &Context<'_>, bytes: usize) -> async_graphql::Result<()> {
    ctx.data_opt::<ResponseBudget>().map_or(Ok(()), |budget| budget.hold(bytes)).map_err(Into::into)
}

/// Text that goes into the response that is being resolved.
pub(in crate::graphql) fn resolve<'a>(ctx: &Context<'_>, text: &'a str) -> async_graphql::Result<&'a str> {
    match ctx.data_opt::<ResponseBudget>() {
        Some(budget) => Ok(budget.resolve(text.len()).map(|()| text)?),
        None => Ok(text),
    }
}

/// JSON within a budget. What no longer fits is left out, and [`finish`](Self::finish) says so.
pub(in crate::graphql) struct LimitedJson<'a> {
    text: String,
    /// Bytes that it may have before the budget is asked again.
    allowed: usize,
    budget: &'a ResponseBudget,
    refusal: Option<OverBudget>,
}

/// JSON that is counted until it is dropped.
pub(in crate::graphql) struct Sized {
    pub(in crate::graphql) json: String,
    pub(in crate::graphql) permit: Option<ClientPermit>,
}

impl LimitedJson<'_> {
    pub(in crate::graphql) fn push_str(&mut self, text: &str) {
        if self.text.len() + text.len() <= self.allowed || self.grow(text.len()) {
            self.text.push_str(text);
        }
    }

    /// For what is short, such as names and numbers, of which there is a lot: it is counted with the next text, or by
    /// [`has_room`](Self::has_room).
    pub(in crate::graphql) const fn short(&mut self) -> &mut String {
        &mut self.text
    }

    /// Counts what was written so far; whether more can be written.
    pub(in crate::graphql) fn has_room(&mut self) -> bool {
        self.text.len() <= self.allowed || self.grow(0)
    }

    /// Asks for room for so many bytes more.
    fn grow(&mut self, bytes: usize) -> bool {
        let max = self.budget.0.max;
        if self.refusal.is_none() && self.text.len() + bytes > max {
            self.refusal = Some(self.budget.too_large());
        }
        let wanted = (self.text.len() + bytes).next_multiple_of(STEP).min(max);
        if self.refusal.is_none() {
            self.refusal = self.budget.hold(wanted.saturating_sub(self.allowed)).err();
        }
        if self.refusal.is_some() {
            // No text is written any more, and no further item of a list.
            self.allowed = 0;
            return false;
        }
        self.allowed = wanted;
        true
    }

    /// What was written, if that is all.
    pub(in crate::graphql) fn finish(mut self) -> Result<Sized, OverBudget> {
        self.has_room();
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        if self.text.len() > UNCOUNTED {
            self.text.shrink_to_fit();
        }
        let permit = self.budget.settle(self.text.len());
        Ok(Sized { json: self.text, permit })
    }
}

impl io::Write for LimitedJson<'_> {
    /// Fails once the budget is exceeded, which ends the serialisation.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.push_str(text);
        match self.refusal {
            None => Ok(bytes.len()),
            Some(refusal) => Err(io::Error::other(refusal)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::unsent_bytes::Settings;

    use super::*;

    const MAX: usize = 1024 * 1024;

    fn budget(per_client: usize, is_of_change: bool) -> ResponseBudget {
        let unsent = UnsentBytes::new(Settings { per_client, total: usize::MAX });
        ResponseBudget::new(MAX, &unsent, ClientKey::Unknown, is_of_change)
    }

    fn write(budget: &ResponseBudget, bytes: usize) -> Result<usize, OverBudget> {
        let mut json = budget.json();
        (0..bytes / 1024).for_each(|_| json.push_str(&"x".repeat(1024)));
        json.finish().map(|written| written.permit.map_or(0, |permit| permit.amount()))
    }

    #[test]
    fn a_response_has_so_many_bytes_of_text_and_of_json() {
        assert_eq!(write(&budget(10 * MAX, false), MAX), Ok(MAX));
        assert_eq!(write(&budget(10 * MAX, false), MAX + 1024), Err(OverBudget::TooLarge { max: MAX }));
        let resolving = budget(10 * MAX, false);
        assert_eq!(resolving.resolve(MAX), Ok(()));
        assert_eq!(resolving.resolve(1), Err(OverBudget::TooLarge { max: MAX }));
        assert_eq!(resolving.refusal(), Some(OverBudget::TooLarge { max: MAX }));
    }

    #[test]
    fn what_is_short_counts_as_well() {
        let write = |budget: &ResponseBudget, bytes: usize| {
            let mut json = budget.json();
            let pieces = (0..bytes / 1024).take_while(|_| {
                json.short().push_str(&"x".repeat(1024));
                json.has_room()
            });
            let pieces = pieces.count();
            (pieces, json.finish().map(|written| written.permit.map_or(0, |permit| permit.amount())))
        };
        assert_eq!(write(&budget(10 * MAX, false), MAX), (MAX / 1024, Ok(MAX)));
        assert_eq!(write(&budget(10 * MAX, false), 2 * MAX), (MAX / 1024, Err(OverBudget::TooLarge { max: MAX })));
        assert_eq!(write(&budget(0, false), MAX), (UNCOUNTED / 1024, Err(OverBudget::Unsent)));
        let unasked = budget(0, false);
        let mut json = unasked.json();
        json.short().push_str(&"x".repeat(UNCOUNTED + 1));
        assert_eq!(json.finish().err(), Some(OverBudget::Unsent));
    }

    #[test]
    fn what_is_read_and_resolved_counts_until_the_response_is_written() {
        let budget = budget(MAX, false);
        assert_eq!(budget.hold(MAX / 2), Ok(()));
        assert_eq!(budget.resolve(MAX / 4), Ok(()));
        assert_eq!(write(&budget, MAX / 4), Ok(MAX / 4));
        let full = self::budget(MAX, false);
        assert_eq!(full.hold(MAX - 10), Ok(()));
        assert_eq!(write(&full, MAX / 4), Err(OverBudget::Unsent));
    }

    #[test]
    fn few_bytes_are_not_counted() {
        assert_eq!(write(&budget(0, false), UNCOUNTED), Ok(0));
        assert_eq!(write(&budget(0, false), UNCOUNTED + 1024), Err(OverBudget::Unsent));
    }

    #[test]
    fn a_change_is_refused_beforehand_and_never_afterwards() {
        assert_eq!(budget(1024, true).reserve(MAX), Err(OverBudget::Unsent));
        assert_eq!(write(&budget(1024, true), MAX / 2), Ok(0));
        assert_eq!(write(&budget(1024, true), MAX * 2), Err(OverBudget::ResultTooLarge { max: MAX }));
    }
}
