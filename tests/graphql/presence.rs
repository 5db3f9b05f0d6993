//! Who is here and who is typing, on each store and over two servers.

use std::net::IpAddr;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::client::{Client, RoomKey, User, error_code};
use crate::support::owner::OwnedRoom;
use crate::support::presence::{Member, PRESENCE, PresenceReader, set_typing, variables};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::socket::{LEGACY_PROTOCOL, Socket};
use crate::support::stream::{Stream, WithQuery as _, http, post};
use crate::support::subscriber::Subscriber;

/// Runs a test with two addresses at which the same rooms are found: one server per store, and two servers on one Redis.
async fn everywhere(test: impl AsyncFn(&Server, &Server)) {
    let redis = RedisServer::start().await;
    let two = [Server::on_redis(&redis.url()), Server::on_redis(&redis.url())];
    let one = Server::embedded();
    futures_util::join!(test(&one, &one), test(&two[0], &two[1]));
}

#[tokio::test]
async fn users_are_present_while_they_have_subscriptions_and_a_little_longer() {
    everywhere(async |here, there| {
        let client = here.client();
        let room = client.create_room().await;
        let mut unseen = PresenceReader::open(here.address(), &room, None).await;
        assert!(unseen.users.is_empty() && unseen.user_count == 0, "a reader without a token is not shown");
        let [ada, bob, cyd] = ["ada", "bob", "cyd"];
        let ada = Member::join(&client, &room, ada).await;
        let bob = Member::join(&client, &room, bob).await;
        let cyd = Member::join(&client, &room, cyd).await;
        let mut first = PresenceReader::open_as(here.address(), &room, &ada).await;
        let second = PresenceReader::open_as(here.address(), &room, &ada).await;
        let third = PresenceReader::open_as(there.address(), &room, &ada).await;
        unseen.until_present(&[&ada]).await;
        first.until_present(&[&ada]).await;
        let bob_here = PresenceReader::open_as(there.address(), &room, &bob).await;
        let cyd_here = PresenceReader::open_as(there.address(), &room, &cyd).await;
        unseen.until_present(&[&ada, &bob, &cyd]).await;
        // Ada closes two of three tabs and Cyd comes back at once, before Bob leaves for good.
        drop((second, third, cyd_here));
        let cyd_again = PresenceReader::open_as(here.address(), &room, &cyd).await;
        drop(bob_here);
        unseen.until_present(&[&ada, &cyd]).await;
        assert_eq!(unseen.left, [bob.id.as_str()], "nobody else has flickered");
        let snapshot = PresenceReader::open(there.address(), &room, None).await;
        assert_eq!(snapshot.users, unseen.users);
        assert!(snapshot.users.values().all(|role| role == "MEMBER"));
        drop((first, cyd_again));
        unseen.until_present(&[]).await;
    })
    .await;
}

#[tokio::test]
async fn typing_is_shown_until_the_next_message_or_for_a_few_seconds() {
    everywhere(async |here, there| {
        let client = here.client();
        let room = client.create_room().await;
        let (ada, bob) = (Member::join(&client, &room, "ada").await, Member::join(&client, &room, "bob").await);
        let mut reader = PresenceReader::open_as(there.address(), &room, &bob).await;
        let response = ada.set_typing(&client, &room).await;
        assert!(response["data"]["setTyping"]["until"].is_string(), "{response}");
        reader.until_typing(&[&ada]).await;
        bob.set_typing(&there.client(), &room).await;
        reader.until_typing(&[&ada, &bob]).await;
        let late = PresenceReader::open(there.address(), &room, None).await;
        assert!(late.typing.contains(&bob.id), "a snapshot shows who is typing");
        let mut author = User { id: Some(ada.id.clone()), token: Some(ada.token.clone()), ..User::of(client.clone()) };
        author.send(&room, "done").await;
        reader.until_typing(&[&bob]).await;
        reader.until_typing(&[]).await;
        assert_eq!(client.texts(&room).await.len(), 1, "typing is no event");
    })
    .await;
}

#[tokio::test]
async fn a_banned_user_is_gone_at_once_and_can_only_read() {
    everywhere(async |here, there| {
        let client = here.client();
        let owned = OwnedRoom::create(&client).await;
        let room = &owned.key;
        let [ada, eve] = [Member::join(&client, room, "ada").await, Member::join(&client, room, "eve").await];
        // The address of Eve is banned, too.
        let mut reader = PresenceReader::open(here.address(), room, None).await;
        let mut of_eve = PresenceReader::open_as(there.address(), room, &eve).await;
        reader.until_present(&[&eve]).await;
        eve.set_typing(&client, room).await;
        reader.until_typing(&[&eve]).await;
        owned.act("banUser", json!({ "userId": eve.id, "seconds": 3_600 }), "cursor").await;
        reader.until_present(&[]).await;
        reader.until_typing(&[]).await;
        of_eve.until_present(&[]).await;
        for server in [here, there] {
            let refused = PresenceReader::try_open(server.address(), room, Some(&eve.presence_token)).await;
            assert_eq!(refused.err().as_deref(), Some("USER_BANNED"));
            let response = eve.set_typing(&server.client(), room).await;
            assert_eq!(error_code(&response), "USER_BANNED");
            assert!(response["errors"][0]["extensions"]["until"].is_string(), "{response}");
        }
        owned.act("unbanUser", json!({ "userId": eve.id }), "cursor").await;
        reader.until_present(&[&eve]).await;
        let _of_ada = PresenceReader::open_as(here.address(), room, &ada).await;
        of_eve.until_present(&[&ada, &eve]).await;
    })
    .await;
}

#[tokio::test]
async fn a_banned_address_shows_nobody_who_is_there_now() {
    everywhere(async |here, there| {
        let elsewhere = Client::from_address(here.url("/graphql"), IpAddr::from([127, 0, 0, 2]));
        let owned = OwnedRoom::create(&elsewhere).await;
        let room = &owned.key;
        let (eve, ada) = (Member::join(&here.client(), room, "eve").await, Member::join(&elsewhere, room, "ada").await);
        // Ada has joined elsewhere, and comes from Eve's address now.
        let mut reader = PresenceReader::open_as(there.address(), room, &ada).await;
        reader.until_present(&[&ada]).await;
        owned.act("banUser", json!({ "userId": eve.id }), "cursor").await;
        reader.until_present(&[]).await;
        let refused = PresenceReader::try_open(here.address(), room, Some(&ada.presence_token)).await;
        assert_eq!(refused.err().as_deref(), Some("USER_BANNED"));
        assert_eq!(error_code(&ada.set_typing(&there.client(), room).await), "USER_BANNED");
        let response = ada.set_typing(&elsewhere, room).await;
        assert!(response["data"]["setTyping"]["until"].is_string(), "{response}");
    })
    .await;
}

#[tokio::test]
async fn owners_are_shown_as_such() {
    everywhere(async |here, there| {
        let client = here.client();
        let owned = OwnedRoom::create(&client).await;
        let room = &owned.key;
        let ada = Member::join_with(&client, room, "ada", Some(&owned.token)).await;
        let bob = Member::join(&client, room, "bob").await;
        let mut reader = PresenceReader::open_as(there.address(), room, &bob).await;
        let _of_ada = PresenceReader::open_as(here.address(), room, &ada).await;
        reader.until_present(&[&ada, &bob]).await;
        assert_eq!((&*reader.users[&ada.id], &*reader.users[&bob.id]), ("OWNER", "MEMBER"));
        let input = json!({ "roomId": room.id, "roomCode": room.code, "userId": bob.id, "token": bob.token,
            "ownerToken": owned.token, "text": "I am one, too" });
        let sent = client.mutate("sendMessage", input, "cursor").await;
        assert!(sent.get("errors").is_none(), "{sent}");
        reader.until("Bob is an owner", |reader| reader.users[&bob.id] == "OWNER").await;
        assert!(reader.left.is_empty());
    })
    .await;
}

#[tokio::test]
async fn viewers_are_counted_as_in_the_room_and_presence_is_no_viewer() {
    everywhere(async |here, there| {
        let client = here.client();
        let room = client.create_room().await;
        let mut reader = PresenceReader::open(here.address(), &room, None).await;
        assert_eq!(reader.viewer_count, 0);
        let viewers =
            [Subscriber::open(here.address(), &room, None).await, Subscriber::open(there.address(), &room, None).await];
        reader.until("both viewers are counted", |reader| reader.viewer_count == 2).await;
        client.wait_for_viewers(&room, 2).await;
        drop(viewers);
        reader.until("no viewer is counted", |reader| reader.viewer_count == 0).await;
        assert!(reader.left.is_empty() && reader.users.is_empty());
    })
    .await;
}

#[tokio::test]
async fn wrong_tokens_are_refused_and_a_lock_stops_typing() {
    let server = Server::embedded();
    let (client, address) = (server.client(), server.address());
    let owned = OwnedRoom::create(&client).await;
    let room = &owned.key;
    let other = client.create_room().await;
    let elsewhere = Member::join(&client, &other, "ada").await;
    let ada = Member::join(&client, room, "ada").await;
    let rich = Member::join_with(&client, room, "rich", Some(&owned.token)).await;
    for token in ["", "wrong", &ada.token, &elsewhere.presence_token] {
        let refused = PresenceReader::try_open(address, room, Some(token)).await;
        assert_eq!(refused.err().as_deref(), Some("PRESENCE_TOKEN_INVALID"), "{token}");
        assert_eq!(error_code(&set_typing(&client, room, token).await), "PRESENCE_TOKEN_INVALID", "{token}");
    }
    let wrong_code = RoomKey { code: "wrong".to_owned(), ..room.clone() };
    let refused = PresenceReader::try_open(address, &wrong_code, Some(&ada.presence_token)).await;
    assert_eq!(refused.err().as_deref(), Some("ROOM_CODE_INVALID"));
    assert_eq!(error_code(&ada.set_typing(&client, &wrong_code).await), "ROOM_CODE_INVALID");
    owned.update(json!({ "locked": true })).await;
    assert_eq!(error_code(&ada.set_typing(&client, room).await), "ROOM_LOCKED");
    assert!(rich.set_typing(&client, room).await["data"]["setTyping"]["until"].is_string());
    let mut reader = PresenceReader::open_as(address, room, &ada).await;
    reader.until_present(&[&ada]).await;
}

#[tokio::test]
async fn presence_works_on_every_transport_and_completes_with_its_room() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let client = server.client();
        let owned = OwnedRoom::create(&client).await;
        let room = &owned.key;
        let ada = Member::join(&client, room, "ada").await;
        let variables = variables(room, Some(&ada.presence_token));
        let is_snapshot = |payload: &Value| payload["data"]["presence"]["users"][0]["user"]["id"] == ada.id;

        // A cursor that belongs to another subscription of the same client is ignored.
        let mut events = Stream::open(post(client.url(), "text/event-stream", PRESENCE, variables.clone())).await;
        assert_eq!(events.block().await.and_then(|block| block.retry).as_deref(), Some("1000"));
        let (id, payload) = events.next().await;
        assert!(id.is_none() && is_snapshot(&payload), "{payload}");
        let cursor = client.cursor(room).await;
        let query = [("query", PRESENCE), ("variables", &variables.to_string())];
        let get = http().get(client.url()).header("accept", "text/event-stream").header("last-event-id", &cursor);
        let mut resumed = Stream::open(get.query(&query)).await;
        resumed.block().await.expect("a first block");
        assert!(is_snapshot(&resumed.next().await.1));

        let accept = "multipart/mixed;subscriptionSpec=1.0, application/json";
        let mut multipart = Stream::open(post(client.url(), accept, PRESENCE, variables.clone())).await;
        let part = loop {
            let part = multipart.until("\r\n--graphql").await.expect("a part");
            if part.contains("payload") {
                break part;
            }
        };
        let (_, json) = part.trim_end_matches("\r\n--graphql").split_once("\r\n\r\n").expect("a part with a body");
        let part: Value = serde_json::from_str(json).expect("JSON");
        assert!(is_snapshot(&part["payload"]), "{part}");

        let mut socket = Socket::ready_with(server.address(), json!({ "resume": { "presence": cursor } })).await;
        socket.subscribe("presence", PRESENCE, variables.clone()).await;
        assert!(is_snapshot(&socket.receive().await["payload"]));
        let (mut legacy, _) = Socket::offering(server.address(), Some(LEGACY_PROTOCOL)).await.expect("a socket");
        legacy.send_json(json!({ "type": "connection_init" })).await;
        while legacy.receive().await["type"] != "connection_ack" {}
        let start = json!({ "query": PRESENCE, "variables": variables });
        legacy.send_json(json!({ "id": "1", "type": "start", "payload": start })).await;
        let first = loop {
            let message = legacy.receive().await;
            if message["type"] != "ka" {
                break message;
            }
        };
        assert!(is_snapshot(&first["payload"]), "{first}");

        let mut reader = PresenceReader::open(server.address(), room, None).await;
        owned.end().await;
        while reader.update().await != "complete" {}
        assert!(resumed.rest().await.ends_with("event: complete\nid: complete\ndata:\n\n"));
        assert!(multipart.rest().await.ends_with("--\r\n"));
        let gone = PresenceReader::try_open(server.address(), room, Some(&ada.presence_token)).await;
        assert_eq!(gone.err().as_deref(), Some("ROOM_NOT_FOUND"));
    }
}

#[tokio::test]
async fn users_move_between_servers_and_from_a_stopped_one_without_flicker() {
    let redis = RedisServer::start().await;
    let (mut stopped, other) = (Server::on_redis(&redis.url()), Server::on_redis(&redis.url()));
    let client = other.client();
    let room = client.create_room().await;
    let ada = Member::join(&client, &room, "ada").await;
    let others = join_all((0..5).map(|n| {
        let (client, room) = (client.clone(), room.clone());
        async move { Member::join(&client, &room, &format!("user {n}")).await }
    }))
    .await;
    let mut reader = PresenceReader::open(other.address(), &room, None).await;
    let mut there = vec![PresenceReader::open_as(stopped.address(), &room, &ada).await];
    for member in &others {
        there.push(PresenceReader::open_as(stopped.address(), &room, member).await);
    }
    let mut all: Vec<_> = others.iter().chain([&ada]).collect();
    reader.until_present(&all).await;
    assert!(stopped.terminate().await.success());
    let mut of_ada = PresenceReader::open_as(other.address(), &room, &ada).await;
    let second = PresenceReader::open_as(other.address(), &room, &others[0]).await;
    all.clear();
    all.extend([&ada, &others[0]]);
    reader.until_present(&all).await;
    of_ada.until_present(&all).await;
    assert!(!reader.left.contains(&ada.id) && !reader.left.contains(&others[0].id), "{:?}", reader.left);
    drop(second);
}
