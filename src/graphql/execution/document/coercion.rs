//! Coerces the variables of an operation to their declared types and adds defaults, as graphql-js does. So each value has only
//! one form in all later code.

use std::collections::BTreeMap;

use async_graphql::Name;
use async_graphql::parser::types::{BaseType, OperationDefinition, Type};
use async_graphql_value::ConstValue;
use serde_json::{Map, Number, Value};

use crate::graphql::execution::document::rejection::Rejection;
use crate::graphql::execution::document::types::{Input, Types};

/// The values of the variables that `operation` declares. A variable without a value and without a default is omitted.
pub(super) fn coerce(
    operation: &OperationDefinition,
    mut given: Map<String, Value>,
    types: &Types,
) -> Result<Map<String, Value>, Rejection> {
    let mut coerced = Map::new();
    for definition in operation.variable_definitions.iter().map(|definition| &definition.node) {
        let name = definition.name.node.as_str();
        let ty = &definition.var_type.node;
        let value = match (given.remove(name), &definition.default_value) {
            (Some(mut value), _) => {
                Coercion { types, path: vec![name] }.value(&mut value, ty)?;
                value
            }
            (None, Some(default)) => json(&default.node),
            (None, None) if ty.nullable => continue,
            (None, None) => return Err(Rejection::MissingVariable { name: name.to_owned() }),
        };
        coerced.insert(name.to_owned(), value);
    }
    Ok(coerced)
}

fn json(value: &ConstValue) -> Value {
    // Every default can be represented as JSON.
    value.clone().into_json().unwrap_or_default()
}

struct Coercion<'a> {
    types: &'a Types,
    /// The variable, and the fields that lead to the current value.
    path: Vec<&'a str>,
}

impl<'a> Coercion<'a> {
    fn value(&mut self, value: &mut Value, ty: &'a Type) -> Result<(), Rejection> {
        if value.is_null() {
            return if ty.nullable { Ok(()) } else { Err(Rejection::MissingVariable { name: self.path() }) };
        }
        match &ty.base {
            BaseType::List(item) => match value {
                Value::Array(items) => items.iter_mut().try_for_each(|value| self.value(value, item)),
                single => {
                    self.value(single, item)?;
                    *single = Value::Array(vec![single.take()]);
                    Ok(())
                }
            },
            // Most values are strings, which need no lookup of a type.
            BaseType::Named(name) if value.is_string() && matches!(name.as_str(), "ID" | "String") => Ok(()),
            BaseType::Named(name) => match self.types.input_object(name) {
                Some(known) => self.object(value, ty, name, known),
                None => match coerce_scalar(value, name) {
                    true => Ok(()),
                    false => Err(self.mismatch(ty)),
                },
            },
        }
    }

    /// `known` are the fields of the input object of this name.
    fn object(
        &mut self,
        value: &mut Value,
        ty: &Type,
        name: &Name,
        known: &'a BTreeMap<Name, Input>,
    ) -> Result<(), Rejection> {
        let Value::Object(fields) = value else {
            return Err(self.mismatch(ty));
        };
        for (field, value) in fields.iter_mut() {
            let Some((field, input)) = known.get_key_value(field.as_str()) else {
                return Err(Rejection::UnknownVariableField { name: self.path(), of: name.to_string() });
            };
            self.path.push(field);
            self.value(value, &input.ty)?;
            self.path.pop();
        }
        match known.iter().find(|(field, input)| input.is_required() && !fields.contains_key(field.as_str())) {
            Some((missing, _)) => {
                self.path.push(missing);
                Err(Rejection::MissingVariable { name: self.path() })
            }
            None => Ok(()),
        }
    }

    fn mismatch(&self, ty: &Type) -> Rejection {
        Rejection::WrongVariable { name: self.path(), expected: ty.to_string() }
    }

    fn path(&self) -> String {
        self.path.join(".")
    }
}

/// Coerces a value to a scalar, and returns whether that is possible.
fn coerce_scalar(value: &mut Value, name: &str) -> bool {
    let coerced = match (name, &*value) {
        ("Int", Value::Number(number)) => integer(number).map(Value::from),
        ("ID", Value::Number(number)) => digits(number).map(Value::from),
        ("ID" | "String", Value::String(_)) | ("Boolean", Value::Bool(_)) | ("Float", Value::Number(_)) => return true,
        ("Int" | "ID" | "String" | "Boolean" | "Float", _) => None,
        _ => return true,
    };
    coerced.map(|coerced| *value = coerced).is_some()
}

/// An integer of 32 bits, however it is written: `3.0` and `3e0` are the same number as `3`.
fn integer(number: &Number) -> Option<i32> {
    if let Some(integer) = number.as_i64() {
        return i32::try_from(integer).ok();
    }
    let float = number.as_f64()?;
    let fits = float.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&float);
    #[expect(clippy::cast_possible_truncation, reason = "it was found to fit")]
    fits.then_some(float as i32)
}

/// An integer as JavaScript writes it. An integer that JSON gives with all its digits keeps them.
fn digits(number: &Number) -> Option<String> {
    if number.is_i64() || number.is_u64() {
        return Some(number.to_string());
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
    Some(match float.abs() {
        0.0 => "0".to_owned(),
        large if large >= 1e21 => format!("{float:e}").replace('e', "e+"),
        _ => float.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error_code::ErrorCode;
    use crate::graphql::execution::document::lexer;
    use crate::graphql::execution::document::parser::parse;
    use crate::graphql::execution::document::tests::LIMITS;
    use crate::graphql::execution::document::types::TYPES;

    fn coerce(definitions: &str, given: &Value) -> Result<Value, ErrorCode> {
        let text = format!("query({definitions}) {{ a }}");
        let document = lexer::tokenize(&text, &LIMITS).and_then(|tokens| parse(&tokens)).expect("a document");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let given = given.as_object().cloned().unwrap_or_default();
        super::coerce(&operation.node, given, &TYPES).map(Value::Object).map_err(|rejection| rejection.code())
    }

    #[test]
    fn scalars_are_coerced_as_graphql_js_coerces_them() {
        for (ty, given, expected) in [
            ("Int", json!(3), json!(3)),
            ("Int", json!(3.0), json!(3)),
            ("Int", json!(-0.0), json!(0)),
            ("Int", json!(2_147_483_647), json!(2_147_483_647)),
            ("Int", json!(-2_147_483_648.0), json!(-2_147_483_648_i64)),
            ("Int", json!(null), json!(null)),
            ("ID", json!("x"), json!("x")),
            ("ID", json!(5), json!("5")),
            ("ID", json!(5.0), json!("5")),
            ("ID", json!(-0.0), json!("0")),
            ("ID", json!(1e20), json!("100000000000000000000")),
            ("ID", json!(1e21), json!("1e+21")),
            ("ID", json!(-1.5e300), json!("-1.5e+300")),
            ("ID", json!(9_007_199_254_740_993_u64), json!("9007199254740993")),
            ("String", json!("5"), json!("5")),
            ("Boolean", json!(false), json!(false)),
            ("[Int]", json!(3), json!([3])),
            ("[Int]", json!([3.0, null]), json!([3, null])),
            ("[[Int]]", json!(3), json!([[3]])),
        ] {
            let coerced = coerce(&format!("$x: {ty}"), &json!({ "x": given, "undeclared": 1 }));
            assert_eq!(coerced, Ok(json!({ "x": expected })), "{given} as {ty}");
        }
    }

    #[test]
    fn values_of_another_type_are_rejected() {
        for (ty, given) in [
            ("Int", json!("3")),
            ("Int", json!(3.5)),
            ("Int", json!(2_147_483_648_i64)),
            ("Int", json!(1e300)),
            ("Int", json!(true)),
            ("Int", json!([3])),
            ("Int!", json!(null)),
            ("ID", json!(1.5)),
            ("ID", json!(true)),
            ("ID", json!({})),
            ("String", json!(5)),
            ("String", json!(["x"])),
            ("Boolean", json!(0)),
            ("Boolean", json!("true")),
            ("[Int!]", json!([null])),
            ("SendMessageInput", json!("x")),
            ("SendMessageInput", json!([])),
            ("SendMessageInput", json!({ "roomId": "1", "roomCode": "2" })),
            ("SendMessageInput", json!({ "roomId": "1", "roomCode": "2", "text": null })),
            ("SendMessageInput", json!({ "roomId": "1", "roomCode": "2", "text": 5 })),
            ("SendMessageInput", json!({ "roomId": "1", "roomCode": "2", "text": "x", "other": null })),
        ] {
            let coerced = coerce(&format!("$x: {ty}"), &json!({ "x": given }));
            assert_eq!(coerced, Err(ErrorCode::GraphqlValidationFailed), "{given} as {ty}");
        }
        assert_eq!(coerce("$x: Int!", &json!({})), Err(ErrorCode::GraphqlValidationFailed));
    }

    #[test]
    fn a_variable_without_a_value_gets_its_default_or_is_omitted() {
        let given = json!({ "c": null });
        assert_eq!(
            coerce("$a: Int, $b: Int = 5, $c: Int = 5, $d: Int! = 6", &given),
            Ok(json!({ "b": 5, "c": null, "d": 6 }))
        );
        let input = json!({ "x": { "roomId": 7, "roomCode": "2", "text": "x", "token": null } });
        let expected = json!({ "x": { "roomId": "7", "roomCode": "2", "text": "x", "token": null } });
        assert_eq!(coerce("$x: SendMessageInput!", &input), Ok(expected));
    }
}
