//! Requests that mean harm, and what becomes of them: docs/security.md names each of these tests.

mod battery;
mod cross_site;
mod documents;
