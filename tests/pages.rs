//! Tests of how the pages are served. Browser tests of the pages are in tests/clients.

mod chat_page;
mod paths;
