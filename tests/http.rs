//! Tests of the HTTP server.

mod behind_nginx;
mod http2;
mod proxy_mistakes;
mod socket_memory;
mod status_codes;
mod tls;
