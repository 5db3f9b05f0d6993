//! What the server does with those who mean harm. The table in docs/security.md names these tests.

mod connections;
mod origins;
mod proxies;
