//! Checks that variables are used only where their declared type is allowed, following section 5.8.5 of the GraphQL
//! specification. async-graphql's own rule misses some positions that have a default.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{
    BaseType, Directive, ExecutableDocument, OperationDefinition, Selection, SelectionSet, Type,
};
use async_graphql::{Name, Pos, Positioned};
use async_graphql_value::{ConstValue, Value};

use crate::graphql::execution::document::rejection::Rejection;
use crate::graphql::execution::document::types::{Input, Types};

/// The error of the first variable that is used where its type is not allowed.
pub(super) fn check(document: &ExecutableDocument, types: &Types) -> Option<Rejection> {
    let condition =
        Input { ty: Type { base: BaseType::Named(Name::new("Boolean")), nullable: false }, has_default: false };
    let walk = |set, of| {
        let mut walk = Walk { types, condition: &condition, scope: Scope::default() };
        walk.selections(set, of);
        walk.scope
    };
    let fragments: HashMap<_, _> = document
        .fragments
        .iter()
        .map(|(name, fragment)| {
            let fragment = &fragment.node;
            (name, walk(&fragment.selection_set.node, Some(&fragment.type_condition.node.on.node)))
        })
        .collect();
    document.operations.iter().find_map(|(_, operation)| {
        let operation = &operation.node;
        let directive = operation.variable_definitions.iter().find_map(|definition| definition.node.directives.first());
        if let Some(directive) = directive {
            // The schema has no directive for this location.
            return Some(Rejection::MisplacedDirective { at: directive.pos });
        }
        let own = walk(&operation.selection_set.node, types.root(operation.ty));
        let (mut waiting, mut seen) = (vec![&own], HashSet::new());
        while let Some(scope) = waiting.pop() {
            if let Some(problem) = scope.usages.iter().find_map(|usage| usage.problem(operation)) {
                return Some(problem);
            }
            let spreads = scope.spreads.iter().filter(|name| seen.insert(**name));
            waiting.extend(spreads.filter_map(|name| fragments.get(name)));
        }
        None
    })
}

/// Variables and fragments that an operation or a fragment uses directly.
#[derive(Default)]
struct Scope<'a> {
    usages: Vec<Usage<'a>>,
    spreads: Vec<&'a Name>,
}

/// The use of a variable.
struct Usage<'a> {
    variable: &'a Name,
    at: Pos,
    ty: &'a Type,
    has_default: bool,
}

impl Usage<'_> {
    /// The error of this use in an operation, if any. The schema reports undeclared variables.
    fn problem(&self, operation: &OperationDefinition) -> Option<Rejection> {
        let mut definitions = operation.variable_definitions.iter().map(|definition| &definition.node);
        let definition = definitions.find(|definition| definition.name.node == *self.variable)?;
        let declared = &definition.var_type.node;
        let has_value = definition.default_value.as_ref().is_some_and(|default| default.node != ConstValue::Null);
        let may_be_left_out = declared.nullable && !self.ty.nullable && (has_value || self.has_default);
        let fits = match may_be_left_out {
            true => is_base_within(&declared.base, &self.ty.base),
            false => is_within(declared, self.ty),
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

struct Walk<'a> {
    types: &'a Types,
    /// The argument `if` of `@skip` and `@include`.
    condition: &'a Input,
    scope: Scope<'a>,
}

impl<'a> Walk<'a> {
    fn selections(&mut self, set: &'a SelectionSet, of: Option<&'a Name>) {
        for selection in &set.items {
            self.directives(selection.node.directives());
            match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let known = of.and_then(|of| self.types.output(of, &field.name.node));
                    for (name, value) in &field.arguments {
                        if let Some(argument) = known.and_then(|field| field.arguments.get(&name.node)) {
                            self.value(&value.node, argument, value.pos);
                        }
                    }
                    self.selections(&field.selection_set.node, known.map(|field| &field.named));
                }
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    let on = fragment.type_condition.as_ref().map(|condition| &condition.node.on.node);
                    self.selections(&fragment.selection_set.node, on.or(of));
                }
                Selection::FragmentSpread(spread) => self.scope.spreads.push(&spread.node.fragment_name.node),
            }
        }
    }

    fn directives(&mut self, directives: &'a [Positioned<Directive>]) {
        let conditions =
            directives.iter().filter(|directive| matches!(directive.node.name.node.as_str(), "skip" | "include"));
        for (_, value) in conditions.flat_map(|directive| &directive.node.arguments) {
            self.value(&value.node, self.condition, value.pos);
        }
    }

    fn value(&mut self, value: &'a Value, expected: &'a Input, at: Pos) {
        self.value_of(value, &expected.ty, expected.has_default, at);
    }

    fn value_of(&mut self, value: &'a Value, ty: &'a Type, has_default: bool, at: Pos) {
        match (value, &ty.base) {
            (Value::Variable(variable), _) => self.scope.usages.push(Usage { variable, at, ty, has_default }),
            (Value::List(items), BaseType::List(item)) => {
                items.iter().for_each(|value| self.value_of(value, item, false, at));
            }
            (Value::Object(fields), BaseType::Named(name)) => {
                let known = self.types.input_object(name);
                for (field, value) in fields {
                    if let Some(input) = known.and_then(|known| known.get(field)) {
                        self.value(value, input, at);
                    }
                }
            }
            (single, BaseType::List(item)) => self.value_of(single, item, false, at),
            _ => {}
        }
    }
}
