//! The cost of reads in Redis: few commands however a query is written, and no reads of data that the client may not see.

use serde_json::{Value, json};

use crate::support::client::{Client, RoomKey, User};
use crate::support::owner::react;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;
use crate::support::{http_client, http_get};

/// A value from Redis's `INFO stats`.
async fn stat(redis: &RedisServer, name: &str) -> u64 {
    let stats: String = redis.query(&["INFO", "stats"]).await;
    let line = stats.lines().find_map(|line| line.strip_prefix(name)).expect("a line of this name");
    line.trim_start_matches(':').trim().parse().expect("a number")
}

/// Runs `work`. Returns by how much a statistic of Redis grew, and the result of `work`.
async fn measure<T>(redis: &RedisServer, name: &str, work: impl Future<Output = T>) -> (u64, T) {
    let first = stat(redis, name).await;
    let idle = stat(redis, name).await - first;
    let before = stat(redis, name).await;
    let outcome = work.await;
    let after = stat(redis, name).await;
    (after.saturating_sub(before + idle), outcome)
}

async fn count_commands<T>(redis: &RedisServer, work: impl Future<Output = T>) -> (u64, T) {
    measure(redis, "total_commands_processed", work).await
}

/// The fewest commands of several attempts, and the result of the last one. Once a second or so, a server sends commands of its own.
async fn count_fewest_commands<T>(redis: &RedisServer, work: impl AsyncFn() -> T) -> (u64, T) {
    let (mut fewest, mut outcome) = count_commands(redis, work()).await;
    for _ in 0..4 {
        let (commands, last) = count_commands(redis, work()).await;
        (fewest, outcome) = (fewest.min(commands), last);
    }
    (fewest, outcome)
}

async fn count_bytes<T>(redis: &RedisServer, work: impl Future<Output = T>) -> (u64, T) {
    measure(redis, "total_net_output_bytes", work).await
}

fn aliases(count: usize, name: &str, field: &str) -> String {
    (0..count).map(|n| format!("{name}{n}: {field} ")).collect()
}

async fn server_with_rooms(count: usize) -> (RedisServer, Server, Client, Vec<RoomKey>) {
    let redis = RedisServer::start().await;
    let server = Server::with(&[("REDIS_URL", &redis.url()), ("OPERATION_MAX_COST", "1000000")]);
    let client = server.client();
    let mut rooms = Vec::new();
    for _ in 0..count {
        rooms.push(client.create_room().await);
    }
    (redis, server, client, rooms)
}

/// Asserts that the query takes at most this many commands once caches are warm. Returns its data.
async fn assert_commands_at_most(redis: &RedisServer, client: &Client, query: &str, most: u64) -> Value {
    client.data(query, json!({})).await;
    let (commands, data) = count_fewest_commands(redis, async || client.data(query, json!({})).await).await;
    println!("{commands} commands for {} bytes of a query", query.len());
    assert!(commands <= most, "{commands} commands, not {most} at most, for {query}");
    data
}

#[tokio::test]
async fn a_page_of_rooms_takes_few_redis_commands_however_many_aliases_it_has() {
    let (redis, _server, client, rooms) = server_with_rooms(100).await;
    let fields = format!("id createdAt expiresAt chatterCount {}", aliases(30, "v", "viewerCount"));
    let query = format!("{{ activeRooms(first: 50) {{ totalCount nodes {{ {fields} }} }} }}");
    let data = assert_commands_at_most(&redis, &client, &query, 110).await;
    assert_eq!(data["activeRooms"]["nodes"].as_array().map(Vec::len), Some(50));
    assert_eq!(data["activeRooms"]["nodes"][49]["v29"], 0);

    let all = "totalCount edges { cursor node { ...F } } nodes { ...F } pageInfo { endCursor }";
    let fields = format!("id createdAt expiresAt chatterCount {}", aliases(15, "v", "viewerCount"));
    let query = format!("{{ activeRooms(first: 100) {{ {all} }} }} fragment F on ActiveRoom {{ {fields} }}");
    assert_commands_at_most(&redis, &client, &query, 160).await;

    let page = "activeRooms(first: 50) { nodes { id viewerCount } }";
    let query = format!("{{ {} }}", aliases(10, "a", page));
    assert_commands_at_most(&redis, &client, &query, 110).await;

    // With viewers in all rooms.
    let mut readers = Vec::new();
    let nodes = data["activeRooms"]["nodes"].as_array().expect("rooms");
    let other = Server::on_redis(&redis.url());
    for room in rooms.iter().filter(|room| nodes.iter().any(|node| node["id"] == room.id.as_str())) {
        readers.push(Subscriber::open(other.address(), room, None).await);
    }
    for room in rooms.iter().filter(|room| nodes.iter().any(|node| node["id"] == room.id.as_str())) {
        client.wait_for_viewers(room, 1).await;
    }
    assert_commands_at_most(&redis, &client, &query, 160).await;
}

#[tokio::test]
async fn fields_of_a_room_take_few_redis_commands_however_many_aliases_they_have() {
    let (redis, _server, client, _) = server_with_rooms(0).await;
    let room = client.create_room().await;
    let mut ada = User::of(client.clone());
    for n in 0..20 {
        ada.send(&room, &format!("message {n}")).await;
    }
    let (messages, chatters) = ("messages(last: 10) { nodes { text } }", "chatters { nodes { id } }");
    let fields = [aliases(10, "m", messages), aliases(10, "c", chatters), aliases(10, "v", "viewerCount")].concat();
    let of_room = |fields: &str| format!("room(id: \"{}\", code: \"{}\") {{ {fields} }}", room.id, room.code);
    let data = assert_commands_at_most(&redis, &client, &format!("{{ {} }}", of_room(&fields)), 25).await;
    assert_eq!(data["room"]["m9"]["nodes"][9]["text"], "message 19");
    let all = aliases(10, "r", &of_room(&format!("{messages} {chatters} viewerCount")));
    let data = assert_commands_at_most(&redis, &client, &format!("{{ {all} }}"), 25).await;
    assert_eq!(data["r9"]["messages"]["nodes"][9]["text"], "message 19");
}

#[tokio::test]
async fn the_reactions_of_a_user_to_a_page_are_read_at_once() {
    let (redis, _server, client, _) = server_with_rooms(0).await;
    let room = client.create_room().await;
    let mut ada = User::of(client.clone());
    for n in 0..50 {
        let message = ada.send(&room, &format!("message {n}")).await;
        if n % 10 == 0 {
            react(&mut ada, &room, message["id"].as_str().expect("an id"), "👍", true).await;
        }
    }
    let by = format!("reactionsBy(userId: \"{}\")", ada.id.as_ref().expect("an id"));
    let page = format!("messages(last: 50) {{ nodes {{ a: {by} b: {by} }} edges {{ node {{ {by} }} }} }}");
    let query = format!("{{ room(id: \"{}\", code: \"{}\") {{ {page} }} }}", room.id, room.code);
    // One script reads them, with one command for each message.
    let data = assert_commands_at_most(&redis, &client, &query, 65).await;
    let nodes = &data["room"]["messages"]["nodes"];
    assert_eq!((&nodes[40]["b"], &nodes[41]["a"]), (&json!(["👍"]), &json!([])));
}

#[tokio::test]
async fn the_legacy_list_of_rooms_takes_few_redis_commands() {
    let (redis, server, ..) = server_with_rooms(120).await;
    let list = async || http_get(server.url("/rooms_views/")).await.text().await.expect("a body");
    list().await;
    let (commands, body) = count_fewest_commands(&redis, list).await;
    println!("{commands} commands for a legacy list of 120 rooms");
    assert_eq!(body.matches("room:*").count(), 120);
    assert!(commands <= 180, "{commands} commands for 120 rooms");
}

/// A room with 400 kB of text, and its author.
async fn full_room(client: &Client) -> (RoomKey, User, String) {
    let room = client.create_room().await;
    let mut ada = User::of(client.clone());
    let mut first = None;
    for _ in 0..100 {
        let message = ada.send(&room, &"x".repeat(4_000)).await;
        first.get_or_insert_with(|| message["id"].as_str().expect("an id").to_owned());
    }
    (room, ada, first.expect("a message"))
}

/// Sends every kind of request for the room's content with a wrong code. Returns the number of requests.
async fn try_wrong_code(server: &Server, room: &RoomKey, ada: &mut User, message: &str) -> u64 {
    let client = server.client();
    let wrong = RoomKey { id: room.id.clone(), code: "wrong".into() };
    let read = |fields: &str| format!("room(id: \"{}\", code: \"wrong\") {{ {fields} }}", room.id);
    let page = read("messages(last: 100) { nodes { text } } chatters(first: 100) { nodes { id } }");
    let many =
        (0..10).map(|n| format!("r{n}: {} ", read(&format!("messages(last: {}) {{ nodes {{ text }} }}", 91 + n))));
    for query in [format!("{{ {page} }}"), format!("{{ {} }}", many.collect::<String>())] {
        let answer = client.request(&query, json!({})).await;
        assert!(answer["errors"][0]["extensions"]["code"].is_string(), "{answer}");
        assert!(!answer.to_string().contains("xxx"), "the response contains text of the room");
    }
    ada.client = client.clone();
    for new_text in [Some("y"), None] {
        let answer = ada.try_change(&wrong, message, new_text).await.expect("an answer");
        assert!(answer["errors"][0]["extensions"]["code"].is_string(), "{answer}");
    }
    let http = http_client().build().expect("a client");
    let legacy = http.post(server.url("/room/")).json(&json!({ "room_id": room.id, "room_code": "wrong" }));
    assert!(!legacy.send().await.expect("an answer").text().await.expect("a body").contains("xxx"));
    let follow = format!("subscription {{ messageEvents(roomId: \"{}\", roomCode: \"wrong\") {{ cursor }} }}", room.id);
    let stream = http.post(server.url("/graphql")).header("accept", "text/event-stream");
    stream.json(&json!({ "query": follow })).send().await.expect("an answer").text().await.expect("a body");
    6
}

#[tokio::test]
async fn a_wrong_code_reads_none_of_the_room_s_content() {
    for limits in ["off", "on"] {
        let redis = RedisServer::start().await;
        let url = redis.url();
        let server = Server::on_redis(&url);
        let (room, mut ada, message) = full_room(&server.client()).await;
        // At first this server has not cached the room.
        let other = Server::with(&[("REDIS_URL", &url), ("RATE_LIMITS", limits)]);
        for _ in 0..3 {
            let (bytes, requests) = count_bytes(&redis, try_wrong_code(&other, &room, &mut ada, &message)).await;
            println!("{bytes} bytes out of Redis for {requests} requests with a wrong code, limits {limits}");
            assert!(bytes < 20_000, "{bytes} bytes were read for {requests} requests with a wrong code");
        }
    }
}

#[tokio::test]
async fn a_cached_room_is_read_with_one_call() {
    let (redis, _server, client, _) = server_with_rooms(0).await;
    let room = client.create_room().await;
    User::of(client.clone()).send(&room, "hello").await;
    let query = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { messages { nodes { text } } } }";
    let read = async || client.data(query, json!({ "id": room.id, "code": room.code })).await;
    read().await;
    let (commands, _) = count_fewest_commands(&redis, read).await;
    // One script: EVALSHA, TIME, the room, whether it is complete, and its messages.
    assert!(commands <= 5, "{commands} commands for a page of messages");
}

#[tokio::test]
async fn a_room_that_the_store_lost_is_not_found_although_it_was_cached() {
    let (redis, _server, client, _) = server_with_rooms(0).await;
    let room = client.create_room().await;
    let mut ada = User::of(client.clone());
    let message = ada.send(&room, "hello").await["id"].as_str().expect("an id").to_owned();
    redis.command(&["FLUSHALL"]).await;
    let query = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { messages { nodes { text } } } }";
    let variables = json!({ "id": room.id, "code": room.code });
    assert_eq!(client.code(query, variables.clone()).await, "ROOM_NOT_FOUND");
    let change = ada.try_change(&room, &message, None).await.expect("an answer");
    assert_eq!(change["errors"][0]["extensions"]["code"], "ROOM_NOT_FOUND");
    let wrong = json!({ "id": room.id, "code": "wrong" });
    assert_eq!(client.code(query, wrong).await, "ROOM_NOT_FOUND", "the cached room was dropped");
}
