//! The query root.

use async_graphql::{Context, ID, Object, Result};

use crate::chat::{ChangeSettings, RoomKey, cursor, ids};
use crate::domain::page;
use crate::graphql::schema::connection::{ActiveRoomConnection, Page};
use crate::graphql::schema::error::{not_over_get, violation_error};
use crate::graphql::schema::message::text_bytes;
use crate::graphql::schema::payloads::CreateRoomPayload;
use crate::graphql::schema::reads;
use crate::graphql::schema::request_data::OverGet;
use crate::graphql::schema::response_budget::count_read;
use crate::graphql::schema::room::{PageArguments, Room};
use crate::graphql::schema::types::ActiveRoom;

/// The queries.
pub struct Query;

/// The queries.
#[Object]
impl Query {
    /// A room. Null, with an error, if there is no such room (ROOM_NOT_FOUND) or the code is wrong (ROOM_CODE_INVALID).
    async fn room(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "32 hex digits. The form of the legacy routes is accepted as well.")] id: ID,
        #[graphql(desc = "The room's code.")] code: String,
    ) -> Result<Option<Room>> {
        let messages = ctx.field().selection_set().find(|field| field.name() == "messages");
        let window = messages.and_then(|field| PageArguments::look_ahead(&field)).and_then(|arguments| {
            let room = ids::parse_room_id(&id).ok()?;
            arguments.window(room).ok()
        });
        let key = RoomKey { id: &id, code: &code };
        let snapshot = reads::room(ctx, key, window).await?;
        count_read(ctx, text_bytes(&snapshot.messages))?;
        Ok(Some(Room::with_page(snapshot, window)))
    }

    /// The rooms that have not ended, newest first, without their codes.
    async fn active_rooms(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50, desc = "Number of rooms, at most 100.")] first: i32,
        #[graphql(desc = "Only rooms created before the one with this cursor.")] after: Option<String>,
    ) -> Result<ActiveRoomConnection> {
        let first = page::parse_size(Some(first)).map_err(|violation| violation_error(&violation))?;
        let after = after.as_deref();
        let page = reads::active_rooms(ctx, first, after).await?;
        // Read together, so that the rooms' resolvers do not read one by one.
        let fields = ctx.look_ahead();
        let in_nodes = fields.field("nodes").field("viewerCount").exists();
        let in_edges = fields.field("edges").field("node").field("viewerCount").exists();
        let viewers = if in_nodes || in_edges {
            let rooms: Vec<_> = page.rooms.iter().map(|state| state.room.id).collect();
            reads::viewers(ctx, &rooms).await?.iter().copied().map(Some).collect()
        } else {
            vec![None; page.rooms.len()]
        };
        let items = page.rooms.iter().zip(viewers).map(|(state, viewers)| {
            let cursor = cursor::encode_room(state.room.created_at, state.room.id);
            (cursor, ActiveRoom { state: state.clone(), viewers })
        });
        Ok(ActiveRoomConnection(Page::new(items, after.is_some(), page.more, page.total)))
    }

    /// The same as `Mutation.createRoom` without input, as a query, for clients of the legacy GET route. Refused over HTTP GET.
    async fn create_room(&self, ctx: &Context<'_>) -> Result<CreateRoomPayload> {
        if ctx.data_opt::<OverGet>().is_some() {
            return Err(not_over_get());
        }
        CreateRoomPayload::create(ctx, ChangeSettings::default(), None).await
    }
}
