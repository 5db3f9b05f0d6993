//! Clients that disconnect during a request: the request is completed, or undone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::client::{Client, EDIT, User, error_code};
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

/// The round trip to Redis.
const LATENCY: Duration = Duration::from_millis(160);

const OPEN: &str = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { id } }";
const CREATE: &str = "mutation { createRoom { room { id } } }";

async fn server_behind_a_proxy(settings: &[(&str, &str)]) -> (RedisServer, Proxy, Server) {
    let redis = RedisServer::start().await;
    let proxy = Proxy::to(&redis.address()).await;
    let url = format!("redis://{}/", proxy.address());
    let all = [("REDIS_URL", &*url), ("RATE_LIMITS", "on"), ("RATE_ROOMS_PER_ADDRESS", "100/s:1000")];
    let server = Server::with(&[settings, &all].concat());
    (redis, proxy, server)
}

fn client_at(server: &Server, host: u8) -> Client {
    Client::from_address(server.url("/graphql"), IpAddr::from([127, 1, 0, host]))
}

/// The failures that Redis has counted, by key.
async fn counted_failures(redis: &RedisServer) -> BTreeMap<String, Option<u64>> {
    let mut counted = BTreeMap::new();
    for key in redis.query::<Vec<String>>(&["KEYS", "*:strikes"]).await {
        let count = redis.query(&["HGET", &key, "count"]).await;
        counted.insert(key, count);
    }
    counted
}

/// Sends a request, and disconnects as soon as Redis has changed, but before the server knows that.
async fn request_and_disconnect_when<F: Future<Output = bool>>(
    client: &Client,
    query: &str,
    variables: Value,
    is_changed: impl FnMut() -> F,
) {
    tokio::select! {
        _ = client.try_request(query, variables) => {}
        () = eventually("the request has changed Redis", is_changed) => {}
    }
}

/// Sends a request, and disconnects half a round trip after this number of its store calls has been answered.
async fn request_and_disconnect(client: &Client, query: &str, variables: Value, calls: u32) {
    let _ = timeout(LATENCY * calls + LATENCY / 2, client.try_request(query, variables)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn correct_codes_of_clients_that_disconnect_are_not_counted_as_wrong() {
    let settings = [("WRONG_CODES_PER_ADDRESS", "3:1h"), ("WRONG_CODES_PER_NETWORK", "20:1h")];
    let (redis, proxy, server) = server_behind_a_proxy(&settings).await;
    let creator = client_at(&server, 1);
    for calls in 0..6 {
        let (room, other) = (creator.create_room().await, creator.create_room().await);
        let correct = json!({ "id": room.id, "code": room.code });
        let host = 10 + calls as u8;
        let counted = counted_failures(&redis).await;
        proxy.delay(LATENCY);
        let clients: Vec<_> = (0..10).map(|_| client_at(&server, host)).collect();
        join_all(clients.iter().map(|client| request_and_disconnect(client, OPEN, correct.clone(), calls))).await;
        // Requests that were started are completed a moment later.
        tokio::time::sleep(LATENCY * 6).await;
        proxy.delay(Duration::ZERO);
        eventually("no failure is counted any more", async || counted_failures(&redis).await == counted).await;
        let again = client_at(&server, host);
        let variables = json!({ "id": other.id, "code": other.code });
        let response = again.request(OPEN, variables).await;
        assert!(response.get("errors").is_none(), "after disconnecting behind {calls} calls: {response}");
        // Nothing was counted: the address has all of its attempts.
        for _ in 0..3 {
            let third = json!({ "id": creator.create_room().await.id, "code": "x" });
            assert_eq!(error_code(&again.request(OPEN, third).await), "ROOM_CODE_INVALID");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn correct_code_whose_check_times_out_is_not_counted_as_wrong() {
    let (_redis, proxy, server) = server_behind_a_proxy(&[("WRONG_CODES_PER_ADDRESS", "1:1h")]).await;
    let room = client_at(&server, 1).create_room().await;
    let (other_client, correct) = (client_at(&server, 2), json!({ "id": room.id, "code": room.code }));
    // Each call is within its deadline, all of them together are not.
    proxy.delay(Duration::from_millis(550));
    assert_eq!(error_code(&other_client.request(OPEN, correct.clone()).await), "UNAVAILABLE");
    proxy.delay(Duration::ZERO);
    // The attempt is undone a moment later. If it counted as wrong, the address would be locked out for an hour.
    eventually("the correct code opens the room", async || {
        other_client.request(OPEN, correct.clone()).await.get("errors").is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_and_new_room_are_completed_when_the_client_disconnects() {
    let (redis, proxy, server) = server_behind_a_proxy(&[]).await;
    let creator = client_at(&server, 1);
    let room = creator.create_room().await;
    let mut user = User::of(creator.clone());
    let message = user.send(&room, "before").await;
    proxy.delay(LATENCY);
    let edit = json!({ "roomId": room.id, "roomCode": room.code, "userId": user.id, "token": user.token,
        "messageId": message["id"], "text": "after" });
    // The message has been read; the user's token is being rotated.
    let users: Vec<String> = redis.query(&["KEYS", "*:user"]).await;
    let stored_user = async || redis.query::<Vec<u8>>(&["DUMP", &users[0]]).await;
    let before = stored_user().await;
    let is_rotated = async || stored_user().await != before;
    request_and_disconnect_when(&client_at(&server, 1), EDIT, json!({ "input": edit }), is_rotated).await;
    // The room is being created and is not in the list yet.
    let rooms = async || redis.query::<Vec<String>>(&["KEYS", "*:room"]).await.len();
    let is_created = async || rooms().await == 2;
    request_and_disconnect_when(&client_at(&server, 2), CREATE, json!({}), is_created).await;
    proxy.delay(Duration::ZERO);
    eventually("the message is edited", async || creator.texts(&room).await == [Some("after".to_owned())]).await;
    eventually("both rooms are listed", async || {
        creator.data("{ activeRooms { totalCount } }", json!({})).await["activeRooms"]["totalCount"] == 2
    })
    .await;
}
