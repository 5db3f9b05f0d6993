//! Guessing tokens of users: on both stores, and over two servers on one Redis.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;

use super::nodes::{Nodes, ON, expect_limited};
use crate::support::client::{Client, DELETE, EDIT, SEND, User, error_code};
use crate::support::http;
use crate::support::owner::OwnedRoom;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_tokens_are_limited_and_the_right_one_still_works() {
    for nodes in Nodes::on_each_store(&[("WRONG_TOKENS_PER_USER", "2:1m")]).await {
        let client = nodes.client(0, 1);
        let room = client.create_room().await;
        let mut ada = User { id: Some("ada-0123456789".into()), ..User::of(client) };
        ada.send(&room, "one").await;
        let forger =
            |n, host| User { id: ada.id.clone(), token: Some("0".repeat(32)), ..User::of(nodes.client(n, host)) };
        for n in 0..2 {
            let answer = forger(n, 1).try_send(&room, "forged").await.expect("an answer");
            assert_eq!(error_code(&answer), "TOKEN_INVALID");
        }
        for n in 0..2 {
            let answer = forger(n, 1).try_send(&room, "forged").await.expect("an answer");
            assert!(expect_limited(&answer, "too many wrong tokens") <= Duration::from_secs(60));
        }
        let elsewhere = forger(1, 2).try_send(&room, "forged").await.expect("an answer");
        assert_eq!(error_code(&elsewhere), "TOKEN_INVALID", "from another address");
        ada.send(&room, "two").await;
        assert_eq!(ada.client.texts(&room).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_does_not_reveal_whether_its_user_exists() {
    for nodes in Nodes::on_each_store(&[("WRONG_TOKENS_PER_USER", "3:1m")]).await {
        let client = nodes.client(0, 1);
        let room = client.create_room().await;
        let mut ada = User { id: Some("ada-0123456789".into()), ..User::of(client) };
        let message = ada.send(&room, "one").await["id"].clone();
        let stranger = nodes.client(0, 2);
        let missing = format!("{}-7", room.id);
        // The same number of attempts for each, so that both counts are equal.
        for (known, unknown, query) in
            [("ada-0123456789", "eve-0123456789", EDIT), ("ada-0123456789", "fay-0123456789", DELETE)]
        {
            let stranger = if query == EDIT { stranger.clone() } else { nodes.client(0, 3) };
            let mut codes = Vec::new();
            for n in 0..5 {
                let answers = [known, unknown].map(|user| {
                    let id = if n % 2 == 0 { message.clone() } else { json!(missing) };
                    let mut input = json!({ "roomId": room.id, "roomCode": room.code, "userId": user,
                        "token": "0".repeat(32), "messageId": id });
                    if query == EDIT {
                        input["text"] = json!("forged");
                    }
                    stranger.request(query, json!({ "input": input }))
                });
                let [of_known, of_unknown] = answers;
                let (of_known, of_unknown) = (of_known.await, of_unknown.await);
                assert_eq!(of_known["errors"][0]["message"], of_unknown["errors"][0]["message"]);
                assert_eq!(error_code(&of_known), error_code(&of_unknown));
                codes.push(error_code(&of_known));
            }
            let expected = ["TOKEN_INVALID", "TOKEN_INVALID", "TOKEN_INVALID", "RATE_LIMITED", "RATE_LIMITED"];
            assert_eq!(codes, expected, "{query}");
        }
        assert_eq!(ada.client.texts(&room).await, [Some("one".to_owned())]);
        ada.send(&room, "two").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_owner_tokens_are_counted_over_all_fields_and_the_right_one_still_works() {
    for nodes in Nodes::on_each_store(&[("WRONG_TOKENS_PER_USER", "4:1m")]).await {
        let room = OwnedRoom::create(&nodes.client(0, 1)).await;
        let thief = |n, host| OwnedRoom { client: nodes.client(n, host), token: "0".repeat(32), ..room.clone() };
        let update = async |owner: OwnedRoom| owner.try_act("updateRoom", json!({ "title": "taken" }), "cursor").await;
        let query = "query($id: ID!, $code: String!, $owner: String!) {
            room(id: $id, code: $code) { bans(ownerToken: $owner) { totalCount } } }";
        let bans = json!({ "id": room.key.id, "code": room.key.code, "owner": "none" });
        let send = json!({ "roomId": room.key.id, "roomCode": room.key.code, "text": "forged", "ownerToken": "" });
        let join = json!({ "roomId": room.key.id, "roomCode": room.key.code, "ownerToken": "none" });
        // One of each kind, on both nodes.
        assert_eq!(error_code(&update(thief(0, 2)).await), "OWNER_TOKEN_INVALID");
        assert_eq!(nodes.client(1, 2).code(query, bans.clone()).await, "OWNER_TOKEN_INVALID");
        assert_eq!(nodes.client(0, 2).code(SEND, json!({ "input": send })).await, "OWNER_TOKEN_INVALID");
        assert_eq!(error_code(&nodes.client(1, 2).mutate("joinRoom", join, "token").await), "OWNER_TOKEN_INVALID");
        for n in 0..2 {
            assert!(expect_limited(&update(thief(n, 2)).await, "too many wrong tokens") <= Duration::from_secs(60));
            assert_eq!(nodes.client(n, 2).code(query, bans.clone()).await, "RATE_LIMITED");
        }
        assert_eq!(error_code(&update(thief(0, 3)).await), "OWNER_TOKEN_INVALID", "from another address");
        // Even from the address of the thief, the right token is accepted.
        let owner = OwnedRoom { client: nodes.client(1, 2), ..room.clone() };
        assert_eq!(owner.update(json!({ "title": "mine" })).await["title"], "mine");
        assert!(nodes.client(0, 1).texts(&room.key).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legacy_changes_by_unknown_users_count_as_failures() {
    let server = Server::with(&[ON, ("WRONG_TOKENS_PER_USER", "3:1m")]);
    let room = server.client().create_room().await;
    let rest = http::Client::of(&server.url(""));
    let body = json!({ "room_id": room.id, "room_code": room.code, "user_id": "nobody-0123456",
        "token": "0".repeat(32), "message_id": 0, "message": "forged" });
    for (n, path) in ["edit", "delete", "edit", "delete", "edit"].into_iter().enumerate() {
        let answer = rest.post(&format!("/v1/room/message/{path}/"), &body).await;
        let expected = if n < 3 {
            (403, "request forbidden")
        } else {
            (429, "too many wrong tokens for this user; use the token of the user's last answer")
        };
        assert_eq!((answer.status, answer.json()["message"].as_str()), (expected.0, Some(expected.1)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_tokens_of_many_users_take_a_bounded_number_of_counters() {
    let redis = RedisServer::start().await;
    let server = Server::with(&[ON, ("REDIS_URL", &redis.url()), ("RATE_SENDS_PER_ROOM", "1000000/s:1000000")]);
    let room = server.client().create_room().await;
    let client = Client::of(server.url("/graphql"));
    let keys: usize = redis.query(&["DBSIZE"]).await;
    let tries = (0..3_000).map(|n| {
        let input = json!({ "roomId": room.id, "roomCode": room.code, "userId": format!("nobody-{n:08}"),
            "token": "0".repeat(32), "messageId": format!("{}-0", room.id) });
        client.request(DELETE, json!({ "input": input }))
    });
    futures_util::stream::iter(tries)
        .buffer_unordered(16)
        .for_each(async |answer| {
            let code = error_code(&answer);
            assert!(["TOKEN_INVALID", "RATE_LIMITED"].contains(&&*code), "{code}");
        })
        .await;
    let new_keys = redis.query::<usize>(&["DBSIZE"]).await - keys;
    assert!((100..=1_100).contains(&new_keys), "{new_keys} new keys");
}
