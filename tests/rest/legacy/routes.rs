//! Paths and methods of the routes.

use serde_json::json;

use super::legacy_room::{ALICE, LegacyRoom};
use crate::support::http::{Answer, Client};
use crate::support::server::Server;

const GET: [&str; 2] = ["/room/create", "/rooms_views"];
const POST: [&str; 4] = ["/room", "/room/message/send", "/room/message/edit", "/room/message/delete"];

fn variants(path: &str) -> [String; 4] {
    [path.into(), format!("{path}/"), format!("/v1{path}"), format!("/v1{path}/")]
}

#[tokio::test]
async fn every_route_is_served_at_all_four_paths_without_a_redirect() {
    let room = LegacyRoom::new().await;
    for path in GET.into_iter().flat_map(variants) {
        assert_eq!(room.client.get(&path).await.status, 200, "{path}");
    }
    for path in variants("/room") {
        assert_eq!(room.client.post(&path, &room.body(&[])).await.status, 200, "{path}");
    }
    let mut token = String::new();
    for (id, path) in variants("/room/message/send").into_iter().enumerate() {
        let sent = room.client.post(&path, &room.send_body(ALICE, &token, "hi")).await;
        token = super::legacy_room::expect_token(&sent);
        assert_eq!(sent.json()["data"]["message_id"], id, "{path}");
    }
    for (id, path) in variants("/room/message/edit").into_iter().enumerate() {
        let mut body = room.change_body(ALICE, &token, json!(id));
        body["message"] = json!("changed");
        token = super::legacy_room::expect_token(&room.client.post(&path, &body).await);
    }
    for (id, path) in variants("/room/message/delete").into_iter().enumerate() {
        token = super::legacy_room::expect_token(
            &room.client.post(&path, &room.change_body(ALICE, &token, json!(id))).await,
        );
    }
}

#[tokio::test]
async fn wrong_method_is_rejected_with_the_allowed_one() {
    let server = Server::embedded();
    let client = Client::of(&server.url(""));
    for (paths, wrong, right) in [(&GET[..], ["POST", "PUT", "HEAD"], "GET"), (&POST, ["GET", "PUT", "PATCH"], "POST")]
    {
        for path in paths.iter().flat_map(|path| variants(path)) {
            for method in wrong {
                let answer = Answer::receive(client.request(method, &path)).await;
                assert_eq!(answer.status, 405, "{method} {path}");
                assert_eq!(answer.header("allow"), Some(right), "{method} {path}");
                assert_eq!(answer.header("content-type"), Some("application/json"));
                let body = if method == "HEAD" { "" } else { r#"{"detail":"Method Not Allowed"}"# };
                assert_eq!(answer.body, body);
            }
        }
    }
}

#[tokio::test]
async fn unknown_path_is_not_found() {
    let server = Server::embedded();
    let client = Client::of(&server.url(""));
    for path in ["/v1", "/v1/", "/v2/room", "/room/create//", "/room/message", "/v1/v1/room", "/redoc"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, r#"{"detail":"Not Found"}"#), "{path}");
    }
}
