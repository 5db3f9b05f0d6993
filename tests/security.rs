//! What the server does with those who mean harm. The tables in docs/security.md name these tests.

mod battery;
mod budgets;
mod connections;
mod cross_site;
mod documents;
mod lockouts;
mod networks;
mod origins;
mod panics;
mod proxies;
mod rates;
mod secrets;
