//! What this wire counts, and the names under which it tells of operations: lists that stand here, whatever is asked for.

use std::time::Duration;

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet};

use crate::graphql::execution::operation::{Carrier, Outcome};
use crate::metrics::{Counter, Gauge, Gauges, Metrics, OK, Served};

/// The name of this wire.
const WIRE: &str = "graphql";

/// The fields at the root of the schema.
const FIELDS: [&str; 8] =
    ["room", "activeRooms", "createRoom", "sendMessage", "editMessage", "deleteMessage", "messageEvents", "__typename"];

/// Questions about the schema itself.
const INTROSPECTION: &str = "introspection";
/// Different fields at once.
const SEVERAL: &str = "several";
/// A field that is not in the schema.
const OTHER: &str = "other";
/// Nothing that could be read.
pub(in crate::graphql) const NONE: &str = "none";

/// The codes that answers have.
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

/// A code that is not in the list, which would be a defect of the list.
const OTHER_CODE: &str = "OTHER";

/// What this wire counts.
#[derive(Clone)]
pub(in crate::graphql) struct Numbers {
    served: Served,
    pub(in crate::graphql) sockets: Gauge,
    subscriptions: Gauges<1>,
    /// Renderings that were made; all other deliveries shared one.
    pub(in crate::graphql) renderings: Counter,
}

impl Numbers {
    pub(in crate::graphql) fn new(metrics: &Metrics) -> Self {
        let (served, sockets, subscriptions, renderings) =
            (metrics.served().clone(), Gauge::default(), Gauges::default(), Counter::default());
        FIELDS.iter().chain(&[INTROSPECTION]).for_each(|field| served.expect(WIRE, field));
        let numbers = Self { served, sockets, subscriptions, renderings };
        Carrier::ALL.iter().for_each(|carrier| drop(numbers.subscriptions(*carrier)));
        metrics.register("livechat_sockets", "WebSocket connections that are open", numbers.sockets.clone());
        let help = "Subscriptions that are open, by what carries their events";
        metrics.register("livechat_subscriptions", help, numbers.subscriptions.clone());
        let help = "Events that were executed and written as JSON; the deliveries beyond these shared one";
        metrics.register("livechat_renderings", help, numbers.renderings.clone());
        numbers
    }

    /// Open subscriptions whose events are carried like this.
    pub(in crate::graphql) fn subscriptions(&self, carrier: Carrier) -> Gauge {
        self.subscriptions.get_or_create_owned(&[("transport", carrier.name())])
    }

    /// Counts an operation.
    pub(in crate::graphql) fn tell(&self, operation: &'static str, outcome: &Outcome, took: Duration) {
        let outcome = match outcome {
            Outcome::Answer(answer) => answer.code().map_or(OK, known),
            Outcome::Events(_) => OK,
        };
        self.served.tell(WIRE, operation, outcome, took);
    }

    /// Counts a request that never became an operation.
    pub(in crate::graphql) fn refused(&self, code: &str) {
        self.served.tell(WIRE, NONE, known(code), Duration::ZERO);
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

/// Looks at the fields at the root, fragments put in. How many of those there may be was checked before.
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
