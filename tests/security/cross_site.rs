//! Requests that a page of another site can make a browser send must change nothing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::error_code;
use crate::support::http_client;
use crate::support::server::Server;

const QUERY: &str = "{ __typename }";

async fn rooms(server: &Server) -> Value {
    server.client().data("{ activeRooms { totalCount } }", json!({})).await["activeRooms"]["totalCount"].clone()
}

fn address(server: &Server, query: &str) -> reqwest::Url {
    reqwest::Url::parse_with_params(&server.url("/graphql"), [("query", query)]).expect("an address")
}

#[tokio::test]
async fn a_get_that_a_form_or_an_image_could_have_sent_is_refused() {
    let server = Server::embedded();
    let http = http_client().build().expect("a client");
    let navigation = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
    for headers in [
        vec![],
        vec![("accept", "*/*")],
        vec![("accept", navigation), ("sec-fetch-mode", "navigate")],
        vec![("accept", "image/avif,image/webp,*/*"), ("sec-fetch-mode", "no-cors")],
        vec![("accept", "image/avif,image/webp,*/*"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "image")],
        vec![("content-type", "text/plain")],
        vec![("content-type", "application/x-www-form-urlencoded")],
        vec![("x-apollo-operation-name", "")],
    ] {
        let request =
            headers.iter().fold(http.get(address(&server, QUERY)), |r, (name, value)| r.header(*name, *value));
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 400, "{headers:?}");
        assert_eq!(error_code(&answer.json().await.expect("JSON")), "PREFLIGHT_REQUIRED", "{headers:?}");
    }
    for (name, value) in [
        ("accept", "application/graphql-response+json"),
        ("accept", "application/json;q=0.9, */*"),
        ("accept", "text/event-stream"),
        ("accept", "multipart/mixed;subscriptionSpec=1.0"),
        ("content-type", "application/json; charset=utf-8"),
        ("apollo-require-preflight", "true"),
        ("x-apollo-operation-name", "Q"),
        ("graphql-preflight", "1"),
        ("sec-fetch-mode", "cors"),
    ] {
        let answer = http.get(address(&server, QUERY)).header(name, value).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{name}: {value}");
        assert!(answer.text().await.expect("a body").contains("\"__typename\":\"Query\""), "{name}: {value}");
    }
}

#[tokio::test]
async fn only_a_json_post_changes_anything() {
    let server = Server::embedded();
    let http = http_client().build().expect("a client");
    let url = server.url("/graphql");
    let mutation = "mutation { createRoom { room { id } } }";
    let body = json!({ "query": mutation }).to_string();
    let form = format!("query={mutation}");
    let part = format!("--x\r\ncontent-disposition: form-data; name=\"operations\"\r\n\r\n{body}\r\n--x--\r\n");
    for (content_type, body) in [
        (None, &body),
        (Some("text/plain"), &body),
        (Some("text/plain; application/json"), &body),
        (Some("application/x-www-form-urlencoded"), &form),
        (Some("multipart/form-data; boundary=x"), &part),
        (Some("application/graphql"), &mutation.to_owned()),
    ] {
        let request = http.post(&url).body(body.clone());
        let request = content_type.into_iter().fold(request, |request, name| request.header("content-type", name));
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 415, "{content_type:?}");
        assert_eq!(error_code(&answer.json().await.expect("JSON")), "UNSUPPORTED_MEDIA_TYPE");
    }
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let request = http.request(method.clone(), &url).header("content-type", "application/json").body(body.clone());
        assert_eq!(request.send().await.expect("an answer").status(), 405, "{method}");
    }
    for (query, accept, status) in [
        (mutation, "application/json", 405),
        (mutation, "application/graphql-response+json", 405),
        (mutation, "*/*", 400),
        (mutation, "text/event-stream", 200),
        (mutation, "multipart/mixed;subscriptionSpec=1.0", 405),
        ("query A { __typename } mutation B { createRoom { room { id } } }", "application/json", 200),
        ("{ createRoom { room { id } } }", "application/json", 200),
        ("{ ...F } fragment F on Query { a: createRoom { room { id } } }", "application/json", 200),
        ("{ createRoom { room { id } } }", "text/event-stream", 200),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let request = http.request(method.clone(), address(&server, query)).header("accept", accept);
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), status, "{method} {query} {accept}");
            answer.bytes().await.expect("a body");
        }
    }
    assert_eq!(rooms(&server).await, 0, "a room was created");
    let post = |content_type: &'static str| http.post(&url).header("content-type", content_type).body(body.clone());
    for content_type in ["application/json", "application/json;charset=utf-8", "Application/JSON; charset=\"UTF-8\""] {
        assert_eq!(post(content_type).send().await.expect("an answer").status(), 200, "{content_type}");
    }
    assert_eq!(rooms(&server).await, 3);
}

/// All paths of the legacy route that creates a room.
const CREATE: [&str; 4] = ["/room/create", "/room/create/", "/v1/room/create", "/v1/room/create/"];

#[tokio::test]
async fn no_image_or_link_of_another_site_creates_a_room_over_the_legacy_routes() {
    for (setting, status) in [("same", 403), ("200", 200)] {
        let server = Server::with(&[("REST_ERROR_STATUS", setting)]);
        let http = http_client().build().expect("a client");
        for path in CREATE {
            for (site, mode, destination) in [
                ("cross-site", "no-cors", "image"),
                ("same-site", "no-cors", "image"),
                ("cross-site", "cors", "image"),
                ("cross-site", "no-cors", "script"),
                ("cross-site", "no-cors", "empty"),
                ("cross-site", "navigate", "iframe"),
                ("cross-site", "navigate", "document"),
            ] {
                let request = http
                    .get(server.url(path))
                    .header("sec-fetch-site", site)
                    .header("sec-fetch-mode", mode)
                    .header("sec-fetch-dest", destination);
                let answer = request.send().await.expect("an answer");
                assert_eq!(answer.status(), status, "{path} {site} {mode} {destination}");
                let message = "images and links of other sites cannot create rooms; use a script";
                let expected = json!({ "status_code": 403, "message": message, "data": null });
                assert_eq!(answer.json::<Value>().await.expect("JSON"), expected);
            }
        }
        assert_eq!(rooms(&server).await, 0);
    }
}

#[tokio::test]
async fn scripts_programs_and_the_address_bar_create_rooms_over_the_legacy_routes() {
    let server = Server::embedded();
    let http = http_client().build().expect("a client");
    for path in CREATE {
        for headers in [
            vec![],
            vec![("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
            vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
            vec![("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
            vec![("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
        ] {
            let request = headers.iter().fold(http.get(server.url(path)), |r, (name, value)| r.header(*name, *value));
            let answer = request.header("origin", "https://elsewhere.example").send().await.expect("an answer");
            assert_eq!(answer.status(), 200, "{path} {headers:?}");
            assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        }
    }
    assert_eq!(rooms(&server).await, 20);
}
