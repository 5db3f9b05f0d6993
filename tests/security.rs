//! How the server resists abuse and attacks. The tables in docs/security.md name these tests.

mod attacks;
mod client_budgets;
mod connections;
mod cross_site;
mod documents;
mod identities;
mod networks;
mod nodes;
mod origins;
pub mod panics;
mod permits;
mod proxies;
mod rate_limits;
mod room_codes;
mod secrets;
mod wrong_tokens;
