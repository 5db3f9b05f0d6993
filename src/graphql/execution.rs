//! Runs requests: checks documents against the limits, executes them, and renders each event once per operation.

pub(in crate::graphql) mod catch_panic;
pub mod document;
pub(in crate::graphql) mod fast_path;
pub(in crate::graphql) mod metrics;
pub mod operation;
pub(in crate::graphql) mod persisted_queries;
pub(in crate::graphql) mod render_turns;
pub(in crate::graphql) mod rendering;
pub(in crate::graphql) mod response;
pub(in crate::graphql) mod response_budget;
pub(in crate::graphql) mod schema_errors;
