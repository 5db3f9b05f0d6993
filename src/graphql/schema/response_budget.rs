//! The budget of one response: how large it may be, and the memory it takes until it has been sent.
//!
//! Resolvers count what they read and the text they return. A response that would be too large is therefore given up before
//! it has been built, and its memory counts against the client from the start. The first few bytes are not counted, so most
//! responses never take the lock that clients share.

use std::sync::Arc;

use async_graphql::Context;
use parking_lot::Mutex;

use crate::client_limit::ClientPermit;
use crate::domain::client_key::ClientKey;
use crate::unsent_bytes::{UNCOUNTED, UnsentBytes};

/// A reservation grows in steps of this many bytes.
pub(in crate::graphql) const STEP: usize = 64 * 1024;

/// Why a response is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::graphql) enum BudgetExceeded {
    #[error("the response would be larger than {max} bytes; ask for fewer fields or for a smaller page")]
    TooLarge { max: usize },
    #[error("the change was made, but its result would be larger than {max} bytes; ask for fewer fields")]
    ResultTooLarge { max: usize },
    /// Too much waits to be sent already, to this client or to all clients.
    #[error("too many bytes wait to be sent already; read the responses that are under way, then try again")]
    Unsent,
}

/// What one response may take. Belongs in the data of a request; without it, nothing is counted.
#[derive(Clone)]
pub(in crate::graphql) struct ResponseBudget(Arc<Inner>);

struct Inner {
    /// Maximum size of the response, in bytes.
    max: usize,
    unsent: UnsentBytes,
    client: ClientKey,
    /// Whether the response is the result of a mutation, which cannot be undone any more.
    is_mutation: bool,
    spent: Mutex<Spent>,
}

#[derive(Default)]
struct Spent {
    /// Bytes of text that go into the response.
    text: usize,
    /// Bytes that the response occupies in memory.
    held: usize,
    permit: Option<ClientPermit>,
    exceeded: Option<BudgetExceeded>,
}

impl ResponseBudget {
    pub(in crate::graphql) fn new(max: usize, unsent: &UnsentBytes, client: ClientKey, is_mutation: bool) -> Self {
        let unsent = unsent.clone();
        Self(Arc::new(Inner { max, unsent, client, is_mutation, spent: Mutex::default() }))
    }

    /// Reserves this many bytes before anything is changed.
    pub(in crate::graphql) fn reserve(&self, bytes: usize) -> Result<(), BudgetExceeded> {
        if bytes > UNCOUNTED {
            let permit = self.0.unsent.reserve(self.0.client, bytes).map_err(|_| BudgetExceeded::Unsent)?;
            self.0.spent.lock().permit = Some(permit);
        }
        Ok(())
    }

    /// Counts bytes that were read for the response.
    pub(in crate::graphql) fn count_read(&self, bytes: usize) -> Result<(), BudgetExceeded> {
        self.spend(bytes, 0)
    }

    /// Counts text that goes into the response.
    pub(in crate::graphql) fn count_text(&self, bytes: usize) -> Result<(), BudgetExceeded> {
        self.spend(bytes, bytes)
    }

    fn spend(&self, held: usize, text: usize) -> Result<(), BudgetExceeded> {
        let mut spent = self.0.spent.lock();
        if let Some(exceeded) = spent.exceeded {
            return Err(exceeded);
        }
        spent.held = spent.held.saturating_add(held);
        spent.text = spent.text.saturating_add(text);
        let outcome = if spent.text > self.0.max { Err(self.too_large()) } else { self.reserve_held(&mut spent) };
        spent.exceeded = outcome.err();
        outcome
    }

    /// Maximum size of the response, in bytes.
    pub(in crate::graphql) fn max(&self) -> usize {
        self.0.max
    }

    /// The error of a response that is larger than the maximum.
    pub(in crate::graphql) fn too_large(&self) -> BudgetExceeded {
        let max = self.0.max;
        if self.0.is_mutation { BudgetExceeded::ResultTooLarge { max } } else { BudgetExceeded::TooLarge { max } }
    }

    /// Reserves what is held, if it is large enough to be counted. The result of a mutation is never refused because other
    /// responses are still unsent.
    fn reserve_held(&self, spent: &mut Spent) -> Result<(), BudgetExceeded> {
        let amount = spent.held.next_multiple_of(STEP);
        let reserved = match &mut spent.permit {
            _ if spent.held <= UNCOUNTED => Ok(()),
            Some(permit) if permit.amount() >= spent.held => Ok(()),
            Some(permit) => permit.resize(amount),
            none => self.0.unsent.reserve(self.0.client, amount).map(|permit| *none = Some(permit)),
        };
        match reserved {
            Err(_) if !self.0.is_mutation => Err(BudgetExceeded::Unsent),
            _ => Ok(()),
        }
    }

    /// Why the response is given up, if it is.
    pub(in crate::graphql) fn exceeded(&self) -> Option<BudgetExceeded> {
        self.0.spent.lock().exceeded
    }

    /// Replaces everything counted so far by the size of the finished response. Returns the permit to hold until it is sent.
    pub(in crate::graphql) fn settle(&self, bytes: usize) -> Option<ClientPermit> {
        let mut spent = self.0.spent.lock();
        spent.held = bytes;
        let _ = self.reserve_held(&mut spent);
        let mut permit = spent.permit.take()?;
        if bytes <= UNCOUNTED {
            return None;
        }
        // Shrinking a permit always succeeds.
        let _ = permit.resize(bytes.min(permit.amount()));
        Some(permit)
    }
}

/// Counts bytes that were read for the response that is being resolved.
pub(in crate::graphql) fn count_read(ctx: &Context<'_>, bytes: usize) -> async_graphql::Result<()> {
    ctx.data_opt::<ResponseBudget>().map_or(Ok(()), |budget| budget.count_read(bytes)).map_err(Into::into)
}

/// Counts `text` as part of the response that is being resolved, and returns it.
pub(in crate::graphql) fn count_text<'a>(ctx: &Context<'_>, text: &'a str) -> async_graphql::Result<&'a str> {
    match ctx.data_opt::<ResponseBudget>() {
        Some(budget) => Ok(budget.count_text(text.len()).map(|()| text)?),
        None => Ok(text),
    }
}
