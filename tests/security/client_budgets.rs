//! The limits on what one client may send and read, whatever user ids it uses and over both APIs.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::nodes::{CREATE, Nodes, expect_limited, input};
use crate::support::client::{Client, DELETE, EDIT, RoomKey, SEND, User, error_code};
use crate::support::http;
use crate::support::server::Server;
use crate::support::socket::{Socket, events_of};
use crate::support::stream;

const LIST: &str = "{ activeRooms(first: 50) { nodes { id } } }";
const READ_LIMITED: &str = "too much is read from this address";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_send_limit_of_a_client_covers_all_its_users_over_both_apis() {
    for nodes in Nodes::on_each_store(&[("RATE_SENDS_PER_CLIENT", "1/h:4"), ("TRUSTED_PROXIES", "127.9.9.9")]).await {
        let (client, message) = (nodes.client(0, 1), "too much is sent from this address");
        let room = client.create_room().await;
        let mut first = User::of(client.clone());
        let id = first.send(&room, "one").await["id"].as_str().expect("an id").to_owned();
        first.edit(&room, &id, "two").await;
        first.delete(&room, &id).await;
        User::of(client.clone()).send(&room, "of another user").await;
        let mut change = input(&room, &first);
        change["messageId"] = json!(id);
        expect_limited(&client.request(DELETE, json!({ "input": change })).await, message);
        change["text"] = json!("x");
        expect_limited(&client.request(EDIT, json!({ "input": change })).await, message);
        let new_user = json!({ "roomId": room.id, "roomCode": room.code, "text": "x" });
        expect_limited(&client.request(SEND, json!({ "input": new_user })).await, message);
        User::of(nodes.client(0, 2)).send(&room, "of another client").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legacy_sends_share_the_client_limit_and_return_retry_after() {
    let server = Server::with(&[("RATE_LIMITS", "on"), ("RATE_SENDS_PER_CLIENT", "1/h:2")]);
    let client = server.client();
    let room = client.create_room().await;
    User::of(client).send(&room, "over GraphQL").await;
    let rest = http::Client::of(&server.url(""));
    let send =
        |user: &str| json!({ "room_id": room.id, "room_code": room.code, "user_id": user, "message": "over REST" });
    assert_eq!(rest.post("/v1/room/message/send", &send("somebody-1234")).await.status, 200);
    let refused = rest.post("/v1/room/message/send", &send("somebody-5678")).await;
    assert_eq!((refused.status, &refused.json()["status_code"]), (429, &json!(429)));
    let seconds: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("a retry-after");
    assert!((3_500..=3_600).contains(&seconds), "{seconds}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_send_of_a_user_uses_up_no_shared_budget() {
    let settings = [("RATE_LIMITS", "on"), ("RATE_SENDS_PER_USER", "1/h:1"), ("RATE_SENDS_PER_CLIENT", "1/h:3")];
    let server = Server::with(&settings);
    let client = server.client();
    let room = client.create_room().await;
    let mut hasty = User { id: Some("hasty-0123456789".into()), ..User::of(client.clone()) };
    hasty.send(&room, "one").await;
    for _ in 0..5 {
        expect_limited(&hasty.try_send(&room, "again").await.expect("an answer"), "this user sends too fast");
    }
    for id in ["neighbor-0123456789", "other-neighbor-0123"] {
        User { id: Some(id.into()), ..User::of(client.clone()) }.send(&room, "of a neighbor").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_read_limit_covers_every_document_and_does_not_limit_sends() {
    // Each list costs 61.
    for nodes in Nodes::on_each_store(&[("RATE_READS_PER_CLIENT", "1/h:100")]).await {
        let client = nodes.client(0, 1);
        let room = client.create_room().await;
        client.data(LIST, json!({})).await;
        expect_limited(&client.request(LIST, json!({})).await, READ_LIMITED);
        let aliased =
            format!("{{ {} }}", ["a", "b", "c"].map(|key| format!("{key}: {}", &LIST[2..LIST.len() - 2])).join(" "));
        expect_limited(&client.request(&aliased, json!({})).await, READ_LIMITED);
        nodes.client(0, 2).data(LIST, json!({})).await;
        User::of(client.clone()).send(&room, "sends have a budget of their own").await;
        expect_limited(&client.request(LIST, json!({})).await, READ_LIMITED);
        client.request(CREATE, json!({})).await["data"]["createRoom"]["room"]["id"].as_str().expect("a room");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_reports_a_refused_read() {
    let server = Server::with(&[("RATE_LIMITS", "on"), ("RATE_READS_PER_CLIENT", "1/h:100")]);
    let client = server.client();
    let room = client.create_room().await;
    client.data(LIST, json!({})).await;
    for (accept, status) in [("application/json", 200), ("application/graphql-response+json", 429)] {
        let answer = stream::post(client.url(), accept, LIST, json!({})).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{accept}");
        let answer: Value = answer.json().await.expect("JSON");
        expect_limited(&answer, READ_LIMITED);
        assert!(answer.get("data").is_none(), "nothing was executed: {answer}");
    }
    let mut socket = Socket::ready(server.address()).await;
    socket.subscribe("1", LIST, json!({})).await;
    let refused = socket.receive().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("1")));
    expect_limited(&json!({ "errors": refused["payload"] }), READ_LIMITED);
    // The socket still works. A subscription that starts now costs 10.
    let neighbor = Client::from_address(server.url("/graphql"), [127, 1, 0, 9].into());
    socket.follow("2", &neighbor, &room).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_costs_as_much_as_the_missed_events() {
    for nodes in Nodes::on_each_store(&[("RATE_READS_PER_CLIENT", "1/h:100")]).await {
        let creator = nodes.client(0, 1);
        let room = creator.create_room().await;
        let start = creator.cursor(&room).await;
        let mut user = User::of(nodes.client(0, 2));
        for n in 0..40 {
            user.send(&room, &format!("message {n}")).await;
        }
        let reader = nodes.client(0, 3);
        let replay = json!({ "roomId": room.id, "roomCode": room.code, "after": start });
        let query = "subscription($roomId: ID!, $roomCode: String!, $after: String) {
            messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { cursor } }";
        let open = async |variables: &Value| {
            let multipart = "multipart/mixed;subscriptionSpec=1.0, application/json";
            let answer = reader.post_accepting(multipart, query, variables).await;
            let is_stream = answer.headers()["content-type"].to_str().expect("text").starts_with("multipart");
            if is_stream { None } else { Some(answer.json::<Value>().await.expect("JSON")) }
        };
        assert_eq!(open(&replay).await, None, "the first costs 50");
        assert_eq!(open(&replay).await, None, "the second, too");
        expect_limited(&open(&replay).await.expect("a refusal"), READ_LIMITED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legacy_reads_cost_as_much_as_they_return() {
    let server = Server::with(&[("RATE_LIMITS", "on"), ("RATE_READS_PER_CLIENT", "1/h:100")]);
    let at = |host: u8| Client::from_address(server.url("/graphql"), [127, 1, 0, host].into());
    let (creator, rest) = (at(1), http::Client::of(&server.url("")));
    let (room, empty) = (creator.create_room().await, creator.create_room().await);
    let mut user = User::of(creator);
    for n in 0..40 {
        user.send(&room, &format!("message {n}")).await;
    }
    // A room of 40 messages costs 51, an empty one 10.
    let open = |room: &RoomKey| json!({ "room_id": room.id, "room_code": room.code });
    assert_eq!(rest.post("/v1/room/", &open(&room)).await.status, 200);
    let refused = rest.post("/v1/room/", &open(&room)).await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.body.contains(READ_LIMITED) && refused.header("retry-after").is_some(), "{}", refused.body);
    assert_eq!(rest.post("/v1/room/", &open(&empty)).await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(rest.get("/v1/rooms_views/").await.status);
    }
    assert!(statuses.starts_with(&[200, 200]) && statuses.ends_with(&[429, 429]), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typical_clients_behind_one_address_stay_within_the_defaults() {
    let server = Server::with(&[("RATE_LIMITS", "on")]);
    let client = server.client();
    let room = client.create_room().await;
    let page = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { id createdAt expiresAt viewerCount cursor
        chatters { nodes { id displayName } } messages(last: 100) { totalCount pageInfo { startCursor hasPreviousPage }
        edges { cursor node { id index text createdAt editedAt deletedAt clientMessageId author { id displayName } } } } } }";
    // A school class enters at once, and everybody sends something.
    let members = (0..30).map(async |n| {
        for _ in 0..3 {
            client.data(page, json!({ "id": room.id, "code": room.code })).await;
        }
        let mut user = User::of(client.clone());
        user.send(&room, &format!("here {n}")).await;
        user.send(&room, "again").await;
    });
    join_all(members).await;
    let rest = http::Client::of(&server.url(""));
    for _ in 0..30 {
        let body = json!({ "room_id": room.id, "room_code": room.code });
        assert_eq!(rest.post("/v1/room/", &body).await.status, 200);
        assert_eq!(rest.get("/v1/rooms_views/").await.status, 200);
    }
    let mut socket = Socket::ready(server.address()).await;
    socket.subscribe("1", &events_of(&room), json!({})).await;
    let answer = client.request("{ nothing }", json!({})).await;
    assert_eq!(error_code(&answer), "GRAPHQL_VALIDATION_FAILED");
}
