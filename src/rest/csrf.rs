//! CSRF protection: recognizes requests that a page of another site embeds with an image, a frame, a link or a form.
//!
//! `GET /room/create` makes a room, and an image in any page could trigger it. Scripts of other sites are allowed, as the
//! original's website uses them; CORS applies to them. Browsers describe requests in `Sec-Fetch-*` headers if the server uses TLS
//! or runs on the same machine. Requests without these headers count as requests of a program.

use axum::http::HeaderMap;

/// Whether the browser sends this request for a page of another site without a script.
pub(super) fn is_embedded(headers: &HeaderMap) -> bool {
    let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match value("sec-fetch-site") {
        // A program, the address bar or a bookmark, or our own page.
        None | Some("none" | "same-origin") => false,
        // `<img crossorigin>` uses CORS, too, but its destination is an image.
        Some(_) => {
            value("sec-fetch-mode") != Some("cors") || value("sec-fetch-dest").is_some_and(|dest| dest != "empty")
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn is_embedded_with(site: &'static str, mode: &'static str, destination: &'static str) -> bool {
        let headers = [("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", destination)];
        let headers = headers.into_iter().filter(|(_, value)| !value.is_empty());
        is_embedded(
            &headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect(),
        )
    }

    #[test]
    fn requests_from_other_sites_are_embedded_unless_a_script_sends_them() {
        for site in ["cross-site", "same-site", "who-knows"] {
            assert!(!is_embedded_with(site, "cors", "empty") && !is_embedded_with(site, "cors", ""));
            for destination in ["image", "script", "style", "video", "object", "iframe", "document"] {
                for mode in ["no-cors", "cors", "navigate"] {
                    assert!(is_embedded_with(site, mode, destination), "{site} {mode} {destination}");
                }
            }
            for (mode, destination) in [("no-cors", "empty"), ("navigate", ""), ("", "")] {
                assert!(is_embedded_with(site, mode, destination), "{site} {mode} {destination}");
            }
        }
        for site in ["none", "same-origin", ""] {
            assert!(!is_embedded_with(site, "navigate", "document") && !is_embedded_with(site, "no-cors", "image"));
        }
    }
}
