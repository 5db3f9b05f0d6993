//! Input in every form that the specifications allow: it means the same on every transport, or is rejected with a code.

mod coercion;
mod cursors;
mod headers;
mod payloads;
mod persisted_queries;
mod subscription_roots;
mod trusted_documents;
