//! The types of the schema: rooms, messages, chatters and events as clients see them. Their wire form is written here.

use std::sync::Arc;

use async_graphql::{Context, ID, Interface, Object, Result, Scalar, ScalarType, SelectionField, Value};

use crate::chat::{RoomState, Snapshot};
use crate::domain::cursor;
use crate::domain::event::{Event, EventKind};
use crate::domain::limits::PAGE_DEFAULT;
use crate::domain::page::{self, Take, Window};
use crate::domain::timestamp::Timestamp;
use crate::domain::violation::Violation;
use crate::domain::{message, user};
use crate::graphql::execution::response_budget::{hold, resolve};
use crate::graphql::schema::connection::{ChatterConnection, MessageConnection, Page};
use crate::graphql::schema::error::refusal;
use crate::graphql::schema::reads::Reads;

/// A moment in RFC 3339, UTC, to the millisecond: `2026-01-31T12:34:56.789Z`.
pub struct DateTime(Timestamp);

/// A moment in RFC 3339, UTC, to the millisecond: `2026-01-31T12:34:56.789Z`.
#[Scalar(name = "DateTime", specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(_: Value) -> async_graphql::InputValueResult<Self> {
        Err("moments are only told, never asked for".into())
    }

    fn to_value(&self) -> Value {
        let mut written = String::with_capacity(24);
        write_moment(self.0, &mut written);
        Value::String(written)
    }
}

/// Writes a moment as clients see it.
pub(in crate::graphql) fn write_moment(at: Timestamp, to: &mut impl std::fmt::Write) {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    let _ = write!(to, "{moment:.3}");
}

/// A chat room: open to whoever knows its code, gone 24 hours after its creation.
pub struct Room {
    state: RoomState,
    /// A page of messages of the same instant as the state.
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

/// A chat room: open to whoever knows its code, gone 24 hours after its creation.
#[Object]
impl Room {
    /// 32 hex digits.
    async fn id(&self) -> ID {
        self.state.room.id.to_string().into()
    }

    /// What opens the room. Share it with whom you want inside.
    async fn code(&self) -> &str {
        self.state.room.code.reveal()
    }

    /// When the room was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.state.room.created_at)
    }

    /// When the room ends, with everything in it.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.state.room.expires_at)
    }

    /// Distinct users who ever sent a message here.
    async fn chatter_count(&self) -> u64 {
        self.state.chatter_count
    }

    /// The users who ever sent a message here, in the order of their first. A page holds at most 100, by default 50.
    async fn chatters(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<ChatterConnection> {
        let room = &self.state.room;
        let read = || {
            let after = after.as_deref().map(|after| cursor::parse_chatter(room.id, after)).transpose()?;
            Ok(Window { after, before: None, take: Take::First(page::first(first)?) })
        };
        let window = read().map_err(|violation| refusal(&violation))?;
        let page = Reads::chatters(ctx, room, window).await?;
        let names = page.chatters.iter().map(|chatter| chatter.id.as_str().len() + chatter.display_name.as_str().len());
        hold(ctx, names.sum())?;
        check_place(window.after, page.total)?;
        let range = window.range(page.total);
        let chatters = page.chatters.iter().cloned().map(Chatter::from);
        let items = range.clone().map(|ordinal| cursor::of_chatter(room.id, ordinal)).zip(chatters);
        Ok(ChatterConnection(Page::new(items, range.start > 0, range.end < page.total, page.total)))
    }

    /// Live subscriptions of this room now, on all nodes.
    async fn viewer_count(&self, ctx: &Context<'_>) -> Result<u32> {
        Reads::viewers(ctx, self.state.room.id).await
    }

    /// The position of this answer in the room's events: subscribe with `after: cursor` and nothing is missed in between.
    async fn cursor(&self) -> String {
        cursor::of_event(self.state.room.id, self.state.head)
    }

    /// The messages, oldest first, deleted ones included; without arguments the last 50. A page holds at most 100.
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the beginning, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only messages behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only messages before this cursor.")] before: Option<String>,
    ) -> Result<MessageConnection> {
        let room = &self.state.room;
        let arguments = PageArguments { first, after, last, before };
        let window = arguments.window(room.id).map_err(|violation| refusal(&violation))?;
        // They are copied below, and those that were not read together with the room are in memory for this field as well.
        let (snapshot, copies) = match &self.page {
            Some((asked, snapshot)) if *asked == window => (Arc::clone(snapshot), 1),
            _ => (Reads::messages(ctx, room, window).await?, 2),
        };
        hold(ctx, copies * text_bytes(&snapshot.messages))?;
        let total = snapshot.state.message_count;
        check_place(window.after, total)?;
        check_place(window.before, total)?;
        let range = window.range(total);
        let messages = snapshot.messages.iter().cloned();
        let items = messages.map(|m| (cursor::of_message(room.id, m.id.index), Message(m)));
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
    /// The arguments of a selection of the field, for reading its page ahead; `None` when the field's own resolver has
    /// to say what is wrong with them.
    pub(in crate::graphql) fn ahead(field: &SelectionField<'_>) -> Option<Self> {
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

    pub(in crate::graphql) fn window(&self, room: crate::domain::room::RoomId) -> Result<Window, Violation> {
        let place =
            |cursor: &Option<String>| cursor.as_deref().map(|cursor| cursor::parse_message(room, cursor)).transpose();
        Ok(Window {
            after: place(&self.after)?,
            before: place(&self.before)?,
            take: page::take(self.first, self.last, Take::Last(PAGE_DEFAULT))?,
        })
    }
}

/// Bytes of what users wrote in these messages.
pub(in crate::graphql) fn text_bytes(messages: &[message::Message]) -> usize {
    messages.iter().map(|message| message.text.as_ref().map_or(0, |text| text.as_str().len())).sum()
}

/// Items never leave a list, so a place behind its end was made up.
fn check_place(place: Option<u64>, total: u64) -> Result<()> {
    if place.is_some_and(|place| place >= total) { Err(refusal(&Violation::CursorInvalid)) } else { Ok(()) }
}

/// A room as everybody may see it: without its code and without what is said in it.
pub struct ActiveRoom {
    pub(in crate::graphql) state: RoomState,
    /// Its viewers, if they were read for the whole page.
    pub(in crate::graphql) viewers: Option<u32>,
}

/// A room as everybody may see it: without its code and without what is said in it.
#[Object]
impl ActiveRoom {
    /// 32 hex digits.
    async fn id(&self) -> ID {
        self.state.room.id.to_string().into()
    }

    /// When the room was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.state.room.created_at)
    }

    /// When the room ends.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.state.room.expires_at)
    }

    /// Distinct users who ever sent a message here.
    async fn chatter_count(&self) -> u64 {
        self.state.chatter_count
    }

    /// Live subscriptions of this room now, on all nodes.
    async fn viewer_count(&self, ctx: &Context<'_>) -> Result<u32> {
        match self.viewers {
            Some(viewers) => Ok(viewers),
            None => Reads::viewers(ctx, self.state.room.id).await,
        }
    }
}

/// A user as a room sees it.
pub struct Chatter(user::User);

impl From<user::User> for Chatter {
    fn from(chatter: user::User) -> Self {
        Self(chatter)
    }
}

/// A user as a room sees it.
#[Object]
impl Chatter {
    /// The user id, chosen by the user's client or assigned by the server.
    async fn id(&self, ctx: &Context<'_>) -> Result<ID> {
        Ok(resolve(ctx, self.0.id.as_str())?.into())
    }

    /// The name given with the user's first message.
    async fn display_name(&self, ctx: &Context<'_>) -> Result<&str> {
        resolve(ctx, self.0.display_name.as_str())
    }
}

/// A message as it is now.
pub struct Message(pub(in crate::graphql) message::Message);

/// A message as it is now.
#[Object]
impl Message {
    /// Unique over all rooms.
    async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Place in its room, from 0; what the legacy routes call message_id.
    async fn index(&self) -> u64 {
        self.0.id.index
    }

    /// Who wrote it.
    async fn author(&self) -> Chatter {
        Chatter(self.0.author.clone())
    }

    /// Null once deleted.
    async fn text(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        self.0.text.as_ref().map(|text| resolve(ctx, text.as_str())).transpose()
    }

    /// When it was sent.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last edited; null if never.
    async fn edited_at(&self) -> Option<DateTime> {
        self.0.edited_at.map(DateTime)
    }

    /// When it was deleted; null if it was not.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.0.deleted_at.map(DateTime)
    }

    /// What the sender gave as clientMessageId, for matching optimistic entries.
    async fn client_message_id(&self, ctx: &Context<'_>) -> Result<Option<ID>> {
        self.0.client_message_id.as_ref().map(|id| Ok(resolve(ctx, id.as_str())?.into())).transpose()
    }
}

/// One accepted change of a room's messages. The message is as it is now, so an event read later from a cursor shows
/// later edits, and no text once it is deleted.
#[derive(Interface)]
#[graphql(
    field(name = "cursor", ty = "String", desc = "Opaque. Give it back as `after` to go on from here."),
    field(name = "at", ty = "DateTime", desc = "When the change was accepted."),
    field(name = "message", ty = "Message", desc = "The message it happened to.")
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
    ($name:ident, $about:literal) => {
        #[doc = $about]
        pub struct $name(Arc<Event>);

        #[doc = $about]
        #[Object]
        impl $name {
            /// Opaque. Give it back as `after` to go on from here.
            async fn cursor(&self) -> String {
                cursor::of_event(self.0.room(), self.0.position)
            }

            /// When the change was accepted.
            async fn at(&self) -> DateTime {
                DateTime(self.0.at)
            }

            /// The message it happened to.
            async fn message(&self) -> Message {
                Message(self.0.message.clone())
            }
        }
    };
}

message_event!(MessageSent, "A message was sent.");
message_event!(MessageEdited, "The text of a message was replaced.");
message_event!(MessageDeleted, "A message was deleted; its text is gone from every answer.");
