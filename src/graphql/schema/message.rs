//! The message type.

use std::ops::Range;

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use crate::domain::message::{self, MessageId};
use crate::domain::reaction;
use crate::graphql::schema::reads;
use crate::graphql::schema::response_budget::count_text;
use crate::graphql::schema::types::{Chatter, ChatterRole, DateTime};

/// Bytes of the texts and reactions of these messages.
pub(in crate::graphql) fn text_bytes(messages: &[message::Message]) -> usize {
    let text = |message: &message::Message| message.text.as_ref().map_or(0, |text| text.as_str().len());
    let reactions = |message: &message::Message| message.reactions.len() * size_of::<reaction::ReactionCount>();
    messages.iter().map(|message| text(message) + reactions(message)).sum()
}

pub(in crate::graphql) struct Message {
    message: message::Message,
    /// The indexes of the messages that were read together with this one.
    page: Range<u64>,
}

impl Message {
    /// A message of a page that has the messages with these indexes.
    pub(in crate::graphql) const fn in_page(message: message::Message, page: Range<u64>) -> Self {
        Self { message, page }
    }
}

/// A message that was read alone.
impl From<message::Message> for Message {
    fn from(message: message::Message) -> Self {
        let index = message.id.index;
        Self { message, page: index..index.saturating_add(1) }
    }
}

/// A message in its current state.
#[Object]
impl Message {
    /// Unique across all rooms.
    async fn id(&self) -> ID {
        self.message.id.to_string().into()
    }

    /// Index in its room, from 0. The legacy routes call it message_id.
    async fn index(&self) -> u64 {
        self.message.id.index
    }

    /// The author.
    async fn author(&self) -> Chatter {
        self.message.author.clone().into()
    }

    /// The role of the author in this room when the message was sent.
    async fn author_role(&self) -> ChatterRole {
        self.message.author_role.into()
    }

    /// The text; null once the message is deleted.
    async fn text(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        self.message.text.as_ref().map(|text| count_text(ctx, text.as_str())).transpose()
    }

    /// When the message was sent.
    async fn created_at(&self) -> DateTime {
        DateTime(self.message.created_at)
    }

    /// When the message was last edited; null if never.
    async fn edited_at(&self) -> Option<DateTime> {
        self.message.edited_at.map(DateTime)
    }

    /// When the message was deleted; null if it is not deleted.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.message.deleted_at.map(DateTime)
    }

    /// Who deleted the message: MEMBER for its author, OWNER for an owner who removed it; null if it is not deleted.
    async fn deleted_by(&self) -> Option<ChatterRole> {
        self.message.deleted_by.map(ChatterRole::from)
    }

    /// The sender's clientMessageId, to match optimistic entries.
    async fn client_message_id(&self, ctx: &Context<'_>) -> Result<Option<ID>> {
        self.message.client_message_id.as_ref().map(|id| Ok(count_text(ctx, id.as_str())?.into())).transpose()
    }

    /// The id of the message in the same room that this one answers; null if it answers none. Room.message reads it, even if it is
    /// deleted.
    async fn reply_to_id(&self) -> Option<ID> {
        let id = MessageId { room: self.message.id.room, index: self.message.reply_to? };
        Some(id.to_string().into())
    }

    /// The reactions to the message, the most frequent first: at most 20 different emoji.
    async fn reactions(&self, ctx: &Context<'_>) -> Result<Vec<ReactionCount>> {
        let counts = self.message.reactions.iter().map(|reaction| {
            let emoji = count_text(ctx, reaction.emoji.as_str())?.to_owned();
            Ok(ReactionCount { emoji, count: reaction.count })
        });
        counts.collect()
    }

    /// The emoji with which a user has reacted to the message. Meant for queries: subscriptions that name different users here
    /// cannot share the rendering of an event, and count towards the limit of distinct subscriptions.
    async fn reactions_by(&self, ctx: &Context<'_>, #[graphql(desc = "The user.")] user_id: ID) -> Result<Vec<String>> {
        let emoji = reads::reactions_by(ctx, self.message.id, &self.page, &user_id).await?;
        emoji.iter().map(|emoji| Ok(count_text(ctx, emoji.as_str())?.to_owned())).collect()
    }
}

/// How many users have reacted to a message with one emoji.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ReactionCount {
    /// The emoji.
    emoji: String,
    /// The number of users, at least 1.
    count: u32,
}
