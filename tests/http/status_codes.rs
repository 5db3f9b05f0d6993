//! Media types and status codes of GraphQL over HTTP.

use serde_json::{Value, json};

use crate::support::client::error_code;
use crate::support::server::Server;
use crate::support::socket::events_of;
use crate::support::stream::{Stream, get, http, post};

const JSON: &str = "application/json; charset=utf-8";
const RESPONSE: &str = "application/graphql-response+json; charset=utf-8";

async fn body(answer: Stream) -> Value {
    serde_json::from_str(&answer.rest().await).expect("JSON")
}

#[tokio::test]
async fn response_has_the_media_type_that_the_client_prefers() {
    let server = Server::embedded();
    for (accept, media_type) in [
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", RESPONSE),
        ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", RESPONSE),
        ("application/json;q=0.5, application/graphql-response+json;q=0.9", RESPONSE),
        ("application/json, application/graphql-response+json;q=0.9", JSON),
        ("APPLICATION/GraphQL-Response+JSON", RESPONSE),
        ("text/html, */*;q=0.1", JSON),
        ("application/graphql-response+json;q=0, application/json", JSON),
    ] {
        let answer = Stream::open(post(&server.url("/graphql"), accept, "{ __typename }", json!({}))).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, media_type), "{accept}");
        assert_eq!(body(answer).await, json!({ "data": { "__typename": "Query" } }));
    }
}

#[tokio::test]
async fn each_media_type_has_its_own_status_codes() {
    let server = Server::embedded();
    let failing = "{ room(id: \"00000000000000000000000000000000\", code: \"1\") { id } }";
    for (query, code, json_status, response_status) in [
        ("{", "GRAPHQL_PARSE_FAILED", 200, 400),
        ("{ nonsense }", "GRAPHQL_VALIDATION_FAILED", 200, 400),
        ("query($a: Int!) { activeRooms(first: $a) { totalCount } }", "GRAPHQL_VALIDATION_FAILED", 200, 400),
        (failing, "ROOM_NOT_FOUND", 200, 200),
    ] {
        for (accept, status) in [("application/json", json_status), (RESPONSE, response_status)] {
            let answer = Stream::open(post(&server.url("/graphql"), accept, query, json!({}))).await;
            assert_eq!(answer.status, status, "{query} as {accept}");
            let body = body(answer).await;
            assert_eq!(error_code(&body), code);
            assert_eq!(body.get("data").is_some(), query == failing, "only executed requests have data: {body}");
        }
    }
}

#[tokio::test]
async fn request_must_be_an_object() {
    let server = Server::embedded();
    for body in [r#"["{ __typename }",null,null,null]"#, r#"["{ __typename }"]"#, "\"{ __typename }\"", "null", "1"] {
        let request = http().post(server.url("/graphql")).header("content-type", "application/json").body(body);
        let answer = Stream::open(request).await;
        assert_eq!(answer.status, 400, "{body}");
    }
}

#[tokio::test]
async fn subscription_over_json_is_not_acceptable() {
    let server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    for accept in ["application/json", RESPONSE, "*/*", "multipart/mixed", "text/event-stream;q=0"] {
        let answer = Stream::open(post(client.url(), accept, &events_of(&room), json!({}))).await;
        assert_eq!(answer.status, 406, "{accept}");
        assert_eq!(error_code(&body(answer).await), "NOT_ACCEPTABLE");
    }
    client.wait_for_viewers(&room, 0).await;
}

#[tokio::test]
async fn upgrade_to_http_2_is_ignored() {
    let server = Server::embedded();
    let request = get(&server.url("/graphql"), "{ __typename }").header("accept", "application/json");
    let answer = Stream::open(request.header("connection", "upgrade").header("upgrade", "h2c")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(body(answer).await, json!({ "data": { "__typename": "Query" } }));
}

#[tokio::test]
async fn last_event_id_is_ignored_outside_of_event_streams() {
    let server = Server::embedded();
    let request = post(&server.url("/graphql"), "application/json", "{ __typename }", json!({}));
    assert_eq!(Stream::open(request.header("last-event-id", "complete")).await.status, 200);
}
