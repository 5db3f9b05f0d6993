//! Rate limits per client, user and room, on both stores and over both APIs.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::nodes::{CREATE, Nodes, ON, expect_limited, input, outcome, wrong};
use crate::support::client::{DELETE, EDIT, SEND, User};
use crate::support::http;
use crate::support::server::Server;
use crate::support::socket::{Socket, events_of};
use crate::support::stream::{self, Stream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_creation_is_limited_per_address_until_retry_after() {
    let on_each = Nodes::on_each_store(&[("RATE_ROOMS_PER_ADDRESS", "6/m:2")]).await.into_iter().map(async |nodes| {
        let client = nodes.client(0, 1);
        client.create_room().await;
        client.create_room().await;
        let wait = expect_limited(&client.request(CREATE, json!({})).await, "too many rooms");
        assert!(wait <= Duration::from_secs(10), "{wait:?}");
        let rest = http::Client::of(&nodes.servers[0].url(""));
        assert_eq!(rest.get("/v1/room/create").await.status, 200, "another address");
        tokio::time::sleep(wait).await;
        client.create_room().await;
    });
    join_all(on_each).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legacy_routes_return_429_in_their_envelope_with_retry_after() {
    for (status, expected) in [("same", 429), ("200", 200)] {
        let settings = [ON, ("RATE_ROOMS_PER_ADDRESS", "1/h:1"), ("REST_ERROR_STATUS", status)];
        let server = Server::with(&settings);
        let rest = http::Client::of(&server.url(""));
        assert_eq!(rest.get("/v1/room/create").await.status, 200);
        let answer = rest.get("/v1/room/create").await;
        assert_eq!(answer.status, expected);
        let seconds: u64 = answer.header("retry-after").and_then(|text| text.parse().ok()).expect("a retry-after");
        assert!((3_500..=3_600).contains(&seconds), "{seconds}");
        let message = "too many rooms were created from this address; wait a little";
        assert_eq!(answer.json(), json!({ "status_code": 429, "message": message, "data": null }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limited_graphql_requests_have_retry_after_in_seconds() {
    let server = Server::with(&[ON, ("RATE_ROOMS_PER_ADDRESS", "1/h:1"), ("RATE_SENDS_PER_USER", "1/h:1")]);
    let (client, http) = (server.client(), http::Client::of(&server.url("")));
    let room = client.create_room().await;
    let ada = User::with_own_token(client);
    let mut send = input(&room, &ada);
    send["text"] = json!("hello");
    let requests = [
        json!({ "query": CREATE }),
        json!({ "query": SEND, "variables": { "input": send } }),
        json!({ "query": "mutation { again: createRoom { room { id } } }" }),
    ];
    // The second send is limited, and so is every further room.
    assert_eq!(http.post("/graphql", &requests[1]).await.header("retry-after"), None);
    for request in requests {
        let answer = http.post("/graphql", &request).await;
        let millis = answer.json()["errors"][0]["extensions"]["retryAfterMs"].as_u64().expect("milliseconds");
        let seconds: u64 = answer.header("retry-after").and_then(|text| text.parse().ok()).expect("a retry-after");
        assert_eq!((answer.status, seconds), (200, millis.div_ceil(1_000)), "{request}");
        assert!((3_500..=3_600).contains(&seconds), "{seconds}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_edits_and_deletes_are_limited_per_user_and_the_token_stays_valid() {
    let on_each = Nodes::on_each_store(&[("RATE_SENDS_PER_USER", "6/m:3")]).await.into_iter().map(async |nodes| {
        let client = nodes.client(0, 1);
        let room = client.create_room().await;
        let mut ada = User { id: Some("ada-0123456789".into()), ..User::of(client.clone()) };
        let message = ada.send(&room, "one").await["id"].clone();
        let id = message.as_str().expect("an id").to_owned();
        ada.edit(&room, &id, "two").await;
        ada.delete(&room, &id).await;
        let mut send = input(&room, &ada);
        send["text"] = json!("three");
        let mut change = input(&room, &ada);
        change["messageId"] = json!(id);
        expect_limited(&client.request(DELETE, json!({ "input": change })).await, "this user sends too fast");
        change["text"] = json!("four");
        expect_limited(&client.request(EDIT, json!({ "input": change })).await, "this user sends too fast");
        let wait = expect_limited(&client.request(SEND, json!({ "input": send })).await, "this user sends too fast");
        assert!(wait <= Duration::from_secs(10), "{wait:?}");
        User::of(client).send(&room, "another user").await;
        tokio::time::sleep(wait).await;
        ada.send(&room, "three").await;
    });
    join_all(on_each).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_to_a_room_are_limited_over_both_apis() {
    let on_each = Nodes::on_each_store(&[("RATE_SENDS_PER_ROOM", "6/m:2")]).await.into_iter().map(async |nodes| {
        let client = nodes.client(0, 1);
        let (room, other) = (client.create_room().await, client.create_room().await);
        let mut users: Vec<_> = (0..3).map(|_| User::of(client.clone())).collect();
        users[0].send(&room, "one").await;
        users[1].send(&room, "two").await;
        let wait = expect_limited(
            &users[2].try_send(&room, "three").await.expect("an answer"),
            "too much is sent to this room",
        );
        users[2].send(&other, "elsewhere").await;
        let body = json!({ "room_id": room.id, "room_code": room.code, "user_id": "somebody-else", "message": "x" });
        let rest = http::Client::of(&nodes.servers[0].url(""));
        let answer = rest.post("/v1/room/message/send", &body).await;
        assert_eq!((answer.status, &answer.json()["status_code"]), (429, &json!(429)));
        tokio::time::sleep(wait).await;
        users[2].send(&room, "three").await;
    });
    join_all(on_each).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_subscriptions_is_limited_over_every_transport() {
    for nodes in Nodes::on_each_store(&[("RATE_SUBSCRIPTIONS_PER_ADDRESS", "1/h:1")]).await {
        let server = &nodes.servers[0];
        let (client, message) = (server.client(), "too many subscriptions");
        let room = client.create_room().await;
        let mut socket = Socket::ready(server.address()).await;
        socket.follow("1", &client, &room).await;
        socket.subscribe("2", &events_of(&room), json!({})).await;
        let refused = socket.receive().await;
        assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("2")));
        expect_limited(&json!({ "errors": refused["payload"] }), message);
        let url = server.url("/graphql");
        let mut events = Stream::open(stream::post(&url, "text/event-stream", &events_of(&room), json!({}))).await;
        events.block().await.expect("the retry time");
        let (_, next) = events.next().await;
        expect_limited(&next, message);
        let multipart = "multipart/mixed;subscriptionSpec=1.0, application/json";
        let answer = stream::post(&url, multipart, &events_of(&room), json!({})).send().await.expect("an answer");
        expect_limited(&answer.json().await.expect("JSON"), message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_limits_can_be_turned_off_with_a_warning() {
    let settings = [("RATE_ROOMS_PER_ADDRESS", "1/h:1"), ("WRONG_CODES_PER_ADDRESS", "1:1h")];
    let mut off = Server::with(&[&settings[..], &[("RATE_LIMITS", "off")]].concat());
    let mut on = Server::with(&[&settings[..], &[ON]].concat());
    let (unlimited, limited) = (off.client(), on.client());
    let (room, _) = (unlimited.create_room().await, unlimited.create_room().await);
    for _ in 0..5 {
        assert_eq!(outcome(&unlimited, &room, &wrong(&room)).await, "ROOM_CODE_INVALID");
    }
    limited.create_room().await;
    expect_limited(&limited.request(CREATE, json!({})).await, "too many rooms");
    assert!(off.terminate().await.success() && on.terminate().await.success());
    assert!(off.log().contains("RATE_LIMITS=off: nothing is limited"), "{}", off.log());
    assert!(!on.log().contains("RATE_LIMITS"), "{}", on.log());
}
