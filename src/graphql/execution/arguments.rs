//! Arguments of a field, read without the schema.

use async_graphql::Name;
use async_graphql::parser::types::Field;
use async_graphql_value::Value as Literal;
use serde_json::{Map, Value};

/// The variables of a request.
pub(in crate::graphql) type Variables<'a> = Option<&'a Map<String, Value>>;

/// An argument as the document has it.
#[derive(Debug)]
pub(in crate::graphql) enum Argument {
    Variable(Name),
    Literal(Value),
}

impl Argument {
    /// The argument of this name; `None` if it is absent or [`read`](Self::read) returns `None`.
    pub(in crate::graphql) fn of(field: &Field, name: &str) -> Option<Self> {
        Self::read(&field.get_argument(name)?.node)
    }

    /// Reads an argument; `None` if it is an enum value, a boolean, a list or an object.
    pub(in crate::graphql) fn read(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Variable(name) => Some(Self::Variable(name.clone())),
            Literal::String(text) => Some(Self::Literal(text.as_str().into())),
            Literal::Number(number) => Some(Self::Literal(Value::Number(number.clone()))),
            Literal::Null => Some(Self::Literal(Value::Null)),
            _ => None,
        }
    }

    fn value<'a>(&'a self, variables: Variables<'a>) -> &'a Value {
        match self {
            Self::Variable(name) => variables.and_then(|values| values.get(name.as_str())).unwrap_or(&Value::Null),
            Self::Literal(value) => value,
        }
    }

    /// The value if it is a string.
    pub(in crate::graphql) fn string<'a>(&'a self, variables: Variables<'a>) -> Option<&'a str> {
        self.value(variables).as_str()
    }

    /// The value if it is an integer or null; `None` for any other value.
    #[expect(clippy::option_option, reason = "null and a value of another type are two cases")]
    pub(in crate::graphql) fn integer(&self, variables: Variables<'_>) -> Option<Option<i32>> {
        match self.value(variables) {
            Value::Null => Some(None),
            value => i32::try_from(value.as_i64()?).ok().map(Some),
        }
    }
}
