//! Clients that hang up in the middle of what they asked for: it is done whole, or taken back.

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

/// How far off Redis is.
const AWAY: Duration = Duration::from_millis(160);

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

/// Asks, and hangs up when so many of its calls to the store, and a half, must have been answered.
async fn ask_and_hang_up(client: &Client, query: &str, variables: Value, calls: u32) {
    let _ = timeout(AWAY * calls + AWAY / 2, client.try_request(query, variables)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn right_codes_of_clients_that_hang_up_are_not_counted_as_wrong() {
    let settings = [("WRONG_CODES_PER_ADDRESS", "3:1h"), ("WRONG_CODES_PER_NETWORK", "20:1h")];
    let (_redis, proxy, server) = server_behind_a_proxy(&settings).await;
    let creator = client_at(&server, 1);
    for calls in 0..6 {
        let (room, other) = (creator.create_room().await, creator.create_room().await);
        let right = json!({ "id": room.id, "code": room.code });
        let host = 10 + calls as u8;
        proxy.delay(AWAY);
        let clients: Vec<_> = (0..10).map(|_| client_at(&server, host)).collect();
        join_all(clients.iter().map(|client| ask_and_hang_up(client, OPEN, right.clone(), calls))).await;
        // What was begun is done a moment later.
        tokio::time::sleep(AWAY * 6).await;
        proxy.delay(Duration::ZERO);
        let again = client_at(&server, host);
        let variables = json!({ "id": other.id, "code": other.code });
        let answer = again.request(OPEN, variables).await;
        assert!(answer.get("errors").is_none(), "after hanging up behind {calls} calls: {answer}");
        // Nothing is left of it: the address has all of its tries.
        for _ in 0..3 {
            let third = json!({ "id": creator.create_room().await.id, "code": "x" });
            assert_eq!(error_code(&again.request(OPEN, third).await), "ROOM_CODE_INVALID");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_code_that_takes_too_long_to_be_looked_at_is_not_counted_as_wrong() {
    let (_redis, proxy, server) = server_behind_a_proxy(&[("WRONG_CODES_PER_ADDRESS", "1:1h")]).await;
    let room = client_at(&server, 1).create_room().await;
    let (stranger, right) = (client_at(&server, 2), json!({ "id": room.id, "code": room.code }));
    // Each call is in time, all of them together are not.
    proxy.delay(Duration::from_millis(550));
    assert_eq!(error_code(&stranger.request(OPEN, right.clone()).await), "UNAVAILABLE");
    tokio::time::sleep(Duration::from_secs(2)).await;
    proxy.delay(Duration::ZERO);
    let answer = stranger.request(OPEN, right).await;
    assert!(answer.get("errors").is_none(), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_and_a_new_room_are_whole_when_their_client_hangs_up() {
    let (_redis, proxy, server) = server_behind_a_proxy(&[]).await;
    let creator = client_at(&server, 1);
    let room = creator.create_room().await;
    let mut user = User::of(creator.clone());
    let message = user.send(&room, "before").await;
    proxy.delay(AWAY);
    let edit = json!({ "roomId": room.id, "roomCode": room.code, "userId": user.id, "token": user.token,
        "messageId": message["id"], "text": "after" });
    // The message is read, the user's token is being replaced.
    ask_and_hang_up(&client_at(&server, 1), EDIT, json!({ "input": edit }), 1).await;
    // The room is being made, and is not in the list yet.
    ask_and_hang_up(&client_at(&server, 2), CREATE, json!({}), 0).await;
    proxy.delay(Duration::ZERO);
    eventually("the message is edited", async || creator.texts(&room).await == [Some("after".to_owned())]).await;
    eventually("both rooms are listed", async || {
        creator.data("{ activeRooms { totalCount } }", json!({})).await["activeRooms"]["totalCount"] == 2
    })
    .await;
}
