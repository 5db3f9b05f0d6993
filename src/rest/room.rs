//! Rooms: making one, reading one whole, listing all.

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

use crate::chat::{Chat, ChatError, RoomKey, RoomState, cursor, ids};
use crate::domain::message::{Message, MessageText};
use crate::domain::page::Window;
use crate::rest::body::Body;
use crate::rest::date::Date;
use crate::rest::envelope::{Envelope, Nothing};
use crate::rest::error::{self, Asked};
use crate::rest::fields::{Fields, Form};
use crate::rest::long_read::{EnvelopeWriter, read_page};
use crate::rest::openapi::{self, AskingOften, AskingRoom, Failing};
use crate::rest::{Client, Rest, csrf};

const CREATED: &str = "sucessful, room will be deleted after 24 hours";

/// Chatters, or rooms, that are read at once.
const PAGE: u32 = 1_000;

/// Messages that are read at once: at most 16 KB each, with the default limits.
const PAGE_OF_MESSAGES: u32 = 50;

/// What a list costs of what a client may read, besides one for each item. The same lists cost several for each over GraphQL,
/// by the fields that are asked for.
const READ_COST: u64 = 10;

/// Makes a room.
///
/// Whoever gets its id and code can enter.
#[utoipa::path(
    get,
    path = "/room/create/",
    operation_id = "createRoom",
    tag = "Rooms",
    responses(
        (
            status = 200, description = "The room, empty.", body = Envelope<Record>,
            links(
                ("opened" = (operation_id = "openRoom", request_body = openapi::in_room)),
                ("writtenTo" = (operation_id = "sendMessage", request_body = openapi::in_room)),
            ),
        ),
        (
            status = 403, description = "Another site's page has an image or a link here; only a script may ask.",
            body = Envelope<Nothing>,
        ),
        AskingOften, Failing,
    ),
)]
pub(super) async fn create(State(rest): State<Rest>, Client(client): Client, headers: HeaderMap) -> Response {
    if csrf::is_embedded(&headers) {
        return error::embedded(rest.settings);
    }
    match rest.chat.create_room(client).await {
        Ok(state) => {
            let id = ids::legacy_room_id(state.room.id);
            Envelope::with(Record::empty(&state, &id)).saying(CREATED).about(&id).into_response()
        }
        Err(error) => error::answer(&error, Asked::default(), rest.settings),
    }
}

/// Gives a room with all that is in it.
///
/// The `message_id` of a message is its place in `messages`, from 0; deleted ones keep their place.
#[utoipa::path(
    post,
    path = "/room/",
    operation_id = "openRoom",
    tag = "Rooms",
    request_body = OpenRoom,
    responses((status = 200, description = "The room.", body = Envelope<Record>), AskingRoom, AskingOften, Failing),
)]
pub(super) async fn open(State(rest): State<Rest>, Client(client): Client, Body(asked): Body<OpenRoom>) -> Response {
    let refuse = |error| error::answer(&error, Asked { room_id: &asked.room_id, user_id: "" }, rest.settings);
    let key = RoomKey { id: &asked.room_id, code: &asked.room_code };
    let state = match rest.chat.room(client, key, None).await {
        Ok(entered) => entered.state,
        Err(error) => return refuse(error),
    };
    let read = match rest.long_reads.admit(client) {
        Ok(read) => read,
        Err(exceeded) => return error::too_many_reads(exceeded, rest.settings),
    };
    match rest.chat.charge_read(client, READ_COST + state.message_count + state.user_count) {
        Ok(()) => read.send(room_chunks(rest.chat.clone(), state)).await.unwrap_or_else(refuse),
        Err(error) => refuse(error),
    }
}

/// Lists all rooms alive, newest first, with the number of their chatters.
///
/// An id alone opens no room: that takes its code too.
#[utoipa::path(
    get,
    path = "/rooms_views/",
    operation_id = "listRooms",
    tag = "Rooms",
    responses(
        (status = 200, description = "Room ids, each with a number.", body = Envelope<Views>), AskingOften, Failing,
    ),
)]
pub(super) async fn list(State(rest): State<Rest>, Client(client): Client) -> Response {
    let refuse = |error| error::answer(&error, Asked::default(), rest.settings);
    let read = match rest.long_reads.admit(client) {
        Ok(read) => read,
        Err(exceeded) => return error::too_many_reads(exceeded, rest.settings),
    };
    // How many rooms there are is known when they are read; there were about as many a moment ago.
    match rest.chat.charge_read(client, READ_COST + rest.rooms_listed.load(Ordering::Relaxed)) {
        Ok(()) => {
            let chunks = list_chunks(rest.chat.clone(), Arc::clone(&rest.rooms_listed));
            read.send(chunks).await.unwrap_or_else(refuse)
        }
        Err(error) => refuse(error),
    }
}

/// Which room.
#[derive(ToSchema)]
pub(super) struct OpenRoom {
    #[schema(schema_with = openapi::room_id)]
    room_id: String,
    #[schema(schema_with = openapi::room_code)]
    room_code: String,
}

impl Form for OpenRoom {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self { room_id: fields.text("room_id"), room_code: fields.text("room_code") }
    }
}

/// The answer that shows a room: as many chatters and messages as it had at `state`, each message as it is when its page is
/// read. There are fewer only when a store has lost its last writes since then.
fn room_chunks(chat: Chat, state: RoomState) -> impl Stream<Item = Result<Bytes, ChatError>> {
    try_stream! {
        let id = ids::legacy_room_id(state.room.id);
        let mut writer = EnvelopeWriter::new(&Envelope::with(Record::empty(&state, &id)).about(&id), "[]")?;
        writer.open();
        let mut read = 0;
        while let Some(window) = window_behind(read, state.user_count, PAGE) {
            let page = read_page(|| chat.chatters(&state.room, window)).await?.users;
            if page.is_empty() {
                break;
            }
            read += page.len() as u64;
            for chatter in page {
                writer.item(&chatter.id.as_str())?;
                if let Some(chunk) = writer.take_chunk() {
                    yield chunk;
                }
            }
        }
        writer.close();
        writer.open();
        let mut read = 0;
        while let Some(window) = window_behind(read, state.message_count, PAGE_OF_MESSAGES) {
            let page = read_page(|| chat.messages(&state.room, window)).await?.messages;
            if page.is_empty() {
                break;
            }
            read += page.len() as u64;
            for message in page {
                writer.item(&Listed::of(&message))?;
                if let Some(chunk) = writer.take_chunk() {
                    yield chunk;
                }
            }
        }
        writer.close();
        yield writer.finish();
    }
}

/// The next page of a list of `count` items of which the first `read` are there; `None` when all are.
fn window_behind(read: u64, count: u64, page: u32) -> Option<Window> {
    (read < count).then(|| Window { before: Some(count), ..Window::starting_at(read, page) })
}

/// The answer that lists the rooms: no more of them than were alive when reading began.
fn list_chunks(chat: Chat, rooms_listed: Arc<AtomicU64>) -> impl Stream<Item = Result<Bytes, ChatError>> {
    try_stream! {
        let mut writer = EnvelopeWriter::new(&Envelope::with(Views::default()), "{}")?;
        writer.open();
        let (mut after, mut left) = (None, None);
        loop {
            let page = read_page(|| chat.active_rooms(PAGE, after.as_deref())).await?;
            rooms_listed.store(page.total, Ordering::Relaxed);
            let mut rooms_left = left.unwrap_or(page.total);
            after = page.rooms.last().map(|last| cursor::encode_room(last.room.created_at, last.room.id));
            for state in page.rooms {
                if rooms_left == 0 {
                    break;
                }
                rooms_left -= 1;
                writer.entry(&ids::legacy_room_id(state.room.id), &state.user_count)?;
                if let Some(chunk) = writer.take_chunk() {
                    yield chunk;
                }
            }
            if !page.more || rooms_left == 0 {
                break;
            }
            left = Some(rooms_left);
        }
        writer.close();
        yield writer.finish();
    }
}

/// A room as these routes show it.
#[derive(Serialize, ToSchema)]
struct Record<'a> {
    /// `room:*` and 32 hex digits.
    #[schema(pattern = r"^room:\*[0-9a-f]{32}$")]
    room_id: &'a str,
    /// What opens the room.
    room_code: &'a str,
    /// The room ends 24 hours later, unless the server says otherwise.
    created_at: Date,
    /// Distinct users who ever sent a message here.
    chatters_amount: u64,
    /// Their ids.
    chatters: Vec<&'a str>,
    messages: Vec<Listed<'a>>,
}

impl<'a> Record<'a> {
    /// The record with its numbers, and without chatters and messages.
    fn empty(state: &'a RoomState, id: &'a str) -> Self {
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

/// A message in its room. Its id is its place in the list.
#[derive(Serialize, ToSchema)]
struct Listed<'a> {
    /// The name that the author gave with their first message.
    display_name: &'a str,
    /// The author.
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

impl<'a> Listed<'a> {
    fn of(message: &'a Message) -> Self {
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

/// All rooms and how many chatters each has.
#[derive(Default, Serialize, ToSchema)]
struct Views(BTreeMap<String, u64>);
