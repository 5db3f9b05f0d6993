//! What the server does with those who mean harm. docs/security.md lists every check with its test.

mod panics;
mod secrets;
