//! Sends, edits and deletes messages.

use tracing::instrument;

use crate::chat::admission::{Claimant, OnUnknownUser, prepare_admission};
use crate::chat::{
    Accepted, ChangeMessage, Chat, ChatError, MAX_ATTEMPTS, MessageRef, SendMessage, ids, message_of, with_deadline,
};
use crate::domain::client_key::ClientKey;
use crate::domain::message::{ClientMessageId, Message, MessageText};
use crate::domain::page::Window;
use crate::domain::position::EntryTag;
use crate::domain::user::{DisplayName, Role};
use crate::domain::violation::Violation;
use crate::store::{Actor, Change, NewMessage, Sent, StoreError};

impl Chat {
    /// Sends a message. The first send registers its user. A repeated `client_message_id` returns the first result.
    #[instrument(level = "debug", skip_all)]
    pub async fn send_message(&self, client: ClientKey, input: SendMessage<'_>) -> Result<Accepted, ChatError> {
        with_deadline(self.send(client, input)).await
    }

    async fn send(&self, client: ClientKey, input: SendMessage<'_>) -> Result<Accepted, ChatError> {
        let limits = &self.settings.limits;
        let text = MessageText::parse(input.text, limits)?;
        let name = input.display_name.map(|name| DisplayName::parse(name, limits)).transpose()?;
        let client_message_id = input.client_message_id.map(ClientMessageId::parse).transpose()?;
        let room = self.open_room(client, input.room).await?.room;
        let claimant = self.identify(client, &room, input.user_id, input.token)?;
        let reply_to = match input.reply_to_id.map(ids::parse_message_id).transpose()? {
            Some(id) if id.room != room.id => return Err(Violation::MessageNotFound.into()),
            reply_to => reply_to.map(|id| id.index),
        };
        let is_owner = self.is_proven_owner(client, &room, &claimant, input.owner_token).await?;
        let message = NewMessage {
            room: room.id,
            tag: EntryTag::random(),
            text,
            client_message_id,
            reply_to,
            is_owner,
            address: room.address_hash(client),
            limits: self.room_limits(),
        };
        let user = match claimant {
            Claimant::Unsigned(user) => user,
            Claimant::Signed(signed) => {
                let admitted = signed.admitted();
                let event = self.apply(message.into_commit(admitted.user.clone())).await?;
                return Ok(admitted.accepted(message_of(event)?));
            }
        };
        let on_unknown = OnUnknownUser::Register(name.unwrap_or_else(DisplayName::anonymous));
        let (admission, tokens) = prepare_admission(&room, user.clone(), input.token, on_unknown);
        let sent = self.store.send(admission, message).await;
        if matches!(sent, Err(StoreError::NotFound)) {
            self.rooms.forget(room.id);
        }
        let Sent { admitted, committed } = sent?;
        match (tokens.admitted_user(&admitted), committed) {
            (Some(user), Some(committed)) => Ok(user.accepted(message_of(committed.into_event())?)),
            _ => Err(self.admission_error(client, &user, &admitted).await),
        }
    }

    /// Replaces the text of a message. Only its author may.
    #[instrument(level = "debug", skip_all)]
    pub async fn edit_message(
        &self,
        client: ClientKey,
        input: ChangeMessage<'_>,
        text: &str,
    ) -> Result<Accepted, ChatError> {
        let text = MessageText::parse(text, &self.settings.limits)?;
        let limits = self.room_limits();
        let edit = move |editor: Actor, message: &Message| Change::Edit {
            editor,
            index: message.id.index,
            revision: message.revision,
            text: text.clone(),
            limits,
        };
        with_deadline(self.change_message(client, input, edit)).await
    }

    /// Removes the text of a message for good. Only its author may.
    #[instrument(level = "debug", skip_all)]
    pub async fn delete_message(&self, client: ClientKey, input: ChangeMessage<'_>) -> Result<Accepted, ChatError> {
        let delete = |_: Actor, message: &Message| Change::Delete {
            by: Role::Member,
            index: message.id.index,
            revision: message.revision,
        };
        with_deadline(self.change_message(client, input, delete)).await
    }

    async fn change_message(
        &self,
        client: ClientKey,
        input: ChangeMessage<'_>,
        change: impl Fn(Actor, &Message) -> Change + Send + Sync + 'static,
    ) -> Result<Accepted, ChatError> {
        let room_id = ids::parse_room_id(input.room.id)?;
        let index = match input.message {
            MessageRef::Id(id) => Some(ids::parse_message_id(id)?).filter(|id| id.room == room_id).map(|id| id.index),
            MessageRef::Index(index) => u64::try_from(index).ok(),
        };
        let room = self.open_room(client, input.room).await?.room;
        let claimant = self.identify(client, &room, Some(input.user_id), Some(input.token))?;
        let mut snapshot = self.read_store(room.id, index.map(Window::only)).await?;
        let (chat, token) = (self.clone(), input.token.to_owned());
        // Detached, because the first step replaces the client's token: the rest must follow even if the client disconnects.
        let changed = self.run_detached(async move {
            let is_owner = claimant.is_owner_of(&room);
            let admitted = chat.authenticate(client, &room, claimant, &token).await?;
            let index = index.ok_or(Violation::MessageNotFound)?;
            let address = room.address_hash(client);
            let actor = Actor { user: admitted.user.clone(), is_owner, address };
            for _ in 0..MAX_ATTEMPTS {
                let message = snapshot.messages.pop().ok_or(Violation::MessageNotFound)?;
                message.authorize_change(&admitted.user.id)?;
                match chat.commit_message(&room, change(actor.clone(), &message)).await {
                    Ok(changed) => return Ok(admitted.accepted(changed)),
                    // Nothing was written, because the message has changed since it was read. Check the rules again.
                    Err(StoreError::Conflict) => {
                        snapshot = chat.read_store(room.id, Some(Window::only(index))).await?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Err(ChatError::Conflict)
        });
        changed.await
    }
}
