//! From the text of a document to a document that is safe to validate and execute.
//!
//! Three steps, each bounded by what the one before has left: `lexer` counts what is in the text before `parser` sees it,
//! `measure` and `cost` count what the parsed document comes to once its fragments are put in, and [`Document::admit`]
//! looks at the operation that was chosen and at its variables. Nothing goes to the schema by another way. What is refused
//! has its code in `refusal`; whether the document fits the schema is said by the schema.

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

pub use crate::graphql::execution::document::rejection::Refusal;
pub use crate::graphql::execution::document::types::Types;

/// Bytes of read documents that are kept.
const KEPT: u64 = 8 * 1024 * 1024;

/// Documents that are expected in that space.
const EXPECTED: usize = 2 * 1024;

/// What a parsed token takes in memory, at most, in bytes; what few documents take is of no weight.
const TOKEN_WEIGHT: u64 = 512;

/// The deepest nesting that may be allowed. The parser and all who walk a document recurse; so deep they do it in
/// half of a worker's stack, even in a debug build.
pub const NESTING_MAX: usize = 64;

/// How much a document, an operation and its variables may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a document.
    pub bytes: usize,
    /// Tokens of a document.
    pub tokens: usize,
    /// Characters of a name.
    pub name: usize,
    /// Braces, brackets and parentheses inside of each other, and selection sets once fragments are put in. No more than
    /// [`NESTING_MAX`].
    pub nesting: usize,
    /// Fields inside of each other.
    pub depth: u32,
    /// Aliases.
    pub aliases: u32,
    /// Fields at the root of an operation.
    pub root_fields: u32,
    /// Directives.
    pub directives: u32,
    /// Fragments put in, inline ones included; in all operations of the document together.
    pub fragments: u32,
    /// What the fields cost, those of lists once for each item.
    pub cost: u64,
    /// Lists inside of each other in a question about the schema itself.
    pub introspection_depth: u32,
    /// Whether questions about the schema itself are answered.
    pub introspection: bool,
    /// Bytes of the variables, as JSON.
    pub variables_bytes: usize,
    /// Lists and objects inside of each other in variables.
    pub variables_depth: usize,
}

/// A document within its limits.
#[derive(Debug)]
pub struct Document {
    parsed: ExecutableDocument,
    tokens: usize,
    /// Aliases of the operation that has most: so many times it may get back what it sent.
    aliases: u32,
    /// What its dearest operation costs when every variable asks for as much as it can.
    cost_at_most: u64,
    /// The first literal or variable that does not fit the types of the schema.
    mismatch: Option<Refusal>,
    /// Set once the schema has found it valid.
    valid: OnceLock<()>,
    /// How it is answered without the schema, once that has found it valid; `None` where only the schema can.
    plan: OnceLock<Option<Plan>>,
}

impl Document {
    /// Reads a document for a schema of these types.
    pub fn read(text: &str, limits: &Limits, types: &Types) -> Result<Self, Refusal> {
        let tokens = lexer::tokens(text, limits)?;
        let mut parsed = parser::parse(&tokens)?;
        let aliases = limits::check(&parsed, limits)?;
        let mismatch = literals::normalize(&mut parsed, types).or_else(|| variable_positions::check(&parsed, types));
        let cost_at_most = cost::at_most(&parsed);
        let (valid, plan) = (OnceLock::new(), OnceLock::new());
        Ok(Self { parsed, tokens: tokens.len(), aliases, cost_at_most, mismatch, valid, plan })
    }

    /// Whether the document is valid, whatever its variables are. `validate` asks the schema, until it has once said yes.
    pub(in crate::graphql) fn validate<E>(
        &self,
        validate: impl FnOnce(&ExecutableDocument) -> Result<(), E>,
        refuse: impl FnOnce(&Refusal) -> E,
    ) -> Result<(), E> {
        if self.valid.get().is_none() {
            validate(&self.parsed)?;
            if let Some(refusal) = &self.mismatch {
                return Err(refuse(refusal));
            }
            self.valid.get_or_init(|| ());
        }
        Ok(())
    }

    /// The document to execute one of its operations with variables that were coerced.
    pub(in crate::graphql) fn executable(
        &self,
        operation: &OperationDefinition,
        name: Option<&str>,
        variables: &Map<String, Value>,
    ) -> Result<ExecutableDocument, Refusal> {
        executable::executable(&self.parsed, operation, name, variables)
    }

    /// The document as the schema takes it.
    pub fn parsed(&self) -> &ExecutableDocument {
        &self.parsed
    }

    /// Tokens of its text, or fields that it asks for with its fragments spread, whichever are more.
    pub(in crate::graphql) fn size(&self) -> usize {
        self.tokens.max(usize::try_from(self.cost_at_most).unwrap_or(usize::MAX))
    }

    /// How many aliases the operation has that has most.
    pub(in crate::graphql) const fn aliases(&self) -> u32 {
        self.aliases
    }

    /// How it is answered without the schema, if that is known.
    pub(in crate::graphql) fn plan(&self) -> Option<&Plan> {
        self.plan.get()?.as_ref()
    }

    /// Says that the schema has executed the document without an error.
    pub(in crate::graphql) fn proved(&self, limits: &Limits) {
        self.plan.get_or_init(|| Plan::of(&self.parsed, limits.introspection));
    }

    /// The operation that was chosen; `None` when there is no such operation, or several and no name.
    pub fn operation(&self, name: Option<&str>) -> Option<&OperationDefinition> {
        let mut operations = self.parsed.operations.iter();
        let chosen = match name {
            Some(name) => operations.find(|(known, _)| known.is_some_and(|known| known.as_str() == name)),
            None => operations.next().filter(|_| operations.next().is_none()),
        };
        chosen.map(|(_, operation)| &operation.node)
    }

    /// What an operation costs with these variables.
    pub fn cost(&self, operation: &OperationDefinition, values: Option<&Map<String, Value>>) -> u64 {
        cost::of(&self.parsed, operation, values)
    }

    /// Whether an operation may run with these variables.
    pub fn admit(
        &self,
        operation: Option<&OperationDefinition>,
        values: Option<&Map<String, Value>>,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        values.map_or(Ok(()), |values| variables::check(values, limits))?;
        if self.cost_at_most <= limits.cost {
            return Ok(());
        }
        match operation {
            Some(operation) if cost::of(&self.parsed, operation, values) <= limits.cost => Ok(()),
            _ => Err(Refusal::TooCostly { limit: limits.cost }),
        }
    }
}

/// Reads documents, and keeps those that are asked for often.
#[derive(Clone)]
pub(in crate::graphql) struct Documents {
    limits: Limits,
    types: Arc<Types>,
    kept: Arc<Cache<Box<str>, Arc<Document>, Weight>>,
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
        Self { limits, types: Arc::new(types), kept: Arc::new(Cache::with_weighter(EXPECTED, KEPT, Weight)) }
    }

    pub(in crate::graphql) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The document of this text. What is refused is not kept.
    pub(in crate::graphql) fn read(&self, text: &str) -> Result<Arc<Document>, Refusal> {
        if let Some(document) = self.kept.get(text) {
            return Ok(document);
        }
        let document = Arc::new(Document::read(text, &self.limits, &self.types)?);
        self.kept.insert(text.into(), Arc::clone(&document));
        Ok(document)
    }

    /// The values of an operation's variables, in the form that the operation declares.
    pub(in crate::graphql) fn coerce(
        &self,
        document: &Document,
        operation: &OperationDefinition,
        given: Option<Map<String, Value>>,
    ) -> Result<Map<String, Value>, Refusal> {
        let variables = coercion::variables(operation, given.unwrap_or_default(), &self.types)?;
        match executable::null_condition(&document.parsed, operation, &variables) {
            Some(name) => Err(Refusal::NullCondition { name }),
            None => Ok(variables),
        }
    }
}

#[cfg(test)]
pub(in crate::graphql) mod tests {
    use super::*;

    pub(in crate::graphql) const LIMITS: Limits = Limits {
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

    #[test]
    fn what_was_read_is_kept_within_a_bound_and_what_was_refused_is_not() {
        let documents = Documents::new(LIMITS, Types::default());
        let one = documents.read("{ __typename }").expect("a document");
        assert!(Arc::ptr_eq(&one, &documents.read("{ __typename }").expect("a document")));
        for i in 0..400 {
            let text = format!("{{ a {{ {} }} }}", format!("field{i} ").repeat(100));
            documents.read(&text).expect("a document");
        }
        assert!(documents.kept.weight() <= KEPT);
        let before = documents.kept.len();
        documents.read("{").expect_err("it does not end");
        assert_eq!(documents.kept.len(), before);
    }

    /// The stack of a worker thread that nobody has configured.
    const STACK: usize = 2 * 1024 * 1024;

    /// The deepest documents that the largest setting lets pass, in the shapes that make the parser recurse.
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
    fn the_deepest_document_that_a_setting_allows_is_read_in_half_of_a_workers_stack() {
        let limits =
            Limits { nesting: NESTING_MAX, depth: u32::MAX, aliases: u32::MAX, directives: u32::MAX, ..LIMITS };
        let read = move || {
            deepest().iter().map(|text| Document::read(text, &limits, &Types::default()).err()).collect::<Vec<_>>()
        };
        let reader = std::thread::Builder::new().stack_size(STACK / 2).spawn(read).expect("a thread");
        let refused = reader.join().expect("a stack that is large enough");
        assert_eq!(refused, vec![None; refused.len()], "all of it is to reach the parser");
    }

    #[test]
    fn one_level_more_does_not_reach_the_parser() {
        let limits = Limits { nesting: NESTING_MAX, ..LIMITS };
        for text in ["{a(b:[", "query($a:[[", "{a(b:{c:"].map(|open| format!("{open}{}", "[".repeat(NESTING_MAX))) {
            assert_eq!(
                Document::read(&text, &limits, &Types::default()).err(),
                Some(Refusal::NestedTooDeep { limit: NESTING_MAX })
            );
        }
    }
}
