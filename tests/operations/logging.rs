//! What the log is: lines for people or JSON for machines, and no secrets in it. No text, no room code, no token, at any
//! level.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::client::{Client, DELETE, EDIT, RoomKey, SEND, User, text};
use crate::support::redis_server::RedisServer;
use crate::support::server::{Server, command};
use crate::support::subscriber::Subscriber;

/// In every text that is sent, and in what is sent where something else belongs.
const TEXT: &str = "open-sesame";

#[tokio::test]
async fn the_log_holds_no_text_no_code_and_no_token() {
    // Long codes, which no time of day in the log looks like.
    for format in ["text", "json"] {
        let settings = [("LOG_LEVEL", "trace"), ("LOG_FORMAT", format), ("ROOM_CODE_LENGTH", "16")];
        for (mut server, _redis) in Server::on_each_store(&settings).await {
            let client = server.client();
            let room = client.create_room().await;
            let mut secrets = vec![TEXT.to_owned(), room.code.clone()];
            let mut subscriber = Subscriber::open(server.address(), &room, None).await;
            client.viewers_become(&room, 1).await;
            let mut ada = User::with_own_token(client.clone());
            let message = whole_round(&mut ada, &room, &mut secrets).await;
            subscriber.events(4).await;
            refused(&client, &room, &ada, &message).await;
            Subscriber::open(server.address(), &room, Some(TEXT.to_owned())).await.refusal().await;
            assert!(server.terminate().await.success());
            assert_silent_about(&server, &secrets);
        }
    }
}

#[tokio::test]
async fn the_log_holds_no_secret_either_when_the_store_fails() {
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
    assert!(!answer.to_string().contains("127.0.0.1"), "callers learn nothing of what lies behind: {answer}");
    assert!(server.terminate().await.success());
    assert!(server.log().contains("Redis") || server.log().contains("unavailable"), "the failure is in the log");
    assert_silent_about(&server, &[TEXT.to_owned(), room.code, ada.token.expect("a token"), password.to_owned()]);
}

#[tokio::test]
async fn a_log_that_nobody_watches_has_no_colours_and_is_json_when_asked() {
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
async fn a_server_whose_log_nobody_reads_any_more_still_ends_when_told_to() {
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
    let status = timeout(PATIENCE, process.wait()).await.expect("it ends").expect("a process of our own");
    assert!(status.success(), "{status}");
}

/// Sends twice, edits and deletes; the message that is left. Every token there was becomes a secret.
async fn whole_round(ada: &mut User, room: &RoomKey, secrets: &mut Vec<String>) -> Value {
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

/// Everything that is refused, with secrets in it.
async fn refused(client: &Client, room: &RoomKey, ada: &User, message: &Value) {
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
    let http = reqwest::Client::new();
    let query = format!("{{ room(id: \"{}\", code: \"{}\") {{ code }} }}", room.id, room.code);
    http.get(format!("{}?query={query}", client.url())).send().await.expect("an answer");
    http.get(format!("{}?{TEXT}={}", client.url(), room.code)).send().await.expect("an answer");
    let broken = format!("{{\"query\": \"{TEXT}\", \"{}\": ", room.code);
    let post = http.post(client.url()).header("content-type", "application/json").body(broken);
    post.send().await.expect("an answer");
}

fn assert_silent_about(server: &Server, secrets: &[String]) {
    let log = server.log();
    assert!(log.contains("stopping"), "there is no log to look into:\n{log}");
    for secret in secrets {
        let told: Vec<_> = log.lines().filter(|line| line.contains(secret.as_str())).collect();
        assert!(told.is_empty(), "the log tells {secret}: {told:#?}");
    }
}
