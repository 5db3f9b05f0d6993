//! Serving of embedded files with one strict content security policy.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

/// The content security policy. Pages can load only their own files and connect only to their own server, also with WebSockets,
/// which `'self'` includes. Inline scripts and styles, framing, and turning strings into markup are forbidden.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const STYLE: &str = "text/css; charset=utf-8";
pub(super) const PICTURE: &str = "image/svg+xml";

/// A page, or a file of a page.
#[derive(Clone)]
pub(super) struct File {
    pub(super) path: &'static str,
    pub(super) media_type: &'static str,
    pub(super) text: Cow<'static, str>,
}

/// One route per file.
pub(super) fn routes(files: impl Iterator<Item = File>) -> Router {
    files.fold(Router::new(), |router, file| {
        let tag = format!("\"{}\"", hex::encode(&Sha256::digest(file.text.as_bytes())[..16]));
        let (path, file) = (file.path, Arc::new(file));
        router.route(path, get(async move |headers: HeaderMap| respond(&file, &tag, &headers)))
    })
}

/// Responds with the file, or with status 304 if the client has this version. Browsers revalidate on every use.
fn respond(file: &File, tag: &str, headers: &HeaderMap) -> Response {
    let extra_headers = [
        (header::CONTENT_TYPE, file.media_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, tag),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Other sites must not learn the URL of a page. (Browsers never send the fragment, which has the room's code.)
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    let is_current = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).is_some_and(|tags| {
        // A proxy that compresses responses makes the tag weak.
        tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)
    });
    let mut response =
        if is_current { StatusCode::NOT_MODIFIED.into_response() } else { file.text.clone().into_response() };
    for (name, value) in extra_headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
