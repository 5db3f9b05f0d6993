//! What clients send, in every form that the specifications allow: it means the same everywhere, or is refused with a code.

mod coercion;
mod cursors;
mod headers;
mod payloads;
mod persisted_queries;
mod subscription_roots;
