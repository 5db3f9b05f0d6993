//! The room type, with the pages of its chatters, bans and messages.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result, SelectionField, Value};

use crate::chat::{RoomState, RoomView, cursor, ids};
use crate::domain::ban;
use crate::domain::limits::PAGE_DEFAULT;
use crate::domain::page::{self, Take, Window};
use crate::domain::room::RoomId;
use crate::domain::violation::Violation;
use crate::graphql::schema::connection::{BanConnection, ChatterConnection, MessageConnection, Page};
use crate::graphql::schema::error::violation_error;
use crate::graphql::schema::message::{Message, text_bytes};
use crate::graphql::schema::reads;
use crate::graphql::schema::response_budget::count_read;
use crate::graphql::schema::types::{Ban, Chatter, DateTime, RoomSettings, title};

pub(in crate::graphql) struct Room {
    state: RoomState,
    /// A page of messages, read at the same instant as the state.
    page: Option<(Window, Arc<RoomView>)>,
}

impl Room {
    pub(in crate::graphql) const fn new(state: RoomState) -> Self {
        Self { state, page: None }
    }

    /// A room read together with a page of its messages.
    pub(in crate::graphql) fn with_page(snapshot: Arc<RoomView>, window: Option<Window>) -> Self {
        Self { state: snapshot.state.clone(), page: window.map(|window| (window, snapshot)) }
    }
}

/// A chat room. Everyone who knows its code can enter it. It ends 24 hours after its creation.
#[Object]
impl Room {
    /// 32 hex digits.
    async fn id(&self) -> ID {
        self.state.room.id.to_string().into()
    }

    /// The code that people need to enter the room. Share it with the people you want to invite.
    async fn code(&self) -> &str {
        self.state.room.code.reveal()
    }

    /// The title that the owner gave the room, if any.
    async fn title(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        title(ctx, self.state.settings.title.as_ref())
    }

    /// The settings of the room.
    async fn settings(&self) -> RoomSettings {
        RoomSettings(self.state.settings.clone())
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

    /// Number of open subscriptions of this room, on all servers.
    async fn viewer_count(&self, ctx: &Context<'_>) -> Result<u32> {
        Ok(reads::viewers(ctx, &[self.state.room.id]).await?.iter().sum())
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
        // The messages are copied below. If they were not read together with the room, this field also holds the originals.
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
        let items = messages.map(|m| (cursor::encode_message(room.id, m.id.index), Message::in_page(m, range.clone())));
        Ok(MessageConnection(Page::new(items, range.start > 0, range.end < total, total)))
    }

    /// One message of this room, even if it is deleted; null if the room has no such message.
    async fn message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the message.")] id: ID,
    ) -> Result<Option<Message>> {
        let id = ids::parse_message_id(&id).map_err(|violation| violation_error(&violation))?;
        if id.room != self.state.room.id {
            return Ok(None);
        }
        let snapshot = reads::messages(ctx, &self.state.room, Window::only(id.index)).await?;
        count_read(ctx, 2 * text_bytes(&snapshot.messages))?;
        Ok(snapshot.messages.first().filter(|message| message.id == id).cloned().map(Message::from))
    }

    /// The bans that hold now, for the owner of the room, in the order in which they were made. A page has at most 100 of them; the
    /// default is 50. Null, with an error, if the owner token is wrong (OWNER_TOKEN_INVALID).
    async fn bans(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token that createRoom returned, or an identity with the role of the room's owner.")]
        owner_token: String,
        #[graphql(desc = "Number of bans, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only bans after this cursor.")] after: Option<String>,
    ) -> Option<Result<BanConnection>> {
        let room = &self.state.room;
        let read = async {
            let first = page::parse_size(first).map_err(|violation| violation_error(&violation))?;
            let after = after.as_deref().map(|after| cursor::decode_ban(room.id, after)).transpose();
            let after = after.map_err(|violation| violation_error(&violation))?;
            let page = reads::bans(ctx, room, &owner_token, after, first).await?;
            count_read(ctx, page.bans.iter().map(|(_, ban)| ban_bytes(ban)).sum())?;
            let bans = page.bans.iter().cloned();
            let items = bans.map(|(index, ban)| (cursor::encode_ban(room.id, index), Ban(ban)));
            Ok(BanConnection(Page::new(items, after.is_some(), page.more, page.total)))
        };
        // With `Result<Option<…>>`, an error would leave the field out of the answer.
        Some(read.await)
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

/// Bytes of the texts of a ban.
fn ban_bytes(ban: &ban::Ban) -> usize {
    let reason = ban.reason.as_ref().map_or(0, |reason| reason.as_str().len());
    ban.user.id.as_str().len() + ban.user.display_name.as_str().len() + reason
}

/// Items never leave a list, so a cursor beyond its end is invalid.
fn check_index(index: Option<u64>, total: u64) -> Result<()> {
    if index.is_some_and(|index| index >= total) { Err(violation_error(&Violation::CursorInvalid)) } else { Ok(()) }
}
