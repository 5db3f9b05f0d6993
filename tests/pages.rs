//! The pages as they are served. What they do is tested in a browser, in tests/clients.

mod chat_page;
mod paths;
