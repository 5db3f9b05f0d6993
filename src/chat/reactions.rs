//! Adds and removes reactions to messages.

use tracing::instrument;

use crate::chat::{Accepted, Chat, ChatError, React, ids, with_deadline};
use crate::domain::client_key::ClientKey;
use crate::domain::position::EntryTag;
use crate::domain::reaction::Emoji;
use crate::domain::room::RoomId;
use crate::domain::user::UserId;
use crate::domain::violation::Violation;
use crate::store::{Actor, Reaction, StoreError};

impl Chat {
    /// Adds or removes a user's reaction. A reaction that exists already, or is already absent, changes nothing.
    #[instrument(level = "debug", skip_all)]
    pub async fn react(&self, client: ClientKey, input: React<'_>) -> Result<Accepted, ChatError> {
        let room_id = ids::parse_room_id(input.room.id)?;
        let message = ids::parse_message_id(input.message_id)?;
        let emoji = Emoji::parse(input.emoji)?;
        let add = input.add;
        with_deadline(async {
            let room = self.open_room(client, input.room).await?.room;
            let claimant = self.identify(client, &room, Some(input.user_id), Some(input.token))?;
            let (chat, token, limits) = (self.clone(), input.token.to_owned(), self.room_limits());
            // Detached, because the first step replaces the client's token.
            self.run_detached(async move {
                let is_owner = claimant.is_owner_of(&room);
                let admitted = chat.authenticate(client, &room, claimant, &token).await?;
                if message.room != room_id {
                    return Err(Violation::MessageNotFound.into());
                }
                let address = room.address_hash(client);
                let actor = Actor { user: admitted.user.clone(), is_owner, address };
                let (tag, message) = (EntryTag::random(), message.index);
                let reaction = Reaction { room: room.id, tag, actor, message, emoji, add, limits };
                match chat.store.react(reaction).await {
                    Ok(reacted) => Ok(admitted.accepted((reacted.message, reacted.head))),
                    Err(StoreError::NotFound) => {
                        // Fails if it is the room that does not exist.
                        chat.read_store(room.id, None).await?;
                        Err(Violation::MessageNotFound.into())
                    }
                    Err(StoreError::Full) => Err(ChatError::ReactionsFull),
                    Err(StoreError::EditLimit) => Err(ChatError::ReactionLimit),
                    Err(error) => Err(error.into()),
                }
            })
            .await
        })
        .await
    }

    /// The emoji with which a user has reacted to each of the messages with these indexes, in the same order. None if there is no such
    /// user or room.
    #[instrument(level = "debug", skip_all)]
    pub async fn reactions_by(
        &self,
        room: RoomId,
        user_id: &str,
        messages: &[u64],
    ) -> Result<Vec<Vec<Emoji>>, ChatError> {
        let none = || vec![Vec::new(); messages.len()];
        let Ok(user) = UserId::parse_any(user_id, &self.settings.limits) else { return Ok(none()) };
        match with_deadline(self.store.reactions_by(room, &user, messages)).await {
            Err(ChatError::RoomNotFound) => Ok(none()),
            outcome => outcome,
        }
    }
}
