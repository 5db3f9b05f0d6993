//! A store in which every room exists and is empty, and which refuses every change. Lets requests reach as much code as possible.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, ready};
use livechat::domain::event::Event;
use livechat::domain::page::Window;
use livechat::domain::position::Position;
use livechat::domain::presence::Typing;
use livechat::domain::reaction::Emoji;
use livechat::domain::room::{Room, RoomCode, RoomId, RoomSecret, RoomSettings};
use livechat::domain::timestamp::Timestamp;
use livechat::domain::token::TokenHash;
use livechat::domain::user::{DisplayName, User, UserId};
use livechat::store::{
    ActiveRooms, Actor, AddressHash, Admission, Admitted, AttemptLimits, AttemptingClient, BanPage, CodeAttempt, Commit, Committed,
    FailureCounters, FailureOutcome, FailureRecord, Feed, FeedItem, LockoutPolicy, Member, NewMessage, NewRoom,
    PresenceReport, PresentUsers, Reacted, Reaction, RoomState, Sent, Snapshot, Store, StoreError, Subject, UserPage,
};
use tokio::sync::broadcast;

/// The code of every room. The corpus uses it.
const CODE: &str = "123456";

pub struct EmptyStore {
    announcements: broadcast::Sender<FeedItem>,
}

impl EmptyStore {
    pub fn shared() -> Arc<dyn Store> {
        Arc::new(Self { announcements: broadcast::channel(1).0 })
    }
}

fn state(id: RoomId) -> RoomState {
    let (created_at, now) = (Timestamp::from_millis(1_000_000), Timestamp::from_millis(1_001_000));
    let expires_at = created_at.plus(Duration::from_secs(86_400));
    let room = Room {
        id,
        code: RoomCode::from_stored(CODE.to_owned()),
        owner_token: TokenHash([0; 32]),
        secret: RoomSecret([0; 16]),
        created_at,
        expires_at,
    };
    let settings = RoomSettings::default();
    RoomState { room, now, head: Position::START, message_count: 0, user_count: 0, settings, reaction_changes: 0 }
}

#[async_trait]
impl FailureCounters for EmptyStore {
    async fn record_failure(&self, _: Subject, _: LockoutPolicy) -> Result<FailureOutcome, StoreError> {
        Ok(FailureOutcome::Counted(FailureRecord(0)))
    }

    async fn undo_failure(&self, _: Subject, _: FailureRecord) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Store for EmptyStore {
    async fn create_room(&self, room: NewRoom) -> Result<RoomState, StoreError> {
        Ok(state(room.id))
    }

    async fn end_room(&self, _: RoomId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn bans(&self, _: RoomId, _: Option<u64>, _: u32) -> Result<BanPage, StoreError> {
        Ok(BanPage { bans: Vec::new(), more: false, total: 0 })
    }

    async fn member(
        &self,
        _: RoomId,
        _: &UserId,
        _: Option<AddressHash>,
    ) -> Result<Option<Member>, StoreError> {
        Ok(None)
    }

    async fn join(&self, _: RoomId, _: Actor) -> Result<Member, StoreError> {
        Err(StoreError::Full)
    }

    async fn reactions_by(&self, _: RoomId, _: &UserId, messages: &[u64]) -> Result<Vec<Vec<Emoji>>, StoreError> {
        Ok(vec![Vec::new(); messages.len()])
    }

    async fn react(&self, _: Reaction) -> Result<Reacted, StoreError> {
        Err(StoreError::Full)
    }

    async fn log_reactions(&self, _: RoomId) -> Result<Option<Duration>, StoreError> {
        Ok(None)
    }

    async fn announce_typing(&self, _: RoomId, _: Typing) -> Result<(), StoreError> {
        Ok(())
    }

    async fn report_presence(&self, _: RoomId, _: PresenceReport) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn present_elsewhere(&self, _: RoomId) -> Result<PresentUsers, StoreError> {
        Ok(PresentUsers::default())
    }

    async fn snapshot(&self, room: RoomId, _: Option<Window>) -> Result<Snapshot, StoreError> {
        Ok(Snapshot { state: state(room), messages: Vec::new() })
    }

    async fn users(&self, _: RoomId, _: Window) -> Result<UserPage, StoreError> {
        Ok(UserPage { users: Vec::new(), total: 0 })
    }

    async fn active_rooms(&self, _: Option<(Timestamp, RoomId)>, _: u32) -> Result<ActiveRooms, StoreError> {
        Ok(ActiveRooms { rooms: vec![state(RoomId::from_bytes([7; 16]))], more: true, total: 2 })
    }

    async fn authenticate(&self, admission: Admission) -> Result<Admitted, StoreError> {
        let display_name = admission.register_as.unwrap_or_else(|| DisplayName::from_stored("Ada".to_owned()));
        Ok(Admitted::Rotated(User { id: admission.user, display_name, avatar_url: None }))
    }

    async fn forget_new_user(&self, _: &UserId, _: TokenHash) -> Result<(), StoreError> {
        Ok(())
    }

    async fn commit(&self, _: Commit) -> Result<Committed, StoreError> {
        Err(StoreError::Full)
    }

    async fn send(&self, _: Admission, _: NewMessage) -> Result<Sent, StoreError> {
        Err(StoreError::Full)
    }

    async fn read_log(&self, _: RoomId, after: Position, _: u32) -> Result<Vec<Event>, StoreError> {
        if after == Position::START { Ok(Vec::new()) } else { Err(StoreError::ForeignPosition) }
    }

    fn feed(&self) -> Feed {
        Feed::new(&self.announcements)
    }

    fn subscribe(&self, _: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        Box::pin(ready(Ok(())))
    }

    fn unsubscribe(&self, _: RoomId) {}

    async fn report_viewers(&self, _: &[(RoomId, u32)]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn viewers_elsewhere(&self, rooms: &[RoomId]) -> Result<Vec<u32>, StoreError> {
        Ok(vec![0; rooms.len()])
    }

    async fn begin_code_attempt(
        &self,
        _: RoomId,
        _: AttemptingClient,
        _: Option<AttemptLimits>,
    ) -> Result<CodeAttempt, StoreError> {
        Ok(CodeAttempt::Counted)
    }

    async fn trust_client(&self, _: RoomId, _: AttemptingClient, _: bool) -> Result<(), StoreError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
