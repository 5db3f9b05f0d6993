//! The HTTP server in front of both APIs.

mod behind_nginx;
mod status_codes;
