//! The errors of documents, operations and variables, each with its code and message.

use async_graphql::Pos;

use crate::error_code::ErrorCode;
use crate::graphql::execution::schema_errors::shorten;

/// Why a document, an operation or its variables are rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the document is longer than {limit} bytes; send what changes between requests as variables")]
    DocumentTooLarge { limit: usize },
    #[error("the document has more than {limit} tokens")]
    TooManyTokens { limit: usize },
    #[error("the document has a name of more than {limit} characters")]
    NameTooLong { limit: usize },
    #[error("the document is nested deeper than {limit} levels")]
    NestedTooDeep { limit: usize },
    #[error("the document cannot be read at line {}, column {}: {problem}", .at.line, .at.column)]
    Syntax { at: Pos, problem: String },
    #[error("{0}")]
    Malformed(&'static str),
    #[error("the input object at line {}, column {} has a field twice", .at.line, .at.column)]
    InputFieldTwice { at: Pos },
    #[error("the value at line {}, column {} is not of the type {expected}", .at.line, .at.column)]
    WrongLiteral { at: Pos, expected: String },
    #[error("the input object at line {}, column {} has a field that {of} does not have", .at.line, .at.column)]
    UnknownInputField { at: Pos, of: String },
    #[error("the input object at line {}, column {} needs a value for {of}.{field}", .at.line, .at.column)]
    MissingInputField { at: Pos, of: String, field: String },
    #[error("{}", shorten(&format!("the variable ${name} needs a value")))]
    MissingVariable { name: String },
    #[error("{}", shorten(&format!("the variable ${name} is not of the type {expected}")))]
    WrongVariable { name: String, expected: String },
    #[error("{}", shorten(&format!("the variable ${name} is used where the type {expected} is expected")))]
    VariablePosition { at: Pos, name: String, expected: String },
    #[error("a directive is not allowed at line {}, column {}", .at.line, .at.column)]
    MisplacedDirective { at: Pos },
    #[error("{}", shorten(&format!("the variable ${name} has a field that {of} does not have")))]
    UnknownVariableField { name: String, of: String },
    #[error("{}", shorten(&format!("the variable ${name} is null where a directive needs true or false")))]
    NullCondition { name: String },
    #[error("a subscription has exactly one field at its root")]
    SubscriptionRoot,
    #[error("the field at the root of a subscription must not be skipped")]
    SubscriptionRootSkipped,
    #[error("a fragment of the document contains itself")]
    FragmentCycle,
    #[error("the operation nests more than {limit} fields")]
    TooDeep { limit: u32 },
    #[error("the operation has more than {limit} aliases")]
    TooManyAliases { limit: u32 },
    #[error("the operation has more than {limit} fields at its root; send the others in another request")]
    TooManyRootFields { limit: u32 },
    #[error("the operation has more than {limit} directives")]
    TooManyDirectives { limit: u32 },
    #[error("the document spreads more than {limit} fragments")]
    TooManyFragments { limit: u32 },
    #[error("the operation costs more than {limit}; ask for fewer fields or smaller pages")]
    TooCostly { limit: u64 },
    #[error("the operation nests more than {limit} lists of the schema")]
    IntrospectionTooDeep { limit: u32 },
    #[error("introspection is switched off on this server")]
    IntrospectionOff,
    #[error("the variables are longer than {limit} bytes")]
    VariablesTooLarge { limit: usize },
    #[error("the variables are nested deeper than {limit} levels")]
    VariablesTooDeep { limit: usize },
}

impl Rejection {
    /// The error code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::DocumentTooLarge { .. } => ErrorCode::DocumentTooLarge,
            Self::TooManyTokens { .. } => ErrorCode::TooManyTokens,
            Self::NameTooLong { .. } => ErrorCode::NameTooLong,
            Self::NestedTooDeep { .. } => ErrorCode::NestedTooDeep,
            Self::Syntax { .. } | Self::Malformed(_) => ErrorCode::GraphqlParseFailed,
            Self::InputFieldTwice { .. }
            | Self::WrongLiteral { .. }
            | Self::UnknownInputField { .. }
            | Self::MissingInputField { .. }
            | Self::MissingVariable { .. }
            | Self::WrongVariable { .. }
            | Self::VariablePosition { .. }
            | Self::MisplacedDirective { .. }
            | Self::UnknownVariableField { .. }
            | Self::NullCondition { .. }
            | Self::SubscriptionRoot
            | Self::SubscriptionRootSkipped => ErrorCode::GraphqlValidationFailed,
            Self::FragmentCycle => ErrorCode::FragmentCycle,
            Self::TooDeep { .. } => ErrorCode::TooDeep,
            Self::TooManyAliases { .. } => ErrorCode::TooManyAliases,
            Self::TooManyRootFields { .. } => ErrorCode::TooManyRootFields,
            Self::TooManyDirectives { .. } => ErrorCode::TooManyDirectives,
            Self::TooManyFragments { .. } => ErrorCode::TooManyFragments,
            Self::TooCostly { .. } => ErrorCode::TooCostly,
            Self::IntrospectionTooDeep { .. } => ErrorCode::IntrospectionTooDeep,
            Self::IntrospectionOff => ErrorCode::IntrospectionOff,
            Self::VariablesTooLarge { .. } => ErrorCode::VariablesTooLarge,
            Self::VariablesTooDeep { .. } => ErrorCode::VariablesTooDeep,
        }
    }

    /// The position in the document, if known.
    pub fn position(&self) -> Option<Pos> {
        match self {
            Self::Syntax { at, .. }
            | Self::InputFieldTwice { at }
            | Self::WrongLiteral { at, .. }
            | Self::UnknownInputField { at, .. }
            | Self::VariablePosition { at, .. }
            | Self::MisplacedDirective { at }
            | Self::MissingInputField { at, .. } => Some(*at),
            _ => None,
        }
    }
}
