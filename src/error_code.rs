//! The error codes of both APIs, in one list. Metrics take their labels from it, and tests check the schema's descriptions and
//! docs/clients.md against it.

/// Defines the enum, and everything that is said about each code, from one table.
macro_rules! error_codes {
    ($($variant:ident, $code:literal, $description:literal;)*) => {
        /// What went wrong, for programs. Codes never change; messages may.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $description] $variant,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as clients see it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// What went wrong, in one sentence.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => $description,)*
                }
            }
        }
    };
}

error_codes! {
    // From the service.
    RoomNotFound, "ROOM_NOT_FOUND", "There is no such room, or it has ended.";
    RoomCodeInvalid, "ROOM_CODE_INVALID", "The room code is wrong.";
    TokenInvalid, "TOKEN_INVALID", "The token is not the user's current one, or there is no such user.";
    UserUnknown, "USER_UNKNOWN", "There is no such user.";
    IdentityRequired, "IDENTITY_REQUIRED", "The action needs an identity from a site that vouches for the user.";
    IdentityInvalid, "IDENTITY_INVALID", "The identity is forged, malformed, for another room, or not accepted here.";
    IdentityExpired, "IDENTITY_EXPIRED", "The identity has expired.";
    ValidationFailed, "VALIDATION_FAILED", "A field of the input breaks a rule.";
    MessageNotFound, "MESSAGE_NOT_FOUND", "There is no such message in the room.";
    NotAuthor, "NOT_AUTHOR", "The user is not the author of the message.";
    CursorInvalid, "CURSOR_INVALID", "The cursor names no event of this room, or came with an operation that takes none.";
    RoomFull, "ROOM_FULL", "The room accepts no more messages or edits.";
    OwnerTokenInvalid, "OWNER_TOKEN_INVALID", "The owner token is not that of the room.";
    PresenceTokenInvalid, "PRESENCE_TOKEN_INVALID", "The presence token is not valid in the room; join again.";
    UserBanned, "USER_BANNED", "The owner has banned the user from the room.";
    RoomLocked, "ROOM_LOCKED", "Only the owner may write in the room for now.";
    SlowMode, "SLOW_MODE", "The room is in slow mode, and the user's last message is too recent.";
    RoomAtCapacity, "ROOM_AT_CAPACITY", "The room has as many viewers as its owner allows.";
    EditLimitReached, "EDIT_LIMIT_REACHED", "The message accepts no more edits.";
    Conflict, "CONFLICT", "The message kept changing while it was to be changed.";
    RateLimited, "RATE_LIMITED", "The client has exceeded a rate limit, or is locked out.";
    Unavailable, "UNAVAILABLE", "The service or its store is temporarily unavailable.";
    Internal, "INTERNAL", "The server failed; the log has the cause.";
    // From requests and transports.
    BadRequest, "BAD_REQUEST", "The request is malformed.";
    BatchNotSupported, "BATCH_NOT_SUPPORTED", "The request contains several operations.";
    CrossSite, "CROSS_SITE", "Another site embeds a legacy route that creates rooms.";
    EncodingUnsupported, "ENCODING_UNSUPPORTED", "The request body is compressed.";
    MethodNotAllowed, "METHOD_NOT_ALLOWED", "The HTTP method is not allowed, or the operation changes something and came by GET.";
    NotAcceptable, "NOT_ACCEPTABLE", "The accepted media types do not fit the operation.";
    OriginNotAllowed, "ORIGIN_NOT_ALLOWED", "Pages of this origin may not connect.";
    PayloadTooLarge, "PAYLOAD_TOO_LARGE", "The request body is too large.";
    PreflightRequired, "PREFLIGHT_REQUIRED", "A GET request could have been sent by another site's page.";
    RequestTimeout, "REQUEST_TIMEOUT", "The request did not arrive in time.";
    UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "The request body is not JSON.";
    // From limits on what runs and is open at once.
    Overloaded, "OVERLOADED", "The server, or this client's share of it, is busy.";
    ResponseTooLarge, "RESPONSE_TOO_LARGE", "The response would be too large.";
    Timeout, "TIMEOUT", "The operation took too long.";
    TooManySockets, "TOO_MANY_SOCKETS", "The address has too many open sockets.";
    TooManySubscriptions, "TOO_MANY_SUBSCRIPTIONS", "The client has too many open subscriptions.";
    // From persisted queries and trusted documents.
    DocumentNotTrusted, "DOCUMENT_NOT_TRUSTED", "The server runs only listed documents, and this is none of them.";
    PersistedQueryInvalid, "PERSISTED_QUERY_INVALID", "The hash does not match the document, or the extension is malformed.";
    PersistedQueryNotFound, "PERSISTED_QUERY_NOT_FOUND", "The server does not know the document of this hash.";
    PersistedQueryNotSupported, "PERSISTED_QUERY_NOT_SUPPORTED", "Persisted queries are switched off.";
    // From documents.
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

impl ErrorCode {
    /// The code that clients see as `code`.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.as_str() == code)
    }

    /// Whether the same request may succeed a little later.
    pub const fn is_temporary(self) -> bool {
        matches!(self, Self::Overloaded | Self::RateLimited | Self::RequestTimeout | Self::Timeout | Self::Unavailable)
    }

    /// Whether only the legacy routes have this code.
    pub const fn is_legacy_only(self) -> bool {
        matches!(self, Self::CrossSite | Self::UserUnknown)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The codes of the GraphQL API.
    fn graphql_codes() -> BTreeSet<&'static str> {
        ErrorCode::ALL.iter().filter(|code| !code.is_legacy_only()).map(|code| code.as_str()).collect()
    }

    /// Words of capital letters with an underscore, which only codes are.
    fn codes_in(text: &str) -> impl Iterator<Item = &str> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| word.contains('_') && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
    }

    #[test]
    fn codes_are_unique_and_described() {
        let codes: BTreeSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
            assert!(code.description().ends_with('.'), "{code:?}");
        }
    }

    #[test]
    fn the_table_in_docs_clients_md_has_every_code_and_no_other() {
        let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/clients.md")).expect("the page");
        let rows = docs.lines().filter(|line| line.starts_with("| `"));
        let first_cells = rows.filter_map(|row| row.split('|').nth(1));
        let cells: Vec<_> = first_cells.flat_map(|cell| cell.split('`')).collect();
        let found: BTreeSet<_> = cells.into_iter().filter(|word| ErrorCode::parse(word).is_some()).collect();
        assert_eq!(found, graphql_codes());
        for code in docs.lines().filter(|line| line.starts_with("| `")).flat_map(codes_in) {
            assert!(ErrorCode::parse(code).is_some() || code == "CORS_ORIGINS", "{code} is not an error code");
        }
    }

    #[test]
    fn the_schema_mentions_no_other_codes() {
        let sdl = crate::graphql::sdl();
        // Definitions of directives list locations, which look like codes.
        let lines = sdl.lines().filter(|line| !line.starts_with("directive "));
        let mentioned: Vec<_> = lines.flat_map(codes_in).collect();
        assert!(mentioned.contains(&"ROOM_NOT_FOUND"));
        for code in mentioned {
            assert!(ErrorCode::parse(code).is_some(), "{code} is not an error code");
        }
    }
}
