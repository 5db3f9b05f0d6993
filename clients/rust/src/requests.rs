//! The requests of a room: as a reader, as its user, and as its owner.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::connection::{Connection, Operation};
use crate::operations::{JOIN, SEND, TYPE};
use crate::retry::Backoff;
use crate::types::{Ban, Chatter, Message, RoomSettings};
use crate::user::{Actor, Credentials};
use crate::{Error, ErrorCode, Timing};

/// The payload of a mutation, as far as it was requested.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActionPayload {
    pub(crate) token: Option<String>,
    pub(crate) user: Option<Chatter>,
    pub(crate) message: Option<Message>,
    pub(crate) presence_token: Option<String>,
}

impl ActionPayload {
    pub(crate) fn into_message(self) -> Result<Message, Error> {
        self.message.ok_or_else(|| Error::of(ErrorCode::Unknown))
    }
}

/// The payload of a mutation of the owner, as far as it was requested.
#[derive(Deserialize)]
pub(crate) struct OwnerPayload {
    pub(crate) message: Option<Message>,
    pub(crate) room: Option<UpdatedRoom>,
    pub(crate) ban: Option<Ban>,
}

#[derive(Deserialize)]
pub(crate) struct UpdatedRoom {
    pub(crate) settings: RoomSettings,
}

#[derive(Deserialize)]
pub(crate) struct Payload<T> {
    pub(crate) payload: T,
}

#[derive(Deserialize)]
struct InRoom<T> {
    room: T,
}

pub(crate) struct RoomRequests {
    connection: Arc<Connection>,
    timing: Timing,
    pub(crate) room_id: String,
    room_code: String,
    pub(crate) user: Actor,
    owner_token: Option<String>,
}

impl RoomRequests {
    pub(crate) fn new(
        connection: Arc<Connection>,
        timing: Timing,
        room_id: String,
        room_code: String,
        user: Actor,
        owner_token: Option<String>,
    ) -> Self {
        Self { connection, timing, room_id, room_code, user, owner_token }
    }

    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::of(&self.timing)
    }

    /// Why the connection is lost, if it is.
    pub(crate) fn loss(&self) -> Option<Error> {
        self.connection.loss()
    }

    pub(crate) fn has_owner_token(&self) -> bool {
        self.owner_token.is_some()
    }

    /// Executes a query of the room until it succeeds or fails for good.
    pub(crate) async fn read<T: DeserializeOwned>(&self, document: &'static str, variables: Value) -> Result<T, Error> {
        let variables = merged([self.key(), variables]);
        let read = || self.connection.request::<InRoom<T>>(document, variables.clone());
        Ok(self.backoff().retry(read).await?.room)
    }

    /// Executes a mutation of the user until it succeeds or fails for good. See [`Actor::act`] for `can_replace`.
    pub(crate) async fn act(
        &self,
        document: &'static str,
        input: Value,
        can_replace: bool,
    ) -> Result<ActionPayload, Error> {
        self.backoff().retry(|| self.act_once(document, input.clone(), can_replace)).await
    }

    /// Like `act`, without repeating it.
    pub(crate) async fn act_once(
        &self,
        document: &'static str,
        input: Value,
        can_replace: bool,
    ) -> Result<ActionPayload, Error> {
        let may_register = document == SEND || document == JOIN;
        let action = |me: Credentials| {
            let mut who = json!({ "userId": me.user_id, "token": me.token });
            if may_register {
                who["displayName"] = json!(me.display_name);
                who["ownerToken"] = json!(self.owner_token);
            }
            let variables = json!({ "input": merged([self.key(), who, input.clone()]) });
            async move {
                let response = self.connection.request::<Payload<ActionPayload>>(document, variables).await;
                response.map(|response| response.payload)
            }
        };
        let late = || Err(Error::new(ErrorCode::Timeout, "The identity was not returned in time."));
        // Requests have a deadline of their own. This one is for an identity and for the actions that come first.
        timeout(4 * self.timing.request, self.user.act(can_replace, action)).await.unwrap_or_else(|_| late())
    }

    /// Executes a mutation of the owner until it succeeds or fails for good.
    pub(crate) async fn act_as_owner(&self, document: &'static str, input: Value) -> Result<OwnerPayload, Error> {
        let proof = json!({ "roomId": self.room_id, "ownerToken": self.prove_owner().await? });
        let variables = json!({ "input": merged([proof, input]) });
        let act = || self.connection.request::<Payload<_>>(document, variables.clone());
        Ok(self.backoff().retry(act).await?.payload)
    }

    /// The owner's token, or an identity, which may have the role of the owner.
    pub(crate) async fn prove_owner(&self) -> Result<String, Error> {
        if let Some(token) = &self.owner_token {
            return Ok(token.clone());
        }
        let missing = || Error::new(ErrorCode::OwnerTokenInvalid, "This client has no token of the owner.");
        timeout(self.timing.request, self.user.identity()).await.ok().flatten().ok_or_else(missing)
    }

    /// Tells the others that the user is typing. Is not repeated.
    pub(crate) async fn announce_typing(&self, presence_token: &str) {
        let token = json!({ "presenceToken": presence_token });
        let variables = json!({ "input": merged([self.key(), token]) });
        let _ = self.connection.request::<IgnoredAny>(TYPE, variables).await;
    }

    pub(crate) async fn subscribe(&self, document: &'static str, variables: Value) -> Result<Operation, Error> {
        self.connection.start(document, merged([self.key(), variables])).await
    }

    fn key(&self) -> Value {
        json!({ "roomId": self.room_id, "roomCode": self.room_code })
    }
}

/// One object with the members of these.
fn merged<const N: usize>(objects: [Value; N]) -> Value {
    let members = objects.into_iter().flat_map(|object| match object {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    });
    Value::Object(members.collect())
}
