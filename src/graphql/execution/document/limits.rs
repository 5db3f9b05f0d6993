//! How large a parsed document is once its fragments are put in: in linear time, as every fragment is measured once and
//! remembered, and nothing is ever put in for real.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

use crate::graphql::execution::document::{Limits, Refusal};

/// The lists of a schema's description. No field of the schema itself has such a name.
const SCHEMA_LISTS: [&str; 9] =
    ["args", "directives", "enumValues", "fields", "inputFields", "interfaces", "locations", "possibleTypes", "types"];

/// Checks every operation, and every fragment too, as the schema validates those that nobody uses.
/// Returns how many aliases the operation has that has most.
pub(super) fn check(document: &ExecutableDocument, limits: &Limits) -> Result<u32, Refusal> {
    let mut measure = Measure { document, limits, fragments: HashMap::new() };
    let (mut fragments, mut aliases) = (0_u32, 0);
    for (_, operation) in document.operations.iter() {
        let mut size = measure.selections(&operation.node.selection_set.node, 1)?;
        let variables = operation.node.variable_definitions.iter();
        let of_variables = variables.map(|variable| count(variable.node.directives.len())).sum();
        size.directives =
            size.directives.saturating_add(count(operation.node.directives.len())).saturating_add(of_variables);
        fragments = fragments.saturating_add(size.fragments);
        aliases = aliases.max(size.aliases);
        size.check(limits, fragments)?;
        if size.root_fields > limits.root_fields {
            return Err(Refusal::TooManyRootFields { limit: limits.root_fields });
        }
    }
    for name in document.fragments.keys() {
        let size = measure.fragment(name, 1)?;
        size.check(limits, size.fragments)?;
    }
    Ok(aliases)
}

/// The size of a selection set.
#[derive(Clone, Copy, Default)]
struct Size {
    /// Selection sets inside of each other, this one included.
    height: usize,
    depth: u32,
    introspection_depth: u32,
    introspects: bool,
    /// Fields of this very selection set.
    root_fields: u32,
    aliases: u32,
    directives: u32,
    /// Fragments put in.
    fragments: u32,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.height = self.height.max(other.height);
        self.depth = self.depth.max(other.depth);
        self.introspection_depth = self.introspection_depth.max(other.introspection_depth);
        self.introspects |= other.introspects;
        self.root_fields = self.root_fields.saturating_add(other.root_fields);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
        self.fragments = self.fragments.saturating_add(other.fragments);
    }

    fn check(&self, limits: &Limits, fragments: u32) -> Result<(), Refusal> {
        if self.introspects && !limits.introspection {
            return Err(Refusal::IntrospectionOff);
        }
        if fragments > limits.fragments {
            return Err(Refusal::TooManyFragments { limit: limits.fragments });
        }
        if self.introspects && self.introspection_depth > limits.introspection_depth {
            return Err(Refusal::IntrospectionTooDeep { limit: limits.introspection_depth });
        }
        if self.depth > limits.depth {
            return Err(Refusal::TooDeep { limit: limits.depth });
        }
        if self.aliases > limits.aliases {
            return Err(Refusal::TooManyAliases { limit: limits.aliases });
        }
        if self.directives > limits.directives {
            return Err(Refusal::TooManyDirectives { limit: limits.directives });
        }
        Ok(())
    }
}

struct Measure<'a> {
    document: &'a ExecutableDocument,
    limits: &'a Limits,
    /// The sizes that are known; `None` for a fragment that is being measured.
    fragments: HashMap<&'a Name, Option<Size>>,
}

impl<'a> Measure<'a> {
    /// Measures a selection set that is the `level`th inside of each other. That is what the recursion is bounded by.
    fn selections(&mut self, set: &'a SelectionSet, level: usize) -> Result<Size, Refusal> {
        self.check_height(level)?;
        let mut size = Size { height: 1, ..Size::default() };
        for selection in &set.items {
            let mut of_one = match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let mut size = match field.selection_set.node.items.is_empty() {
                        true => Size::default(),
                        false => self.selections(&field.selection_set.node, level + 1)?,
                    };
                    let name = field.name.node.as_str();
                    size.depth = size.depth.saturating_add(1);
                    size.introspection_depth += u32::from(SCHEMA_LISTS.contains(&name));
                    size.introspects |= name == "__schema" || name == "__type";
                    size.root_fields = 1;
                    size.aliases = size.aliases.saturating_add(field.alias.is_some().into());
                    size
                }
                Selection::InlineFragment(fragment) => {
                    let mut size = self.selections(&fragment.node.selection_set.node, level + 1)?;
                    size.fragments = size.fragments.saturating_add(1);
                    size
                }
                Selection::FragmentSpread(spread) => {
                    let mut size = self.fragment(&spread.node.fragment_name.node, level + 1)?;
                    size.fragments = size.fragments.saturating_add(1);
                    size
                }
            };
            of_one.height += 1;
            of_one.directives = of_one.directives.saturating_add(count(selection.node.directives().len()));
            size.add(of_one);
        }
        Ok(size)
    }

    /// Measures a fragment; one that is not there is empty, and the schema says that it is not there.
    fn fragment(&mut self, name: &Name, level: usize) -> Result<Size, Refusal> {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Size::default());
        };
        match self.fragments.get(name) {
            Some(Some(size)) => {
                self.check_height(level + size.height)?;
                return Ok(*size);
            }
            Some(None) => return Err(Refusal::FragmentCycle),
            None => {}
        }
        self.fragments.insert(name, None);
        let mut size = self.selections(&fragment.node.selection_set.node, level)?;
        size.directives = size.directives.saturating_add(count(fragment.node.directives.len()));
        self.fragments.insert(name, Some(size));
        Ok(size)
    }

    fn check_height(&self, height: usize) -> Result<(), Refusal> {
        let limit = self.limits.nesting;
        if height > limit { Err(Refusal::NestedTooDeep { limit }) } else { Ok(()) }
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
