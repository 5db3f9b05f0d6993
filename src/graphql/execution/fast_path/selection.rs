//! Selection sets of a plan: how they are read from a document, and how objects are serialized with the fields that they select.

use std::sync::atomic::{AtomicU64, Ordering};

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet, TypeCondition};
use async_graphql::{Name, Positioned};
use async_graphql_value::Value;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The selection set of a field, with fragments spread.
#[derive(Debug)]
pub(super) struct Selected<F> {
    /// The type of the objects that it selects from.
    type_name: &'static str,
    /// Identifies the selection set in the cache of rendered messages.
    pub(super) id: u64,
    /// The arguments of the field.
    pub(super) arguments: Vec<(Positioned<Name>, Positioned<Value>)>,
    pub(super) fields: Vec<SelectedField<F>>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// A selected field and its key in the response.
#[derive(Debug)]
pub(super) struct SelectedField<F> {
    key: String,
    /// `None` stands for `__typename`.
    pub(super) field: Option<F>,
}

/// Reads selection sets.
#[derive(Clone, Copy)]
pub(super) struct Selector<'a> {
    pub(super) document: &'a ExecutableDocument,
    pub(super) introspection: bool,
}

/// The fields of one type of the schema.
pub(super) trait Fields: Sized {
    const TYPE: &'static str;

    /// Reads a field and its selection set; `None` if a plan cannot have it.
    fn read(field: &Field, selector: Selector<'_>) -> Option<Self>;

    /// Whether a fragment on the type `on` applies to objects of the type `of`; `None` if a plan cannot have the fragment.
    fn applies(on: &str, of: &str) -> Option<bool> {
        (on == of).then_some(true)
    }
}

impl<'a> Selector<'a> {
    /// Reads the selection set of a field; `None` if a plan cannot have all of its fields. The number of fragments is within its
    /// limit.
    pub(super) fn select<F: Fields>(self, field: &Field) -> Option<Selected<F>> {
        self.select_from(F::TYPE, field)
    }

    /// The same for objects of the type `type_name`, if the field has an interface.
    pub(super) fn select_from<F: Fields>(self, type_name: &'static str, field: &Field) -> Option<Selected<F>> {
        let mut fields = Vec::new();
        self.add(type_name, &field.selection_set.node, &mut fields)?;
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Some(Selected { type_name, id, arguments: field.arguments.clone(), fields })
    }

    fn add<F: Fields>(self, type_name: &'static str, set: &SelectionSet, to: &mut Vec<SelectedField<F>>) -> Option<()> {
        for selection in &set.items {
            if !selection.node.directives().is_empty() {
                return None;
            }
            match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let key = field.response_key().node.to_string();
                    // A field that is selected twice would have to be merged.
                    if to.iter().any(|known| known.key == key) {
                        return None;
                    }
                    let field = match field.name.node.as_str() {
                        "__typename" if self.introspection => None,
                        _ => Some(F::read(field, self)?),
                    };
                    to.push(SelectedField { key, field });
                }
                fragment => {
                    let (condition, set) = fragment_of(fragment, self.document)?;
                    if condition.map_or(Some(true), |condition| F::applies(&condition.node.on.node, type_name))? {
                        self.add(type_name, set, to)?;
                    }
                }
            }
        }
        Some(())
    }
}

/// The type condition and the selection set of a fragment; `None` for a field, and for a fragment with directives.
fn fragment_of<'a>(
    selection: &'a Selection,
    document: &'a ExecutableDocument,
) -> Option<(Option<&'a Positioned<TypeCondition>>, &'a SelectionSet)> {
    match selection {
        Selection::Field(_) => None,
        Selection::InlineFragment(fragment) => {
            Some((fragment.node.type_condition.as_ref(), &fragment.node.selection_set.node))
        }
        Selection::FragmentSpread(spread) => {
            let fragment = &document.fragments.get(&spread.node.fragment_name.node)?.node;
            fragment.directives.is_empty().then_some((Some(&fragment.type_condition), &fragment.selection_set.node))
        }
    }
}

/// A value that is serialized as an object of the schema.
pub(super) trait Object {
    type Field: Fields;

    /// Serializes the value of a field, whose key precedes it.
    fn serialize_field<M: SerializeMap>(&self, field: &Self::Field, to: &mut M) -> Result<(), M::Error>;
}

/// An object with the fields of it that an operation selects.
pub(super) struct WithFields<'a, O: Object>(pub(super) O, pub(super) &'a Selected<O::Field>);

impl<O: Object> Serialize for WithFields<'_, O> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(object, selected) = self;
        let mut map = serializer.serialize_map(None)?;
        for SelectedField { key, field } in &selected.fields {
            map.serialize_key(key)?;
            match field {
                Some(field) => object.serialize_field(field, &mut map)?,
                None => map.serialize_value(selected.type_name)?,
            }
        }
        map.end()
    }
}

/// An object with one field of any name.
pub(super) struct Only<'a, T>(pub(super) &'a str, pub(super) T);

impl<T: Serialize> Serialize for Only<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, &self.1)])
    }
}

/// Defines the enum of the fields of a type, by their names in the schema. Fields that are objects hold their selected fields. The
/// function that says which fragments apply to the objects of an interface follows its name.
macro_rules! fields {
    ($name:ident, $type:literal $(($applies:ident))?, {
        $($leaf:literal => $variant:ident),* $(; $object:literal => $of:ident($fields:ty))*
    }) => {
        #[derive(Debug)]
        pub(super) enum $name {
            $($variant,)*
            $($of(Selected<$fields>),)*
        }

        impl Fields for $name {
            const TYPE: &'static str = $type;

            #[allow(unused_variables, reason = "some types have no object fields")]
            fn read(field: &Field, selector: Selector<'_>) -> Option<Self> {
                match field.name.node.as_str() {
                    $($leaf => Some(Self::$variant),)*
                    $($object => selector.select(field).map(Self::$of),)*
                    _ => None,
                }
            }

            $(fn applies(on: &str, of: &str) -> Option<bool> {
                $applies(on, of)
            })?
        }
    };
}

pub(super) use fields;
