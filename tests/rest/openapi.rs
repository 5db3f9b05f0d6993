//! The OpenAPI document of the legacy routes, compared with their behavior.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::http::{Answer, Client};
use crate::support::server::Server;

/// All legacy routes, as the contract lists them.
const ROUTES: [(&str, &str); 6] = [
    ("get", "/room/create/"),
    ("get", "/rooms_views/"),
    ("post", "/room/"),
    ("post", "/room/message/delete/"),
    ("post", "/room/message/edit/"),
    ("post", "/room/message/send"),
];

async fn document(server: &Server) -> Value {
    let answer = Client::of(&server.url("")).get("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

/// Collects the values of all `$ref` keys.
fn collect_references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn document_has_exactly_the_legacy_routes() {
    let document = document(&Server::embedded()).await;
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        routes.extend(methods.as_object().expect("methods").keys().map(|method| (method.as_str(), path.as_str())));
    }
    routes.sort_unstable();
    assert_eq!(routes, ROUTES);
    let mut found = BTreeSet::new();
    collect_references(&document, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} does not exist");
    }
}

#[tokio::test]
async fn routes_are_served_at_the_documented_servers_also_below_a_base_path() {
    for (setting, urls) in [("", ["/v1", "/"]), ("/some/chat", ["/some/chat/v1", "/some/chat"])] {
        let server = Server::with(&[("BASE_PATH", setting)]);
        let document = document(&server).await;
        let servers = document["servers"].as_array().expect("a list");
        assert_eq!(servers.iter().map(|server| &server["url"]).collect::<Vec<_>>(), urls);
        let root = Client::of(&format!("http://{}", server.address().trim_end_matches(setting)));
        for base in urls {
            for (method, path) in ROUTES {
                let path = format!("{}{path}", base.trim_end_matches('/'));
                let answer = Answer::receive(root.request(&method.to_uppercase(), &path)).await;
                assert_eq!(answer.status, if method == "get" { 200 } else { 422 }, "{path}");
            }
        }
    }
}

/// The documented schema of a response to a POST request.
fn schema<'a>(document: &'a Value, path: &str, answer: &Answer) -> &'a Value {
    let answers = &document["paths"][path]["post"]["responses"];
    let content = &answers[answer.status.to_string()]["content"];
    let media_type = answer.header("content-type").and_then(|value| value.split(';').next()).expect("a media type");
    let reference = content[media_type]["schema"]["$ref"].as_str();
    let reference = reference.unwrap_or_else(|| panic!("{path} does not document {} {media_type}", answer.status));
    document.pointer(reference.trim_start_matches('#')).expect("a schema")
}

#[tokio::test]
async fn errors_that_schemathesis_cannot_cause_are_documented() {
    let server = Server::with(&[
        ("RATE_LIMITS", "on"),
        ("ROOM_MAX_MESSAGES", "1"),
        ("BODY_MAX_BYTES", "2000"),
        ("RATE_SENDS_PER_USER", "1/h:2"),
    ]);
    let (document, client) = (document(&server).await, Client::of(&server.url("")));
    let room = client.get("/room/create/").await.json()["data"].clone();
    let path = "/room/message/send";
    let body = |message: &str, token: &Value| {
        json!({ "room_id": room["room_id"], "room_code": room["room_code"], "user_id": "ada-0123456789",
                "token": token, "message": message })
    };
    let sent = client.post(path, &body("hi", &Value::Null)).await;
    let hi = body("hi", &sent.json()["data"]["token"]);
    let post = || client.request("POST", path).header("content-type", "application/json");
    let mut statuses = vec![sent.status];
    for answer in [
        client.post(path, &hi).await,
        client.post(path, &hi).await,
        client.post(path, &body(&"long".repeat(1_000), &Value::Null)).await,
        Answer::receive(post().header("content-encoding", "gzip").body("{}")).await,
        Answer::receive(post().body(&b"{\"room_id\":\"\xff\"}"[..])).await,
    ] {
        let required = schema(&document, path, &answer)["required"].as_array().expect("a list");
        assert!(required.iter().all(|name| answer.json().get(name.as_str().expect("a name")).is_some()), "{answer:?}");
        let declared = &document["paths"][path]["post"]["responses"][answer.status.to_string()]["headers"];
        assert!(declared.as_object().expect("headers").keys().all(|name| answer.header(name).is_some()), "{answer:?}");
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 507, 429, 413, 415, 400]);
}

/// Sends valid and invalid requests to every route, alone and in the order of the document's links, and compares the responses
/// with the document.
#[test]
fn schemathesis_finds_no_failure() {
    let schemathesis = concat!(env!("CARGO_MANIFEST_DIR"), "/target/schemathesis/bin/schemathesis");
    let server = Server::with(&[("RATE_LIMITS", "off")]);
    let directory = tempfile::tempdir().expect("a directory");
    // It needs seconds, but a busy machine can make it slow.
    let output = Command::new("timeout")
        .args(["300", schemathesis])
        .current_dir(directory.path())
        .args(["run", &server.url("/openapi.json"), "--url", &server.url("/v1"), "--no-color"])
        // The excluded check mistakes POST /room, which reads a room, for the creation of one.
        .args(["--checks", "all", "--exclude-checks", "ensure_resource_availability"])
        .args(["--phases", "examples,coverage,fuzzing,stateful"])
        .args(["--seed", "1", "--max-examples", "60", "--generation-database", "none"])
        .args(["--suppress-health-check", "all"])
        .output()
        .expect("schemathesis, which tests/tools.sh installs");
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output_text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output_text.contains("6 selected / 6 total"), "{output_text}");
    assert!(!output_text.contains(" 0 covered"), "no link was followed:\n{output_text}");
}
