//! The GraphQL API, through the front door.

mod both_apis;
mod events;
mod failed_reads;
mod fast_path;
mod input;
mod legacy_websocket;
mod moderation;
mod multipart;
mod owners;
mod presence;
mod reactions;
mod read_costs;
mod rendered_once;
mod requests;
mod response_limits;
mod resuming_together;
mod room_events;
mod room_limits;
mod schema;
mod schema_alone;
mod slow_readers;
mod sse;
mod subscription_limits;
mod text_rules;
mod websocket;
