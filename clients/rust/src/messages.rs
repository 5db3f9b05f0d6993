//! The messages of a room that a client knows: all from some index on.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::Message;

/// A message of a query, which also says what the user has reacted with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadMessage {
    #[serde(flatten)]
    pub(crate) message: Message,
    pub(crate) reactions_by: Vec<String>,
}

/// A page of the messages before some cursor.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessagePage {
    page_info: EarlierPage,
    nodes: Vec<ReadMessage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EarlierPage {
    has_previous_page: bool,
    start_cursor: Option<String>,
}

#[derive(Default)]
pub(crate) struct Messages {
    by_index: BTreeMap<u64, Arc<Message>>,
    lowest: u64,
    /// Whether the server has messages before the first known one.
    pub(crate) has_earlier: bool,
    /// The cursor to request them with.
    pub(crate) earlier_cursor: Option<String>,
}

impl Messages {
    /// Starts again with the latest page.
    pub(crate) fn reset(&mut self, page: MessagePage) {
        self.by_index.clear();
        self.lowest = u64::MAX;
        self.add_earlier(page);
        // Of a room without messages, all that follow are known.
        if self.lowest == u64::MAX {
            self.lowest = 0;
        }
    }

    /// Adds the page before the first known message.
    pub(crate) fn add_earlier(&mut self, MessagePage { page_info, nodes }: MessagePage) {
        if let Some(first) = nodes.first().and_then(|first| first.message.index) {
            self.lowest = self.lowest.min(first);
        }
        for ReadMessage { message, reactions_by } in nodes {
            self.put(message, Some(reactions_by));
        }
        self.has_earlier = page_info.has_previous_page;
        self.earlier_cursor = page_info.start_cursor;
    }

    /// Adds a message from any source, unless a newer version of it is known. Returns the known one.
    pub(crate) fn put(&mut self, mut message: Message, my_reactions: Option<Vec<String>>) -> Arc<Message> {
        let index = message.index.unwrap_or_default();
        let known = self.by_index.get(&index);
        if let Some(known) = known
            && version(known) > version(&message)
        {
            return Arc::clone(known);
        }
        let of_known = || known.map(|known| known.my_reactions.clone()).unwrap_or_default();
        message.my_reactions = my_reactions.unwrap_or_else(of_known);
        let message = Arc::new(message);
        // An edit of an earlier message than the first known one would leave a gap.
        if index >= self.lowest {
            self.by_index.insert(index, Arc::clone(&message));
        }
        message
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Arc<Message>> {
        self.by_index.values().find(|message| message.id == id)
    }

    /// In the order of the room.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.by_index.values()
    }
}

/// Orders the versions of a message. The timestamps compare as strings, and nothing changes after a deletion.
fn version(message: &Message) -> (bool, Option<&String>) {
    (message.deleted_at.is_some(), message.edited_at.as_ref().or(message.created_at.as_ref()))
}
