//! The fields of a JSON object, read one by one, with a list of all that is wrong with them.

use std::collections::HashMap;

use crate::rest::detail::{Detail, Place, Problem};
use crate::rest::integer;
use crate::rest::json::{HalfPair, Raw};

/// A shape that can be read from the fields of a body, in the order in which the contract lists them.
pub(super) trait Form: Sized {
    /// Reads every field, so that every problem is found; what it returns counts only if none was.
    fn read(fields: &mut Fields<'_>) -> Self;
}

/// The fields of one object. Values stay as they were written until they are asked for: what nobody asks for may hold
/// anything, and a half surrogate pair is the problem of its own field, not of the body.
pub(super) struct Fields<'a> {
    /// Of a name that comes twice, the last value.
    sent: HashMap<String, Raw<'a>>,
    problems: Vec<Detail>,
}

impl<'a> Fields<'a> {
    /// Reads `form` from what was sent, or says everything that is wrong with it.
    pub(super) fn read<F: Form>(sent: HashMap<String, Raw<'a>>) -> Result<F, Vec<Detail>> {
        let mut fields = Self { sent, problems: Vec::new() };
        let form = F::read(&mut fields);
        if fields.problems.is_empty() { Ok(form) } else { Err(fields.problems) }
    }

    /// A string that must be there.
    pub(super) fn text(&mut self, name: &'static str) -> String {
        self.required(name, read_text)
    }

    /// A string that may be absent or null.
    pub(super) fn optional_text(&mut self, name: &'static str) -> Option<String> {
        let value = *self.sent.get(name)?;
        if value.is_null() {
            return None;
        }
        let read = read_text(value);
        Some(self.noted(name, read))
    }

    /// An integer that must be there.
    pub(super) fn integer(&mut self, name: &'static str) -> i64 {
        self.required(name, integer::read)
    }

    fn required<T: Default>(&mut self, name: &'static str, read: fn(Raw<'_>) -> Result<T, Problem>) -> T {
        let read = self.sent.get(name).map_or(Err(Problem::Missing), |value| read(*value));
        self.noted(name, read)
    }

    fn noted<T: Default>(&mut self, name: &'static str, read: Result<T, Problem>) -> T {
        read.unwrap_or_else(|problem| {
            self.problems.push(problem.at(Place::Field(name)));
            T::default()
        })
    }
}

/// Reads a string. Its syntax was checked with the body's, so what it may still lack is a whole surrogate pair.
pub(super) fn read_text(value: Raw<'_>) -> Result<String, Problem> {
    if !value.is_string() {
        return Err(Problem::NotString);
    }
    value.text().map_err(|HalfPair| Problem::NotText)
}
