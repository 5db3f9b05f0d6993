//! Paths and headers of the pages, and the base path.

use reqwest::Response;
use reqwest::redirect::Policy;

use crate::support::server::Server;
use crate::support::{http_client, http_get};

/// Sends a GET request without following redirects.
async fn get(server: &Server, path: &str) -> Response {
    let client = http_client().redirect(Policy::none()).build().expect("a client");
    client.get(server.url(path)).send().await.expect("a response")
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
}

#[tokio::test]
async fn both_variants_of_graphiql_have_a_strict_policy() {
    // `on` is the embedded GraphiQL, if `make graphiql` ran before; `make test` does that.
    for setting in ["on", "cdn"] {
        let server = Server::with(&[("GRAPHIQL", setting)]);
        let page = get(&server, "/graphiql").await;
        assert_eq!(page.status(), 200);
        let policy = header(&page, "content-security-policy").to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe-eval") && policy.contains("frame-ancestors 'none'"), "{policy}");
        let scripts = policy.split(';').find(|part| part.contains("script-src")).expect("a rule for scripts");
        assert!(!scripts.contains("unsafe-inline"), "{policy}");
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        assert_eq!(header(&page, "referrer-policy"), "no-referrer");
        assert_eq!(header(&page, "cache-control"), "no-cache");
        let again = get(&server, "/graphiql/").await;
        assert_eq!((again.status().as_u16(), header(&again, "location")), (308, "../graphiql"));
        assert_eq!(get(&server, "/graphiql/nothing.js").await.status(), 404);
    }
}

#[tokio::test]
async fn everything_works_the_same_below_a_base_path() {
    for setting in ["/deep/chat", "/deep/chat/"] {
        let (bare, moved) = (Server::embedded(), Server::with(&[("BASE_PATH", setting)]));
        let host = format!("http://{}", moved.address().trim_end_matches("/deep/chat"));
        assert!(moved.address().ends_with("/deep/chat"), "the startup lines contain it: {}", moved.address());
        for path in
            ["/graphiql", "/docs", "/graphql", "/healthz", "/readyz", "/room", "/v1/room/create/", "/nothing", "/"]
        {
            let (expected, answer) = (get(&bare, path).await, get(&moved, path).await);
            assert_eq!(answer.status(), expected.status(), "{path}");
            for name in ["allow", "content-type", "content-security-policy"] {
                assert_eq!(header(&answer, name), header(&expected, name), "{name} of {path}");
            }
            if expected.status() != 200 {
                assert_eq!(answer.text().await.expect("text"), expected.text().await.expect("text"), "{path}");
            }
        }
        assert_eq!(moved.client().create_room().await.code.len(), 6);
        let status = |path: &str| {
            let url = format!("{host}{path}");
            async move { http_get(url).await.status().as_u16() }
        };
        for probe in ["/healthz", "/readyz"] {
            assert_eq!(status(probe).await, 200);
        }
        for path in ["/graphql", "/graphiql", "/docs", "/openapi.json", "/room", "/deep", "/deep/chatter/graphql", "/"]
        {
            assert_eq!(status(path).await, 404, "{path}");
        }
        let redirect = get(&moved, "").await;
        assert_eq!((redirect.status().as_u16(), header(&redirect, "location")), (308, "/deep/chat/"));
    }
}

#[tokio::test]
async fn other_sites_can_load_the_client_package() {
    let server = Server::embedded();
    for path in [
        "/client/live-chat.js",
        "/client/index.js",
        "/client/element/dom.js",
        "/client/legacy.js",
        "/client/legacy/box.js",
    ] {
        let client = http_client().build().expect("a client");
        let request = client.get(server.url(path)).header("origin", "https://site.example");
        let answer = request.send().await.expect("a response");
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(header(&answer, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(header(&answer, "access-control-allow-origin"), "*");
    }
}

#[tokio::test]
async fn only_the_named_sites_can_frame_the_chat_page_and_nobody_another_page() {
    for (setting, expected) in [
        ("", "'none'"),
        ("https://a.example, https://*.b.example", "https://a.example https://*.b.example"),
        ("*", "*"),
    ] {
        let server = Server::with(&[("FRAME_ANCESTORS", setting)]);
        for path in ["/", "/docs", "/graphiql", "/chat/app.js", "/client/live-chat.js"] {
            let answer = get(&server, path).await;
            let policy = header(&answer, "content-security-policy");
            let directive = policy.split(';').find_map(|part| part.trim().strip_prefix("frame-ancestors "));
            assert_eq!(directive, Some(if path == "/" { expected } else { "'none'" }), "{path} with {setting}");
            assert!(!answer.headers().contains_key("x-frame-options"), "{path}");
        }
    }
}
