//! Writes a response as JSON within its budget.

use std::io;

use crate::client_limit::ClientPermit;
use crate::graphql::schema::response_budget::{BudgetExceeded, ResponseBudget, STEP};
use crate::unsent_bytes::UNCOUNTED;

/// JSON within a budget. Text beyond the budget is dropped, and [`finish`](Self::finish) then fails.
pub(in crate::graphql) struct LimitedJson<'a> {
    text: String,
    /// Length up to which the budget need not be asked again.
    allowed: usize,
    budget: &'a ResponseBudget,
    exceeded: Option<BudgetExceeded>,
}

/// JSON whose size is counted until it is dropped.
pub(in crate::graphql) struct CountedJson {
    pub(in crate::graphql) json: String,
    pub(in crate::graphql) permit: Option<ClientPermit>,
}

impl<'a> LimitedJson<'a> {
    pub(in crate::graphql) fn new(budget: &'a ResponseBudget) -> Self {
        Self { text: String::with_capacity(512), allowed: UNCOUNTED.min(budget.max()), budget, exceeded: None }
    }

    pub(in crate::graphql) fn push_str(&mut self, text: &str) {
        if self.text.len() + text.len() <= self.allowed || self.grow(text.len()) {
            self.text.push_str(text);
        }
    }

    /// The buffer, for short text such as names and numbers, of which there is a lot. It is counted together with the next
    /// long text, or by [`has_room`](Self::has_room).
    pub(in crate::graphql) const fn short(&mut self) -> &mut String {
        &mut self.text
    }

    /// Counts what was written so far; whether more can be written.
    pub(in crate::graphql) fn has_room(&mut self) -> bool {
        self.text.len() <= self.allowed || self.grow(0)
    }

    /// Asks the budget for this many bytes more.
    fn grow(&mut self, bytes: usize) -> bool {
        let max = self.budget.max();
        if self.exceeded.is_none() && self.text.len() + bytes > max {
            self.exceeded = Some(self.budget.too_large());
        }
        let wanted = (self.text.len() + bytes).next_multiple_of(STEP).min(max);
        if self.exceeded.is_none() {
            self.exceeded = self.budget.count_read(wanted.saturating_sub(self.allowed)).err();
        }
        if self.exceeded.is_some() {
            // No text is written any more, and no further item of a list.
            self.allowed = 0;
            return false;
        }
        self.allowed = wanted;
        true
    }

    /// The JSON, if all of it fitted.
    pub(in crate::graphql) fn finish(mut self) -> Result<CountedJson, BudgetExceeded> {
        self.has_room();
        if let Some(exceeded) = self.exceeded {
            return Err(exceeded);
        }
        if self.text.len() > UNCOUNTED {
            self.text.shrink_to_fit();
        }
        let permit = self.budget.settle(self.text.len());
        Ok(CountedJson { json: self.text, permit })
    }
}

impl io::Write for LimitedJson<'_> {
    /// Fails once the budget is exceeded, which ends the serialization.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.push_str(text);
        match self.exceeded {
            None => Ok(bytes.len()),
            Some(exceeded) => Err(io::Error::other(exceeded)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
        (0..bytes / 1024).for_each(|_| json.push_str(&"x".repeat(1024)));
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
    fn short_text_counts_too() {
        let write = |budget: &ResponseBudget, bytes: usize| {
            let mut json = LimitedJson::new(budget);
            let pieces = (0..bytes / 1024).take_while(|_| {
                json.short().push_str(&"x".repeat(1024));
                json.has_room()
            });
            let pieces = pieces.count();
            (pieces, json.finish().map(|written| written.permit.map_or(0, |permit| permit.amount())))
        };
        assert_eq!(write(&budget(10 * MAX, false), MAX), (MAX / 1024, Ok(MAX)));
        assert_eq!(write(&budget(10 * MAX, false), 2 * MAX), (MAX / 1024, Err(BudgetExceeded::TooLarge { max: MAX })));
        assert_eq!(write(&budget(0, false), MAX), (UNCOUNTED / 1024, Err(BudgetExceeded::Unsent)));
        let counted = budget(0, false);
        let mut json = LimitedJson::new(&counted);
        json.short().push_str(&"x".repeat(UNCOUNTED + 1));
        assert_eq!(json.finish().err(), Some(BudgetExceeded::Unsent));
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
