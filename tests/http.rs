//! Tests of the HTTP server.

mod behind_nginx;
mod proxy_mistakes;
mod status_codes;
