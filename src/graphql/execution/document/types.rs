//! The types of the schema as input coercion needs them: the arguments of every field, and the fields of every input object.
//! They are read from the schema's definition.

use std::collections::{BTreeMap, HashMap};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, OperationType, Type, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, Positioned};

/// The types of a schema.
#[derive(Debug, Default)]
pub struct Types {
    /// Fields of objects and interfaces, by type and name.
    outputs: HashMap<Name, HashMap<Name, Output>>,
    /// Fields of input objects, by type and name.
    inputs: HashMap<Name, BTreeMap<Name, Input>>,
    roots: HashMap<&'static str, Name>,
}

/// A field of an object or an interface.
#[derive(Debug)]
pub(super) struct Output {
    /// The named type of its value, without list and non-null markers.
    pub(super) named: Name,
    pub(super) arguments: BTreeMap<Name, Input>,
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
    /// Reads a schema definition. If it is invalid, no types are known, and coercion leaves everything to the schema.
    pub fn read(sdl: &str) -> Self {
        let mut types = Self::default();
        let definitions = parse_schema(sdl).map(|document| document.definitions).unwrap_or_default();
        for definition in definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    let roots = [
                        ("query", schema.node.query),
                        ("mutation", schema.node.mutation),
                        ("subscription", schema.node.subscription),
                    ];
                    types.roots.extend(roots.into_iter().filter_map(|(kind, name)| Some((kind, name?.node))));
                }
                TypeSystemDefinition::Type(definition) => {
                    let name = definition.node.name.node;
                    match definition.node.kind {
                        TypeKind::Object(object) => drop(types.outputs.insert(name, outputs(object.fields))),
                        TypeKind::Interface(interface) => drop(types.outputs.insert(name, outputs(interface.fields))),
                        TypeKind::InputObject(object) => drop(types.inputs.insert(name, inputs(object.fields))),
                        TypeKind::Scalar | TypeKind::Union(_) | TypeKind::Enum(_) => {}
                    }
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        types
    }

    /// The names of all fields of the root types, sorted.
    pub(in crate::graphql) fn root_fields(&self) -> Vec<String> {
        let roots = self.roots.values().filter_map(|root| self.outputs.get(root));
        let mut names: Vec<_> = roots.flat_map(HashMap::keys).map(Name::to_string).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The root type of an operation.
    pub(super) fn root(&self, kind: OperationType) -> Option<&Name> {
        self.roots.get(match kind {
            OperationType::Query => "query",
            OperationType::Mutation => "mutation",
            OperationType::Subscription => "subscription",
        })
    }

    /// A field of a type.
    pub(super) fn output(&self, of: &Name, field: &Name) -> Option<&Output> {
        self.outputs.get(of)?.get(field)
    }

    /// The fields of an input object; `None` for any other type.
    pub(super) fn input_object(&self, name: &Name) -> Option<&BTreeMap<Name, Input>> {
        self.inputs.get(name)
    }
}

fn outputs(fields: Vec<Positioned<FieldDefinition>>) -> HashMap<Name, Output> {
    let output = |field: Positioned<FieldDefinition>| {
        let FieldDefinition { name, arguments, ty, .. } = field.node;
        (name.node, Output { named: named(&ty.node).clone(), arguments: inputs(arguments) })
    };
    fields.into_iter().map(output).collect()
}

fn inputs(fields: Vec<Positioned<InputValueDefinition>>) -> BTreeMap<Name, Input> {
    let input = |field: Positioned<InputValueDefinition>| {
        let InputValueDefinition { name, ty, default_value, .. } = field.node;
        (name.node, Input { ty: ty.node, has_default: default_value.is_some() })
    };
    fields.into_iter().map(input).collect()
}

/// A type without list and non-null markers.
fn named(ty: &Type) -> &Name {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(item) => named(item),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Types {
        /// The fields of an object or interface with the named types of their values; empty for any other type.
        pub(in crate::graphql) fn output_fields(&self, of: &str) -> Vec<(&str, &str)> {
            let fields = self.outputs.get(of).into_iter().flatten();
            fields.map(|(name, field)| (name.as_str(), field.named.as_str())).collect()
        }

        /// The names of the fields of an input object.
        pub(in crate::graphql) fn input_fields(&self, of: &str) -> Vec<&str> {
            self.inputs.get(of).into_iter().flat_map(BTreeMap::keys).map(Name::as_str).collect()
        }
    }

    #[test]
    fn the_types_of_the_schema_are_read_from_its_definition() {
        let types = Types::read(&crate::graphql::sdl());
        let query = types.root(OperationType::Query).expect("a root");
        let rooms = types.output(query, &Name::new("activeRooms")).expect("a field");
        assert_eq!(rooms.named, "ActiveRoomConnection");
        assert!(!rooms.arguments["first"].is_required() && rooms.arguments["first"].has_default);
        let input = types.input_object(&Name::new("SendMessageInput")).expect("an input object");
        assert!(input["roomId"].is_required() && !input["token"].is_required());
        assert!(types.root(OperationType::Mutation).is_some() && types.root(OperationType::Subscription).is_some());
    }
}
