//! Pages of a list, as in the Relay cursor connections specification (<https://relay.dev/graphql/connections.htm>), and the
//! validation of page sizes.

use std::ops::Range;

use crate::domain::limits::{PAGE_DEFAULT, PAGE_MAX};
use crate::domain::violation::{Field, Violation};

/// A requested page of a list whose items have fixed indexes from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Only items after this index.
    pub after: Option<u64>,
    /// Only items before this index.
    pub before: Option<u64>,
    pub take: Take,
}

/// How many items to take, and from which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Take {
    First(u32),
    Last(u32),
}

impl Window {
    /// The single item at `index`.
    pub fn only(index: u64) -> Self {
        Self { after: index.checked_sub(1), before: None, take: Take::First(1) }
    }

    /// At most `limit` items from index `start` on.
    pub fn starting_at(start: u64, limit: u32) -> Self {
        Self { after: start.checked_sub(1), before: None, take: Take::First(limit) }
    }

    /// The indexes of the items on this page, in a list of `count` items.
    pub fn range(&self, count: u64) -> Range<u64> {
        let start = self.after.map_or(0, |after| after.saturating_add(1)).min(count);
        let end = self.before.unwrap_or(count).clamp(start, count);
        match self.take {
            Take::First(n) => start..end.min(start + u64::from(n)),
            Take::Last(n) => start.max(end.saturating_sub(u64::from(n)))..end,
        }
    }
}

impl Take {
    /// Parses `first` and `last`, each 0 to [`PAGE_MAX`]. Both together are rejected; without either the result is `default`.
    pub fn parse(first: Option<i32>, last: Option<i32>, default: Self) -> Result<Self, Violation> {
        match (first, last) {
            (Some(_), Some(_)) => Err(Field::Last.invalid("cannot be combined with first")),
            (Some(n), None) => parse_size_of(Field::First, n).map(Self::First),
            (None, Some(n)) => parse_size_of(Field::Last, n).map(Self::Last),
            (None, None) => Ok(default),
        }
    }
}

/// Parses `first` as a page size: 0 to [`PAGE_MAX`], [`PAGE_DEFAULT`] if absent.
pub fn parse_size(first: Option<i32>) -> Result<u32, Violation> {
    first.map_or(Ok(PAGE_DEFAULT), |n| parse_size_of(Field::First, n))
}

fn parse_size_of(field: Field, n: i32) -> Result<u32, Violation> {
    u32::try_from(n)
        .ok()
        .filter(|n| *n <= PAGE_MAX)
        .ok_or_else(|| field.invalid(format!("must be between 0 and {PAGE_MAX}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_page_equals_the_filtered_list(
            count in 0u64..20, after in proptest::option::of(0u64..25), before in proptest::option::of(0u64..25),
            n in 0u32..25, from_the_end: bool,
        ) {
            let inside: Vec<u64> =
                (0..count).filter(|i| after.is_none_or(|a| *i > a) && before.is_none_or(|b| *i < b)).collect();
            let n_items = (n as usize).min(inside.len());
            let (take, expected) = if from_the_end {
                (Take::Last(n), &inside[inside.len() - n_items..])
            } else {
                (Take::First(n), &inside[..n_items])
            };
            let range = Window { after, before, take }.range(count);
            prop_assert_eq!(range.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_page_has_at_most_a_hundred_items() {
        let parse = Take::parse;
        assert_eq!(parse(Some(100), None, Take::Last(50)), Ok(Take::First(100)));
        assert!(parse(Some(101), None, Take::Last(50)).is_err());
        assert!(parse(None, Some(-1), Take::Last(50)).is_err());
        assert!(parse(Some(1), Some(1), Take::Last(50)).is_err());
        assert_eq!(parse(None, None, Take::Last(50)), Ok(Take::Last(50)));
    }
}
