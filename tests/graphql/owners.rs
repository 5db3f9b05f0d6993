//! What the owner of a room can do, and that nobody else can.

use serde_json::{Value, json};

use crate::support::client::{SEND, User, error_code, text};
use crate::support::http::Client as Http;
use crate::support::owner::{OwnedRoom, send_code, try_join};
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;
use crate::support::transport::{Reader, Resume, Transport};

const SETTINGS: &str = "title settings { title listed capacity slowModeSeconds locked }";

/// The mutations of the owner, each with its own input and fields.
fn owner_mutations(message: &str) -> [(&'static str, Value, &'static str); 5] {
    [
        ("updateRoom", json!({ "title": "taken over" }), "cursor"),
        ("removeMessage", json!({ "messageId": message }), "cursor"),
        ("banUser", json!({ "userId": "nobody-0123456" }), "cursor"),
        ("unbanUser", json!({ "userId": "nobody-0123456" }), "cursor"),
        ("endRoom", json!({}), "roomId"),
    ]
}

#[tokio::test]
async fn a_room_is_created_with_settings_and_an_owner_token_of_128_bits() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let client = server.client();
        let plain = OwnedRoom::create(&client).await;
        let read = client.query_room(&plain.key, SETTINGS).await;
        let defaults =
            json!({ "title": null, "listed": true, "capacity": null, "slowModeSeconds": 0, "locked": false });
        assert_eq!((&read["title"], &read["settings"]), (&Value::Null, &defaults));

        let given = json!({ "title": "Stream of 🦀", "listed": true, "capacity": 500, "slowModeSeconds": 30 });
        let room = OwnedRoom::create_with(&client, given).await;
        assert!(room.token.len() == 32 && room.token.bytes().all(|b| b.is_ascii_hexdigit()), "{}", room.token);
        let read = client.query_room(&room.key, SETTINGS).await;
        let expected =
            json!({ "title": "Stream of 🦀", "listed": true, "capacity": 500, "slowModeSeconds": 30, "locked": false });
        assert_eq!((&read["title"], &read["settings"]), (&json!("Stream of 🦀"), &expected));
        let listed = client.data("{ activeRooms { nodes { id title } } }", json!({})).await;
        let titles = listed["activeRooms"]["nodes"].as_array().expect("rooms");
        assert!(titles.contains(&json!({ "id": room.key.id, "title": "Stream of 🦀" })), "{listed}");

        let from_query = client.data("{ createRoom { ownerToken room { id code } } }", json!({})).await;
        assert_ne!(text(&from_query["createRoom"]["ownerToken"]), room.token);
        for (name, value) in [("title", json!("")), ("title", json!("x".repeat(101))), ("title", json!("a\nb"))]
            .into_iter()
            .chain([("capacity", json!(0)), ("capacity", json!(-1)), ("slowModeSeconds", json!(3_601))])
        {
            let response = client.mutate("createRoom", json!({ name: value }), "ownerToken").await;
            assert_eq!(error_code(&response), "VALIDATION_FAILED", "{name} {value}");
            assert_eq!(response["errors"][0]["extensions"]["field"], name, "{response}");
        }
    }
}

#[tokio::test]
async fn an_absent_setting_stays_and_null_clears_only_what_can_be_cleared() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let room = OwnedRoom::create(&server.client()).await;
        let all = json!({ "title": "one", "listed": false, "capacity": 9, "slowModeSeconds": 5, "locked": true });
        assert_eq!(room.update(all.clone()).await, all);
        assert_eq!(room.update(json!({})).await, all, "absent settings stay as they are");
        let changed = room.update(json!({ "title": null, "slowModeSeconds": 0 })).await;
        let expected = json!({ "title": null, "listed": false, "capacity": 9, "slowModeSeconds": 0, "locked": true });
        assert_eq!(changed, expected);
        assert_eq!(room.update(json!({ "capacity": null, "locked": false })).await["capacity"], Value::Null);
        for name in ["listed", "slowModeSeconds", "locked"] {
            let response = room.try_act("updateRoom", json!({ name: null }), "cursor").await;
            assert_eq!(error_code(&response), "VALIDATION_FAILED", "{name}");
            assert_eq!(response["errors"][0]["extensions"]["field"], name);
        }
        // A variable without a value is absent, too.
        let query = "mutation($id: ID!, $owner: String!, $title: String, $listed: Boolean) { updateRoom(input: {
            roomId: $id, ownerToken: $owner, title: $title, listed: $listed }) { room { settings { listed } } } }";
        let variables = json!({ "id": room.key.id, "owner": room.token });
        let updated = server.client().data(query, variables).await;
        assert_eq!(updated["updateRoom"]["room"]["settings"]["listed"], false);
        let read = server.client().query_room(&room.key, "settings { listed slowModeSeconds }").await;
        assert_eq!(read["settings"], json!({ "listed": false, "slowModeSeconds": 0 }));
    }
}

#[tokio::test]
async fn an_unlisted_room_is_missing_from_both_lists_and_from_nothing_else() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, legacy) = (server.client(), Http::of(&server.url("")));
        let (listed, room) = (OwnedRoom::create(&client).await, OwnedRoom::create(&client).await);
        for is_listed in [false, true, false] {
            room.update(json!({ "listed": is_listed })).await;
            let page = client.data("{ activeRooms { totalCount nodes { id } } }", json!({})).await;
            let page = &page["activeRooms"];
            assert_eq!(page["totalCount"], 1 + i32::from(is_listed));
            assert_eq!(page.to_string().contains(&room.key.id), is_listed);
            assert!(page.to_string().contains(&listed.key.id));
            assert_eq!(legacy.get("/v1/rooms_views/").await.body.contains(&room.key.id), is_listed);
            User::of(client.clone()).send(&room.key, "still open").await;
        }
        assert_eq!(client.texts(&room.key).await.len(), 3);
    }
}

#[tokio::test]
async fn only_the_right_token_acts_as_the_owner() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, other) = (OwnedRoom::create(&server.client()).await, OwnedRoom::create(&server.client()).await);
        let mut ada = User::with_own_token(server.client());
        let message = text(&ada.send(&room.key, "hello").await["id"]);
        let almost = format!("{}0", &room.token[..31]);
        for token in
            [&other.token, &room.key.code, "", "none", &"0".repeat(32), &almost, ada.token.as_ref().expect("one")]
        {
            if token == room.token {
                continue;
            }
            let thief = OwnedRoom { token: token.to_owned(), ..room.clone() };
            for (name, input, fields) in owner_mutations(&message) {
                let code = error_code(&thief.try_act(name, input, fields).await);
                assert_eq!(code, "OWNER_TOKEN_INVALID", "{name} with {token}");
            }
            let query = "query($id: ID!, $code: String!, $owner: String!) {
                room(id: $id, code: $code) { id bans(ownerToken: $owner) { totalCount } } }";
            let variables = json!({ "id": room.key.id, "code": room.key.code, "owner": token });
            let response = server.client().request(query, variables).await;
            assert_eq!(error_code(&response), "OWNER_TOKEN_INVALID");
            assert_eq!(response["data"]["room"], json!({ "id": room.key.id, "bans": null }));
            let input =
                json!({ "roomId": room.key.id, "roomCode": room.key.code, "text": "as owner", "ownerToken": token });
            assert_eq!(server.client().code(SEND, json!({ "input": input })).await, "OWNER_TOKEN_INVALID");
        }
        assert_eq!(server.client().texts(&room.key).await, [Some("hello".to_owned())], "nothing has changed");
        assert_eq!(server.client().query_room(&room.key, "title").await["title"], Value::Null);
    }
}

#[tokio::test]
async fn a_missing_room_has_no_owner() {
    let server = Server::embedded();
    let mut room = OwnedRoom::create(&server.client()).await;
    for id in ["0".repeat(32), "nonsense".to_owned()] {
        room.key.id.clone_from(&id);
        for (name, input, fields) in owner_mutations(&format!("{id}-0")) {
            let code = error_code(&room.try_act(name, input, fields).await);
            let expected = if id == "nonsense" { "VALIDATION_FAILED" } else { "ROOM_NOT_FOUND" };
            // The id of the message is read first.
            assert!(code == expected || code == "VALIDATION_FAILED", "{name}: {code}");
        }
    }
}

#[tokio::test]
async fn the_owner_is_shown_as_owner_from_its_first_proof_on() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let room = OwnedRoom::create(&server.client()).await;
        let mut owner = User::with_own_token(server.client());
        owner.send(&room.key, "as a member").await;
        let input = json!({ "roomId": room.key.id, "roomCode": room.key.code, "userId": owner.id,
            "token": owner.token, "text": "with proof", "ownerToken": room.token });
        let sent = server.client().data(SEND, json!({ "input": input })).await;
        owner.token = Some(text(&sent["sendMessage"]["token"]));
        owner.send(&room.key, "without proof").await;
        User::with_own_token(server.client()).send(&room.key, "a guest").await;
        let page = server.client().query_room(&room.key, "messages { nodes { authorRole } }").await;
        let roles: Vec<_> =
            page["messages"]["nodes"].as_array().expect("nodes").iter().map(|m| &m["authorRole"]).collect();
        assert_eq!(roles, ["MEMBER", "OWNER", "OWNER", "MEMBER"]);

        // The lock and slow mode do not apply to the owner, even one who has only joined.
        room.update(json!({ "locked": true, "slowModeSeconds": 3_600 })).await;
        let joining = User::with_own_token(server.client());
        let input = json!({ "roomId": room.key.id, "roomCode": room.key.code, "userId": joining.id,
            "token": joining.token, "ownerToken": room.token });
        let joined = server.client().mutate("joinRoom", input, "token user { id }").await;
        let mut second = User { token: Some(text(&joined["data"]["joinRoom"]["token"])), ..joining };
        for user in [&mut owner, &mut second] {
            user.send(&room.key, "one").await;
            user.send(&room.key, "two").await;
        }
    }
}

#[tokio::test]
async fn the_owner_removes_any_message_for_good() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, User::with_own_token(server.client()));
        let removed = text(&ada.send(&room.key, "rude").await["id"]);
        let deleted = text(&ada.send(&room.key, "regretted").await["id"]);
        let payload = room
            .act("removeMessage", json!({ "messageId": removed }), "message { id text deletedAt deletedBy } cursor")
            .await;
        assert_eq!(payload["message"]["text"], Value::Null);
        assert_eq!(payload["message"]["deletedBy"], "OWNER");
        assert_eq!(payload["cursor"], json!(server.client().cursor(&room.key).await));
        ada.delete(&room.key, &deleted).await;
        let page = server.client().query_room(&room.key, "messages { nodes { text deletedBy } }").await;
        let expected = json!([{ "text": null, "deletedBy": "OWNER" }, { "text": null, "deletedBy": "MEMBER" }]);
        assert_eq!(page["messages"]["nodes"], expected);
        let other = OwnedRoom::create(&server.client()).await;
        let foreign = text(&ada.send(&other.key, "elsewhere").await["id"]);
        for id in [removed.as_str(), &foreign, &format!("{}-99", room.key.id)] {
            let code = error_code(&room.try_act("removeMessage", json!({ "messageId": id }), "cursor").await);
            assert_eq!(code, "MESSAGE_NOT_FOUND", "{id}");
        }
    }
}

#[tokio::test]
async fn an_ended_room_is_gone_everywhere_at_once() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, legacy) = (server.client(), Http::of(&server.url("")));
        let (room, mut ada) = (OwnedRoom::create(&client).await, User::with_own_token(client.clone()));
        let message = text(&ada.send(&room.key, "hello").await["id"]);
        let mut reader = Subscriber::open(server.address(), &room.key, Some(room.start.clone())).await;
        reader.event().await;
        room.end().await;
        let read = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { id } }";
        let variables = json!({ "id": room.key.id, "code": room.key.code });
        assert_eq!(client.code(read, variables).await, "ROOM_NOT_FOUND");
        assert_eq!(send_code(&mut ada, &room.key).await, "ROOM_NOT_FOUND");
        let edit = ada.try_change(&room.key, &message, Some("changed")).await.expect("a response");
        assert_eq!(error_code(&edit), "ROOM_NOT_FOUND");
        assert_eq!(error_code(&try_join(&mut ada, &room.key).await), "ROOM_NOT_FOUND");
        for (name, input, fields) in owner_mutations(&message) {
            assert_eq!(error_code(&room.try_act(name, input, fields).await), "ROOM_NOT_FOUND", "{name}");
        }
        let mut late = Subscriber::open(server.address(), &room.key, Some(room.start.clone())).await;
        assert_eq!(late.refusal().await, "ROOM_NOT_FOUND");
        let listed = client.data("{ activeRooms { totalCount nodes { id } } }", json!({})).await;
        assert!(!listed.to_string().contains(&room.key.id));
        assert!(!legacy.get("/v1/rooms_views/").await.body.contains(&room.key.id));
        let body = json!({ "room_id": format!("room:*{}", room.key.id), "room_code": room.key.code });
        assert_eq!(legacy.post("/v1/room/", &body).await.status, 404);
    }
}

#[tokio::test]
async fn a_room_at_capacity_refuses_further_viewers_on_every_transport() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let room = OwnedRoom::create_with(&server.client(), json!({ "capacity": 2 })).await;
        let open = async || Subscriber::open(server.address(), &room.key, Some(room.start.clone())).await;
        let (_first, second) = (open().await, open().await);
        room.client.wait_for_viewers(&room.key, 2).await;
        assert_eq!(open().await.refusal().await, "ROOM_AT_CAPACITY");
        for transport in [Transport::ServerSentEvents, Transport::Multipart] {
            let connection = tokio::net::TcpStream::connect(server.address()).await.expect("a connection");
            let after = Some(room.start.clone());
            let opened = Reader::over(connection, transport, &room.key, after, Resume::Argument).await;
            assert!(opened.err().is_some_and(|error| error.to_string().contains("ROOM_AT_CAPACITY")), "{transport:?}");
        }
        // Whoever is not subscribed may still write and read.
        User::of(server.client()).send(&room.key, "hello").await;
        second.close().await;
        room.client.wait_for_viewers(&room.key, 1).await;
        let mut third = open().await;
        assert_eq!(third.event().await["message"]["text"], "hello");
        room.update(json!({ "capacity": null })).await;
        open().await.event().await;
    }
}
