//! The types of the schema as the checks of documents need them: the fields of objects with their arguments, and the fields of
//! input objects. They are read from the schema by introspection.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use async_graphql::Name;
use async_graphql::parser::types::{BaseType, OperationType, Type};
use futures_util::FutureExt as _;
use serde_json::Value;

use crate::graphql::schema;

/// The types of the schema.
pub(in crate::graphql) static TYPES: LazyLock<Types> = LazyLock::new(Types::read);

const INTROSPECTION: &str = "{ __schema {
    queryType { name } mutationType { name } subscriptionType { name }
    types { name fields(includeDeprecated: true) { name type { ...T } args { ...I } } inputFields { ...I } }
} }
fragment I on __InputValue { name defaultValue type { ...T } }
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// The types of a schema.
#[derive(Debug)]
pub(in crate::graphql) struct Types {
    /// Fields of objects and interfaces, by type and name.
    outputs: HashMap<Name, HashMap<Name, Output>>,
    /// Fields of input objects, by type and name.
    inputs: HashMap<Name, BTreeMap<Name, Input>>,
    /// The fields that introspection adds to the root, and does not show.
    introspection: HashMap<Name, Output>,
    introspection_lists: BTreeSet<Name>,
    /// The root types of queries, mutations and subscriptions.
    roots: [Name; 3],
}

/// A field of an object or an interface.
#[derive(Debug)]
pub(super) struct Output {
    /// The named type of its value, without list and non-null markers.
    pub(super) named: Name,
    pub(super) is_list: bool,
    pub(super) arguments: BTreeMap<Name, Input>,
}

impl Output {
    /// Whether its value is a page of a list, whose size is `first` or `last`.
    pub(super) fn is_page(&self) -> bool {
        self.arguments.contains_key("first")
    }
}

/// An argument, or a field of an input object.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) ty: Type,
    pub(super) has_default: bool,
}

impl Input {
    /// Whether a value is required.
    pub(super) const fn is_required(&self) -> bool {
        !self.ty.nullable && !self.has_default
    }
}

impl Types {
    fn read() -> Self {
        // Introspection does not wait for anything.
        let response = schema::without_data().execute(INTROSPECTION).now_or_never().unwrap_or_default();
        let described = &response.data.into_json().unwrap_or_default()["__schema"];
        let inputs_of = |described: &Value| (name_of(described), inputs(&described["inputFields"]));
        let outputs_of = |described: &Value| (name_of(described), outputs(&described["fields"]));
        let introspection = [("__schema", "__Schema"), ("__type", "__Type")].map(|(field, named)| {
            let output = Output { named: Name::new(named), is_list: false, arguments: BTreeMap::new() };
            (Name::new(field), output)
        });
        let outputs: HashMap<_, HashMap<_, Output>> =
            items(&described["types"]).filter(|of| !of["fields"].is_null()).map(outputs_of).collect();
        let of_introspection = outputs.iter().filter(|(name, _)| name.starts_with("__")).flat_map(|(_, fields)| fields);
        Self {
            introspection_lists: of_introspection
                .filter(|(_, field)| field.is_list)
                .map(|(name, _)| name.clone())
                .collect(),
            outputs,
            inputs: items(&described["types"]).filter(|of| !of["inputFields"].is_null()).map(inputs_of).collect(),
            introspection: introspection.into(),
            roots: ["queryType", "mutationType", "subscriptionType"].map(|root| name_of(&described[root])),
        }
    }

    /// The names of all fields of the root types.
    pub(in crate::graphql) fn root_fields(&self) -> BTreeSet<&str> {
        self.roots.iter().flat_map(|root| self.outputs[root].keys()).map(Name::as_str).collect()
    }

    /// The root type of an operation.
    pub(super) const fn root(&self, kind: OperationType) -> &Name {
        let [query, mutation, subscription] = &self.roots;
        match kind {
            OperationType::Query => query,
            OperationType::Mutation => mutation,
            OperationType::Subscription => subscription,
        }
    }

    /// Whether a type is the root of operations of any kind.
    pub(super) fn is_root(&self, name: &Name) -> bool {
        self.roots.contains(name)
    }

    /// A field of a type.
    pub(super) fn output(&self, of: &Name, field: &Name) -> Option<&Output> {
        self.outputs.get(of)?.get(field).or_else(|| self.introspection.get(field))
    }

    /// Whether introspection has a list field of this name, in whatever type.
    pub(super) fn is_introspection_list(&self, field: &Name) -> bool {
        self.introspection_lists.contains(field)
    }

    /// The fields of an input object; `None` for any other type.
    pub(super) fn input_object(&self, name: &Name) -> Option<&BTreeMap<Name, Input>> {
        self.inputs.get(name)
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn name_of(described: &Value) -> Name {
    Name::new(described["name"].as_str().unwrap_or_default())
}

fn outputs(fields: &Value) -> HashMap<Name, Output> {
    let output = |field: &Value| {
        let mut base = type_of(&field["type"]).base;
        let is_list = matches!(base, BaseType::List(_));
        let named = loop {
            match base {
                BaseType::List(item) => base = item.base,
                BaseType::Named(named) => break named,
            }
        };
        (name_of(field), Output { named, is_list, arguments: inputs(&field["args"]) })
    };
    items(fields).map(output).collect()
}

fn inputs(arguments: &Value) -> BTreeMap<Name, Input> {
    let input = |argument: &Value| {
        let has_default = !argument["defaultValue"].is_null();
        (name_of(argument), Input { ty: type_of(&argument["type"]), has_default })
    };
    items(arguments).map(input).collect()
}

fn type_of(described: &Value) -> Type {
    let of = &described["ofType"];
    match described["kind"].as_str() {
        Some("NON_NULL") => Type { nullable: false, ..type_of(of) },
        Some("LIST") => Type { base: BaseType::List(Box::new(type_of(of))), nullable: true },
        _ => Type { base: BaseType::Named(name_of(described)), nullable: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Types {
        /// The fields of an object with the named types of their values; empty for any other type.
        pub(in crate::graphql) fn output_fields(&self, of: &str) -> Vec<(&str, &str)> {
            let fields = self.outputs.get(of).into_iter().flatten();
            fields.map(|(name, field)| (name.as_str(), field.named.as_str())).collect()
        }
    }

    #[test]
    fn the_types_of_the_schema_are_read_by_introspection() {
        let rooms = TYPES.output(TYPES.root(OperationType::Query), &Name::new("activeRooms")).expect("a field");
        assert_eq!((rooms.named.as_str(), rooms.is_list, rooms.is_page()), ("ActiveRoomConnection", false, true));
        assert!(!rooms.arguments["first"].is_required() && rooms.arguments["first"].has_default);
        assert_eq!(rooms.arguments["first"].ty.to_string(), "Int!");
        let input = TYPES.input_object(&Name::new("SendMessageInput")).expect("an input object");
        assert!(input["roomId"].is_required() && !input["token"].is_required());
        let nodes = TYPES.output(&Name::new("ActiveRoomConnection"), &Name::new("nodes"));
        assert!(nodes.expect("a field").is_list);
        let lists: Vec<_> = TYPES.introspection_lists.iter().map(Name::as_str).collect();
        assert_eq!(
            lists.join(" "),
            "args directives enumValues fields inputFields interfaces locations possibleTypes types"
        );
        assert!(TYPES.root_fields().contains("messageEvents"));
    }
}
