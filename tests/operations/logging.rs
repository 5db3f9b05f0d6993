//! Log formats, and that no message text, room code or token is ever logged, at any level.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use crate::support::client::{Client, DELETE, EDIT, RoomKey, SEND, User, text};
use crate::support::owner::{OwnedRoom, react, try_join};
use crate::support::redis_server::RedisServer;
use crate::support::server::{Server, command};
use crate::support::subscriber::Subscriber;
use crate::support::{TIMEOUT, http_client};

/// Part of every text that is sent, and the value of invalid fields.
const TEXT: &str = "open-sesame";

#[tokio::test]
async fn log_contains_no_text_no_code_and_no_token() {
    // Long codes, so that no timestamp in the log contains one by chance.
    for format in ["text", "json"] {
        let settings = [("LOG_LEVEL", "trace"), ("LOG_FORMAT", format), ("ROOM_CODE_LENGTH", "16")];
        for (mut server, _redis) in Server::on_each_store(&settings).await {
            let client = server.client();
            let owned = OwnedRoom::create(&client).await;
            let room = owned.key.clone();
            let mut secrets = vec![TEXT.to_owned(), room.code.clone(), owned.token.clone()];
            let mut subscriber = Subscriber::open(server.address(), &room, None).await;
            client.wait_for_viewers(&room, 1).await;
            let mut ada = User::with_own_token(client.clone());
            let message = use_every_mutation(&mut ada, &room, &mut secrets).await;
            subscriber.events(4).await;
            moderate(&owned, &mut ada, &message, &mut secrets).await;
            cause_every_error(&client, &room, &ada, &message).await;
            Subscriber::open(server.address(), &room, Some(TEXT.to_owned())).await.refusal().await;
            assert!(server.terminate().await.success());
            assert_log_lacks(&server, &secrets);
        }
    }
}

#[tokio::test]
async fn log_contains_no_secret_when_the_store_fails() {
    let password = "a-password-of-redis";
    let mut redis = RedisServer::start_with_password(password).await;
    let settings = [("LOG_LEVEL", "trace"), ("ROOM_CODE_LENGTH", "16"), ("REDIS_URL", &redis.url())];
    let mut server = Server::with(&settings);
    let room = server.client().create_room().await;
    let _subscriber = Subscriber::open(server.address(), &room, None).await;
    let mut ada = User::with_own_token(server.client());
    ada.send(&room, TEXT).await;
    redis.kill();
    let answer = ada.try_send(&room, TEXT).await.expect("an answer");
    assert!(!answer.to_string().contains("127.0.0.1"), "clients do not see the address of the store: {answer}");
    assert!(server.terminate().await.success());
    assert!(server.log().contains("the store is unavailable"), "the failure is not in the log:\n{}", server.log());
    assert_log_lacks(&server, &[TEXT.to_owned(), room.code, ada.token.expect("a token"), password.to_owned()]);
}

#[tokio::test]
async fn redirected_log_has_no_colors_and_the_configured_format() {
    for format in ["text", "json"] {
        let mut server = Server::with(&[("LOG_FORMAT", format)]);
        assert!(server.terminate().await.success());
        let log = server.log();
        assert!(log.contains("stopping") && !log.contains('\u{1b}'), "{log:?}");
        let all_json = log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()));
        assert_eq!(all_json, format == "json", "{log}");
    }
}

#[tokio::test]
async fn server_stops_even_if_its_log_output_is_closed() {
    let directory = tempfile::tempdir().expect("a directory for the server");
    let mut process = tokio::process::Command::from(command(directory.path(), &[]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the livechat binary that cargo built");
    drop(process.stderr.take());
    let mut greeting = BufReader::new(process.stdout.take().expect("a pipe")).lines();
    while let Some(line) = greeting.next_line().await.expect("text") {
        if line.starts_with("Store") {
            break;
        }
    }
    let id = process.id().expect("a running server").to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("the kill command").success());
    let status = timeout(TIMEOUT, process.wait()).await.expect("it ends").expect("a process of our own");
    assert!(status.success(), "{status}");
}

/// Sends two messages, edits one and deletes the other. Returns the edited one, and adds every token to `secrets`.
async fn use_every_mutation(ada: &mut User, room: &RoomKey, secrets: &mut Vec<String>) -> Value {
    secrets.extend(ada.token.clone());
    let message = ada.send(room, &format!("{TEXT} one")).await;
    secrets.extend(ada.token.clone());
    let other = ada.send(room, &format!("{TEXT} two")).await;
    secrets.extend(ada.token.clone());
    ada.edit(room, &text(&message["id"]), &format!("{TEXT} three")).await;
    secrets.extend(ada.token.clone());
    ada.delete(room, &text(&other["id"])).await;
    secrets.extend(ada.token.clone());
    message
}

/// Uses every mutation of the owner, joins and reacts, with right and wrong tokens. Adds what must not be logged to `secrets`.
async fn moderate(room: &OwnedRoom, ada: &mut User, message: &Value, secrets: &mut Vec<String>) {
    let joined = try_join(ada, &room.key).await;
    secrets.extend([text(&joined["data"]["joinRoom"]["presenceToken"]), text(&joined["data"]["joinRoom"]["token"])]);
    react(ada, &room.key, &text(&message["id"]), "👍", true).await;
    secrets.extend(ada.token.clone());
    room.update(json!({ "title": format!("{TEXT} title") })).await;
    room.ban(ada, json!({ "reason": format!("{TEXT} reason"), "seconds": 60 })).await;
    room.bans("").await;
    room.unban(ada).await;
    for token in [TEXT, &"0".repeat(32)] {
        let thief = OwnedRoom { token: token.to_owned(), ..room.clone() };
        for (name, input) in [
            ("updateRoom", json!({ "title": TEXT })),
            ("banUser", json!({ "userId": TEXT, "reason": TEXT })),
            ("removeMessage", json!({ "messageId": TEXT })),
            ("endRoom", json!({})),
        ] {
            let fields = if name == "endRoom" { "roomId" } else { "cursor" };
            assert!(thief.try_act(name, input, fields).await["errors"].is_array());
        }
    }
    let other = OwnedRoom::create(&room.client).await;
    other.end().await;
    secrets.extend([other.token, other.key.code]);
}

/// Sends invalid requests of every kind, with secrets in them.
async fn cause_every_error(client: &Client, room: &RoomKey, ada: &User, message: &Value) {
    let input = json!({ "roomId": room.id, "roomCode": room.code, "userId": ada.id, "token": ada.token,
        "messageId": message["id"], "text": TEXT });
    for (name, value) in [("roomCode", TEXT), ("token", TEXT), ("text", ""), ("messageId", TEXT), ("roomId", TEXT)] {
        let mut input = input.clone();
        input[name] = json!(value);
        client.code(EDIT, json!({ "input": input })).await;
    }
    for query in [SEND, DELETE] {
        client.code(query, json!({ "input": { "roomCode": room.code, "token": ada.token, "text": TEXT } })).await;
    }
    client.code(&format!("{{ {TEXT} "), json!({})).await;
    let http = http_client().build().expect("a client");
    let query = format!("{{ room(id: \"{}\", code: \"{}\") {{ code }} }}", room.id, room.code);
    http.get(format!("{}?query={query}", client.url())).send().await.expect("an answer");
    http.get(format!("{}?{TEXT}={}", client.url(), room.code)).send().await.expect("an answer");
    let broken = format!("{{\"query\": \"{TEXT}\", \"{}\": ", room.code);
    let post = http.post(client.url()).header("content-type", "application/json").body(broken);
    post.send().await.expect("an answer");
}

fn assert_log_lacks(server: &Server, secrets: &[String]) {
    let log = server.log();
    assert!(log.contains("stopping"), "the log is empty:\n{log}");
    for secret in secrets {
        let found: Vec<_> = log.lines().filter(|line| line.contains(secret.as_str())).collect();
        assert!(found.is_empty(), "the log contains {secret}: {found:#?}");
    }
}
