//! What can be asked.

use async_graphql::{Context, ID, Object, Result};

use crate::chat::RoomKey;
use crate::domain::cursor;
use crate::domain::page;
use crate::domain::room::RoomId;
use crate::graphql::execution::operation::OverGet;
use crate::graphql::execution::response_budget::hold;
use crate::graphql::schema::connection::{ActiveRoomConnection, Page};
use crate::graphql::schema::error::{not_over_get, refusal};
use crate::graphql::schema::mutation::CreateRoomPayload;
use crate::graphql::schema::reads::Reads;
use crate::graphql::schema::types::{ActiveRoom, PageArguments, Room, text_bytes};

/// What can be asked.
pub struct Query;

/// What can be asked.
#[Object]
impl Query {
    /// One room. Null with an error (ROOM_NOT_FOUND, ROOM_CODE_INVALID) when it cannot be shown.
    async fn room(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "32 hex digits; the form of the legacy routes is taken too.")] id: ID,
        #[graphql(desc = "The code its creator got.")] code: String,
    ) -> Result<Option<Room>> {
        let messages = ctx.field().selection_set().find(|field| field.name() == "messages");
        let window = messages.and_then(|field| PageArguments::ahead(&field)).and_then(|arguments| {
            let room = RoomId::parse(&id).ok()?;
            arguments.window(room).ok()
        });
        let key = RoomKey { id: &id, code: &code };
        let snapshot = Reads::room(ctx, key, window).await?;
        hold(ctx, text_bytes(&snapshot.messages))?;
        Ok(Some(Room::with_page(snapshot, window)))
    }

    /// Rooms alive now, newest first, without their codes.
    async fn active_rooms(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50, desc = "How many, at most 100.")] first: i32,
        #[graphql(desc = "Only rooms older than the one with this cursor.")] after: Option<String>,
    ) -> Result<ActiveRoomConnection> {
        let first = page::first(Some(first)).map_err(|violation| refusal(&violation))?;
        let after = after.as_deref();
        let page = Reads::active_rooms(ctx, first, after).await?;
        // All at once, before the rooms are asked one by one.
        let fields = ctx.look_ahead();
        let in_nodes = fields.field("nodes").field("viewerCount").exists();
        let in_edges = fields.field("edges").field("node").field("viewerCount").exists();
        let viewers = match in_nodes || in_edges {
            true => Reads::viewers_of_active_rooms(ctx, first, after, &page).await?.iter().copied().map(Some).collect(),
            false => vec![None; page.rooms.len()],
        };
        let items = page.rooms.iter().zip(viewers).map(|(state, viewers)| {
            let cursor = cursor::of_room(state.room.created_at, state.room.id);
            (cursor, ActiveRoom { state: state.clone(), viewers })
        });
        Ok(ActiveRoomConnection(Page::new(items, after.is_some(), page.more, page.total)))
    }

    /// What `Mutation.createRoom` does, as a query, as callers of the legacy GET route expect. Not answered over HTTP GET.
    async fn create_room(&self, ctx: &Context<'_>) -> Result<CreateRoomPayload> {
        if ctx.data_opt::<OverGet>().is_some() {
            return Err(not_over_get());
        }
        CreateRoomPayload::make(ctx).await
    }
}
