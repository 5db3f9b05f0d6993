//! Prepares a document for execution: removes arguments whose variable has no value, except those of the root field of a
//! subscription, and moves that field out of fragments, where async-graphql does not look for it.

use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, Pos, Positioned};
use async_graphql_value::Value as Literal;
use serde_json::{Map, Value};

use crate::graphql::execution::document::rejection::Rejection;
use crate::graphql::execution::document::values::is_condition;

type Variables = Map<String, Value>;

/// Prepares a document to execute only `operation`, with these variables, which have been coerced.
pub(super) fn prepare(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<ExecutableDocument, Rejection> {
    let (mut executed, mut fragments) = (operation.clone(), document.fragments.clone());
    if operation.ty == OperationType::Subscription {
        let field = root_field(document, operation, variables)?;
        let pos = field.pos;
        executed.selection_set.node.items = vec![Positioned::new(Selection::Field(field), pos)];
    }
    let has_value = |definition: &Name| variables.contains_key(definition.as_str());
    if !operation.variable_definitions.iter().all(|definition| has_value(&definition.node.name.node)) {
        match &mut executed.selection_set.node.items[..] {
            // The arguments of the root field are read with the variables of each subscriber that shares the document.
            [Positioned { node: Selection::Field(root), .. }] if operation.ty == OperationType::Subscription => {
                omit_absent(&mut root.node.selection_set.node, variables);
            }
            _ => omit_absent(&mut executed.selection_set.node, variables),
        }
        for fragment in fragments.values_mut() {
            omit_absent(&mut fragment.node.selection_set.node, variables);
        }
    }
    let operations = DocumentOperations::Single(Positioned::new(executed, Pos::default()));
    Ok(ExecutableDocument { operations, fragments })
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
    root.node.directives.retain(|directive| !is_condition(&directive.node));
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

/// Whether a directive is `@skip` or `@include`, and skips its selection.
fn skips(directive: &Directive, variables: &Variables) -> bool {
    let condition = match directive.get_argument("if").map(|value| &value.node) {
        Some(Literal::Boolean(condition)) => Some(*condition),
        Some(Literal::Variable(name)) => variables.get(name.as_str()).and_then(Value::as_bool),
        _ => None,
    };
    is_condition(directive) && condition == Some(directive.name.node == "skip")
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
