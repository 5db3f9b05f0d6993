//! Writes a response as JSON within its budget.

use std::io;

use crate::client_limit::ClientPermit;
use crate::graphql::schema::response_budget::{BudgetExceeded, ResponseBudget, STEP};
use crate::unsent_bytes::UNCOUNTED;

/// JSON whose size is counted until it is dropped.
pub(in crate::graphql) struct CountedJson {
    pub(in crate::graphql) json: String,
    pub(in crate::graphql) permit: Option<ClientPermit>,
}

/// A writer for a serializer. Once the budget is exceeded, it fails, which ends the serialization.
pub(in crate::graphql) struct LimitedJson<'a> {
    json: Vec<u8>,
    /// Length that the budget has allowed so far.
    allowed: usize,
    budget: &'a ResponseBudget,
    exceeded: Option<BudgetExceeded>,
}

impl<'a> LimitedJson<'a> {
    pub(in crate::graphql) fn new(budget: &'a ResponseBudget) -> Self {
        Self { json: Vec::with_capacity(512), allowed: UNCOUNTED.min(budget.max()), budget, exceeded: None }
    }

    /// Requests more bytes from the budget, so that the JSON can have this `length`.
    fn grow(&mut self, length: usize) -> Result<(), BudgetExceeded> {
        let max = self.budget.max();
        if length > max {
            return Err(self.budget.too_large());
        }
        let wanted = length.next_multiple_of(STEP).min(max);
        self.budget.count_read(wanted - self.allowed)?;
        self.allowed = wanted;
        Ok(())
    }

    /// The JSON, if all of it fitted.
    pub(in crate::graphql) fn finish(mut self) -> Result<CountedJson, BudgetExceeded> {
        if let Some(exceeded) = self.exceeded {
            return Err(exceeded);
        }
        if self.json.len() > UNCOUNTED {
            self.json.shrink_to_fit();
        }
        let permit = self.budget.settle(self.json.len());
        // A serializer writes nothing but UTF-8.
        let json = String::from_utf8(self.json).unwrap_or_default();
        Ok(CountedJson { json, permit })
    }
}

impl io::Write for LimitedJson<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    /// Overridden, because the default is a loop, and serializers write few bytes at a time.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = self.json.len() + bytes.len();
        if length > self.allowed
            && let Err(exceeded) = self.grow(length)
        {
            self.exceeded = Some(exceeded);
            return Err(io::Error::other(exceeded));
        }
        self.json.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use crate::domain::client_key::ClientKey;
    use crate::unsent_bytes::{Settings, UnsentBytes};

    use super::*;

    const MAX: usize = 1024 * 1024;

    fn budget(per_client: usize, is_mutation: bool) -> ResponseBudget {
        let unsent = UnsentBytes::new(Settings { per_client, total: usize::MAX });
        ResponseBudget::new(MAX, &unsent, ClientKey::Unknown, is_mutation)
    }

    fn write(budget: &ResponseBudget, bytes: usize) -> Result<usize, BudgetExceeded> {
        let mut json = LimitedJson::new(budget);
        let _ = (0..bytes / 1024).try_for_each(|_| json.write_all("x".repeat(1024).as_bytes()));
        json.finish().map(|written| written.permit.map_or(0, |permit| permit.amount()))
    }

    #[test]
    fn text_and_json_of_a_response_are_bounded() {
        assert_eq!(write(&budget(10 * MAX, false), MAX), Ok(MAX));
        assert_eq!(write(&budget(10 * MAX, false), MAX + 1024), Err(BudgetExceeded::TooLarge { max: MAX }));
        let resolving = budget(10 * MAX, false);
        assert_eq!(resolving.count_text(MAX), Ok(()));
        assert_eq!(resolving.count_text(1), Err(BudgetExceeded::TooLarge { max: MAX }));
        assert_eq!(resolving.exceeded(), Some(BudgetExceeded::TooLarge { max: MAX }));
    }

    #[test]
    fn bytes_read_and_text_count_until_the_response_is_written() {
        let budget = budget(MAX, false);
        assert_eq!(budget.count_read(MAX / 2), Ok(()));
        assert_eq!(budget.count_text(MAX / 4), Ok(()));
        assert_eq!(write(&budget, MAX / 4), Ok(MAX / 4));
        let full = self::budget(MAX, false);
        assert_eq!(full.count_read(MAX - 10), Ok(()));
        assert_eq!(write(&full, MAX / 4), Err(BudgetExceeded::Unsent));
    }

    #[test]
    fn small_responses_are_not_counted() {
        assert_eq!(write(&budget(0, false), UNCOUNTED), Ok(0));
        assert_eq!(write(&budget(0, false), UNCOUNTED + 1024), Err(BudgetExceeded::Unsent));
    }

    #[test]
    fn a_mutation_is_refused_before_it_runs_and_never_after() {
        assert_eq!(budget(1024, true).reserve(MAX), Err(BudgetExceeded::Unsent));
        assert_eq!(write(&budget(1024, true), MAX / 2), Ok(0));
        assert_eq!(write(&budget(1024, true), MAX * 2), Err(BudgetExceeded::ResultTooLarge { max: MAX }));
    }
}
