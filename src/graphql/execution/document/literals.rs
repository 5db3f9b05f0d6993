//! Checks the literals of a document against the types of the schema, and normalizes them for resolvers: an integer becomes its
//! digits where an ID is expected.
//!
//! async-graphql checks literals, too, but not input objects that contain a variable, and not integers beyond 64 bits.

use async_graphql::parser::types::{BaseType, ExecutableDocument, Selection, SelectionSet, Type};
use async_graphql::{Name, Pos};
use async_graphql_value::Value;

use crate::graphql::execution::document::parser::is_kept_integer;
use crate::graphql::execution::document::rejection::Rejection;
use crate::graphql::execution::document::types::Types;

/// Normalizes the literals of a document. Returns the error of the first that does not fit.
pub(super) fn normalize(document: &mut ExecutableDocument, types: &Types) -> Option<Rejection> {
    let mut walk = Walk { types, problem: None };
    let operations = match &mut document.operations {
        async_graphql::parser::types::DocumentOperations::Single(operation) => vec![operation],
        async_graphql::parser::types::DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    for operation in operations {
        for definition in &mut operation.node.variable_definitions {
            let definition = &mut definition.node;
            if let Some(default) = &mut definition.default_value {
                let mut value = std::mem::take(&mut default.node).into_value();
                walk.value(&mut value, &definition.var_type.node, default.pos);
                // A default contains no variables.
                default.node = value.into_const().unwrap_or_default();
            }
        }
        walk.selections(&mut operation.node.selection_set.node, types.root(operation.node.ty));
    }
    for fragment in document.fragments.values_mut() {
        let on = fragment.node.type_condition.node.on.node.clone();
        walk.selections(&mut fragment.node.selection_set.node, Some(&on));
    }
    walk.problem
}

struct Walk<'t> {
    types: &'t Types,
    problem: Option<Rejection>,
}

impl<'t> Walk<'t> {
    fn selections(&mut self, set: &mut SelectionSet, of: Option<&Name>) {
        for selection in &mut set.items {
            match &mut selection.node {
                Selection::Field(field) => {
                    let field = &mut field.node;
                    let known = of.and_then(|of| self.types.output(of, &field.name.node));
                    for (name, value) in &mut field.arguments {
                        // The schema reports unknown arguments.
                        if let Some(argument) = known.and_then(|field| field.arguments.get(&name.node)) {
                            self.value(&mut value.node, &argument.ty, value.pos);
                        }
                    }
                    self.selections(&mut field.selection_set.node, known.map(|field| &field.named));
                }
                Selection::InlineFragment(fragment) => {
                    let fragment = &mut fragment.node;
                    let on = fragment.type_condition.as_ref().map(|condition| condition.node.on.node.clone());
                    self.selections(&mut fragment.selection_set.node, on.as_ref().or(of));
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    /// Normalizes a value. Variables are coerced later, with their values.
    fn value(&mut self, value: &mut Value, ty: &Type, at: Pos) {
        if let Value::Variable(_) = value {
            return;
        }
        if let Value::Null = value {
            if !ty.nullable {
                self.mismatch(at, ty);
            }
            return;
        }
        match &ty.base {
            BaseType::List(item) => match value {
                Value::List(items) => items.iter_mut().for_each(|value| self.value(value, item, at)),
                single => self.value(single, item, at),
            },
            BaseType::Named(name) => match self.types.input_object(name) {
                Some(_) => self.object(value, name, ty, at),
                None => self.scalar(value, name, ty, at),
            },
        }
    }

    fn object(&mut self, value: &mut Value, name: &Name, ty: &Type, at: Pos) {
        let (Value::Object(fields), Some(known)) = (value, self.types.input_object(name)) else {
            return self.mismatch(at, ty);
        };
        for (field, value) in fields.iter_mut() {
            match known.get(field) {
                Some(input) => self.value(value, &input.ty, at),
                None => self.problem(Rejection::UnknownInputField { at, of: name.to_string() }),
            }
        }
        let missing = known.iter().find(|(name, input)| input.is_required() && !fields.contains_key(*name));
        if let Some((missing, _)) = missing {
            self.problem(Rejection::MissingInputField { at, of: name.to_string(), field: missing.to_string() });
        }
    }

    fn scalar(&mut self, value: &mut Value, name: &Name, ty: &Type, at: Pos) {
        let fits = match (name.as_str(), &*value) {
            ("ID", Value::Number(number)) if number.is_i64() => {
                *value = Value::String(number.to_string());
                true
            }
            ("ID", Value::Enum(digits)) if is_kept_integer(digits) => {
                *value = Value::String(digits.to_string());
                true
            }
            ("Int", Value::Enum(zero)) if *zero == "-0" => {
                *value = Value::Number(0.into());
                true
            }
            ("Int", Value::Number(number)) => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            ("Float", Value::Number(_)) | ("ID" | "String", Value::String(_)) | ("Boolean", Value::Boolean(_)) => true,
            ("ID" | "String" | "Int" | "Float" | "Boolean", _) => false,
            // The schema checks custom scalars.
            _ => true,
        };
        if !fits {
            self.mismatch(at, ty);
        }
    }

    fn mismatch(&mut self, at: Pos, ty: &Type) {
        self.problem(Rejection::WrongLiteral { at, expected: ty.to_string() });
    }

    fn problem(&mut self, problem: Rejection) {
        self.problem.get_or_insert(problem);
    }
}
