//! Reads documents and checks that they are safe to validate and execute.
//!
//! Three steps, each bounded by the one before: `lexer` checks the text before `parser` sees it, `limits` and `cost` check the
//! size of the parsed document with its fragments spread, and [`Document::admit`] checks the chosen operation and its
//! variables. Every document takes these steps before it reaches the schema. `rejection` lists the errors. Whether the document
//! is valid for the schema is checked by the schema.

mod coercion;
mod cost;
mod executable;
mod lexer;
mod limits;
mod literals;
mod parser;
mod rejection;
mod strings;
mod types;
mod variable_positions;
mod variables;

use std::sync::{Arc, OnceLock};

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::{Map, Value};

use crate::graphql::execution::fast_path::Plan;

pub use crate::graphql::execution::document::limits::{Limits, NESTING_MAX};
pub use crate::graphql::execution::document::rejection::Rejection;
pub use crate::graphql::execution::document::types::Types;

/// Size of the cache of documents, in bytes.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Expected number of documents in the cache.
const CACHE_ENTRIES: usize = 2 * 1024;

/// Maximum memory of a parsed token, in bytes.
const TOKEN_WEIGHT: u64 = 512;

/// A document within its limits.
#[derive(Debug)]
pub struct Document {
    parsed: ExecutableDocument,
    tokens: usize,
    /// The highest number of aliases in one operation. A response may repeat its input this many times.
    aliases: u32,
    /// The cost of its most expensive operation if every variable has its largest value.
    max_cost: u64,
    /// The first literal or variable that does not fit the types of the schema.
    mismatch: Option<Rejection>,
    /// Set once the schema has validated it.
    valid: OnceLock<()>,
    /// Its plan for the fast path, set once the schema has executed it; `None` if only the schema can answer it.
    plan: OnceLock<Option<Plan>>,
}

impl Document {
    /// Reads a document. `types` are those of the schema.
    pub fn read(text: &str, limits: &Limits, types: &Types) -> Result<Self, Rejection> {
        let tokens = lexer::tokens(text, limits)?;
        let mut parsed = parser::parse(&tokens)?;
        let aliases = limits::check(&parsed, limits)?;
        let mismatch = literals::normalize(&mut parsed, types).or_else(|| variable_positions::check(&parsed, types));
        let max_cost = cost::max(&parsed);
        let (valid, plan) = (OnceLock::new(), OnceLock::new());
        Ok(Self { parsed, tokens: tokens.len(), aliases, max_cost, mismatch, valid, plan })
    }

    /// Checks whether the document is valid, whatever its variables are. `validate` runs until it has succeeded once.
    pub(in crate::graphql) fn validate<E>(
        &self,
        validate: impl FnOnce(&ExecutableDocument) -> Result<(), E>,
        reject: impl FnOnce(&Rejection) -> E,
    ) -> Result<(), E> {
        if self.valid.get().is_none() {
            validate(&self.parsed)?;
            if let Some(rejection) = &self.mismatch {
                return Err(reject(rejection));
            }
            self.valid.get_or_init(|| ());
        }
        Ok(())
    }

    /// The document to execute `operation` with these variables, which have been coerced.
    pub(in crate::graphql) fn executable(
        &self,
        operation: &OperationDefinition,
        name: Option<&str>,
        variables: &Map<String, Value>,
    ) -> Result<ExecutableDocument, Rejection> {
        executable::executable(&self.parsed, operation, name, variables)
    }

    /// The parsed document.
    pub fn parsed(&self) -> &ExecutableDocument {
        &self.parsed
    }

    /// Number of tokens, or of fields with its fragments spread, whichever is larger.
    pub(in crate::graphql) fn size(&self) -> usize {
        self.tokens.max(usize::try_from(self.max_cost).unwrap_or(usize::MAX))
    }

    /// The highest number of aliases in one operation.
    pub(in crate::graphql) const fn aliases(&self) -> u32 {
        self.aliases
    }

    /// Its plan for the fast path, if it has one and the schema has executed it before.
    pub(in crate::graphql) fn plan(&self) -> Option<&Plan> {
        self.plan.get()?.as_ref()
    }

    /// Records that the schema has executed the document without an error.
    pub(in crate::graphql) fn mark_executed(&self, limits: &Limits) {
        self.plan.get_or_init(|| Plan::of(&self.parsed, limits.introspection));
    }

    /// The operation to execute; `None` if there is no operation of this name, or several and no name.
    pub fn operation(&self, name: Option<&str>) -> Option<&OperationDefinition> {
        let mut operations = self.parsed.operations.iter();
        let chosen = match name {
            Some(name) => operations.find(|(known, _)| known.is_some_and(|known| known.as_str() == name)),
            None => operations.next().filter(|_| operations.next().is_none()),
        };
        chosen.map(|(_, operation)| &operation.node)
    }

    /// The cost of an operation with these variables.
    pub fn cost(&self, operation: &OperationDefinition, values: Option<&Map<String, Value>>) -> u64 {
        cost::of(&self.parsed, operation, values)
    }

    /// Checks whether an operation may run with these variables.
    pub fn admit(
        &self,
        operation: Option<&OperationDefinition>,
        values: Option<&Map<String, Value>>,
        limits: &Limits,
    ) -> Result<(), Rejection> {
        values.map_or(Ok(()), |values| variables::check(values, limits))?;
        if self.max_cost <= limits.cost {
            return Ok(());
        }
        match operation {
            Some(operation) if cost::of(&self.parsed, operation, values) <= limits.cost => Ok(()),
            _ => Err(Rejection::TooCostly { limit: limits.cost }),
        }
    }
}

/// Reads documents and caches those that are used often.
#[derive(Clone)]
pub(in crate::graphql) struct Documents {
    limits: Limits,
    types: Arc<Types>,
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
    pub(in crate::graphql) fn new(limits: Limits, types: Types) -> Self {
        Self {
            limits,
            types: Arc::new(types),
            cache: Arc::new(Cache::with_weighter(CACHE_ENTRIES, CACHE_BYTES, Weight)),
        }
    }

    pub(in crate::graphql) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Reads a document, unless the cache has it. Rejected documents are not cached.
    pub(in crate::graphql) fn read(&self, text: &str) -> Result<Arc<Document>, Rejection> {
        if let Some(document) = self.cache.get(text) {
            return Ok(document);
        }
        let document = Arc::new(Document::read(text, &self.limits, &self.types)?);
        self.cache.insert(text.into(), Arc::clone(&document));
        Ok(document)
    }

    /// Coerces the variables of an operation to their declared types, and adds defaults.
    pub(in crate::graphql) fn coerce(
        &self,
        document: &Document,
        operation: &OperationDefinition,
        given: Option<Map<String, Value>>,
    ) -> Result<Map<String, Value>, Rejection> {
        let variables = coercion::variables(operation, given.unwrap_or_default(), &self.types)?;
        match executable::null_condition(&document.parsed, operation, &variables) {
            Some(name) => Err(Rejection::NullCondition { name }),
            None => Ok(variables),
        }
    }
}

#[cfg(test)]
pub(in crate::graphql) mod tests {
    use super::*;

    pub(in crate::graphql) const LIMITS: Limits = Limits::DEFAULT;

    #[test]
    fn documents_are_cached_within_a_bound_and_rejected_ones_are_not() {
        let documents = Documents::new(LIMITS, Types::default());
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
        let read = move || {
            deepest().iter().map(|text| Document::read(text, &limits, &Types::default()).err()).collect::<Vec<_>>()
        };
        let reader = std::thread::Builder::new().stack_size(STACK / 2).spawn(read).expect("a thread");
        let rejections = reader.join().expect("a stack that is large enough");
        assert_eq!(rejections, vec![None; rejections.len()], "every document must reach the parser");
    }

    #[test]
    fn one_level_more_does_not_reach_the_parser() {
        let limits = Limits { nesting: NESTING_MAX, ..LIMITS };
        for text in ["{a(b:[", "query($a:[[", "{a(b:{c:"].map(|open| format!("{open}{}", "[".repeat(NESTING_MAX))) {
            assert_eq!(
                Document::read(&text, &limits, &Types::default()).err(),
                Some(Rejection::NestedTooDeep { limit: NESTING_MAX })
            );
        }
    }
}
