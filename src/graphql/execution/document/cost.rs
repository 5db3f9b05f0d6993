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

/// Fields that return a page, whose size is `first` or `last`.
const PAGES: [&str; 3] = ["activeRooms", "chatters", "messages"];

/// Fields that hold the items of a page.
const ITEMS: [&str; 2] = ["edges", "nodes"];

/// The introspection field that lists all types, and their assumed number.
const TYPES: (&str, u64) = ("types", 32);

/// Fields that read or write the store.
const STORE_FIELDS: [&str; 10] = [
    "activeRooms",
    "chatters",
    "createRoom",
    "deleteMessage",
    "editMessage",
    "messageEvents",
    "messages",
    "room",
    "sendMessage",
    "viewerCount",
];

/// The cost of a field that reads or writes the store.
const STORE_FIELD_COST: u64 = 10;

/// The cost of the most expensive operation or fragment if every variable has its largest value.
pub(super) fn max(document: &ExecutableDocument) -> u64 {
    let mut count = Count::new(document, Sizes::Largest);
    let operations: Vec<_> =
        document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node).collect();
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    operations
        .into_iter()
        .chain(fragments)
        .map(|set| count.selections(set).in_page(u64::from(PAGE_MAX)))
        .max()
        .unwrap_or(0)
}

/// The cost of an operation with these variables.
pub(super) fn of(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    values: Option<&Map<String, Value>>,
) -> u64 {
    let mut count = Count::new(document, Sizes::Given { operation, values });
    count.selections(&operation.selection_set.node).in_page(u64::from(PAGE_MAX))
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
}

impl<'a> Count<'a> {
    fn new(document: &'a ExecutableDocument, sizes: Sizes<'a>) -> Self {
        Self { document, sizes, fragments: HashMap::new() }
    }

    /// `limits` has checked the document, so there are no cycles and the recursion is bounded.
    fn selections(&mut self, set: &'a SelectionSet) -> Cost {
        let mut cost = Cost::default();
        for selection in &set.items {
            cost.add(match &selection.node {
                Selection::Field(field) => self.field(&field.node),
                Selection::InlineFragment(fragment) => self.selections(&fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
            });
        }
        cost
    }

    fn field(&mut self, field: &'a Field) -> Cost {
        let inside = self.selections(&field.selection_set.node);
        let name = field.name.node.as_str();
        let own = if STORE_FIELDS.contains(&name) { STORE_FIELD_COST } else { 1 };
        if ITEMS.contains(&name) {
            return Cost { once: own, per_item: inside.in_page(u64::from(PAGE_MAX)) };
        }
        let inside = if PAGES.contains(&name) {
            inside.in_page(self.sizes.page(field))
        } else if name == TYPES.0 {
            inside.in_page(1).saturating_mul(TYPES.1)
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
        let cost = self.selections(&fragment.node.selection_set.node);
        self.fragments.insert(name, cost);
        cost
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;
    use crate::graphql::execution::document::types::Types;

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
                "{ activeRooms(first: 2) { ...P } } fragment P on P { nodes { ...N } edges { node { ...N } } }
            fragment N on N { id }"
            ),
            10 + 1 + 1 + 2 + 2 * 2
        );
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
    }

    #[test]
    fn the_lists_of_fields_match_the_schema() {
        let sdl = crate::graphql::sdl();
        let lines: Vec<_> = sdl.lines().collect();
        let mut field = "";
        let (mut pages, mut items) = (Vec::new(), Vec::new());
        for line in lines.iter().map(|line| line.trim()) {
            let name = line.split(['(', ':']).next().unwrap_or_default();
            if line.contains("(") || (line.contains(": ") && !line.contains("first: ")) {
                field = name;
            }
            if line.contains("first: Int") {
                pages.push(field);
            }
            if line.contains("): [") || (line.contains(": [") && !line.starts_with('"')) {
                items.push(name);
            }
        }
        pages.sort_unstable();
        assert_eq!(pages, PAGES);
        items.sort_unstable();
        items.dedup();
        assert_eq!(items, ITEMS);
        for field in Types::read(&sdl).root_fields() {
            assert!(STORE_FIELDS.contains(&field.as_str()), "{field} reads or writes the store");
        }
    }
}
