//! Headers and paths in every form that HTTP allows.

use serde_json::json;

use crate::support::http::{self, Answer};
use crate::support::raw::Raw;
use crate::support::server::Server;
use crate::support::socket::events_of;
use crate::support::stream::{Stream, WithQuery as _, post};

/// The head of the response to a handshake with these headers.
async fn handshake(server: &Server, path: &str, lines: &[&str]) -> (Raw, String) {
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: server\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{}\r\n\r\n",
        lines.join("\r\n")
    );
    let address = server.address().split('/').next().expect("an address");
    let mut line = Raw::sending(address, head).await;
    let answer = line.until("\r\n\r\n").await;
    (line, answer)
}

#[tokio::test]
async fn list_valued_handshake_headers_may_span_lines_and_tokens() {
    let server = Server::embedded();
    for lines in [
        vec!["Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Protocol: graphql-transport-ws"],
        vec![
            "Connection: keep-alive",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Protocol: graphql-transport-ws",
        ],
        vec![
            "Connection: upgrade",
            "Upgrade: h2c, WebSocket",
            "Sec-WebSocket-Protocol: graphql-ws, graphql-transport-ws",
        ],
        vec![
            "Connection: upgrade",
            "Upgrade: h2c",
            "Upgrade: websocket",
            "Sec-WebSocket-Protocol: graphql-transport-ws,soap",
        ],
        vec![
            "Connection: upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Protocol: graphql-ws",
            "Sec-WebSocket-Protocol: soap,graphql-transport-ws",
            "Sec-WebSocket-Protocol:",
        ],
        vec!["Upgrade: ,websocket,", "Connection: , Upgrade ,", "Sec-WebSocket-Protocol: , graphql-transport-ws"],
    ] {
        let (_line, answer) = handshake(&server, "/graphql", &lines).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{lines:?}: {answer}");
        assert!(answer.contains("Sec-WebSocket-Protocol: graphql-transport-ws\r\n"), "{lines:?}: {answer}");
    }
    for lines in [
        vec!["Connection: keep-alive", "Upgrade: websocket", "Sec-WebSocket-Protocol: graphql-transport-ws"],
        vec!["Connection: not-upgrade", "Upgrade: websocket", "Sec-WebSocket-Protocol: graphql-transport-ws"],
        vec!["Connection: upgrade", "Upgrade: websockets", "Sec-WebSocket-Protocol: graphql-transport-ws"],
    ] {
        let (_line, answer) = handshake(&server, "/graphql", &lines).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{lines:?}: {answer}");
    }
}

#[tokio::test]
async fn response_headers_of_a_handshake_have_the_same_case_whatever_the_case_of_the_request() {
    let server = Server::embedded();
    for change_case in [str::to_owned, str::to_lowercase, str::to_uppercase] {
        let lines = ["Connection: Upgrade", "Upgrade: websocket"].map(change_case);
        let protocol = format!("{}: graphql-transport-ws", change_case("Sec-WebSocket-Protocol"));
        let (_line, answer) = handshake(&server, "/graphql", &[&lines[0], &lines[1], &protocol]).await;
        for header in
            ["\r\nConnection: ", "\r\nUpgrade: ", "\r\nSec-WebSocket-Accept: ", "\r\nSec-WebSocket-Protocol: "]
        {
            assert_eq!(answer.matches(header).count(), 1, "{header:?} in {answer}");
        }
    }
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_path_changes_nothing() {
    for (settings, base) in [(vec![], ""), (vec![("BASE_PATH", "/chat")], "/chat")] {
        let server = Server::with(&settings);
        let address = server.address().split('/').next().expect("an address");
        let http = http::Client::of(&format!("http://{address}"));
        let query = "{ __typename }";
        let path = format!("{base}/graphql/");
        let answer = http.post(&path, &json!({ "query": query })).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"data":{"__typename":"Query"}}"#), "{path}");
        let get = http.request("GET", &path).query(&[("query", query)]).header("accept", "application/json");
        assert_eq!(Answer::receive(get).await.status, 200);
        let put = Answer::receive(http.request("PUT", &path)).await;
        let same = Answer::receive(http.request("PUT", &format!("{base}/graphql"))).await;
        assert_eq!((put.status, put.body), (same.status, same.body));
        let lines = ["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Protocol: graphql-transport-ws"];
        let (_line, answer) = handshake(&server, &path, &lines).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{path}: {answer}");
        let origin = format!("http://{address}");
        let room = crate::support::client::Client::of(format!("{origin}{path}")).create_room().await;
        let stream =
            Stream::open(post(&format!("{origin}{path}"), "text/event-stream", &events_of(&room), json!({}))).await;
        assert_eq!((stream.status, stream.header("content-type")), (200, "text/event-stream; charset=utf-8"));
    }
}

#[tokio::test]
async fn a_preflight_allows_the_headers_and_the_method_that_it_names() {
    let server = Server::embedded();
    let http = http::Client::of(&server.url(""));
    for path in ["/graphql", "/graphql/", "/room/message/send"] {
        let preflight = http
            .request("OPTIONS", path)
            .header("origin", "https://elsewhere.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-apollo-operation-name");
        let answer = Answer::receive(preflight).await;
        assert_eq!(answer.status, 200, "{path}");
        let allowed = answer.header("access-control-allow-headers").unwrap_or_default().to_ascii_lowercase();
        assert_eq!(allowed, "authorization,content-type,x-apollo-operation-name", "{path}");
        assert_eq!(answer.header("access-control-allow-methods"), Some("POST"), "{path}");
        let vary: Vec<_> = answer.headers.get_all("vary").iter().map(|value| value.to_str().expect("text")).collect();
        assert!(vary.join(",").contains("access-control-request-headers"), "{vary:?}");
    }
}

#[tokio::test]
async fn an_empty_content_encoding_is_ignored() {
    let server = Server::embedded();
    let http = http::Client::of(&server.url(""));
    let body = json!({ "query": "{ __typename }" });
    for encodings in
        [vec![""], vec![" "], vec!["identity"], vec!["Identity, identity"], vec!["", "identity"], vec![","]]
    {
        let request = http.request("POST", "/graphql").json(&body);
        let request = encodings.iter().fold(request, |request, encoding| request.header("content-encoding", *encoding));
        assert_eq!(Answer::receive(request).await.status, 200, "{encodings:?}");
    }
    for encodings in [vec!["gzip"], vec!["identity, gzip"], vec!["", "br"], vec!["identity", "deflate"]] {
        let request = http.request("POST", "/graphql").json(&body);
        let request = encodings.iter().fold(request, |request, encoding| request.header("content-encoding", *encoding));
        assert_eq!(Answer::receive(request).await.status, 415, "{encodings:?}");
    }
}

#[tokio::test]
async fn a_body_may_start_with_a_byte_order_mark_and_name_its_charset_in_any_form() {
    let server = Server::embedded();
    let http = http::Client::of(&server.url(""));
    for content_type in ["application/json", "application/json;charset=\"utf-8\"", "Application/JSON ; Charset=UTF-8"] {
        let request = http.request("POST", "/graphql").header("content-type", content_type);
        let answer = Answer::receive(request.body("\u{feff}{\"query\":\"{ __typename }\"}")).await;
        assert_eq!(
            (answer.status, answer.json()["data"]["__typename"].clone()),
            (200, json!("Query")),
            "{content_type}"
        );
    }
}
