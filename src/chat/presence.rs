//! Opens presence subscriptions, and tells that a user is typing.

use std::sync::Arc;

use tracing::instrument;

use crate::access::secrets;
use crate::chat::{Chat, ChatError, FOLLOW_COST, RoomKey, with_deadline};
use crate::domain::client_key::ClientKey;
use crate::domain::presence::{PresenceUpdate, PresentUser, TYPING_DURATION, Typing};
use crate::domain::room::{Room, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Role, UserId};
use crate::hub::PresenceReader;
use crate::store::{AddressHash, Member};

/// One reader of a room's presence, made by [`Chat::presence`]. Dropping it ends the subscription.
pub struct PresenceFollower {
    room: RoomId,
    reader: PresenceReader,
}

impl PresenceFollower {
    /// The next update; the first is a snapshot. `None` when the room has ended. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Arc<PresenceUpdate>> {
        self.reader.next().await
    }

    /// The room that is followed.
    pub const fn room(&self) -> RoomId {
        self.room
    }
}

impl Chat {
    /// Streams who is in a room and who is typing: a snapshot, then changes. The user of the presence token is shown to the others
    /// while the stream lives. Without a token, the reader is not shown.
    #[instrument(level = "debug", skip_all)]
    pub async fn presence(
        &self,
        client: ClientKey,
        key: RoomKey<'_>,
        presence_token: Option<&str>,
    ) -> Result<PresenceFollower, ChatError> {
        self.rate_limiter.check_subscribe(client)?;
        with_deadline(async {
            let opened = self.open_room(client, key).await?;
            let room = opened.room;
            let user = match presence_token {
                Some(token) => Some(self.presence_user(client, &room, token).await?),
                None => None,
            };
            self.rate_limiter.check_read(client, FOLLOW_COST)?;
            let state = match opened.fresh_state {
                Some(state) => state,
                None => self.read_room(room.id, None).await?.state,
            };
            let mut reader = self.hub.presence(&state).await;
            if let Some(user) = user {
                // Read after the hub watches the room, so that no ban is missed in between.
                let address = secrets::address_hash(&room, client);
                let Member { user, role, .. } = self.member_to_show(&room, &user, address).await?;
                reader.show(PresentUser { user, role }, address);
            }
            Ok::<_, ChatError>(PresenceFollower { room: room.id, reader })
        })
        .await
    }

    /// Tells the others in a room that a user is typing. Returns how long they are shown that.
    #[instrument(level = "debug", skip_all)]
    pub async fn set_typing(
        &self,
        client: ClientKey,
        key: RoomKey<'_>,
        presence_token: &str,
    ) -> Result<Timestamp, ChatError> {
        with_deadline(async {
            let room = self.open_room(client, key).await?.room;
            let user = self.presence_user(client, &room, presence_token).await?;
            self.rate_limiter.check_typing(client, user.as_str(), room.id)?;
            let member = self.member_to_show(&room, &user, secrets::address_hash(&room, client));
            let (member, view) = tokio::try_join!(member, self.read_room(room.id, None))?;
            if view.state.settings.locked && member.role != Role::Owner {
                return Err(ChatError::RoomLocked);
            }
            self.store.announce_typing(room.id, Typing { user: member.user, remaining: TYPING_DURATION }).await?;
            Ok(view.state.now.plus(TYPING_DURATION))
        })
        .await
    }

    /// The user of a presence token. Counts a wrong one.
    async fn presence_user(&self, client: ClientKey, room: &Room, token: &str) -> Result<UserId, ChatError> {
        self.access.check_presence_token(client, room, token).await?.ok_or(ChatError::PresenceTokenInvalid)
    }

    /// A user that may be shown to the others in a room. A ban of the address that its client has now holds, wherever the user
    /// joined from.
    async fn member_to_show(
        &self,
        room: &Room,
        user: &UserId,
        address: Option<AddressHash>,
    ) -> Result<Member, ChatError> {
        let member = self.store.member(room.id, user, address).await?.ok_or(ChatError::PresenceTokenInvalid)?;
        match member.banned_until {
            Some(until) => Err(ChatError::UserBanned { until }),
            None => Ok(member),
        }
    }
}
