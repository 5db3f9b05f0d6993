//! Bans, the lock and slow mode, as clients see them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::client::{Client, User, error_code, text};
use crate::support::eventually;
use crate::support::owner::{OwnedRoom, react, send_code, try_join, try_react};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

/// A new user at `127.0.0.n`.
fn user_at(server: &Server, n: u8) -> User {
    let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, n));
    User::with_own_token(Client::from_address(server.url("/graphql"), address))
}

/// Asserts that everything a banned user may not do is refused with USER_BANNED and this end.
async fn assert_banned(user: &mut User, room: &OwnedRoom, own: &str, until: &Value) {
    let edited = user.try_change(&room.key, own, Some("changed")).await.expect("a response");
    let sent = user.try_send(&room.key, "one more").await.expect("a response");
    let (joined, reacted) = (try_join(user, &room.key).await, try_react(user, &room.key, own, "👍", true).await);
    for response in [edited, sent, joined, reacted] {
        let extensions = &response["errors"][0]["extensions"];
        assert_eq!((&extensions["code"], &extensions["until"]), (&json!("USER_BANNED"), until), "{response}");
        assert!(extensions.get("until").is_some(), "{response}");
    }
}

#[tokio::test]
async fn a_banned_user_can_read_and_delete_and_do_nothing_else() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let room = OwnedRoom::create(&server.client()).await;
        let (mut ada, mut bob) = (user_at(&server, 2), user_at(&server, 3));
        let own = text(&ada.send(&room.key, "rude").await["id"]);
        let kept = text(&ada.send(&room.key, "also rude").await["id"]);
        for seconds in [Some(3_600), None] {
            let banned = room.ban(&ada, json!({ "seconds": seconds, "reason": "rudeness" })).await;
            assert_eq!(banned["ban"]["user"]["id"], json!(ada.id));
            assert_eq!(
                (&banned["ban"]["reason"], banned["ban"]["until"].is_string()),
                (&json!("rudeness"), seconds.is_some())
            );
            assert_eq!(banned["cursor"], json!(room.client.cursor(&room.key).await));
            assert_banned(&mut ada, &room, &own, &banned["ban"]["until"]).await;
        }
        assert_eq!(room.bans("").await["totalCount"], 1, "a ban replaces the one before");
        assert_eq!(ada.client.texts(&room.key).await.len(), 2);
        let mut reader = Subscriber::open(server.address(), &room.key, Some(room.start.clone())).await;
        reader.events(2).await;
        ada.delete(&room.key, &kept).await;
        assert_eq!(reader.event().await["__typename"], "MessageDeleted");
        bob.send(&room.key, "others go on").await;

        room.unban(&ada).await;
        ada.send(&room.key, "sorry").await;
        ada.edit(&room.key, &own, "polite").await;
        assert_eq!(room.bans("").await["totalCount"], 0);
    }
}

#[tokio::test]
async fn a_repeat_of_a_send_that_was_accepted_before_the_ban_gets_its_first_answer() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, user_at(&server, 2));
        let first = ada.try_send_once(&room.key, "hello", Some("once")).await.expect("a response");
        room.ban(&ada, json!({})).await;
        let repeat = ada.try_send_once(&room.key, "hello", Some("once")).await.expect("a response");
        let sent = |response: &Value| response["data"]["sendMessage"]["message"]["id"].clone();
        assert_eq!(sent(&repeat), sent(&first));
        assert_eq!(send_code(&mut ada, &room.key).await, "USER_BANNED");
    }
}

#[tokio::test]
async fn a_ban_covers_new_ids_at_the_same_address_and_no_other_address() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let room = OwnedRoom::create(&server.client()).await;
        let (mut ada, mut bob) = (user_at(&server, 2), user_at(&server, 3));
        ada.send(&room.key, "rude").await;
        bob.send(&room.key, "hello").await;
        room.ban(&ada, json!({})).await;
        let mut again = user_at(&server, 2);
        assert_eq!(send_code(&mut again, &room.key).await, "USER_BANNED");
        assert_eq!(error_code(&try_join(&mut again, &room.key).await), "USER_BANNED");
        bob.send(&room.key, "not banned").await;
        user_at(&server, 4).send(&room.key, "not banned").await;
        // The user itself is banned at other addresses, too.
        ada.client = user_at(&server, 5).client;
        assert_eq!(send_code(&mut ada, &room.key).await, "USER_BANNED");
        let other = OwnedRoom::create(&server.client()).await;
        again.send(&other.key, "a ban holds in its room").await;
        room.unban(&ada).await;
        again.send(&room.key, "the address is free again").await;
    }
}

#[tokio::test]
async fn owners_and_strangers_cannot_be_banned_and_invalid_bans_name_their_field() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, user_at(&server, 2));
        let input = json!({ "roomId": room.key.id, "roomCode": room.key.code, "userId": ada.id,
            "token": ada.token, "ownerToken": room.token });
        let joined = ada.client.mutate("joinRoom", input, "token").await;
        ada.token = Some(text(&joined["data"]["joinRoom"]["token"]));
        for (input, field) in [
            (json!({ "userId": ada.id }), "userId"),
            (json!({ "userId": "nobody-0123456" }), "userId"),
            (json!({ "userId": "" }), "userId"),
            (json!({ "userId": ada.id, "seconds": 0 }), "seconds"),
            (json!({ "userId": ada.id, "seconds": -1 }), "seconds"),
            (json!({ "userId": ada.id, "reason": "" }), "reason"),
            (json!({ "userId": ada.id, "reason": "x".repeat(201) }), "reason"),
        ] {
            let response = room.try_act("banUser", input.clone(), "cursor").await;
            assert_eq!(error_code(&response), "VALIDATION_FAILED", "{input}: {response}");
            assert_eq!(response["errors"][0]["extensions"]["field"], field, "{response}");
        }
        let response = room.try_act("unbanUser", json!({ "userId": "nobody-0123456" }), "cursor").await;
        assert_eq!(error_code(&response), "VALIDATION_FAILED");
        // The address of the owner was not banned either.
        user_at(&server, 2).send(&room.key, "hello").await;
        ada.send(&room.key, "hello").await;
    }
}

#[tokio::test]
async fn a_ban_ends_by_itself() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, user_at(&server, 2));
        ada.send(&room.key, "rude").await;
        room.ban(&ada, json!({ "seconds": 1 })).await;
        let user = tokio::sync::Mutex::new(ada);
        eventually("the ban ends", async || {
            user.lock().await.try_send(&room.key, "back again").await.expect("a response").get("errors").is_none()
        })
        .await;
        assert_eq!(room.bans("").await["totalCount"], 0);
    }
}

#[tokio::test]
async fn bans_are_listed_in_pages_for_the_owner() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, other) = (OwnedRoom::create(&server.client()).await, OwnedRoom::create(&server.client()).await);
        let mut expected = Vec::new();
        for n in 0..5 {
            let mut user = user_at(&server, 10 + n);
            user.send(&room.key, "rude").await;
            room.ban(&user, json!({ "reason": format!("reason {n}") })).await;
            expected.push(json!(user.id));
        }
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = room.bans(&format!(", first: 2{after}")).await;
            assert_eq!(page["totalCount"], 5);
            found.extend(page["nodes"].as_array().expect("nodes").iter().map(|ban| ban["user"]["id"].clone()));
            after = format!(", after: {}", page["pageInfo"]["endCursor"]);
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert_eq!(found, expected);
        let query = |cursor: &str| {
            format!(
                "{{ room(id: \"{}\", code: \"{}\") {{ bans(ownerToken: \"{}\", after: \"{cursor}\") {{ totalCount }} }} }}",
                other.key.id, other.key.code, other.token
            )
        };
        let foreign = after.trim_start_matches(", after: ").trim_matches('"').to_owned();
        for cursor in [foreign.as_str(), "", "nonsense", &room.start] {
            assert_eq!(server.client().code(&query(cursor), json!({})).await, "CURSOR_INVALID", "{cursor}");
        }
    }
}

#[tokio::test]
async fn a_ban_can_remove_the_messages_of_the_user_each_with_an_event() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let room = OwnedRoom::create(&server.client()).await;
        let (mut ada, mut bob) = (user_at(&server, 2), user_at(&server, 3));
        for n in 0..60 {
            ada.send(&room.key, &format!("rude {n}")).await;
            bob.send(&room.key, &format!("kind {n}")).await;
        }
        let mut reader = Subscriber::open(server.address(), &room.key, Some(room.client.cursor(&room.key).await)).await;
        room.ban(&ada, json!({ "removeMessages": true })).await;
        for event in reader.events(60).await {
            assert_eq!(
                (&event["__typename"], &event["message"]["author"]["id"]),
                (&json!("MessageDeleted"), &json!(ada.id))
            );
        }
        let texts = room.client.texts(&room.key).await;
        assert_eq!(texts.iter().flatten().filter(|text| text.starts_with("kind")).count(), 60);
        assert_eq!(texts.iter().flatten().count(), 60);
    }
}

#[tokio::test]
async fn an_interrupted_removal_is_completed_by_repeating_the_ban() {
    let redis = RedisServer::start().await;
    for environment in [vec![], vec![("REDIS_URL", redis.url())]] {
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut server = Server::with(&environment);
        let (mut room, mut ada) = (OwnedRoom::create(&server.client()).await, user_at(&server, 2));
        for n in 0..400 {
            ada.send(&room.key, &format!("rude {n}")).await;
        }
        let mut reader = Subscriber::open(server.address(), &room.key, Some(room.client.cursor(&room.key).await)).await;
        let (banning, banned) = (room.clone(), ada.id.clone());
        let ban = tokio::spawn(async move {
            let input = json!({ "roomId": banning.key.id, "ownerToken": banning.token, "userId": banned,
                "removeMessages": true });
            let query = "mutation($input: BanUserInput!) { banUser(input: $input) { cursor } }";
            let _ = banning.client.try_request(query, json!({ "input": input })).await;
        });
        reader.events(3).await;
        server.kill();
        ban.await.expect("a request that ended");
        server.start();
        room.client = server.client();
        ada.client = Client::from_address(server.url("/graphql"), Ipv4Addr::new(127, 0, 0, 2).into());
        assert_eq!(send_code(&mut ada, &room.key).await, "USER_BANNED");
        room.ban(&ada, json!({ "removeMessages": true })).await;
        eventually("all messages are removed", async || room.client.texts(&room.key).await.iter().all(Option::is_none))
            .await;
    }
}

#[tokio::test]
async fn a_lock_blocks_everything_but_deletions() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, user_at(&server, 2));
        let own = text(&ada.send(&room.key, "hello").await["id"]);
        react(&mut ada, &room.key, &own, "👍", true).await;
        room.update(json!({ "locked": true })).await;
        assert_eq!(send_code(&mut ada, &room.key).await, "ROOM_LOCKED");
        assert_eq!(send_code(&mut user_at(&server, 3), &room.key).await, "ROOM_LOCKED");
        let edited = ada.try_change(&room.key, &own, Some("changed")).await.expect("a response");
        assert_eq!(error_code(&edited), "ROOM_LOCKED");
        for (emoji, add) in [("🎉", true), ("👍", false)] {
            assert_eq!(error_code(&try_react(&mut ada, &room.key, &own, emoji, add).await), "ROOM_LOCKED");
        }
        assert!(try_join(&mut ada, &room.key).await.get("errors").is_none(), "a lock is no ban");
        ada.delete(&room.key, &own).await;
        room.update(json!({ "locked": false })).await;
        ada.send(&room.key, "again").await;
    }
}

#[tokio::test]
async fn slow_mode_counts_messages_and_a_new_id_does_not_evade_it() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let room = OwnedRoom::create_with(&server.client(), json!({ "slowModeSeconds": 3_600 })).await;
        let mut ada = user_at(&server, 2);
        let own = text(&ada.send(&room.key, "one").await["id"]);
        let response = ada.try_send(&room.key, "two").await.expect("a response");
        assert_eq!(error_code(&response), "SLOW_MODE");
        let wait = response["errors"][0]["extensions"]["retryAfterMs"].as_u64().expect("a number");
        assert!((1..=3_600_000).contains(&wait), "{wait}");
        ada.edit(&room.key, &own, "edited").await;
        react(&mut ada, &room.key, &own, "👍", true).await;
        ada.delete(&room.key, &own).await;
        assert_eq!(send_code(&mut user_at(&server, 2), &room.key).await, "SLOW_MODE");
        user_at(&server, 3).send(&room.key, "elsewhere").await;
        room.update(json!({ "slowModeSeconds": 0 })).await;
        ada.send(&room.key, "two").await;
        room.update(json!({ "slowModeSeconds": 3_600 })).await;
        assert_eq!(send_code(&mut ada, &room.key).await, "SLOW_MODE", "the last message was sent before");
    }
}

#[tokio::test]
async fn messages_of_a_user_are_never_closer_than_slow_mode_allows_over_two_servers() {
    let redis = RedisServer::start().await;
    let servers = [Server::on_redis(&redis.url()), Server::on_redis(&redis.url())];
    let room = OwnedRoom::create_with(&servers[0].client(), json!({ "slowModeSeconds": 1 })).await;
    let mut first = User::with_own_token(servers[0].client());
    first.send(&room.key, "the first").await;
    let senders = (0..20).map(|n| {
        let (room, id, token) = (&room, first.id.clone(), first.token.clone());
        let mut user = User { client: servers[n % 2].client(), id, token, cursor: None };
        async move {
            let mut refused = 0;
            while !room.client.texts(&room.key).await.contains(&Some("the end".to_owned())) {
                let response = user.try_send(&room.key, &format!("by {n}")).await.expect("a response");
                match response["errors"][0]["extensions"]["code"].as_str() {
                    // The others have used up the token meanwhile.
                    None | Some("TOKEN_INVALID") => {}
                    Some("SLOW_MODE") => refused += 1,
                    Some(code) => panic!("{code}"),
                }
                if room.client.texts(&room.key).await.len() >= 4 {
                    return refused;
                }
            }
            refused
        }
    });
    let refused: u32 = join_all(senders).await.into_iter().sum();
    assert!(refused > 0, "the senders compete");
    let page = room.client.query_room(&room.key, "messages { nodes { createdAt } }").await;
    let times: Vec<jiff::Timestamp> = page["messages"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|message| text(&message["createdAt"]).parse().expect("a time"))
        .collect();
    assert!(times.len() >= 4);
    for pair in times.windows(2) {
        assert!(pair[1].duration_since(pair[0]).as_millis() >= 1_000, "{times:?}");
    }
}

#[tokio::test]
async fn no_message_of_a_banned_user_comes_after_its_ban_and_none_before_it_is_lost() {
    let redis = RedisServer::start().await;
    let servers = [Server::on_redis(&redis.url()), Server::on_redis(&redis.url())];
    let room = OwnedRoom::create(&servers[0].client()).await;
    let user_of = |n: usize| {
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 1, u8::try_from(n).expect("a small number")));
        User::with_own_token(Client::from_address(servers[n % 2].url("/graphql"), address))
    };
    let mut users: Vec<_> = (0..50).map(user_of).collect();
    for user in &mut users {
        user.send(&room.key, "hello").await;
    }
    let banned: Vec<_> = users[..10].iter().map(|user| user.id.clone().expect("an id")).collect();
    let writing = join_all(users.into_iter().map(|mut user| {
        let room = &room;
        async move {
            let (id, mut accepted) = (user.id.clone().expect("an id"), vec![]);
            for n in 0..40 {
                let response = user.try_send(&room.key, &format!("message {n}")).await.expect("a response");
                match response["errors"][0]["extensions"]["code"].as_str() {
                    None => accepted.push(user.cursor.clone().expect("a cursor")),
                    Some("USER_BANNED") => break,
                    Some(code) => panic!("{code}"),
                }
            }
            (id, accepted)
        }
    }));
    let banning = async {
        for id in &banned {
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..60))).await;
            room.act("banUser", json!({ "userId": id }), "cursor").await;
        }
    };
    let (accepted, ()) = futures_util::future::join(writing, banning).await;
    User::of(servers[1].client()).send(&room.key, "the end").await;
    let mut reader = Subscriber::of_room_events(servers[1].address(), &room.key, Some(room.start.clone())).await;
    let events = reader.until_sent("the end").await;
    let (mut bans, mut sent) = (BTreeMap::new(), BTreeMap::<String, Vec<(usize, String)>>::new());
    for (n, event) in events.iter().enumerate() {
        match event["__typename"].as_str() {
            Some("UserBanned") => drop(bans.insert(text(&event["ban"]["user"]["id"]), n)),
            _ => {
                let author = text(&event["message"]["author"]["id"]);
                sent.entry(author).or_default().push((n, text(&event["cursor"])));
            }
        }
    }
    assert_eq!(bans.len(), 10);
    for (id, accepted) in &accepted {
        let stored: Vec<_> = sent[id].iter().map(|(_, cursor)| cursor.clone()).collect();
        assert_eq!(stored[1..], accepted[..], "acknowledged messages are stored, and no others");
        if let Some(ban) = bans.get(id) {
            assert!(sent[id].iter().all(|(n, _)| n < ban), "a message after the ban");
        } else {
            assert_eq!(accepted.len(), 40, "nobody else is refused");
        }
    }
}
