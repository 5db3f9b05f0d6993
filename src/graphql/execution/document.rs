//! Reads documents and checks that they are safe to validate and execute.
//!
//! Three steps, each bounded by the one before: `lexer` checks the text before `parser` sees it, `limits` and `cost` check the
//! size of the parsed document with its fragments spread, and `Document::admit` checks the chosen operation and its
//! variables. Every document takes these steps before it reaches the schema. `rejection` lists the errors. The schema checks
//! whether the document is valid; `values` checks values more strictly.

mod coercion;
mod cost;
mod executable;
mod lexer;
mod limits;
mod parser;
mod rejection;
mod strings;
mod types;
mod values;

use std::sync::{Arc, OnceLock};

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::{Map, Value};

use crate::graphql::execution::document::values::Values;
use crate::graphql::execution::fast_path::Plan;

pub use crate::graphql::execution::document::limits::{Limits, NESTING_MAX};
pub use crate::graphql::execution::document::rejection::Rejection;
pub(in crate::graphql) use crate::graphql::execution::document::types::TYPES;

/// Size of the cache of documents, in bytes.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Expected number of documents in the cache.
const CACHE_ENTRIES: usize = 2 * 1024;

/// Maximum memory of a parsed token, in bytes.
const TOKEN_WEIGHT: u64 = 512;

/// A document within its limits.
#[derive(Debug)]
pub struct Document {
    pub(in crate::graphql) parsed: ExecutableDocument,
    tokens: usize,
    /// The highest number of aliases in one operation. A response may repeat its input this many times.
    pub(in crate::graphql) aliases: u32,
    /// The cost of its most expensive operation if every variable has its largest value.
    max_cost: u64,
    /// The cost of its only operation, if it does not depend on variables.
    fixed_cost: Option<u64>,
    pub(in crate::graphql) values: Values,
    /// Set once the schema has validated it.
    valid: OnceLock<()>,
    /// Its plan for the fast path, set once the schema has executed it; `None` if only the schema can answer it.
    plan: OnceLock<Option<Plan>>,
}

impl Document {
    /// Reads a document.
    pub fn read(text: &str, limits: &Limits) -> Result<Self, Rejection> {
        let tokens = lexer::tokenize(text, limits)?;
        let mut parsed = parser::parse(&tokens)?;
        let aliases = limits::check(&parsed, limits)?;
        let values = values::check(&mut parsed, &TYPES);
        let max_cost = cost::max(&parsed);
        let fixed_cost = operation_of(&parsed, None).and_then(|operation| cost::fixed(&parsed, operation));
        let (valid, plan) = (OnceLock::new(), OnceLock::new());
        Ok(Self { parsed, tokens: tokens.len(), aliases, max_cost, fixed_cost, values, valid, plan })
    }

    /// Checks whether the document is valid, whatever its variables are. `validate` runs until it has succeeded once.
    pub(in crate::graphql) fn validate<E: From<Rejection>>(
        &self,
        validate: impl FnOnce(&ExecutableDocument) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.valid.get().is_none() {
            validate(&self.parsed)?;
            if let Some(mismatch) = &self.values.mismatch {
                return Err(mismatch.clone().into());
            }
            self.valid.get_or_init(|| ());
        }
        Ok(())
    }

    /// Prepares the document to execute only `operation`, with these variables, which have been coerced.
    pub(in crate::graphql) fn prepare(
        &self,
        operation: Option<&OperationDefinition>,
        variables: Option<&Map<String, Value>>,
    ) -> Result<ExecutableDocument, Rejection> {
        match (operation, variables) {
            (Some(operation), Some(variables)) => executable::prepare(&self.parsed, operation, variables),
            // The schema reports that there is no such operation.
            _ => Ok(self.parsed.clone()),
        }
    }

    /// Coerces the variables of an operation to their declared types, and adds defaults.
    pub(in crate::graphql) fn coerce(
        &self,
        operation: &OperationDefinition,
        given: Option<Map<String, Value>>,
    ) -> Result<Map<String, Value>, Rejection> {
        let variables = coercion::coerce(operation, given.unwrap_or_default(), &TYPES)?;
        // A nullable variable with a default may stand where a directive needs a value. Then it must not be null.
        let mut names = operation.variable_definitions.iter().map(|definition| &definition.node.name.node);
        let is_null = |name: &&Name| variables.get(name.as_str()).is_some_and(Value::is_null);
        match names.find(|name| is_null(name) && self.values.conditions.contains(*name)) {
            Some(name) => Err(Rejection::NullCondition { name: name.to_string() }),
            None => Ok(variables),
        }
    }

    /// Number of tokens, or of fields with its fragments spread, whichever is larger.
    pub(in crate::graphql) fn size(&self) -> usize {
        self.tokens.max(usize::try_from(self.max_cost).unwrap_or(usize::MAX))
    }

    /// Its plan for the fast path, if it has one and the schema has executed it before.
    pub(in crate::graphql) fn plan(&self) -> Option<&Plan> {
        self.plan.get()?.as_ref()
    }

    /// Records that the schema has executed the document without an error.
    pub(in crate::graphql) fn mark_executed(&self, limits: &Limits) {
        let plan = || Plan::of(&self.parsed, self.operation(None)?, limits.introspection);
        self.plan.get_or_init(plan);
    }

    /// The operation to execute; `None` if there is no operation of this name, or several and no name.
    pub(in crate::graphql) fn operation(&self, name: Option<&str>) -> Option<&OperationDefinition> {
        operation_of(&self.parsed, name)
    }

    /// The cost of an operation with these variables.
    pub(in crate::graphql) fn cost(&self, operation: &OperationDefinition, values: Option<&Map<String, Value>>) -> u64 {
        self.fixed_cost.unwrap_or_else(|| cost::of(&self.parsed, operation, values))
    }

    /// Checks whether an operation may run with these variables.
    pub(in crate::graphql) fn admit(
        &self,
        operation: Option<&OperationDefinition>,
        values: Option<&Map<String, Value>>,
        limits: &Limits,
    ) -> Result<(), Rejection> {
        values.map_or(Ok(()), |values| limits::check_variables(values, limits))?;
        if self.max_cost <= limits.cost {
            return Ok(());
        }
        match operation {
            Some(operation) if self.cost(operation, values) <= limits.cost => Ok(()),
            _ => Err(Rejection::TooCostly { limit: limits.cost }),
        }
    }
}

/// The operation of this name; without a name, the only one.
pub(in crate::graphql) fn operation_of<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Option<&'a OperationDefinition> {
    let mut operations = document.operations.iter();
    let chosen = match name {
        Some(name) => operations.find(|(known, _)| known.is_some_and(|known| known.as_str() == name)),
        None => operations.next().filter(|_| operations.next().is_none()),
    };
    chosen.map(|(_, operation)| &operation.node)
}

/// Reads documents and caches those that are used often.
#[derive(Clone)]
pub(in crate::graphql) struct Documents {
    pub(in crate::graphql) limits: Limits,
    cache: Arc<Cache<Box<str>, Arc<Document>, Weight>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<str>, Arc<Document>> for Weight {
    fn weight(&self, text: &Box<str>, document: &Arc<Document>) -> u64 {
        text.len() as u64 + document.tokens as u64 * TOKEN_WEIGHT
    }
}

impl Documents {
    pub(in crate::graphql) fn new(limits: Limits) -> Self {
        Self { limits, cache: Arc::new(Cache::with_weighter(CACHE_ENTRIES, CACHE_BYTES, Weight)) }
    }

    /// Reads a document, unless the cache has it. Rejected documents are not cached.
    pub(in crate::graphql) fn read(&self, text: &str) -> Result<Arc<Document>, Rejection> {
        if let Some(document) = self.cache.get(text) {
            return Ok(document);
        }
        let document = Arc::new(Document::read(text, &self.limits)?);
        self.cache.insert(text.into(), Arc::clone(&document));
        Ok(document)
    }
}

#[cfg(test)]
pub(in crate::graphql) mod tests {
    use super::*;

    pub(in crate::graphql) const LIMITS: Limits = Limits::DEFAULT;

    #[test]
    fn documents_are_cached_within_a_bound_and_rejected_ones_are_not() {
        let documents = Documents::new(LIMITS);
        let one = documents.read("{ __typename }").expect("a document");
        assert!(Arc::ptr_eq(&one, &documents.read("{ __typename }").expect("a document")));
        for i in 0..400 {
            let text = format!("{{ a {{ {} }} }}", format!("field{i} ").repeat(100));
            documents.read(&text).expect("a document");
        }
        assert!(documents.cache.weight() <= CACHE_BYTES);
        let before = documents.cache.len();
        documents.read("{").expect_err("it does not end");
        assert_eq!(documents.cache.len(), before);
    }

    /// The default stack size of a worker thread.
    const STACK: usize = 2 * 1024 * 1024;

    /// The deepest documents that the largest setting allows, in the shapes that make the parser recurse.
    fn deepest() -> Vec<String> {
        let nest = |outer: &str, open: &str, inner: &str, close: &str, end: &str, levels: usize| {
            format!("{outer}{}{inner}{}{end}", open.repeat(levels), close.repeat(levels))
        };
        let chain: String = (0..NESTING_MAX - 2).map(|i| format!("fragment F{i} on Q {{ ...F{} }}", i + 1)).collect();
        vec![
            nest("{a(b:", "[", "1", "]", ")}", NESTING_MAX - 2),
            nest("{a(b:", "{c:", "1", "}", ")}", NESTING_MAX - 2),
            nest("{a(b:", "[{c:", "1", "}]", ")}", NESTING_MAX / 2 - 1),
            nest("query($a:", "[", "Int", "]", "){a}", NESTING_MAX - 1),
            nest("query($a:I=", "[", "1", "]", "){a}", NESTING_MAX - 1),
            nest("query($a:I=", "{c:", "1", "}", "){a}", NESTING_MAX - 1),
            nest("query @d(a:", "[", "$b", "]", "){a}", NESTING_MAX - 1),
            nest("", "{a", "", "}", "", NESTING_MAX),
            nest("", "{...{a:b@c ", "d", "}}", "", NESTING_MAX / 2),
            nest("", "{...on A ", "{b}", "}", "", NESTING_MAX - 1),
            format!("{{...F0}} {chain} fragment F{} on Q {{a}}", NESTING_MAX - 2),
        ]
    }

    #[test]
    fn the_deepest_document_that_a_setting_allows_fits_half_of_a_workers_stack() {
        let limits =
            Limits { nesting: NESTING_MAX, depth: u32::MAX, aliases: u32::MAX, directives: u32::MAX, ..LIMITS };
        let read = move || deepest().iter().map(|text| Document::read(text, &limits).err()).collect::<Vec<_>>();
        let reader = std::thread::Builder::new().stack_size(STACK / 2).spawn(read).expect("a thread");
        let rejections = reader.join().expect("a stack that is large enough");
        assert_eq!(rejections, vec![None; rejections.len()], "every document must reach the parser");
    }
}
