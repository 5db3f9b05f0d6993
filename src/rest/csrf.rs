//! Tells requests that another site's page embeds (an image, a frame, a link, a form) from those that somebody means.
//!
//! A GET that creates something must not be for everybody to trigger who can put an image into somebody else's page. Scripts of
//! other sites may ask, as the original's website does; they are bound by CORS. Browsers describe their requests in `Sec-Fetch-*`
//! headers, to servers over TLS and on the same machine; a request without them is taken for one by a program.

use axum::http::HeaderMap;

/// Whether another site's page has the browser send this request without a script.
pub(super) fn is_embedded(headers: &HeaderMap) -> bool {
    let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match value("sec-fetch-site") {
        // A program; the address bar or a bookmark; a page of our own.
        None | Some("none" | "same-origin") => false,
        // `<img crossorigin>` uses CORS too, but for an image.
        Some(_) => {
            value("sec-fetch-mode") != Some("cors") || value("sec-fetch-dest").is_some_and(|dest| dest != "empty")
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn embedded(site: &'static str, mode: &'static str, destination: &'static str) -> bool {
        let headers = [("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", destination)];
        let headers = headers.into_iter().filter(|(_, value)| !value.is_empty());
        is_embedded(
            &headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect(),
        )
    }

    #[test]
    fn only_scripts_ask_from_other_sites() {
        for site in ["cross-site", "same-site", "who-knows"] {
            assert!(!embedded(site, "cors", "empty") && !embedded(site, "cors", ""));
            for (mode, destination) in [
                ("no-cors", "image"),
                ("cors", "image"),
                ("no-cors", "script"),
                ("cors", "script"),
                ("no-cors", "style"),
                ("no-cors", "video"),
                ("no-cors", "object"),
                ("no-cors", "empty"),
                ("navigate", "document"),
                ("navigate", "iframe"),
                ("navigate", ""),
                ("", ""),
            ] {
                assert!(embedded(site, mode, destination), "{site} {mode} {destination}");
            }
        }
        for site in ["none", "same-origin", ""] {
            assert!(!embedded(site, "navigate", "document") && !embedded(site, "no-cors", "image"));
        }
    }
}
