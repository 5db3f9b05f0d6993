//! Rooms: making one, reading one whole, listing all.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::body::Body;
use super::date::Date;
use super::envelope::Envelope;
use super::error::{self, Asked};
use super::fields::{Fields, Form};
use super::openapi::{self, AskingOften, AskingRoom, Failing};
use super::{Client, Rest};
use crate::chat::{Chat, ChatError, RoomKey};
use crate::domain::chatter::Chatter;
use crate::domain::client_key::ClientKey;
use crate::domain::cursor;
use crate::domain::message::{Message, MessageText};
use crate::domain::page::Window;
use crate::store::RoomState;

const CREATED: &str = "sucessful, room will be deleted after 24 hours";

/// Items that are asked of the service at once. These routes give whole lists, the service gives pages.
const PAGE: u32 = 1_000;

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
        AskingOften, Failing,
    ),
)]
pub(super) async fn create(State(rest): State<Rest>, Client(client): Client) -> Response {
    match rest.chat.create_room(client).await {
        Ok(state) => {
            let room = WholeRoom { state, chatters: Vec::new(), messages: Vec::new() };
            let id = room.state.room.id.legacy();
            Envelope::with(Record::of(&room, &id)).saying(CREATED).about(&id).into_response()
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
    match whole(&rest.chat, client, RoomKey { id: &asked.room_id, code: &asked.room_code }).await {
        Ok(room) => {
            let id = room.state.room.id.legacy();
            Envelope::with(Record::of(&room, &id)).about(&id).into_response()
        }
        Err(error) => error::answer(&error, Asked { room_id: &asked.room_id, user_id: "" }, rest.settings),
    }
}

/// Lists all rooms alive, newest first, with the number of their chatters.
#[utoipa::path(
    get,
    path = "/rooms_views/",
    operation_id = "listRooms",
    tag = "Rooms",
    responses((status = 200, description = "Room ids, each with a number.", body = Envelope<Views>), Failing),
)]
pub(super) async fn list(State(rest): State<Rest>) -> Response {
    match all(&rest.chat).await {
        Ok(rooms) => Envelope::with(Views(rooms)).into_response(),
        Err(error) => error::answer(&error, Asked::default(), rest.settings),
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

/// A room as it stood when reading it began; its messages as they were when their page was read.
struct WholeRoom {
    state: RoomState,
    chatters: Vec<Chatter>,
    messages: Vec<Message>,
}

/// Reads until all is there that was there at first, or until no more comes: a store that lost its last writes in
/// between has fewer than it said.
async fn whole(chat: &Chat, client: ClientKey, key: RoomKey<'_>) -> Result<WholeRoom, ChatError> {
    let first = chat.room(client, key, Some(Window::starting_at(0, PAGE))).await?;
    let mut room = WholeRoom { state: first.state, chatters: Vec::new(), messages: first.messages };
    while let Some(rest) = behind(room.messages.len(), room.state.message_count) {
        let page = chat.messages(&room.state.room, rest).await?.messages;
        if page.is_empty() {
            break;
        }
        room.messages.extend(page);
    }
    while let Some(rest) = behind(room.chatters.len(), room.state.chatter_count) {
        let page = chat.chatters(&room.state.room, rest).await?.chatters;
        if page.is_empty() {
            break;
        }
        room.chatters.extend(page);
    }
    Ok(room)
}

/// The next page of a list of `count` items of which the first `read` are there; `None` when all are.
fn behind(read: usize, count: u64) -> Option<Window> {
    let read = read as u64;
    (read < count).then(|| Window { before: Some(count), ..Window::starting_at(read, PAGE) })
}

async fn all(chat: &Chat) -> Result<Vec<RoomState>, ChatError> {
    let mut rooms: Vec<RoomState> = Vec::new();
    loop {
        let after = rooms.last().map(|last| cursor::of_room(last.room.created_at, last.room.id));
        let page = chat.active_rooms(PAGE, after.as_deref()).await?;
        rooms.extend(page.rooms);
        if !page.more {
            return Ok(rooms);
        }
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
    fn of(room: &'a WholeRoom, id: &'a str) -> Self {
        Self {
            room_id: id,
            room_code: room.state.room.code.reveal(),
            created_at: Date(room.state.room.created_at),
            chatters_amount: room.state.chatter_count,
            chatters: room.chatters.iter().map(|chatter| chatter.id.as_str()).collect(),
            messages: room.messages.iter().map(Listed::of).collect(),
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
#[derive(ToSchema)]
#[schema(value_type = std::collections::BTreeMap<String, u64>)]
struct Views(Vec<RoomState>);

impl Serialize for Views {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|state| (state.room.id.legacy(), state.chatter_count)))
    }
}
