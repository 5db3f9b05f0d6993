//! Rates, room codes and tokens, through the front door: on both stores, and over two servers on one Redis.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::client::{Client, DELETE, EDIT, RoomKey, SEND, User, error_code};
use crate::support::http;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::socket::{Socket, events_of};
use crate::support::stream::{self, Stream};

const ON: (&str, &str) = ("RATE_LIMITS", "on");
const OPEN: &str = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { id } }";
pub const CREATE: &str = "mutation { createRoom { room { id code } } }";

/// The servers over one store: one on the embedded, two on Redis.
pub struct Nodes {
    servers: Vec<Server>,
    redis: Option<RedisServer>,
}

impl Nodes {
    pub async fn on_each_store(environment: &[(&str, &str)]) -> Vec<Self> {
        let environment = [environment, &[ON]].concat();
        let redis = RedisServer::start().await;
        let url = redis.url();
        let shared = [&environment[..], &[("REDIS_URL", url.as_str())]].concat();
        vec![
            Self { servers: vec![Server::with(&environment)], redis: None },
            Self { servers: vec![Server::with(&shared), Server::with(&shared)], redis: Some(redis) },
        ]
    }

    /// A client of the `n`th server, over and over, at this address.
    pub fn client(&self, n: usize, host: u32) -> Client {
        Client::from_address(self.url(n), address(host))
    }

    /// Where the `n`th server, over and over, answers GraphQL.
    pub fn url(&self, n: usize) -> String {
        self.servers[n % self.servers.len()].url("/graphql")
    }
}

/// One of the many addresses that this machine has for itself.
fn address(host: u32) -> IpAddr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + host).into()
}

/// Checks that an answer says too often in these words; how long to wait.
pub fn limited(answer: &Value, message: &str) -> Duration {
    assert_eq!(error_code(answer), "RATE_LIMITED", "{answer}");
    assert!(answer["errors"][0]["message"].as_str().is_some_and(|text| text.contains(message)), "{answer}");
    let millis = answer["errors"][0]["extensions"]["retryAfterMs"].as_u64();
    Duration::from_millis(millis.unwrap_or_else(|| panic!("no retryAfterMs in {answer}")))
}

async fn try_code(client: &Client, room: &RoomKey, code: &str) -> Value {
    client.request(OPEN, json!({ "id": room.id, "code": code })).await
}

/// What becomes of a try: `OK` or the code of the refusal.
pub async fn outcome(client: &Client, room: &RoomKey, code: &str) -> String {
    let answer = try_code(client, room, code).await;
    if answer.get("errors").is_some() { error_code(&answer) } else { "OK".into() }
}

/// A code of the right form that does not open the room.
pub fn wrong(room: &RoomKey) -> String {
    let number: u32 = room.code.parse().expect("digits");
    format!("{:06}", (number + 1) % 1_000_000)
}

fn input(room: &RoomKey, user: &User) -> Value {
    json!({ "roomId": room.id, "roomCode": room.code, "userId": user.id, "token": user.token })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_are_made_so_often_per_address_and_again_after_the_time_that_was_told() {
    for nodes in Nodes::on_each_store(&[("RATE_ROOMS_PER_ADDRESS", "15/m:2")]).await {
        let client = nodes.client(0, 1);
        client.create_room().await;
        client.create_room().await;
        let wait = limited(&client.request(CREATE, json!({})).await, "too many rooms");
        assert!(wait <= Duration::from_secs(4), "{wait:?}");
        let rest = http::Client::of(&nodes.servers[0].url(""));
        assert_eq!(rest.get("/v1/room/create").await.status, 200, "another address");
        tokio::time::sleep(wait).await;
        client.create_room().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_legacy_routes_answer_429_in_their_envelope_with_the_seconds_to_wait() {
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
async fn a_user_sends_edits_and_deletes_so_often_and_goes_on_with_the_same_token() {
    for nodes in Nodes::on_each_store(&[("RATE_SENDS_PER_USER", "15/m:3")]).await {
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
        limited(&client.request(DELETE, json!({ "input": change })).await, "this user sends too fast");
        change["text"] = json!("four");
        limited(&client.request(EDIT, json!({ "input": change })).await, "this user sends too fast");
        let wait = limited(&client.request(SEND, json!({ "input": send })).await, "this user sends too fast");
        assert!(wait <= Duration::from_secs(4), "{wait:?}");
        User::of(client).send(&room, "another user").await;
        tokio::time::sleep(wait).await;
        ada.send(&room, "three").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_takes_so_many_sends_of_all_its_users_over_both_wires() {
    for nodes in Nodes::on_each_store(&[("RATE_SENDS_PER_ROOM", "15/m:2")]).await {
        let client = nodes.client(0, 1);
        let (room, other) = (client.create_room().await, client.create_room().await);
        let mut users: Vec<_> = (0..3).map(|_| User::of(client.clone())).collect();
        users[0].send(&room, "one").await;
        users[1].send(&room, "two").await;
        let wait =
            limited(&users[2].try_send(&room, "three").await.expect("an answer"), "too much is sent to this room");
        users[2].send(&other, "elsewhere").await;
        let body = json!({ "room_id": room.id, "room_code": room.code, "user_id": "somebody-else", "message": "x" });
        let rest = http::Client::of(&nodes.servers[0].url(""));
        let answer = rest.post("/v1/room/message/send", &body).await;
        assert_eq!((answer.status, &answer.json()["status_code"]), (429, &json!(429)));
        tokio::time::sleep(wait).await;
        users[2].send(&room, "three").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_are_opened_so_often_over_every_transport() {
    for nodes in Nodes::on_each_store(&[("RATE_SUBSCRIPTIONS_PER_ADDRESS", "1/h:1")]).await {
        let server = &nodes.servers[0];
        let (client, words) = (server.client(), "too many subscriptions");
        let room = client.create_room().await;
        let mut socket = Socket::ready(server.address()).await;
        socket.follow("1", &client, &room).await;
        socket.subscribe("2", &events_of(&room), json!({})).await;
        let refused = socket.hear().await;
        assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("2")));
        limited(&json!({ "errors": refused["payload"] }), words);
        let url = server.url("/graphql");
        let mut events = Stream::of(stream::post(&url, "text/event-stream", &events_of(&room), json!({}))).await;
        events.block().await.expect("the word on when to come back");
        let (_, next) = events.next().await;
        limited(&next, words);
        let multipart = "multipart/mixed;subscriptionSpec=1.0, application/json";
        let answer = stream::post(&url, multipart, &events_of(&room), json!({})).send().await.expect("an answer");
        limited(&answer.json().await.expect("JSON"), words);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_limits_can_be_turned_off_and_the_log_says_so() {
    let settings = [("RATE_ROOMS_PER_ADDRESS", "1/h:1"), ("WRONG_CODES_PER_ADDRESS", "1:1h")];
    let mut off = Server::with(&[&settings[..], &[("RATE_LIMITS", "off")]].concat());
    let mut on = Server::with(&[&settings[..], &[ON]].concat());
    let (free, bound) = (off.client(), on.client());
    let (room, _) = (free.create_room().await, free.create_room().await);
    for _ in 0..5 {
        assert_eq!(outcome(&free, &room, &wrong(&room)).await, "ROOM_CODE_INVALID");
    }
    bound.create_room().await;
    limited(&bound.request(CREATE, json!({})).await, "too many rooms");
    assert!(off.terminate().await.success() && on.terminate().await.success());
    assert!(off.log().contains("RATE_LIMITS=off: nothing is limited"), "{}", off.log());
    assert!(!on.log().contains("RATE_LIMITS"), "{}", on.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_guesses_at_once_are_ten_guesses_over_all_servers() {
    for nodes in Nodes::on_each_store(&[]).await {
        let room = nodes.client(0, 1).create_room().await;
        let guessers = [nodes.client(0, 2), nodes.client(1, 2)];
        let code = wrong(&room);
        let guesses = (0..100).map(|n| outcome(&guessers[n % 2], &room, &code));
        let mut counts = HashMap::new();
        for outcome in join_all(guesses).await {
            *counts.entry(outcome).or_insert(0) += 1;
        }
        assert_eq!(counts, HashMap::from([("ROOM_CODE_INVALID".to_owned(), 10), ("RATE_LIMITED".to_owned(), 90)]));
        for guesser in &guessers {
            let wait = limited(&try_code(guesser, &room, &room.code).await, "too many wrong room codes");
            assert!(wait <= Duration::from_secs(60) && wait > Duration::from_secs(20), "{wait:?}");
        }
        assert_eq!(outcome(&nodes.client(1, 3), &room, &room.code).await, "OK", "from another address");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_knows_a_room_is_not_locked_out_of_it_on_any_server() {
    for nodes in Nodes::on_each_store(&[]).await {
        let creator = nodes.client(0, 1);
        let (room, other, made_here) =
            (creator.create_room().await, creator.create_room().await, nodes.client(0, 2).create_room().await);
        let (here, there) = (nodes.client(0, 2), nodes.client(1, 2));
        assert_eq!(outcome(&here, &room, &room.code).await, "OK");
        for _ in 0..10 {
            assert_eq!(outcome(&here, &other, &wrong(&other)).await, "ROOM_CODE_INVALID");
        }
        for client in [&here, &there] {
            assert_eq!(outcome(client, &other, &other.code).await, "RATE_LIMITED");
            assert_eq!(outcome(client, &room, &room.code).await, "OK", "a room it has opened");
            assert_eq!(outcome(client, &made_here, &made_here.code).await, "OK", "a room it has made");
        }
        User::of(there).send(&room, "still here").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_knows_a_room_cannot_be_used_to_guess_its_code() {
    for nodes in Nodes::on_each_store(&[]).await {
        let client = nodes.client(0, 1);
        let (room, other) = (client.create_room().await, client.create_room().await);
        let code = wrong(&room);
        let guesses = join_all((0..50).map(|_| outcome(&client, &room, &code))).await;
        assert_eq!(guesses.iter().filter(|outcome| *outcome == "ROOM_CODE_INVALID").count(), 5);
        limited(&try_code(&client, &room, &room.code).await, "too many wrong room codes");
        assert_eq!(outcome(&client, &other, &other.code).await, "OK", "another room that it knows");
        assert_eq!(outcome(&nodes.client(0, 2), &room, &room.code).await, "OK", "another address");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lockout_ends_when_it_was_told_to_and_the_next_is_twice_as_long() {
    for nodes in Nodes::on_each_store(&[("WRONG_CODES_PER_ADDRESS", "1:3s")]).await {
        let room = nodes.client(0, 1).create_room().await;
        let mut wait = Duration::ZERO;
        for (node, longest) in [(0, Duration::from_secs(3)), (1, Duration::from_secs(6))] {
            tokio::time::sleep(wait).await;
            let guesser = nodes.client(node, 2);
            assert_eq!(outcome(&guesser, &room, &wrong(&room)).await, "ROOM_CODE_INVALID");
            wait = limited(&try_code(&nodes.client(node + 1, 2), &room, &room.code).await, "too many wrong room codes");
            assert!(wait <= longest && wait > longest / 2, "{wait:?} of {longest:?}");
        }
        tokio::time::sleep(wait).await;
        assert_eq!(outcome(&nodes.client(0, 2), &room, &room.code).await, "OK");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_addresses_together_have_a_bounded_number_of_guesses_and_who_knows_the_room_goes_on() {
    for nodes in Nodes::on_each_store(&[("WRONG_CODES_PER_ROOM", "4")]).await {
        let creator = nodes.client(0, 1);
        let room = creator.create_room().await;
        let code = wrong(&room);
        let first = nodes.client(0, 2);
        for _ in 0..5 {
            assert_eq!(outcome(&first, &room, &code).await, "ROOM_CODE_INVALID");
        }
        let wait = limited(&try_code(&first, &room, &room.code).await, "too many wrong room codes");
        assert!(wait > Duration::from_secs(23 * 3_600), "until the room ends, not for {wait:?}");
        assert_eq!(outcome(&nodes.client(1, 3), &room, &room.code).await, "OK", "one try for each stranger");
        let guessers: Vec<_> = (0..60).map(|n| nodes.client(n, 10 + n as u32)).collect();
        let outcomes = join_all(guessers.iter().map(|guesser| outcome(guesser, &room, &code))).await;
        let looked_at = outcomes.iter().filter(|outcome| *outcome == "ROOM_CODE_INVALID").count();
        assert_eq!(looked_at, 35, "forty wrong codes in all");
        assert_eq!(outcome(&nodes.client(0, 4), &room, &room.code).await, "RATE_LIMITED", "a stranger comes too late");
        for n in 0..2 {
            assert_eq!(outcome(&nodes.client(n, 1), &room, &room.code).await, "OK", "its creator");
            assert_eq!(outcome(&nodes.client(n, 3), &room, &room.code).await, "OK", "who was there before");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_right_codes_at_once_from_a_new_address_all_open() {
    for nodes in Nodes::on_each_store(&[("WRONG_CODES_PER_ADDRESS", "2:1h")]).await {
        let creator = nodes.client(0, 1);
        let rooms = join_all((0..10).map(|_| creator.create_room())).await;
        let clients = [nodes.client(0, 2), nodes.client(0, 2)];
        let opened = (0..40).map(|n| {
            let room = &rooms[n % rooms.len()];
            outcome(&clients[n % 2], room, &room.code)
        });
        let outcomes = join_all(opened).await;
        assert!(outcomes.iter().all(|outcome| outcome == "OK"), "{outcomes:?}");
        assert_eq!(outcome(&clients[0], &creator.create_room().await, "000").await, "ROOM_CODE_INVALID");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_no_room_are_not_counted() {
    for nodes in Nodes::on_each_store(&[("WRONG_CODES_PER_ADDRESS", "1:1h")]).await {
        let room = nodes.client(0, 1).create_room().await;
        let client = nodes.client(0, 2);
        let nowhere = RoomKey { id: "0".repeat(32), code: room.code.clone() };
        for _ in 0..3 {
            assert_eq!(outcome(&client, &nowhere, &nowhere.code).await, "ROOM_NOT_FOUND");
        }
        assert_eq!(outcome(&client, &room, &room.code).await, "OK");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_tokens_are_limited_and_lock_the_right_one_out_nowhere() {
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
            assert!(limited(&answer, "too many wrong tokens") <= Duration::from_secs(60));
        }
        let elsewhere = forger(1, 2).try_send(&room, "forged").await.expect("an answer");
        assert_eq!(error_code(&elsewhere), "TOKEN_INVALID", "from another address");
        ada.send(&room, "two").await;
        assert_eq!(ada.client.texts(&room).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_with_a_made_up_token_does_not_tell_whether_its_user_exists() {
    for nodes in Nodes::on_each_store(&[("WRONG_TOKENS_PER_USER", "3:1m")]).await {
        let client = nodes.client(0, 1);
        let room = client.create_room().await;
        let mut ada = User { id: Some("ada-0123456789".into()), ..User::of(client) };
        let message = ada.send(&room, "one").await["id"].clone();
        let stranger = nodes.client(0, 2);
        let missing = format!("{}-7", room.id);
        // As many of each, so that every count stands where it stands for the other.
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
async fn legacy_changes_by_users_nobody_knows_count_as_misses_too() {
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
async fn tokens_tried_for_many_users_are_counted_in_a_bounded_number_of_counters() {
    let redis = RedisServer::start().await;
    let server = Server::with(&[ON, ("REDIS_URL", &redis.url()), ("RATE_SENDS_PER_ROOM", "1000000/s:1000000")]);
    let room = server.client().create_room().await;
    let client = Client::of(server.url("/graphql"));
    let keys: usize = redis.ask(&["DBSIZE"]).await;
    let tries = (0..3_000).map(|n| {
        let input = json!({ "roomId": room.id, "roomCode": room.code, "userId": format!("nobody-{n:08}"),
            "token": "0".repeat(32), "messageId": format!("{}-0", room.id) });
        client.request(DELETE, json!({ "input": input }))
    });
    futures_util::stream::iter(tries)
        .buffer_unordered(16)
        .for_each(async |answer| assert!(error_code(&answer).len() > 1))
        .await;
    let grown = redis.ask::<usize>(&["DBSIZE"]).await - keys;
    assert!((100..=1_100).contains(&grown), "{grown} keys");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_code_is_looked_at_while_the_store_is_away() {
    let mut nodes = Nodes::on_each_store(&[]).await.pop().expect("the ones on Redis");
    let room = nodes.client(0, 1).create_room().await;
    nodes.redis.as_mut().expect("a Redis").kill();
    for (host, code) in [(1, room.code.clone()), (2, room.code.clone()), (2, wrong(&room))] {
        assert_eq!(outcome(&nodes.client(0, host), &room, &code).await, "UNAVAILABLE");
    }
}
