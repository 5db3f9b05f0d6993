//! Runs requests: checks documents against the limits, executes them, and renders each event once per operation.
//!
//! Knows the schema, and no transport.

mod arguments;
pub mod document;
mod event_schema;
mod executor;
mod fast_path;
mod limited_json;
mod metrics;
mod operation;
mod outcome;
mod persisted_queries;
mod render_turns;
mod rendering;
mod request;
mod response;
mod root_field;
mod schema_errors;
mod subscriptions;
mod trusted_documents;
mod validator;

pub use crate::graphql::execution::executor::{Executor, Settings};
pub(in crate::graphql) use crate::graphql::execution::limited_json::CountedJson;
pub use crate::graphql::execution::operation::Rendering;
pub use crate::graphql::execution::outcome::{Delivery, Events, Outcome};
pub use crate::graphql::execution::request::{Parameters, RequestContext, TransportKind};
pub use crate::graphql::execution::response::{Answer, Failure};
pub use crate::graphql::execution::subscriptions::SubscriptionLimits;
pub use crate::graphql::execution::trusted_documents::{InvalidManifest, TrustedDocuments};
