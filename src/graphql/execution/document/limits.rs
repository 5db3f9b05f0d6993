//! The limits of documents, operations and variables, and the checks against them.
//!
//! Checking a document takes linear time: every fragment is measured once, and its size is added wherever it is spread.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use serde_json::{Map, Value};

use crate::graphql::execution::document::rejection::Rejection;
use crate::graphql::execution::document::types::TYPES;

/// The largest nesting that may be configured. The parser and all visitors of a document recurse. At this depth they need at
/// most half of a worker's stack, even in a debug build.
pub const NESTING_MAX: usize = 64;

/// The maximum size of a document, an operation and its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a document.
    pub bytes: usize,
    /// Tokens of a document.
    pub tokens: usize,
    /// Characters of a name.
    pub name: usize,
    /// Nested braces, brackets and parentheses, and nested selection sets with fragments spread. At most [`NESTING_MAX`].
    pub nesting: usize,
    /// Nested fields.
    pub depth: u32,
    /// Aliases.
    pub aliases: u32,
    /// Fields at the root of an operation.
    pub root_fields: u32,
    /// Directives.
    pub directives: u32,
    /// Fragment spreads, including inline fragments, in all operations of the document together.
    pub fragments: u32,
    /// Cost of the fields. The fields of a list count once for each item.
    pub cost: u64,
    /// Nested lists in an introspection query.
    pub introspection_depth: u32,
    /// Whether introspection is allowed.
    pub introspection: bool,
    /// Bytes of the variables, as JSON.
    pub variables_bytes: usize,
    /// Nested lists and objects in variables.
    pub variables_depth: usize,
}

impl Limits {
    /// The defaults of the settings, and the limits that are not settings.
    pub const DEFAULT: Self = Self {
        bytes: 16_384,
        tokens: 1_000,
        name: 128,
        nesting: 32,
        depth: 20,
        aliases: 30,
        root_fields: 10,
        directives: 30,
        fragments: 100,
        cost: 10_000,
        introspection_depth: 3,
        introspection: true,
        variables_bytes: 32_768,
        variables_depth: 8,
    };
}

/// Checks every operation, and every fragment, since the schema validates unused fragments, too. Returns the highest number
/// of aliases in one operation.
pub(super) fn check(document: &ExecutableDocument, limits: &Limits) -> Result<u32, Rejection> {
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
            return Err(Rejection::TooManyRootFields { limit: limits.root_fields });
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
    /// Nested selection sets, including this one.
    height: usize,
    depth: u32,
    introspection_depth: u32,
    introspects: bool,
    /// Fields of this selection set itself.
    root_fields: u32,
    aliases: u32,
    directives: u32,
    /// Fragment spreads.
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

    fn check(&self, limits: &Limits, fragments: u32) -> Result<(), Rejection> {
        let is_introspection_too_deep = self.introspects && self.introspection_depth > limits.introspection_depth;
        let rejections = [
            (self.introspects && !limits.introspection, Rejection::IntrospectionOff),
            (fragments > limits.fragments, Rejection::TooManyFragments { limit: limits.fragments }),
            (is_introspection_too_deep, Rejection::IntrospectionTooDeep { limit: limits.introspection_depth }),
            (self.depth > limits.depth, Rejection::TooDeep { limit: limits.depth }),
            (self.aliases > limits.aliases, Rejection::TooManyAliases { limit: limits.aliases }),
            (self.directives > limits.directives, Rejection::TooManyDirectives { limit: limits.directives }),
        ];
        let first = rejections.into_iter().find(|(is_exceeded, _)| *is_exceeded);
        first.map_or(Ok(()), |(_, rejection)| Err(rejection))
    }
}

struct Measure<'a> {
    document: &'a ExecutableDocument,
    limits: &'a Limits,
    /// The sizes measured so far; `None` for a fragment that is being measured.
    fragments: HashMap<&'a Name, Option<Size>>,
}

impl<'a> Measure<'a> {
    /// Measures a selection set at nesting `level`, which bounds the recursion.
    fn selections(&mut self, set: &'a SelectionSet, level: usize) -> Result<Size, Rejection> {
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
                    let name = &field.name.node;
                    size.depth = size.depth.saturating_add(1);
                    size.introspection_depth += u32::from(TYPES.is_introspection_list(name));
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

    /// Measures a fragment. An unknown fragment is empty; the schema reports it.
    fn fragment(&mut self, name: &Name, level: usize) -> Result<Size, Rejection> {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Size::default());
        };
        match self.fragments.get(name) {
            Some(Some(size)) => {
                self.check_height(level + size.height)?;
                return Ok(*size);
            }
            Some(None) => return Err(Rejection::FragmentCycle),
            None => {}
        }
        self.fragments.insert(name, None);
        let mut size = self.selections(&fragment.node.selection_set.node, level)?;
        size.directives = size.directives.saturating_add(count(fragment.node.directives.len()));
        self.fragments.insert(name, Some(size));
        Ok(size)
    }

    fn check_height(&self, height: usize) -> Result<(), Rejection> {
        let limit = self.limits.nesting;
        if height > limit { Err(Rejection::NestedTooDeep { limit }) } else { Ok(()) }
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Checks the size and depth of variables.
pub(super) fn check_variables(values: &Map<String, Value>, limits: &Limits) -> Result<(), Rejection> {
    let mut bytes = 2_usize;
    for (name, value) in values {
        bytes = bytes.saturating_add(name.len() + 4).saturating_add(size_of(value, limits.variables_depth, limits)?);
    }
    if bytes > limits.variables_bytes {
        return Err(Rejection::VariablesTooLarge { limit: limits.variables_bytes });
    }
    Ok(())
}

/// Estimates the bytes of a value as JSON. It may have `levels` levels of lists and objects.
fn size_of(value: &Value, levels: usize, limits: &Limits) -> Result<usize, Rejection> {
    let inside = || levels.checked_sub(1).ok_or(Rejection::VariablesTooDeep { limit: limits.variables_depth });
    match value {
        Value::Null | Value::Bool(_) => Ok(4),
        Value::Number(_) => Ok(8),
        Value::String(text) => Ok(text.len().saturating_add(2)),
        Value::Array(items) => {
            let levels = inside()?;
            items.iter().try_fold(2, |sum, item| Ok(size_of(item, levels, limits)?.saturating_add(sum + 1)))
        }
        Value::Object(fields) => {
            let levels = inside()?;
            fields.iter().try_fold(2, |sum, (name, value)| {
                Ok(size_of(value, levels, limits)?.saturating_add(sum + name.len() + 4))
            })
        }
    }
}
