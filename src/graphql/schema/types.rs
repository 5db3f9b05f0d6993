//! The object types of the schema: rooms, messages, chatters and events as clients see them.

use std::sync::Arc;

use async_graphql::{Context, ID, Interface, Object, Result, Scalar, ScalarType, SelectionField, Value};

use crate::chat::{RoomState, Snapshot, cursor};
use crate::domain::event::{Event, EventKind};
use crate::domain::limits::PAGE_DEFAULT;
use crate::domain::page::{self, Take, Window};
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::violation::Violation;
use crate::domain::{message, user};
use crate::graphql::schema::connection::{ChatterConnection, MessageConnection, Page};
use crate::graphql::schema::error::violation_error;
use crate::graphql::schema::reads;
use crate::graphql::schema::response_budget::{count_read, count_text};

/// A time in RFC 3339, in UTC and to the millisecond: `2026-01-31T12:34:56.789Z`.
pub struct DateTime(Timestamp);

/// A time in RFC 3339, in UTC and to the millisecond: `2026-01-31T12:34:56.789Z`.
#[Scalar(name = "DateTime", specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(_: Value) -> async_graphql::InputValueResult<Self> {
        Err("a DateTime cannot be sent as input".into())
    }

    fn to_value(&self) -> Value {
        let mut written = String::with_capacity(24);
        write_timestamp(self.0, &mut written);
        Value::String(written)
    }
}

/// Writes a time as clients see it.
pub(in crate::graphql) fn write_timestamp(at: Timestamp, to: &mut impl std::fmt::Write) {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let timestamp = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    let _ = write!(to, "{timestamp:.3}");
}

/// A chat room. It opens to everyone who knows its code and ends 24 hours after its creation.
pub struct Room {
    state: RoomState,
    /// A page of messages, read at the same instant as the state.
    page: Option<(Window, Arc<Snapshot>)>,
}

impl Room {
    pub(in crate::graphql) const fn new(state: RoomState) -> Self {
        Self { state, page: None }
    }

    /// A room read together with a page of its messages.
    pub(in crate::graphql) fn with_page(snapshot: Arc<Snapshot>, window: Option<Window>) -> Self {
        Self { state: snapshot.state.clone(), page: window.map(|window| (window, snapshot)) }
    }
}

/// A chat room. It opens to everyone who knows its code and ends 24 hours after its creation.
#[Object]
impl Room {
    /// 32 hex digits.
    async fn id(&self) -> ID {
        self.state.room.id.to_string().into()
    }

    /// The code that opens the room. Share it with the people you want to invite.
    async fn code(&self) -> &str {
        self.state.room.code.reveal()
    }

    /// When the room was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.state.room.created_at)
    }

    /// When the room and everything in it ends.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.state.room.expires_at)
    }

    /// Number of distinct users who have sent a message in this room.
    async fn chatter_count(&self) -> u64 {
        self.state.user_count
    }

    /// The users who have sent a message in this room, in the order of their first message. A page has at most 100 of them;
    /// the default is 50.
    async fn chatters(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of chatters, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only chatters after this cursor.")] after: Option<String>,
    ) -> Result<ChatterConnection> {
        let room = &self.state.room;
        let read = || {
            let after = after.as_deref().map(|after| cursor::decode_user(room.id, after)).transpose()?;
            Ok(Window { after, before: None, take: Take::First(page::parse_size(first)?) })
        };
        let window = read().map_err(|violation| violation_error(&violation))?;
        let page = reads::chatters(ctx, room, window).await?;
        let names = page.users.iter().map(|chatter| chatter.id.as_str().len() + chatter.display_name.as_str().len());
        count_read(ctx, names.sum())?;
        check_index(window.after, page.total)?;
        let range = window.range(page.total);
        let chatters = page.users.iter().cloned().map(Chatter::from);
        let items = range.clone().map(|ordinal| cursor::encode_user(room.id, ordinal)).zip(chatters);
        Ok(ChatterConnection(Page::new(items, range.start > 0, range.end < page.total, page.total)))
    }

    /// Number of open subscriptions of this room, on all nodes.
    async fn viewer_count(&self, ctx: &Context<'_>) -> Result<u32> {
        reads::viewers(ctx, self.state.room.id).await
    }

    /// The position of this response in the room's events. Subscribe with `after: cursor` to miss nothing in between.
    async fn cursor(&self) -> String {
        cursor::encode_event(self.state.room.id, self.state.head)
    }

    /// The messages, oldest first, including deleted ones. A page has at most 100 of them; without arguments, it is the last 50.
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of messages from the beginning, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only messages after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of messages from the end, at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only messages before this cursor.")] before: Option<String>,
    ) -> Result<MessageConnection> {
        let room = &self.state.room;
        let arguments = PageArguments { first, after, last, before };
        let window = arguments.window(room.id).map_err(|violation| violation_error(&violation))?;
        // The messages are copied below. Those that were not read together with the room occupy memory for this field, too.
        let (snapshot, copies) = match &self.page {
            Some((read, snapshot)) if *read == window => (Arc::clone(snapshot), 1),
            _ => (reads::messages(ctx, room, window).await?, 2),
        };
        count_read(ctx, copies * text_bytes(&snapshot.messages))?;
        let total = snapshot.state.message_count;
        check_index(window.after, total)?;
        check_index(window.before, total)?;
        let range = window.range(total);
        let messages = snapshot.messages.iter().cloned();
        let items = messages.map(|m| (cursor::encode_message(room.id, m.id.index), Message(m)));
        Ok(MessageConnection(Page::new(items, range.start > 0, range.end < total, total)))
    }
}

/// The arguments of `Room.messages`.
#[derive(Default)]
pub(in crate::graphql) struct PageArguments {
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
}

impl PageArguments {
    /// The arguments of a selection of the field, to read its page together with the room; `None` if they are invalid, which
    /// the field's own resolver then reports.
    pub(in crate::graphql) fn look_ahead(field: &SelectionField<'_>) -> Option<Self> {
        let mut arguments = Self::default();
        for (name, value) in field.arguments().ok()? {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("first", Value::Number(n)) => arguments.first = Some(n.as_i64()?.try_into().ok()?),
                ("last", Value::Number(n)) => arguments.last = Some(n.as_i64()?.try_into().ok()?),
                ("after", Value::String(cursor)) => arguments.after = Some(cursor),
                ("before", Value::String(cursor)) => arguments.before = Some(cursor),
                _ => return None,
            }
        }
        Some(arguments)
    }

    pub(in crate::graphql) fn window(&self, room: RoomId) -> Result<Window, Violation> {
        let index =
            |cursor: &Option<String>| cursor.as_deref().map(|cursor| cursor::decode_message(room, cursor)).transpose();
        Ok(Window {
            after: index(&self.after)?,
            before: index(&self.before)?,
            take: Take::parse(self.first, self.last, Take::Last(PAGE_DEFAULT))?,
        })
    }
}

/// Bytes of the texts of these messages.
pub(in crate::graphql) fn text_bytes(messages: &[message::Message]) -> usize {
    messages.iter().map(|message| message.text.as_ref().map_or(0, |text| text.as_str().len())).sum()
}

/// Items never leave a list, so a cursor behind its end is invalid.
fn check_index(index: Option<u64>, total: u64) -> Result<()> {
    if index.is_some_and(|index| index >= total) { Err(violation_error(&Violation::CursorInvalid)) } else { Ok(()) }
}

/// A room as everyone may see it: without its code and its messages.
pub struct ActiveRoom {
    pub(in crate::graphql) state: RoomState,
    /// Number of its viewers, if read for the whole page.
    pub(in crate::graphql) viewers: Option<u32>,
}

/// A room as everyone may see it: without its code and its messages.
#[Object]
impl ActiveRoom {
    /// 32 hex digits.
    async fn id(&self) -> ID {
        self.state.room.id.to_string().into()
    }

    /// When the room was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.state.room.created_at)
    }

    /// When the room ends.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.state.room.expires_at)
    }

    /// Number of distinct users who have sent a message in this room.
    async fn chatter_count(&self) -> u64 {
        self.state.user_count
    }

    /// Number of open subscriptions of this room, on all nodes.
    async fn viewer_count(&self, ctx: &Context<'_>) -> Result<u32> {
        match self.viewers {
            Some(viewers) => Ok(viewers),
            None => reads::viewers(ctx, self.state.room.id).await,
        }
    }
}

/// A user in a room.
pub struct Chatter(user::User);

impl From<user::User> for Chatter {
    fn from(chatter: user::User) -> Self {
        Self(chatter)
    }
}

/// A user in a room.
#[Object]
impl Chatter {
    /// The user's id, chosen by the client or assigned by the server.
    async fn id(&self, ctx: &Context<'_>) -> Result<ID> {
        Ok(count_text(ctx, self.0.id.as_str())?.into())
    }

    /// The name given with the user's first message.
    async fn display_name(&self, ctx: &Context<'_>) -> Result<&str> {
        count_text(ctx, self.0.display_name.as_str())
    }
}

/// A message in its current state.
pub struct Message(pub(in crate::graphql) message::Message);

/// A message in its current state.
#[Object]
impl Message {
    /// Unique across all rooms.
    async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Index in its room, from 0. The legacy routes call it message_id.
    async fn index(&self) -> u64 {
        self.0.id.index
    }

    /// The author.
    async fn author(&self) -> Chatter {
        Chatter(self.0.author.clone())
    }

    /// The text; null once the message is deleted.
    async fn text(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        self.0.text.as_ref().map(|text| count_text(ctx, text.as_str())).transpose()
    }

    /// When the message was sent.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When the message was last edited; null if never.
    async fn edited_at(&self) -> Option<DateTime> {
        self.0.edited_at.map(DateTime)
    }

    /// When the message was deleted; null if it is not deleted.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.0.deleted_at.map(DateTime)
    }

    /// The sender's clientMessageId, to match optimistic entries.
    async fn client_message_id(&self, ctx: &Context<'_>) -> Result<Option<ID>> {
        self.0.client_message_id.as_ref().map(|id| Ok(count_text(ctx, id.as_str())?.into())).transpose()
    }
}

/// One change of a room's messages. The message is in its current state, so an event that is replayed from a cursor shows
/// later edits, and no text once the message is deleted.
#[derive(Interface)]
#[graphql(
    field(name = "cursor", ty = "String", desc = "Opaque. Pass it as `after` to resume after this event."),
    field(name = "at", ty = "DateTime", desc = "When the change was accepted."),
    field(name = "message", ty = "Message", desc = "The message that changed.")
)]
pub enum MessageEvent {
    Sent(MessageSent),
    Edited(MessageEdited),
    Deleted(MessageDeleted),
}

impl From<Arc<Event>> for MessageEvent {
    fn from(event: Arc<Event>) -> Self {
        match event.kind {
            EventKind::Sent => Self::Sent(MessageSent(event)),
            EventKind::Edited => Self::Edited(MessageEdited(event)),
            EventKind::Deleted => Self::Deleted(MessageDeleted(event)),
        }
    }
}

macro_rules! message_event {
    ($name:ident, $description:literal) => {
        #[doc = $description]
        pub struct $name(Arc<Event>);

        #[doc = $description]
        #[Object]
        impl $name {
            /// Opaque. Pass it as `after` to resume after this event.
            async fn cursor(&self) -> String {
                cursor::encode_event(self.0.room(), self.0.position)
            }

            /// When the change was accepted.
            async fn at(&self) -> DateTime {
                DateTime(self.0.at)
            }

            /// The message that changed.
            async fn message(&self) -> Message {
                Message(self.0.message.clone())
            }
        }
    };
}

message_event!(MessageSent, "A message was sent.");
message_event!(MessageEdited, "The text of a message was replaced.");
message_event!(MessageDeleted, "A message was deleted. Its text is gone from every response.");
