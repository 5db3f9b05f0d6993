//! Tests of the HTTP server.

mod behind_nginx;
mod status_codes;
