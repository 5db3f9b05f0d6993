//! Prepares a document for execution: removes arguments whose variable has no value, and moves the root field of a subscription
//! out of fragments, where async-graphql does not look for it.

use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, Positioned};
use async_graphql_value::Value as Literal;
use serde_json::{Map, Value};

use crate::graphql::execution::document::rejection::Rejection;

type Variables = Map<String, Value>;

/// The document to execute `operation` of `document` with these variables, which have been coerced.
pub(super) fn executable(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    name: Option<&str>,
    variables: &Variables,
) -> Result<ExecutableDocument, Rejection> {
    let mut executable = document.clone();
    if operation.ty == OperationType::Subscription {
        let field = root_field(document, operation, variables)?;
        if let Some(operation) = operation_mut(&mut executable, name) {
            let pos = field.pos;
            operation.selection_set.node.items = vec![Positioned::new(Selection::Field(field), pos)];
        }
    }
    let has_value = |definition: &Name| variables.contains_key(definition.as_str());
    if !operation.variable_definitions.iter().all(|definition| has_value(&definition.node.name.node)) {
        if let Some(operation) = operation_mut(&mut executable, name) {
            omit_absent(&mut operation.selection_set.node, variables);
        }
        for fragment in executable.fragments.values_mut() {
            omit_absent(&mut fragment.node.selection_set.node, variables);
        }
    }
    Ok(executable)
}

fn operation_mut<'a>(document: &'a mut ExecutableDocument, name: Option<&str>) -> Option<&'a mut OperationDefinition> {
    match (&mut document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(&mut operation.node),
        (DocumentOperations::Multiple(operations), Some(name)) => {
            operations.get_mut(name).map(|operation| &mut operation.node)
        }
        (DocumentOperations::Multiple(operations), None) => {
            operations.values_mut().next().map(|operation| &mut operation.node)
        }
    }
}

/// The only root field of a subscription. async-graphql looks for it only in the operation itself, not in fragments.
fn root_field(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<Positioned<Field>, Rejection> {
    let mut fields = Vec::new();
    collect(document, &operation.selection_set.node, variables, &mut fields);
    let mut fields = fields.into_iter();
    let Some(first) = fields.next() else { return Err(Rejection::SubscriptionRootSkipped) };
    let mut root = first.clone();
    root.node.directives.retain(|directive| condition_kind(&directive.node).is_none());
    for other in fields {
        // Validation has found that fields with the same key are the same field with the same arguments.
        if other.node.response_key().node != root.node.response_key().node {
            return Err(Rejection::SubscriptionRoot);
        }
        root.node.selection_set.node.items.extend(other.node.selection_set.node.items.iter().cloned());
    }
    match root.node.name.node.starts_with("__") {
        true => Err(Rejection::SubscriptionRoot),
        false => Ok(root),
    }
}

/// The fields of a selection set that are not skipped, including those in fragments. All fragments apply, because the only
/// possible type is the subscription root.
fn collect<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    variables: &Variables,
    fields: &mut Vec<&'a Positioned<Field>>,
) {
    for selection in &set.items {
        if selection.node.directives().iter().any(|directive| skips(&directive.node, variables)) {
            continue;
        }
        match &selection.node {
            Selection::Field(field) => fields.push(field),
            Selection::InlineFragment(fragment) => {
                collect(document, &fragment.node.selection_set.node, variables, fields);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    collect(document, &fragment.node.selection_set.node, variables, fields);
                }
            }
        }
    }
}

/// The value of `if` for which a directive skips its selection; `None` for other directives.
fn condition_kind(directive: &Directive) -> Option<bool> {
    match directive.name.node.as_str() {
        "skip" => Some(true),
        "include" => Some(false),
        _ => None,
    }
}

fn skips(directive: &Directive, variables: &Variables) -> bool {
    let Some(skipping) = condition_kind(directive) else { return false };
    let condition = directive.arguments.iter().find(|(name, _)| name.node == "if").map(|(_, value)| &value.node);
    let condition = match condition {
        Some(Literal::Boolean(condition)) => Some(*condition),
        Some(Literal::Variable(name)) => variables.get(name.as_str()).and_then(Value::as_bool),
        _ => None,
    };
    condition == Some(skipping)
}

/// Removes arguments and input object fields whose variable has no value.
fn omit_absent(set: &mut SelectionSet, variables: &Variables) {
    for selection in &mut set.items {
        match &mut selection.node {
            Selection::Field(field) => {
                let field = &mut field.node;
                field.arguments.retain(|(_, value)| !is_absent(&value.node, variables));
                field.arguments.iter_mut().for_each(|(_, value)| omit_in(&mut value.node, variables));
                omit_absent(&mut field.selection_set.node, variables);
            }
            Selection::InlineFragment(fragment) => omit_absent(&mut fragment.node.selection_set.node, variables),
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn is_absent(value: &Literal, variables: &Variables) -> bool {
    matches!(value, Literal::Variable(name) if !variables.contains_key(name.as_str()))
}

fn omit_in(value: &mut Literal, variables: &Variables) {
    match value {
        Literal::Object(fields) => {
            fields.retain(|_, value| !is_absent(value, variables));
            fields.values_mut().for_each(|value| omit_in(value, variables));
        }
        Literal::List(items) => {
            for item in items {
                // An item cannot be omitted, so it becomes null.
                if is_absent(item, variables) {
                    *item = Literal::Null;
                }
                omit_in(item, variables);
            }
        }
        _ => {}
    }
}

/// The variable of a `@skip` or `@include` that is null, if any. Only a variable with a default can be null there.
pub(super) fn null_condition(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Option<String> {
    if !variables.values().any(Value::is_null) {
        return None;
    }
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    std::iter::once(&operation.selection_set.node).chain(fragments).find_map(|set| null_condition_in(set, variables))
}

fn null_condition_in(set: &SelectionSet, variables: &Variables) -> Option<String> {
    set.items.iter().find_map(|selection| {
        let conditions =
            selection.node.directives().iter().filter(|directive| condition_kind(&directive.node).is_some());
        let arguments = conditions.flat_map(|directive| &directive.node.arguments);
        let null = arguments.into_iter().find_map(|(_, value)| match &value.node {
            Literal::Variable(name) => {
                variables.get(name.as_str()).is_some_and(Value::is_null).then(|| name.to_string())
            }
            _ => None,
        });
        null.or_else(|| match &selection.node {
            Selection::Field(field) => null_condition_in(&field.node.selection_set.node, variables),
            Selection::InlineFragment(fragment) => null_condition_in(&fragment.node.selection_set.node, variables),
            Selection::FragmentSpread(_) => None,
        })
    })
}
