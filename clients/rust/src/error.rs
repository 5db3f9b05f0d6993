//! Why something failed: a code for programs, and a sentence for people.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// Defines the enum and its texts from one table.
macro_rules! error_codes {
    (
        server { $($server:ident, $server_code:literal, $server_description:literal;)* }
        client { $($client:ident, $client_code:literal, $client_description:literal;)* }
    ) => {
        /// What went wrong, for programs. New codes may be added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $server_description] $server,)*
            $(#[doc = $client_description] $client,)*
        }

        impl ErrorCode {
            /// The codes of the server.
            pub const OF_SERVER: &[Self] = &[$(Self::$server,)*];

            /// The code as the server writes it, like `ROOM_NOT_FOUND`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$server => $server_code,)*
                    $(Self::$client => $client_code,)*
                }
            }

            /// What went wrong, in one sentence.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$server => $server_description,)*
                    $(Self::$client => $client_description,)*
                }
            }
        }
    };
}

error_codes! {
    server {
        RoomNotFound, "ROOM_NOT_FOUND", "There is no such room, or it has ended.";
        RoomCodeInvalid, "ROOM_CODE_INVALID", "The room code is wrong.";
        TokenInvalid, "TOKEN_INVALID", "The token is not the user's current one, or there is no such user.";
        IdentityRequired, "IDENTITY_REQUIRED", "The action needs an identity from a site that vouches for the user.";
        IdentityInvalid, "IDENTITY_INVALID", "The identity is forged, malformed, for another room, or not accepted here.";
        IdentityExpired, "IDENTITY_EXPIRED", "The identity has expired.";
        ValidationFailed, "VALIDATION_FAILED", "A field of the input breaks a rule.";
        MessageNotFound, "MESSAGE_NOT_FOUND", "There is no such message in the room.";
        NotAuthor, "NOT_AUTHOR", "The user is not the author of the message.";
        CursorInvalid, "CURSOR_INVALID", "The cursor names no event of this room.";
        RoomFull, "ROOM_FULL", "The room accepts no more messages or edits.";
        OwnerTokenInvalid, "OWNER_TOKEN_INVALID", "The owner token is not that of the room.";
        PresenceTokenInvalid, "PRESENCE_TOKEN_INVALID", "The presence token is not valid in the room.";
        UserBanned, "USER_BANNED", "The owner has banned the user from the room.";
        RoomLocked, "ROOM_LOCKED", "Only the owner may write in the room for now.";
        SlowMode, "SLOW_MODE", "The room is in slow mode, and the user's last message is too recent.";
        RoomAtCapacity, "ROOM_AT_CAPACITY", "The room has as many viewers as its owner allows.";
        EditLimitReached, "EDIT_LIMIT_REACHED", "The message accepts no more edits.";
        Conflict, "CONFLICT", "The message kept changing while it was to be changed.";
        RateLimited, "RATE_LIMITED", "The client has exceeded a rate limit, or is locked out.";
        Unavailable, "UNAVAILABLE", "The service or its store is temporarily unavailable.";
        Internal, "INTERNAL", "The server failed; its log has the cause.";
        BadRequest, "BAD_REQUEST", "The request is malformed.";
        BatchNotSupported, "BATCH_NOT_SUPPORTED", "The request contains several operations.";
        EncodingUnsupported, "ENCODING_UNSUPPORTED", "The request body is compressed.";
        MethodNotAllowed, "METHOD_NOT_ALLOWED", "The HTTP method is not allowed.";
        NotAcceptable, "NOT_ACCEPTABLE", "The accepted media types do not fit the operation.";
        OriginNotAllowed, "ORIGIN_NOT_ALLOWED", "Pages of this origin may not connect.";
        PayloadTooLarge, "PAYLOAD_TOO_LARGE", "The request body is too large.";
        PreflightRequired, "PREFLIGHT_REQUIRED", "A GET request could have been sent by another site's page.";
        RequestTimeout, "REQUEST_TIMEOUT", "The request did not arrive in time.";
        UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "The request body is not JSON.";
        Overloaded, "OVERLOADED", "The server, or this client's share of it, is busy.";
        ResponseTooLarge, "RESPONSE_TOO_LARGE", "The response would be too large.";
        Timeout, "TIMEOUT", "The operation took too long.";
        TooManySockets, "TOO_MANY_SOCKETS", "The address has too many open sockets.";
        TooManySubscriptions, "TOO_MANY_SUBSCRIPTIONS", "The client has too many open subscriptions.";
        DocumentNotTrusted, "DOCUMENT_NOT_TRUSTED", "The server runs only listed documents, and this is none of them.";
        PersistedQueryInvalid, "PERSISTED_QUERY_INVALID", "The hash does not match the document.";
        PersistedQueryNotFound, "PERSISTED_QUERY_NOT_FOUND", "The server does not know the document of this hash.";
        PersistedQueryNotSupported, "PERSISTED_QUERY_NOT_SUPPORTED", "Persisted queries are switched off.";
        DocumentTooLarge, "DOCUMENT_TOO_LARGE", "The document has too many bytes.";
        FragmentCycle, "FRAGMENT_CYCLE", "A fragment contains itself.";
        GraphqlParseFailed, "GRAPHQL_PARSE_FAILED", "The document is not valid GraphQL.";
        GraphqlValidationFailed, "GRAPHQL_VALIDATION_FAILED", "The document or its variables do not fit the schema.";
        IntrospectionOff, "INTROSPECTION_OFF", "Introspection is switched off.";
        IntrospectionTooDeep, "INTROSPECTION_TOO_DEEP", "An introspection query nests too many lists.";
        NameTooLong, "NAME_TOO_LONG", "The document has a name that is too long.";
        NestedTooDeep, "NESTED_TOO_DEEP", "The document is nested too deep.";
        TooCostly, "TOO_COSTLY", "The operation costs too much.";
        TooDeep, "TOO_DEEP", "The operation nests too many fields.";
        TooManyAliases, "TOO_MANY_ALIASES", "The operation has too many aliases.";
        TooManyDirectives, "TOO_MANY_DIRECTIVES", "The operation has too many directives.";
        TooManyFragments, "TOO_MANY_FRAGMENTS", "The document spreads too many fragments.";
        TooManyRootFields, "TOO_MANY_ROOT_FIELDS", "The operation has too many fields at its root.";
        TooManyTokens, "TOO_MANY_TOKENS", "The document has too many tokens.";
        VariablesTooDeep, "VARIABLES_TOO_DEEP", "The variables are nested too deep.";
        VariablesTooLarge, "VARIABLES_TOO_LARGE", "The variables have too many bytes.";
    }
    client {
        Network, "NETWORK", "The server cannot be reached.";
        Left, "LEFT", "The room was left first.";
        Lagged, "LAGGED", "A stream of events was read too slowly.";
        OutboxFull, "OUTBOX_FULL", "Too many messages wait to be sent.";
        UrlInvalid, "URL_INVALID", "The address is not one of a server.";
        Unknown, "UNKNOWN", "The server's response is not understood; the crate may be too old for the server.";
    }
}

impl ErrorCode {
    fn parse(code: &str) -> Self {
        Self::OF_SERVER.iter().copied().find(|known| known.as_str() == code).unwrap_or(Self::Unknown)
    }

    /// Whether the same request may succeed later.
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Network
                | Self::Unavailable
                | Self::Overloaded
                | Self::Timeout
                | Self::RequestTimeout
                | Self::Conflict
                | Self::RateLimited
                | Self::SlowMode
                | Self::RoomAtCapacity
                | Self::TooManySockets
                | Self::TooManySubscriptions
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// What went wrong, for people.
    pub message: String,
    /// How long to wait before the next try, if the server says so.
    pub retry_after: Option<Duration>,
    /// When a ban ends; `None` if it does not, or this is no ban.
    pub until: Option<String>,
    /// The input field that broke a rule.
    pub field: Option<String>,
}

impl Error {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None, until: None, field: None }
    }

    pub(crate) fn of(code: ErrorCode) -> Self {
        Self::new(code, code.description())
    }

    pub(crate) fn network(reason: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Network, format!("The server cannot be reached: {reason}."))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new(ErrorCode::Unknown, format!("The server's response is not understood: {error}."))
    }
}

/// An error of a GraphQL response.
#[derive(Debug, Deserialize)]
pub(crate) struct GraphqlError {
    message: String,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    code: Option<String>,
    retry_after_ms: Option<u64>,
    until: Option<String>,
    field: Option<String>,
}

impl From<GraphqlError> for Error {
    fn from(GraphqlError { message, extensions }: GraphqlError) -> Self {
        let code = extensions.code.as_deref().map_or(ErrorCode::Internal, ErrorCode::parse);
        let message = match extensions.code {
            Some(name) if code == ErrorCode::Unknown => format!("{message} ({name})"),
            _ => message,
        };
        let retry_after = extensions.retry_after_ms.map(Duration::from_millis);
        Self { code, message, retry_after, until: extensions.until, field: extensions.field }
    }
}
