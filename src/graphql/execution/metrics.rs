//! The metrics of the GraphQL API. Operations are counted under names from a fixed list, whatever a request contains.

use std::time::Duration;

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet};

use crate::graphql::execution::outcome::Outcome;
use crate::graphql::execution::request::TransportKind;
use crate::metrics::{Counter, Gauge, Gauges, Metrics, OK, Served};

/// The name of this API.
const API: &str = "graphql";

/// The fields at the root of the schema.
const FIELDS: [&str; 8] =
    ["room", "activeRooms", "createRoom", "sendMessage", "editMessage", "deleteMessage", "messageEvents", "__typename"];

/// Introspection.
const INTROSPECTION: &str = "introspection";
/// Several different fields.
const SEVERAL: &str = "several";
/// A field that is not in the schema.
const OTHER: &str = "other";
/// No operation: an unreadable request or one without fields.
pub(in crate::graphql) const NONE: &str = "none";

/// The codes of errors.
const CODES: [&str; 48] = [
    "BAD_REQUEST",
    "BATCH_NOT_SUPPORTED",
    "CONFLICT",
    "CURSOR_INVALID",
    "DOCUMENT_TOO_LARGE",
    "EDIT_LIMIT_REACHED",
    "FRAGMENT_CYCLE",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "INTERNAL",
    "INTROSPECTION_OFF",
    "INTROSPECTION_TOO_DEEP",
    "MESSAGE_NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "NAME_TOO_LONG",
    "NESTED_TOO_DEEP",
    "NOT_ACCEPTABLE",
    "NOT_AUTHOR",
    "OVERLOADED",
    "PAYLOAD_TOO_LARGE",
    "PERSISTED_QUERY_INVALID",
    "PERSISTED_QUERY_NOT_FOUND",
    "PERSISTED_QUERY_NOT_SUPPORTED",
    "PREFLIGHT_REQUIRED",
    "RATE_LIMITED",
    "RESPONSE_TOO_LARGE",
    "ROOM_CODE_INVALID",
    "ROOM_FULL",
    "ROOM_NOT_FOUND",
    "TIMEOUT",
    "TOKEN_INVALID",
    "TOO_COSTLY",
    "TOO_DEEP",
    "TOO_MANY_ALIASES",
    "TOO_MANY_DIRECTIVES",
    "TOO_MANY_FRAGMENTS",
    "TOO_MANY_ROOT_FIELDS",
    "TOO_MANY_SOCKETS",
    "TOO_MANY_SUBSCRIPTIONS",
    "TOO_MANY_TOKENS",
    "UNAVAILABLE",
    "UNSUPPORTED_MEDIA_TYPE",
    "VALIDATION_FAILED",
    "VARIABLES_TOO_DEEP",
    "VARIABLES_TOO_LARGE",
    "ENCODING_UNSUPPORTED",
    "ORIGIN_NOT_ALLOWED",
    "REQUEST_TIMEOUT",
];

/// A code that is missing in the list, which is a defect.
const OTHER_CODE: &str = "OTHER";

/// The metrics of the GraphQL API.
#[derive(Clone)]
pub(in crate::graphql) struct GraphqlMetrics {
    served: Served,
    pub(in crate::graphql) sockets: Gauge,
    subscriptions: Gauges<1>,
    /// Renderings that were made. All other deliveries shared one.
    pub(in crate::graphql) renderings: Counter,
}

impl GraphqlMetrics {
    pub(in crate::graphql) fn new(metrics: &Metrics) -> Self {
        let (served, sockets, subscriptions, renderings) =
            (metrics.served().clone(), Gauge::default(), Gauges::default(), Counter::default());
        FIELDS.iter().chain(&[INTROSPECTION]).for_each(|field| served.expect(API, field));
        let registered = Self { served, sockets, subscriptions, renderings };
        TransportKind::ALL.iter().for_each(|transport| drop(registered.subscriptions(*transport)));
        metrics.register("livechat_sockets", "Open WebSocket connections", registered.sockets.clone());
        let help = "Open subscriptions, by transport";
        metrics.register("livechat_subscriptions", help, registered.subscriptions.clone());
        let help = "Events that were rendered; all other deliveries shared a rendering";
        metrics.register("livechat_renderings", help, registered.renderings.clone());
        registered
    }

    /// The gauge of open subscriptions over this transport.
    pub(in crate::graphql) fn subscriptions(&self, transport: TransportKind) -> Gauge {
        self.subscriptions.get_or_create_owned(&[("transport", transport.name())])
    }

    /// Counts an operation.
    pub(in crate::graphql) fn record(&self, operation: &'static str, outcome: &Outcome, took: Duration) {
        let outcome = match outcome {
            Outcome::Answer(answer) => answer.code().map_or(OK, known),
            Outcome::Events(_) => OK,
        };
        self.served.tell(API, operation, outcome, took);
    }

    /// Counts a request that was refused before it was executed.
    pub(in crate::graphql) fn record_refused(&self, code: &str) {
        self.served.tell(API, NONE, known(code), Duration::ZERO);
    }
}

fn known(code: &str) -> &'static str {
    CODES.iter().find(|known| **known == code).unwrap_or(&OTHER_CODE)
}

/// The name under which an operation is counted.
pub(in crate::graphql) fn name_of(
    document: &ExecutableDocument,
    operation: Option<&OperationDefinition>,
) -> &'static str {
    let mut name = None;
    if let Some(operation) = operation {
        visit(document, &operation.selection_set.node, &mut name);
    }
    name.unwrap_or(NONE)
}

/// Visits the root fields, those in fragments included. The number of fragments is within its limit.
fn visit(document: &ExecutableDocument, set: &SelectionSet, name: &mut Option<&'static str>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let field = match field.node.name.node.as_str() {
                    "__schema" | "__type" => INTROSPECTION,
                    field => FIELDS.iter().find(|known| **known == field).unwrap_or(&OTHER),
                };
                *name = Some(name.filter(|name| *name != field).map_or(field, |_| SEVERAL));
            }
            Selection::InlineFragment(fragment) => visit(document, &fragment.node.selection_set.node, name),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    visit(document, &fragment.node.selection_set.node, name);
                }
            }
        }
        if *name == Some(SEVERAL) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn an_operation_has_a_name_of_a_list_whatever_it_asks_for() {
        for (text, name) in [
            ("{ room { id } }", "room"),
            ("{ a: room { id } b: room { id } }", "room"),
            ("{ room { id } activeRooms { totalCount } }", SEVERAL),
            ("mutation { sendMessage { token } }", "sendMessage"),
            ("subscription { ...A } fragment A on Subscription { ... { messageEvents { cursor } } }", "messageEvents"),
            ("{ __schema { types { name } } __type(name: \"A\") { name } }", INTROSPECTION),
            ("{ somethingElse }", OTHER),
            ("{ ...Missing }", NONE),
        ] {
            let document = parse_query(text).expect("a document");
            let (_, operation) = document.operations.iter().next().expect("an operation");
            assert_eq!(name_of(&document, Some(&operation.node)), name, "{text}");
        }
        assert_eq!(name_of(&parse_query("{ room }").expect("a document"), None), NONE);
    }

    #[test]
    fn docs_clients_md_says_what_to_do_about_every_code() {
        let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/clients.md")).expect("the page");
        let missing: Vec<_> = CODES.iter().filter(|code| !docs.contains(&format!("`{code}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn every_code_of_this_wire_is_in_the_list() {
        let written = [
            "chat/error.rs",
            "graphql/document/refusal.rs",
            "graphql/answer.rs",
            "graphql/operation.rs",
            "graphql/transport/parameters.rs",
        ]
        .map(|file| std::fs::read_to_string(format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"))).expect("a file"));
        let codes = written.iter().flat_map(|text| text.split('"')).filter(|word| {
            word.len() > 4 && word.contains('_') && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        });
        // Only the legacy routes tell it; here it is TOKEN_INVALID.
        let codes = codes.filter(|code| *code != "USER_UNKNOWN");
        let mut seen = 0;
        for code in codes {
            assert_eq!(known(code), code);
            seen += 1;
        }
        assert!(seen > 30, "this test does not see the codes any more");
    }
}
