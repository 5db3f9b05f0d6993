//! The metrics of the GraphQL API. Operations are counted under names from a fixed list, whatever a request contains.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet};

use crate::error_code::ErrorCode;
use crate::graphql::execution::document::TYPES;
use crate::graphql::execution::outcome::Outcome;
use crate::graphql::execution::request::TransportKind;
use crate::metrics::{Counter, Counters, Gauge, Gauges, Metrics, OK, OperationMetrics};

/// The name of this API.
const API: &str = "graphql";

/// The fields of the root types.
static ROOT_FIELDS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| TYPES.root_fields());

const TYPENAME: &str = "__typename";

/// Introspection.
const INTROSPECTION: &str = "introspection";
/// Several different fields.
const SEVERAL: &str = "several";
/// A field that is not in the schema.
const OTHER: &str = "other";
/// No operation: an unreadable request or one without fields.
pub(in crate::graphql) const NONE: &str = "none";

/// The metrics of the GraphQL API.
#[derive(Clone)]
pub(in crate::graphql) struct GraphqlMetrics {
    operations: OperationMetrics,
    sockets: Gauges<1>,
    subscriptions: Gauges<1>,
    /// Renderings that were made. All other deliveries shared one.
    pub(in crate::graphql) renderings: PathCounters,
    /// Queries and mutations that were executed.
    pub(in crate::graphql) answers: PathCounters,
}

/// Counts what the fast path did, and what the schema did.
#[derive(Clone, Default)]
pub(in crate::graphql) struct PathCounters {
    pub(in crate::graphql) fast: Counter,
    pub(in crate::graphql) schema: Counter,
}

impl PathCounters {
    fn of(counters: &Counters<1>) -> Self {
        let [fast, schema] = ["fast", "schema"].map(|path| counters.get_or_create_owned(&[("path", path)]));
        Self { fast, schema }
    }
}

impl GraphqlMetrics {
    /// `trusted_documents` is the number of documents that may run, if not any may.
    pub(in crate::graphql) fn new(metrics: &Metrics, trusted_documents: Option<usize>) -> Self {
        let (renderings, answers) = (Counters::default(), Counters::default());
        let registered = Self {
            operations: metrics.operations().clone(),
            sockets: Gauges::default(),
            subscriptions: Gauges::default(),
            renderings: PathCounters::of(&renderings),
            answers: PathCounters::of(&answers),
        };
        let names = ROOT_FIELDS.iter().copied().chain([TYPENAME, INTROSPECTION]);
        names.for_each(|field| registered.operations.preregister(API, field));
        TransportKind::ALL.iter().for_each(|transport| drop(registered.subscriptions(*transport)));
        metrics.register("livechat_sockets", "Open WebSocket connections, by protocol", registered.sockets.clone());
        let help = "Open subscriptions, by transport";
        metrics.register("livechat_subscriptions", help, registered.subscriptions.clone());
        let help = "Events that were rendered, by path: fast or schema; all other deliveries shared a rendering";
        metrics.register("livechat_renderings", help, renderings);
        let help = "Queries and mutations that were executed, by the path that answered: fast or schema";
        metrics.register("livechat_graphql_answers", help, answers);
        let listed: Gauge = Gauge::default();
        listed.set(trusted_documents.and_then(|count| count.try_into().ok()).unwrap_or_default());
        let help = "Documents that may run, those of the server's own pages included; 0 if any may";
        metrics.register("livechat_trusted_documents", help, listed);
        registered
    }

    /// The gauge of open sockets that speak this protocol.
    pub(in crate::graphql) fn sockets(&self, protocol: &'static str) -> Gauge {
        self.sockets.get_or_create_owned(&[("protocol", protocol)])
    }

    /// The gauge of open subscriptions over this transport.
    pub(in crate::graphql) fn subscriptions(&self, transport: TransportKind) -> Gauge {
        self.subscriptions.get_or_create_owned(&[("transport", transport.name())])
    }

    /// Counts an operation.
    pub(in crate::graphql) fn record(&self, operation: &'static str, outcome: &Outcome, took: Duration) {
        let outcome = match outcome {
            Outcome::Answer(answer) => answer.code().map_or(OK, ErrorCode::as_str),
            Outcome::Events(_) => OK,
        };
        self.operations.record(API, operation, outcome, took);
    }

    /// Counts a request that was refused before it was executed.
    pub(in crate::graphql) fn record_refused(&self, code: ErrorCode) {
        self.operations.record(API, NONE, code.as_str(), Duration::ZERO);
    }
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
                    TYPENAME => TYPENAME,
                    field => ROOT_FIELDS.get(field).copied().unwrap_or(OTHER),
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
    fn operation_names_come_from_a_fixed_list() {
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
}
