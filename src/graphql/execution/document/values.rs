//! Checks the values in a document against the types of the schema: literals must fit, and a variable may stand only where its
//! declared type is allowed (section 5.8.5 of the GraphQL specification). Normalizes literals for resolvers: an integer becomes
//! its digits where an ID is expected.
//!
//! async-graphql checks both as well, except input objects that contain a variable, integers beyond 64 bits, and variables at
//! some positions that have a default.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_graphql::parser::types::{
    BaseType, Directive, DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
    SelectionSet, Type,
};
use async_graphql::{Name, Pos, Positioned};
use async_graphql_value::{ConstValue, Value};

use crate::graphql::execution::document::parser::is_kept_integer;
use crate::graphql::execution::document::rejection::Rejection;
use crate::graphql::execution::document::types::{Input, Types};

/// What is known about the values of a document.
#[derive(Debug, Default)]
pub(in crate::graphql) struct Values {
    /// The error of the first value that does not fit.
    pub(super) mismatch: Option<Rejection>,
    /// The variables of `@skip` and `@include`.
    pub(super) conditions: BTreeSet<Name>,
    /// The variables that an event of a subscription depends on: all except those of the root field's arguments.
    pub(in crate::graphql) of_events: BTreeSet<Name>,
}

/// Normalizes the literals of a document, and checks all its values.
pub(super) fn check(document: &mut ExecutableDocument, types: &Types) -> Values {
    let mut walk = Walk { types, at_event_root: false, found: Values::default(), scope: Scope::default() };
    let operations = match &mut document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    let scopes: Vec<_> = operations.into_iter().map(|operation| walk.operation(&mut operation.node)).collect();
    let fragments = document.fragments.iter_mut();
    let fragments = fragments
        .map(|(name, fragment)| {
            let on = fragment.node.type_condition.node.on.node.clone();
            (name, walk.scope(&mut fragment.node.selection_set.node, &on))
        })
        .collect();
    let operations = document.operations.iter().zip(&scopes);
    let check = |((_, operation), scope): ((_, &Positioned<OperationDefinition>), _)| {
        check_variables(&operation.node, scope, &fragments)
    };
    let Values { mismatch, conditions, of_events } = walk.found;
    Values { mismatch: mismatch.or_else(|| { operations }.find_map(check)), conditions, of_events }
}

/// The error of the first variable of an operation that is used where its type is not allowed.
fn check_variables(
    operation: &OperationDefinition,
    scope: &Scope,
    fragments: &HashMap<&Name, Scope>,
) -> Option<Rejection> {
    let directive = operation.variable_definitions.iter().find_map(|definition| definition.node.directives.first());
    if let Some(directive) = directive {
        // The schema has no directive for this location.
        return Some(Rejection::MisplacedDirective { at: directive.pos });
    }
    let (mut waiting, mut seen) = (vec![scope], BTreeSet::new());
    while let Some(scope) = waiting.pop() {
        if let Some(problem) = scope.usages.iter().find_map(|usage| usage.check(operation)) {
            return Some(problem);
        }
        let spreads = scope.spreads.iter().filter(|name| seen.insert(*name));
        waiting.extend(spreads.filter_map(|name| fragments.get(name)));
    }
    None
}

/// Variables and fragments that an operation or a fragment uses directly.
#[derive(Default)]
struct Scope {
    usages: Vec<Usage>,
    spreads: Vec<Name>,
}

/// The use of a variable where a value of type `ty` is expected.
struct Usage {
    variable: Name,
    at: Pos,
    ty: Type,
    has_default: bool,
}

impl Usage {
    /// The error of this use in an operation, if any. The schema reports undeclared variables.
    fn check(&self, operation: &OperationDefinition) -> Option<Rejection> {
        let mut definitions = operation.variable_definitions.iter().map(|definition| &definition.node);
        let definition = definitions.find(|definition| definition.name.node == self.variable)?;
        let declared = &definition.var_type.node;
        let has_value = definition.default_value.as_ref().is_some_and(|default| default.node != ConstValue::Null);
        let may_be_left_out = declared.nullable && !self.ty.nullable && (has_value || self.has_default);
        let fits = match may_be_left_out {
            true => is_base_within(&declared.base, &self.ty.base),
            false => is_within(declared, &self.ty),
        };
        (!fits).then(|| Rejection::VariablePosition {
            at: self.at,
            name: self.variable.to_string(),
            expected: self.ty.to_string(),
        })
    }
}

/// Whether every value of `ty` is a value of `other`.
fn is_within(ty: &Type, other: &Type) -> bool {
    (other.nullable || !ty.nullable) && is_base_within(&ty.base, &other.base)
}

fn is_base_within(base: &BaseType, other: &BaseType) -> bool {
    match (base, other) {
        (BaseType::Named(name), BaseType::Named(other)) => name == other,
        (BaseType::List(item), BaseType::List(other)) => is_within(item, other),
        _ => false,
    }
}

struct Walk<'t> {
    types: &'t Types,
    /// Whether the current value is an argument of the root field of a subscription.
    at_event_root: bool,
    found: Values,
    /// What the current operation or fragment uses.
    scope: Scope,
}

impl<'t> Walk<'t> {
    fn operation(&mut self, operation: &mut OperationDefinition) -> Scope {
        for Positioned { node: definition, .. } in &mut operation.variable_definitions {
            if let Some(default) = &mut definition.default_value {
                let mut value = std::mem::take(&mut default.node).into_value();
                self.value(&mut value, &definition.var_type.node, false, default.pos);
                // A default contains no variables.
                default.node = value.into_const().unwrap_or_default();
            }
        }
        self.scope(&mut operation.selection_set.node, self.types.root(operation.ty))
    }

    fn scope(&mut self, set: &mut SelectionSet, of: &Name) -> Scope {
        self.selections(set, Some(of));
        std::mem::take(&mut self.scope)
    }

    fn selections(&mut self, set: &mut SelectionSet, of: Option<&Name>) {
        for selection in &mut set.items {
            match &mut selection.node {
                Selection::Field(Positioned { node: field, .. }) => {
                    self.directives(&mut field.directives);
                    let known = of.and_then(|of| self.types.output(of, &field.name.node));
                    self.at_event_root = of == Some(self.types.root(OperationType::Subscription));
                    for (name, value) in &mut field.arguments {
                        // The schema reports unknown arguments.
                        if let Some(Input { ty, has_default }) = known.and_then(|field| field.arguments.get(&name.node))
                        {
                            self.value(&mut value.node, ty, *has_default, value.pos);
                        }
                    }
                    self.at_event_root = false;
                    self.selections(&mut field.selection_set.node, known.map(|field| &field.named));
                }
                Selection::InlineFragment(Positioned { node: fragment, .. }) => {
                    self.directives(&mut fragment.directives);
                    let on = fragment.type_condition.as_ref().map(|condition| condition.node.on.node.clone());
                    self.selections(&mut fragment.selection_set.node, on.as_ref().or(of));
                }
                Selection::FragmentSpread(Positioned { node: spread, .. }) => {
                    self.directives(&mut spread.directives);
                    self.scope.spreads.push(spread.fragment_name.node.clone());
                }
            }
        }
    }

    /// Checks the arguments of `@skip` and `@include`.
    fn directives(&mut self, directives: &mut [Positioned<Directive>]) {
        let is_condition = |directive: &&mut Positioned<Directive>| is_condition(&directive.node);
        for (_, value) in directives.iter_mut().filter(is_condition).flat_map(|directive| &mut directive.node.arguments)
        {
            let boolean = Type { base: BaseType::Named(Name::new("Boolean")), nullable: false };
            self.value(&mut value.node, &boolean, false, value.pos);
            if let Value::Variable(name) = &value.node {
                self.found.conditions.insert(name.clone());
            }
        }
    }

    fn value(&mut self, value: &mut Value, ty: &Type, has_default: bool, at: Pos) {
        match (&mut *value, &ty.base) {
            (Value::Variable(name), _) => {
                if !self.at_event_root {
                    self.found.of_events.insert(name.clone());
                }
                self.scope.usages.push(Usage { variable: name.clone(), at, ty: ty.clone(), has_default });
            }
            (Value::Null, _) if ty.nullable => {}
            (Value::Null, _) => self.report_mismatch(at, ty),
            (Value::List(items), BaseType::List(item)) => {
                items.iter_mut().for_each(|value| self.value(value, item, false, at));
            }
            (_, BaseType::List(item)) => self.value(value, item, false, at),
            (_, BaseType::Named(name)) => match self.types.input_object(name) {
                Some(known) => self.object(value, ty, name, known, at),
                None if normalize_scalar(value, name) => {}
                None => self.report_mismatch(at, ty),
            },
        }
    }

    /// `known` are the fields of the input object of this name.
    fn object(&mut self, value: &mut Value, ty: &Type, name: &Name, known: &BTreeMap<Name, Input>, at: Pos) {
        let Value::Object(fields) = value else {
            return self.report_mismatch(at, ty);
        };
        for (field, value) in fields.iter_mut() {
            match known.get(field) {
                Some(Input { ty, has_default }) => self.value(value, ty, *has_default, at),
                None => self.report(Rejection::UnknownInputField { at, of: name.to_string() }),
            }
        }
        let missing = known.iter().find(|(name, input)| input.is_required() && !fields.contains_key(*name));
        if let Some((missing, _)) = missing {
            self.report(Rejection::MissingInputField { at, of: name.to_string(), field: missing.to_string() });
        }
    }

    fn report_mismatch(&mut self, at: Pos, ty: &Type) {
        self.report(Rejection::WrongLiteral { at, expected: ty.to_string() });
    }

    fn report(&mut self, problem: Rejection) {
        self.found.mismatch.get_or_insert(problem);
    }
}

/// Normalizes a literal of a scalar type, and returns whether it fits. The schema checks custom scalars.
fn normalize_scalar(value: &mut Value, name: &str) -> bool {
    match (name, &*value) {
        ("ID", Value::Number(number)) if number.is_i64() => *value = Value::String(number.to_string()),
        ("ID", Value::Enum(digits)) if is_kept_integer(digits) => *value = Value::String(digits.to_string()),
        ("Int", Value::Enum(zero)) if *zero == "-0" => *value = Value::Number(0.into()),
        ("Int", Value::Number(number)) => return number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        ("Float", Value::Number(_)) | ("ID" | "String", Value::String(_)) | ("Boolean", Value::Boolean(_)) => {}
        ("ID" | "String" | "Int" | "Float" | "Boolean", _) => return false,
        _ => {}
    }
    true
}

/// Whether a directive is `@skip` or `@include`.
pub(super) fn is_condition(directive: &Directive) -> bool {
    matches!(directive.name.node.as_str(), "skip" | "include")
}
