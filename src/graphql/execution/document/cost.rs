//! Computes the cost of an operation: a field costs 1, a field that reads the store costs more, and the fields of a list count
//! once for each item that may be returned.
//!
//! This takes linear time, since each fragment is computed once. The same fragment may be spread in pages of several sizes, so
//! its cost has two parts: one that counts once, and one that counts for each item of the surrounding page.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet};
use async_graphql_value::{ConstValue, Value as Literal};
use serde_json::{Map, Value};

use crate::domain::limits::{PAGE_DEFAULT, PAGE_MAX};
use crate::graphql::execution::document::types::{Output, TYPES};

/// The assumed number of types that the introspection field `types` returns.
const TYPES_IN_SCHEMA: u64 = 32;

/// The cost of a field that reads or writes the store: a root field, a page, or one of [`READING_FIELDS`].
const STORE_FIELD_COST: u64 = 10;

/// Fields that read the store although they are neither at the root nor a page, with their types. `Message.reactionsBy` is not one
/// of them: it is read once for all messages of a page.
const READING_FIELDS: [(&str, &str); 3] = [("Room", "viewerCount"), ("ActiveRoom", "viewerCount"), ("Room", "message")];

/// The assumed number of items in a list of reactions. Few messages have more.
const REACTIONS: u64 = 5;

/// Lists that are neither pages nor the items of one: the reactions to a message.
const REACTION_LISTS: [(&str, &str); 2] = [("Message", "reactions"), ("Message", "reactionsBy")];

/// The list of present users, and the assumed number of its items. It is longer than a page.
const PRESENT_USERS: ((&str, &str), u64) = (("PresenceSnapshot", "users"), 500);

/// The cost of the most expensive operation or fragment if every variable has its largest value.
pub(super) fn max(document: &ExecutableDocument) -> u64 {
    let mut count = Count::new(document, Sizes::Largest);
    let operations = document.operations.iter().map(|(_, operation)| &operation.node);
    let operations: Vec<_> = operations.map(|operation| count.operation(operation)).collect();
    let fragments = document.fragments.keys().map(|name| count.fragment(name).in_page(u64::from(PAGE_MAX)));
    operations.into_iter().chain(fragments).max().unwrap_or(0)
}

/// The cost of an operation with these variables.
pub(super) fn of(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    values: Option<&Map<String, Value>>,
) -> u64 {
    Count::new(document, Sizes::Given { operation, values }).operation(operation)
}

/// The cost of an operation if it is the same whatever the variables are.
pub(super) fn fixed(document: &ExecutableDocument, operation: &OperationDefinition) -> Option<u64> {
    let mut count = Count::new(document, Sizes::Largest);
    let cost = count.operation(operation);
    (!count.depends_on_variables).then_some(cost)
}

/// The cost of a selection set.
#[derive(Clone, Copy, Default)]
struct Cost {
    once: u64,
    /// For each item of the surrounding page.
    per_item: u64,
}

impl Cost {
    fn in_page(self, items: u64) -> u64 {
        self.once.saturating_add(self.per_item.saturating_mul(items))
    }

    fn add(&mut self, other: Self) {
        self.once = self.once.saturating_add(other.once);
        self.per_item = self.per_item.saturating_add(other.per_item);
    }
}

/// The sizes of pages whose size is a variable.
#[derive(Clone, Copy)]
enum Sizes<'a> {
    Largest,
    Given { operation: &'a OperationDefinition, values: Option<&'a Map<String, Value>> },
}

impl Sizes<'_> {
    /// The value of an argument; `None` if it is absent or null. An invalid value counts as the largest; it is rejected later.
    fn number(&self, literal: &Literal) -> Option<u64> {
        let largest = u64::from(PAGE_MAX);
        match (literal, self) {
            (Literal::Null, _) => None,
            (Literal::Number(number), _) => Some(number.as_u64().map_or(largest, |number| number.min(largest))),
            (Literal::Variable(name), Self::Given { operation, values }) => {
                match values.and_then(|values| values.get(name.as_str())) {
                    Some(Value::Null) => None,
                    Some(value) => Some(value.as_u64().map_or(largest, |number| number.min(largest))),
                    None => {
                        let mut definitions = operation.variable_definitions.iter().map(|definition| &definition.node);
                        let definition = definitions.find(|definition| definition.name.node == *name)?;
                        match &definition.default_value.as_ref()?.node {
                            ConstValue::Null => None,
                            value => self.number(&value.clone().into_value()),
                        }
                    }
                }
            }
            _ => Some(largest),
        }
    }

    /// The maximum number of items in the page of this field.
    fn page(&self, field: &Field) -> u64 {
        let sizes = ["first", "last"].into_iter().filter_map(|name| field.get_argument(name));
        sizes.filter_map(|size| self.number(&size.node)).max().unwrap_or(u64::from(PAGE_DEFAULT))
    }
}

struct Count<'a> {
    document: &'a ExecutableDocument,
    sizes: Sizes<'a>,
    fragments: HashMap<&'a Name, Cost>,
    depends_on_variables: bool,
}

impl<'a> Count<'a> {
    fn new(document: &'a ExecutableDocument, sizes: Sizes<'a>) -> Self {
        Self { document, sizes, fragments: HashMap::new(), depends_on_variables: false }
    }

    fn operation(&mut self, operation: &'a OperationDefinition) -> u64 {
        let root = TYPES.root(operation.ty);
        self.selections(&operation.selection_set.node, Some(root)).in_page(u64::from(PAGE_MAX))
    }

    /// `limits` has checked the document, so there are no cycles and the recursion is bounded.
    fn selections(&mut self, set: &'a SelectionSet, of: Option<&'a Name>) -> Cost {
        let mut cost = Cost::default();
        for selection in &set.items {
            cost.add(match &selection.node {
                Selection::Field(field) => self.field(&field.node, of),
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map(|condition| &condition.node.on.node);
                    self.selections(&fragment.node.selection_set.node, on.or(of))
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
            });
        }
        cost
    }

    /// The cost of a field of the type `of`.
    fn field(&mut self, field: &'a Field, of: Option<&'a Name>) -> Cost {
        let name = &field.name.node;
        let known = of.and_then(|of| TYPES.output(of, name));
        let inside = self.selections(&field.selection_set.node, known.map(|known| &known.named));
        let is_one_of = |fields: &[(&str, &str)]| of.is_some_and(|of| fields.contains(&(of.as_str(), name.as_str())));
        let is_introspection = name.starts_with("__") || of.is_some_and(|of| of.starts_with("__"));
        let is_page = known.is_some_and(Output::is_page);
        let is_root = of.is_some_and(|of| TYPES.is_root(of));
        let uses_store = !is_introspection && (is_root || is_page || is_one_of(&READING_FIELDS));
        let own = if uses_store { STORE_FIELD_COST } else { 1 };
        let (present_users, present) = PRESENT_USERS;
        let assumed = [(is_one_of(&REACTION_LISTS), REACTIONS), (is_one_of(&[present_users]), present)];
        if let Some((_, assumed)) = assumed.into_iter().find(|(is_this, _)| *is_this) {
            // A list of texts costs as much as one of objects with a field.
            let items = inside.in_page(u64::from(PAGE_MAX)).max(1).saturating_mul(assumed);
            return Cost { once: own.saturating_add(items), per_item: 0 };
        }
        if known.is_some_and(|known| known.is_list) && !is_introspection {
            return Cost { once: own, per_item: inside.in_page(u64::from(PAGE_MAX)) };
        }
        let inside = if is_page {
            self.depends_on_variables |=
                field.arguments.iter().any(|(_, value)| matches!(value.node, Literal::Variable(_)));
            inside.in_page(self.sizes.page(field))
        } else if is_introspection && name == "types" {
            inside.in_page(1).saturating_mul(TYPES_IN_SCHEMA)
        } else {
            inside.in_page(u64::from(PAGE_MAX))
        };
        Cost { once: inside.saturating_add(own), per_item: 0 }
    }

    fn fragment(&mut self, name: &Name) -> Cost {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Cost::default();
        };
        if let Some(cost) = self.fragments.get(name) {
            return *cost;
        }
        let on = &fragment.node.type_condition.node.on.node;
        let cost = self.selections(&fragment.node.selection_set.node, Some(on));
        self.fragments.insert(name, cost);
        cost
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn cost(text: &str, variables: serde_json::Value) -> u64 {
        let document = parse_query(text).expect("a document");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        of(&document, &operation.node, variables.as_object())
    }

    fn cost_of(text: &str) -> u64 {
        cost(text, Value::Null)
    }

    #[test]
    fn the_fields_of_a_list_cost_once_for_each_item() {
        assert_eq!(cost_of("{ __typename }"), 1);
        assert_eq!(cost_of("{ activeRooms(first: 3) { nodes { id } } }"), 10 + 1 + 3);
        assert_eq!(cost_of("{ activeRooms(first: 3) { nodes { id viewerCount } totalCount } }"), 10 + 1 + 3 * 11 + 1);
        assert_eq!(cost_of("{ activeRooms { nodes { id } } }"), 10 + 1 + 50);
        assert_eq!(cost_of("{ activeRooms(first: 1000000) { nodes { id } } }"), 10 + 1 + 100);
        assert_eq!(cost_of("{ activeRooms(first: -1) { nodes { id } } }"), 10 + 1 + 100);
        assert_eq!(
            cost_of(
                "{ activeRooms(first: 2) { ...P } } fragment P on ActiveRoomConnection { nodes { ...N } edges { node { ...N } } }
            fragment N on ActiveRoom { id }"
            ),
            10 + 1 + 1 + 2 + 2 * 2
        );
    }

    #[test]
    fn present_users_cost_as_much_as_a_long_list() {
        let presence = |fields: &str| {
            cost_of(&format!("subscription {{ presence(roomId: \"1\", roomCode: \"2\") {{ {fields} }} }}")) - 10
        };
        assert_eq!(presence("... on PresenceSnapshot { users { role } }"), 1 + 500);
        assert_eq!(presence("... on PresenceSnapshot { userCount users { role user { id } } }"), 1 + 1 + 500 * 3);
        assert_eq!(presence("... on PresenceChanged { left { id } } ... on TypingChanged { typing { id } }"), 202);
    }

    #[test]
    fn reactions_cost_once_for_each_of_a_few_and_reads_cost_more() {
        let room = |fields: &str| cost_of(&format!("{{ room(id: \"1\", code: \"2\") {{ {fields} }} }}")) - 10;
        let page = |fields: &str| room(&format!("messages(last: 10) {{ nodes {{ {fields} }} }}")) - 11;
        assert_eq!(page("reactions { emoji count }"), 10 * (1 + 5 * 2));
        assert_eq!(page("reactionsBy(userId: \"1\")"), 10 * (1 + 5));
        assert_eq!(room("message(id: \"1\") { id }"), 10 + 1);
        assert_eq!(room("bans(ownerToken: \"1\", first: 3) { nodes { at } }"), 10 + 1 + 3);
        assert_eq!(room("viewerCount settings { title }"), 10 + 2);
    }

    #[test]
    fn a_variable_counts_with_its_value_or_its_default() {
        let query = "query($n: Int = 5) { activeRooms(first: $n) { nodes { id } } }";
        assert_eq!(cost(query, serde_json::json!({ "n": 7 })), 11 + 7);
        assert_eq!(cost(query, serde_json::json!({ "n": null })), 11 + 50);
        assert_eq!(cost(query, serde_json::json!({ "n": "x" })), 11 + 100);
        assert_eq!(cost_of(query), 11 + 5);
        let document = parse_query(query).expect("a document");
        assert_eq!(max(&document), 11 + 100);
        let (_, operation) = document.operations.iter().next().expect("an operation");
        assert_eq!(fixed(&document, &operation.node), None);
    }
}
