//! Nothing that the server writes contains a room code, a token, a text or the password of Redis: over both APIs and every
//! transport, for valid and invalid requests. `tests/operations/logging.rs` has more cases.

use std::collections::HashMap;

use livechat::config::Config;
use livechat::domain::limits::Limits;
use livechat::domain::message::MessageText;
use livechat::domain::room::RoomCode;
use livechat::domain::token::Token;
use livechat::graphql::execution::Parameters;
use serde_json::{Value, json};

use crate::support::client::{RoomKey, User, text};
use crate::support::identities;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::socket::{Socket, events_of, subscribe};
use crate::support::stream::{Stream, get, http, post};

const TEXT: &str = "open-sesame";
const PASSWORD: &str = "a-password-of-redis";
const IDENTITY_SECRET: &str = "a-secret-that-a-site-shares-with-the-server";

#[tokio::test]
async fn no_output_of_the_server_contains_a_secret() {
    let redis = RedisServer::start_with_password(PASSWORD).await;
    let url = redis.url();
    let (host, port) = url.rsplit_once('@').and_then(|(_, at)| at.split_once(':')).expect("host and port");
    let port = port.trim_end_matches(|c: char| !c.is_ascii_digit());
    let by_url = vec![("REDIS_URL", url.as_str())];
    let by_host = vec![("REDIS_HOST", host), ("REDIS_PORT", port), ("REDIS_PASSWORD", PASSWORD)];
    for (format, store) in [("text", vec![]), ("json", by_url), ("text", by_host)] {
        let settings = [("LOG_LEVEL", "trace"), ("LOG_FORMAT", format), ("ROOM_CODE_LENGTH", "16")];
        let settings = [&settings[..], &[("IDENTITY", "optional"), ("IDENTITY_SECRET", IDENTITY_SECRET)]].concat();
        let mut server = Server::with(&[&settings[..], &store].concat());
        let mut secrets = [TEXT, PASSWORD, IDENTITY_SECRET].map(str::to_owned).to_vec();
        over_rest(&server, &mut secrets).await;
        over_graphql(&server, &mut secrets).await;
        with_identities(&server, &mut secrets).await;
        assert!(server.terminate().await.success());
        let written = format!("{}{}", server.output(), server.log());
        assert!(written.contains("stopping"), "there is no log:\n{written}");
        for secret in &secrets {
            let leaks: Vec<_> = written.lines().filter(|line| line.contains(secret.as_str())).collect();
            assert!(leaks.is_empty(), "the server wrote {secret}: {leaks:#?}");
        }
    }
}

/// Every legacy route: with valid bodies, wrong secrets, and truncated bodies.
async fn over_rest(server: &Server, secrets: &mut Vec<String>) {
    let room: Value =
        http().get(server.url("/room/create")).send().await.expect("an answer").json().await.expect("JSON");
    let (id, code) = (text(&room["data"]["room_id"]), text(&room["data"]["room_code"]));
    secrets.push(code.clone());
    let post_to = async |route: &str, body: Value| {
        let sent = http().post(server.url(route)).json(&body).send().await.expect("an answer");
        sent.json::<Value>().await.expect("JSON")
    };
    // The id of the room serves as the id of a user that does not exist in any Redis.
    let good = json!({ "room_id": id, "room_code": code, "user_id": id, "message": TEXT, "message_id": 0 });
    let sent = post_to("/room/message/send", good.clone()).await;
    let token = text(&sent["data"]["token"]);
    secrets.push(token.clone());
    post_to("/room", good.clone()).await;
    for route in ["/room", "/room/message/send", "/room/message/edit", "/room/message/delete"] {
        for (field, value) in
            [("room_code", TEXT), ("token", TEXT), ("message", ""), ("room_id", TEXT), ("user_id", TEXT)]
        {
            let mut body = good.clone();
            body["token"] = json!(token);
            body[field] = json!(value);
            let answer = post_to(route, body).await;
            // Tokens of accepted actions are secrets, too.
            secrets.extend(answer["data"]["token"].as_str().map(str::to_owned));
        }
        let broken = format!("{{\"room_code\": \"{code}\", \"token\": \"{token}\", \"{TEXT}");
        for kind in ["application/json", "text/plain"] {
            let post = http().post(server.url(route)).header("content-type", kind).body(broken.clone());
            assert!(post.send().await.expect("an answer").status().is_client_error());
        }
    }
}

/// Sockets, event streams and multipart: accepted and refused subscriptions, and invalid messages.
async fn over_graphql(server: &Server, secrets: &mut Vec<String>) {
    let client = server.client();
    let room = client.create_room().await;
    secrets.push(room.code.clone());
    let wrong = RoomKey { id: room.id.clone(), code: TEXT.to_owned() };
    let mut socket = Socket::ready(server.address()).await;
    socket.follow("1", &client, &room).await;
    let mut streams = Vec::new();
    for accept in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
        streams.push(Stream::open(post(client.url(), accept, &events_of(&room), json!({}))).await);
        Stream::open(post(client.url(), accept, &events_of(&wrong), json!({}))).await.rest().await;
    }
    client.wait_for_viewers(&room, 3).await;
    let mut ada = User::with_own_token(client.clone());
    for _ in 0..2 {
        secrets.extend(ada.token.clone());
        ada.send(&room, TEXT).await;
    }
    secrets.extend(ada.token.clone());
    for _ in 0..2 {
        assert_eq!(socket.next_text("1").await, TEXT);
    }
    for stream in &mut streams {
        assert!(stream.until(TEXT).await.is_some());
    }
    socket.subscribe("2", &events_of(&wrong), json!({})).await;
    while socket.receive().await["type"] != "error" {}
    let mut cut = subscribe("3", &events_of(&room), json!({ "token": ada.token })).to_string();
    cut.truncate(cut.len() - 2);
    socket.send(tokio_tungstenite::tungstenite::Message::text(cut)).await;
    assert_eq!(socket.close_frame().await.0, 4400);
    let request = get(client.url(), &events_of(&room)).header("authorization", TEXT).header("last-event-id", TEXT);
    request.send().await.expect("an answer");
}

/// Valid and refused identities, over both APIs, as tokens, owner tokens and for the creation of rooms.
async fn with_identities(server: &Server, secrets: &mut Vec<String>) {
    const NAME: &str = "a-name-in-an-identity";
    let client = server.client();
    let room = client.create_room().await;
    secrets.extend([room.code.clone(), NAME.to_owned()]);
    let mut claims = identities::claims(NAME);
    let valid = identities::hs256(IDENTITY_SECRET.as_bytes(), &claims);
    let forged = identities::hs256(TEXT.as_bytes(), &claims);
    claims["room"] = room.id.clone().into();
    claims["role"] = "owner".into();
    let owner = identities::hs256(IDENTITY_SECRET.as_bytes(), &claims);
    claims["exp"] = 1.into();
    let expired = identities::hs256(IDENTITY_SECRET.as_bytes(), &claims);
    for identity in [valid, forged, owner, expired] {
        let input = json!({ "roomId": room.id, "roomCode": room.code, "token": identity, "text": TEXT });
        client
            .request(
                "mutation($input: SendMessageInput!) { sendMessage(input: $input) { token } }",
                json!({ "input": input }),
            )
            .await;
        let create = "mutation($i: String) { createRoom(input: { identity: $i }) { room { code } ownerToken } }";
        let created = client.request(create, json!({ "i": identity })).await;
        let created = &created["data"]["createRoom"];
        secrets.extend(
            [&created["room"]["code"], &created["ownerToken"]]
                .into_iter()
                .filter_map(|text| text.as_str().map(str::to_owned)),
        );
        let update = "mutation($id: ID!, $o: String!) { updateRoom(input: { roomId: $id, ownerToken: $o, locked: false }) { cursor } }";
        client.request(update, json!({ "id": room.id, "o": identity })).await;
        let body = json!({ "room_id": room.id, "room_code": room.code, "user_id": "None", "token": identity, "message": TEXT });
        http().post(server.url("/room/message/send")).json(&body).send().await.expect("an answer");
        // Each part of a JWT is a secret; its header is not.
        secrets.extend(identity.split('.').skip(1).map(str::to_owned));
    }
}

#[test]
fn debug_output_contains_no_secret() {
    let token = Token::random();
    let limits = Limits::default();
    let config = |pairs: &[(&str, &str)]| {
        let values: HashMap<_, _> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::from_values(&values)
    };
    let url = format!("redis://somebody:{PASSWORD}@localhost:1/0");
    let variables = json!({ "code": TEXT }).as_object().cloned();
    let shown = [
        format!("{token:?} {:?} {:?}", token.hash(), token.seal(&token)),
        format!("{:?}", RoomCode::from_stored(TEXT.to_owned())),
        format!("{:?}", MessageText::parse(TEXT, &limits)),
        format!("{:?}", Parameters::new(format!("{{ {TEXT} }}"), None, variables)),
        format!("{:?}", config(&[("REDIS_URL", &url)]).expect("settings")),
        format!("{:?}", config(&[("REDIS_HOST", "localhost"), ("REDIS_PASSWORD", PASSWORD)]).expect("settings")),
        format!("{:?}", config(&[("IDENTITY", "optional"), ("IDENTITY_SECRET", IDENTITY_SECRET)]).expect("settings")),
        format!("{:?}", config(&[("REDIS_URL", &format!("http://:{PASSWORD}@[nowhere"))]).expect_err("no address")),
    ];
    let hash = token.hash().0.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for shown in shown {
        for secret in [TEXT, PASSWORD, IDENTITY_SECRET, &token.reveal(), &hash] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
