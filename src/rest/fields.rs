//! Reading of typed fields from a JSON object, which collects all problems instead of stopping at the first.

use std::collections::HashMap;

use crate::rest::detail::{Detail, Location, Problem};
use crate::rest::integer;
use crate::rest::json::RawValue;

/// A type that can be read from the fields of a body.
pub(super) trait FromFields: Sized {
    /// Reads every field, in the order of the contract, so that every problem is reported in this order. The result is used only
    /// if there was no problem.
    fn from_fields(fields: &mut Fields<'_>) -> Self;
}

/// The fields of one object. Values are parsed only when they are read. So unknown fields may have any value, and an unpaired
/// surrogate is a problem of its field, not of the body.
pub(super) struct Fields<'a> {
    values: HashMap<String, RawValue<'a>>,
    problems: Vec<Detail>,
}

impl<'a> Fields<'a> {
    /// Reads an `F`, or returns all problems.
    pub(super) fn parse<F: FromFields>(values: HashMap<String, RawValue<'a>>) -> Result<F, Vec<Detail>> {
        let mut fields = Self { values, problems: Vec::new() };
        let result = F::from_fields(&mut fields);
        if fields.problems.is_empty() { Ok(result) } else { Err(fields.problems) }
    }

    /// Reads a required string.
    pub(super) fn text(&mut self, name: &'static str) -> String {
        self.required(name, RawValue::text)
    }

    /// Reads a string that may be absent or null.
    pub(super) fn optional_text(&mut self, name: &'static str) -> Option<String> {
        let value = self.values.get(name).filter(|value| !value.is_null())?;
        let result = value.text();
        Some(self.or_report(name, result))
    }

    /// Reads a required integer.
    pub(super) fn integer(&mut self, name: &'static str) -> i64 {
        self.required(name, integer::parse)
    }

    fn required<T: Default>(&mut self, name: &'static str, parse: fn(RawValue<'a>) -> Result<T, Problem>) -> T {
        let result = self.values.get(name).map_or(Err(Problem::Missing), |value| parse(*value));
        self.or_report(name, result)
    }

    /// The value of a field, or a default after reporting its problem.
    fn or_report<T: Default>(&mut self, name: &'static str, result: Result<T, Problem>) -> T {
        result.unwrap_or_else(|problem| {
            self.problems.push(problem.at(Location::Field(name)));
            T::default()
        })
    }
}
