//! The routes that create a room, read a whole room, and list all rooms.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_stream::try_stream;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use serde::Serialize;
use utoipa::ToSchema;

use crate::chat::{ChangeSettings, Chat, ChatError, RoomKey, RoomState, cursor, ids};
use crate::domain::message::{Message, MessageText};
use crate::domain::page::Window;
use crate::rest::body::Body;
use crate::rest::date::Date;
use crate::rest::envelope::{Envelope, Nothing};
use crate::rest::error_response::ErrorContext;
use crate::rest::fields::{Fields, FromFields};
use crate::rest::long_read::{EnvelopeWriter, read_page_with_retry};
use crate::rest::openapi::field_schemas;
use crate::rest::{Client, RestState, csrf};

const CREATED: &str = "sucessful, room will be deleted after 24 hours";

/// Number of chatters or rooms in a page.
const PAGE_SIZE: u32 = 1_000;

/// Number of messages in a page: with the default limits, each has at most 16 KB.
const MESSAGE_PAGE_SIZE: u32 = 50;

/// Read cost of a list, in addition to 1 per item. Over GraphQL, an item costs more, depending on the requested fields.
const READ_COST: u64 = 10;

/// Creates a room.
///
/// Everybody with its id and code can enter it.
#[utoipa::path(
    get,
    path = "/room/create/",
    operation_id = "createRoom",
    tag = "Rooms",
    responses(
        (status = 200, description = "The new, empty room.", body = Envelope<RoomRecord>),
        (
            status = 403,
            description = "The request comes from an image or a link of another site (scripts of other sites are allowed), or the \
                           server lets only identified users create rooms.",
            body = Envelope<Nothing>,
        ),
    ),
)]
pub(super) async fn create(State(rest): State<RestState>, Client(client): Client, headers: HeaderMap) -> Response {
    if csrf::is_embedded(&headers) {
        return rest.error_status.cross_site();
    }
    match rest.chat.create_room(client, ChangeSettings::default(), None).await {
        // Nobody receives the owner's token: these routes have no place for it.
        Ok((state, _owner_token)) => {
            let id = ids::legacy_room_id(state.room.id);
            let record = RoomRecord::new(&state, &id);
            Envelope { message: CREATED, room: Some(&id), ..Envelope::success(record) }.into_response()
        }
        Err(error) => rest.error_status.error_response(&error, ErrorContext::default()),
    }
}

/// Returns a room with everything in it.
///
/// The `message_id` of a message is its position in `messages`, from 0. Deleted messages keep their position.
#[utoipa::path(
    post,
    path = "/room/",
    operation_id = "openRoom",
    tag = "Rooms",
    request_body = OpenRoom,
    responses((status = 200, description = "The room.", body = Envelope<RoomRecord>)),
)]
pub(super) async fn open(
    State(rest): State<RestState>,
    Client(client): Client,
    Body(body): Body<OpenRoom>,
) -> Response {
    let context = ErrorContext { room_id: &body.room_id, user_id: "" };
    let failed = |error| rest.error_status.error_response(&error, context);
    let key = RoomKey { id: &body.room_id, code: &body.room_code };
    let state = match rest.chat.room(client, key, None).await {
        Ok(entered) => entered.state,
        Err(error) => return failed(error),
    };
    let read = match rest.long_reads.start(client) {
        Ok(read) => read,
        Err(exceeded) => return rest.error_status.too_many_reads(exceeded),
    };
    match rest.chat.charge_read(client, READ_COST + state.message_count + state.user_count) {
        Ok(()) => read.send(room_chunks(rest.chat.clone(), state)).await.unwrap_or_else(failed),
        Err(error) => failed(error),
    }
}

/// Lists all rooms that have not ended, newest first, with the number of their chatters.
///
/// To enter a room, a client also needs its code.
#[utoipa::path(
    get,
    path = "/rooms_views/",
    operation_id = "listRooms",
    tag = "Rooms",
    responses((status = 200, description = "The id of each room, with its number of chatters.", body = Envelope<RoomViews>)),
)]
pub(super) async fn list(State(rest): State<RestState>, Client(client): Client) -> Response {
    let failed = |error| rest.error_status.error_response(&error, ErrorContext::default());
    let read = match rest.long_reads.start(client) {
        Ok(read) => read,
        Err(exceeded) => return rest.error_status.too_many_reads(exceeded),
    };
    // The number of rooms is known only once they are read, so the number at the last listing is charged.
    match rest.chat.charge_read(client, READ_COST + rest.rooms_listed.load(Ordering::Relaxed)) {
        Ok(()) => {
            let chunks = list_chunks(rest.chat.clone(), Arc::clone(&rest.rooms_listed));
            read.send(chunks).await.unwrap_or_else(failed)
        }
        Err(error) => failed(error),
    }
}

/// The room to read.
#[derive(ToSchema)]
pub(super) struct OpenRoom {
    #[schema(schema_with = field_schemas::room_id)]
    room_id: String,
    #[schema(schema_with = field_schemas::room_code)]
    room_code: String,
}

impl FromFields for OpenRoom {
    fn from_fields(fields: &mut Fields<'_>) -> Self {
        Self { room_id: fields.text("room_id"), room_code: fields.text("room_code") }
    }
}

/// The response with a whole room. It has as many chatters and messages as `state` counts, and each message as it is when its page
/// is read. It has fewer only if the store has lost its last writes since then.
fn room_chunks(chat: Chat, state: RoomState) -> impl Stream<Item = Result<Bytes, ChatError>> {
    try_stream! {
        let id = ids::legacy_room_id(state.room.id);
        let envelope = Envelope { room: Some(&id), ..Envelope::success(RoomRecord::new(&state, &id)) };
        let mut writer = EnvelopeWriter::new(&envelope, "[]")?;
        writer.open_next();
        let mut read = 0;
        while let Some(window) = next_window(read, state.user_count, PAGE_SIZE) {
            let page = read_page_with_retry(|| chat.chatters(&state.room, window)).await?.users;
            if page.is_empty() {
                break;
            }
            read += page.len() as u64;
            for chatter in page {
                writer.write_item(&chatter.id.as_str())?;
                if let Some(chunk) = writer.take_chunk() {
                    yield chunk;
                }
            }
        }
        writer.open_next();
        let mut read = 0;
        while let Some(window) = next_window(read, state.message_count, MESSAGE_PAGE_SIZE) {
            let page = read_page_with_retry(|| chat.messages(&state.room, window)).await?.messages;
            if page.is_empty() {
                break;
            }
            read += page.len() as u64;
            for message in page.iter() {
                writer.write_item(&ListedMessage::new(message))?;
                if let Some(chunk) = writer.take_chunk() {
                    yield chunk;
                }
            }
        }
        yield writer.finish();
    }
}

/// The next page of a list of `count` items, of which `read` have been read; `None` after the last one.
fn next_window(read: u64, count: u64, page: u32) -> Option<Window> {
    (read < count).then(|| Window { before: Some(count), ..Window::starting_at(read, page) })
}

/// The response with all rooms: at most as many as there were when the first page was read.
fn list_chunks(chat: Chat, rooms_listed: Arc<AtomicU64>) -> impl Stream<Item = Result<Bytes, ChatError>> {
    try_stream! {
        let mut writer = EnvelopeWriter::new(&Envelope::success(RoomViews::default()), "{}")?;
        writer.open_next();
        let (mut after, mut remaining) = (None, None);
        loop {
            let page = read_page_with_retry(|| chat.active_rooms(PAGE_SIZE, after.as_deref())).await?;
            rooms_listed.store(page.total, Ordering::Relaxed);
            let mut rooms_left = remaining.unwrap_or(page.total);
            after = page.rooms.last().map(|last| cursor::encode_room(last.room.created_at, last.room.id));
            for state in page.rooms {
                if rooms_left == 0 {
                    break;
                }
                rooms_left -= 1;
                writer.write_entry(&ids::legacy_room_id(state.room.id), &state.user_count)?;
                if let Some(chunk) = writer.take_chunk() {
                    yield chunk;
                }
            }
            if !page.more || rooms_left == 0 {
                break;
            }
            remaining = Some(rooms_left);
        }
        yield writer.finish();
    }
}

/// A room with its chatters and messages.
#[derive(Serialize, ToSchema)]
#[schema(as = Record)]
struct RoomRecord<'a> {
    /// `room:*` and 32 hex digits.
    #[schema(pattern = r"^room:\*[0-9a-f]{32}$")]
    room_id: &'a str,
    /// The code needed to enter the room.
    room_code: &'a str,
    /// By default the room ends 24 hours later.
    created_at: Date,
    /// Number of users who have sent a message in this room.
    chatters_amount: u64,
    /// Their ids.
    chatters: Vec<&'a str>,
    messages: Vec<ListedMessage<'a>>,
}

impl<'a> RoomRecord<'a> {
    /// The record without chatters and messages.
    fn new(state: &'a RoomState, id: &'a str) -> Self {
        Self {
            room_id: id,
            room_code: state.room.code.reveal(),
            created_at: Date(state.room.created_at),
            chatters_amount: state.user_count,
            chatters: Vec::new(),
            messages: Vec::new(),
        }
    }
}

/// A message of a room. Its id is its position in the list.
#[derive(Serialize, ToSchema)]
#[schema(as = Listed)]
struct ListedMessage<'a> {
    /// The author's name, which their first message has set.
    display_name: &'a str,
    /// The author's id.
    user_id: &'a str,
    created_at: Date,
    /// The text; empty once deleted.
    message: &'a str,
    deleted: bool,
    /// When it was last edited; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    updated_at: Option<Date>,
}

impl<'a> ListedMessage<'a> {
    fn new(message: &'a Message) -> Self {
        Self {
            display_name: message.author.display_name.as_str(),
            user_id: message.author.id.as_str(),
            created_at: Date(message.created_at),
            message: message.text.as_ref().map_or("", MessageText::as_str),
            deleted: message.deleted_at.is_some(),
            updated_at: message.edited_at.map(Date),
        }
    }
}

/// The number of chatters of each room.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = Views)]
struct RoomViews(BTreeMap<String, u64>);
