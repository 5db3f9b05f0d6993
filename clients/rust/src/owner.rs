//! What the owner of a room can do.

use serde::Deserialize;
use serde_json::json;

use crate::operations::{BAN, BANS, END, UNBAN, UPDATE};
use crate::requests::OwnerPayload;
use crate::types::{Ban, Page, RoomSettings};
use crate::{BanOptions, Error, ErrorCode, NewSettings, Room};

/// The actions of a room's owner: the client with the owner's token, or whose identity says so.
#[derive(Debug)]
pub struct Owner<'a> {
    pub(crate) room: &'a Room,
}

impl Owner<'_> {
    /// Changes settings of the room.
    ///
    /// # Errors
    /// The server refuses, or the room was left first.
    pub async fn update(&self, settings: NewSettings) -> Result<RoomSettings, Error> {
        let payload = self.act(UPDATE, json!(settings)).await?;
        payload.room.map(|room| room.settings).ok_or_else(|| Error::of(ErrorCode::Unknown))
    }

    /// Bans a user.
    ///
    /// # Errors
    /// The server refuses, or the room was left first.
    pub async fn ban(&self, user_id: &str, options: BanOptions) -> Result<Ban, Error> {
        let mut input = json!(options);
        input["userId"] = json!(user_id);
        self.act(BAN, input).await?.ban.ok_or_else(|| Error::of(ErrorCode::Unknown))
    }

    /// Lifts the ban of a user.
    ///
    /// # Errors
    /// The server refuses, or the room was left first.
    pub async fn unban(&self, user_id: &str) -> Result<(), Error> {
        self.act(UNBAN, json!({ "userId": user_id })).await.map(drop)
    }

    /// A page of the bans: the first `first`, at most 100, after this cursor.
    ///
    /// # Errors
    /// The server refuses, or the room was left first.
    pub async fn bans(&self, first: u32, after: Option<&str>) -> Result<Page<Ban>, Error> {
        #[derive(Deserialize)]
        struct Bans {
            bans: Page<Ban>,
        }
        let requests = self.room.requests();
        let read = async {
            let proof = requests.prove_owner().await?;
            requests.read::<Bans>(BANS, json!({ "ownerToken": proof, "first": first, "after": after })).await
        };
        Ok(self.room.until_over(read).await?.bans)
    }

    /// Ends the room at once, with everything in it.
    ///
    /// # Errors
    /// The server refuses, or the room was left first.
    pub async fn end(&self) -> Result<(), Error> {
        match self.act(END, json!({})).await {
            // The response to an earlier try was lost, or the end of the room came before it.
            Err(error) if error.code == ErrorCode::RoomNotFound => Ok(()),
            result => result.map(drop),
        }
    }

    async fn act(&self, document: &'static str, input: serde_json::Value) -> Result<OwnerPayload, Error> {
        self.room.until_over(self.room.requests().act_as_owner(document, input)).await
    }
}
