//! Identities: what they allow, and that nothing but a valid one does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use crate::support::client::{Client, RoomKey, error_code, text};
use crate::support::eventually;
use crate::support::http;
use crate::support::identities::{Site, claims, hs256, jwt, seconds_from_now};
use crate::support::server::Server;

const CREATE: &str =
    "mutation($identity: String) { createRoom(input: { identity: $identity }) { room { id code } ownerToken } }";
const SEND: &str = "mutation($input: SendMessageInput!) { sendMessage(input: $input) {
    token author { id displayName isVerified avatarUrl } message { id authorRole } } }";
const JOIN: &str =
    "mutation($input: JoinRoomInput!) { joinRoom(input: $input) { token presenceToken user { id displayName } } }";
const EDIT: &str = "mutation($input: EditMessageInput!) { editMessage(input: $input) { token message { text } } }";
const DELETE: &str =
    "mutation($input: DeleteMessageInput!) { deleteMessage(input: $input) { token message { deletedBy } } }";
const REACT: &str = "mutation($input: AddReactionInput!) { addReaction(input: $input) { token message { reactions { emoji count } } } }";
const UPDATE: &str = "mutation($input: UpdateRoomInput!) { updateRoom(input: $input) { room { title } } }";
const BAN: &str = "mutation($input: BanUserInput!) { banUser(input: $input) { ban { user { id isVerified } } } }";
const BANS: &str = "query($id: ID!, $code: String!, $owner: String!) {
    room(id: $id, code: $code) { bans(ownerToken: $owner) { nodes { user { id } } } } }";

/// Starts a server that knows the key of `site`, with these settings.
fn server_of(site: &Site, settings: &[(&str, &str)]) -> Server {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("jwks.json"), site.jwks()).expect("a file");
    let identity = [("IDENTITY", "optional"), ("IDENTITY_KEYS", "jwks.json")];
    Server::in_directory(directory, &[&identity[..], settings].concat())
}

/// An input with the room, and these fields.
fn input(room: &RoomKey, fields: &[(&str, &str)]) -> Value {
    let mut input = json!({ "roomId": room.id, "roomCode": room.code });
    for (name, value) in fields {
        input[*name] = json!(value);
    }
    json!({ "input": input })
}

/// Every way to present a token or an identity, in both APIs. Returns what each answered, as a code.
async fn codes_of_all_actions(server: &Server, room: &RoomKey, message: &str, user: &str, token: &str) -> Vec<String> {
    let client = server.client();
    let mut codes = Vec::new();
    for (query, fields) in [
        (SEND, &[("text", "hello")][..]),
        (JOIN, &[]),
        (REACT, &[("messageId", message), ("emoji", "👍")]),
        (EDIT, &[("messageId", message), ("text", "edited")]),
        (DELETE, &[("messageId", message)]),
    ] {
        let fields = [fields, &[("userId", user), ("token", token)]].concat();
        codes.push(client.code(query, input(room, &fields)).await);
    }
    let http = http::Client::of(&server.url(""));
    for (path, fields) in [
        ("/room/message/send", json!({ "message": "hello" })),
        ("/room/message/edit", json!({ "message": "edited", "message_id": 0 })),
        ("/room/message/delete", json!({ "message_id": 0 })),
    ] {
        let mut body = fields;
        for (name, value) in [("room_id", &*room.id), ("room_code", &*room.code), ("user_id", user), ("token", token)] {
            body[name] = value.into();
        }
        let answer = http.post(path, &body).await;
        assert_eq!(answer.json()["data"], Value::Null, "{path}: {}", answer.body);
        codes.push(format!("{} {}", answer.status, text(&answer.json()["message"])));
    }
    codes
}

/// Asserts that no action of a user accepts this identity, and that it creates no room and owns none.
async fn assert_refused(server: &Server, site: &Site, identity: &str, code: &str, in_message: &str) {
    let client = server.client();
    let room = client.create_room().await;
    let valid = site.identity("42");
    let sent = client.data(SEND, input(&room, &[("text", "first"), ("token", &valid)])).await;
    let message = text(&sent["sendMessage"]["message"]["id"]);
    let codes = codes_of_all_actions(server, &room, &message, "@42", identity).await;
    let (graphql, legacy) = codes.split_at(5);
    assert!(graphql.iter().all(|found| found == code), "{identity}: {graphql:?}");
    assert!(legacy.iter().all(|found| found.starts_with("403 ") && found.contains(in_message)), "{legacy:?}");
    let owner = input(&room, &[("title", "mine"), ("ownerToken", identity)]);
    let owner = json!({ "input": { "roomId": room.id, "title": "mine", "ownerToken": owner["input"]["ownerToken"] } });
    assert_eq!(client.code(UPDATE, owner).await, code);
    assert_eq!(client.texts(&room).await, [Some("first".to_owned())], "nothing has changed");
    let created = client.code(CREATE, json!({ "identity": identity })).await;
    assert!(created == code || (in_message.contains("another room") && created == "IDENTITY_INVALID"), "{created}");
}

#[tokio::test]
async fn an_identity_acts_on_both_apis_and_each_store_and_nothing_rotates() {
    let site = Site::new();
    let jwks = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(jwks.path(), site.jwks()).expect("a file");
    let settings = [("IDENTITY", "optional"), ("IDENTITY_KEYS", jwks.path().to_str().expect("text"))];
    for (server, _redis) in Server::on_each_store(&settings).await {
        let client = server.client();
        let room = client.create_room().await;
        let ada = site.identity_with("ada", "picture", "https://example.org/ada.png");
        let joined = &client.data(JOIN, input(&room, &[("token", &ada)])).await["joinRoom"];
        assert_eq!((&joined["user"]["id"], &joined["token"]), (&json!("@ada"), &json!(ada)));
        let sent = &client.data(SEND, input(&room, &[("text", "one"), ("token", &ada), ("displayName", "Eve")])).await
            ["sendMessage"];
        let author = json!({ "id": "@ada", "displayName": "User ada", "isVerified": true, "avatarUrl": "https://example.org/ada.png" });
        assert_eq!(
            (&sent["author"], &sent["token"], &sent["message"]["authorRole"]),
            (&author, &json!(ada), &json!("MEMBER"))
        );
        let message = text(&sent["message"]["id"]);
        // Other identities of the same user, as other devices have them, are worth the same.
        let other = site.identity_with("ada", "iat", seconds_from_now(0));
        for token in [&ada, &other, &ada] {
            let fields = [("messageId", message.as_str()), ("userId", "@ada"), ("token", token)];
            let edited =
                &client.data(EDIT, input(&room, &[&fields[..], &[("text", "two")]].concat())).await["editMessage"];
            assert_eq!((&edited["message"]["text"], &edited["token"]), (&json!("two"), &json!(token)));
            let reacted =
                &client.data(REACT, input(&room, &[&fields[..], &[("emoji", "👍")]].concat())).await["addReaction"];
            assert_eq!(reacted["message"]["reactions"], json!([{ "emoji": "👍", "count": 1 }]));
        }
        let sends = (0..10).map(|n| {
            let (client, room, token) = (client.clone(), &room, if n % 2 == 0 { &ada } else { &other });
            async move { client.data(SEND, input(room, &[("text", "at once"), ("token", token)])).await }
        });
        futures_util::future::join_all(sends).await;
        let http = http::Client::of(&server.url(""));
        let legacy = |user: &str| json!({ "room_id": room.id, "room_code": room.code, "user_id": user, "token": ada });
        for user in ["None", "", "@ada"] {
            let mut body = legacy(user);
            body["message"] = json!("legacy");
            let sent = http.post("/room/message/send", &body).await.json();
            let data = &sent["data"];
            assert_eq!(
                (&data["user_id"], &data["display_name"], &data["token"]),
                (&json!("@ada"), &json!("User ada"), &json!(ada))
            );
        }
        let mut body = legacy("@ada");
        body["message_id"] = json!(0);
        assert_eq!(http.post("/room/message/delete", &body).await.json()["data"]["token"], ada);
        let chatters = client.query_room(&room, "chatterCount chatters(first: 9) { nodes { id isVerified } }").await;
        assert_eq!(chatters["chatters"]["nodes"], json!([{ "id": "@ada", "isVerified": true }]));
        // A user of its own choosing is another one, and nobody vouches for it.
        let sent = &client.data(SEND, input(&room, &[("text", "x"), ("userId", "ada-0123456")])).await["sendMessage"];
        assert_eq!((&sent["author"]["isVerified"], &sent["author"]["avatarUrl"]), (&json!(false), &Value::Null));
        let fields = [("text", "x"), ("token", ada.as_str()), ("clientMessageId", "same")];
        let first = client.data(SEND, input(&room, &fields)).await["sendMessage"]["message"]["id"].clone();
        let repeated = client.data(SEND, input(&room, &fields)).await["sendMessage"]["message"]["id"].clone();
        assert_eq!(first, repeated, "a repeated send gets its first answer");
        // A new name is that of new messages.
        let renamed = site.identity_with("ada", "name", "Ada L.");
        let sent = client.data(SEND, input(&room, &[("text", "x"), ("token", &renamed)])).await;
        assert_eq!(sent["sendMessage"]["author"]["displayName"], "Ada L.");
    }
}

#[tokio::test]
async fn a_forged_identity_is_refused() {
    let (site, other) = (Site::new(), Site::new());
    let server = server_of(&site, &[]);
    let valid = site.identity("42");
    let (unsigned, signature) = valid.rsplit_once('.').expect("a signature");
    let (header, _) = unsigned.split_once('.').expect("claims");
    let changed = BASE64.encode(claims("1").to_string());
    for identity in [
        other.identity("42"),
        format!("{header}.{changed}.{signature}"),
        format!("{unsigned}.{}", BASE64.encode([0; 64])),
        format!("{unsigned}."),
    ] {
        assert_refused(&server, &site, &identity, "IDENTITY_INVALID", "the identity is not valid").await;
    }
}

#[tokio::test]
async fn an_expired_identity_is_refused() {
    let site = Site::new();
    let server = server_of(&site, &[]);
    let expired = site.identity_with("42", "exp", seconds_from_now(-40));
    assert_refused(&server, &site, &expired, "IDENTITY_EXPIRED", "the identity has expired").await;
}

#[tokio::test]
async fn an_identity_for_another_room_is_refused() {
    let site = Site::new();
    let server = server_of(&site, &[]);
    let other = server.client().create_room().await;
    let in_message = "it is for another room";
    assert_refused(&server, &site, &site.identity_with("42", "room", other.id.clone()), "IDENTITY_INVALID", in_message)
        .await;
    assert_refused(&server, &site, &site.owner("42", &other.id), "IDENTITY_INVALID", in_message).await;
    // In its room it is valid, also with the legacy form of the id.
    for room in [other.id.clone(), format!("room:*{}", other.id)] {
        let identity = site.identity_with("42", "room", room);
        server.client().data(SEND, input(&other, &[("text", "here"), ("token", &identity)])).await;
    }
}

#[tokio::test]
async fn an_identity_without_a_signature_is_refused() {
    let site = Site::new();
    let server = server_of(&site, &[]);
    for algorithm in ["none", "None", "NONE", ""] {
        let identity = jwt(&json!({ "alg": algorithm, "typ": "JWT" }), &claims("42"), |_| Vec::new());
        assert_refused(&server, &site, &identity, "IDENTITY_INVALID", "the identity is not valid").await;
    }
}

#[tokio::test]
async fn an_identity_signed_with_the_public_key_as_a_secret_is_refused() {
    let site = Site::new();
    for settings in [&[][..], &[("IDENTITY_SECRET", "another secret, which the site keeps to itself")]] {
        let server = server_of(&site, settings);
        for secret in [site.public_key(), BASE64.encode(site.public_key()).as_bytes(), site.jwks().as_bytes()] {
            let identity = hs256(secret, &claims("42"));
            assert_refused(&server, &site, &identity, "IDENTITY_INVALID", "the identity is not valid").await;
        }
    }
}

#[tokio::test]
async fn an_identity_signed_with_the_secret_is_accepted_if_there_is_one() {
    const SECRET: &str = "  a secret of the site, with its blanks  ";
    let server = Server::with(&[("IDENTITY", "optional"), ("IDENTITY_SECRET", SECRET)]);
    let client = server.client();
    let room = client.create_room().await;
    let sent =
        client.data(SEND, input(&room, &[("text", "x"), ("token", &hs256(SECRET.as_bytes(), &claims("42")))])).await;
    assert_eq!(sent["sendMessage"]["author"]["id"], "@42");
    let trimmed = hs256(SECRET.trim().as_bytes(), &claims("42"));
    assert_eq!(client.code(SEND, input(&room, &[("text", "x"), ("token", &trimmed)])).await, "IDENTITY_INVALID");
}

#[tokio::test]
async fn nobody_chooses_the_id_of_a_signed_user_and_an_identity_acts_for_no_other_user() {
    let site = Site::new();
    for server in [server_of(&site, &[]), Server::embedded()] {
        let client = server.client();
        let room = client.create_room().await;
        for token in ["", "00112233445566778899aabbccddeeff"] {
            for (query, fields) in [(SEND, &[("text", "x")][..]), (JOIN, &[])] {
                let fields = [fields, &[("userId", "@somebody-else"), ("token", token)]].concat();
                assert_eq!(client.code(query, input(&room, &fields)).await, "VALIDATION_FAILED");
            }
        }
        let body = json!({ "room_id": room.id, "room_code": room.code, "user_id": "@somebody-else", "message": "x" });
        assert_eq!(http::Client::of(&server.url("")).post("/room/message/send", &body).await.status, 422);
    }
    let server = server_of(&site, &[]);
    let (client, identity) = (server.client(), site.identity("42"));
    let room = client.create_room().await;
    for user in ["42", "@43", "somebody-else"] {
        let fields = [("text", "x"), ("userId", user), ("token", identity.as_str())];
        assert_eq!(client.code(SEND, input(&room, &fields)).await, "VALIDATION_FAILED", "{user}");
    }
}

#[tokio::test]
async fn where_identities_are_required_only_reading_needs_none() {
    let site = Site::new();
    let server = server_of(&site, &[("IDENTITY", "required")]);
    let client = server.client();
    let room = client.create_room().await;
    let identity = site.identity("42");
    let sent = client.data(SEND, input(&room, &[("text", "first"), ("token", &identity)])).await;
    let message = text(&sent["sendMessage"]["message"]["id"]);
    for token in ["00112233445566778899aabbccddeeff", "", "bad"] {
        let codes = codes_of_all_actions(&server, &room, &message, "somebody-else", token).await;
        let (graphql, legacy) = codes.split_at(5);
        assert!(graphql.iter().all(|code| code == "IDENTITY_REQUIRED"), "{graphql:?}");
        assert!(legacy.iter().all(|code| code.starts_with("403 ") && code.contains("vouches for")), "{legacy:?}");
    }
    assert_eq!(client.texts(&room).await, [Some("first".to_owned())]);
}

#[tokio::test]
async fn rooms_are_created_by_identified_users_alone_if_the_operator_says_so() {
    let site = Site::new();
    let server = server_of(&site, &[("CREATE_ROOMS", "identified")]);
    let client = server.client();
    for query in [
        "mutation { createRoom { room { id } } }",
        "mutation { createRoom(input: { title: \"x\" }) { room { id } } }",
        "{ createRoom { room { id } } }",
    ] {
        assert_eq!(client.code(query, json!({})).await, "IDENTITY_REQUIRED", "{query}");
    }
    let legacy = http::Client::of(&server.url("")).get("/room/create").await;
    assert_eq!((legacy.status, &legacy.json()["status_code"]), (403, &json!(403)));
    assert_eq!(client.data("{ activeRooms { totalCount } }", json!({})).await["activeRooms"]["totalCount"], 0);
    for (identity, code) in [
        (site.identity_with("42", "exp", 1), "IDENTITY_EXPIRED"),
        (Site::new().identity("42"), "IDENTITY_INVALID"),
        (site.identity_with("42", "room", "0".repeat(32)), "IDENTITY_INVALID"),
    ] {
        assert_eq!(client.code(CREATE, json!({ "identity": identity })).await, code);
    }
    let created = client.data(CREATE, json!({ "identity": site.identity("42") })).await;
    assert_eq!(text(&created["createRoom"]["ownerToken"]).len(), 32);
    // Users without an identity may act in the room.
    let room = &created["createRoom"]["room"];
    let room = RoomKey { id: text(&room["id"]), code: text(&room["code"]) };
    client.data(SEND, input(&room, &[("text", "x")])).await;
}

#[tokio::test]
async fn an_identity_with_the_role_owner_owns_its_room_and_no_other_does() {
    let site = Site::new();
    let server = server_of(&site, &[]);
    let client = server.client();
    let room = client.create_room().await;
    let owner = site.owner("boss", &room.id);
    let update =
        |token: &str| json!({ "input": { "roomId": room.id, "ownerToken": token, "title": "ours", "locked": true } });
    assert_eq!(client.data(UPDATE, update(&owner)).await["updateRoom"]["room"]["title"], "ours");
    for (identity, code) in [
        (site.identity("boss"), "OWNER_TOKEN_INVALID"),
        (site.identity_with("boss", "room", room.id.clone()), "OWNER_TOKEN_INVALID"),
        (site.identity_with("boss", "role", "owner"), "IDENTITY_INVALID"),
        (site.identity_with("boss", "role", "admin"), "IDENTITY_INVALID"),
        (site.owner("boss", &"0".repeat(32)), "IDENTITY_INVALID"),
    ] {
        assert_eq!(client.code(UPDATE, update(&identity)).await, code);
        let variables = json!({ "id": room.id, "code": room.code, "owner": identity });
        assert_eq!(error_code(&client.request(BANS, variables).await), code);
    }
    // The owner writes in a locked room, is shown as owner, edits there, and cannot be banned.
    assert_eq!(client.code(SEND, input(&room, &[("text", "x"), ("token", &site.identity("42"))])).await, "ROOM_LOCKED");
    let sent = client.data(SEND, input(&room, &[("text", "x"), ("token", &owner)])).await;
    assert_eq!(sent["sendMessage"]["message"]["authorRole"], "OWNER");
    let message = text(&sent["sendMessage"]["message"]["id"]);
    let edit = [("messageId", message.as_str()), ("text", "y"), ("userId", "@boss"), ("token", owner.as_str())];
    client.data(EDIT, input(&room, &edit)).await;
    let ban = |user: &str| json!({ "input": { "roomId": room.id, "ownerToken": owner, "userId": user } });
    assert_eq!(client.code(BAN, ban("@boss")).await, "VALIDATION_FAILED");
    client.data(UPDATE, json!({ "input": { "roomId": room.id, "ownerToken": owner, "locked": false } })).await;
    // A banned user is banned with each of its identities, and its address is not.
    client.data(SEND, input(&room, &[("text", "x"), ("token", &site.identity("42"))])).await;
    assert_eq!(
        client.data(BAN, ban("@42")).await["banUser"]["ban"]["user"],
        json!({ "id": "@42", "isVerified": true })
    );
    let renewed = site.identity_with("42", "iat", seconds_from_now(0));
    assert_eq!(client.code(SEND, input(&room, &[("text", "x"), ("token", &renewed)])).await, "USER_BANNED");
    client.data(SEND, input(&room, &[("text", "x")])).await;
}

#[tokio::test]
async fn new_keys_are_used_and_removed_ones_are_not_without_a_restart() {
    let (site, next) = (Site::new(), Site::new());
    let directory = tempfile::tempdir().expect("a directory");
    let keys = directory.path().join("jwks.json");
    std::fs::write(&keys, site.jwks()).expect("a file");
    let server = Server::in_directory(directory, &[("IDENTITY", "optional"), ("IDENTITY_KEYS", "jwks.json")]);
    let client = server.client();
    let room = client.create_room().await;
    let send = async |client: &Client, site: &Site| {
        let input = input(&room, &[("text", "x"), ("token", &site.identity("42"))]);
        client.request(SEND, input).await["errors"].is_null()
    };
    assert!(send(&client, &site).await && !send(&client, &next).await);
    // Replaced in one step: the server would report a file that is half written, too.
    let replace = |text: &str| {
        let written = keys.with_extension("new");
        std::fs::write(&written, text).and_then(|()| std::fs::rename(&written, &keys)).expect("a file");
    };
    replace("broken");
    eventually("the fault is logged", async || {
        server.log().contains("IDENTITY_KEYS has changed, and the file is not a JWKS")
    })
    .await;
    assert!(send(&client, &site).await, "a broken file changes nothing");
    replace(&next.jwks());
    eventually("the new key is used", async || send(&client, &next).await).await;
    assert!(!send(&client, &site).await);
    assert_eq!(server.log().matches("IDENTITY_KEYS has changed").count(), 1, "{}", server.log());
}
