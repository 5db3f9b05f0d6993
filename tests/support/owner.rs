//! The owner of a room, and what only an owner can do.

use serde_json::{Value, json};

use super::client::{Client, RoomKey, User, error_code, text};

/// A room, and the token that proves its owner.
#[derive(Clone)]
pub struct OwnedRoom {
    pub client: Client,
    pub key: RoomKey,
    pub token: String,
    /// The cursor at the beginning of its log.
    pub start: String,
}

impl OwnedRoom {
    pub async fn create(client: &Client) -> Self {
        Self::create_with(client, json!({})).await
    }

    /// Creates a room with these settings.
    pub async fn create_with(client: &Client, settings: Value) -> Self {
        let response = client.mutate("createRoom", settings, "ownerToken room { id code cursor }").await;
        assert!(response.get("errors").is_none(), "no room was created: {response}");
        let created = &response["data"]["createRoom"];
        let room = &created["room"];
        Self {
            client: client.clone(),
            key: RoomKey { id: text(&room["id"]), code: text(&room["code"]) },
            token: text(&created["ownerToken"]),
            start: text(&room["cursor"]),
        }
    }

    /// Runs a mutation of the owner. Returns the whole response.
    pub async fn try_act(&self, name: &str, more: Value, fields: &str) -> Value {
        let mut input = json!({ "roomId": self.key.id, "ownerToken": self.token });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.client.mutate(name, input, fields).await
    }

    /// Runs a mutation of the owner, which must succeed. Returns its payload.
    pub async fn act(&self, name: &str, more: Value, fields: &str) -> Value {
        let response = self.try_act(name, more, fields).await;
        assert!(response.get("errors").is_none(), "{name} failed: {response}");
        response["data"][name].clone()
    }

    /// Changes settings. Returns the settings after the change.
    pub async fn update(&self, settings: Value) -> Value {
        const FIELDS: &str = "room { settings { title listed capacity slowModeSeconds locked } } cursor";
        self.act("updateRoom", settings, FIELDS).await["room"]["settings"].clone()
    }

    /// Bans a user. Returns the payload.
    pub async fn ban(&self, user: &User, more: Value) -> Value {
        let mut input = json!({ "userId": user.id });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.act("banUser", input, "ban { user { id displayName } at until reason } cursor").await
    }

    pub async fn unban(&self, user: &User) -> Value {
        self.act("unbanUser", json!({ "userId": user.id }), "user { id displayName } cursor").await
    }

    pub async fn end(&self) {
        let ended = self.act("endRoom", json!({}), "roomId").await;
        assert_eq!(ended["roomId"], self.key.id);
    }

    /// A page of the bans.
    pub async fn bans(&self, arguments: &str) -> Value {
        let query = format!(
            "query($id: ID!, $code: String!, $owner: String!) {{ room(id: $id, code: $code) {{
                bans(ownerToken: $owner{arguments}) {{ totalCount pageInfo {{ hasNextPage endCursor }}
                    edges {{ cursor }} nodes {{ user {{ id }} at until reason }} }} }} }}"
        );
        let variables = json!({ "id": self.key.id, "code": self.key.code, "owner": self.token });
        self.client.data(&query, variables).await["room"]["bans"].clone()
    }
}

/// Joins a room as this user. Returns the whole response, and keeps the token if the user was accepted.
pub async fn try_join(user: &mut User, room: &RoomKey) -> Value {
    let input = json!({ "roomId": room.id, "roomCode": room.code, "userId": user.id, "token": user.token });
    let response = user.client.mutate("joinRoom", input, "user { id displayName } token presenceToken cursor").await;
    let joined = &response["data"]["joinRoom"];
    if let Some(token) = joined["token"].as_str() {
        user.token = Some(token.to_owned());
        user.id = Some(text(&joined["user"]["id"]));
    }
    response
}

/// Adds or removes a reaction as this user. Returns the whole response, and keeps the token if the reaction was accepted.
pub async fn try_react(user: &mut User, room: &RoomKey, message_id: &str, emoji: &str, add: bool) -> Value {
    let input = json!({ "roomId": room.id, "roomCode": room.code, "userId": user.id, "token": user.token,
        "messageId": message_id, "emoji": emoji });
    let name = if add { "addReaction" } else { "removeReaction" };
    let response = user.client.mutate(name, input, "message { id reactions { emoji count } } token cursor").await;
    if let Some(token) = response["data"][name]["token"].as_str() {
        user.token = Some(token.to_owned());
    }
    response
}

/// Adds or removes a reaction, which must succeed. Returns the reactions of the message.
pub async fn react(user: &mut User, room: &RoomKey, message_id: &str, emoji: &str, add: bool) -> Value {
    let response = try_react(user, room, message_id, emoji, add).await;
    assert!(response.get("errors").is_none(), "a reaction failed: {response}");
    response["data"][if add { "addReaction" } else { "removeReaction" }]["message"]["reactions"].clone()
}

/// The code of the error of a user's send.
pub async fn send_code(user: &mut User, room: &RoomKey) -> String {
    error_code(&user.try_send(room, "one more").await.expect("a response"))
}
