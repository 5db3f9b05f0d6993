//! What the owner of a room can do: change its settings, remove messages, ban users, and end it.

use std::sync::Arc;
use std::time::Duration;

use tracing::instrument;

use crate::access::Denied;
use crate::chat::room_cache::CachedRoom;
use crate::chat::settings_input::parse_settings;
use crate::chat::{BanUser, ChangeSettings, Chat, ChatError, OwnerKey, RoomView, ids, with_deadline};
use crate::domain::ban::{Ban, BanReason};
use crate::domain::client_key::ClientKey;
use crate::domain::event::{Event, EventKind};
use crate::domain::message::Message;
use crate::domain::page::Window;
use crate::domain::position::Position;
use crate::domain::room::{Room, RoomId};
use crate::domain::user::{Role, User, UserId};
use crate::domain::violation::{Field, Violation};
use crate::store::{BanPage, Change, StoreError};

/// Number of messages that are read at once to find those of a banned user.
const REMOVAL_PAGE: u32 = 100;

/// How long a ban waits for the removal of the user's messages. The removal goes on after that.
const REMOVAL_WAIT: Duration = Duration::from_millis(1_500);

/// How often a removal goes on after an error of the store, and the pause before.
const REMOVAL_RETRIES: u32 = 120;
const REMOVAL_PAUSE: Duration = Duration::from_secs(1);

/// Maximum seconds of a ban. Longer than any room lives.
const BAN_SECONDS_MAX: i32 = 31_536_000;

impl Chat {
    /// Changes settings of a room. Returns the room after the change, and the position of the event.
    #[instrument(level = "debug", skip_all)]
    pub async fn update_room(
        &self,
        client: ClientKey,
        key: OwnerKey<'_>,
        settings: ChangeSettings<'_>,
    ) -> Result<(RoomView, Position), ChatError> {
        let settings = parse_settings(settings)?;
        with_deadline(async {
            let room = self.open_as_owner(client, key).await?;
            let event = self.commit(&room, Change::Update { settings, limits: self.owner_limits() }).await?;
            Ok::<_, ChatError>((self.read_room(room.id, None).await?, event.position))
        })
        .await
    }

    /// Removes the text of any message for good. Returns the message and the position of the event.
    #[instrument(level = "debug", skip_all)]
    pub async fn remove_message(
        &self,
        client: ClientKey,
        key: OwnerKey<'_>,
        message_id: &str,
    ) -> Result<(Message, Position), ChatError> {
        let id = ids::parse_message_id(message_id)?;
        with_deadline(async {
            let room = self.open_as_owner(client, key).await?;
            if id.room != room.id {
                return Err(Violation::MessageNotFound.into());
            }
            self.remove(&room, id.index).await
        })
        .await
    }

    /// Bans a user, or replaces its ban. Returns the ban and the position of its event.
    #[instrument(level = "debug", skip_all)]
    pub async fn ban_user(
        &self,
        client: ClientKey,
        key: OwnerKey<'_>,
        input: BanUser<'_>,
    ) -> Result<(Ban, Position), ChatError> {
        let duration = input.seconds.map(parse_ban_duration).transpose()?;
        let reason = input.reason.map(BanReason::parse).transpose()?;
        let (room, ban, position) = with_deadline(async {
            let room = self.open_as_owner(client, key).await?;
            let user = UserId::parse_any(input.user_id, &self.settings.limits)?;
            let change = Change::Ban { user, duration, reason, limits: self.owner_limits() };
            match self.commit(&room, change).await {
                Ok(Event { kind: EventKind::UserBanned(ban), position, .. }) => Ok((room, ban, position)),
                Ok(_) => Err(ChatError::Internal("a ban became another event".into())),
                Err(error) => Err(unknown_user(error)),
            }
        })
        .await?;
        if input.remove_messages {
            let (chat, user) = (self.clone(), ban.user.id.clone());
            let removal = async move {
                let removed = chat.remove_messages_of(&room, &user).await;
                if let Err(error) = &removed {
                    let error = error.fault();
                    tracing::warn!(
                        error,
                        "not all messages of a banned user were removed; the owner can repeat the ban"
                    );
                }
                removed
            };
            let removal = super::run_in(&self.removals, removal);
            match tokio::time::timeout(REMOVAL_WAIT, removal).await {
                Ok(removed) => removed?,
                Err(_elapsed) => tracing::debug!("the removal of a user's messages goes on in the background"),
            }
        }
        Ok((ban, position))
    }

    /// Lifts the ban of a user and of its address. Returns the user and the position of the event.
    #[instrument(level = "debug", skip_all)]
    pub async fn unban_user(
        &self,
        client: ClientKey,
        key: OwnerKey<'_>,
        user_id: &str,
    ) -> Result<(User, Position), ChatError> {
        with_deadline(async {
            let room = self.open_as_owner(client, key).await?;
            let user = UserId::parse_any(user_id, &self.settings.limits)?;
            match self.commit(&room, Change::Unban { user, limits: self.owner_limits() }).await {
                Ok(Event { kind: EventKind::UserUnbanned(user), position, .. }) => Ok((user, position)),
                Ok(_) => Err(ChatError::Internal("the lift of a ban became another event".into())),
                Err(error) => Err(unknown_user(error)),
            }
        })
        .await
    }

    /// Ends a room at once, with everything in it.
    #[instrument(level = "debug", skip_all)]
    pub async fn end_room(&self, client: ClientKey, key: OwnerKey<'_>) -> Result<RoomId, ChatError> {
        with_deadline(async {
            let room = self.open_as_owner(client, key).await?;
            let ended = self.store.end_room(room.id).await;
            self.rooms.forget(room.id);
            ended.map(|()| room.id).map_err(ChatError::from)
        })
        .await
    }

    /// Reads a page of the bans of a room, for its owner.
    #[instrument(level = "debug", skip_all)]
    pub async fn bans(
        &self,
        client: ClientKey,
        room: &Room,
        owner_token: &str,
        after: Option<u64>,
        first: u32,
    ) -> Result<BanPage, ChatError> {
        with_deadline(async {
            self.check_owner(client, room, owner_token).await?;
            Ok::<_, ChatError>(self.store.bans(room.id, after, first).await?)
        })
        .await
    }

    /// Opens a room with the token that proves its owner. Charges the client for a send, because every use changes the room.
    async fn open_as_owner(&self, client: ClientKey, key: OwnerKey<'_>) -> Result<Arc<CachedRoom>, ChatError> {
        let room = self.find_room(ids::parse_room_id(key.room_id)?).await?.room;
        self.rate_limiter.check_send(client, "", room.id)?;
        self.check_owner(client, &room, key.token).await?;
        Ok(room)
    }

    /// Fails unless `token` proves the owner of a room.
    pub(super) async fn check_owner(&self, client: ClientKey, room: &Room, token: &str) -> Result<(), ChatError> {
        match self.access.check_owner_token(client, room, token).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(ChatError::OwnerTokenInvalid),
            Err(Denied::Store(StoreError::NotFound)) => {
                self.rooms.forget(room.id);
                Err(ChatError::RoomNotFound)
            }
            Err(denied) => Err(denied.into()),
        }
    }

    /// Removes all messages of a user, each with an event of its own. Can be repeated after an interruption.
    async fn remove_messages_of(&self, room: &Room, user: &UserId) -> Result<(), ChatError> {
        let (mut start, mut failures) = (0, 0);
        loop {
            let page = match self.read_store(room.id, Some(Window::starting_at(start, REMOVAL_PAGE))).await {
                Ok(page) => page,
                Err(error) => {
                    failures = self.pause_removal(error, failures).await?;
                    continue;
                }
            };
            let own = page.messages.iter().filter(|message| message.author.id == *user && message.deleted_at.is_none());
            for message in own {
                while let Err(error) = self.remove(room, message.id.index).await {
                    // The user has just deleted it.
                    if matches!(error, ChatError::Refused(Violation::MessageNotFound)) {
                        break;
                    }
                    failures = self.pause_removal(error, failures).await?;
                }
            }
            start += page.messages.len() as u64;
            if page.messages.is_empty() || start >= page.state.message_count {
                return Ok(());
            }
        }
    }

    /// Waits before a removal goes on after an error that may pass. Returns the number of such errors so far.
    async fn pause_removal(&self, error: ChatError, failures: u32) -> Result<u32, ChatError> {
        let may_pass = matches!(error, ChatError::Unavailable(_) | ChatError::Conflict);
        if !may_pass || failures >= REMOVAL_RETRIES {
            return Err(error);
        }
        tokio::time::sleep(REMOVAL_PAUSE).await;
        Ok(failures + 1)
    }

    /// Removes a message in its current revision, whatever that is.
    async fn remove(&self, room: &Room, index: u64) -> Result<(Message, Position), ChatError> {
        for _ in 0..super::MAX_ATTEMPTS {
            let message = self.read_store(room.id, Some(Window::only(index))).await?.messages.pop();
            let message = message.filter(|message| message.deleted_at.is_none()).ok_or(Violation::MessageNotFound)?;
            let change = Change::Delete { by: Role::Owner, index, revision: message.revision };
            match self.commit_message(room, change).await {
                // It has changed since it was read, maybe to a deleted one.
                Err(StoreError::Conflict | StoreError::NotFound) => {}
                outcome => return Ok(outcome?),
            }
        }
        Err(ChatError::Conflict)
    }
}

fn parse_ban_duration(seconds: i32) -> Result<Duration, Violation> {
    let duration = Some(seconds).filter(|seconds| (1..=BAN_SECONDS_MAX).contains(seconds));
    let duration = duration.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    duration.ok_or_else(|| Field::Seconds.invalid(format!("must be 1 to {BAN_SECONDS_MAX}")))
}

/// The meaning of a store error for a user that the owner names.
fn unknown_user(error: StoreError) -> ChatError {
    match error {
        StoreError::NoSuchTarget => Field::UserId.invalid("is not that of a user of this room").into(),
        error => error.into(),
    }
}
