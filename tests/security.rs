//! What the server does with those who mean harm. The tables in docs/security.md name these tests.

mod connections;
mod origins;
mod proxies;
mod rates;
