//! Relay connections (<https://relay.dev/graphql/connections.htm>): pages of messages, chatters, bans and rooms.

use async_graphql::{Object, SimpleObject};

use crate::graphql::schema::message::Message;
use crate::graphql::schema::types::{ActiveRoom, Ban, Chatter};

/// A page of a list, with a cursor for each item and the size of the list.
pub(in crate::graphql) struct Page<T> {
    items: Vec<(String, T)>,
    has_previous: bool,
    has_next: bool,
    total: u64,
}

impl<T> Page<T> {
    /// A page of `items`, each with its cursor. `has_previous` and `has_next` say whether the list continues on either side;
    /// `total` is the size of the list.
    pub(in crate::graphql) fn new(
        items: impl Iterator<Item = (String, T)>,
        has_previous: bool,
        has_next: bool,
        total: u64,
    ) -> Self {
        Self { items: items.collect(), has_previous, has_next, total }
    }

    fn info(&self) -> PageInfo {
        let cursor = |item: Option<&(String, T)>| item.map(|(cursor, _)| cursor.clone());
        PageInfo {
            has_next_page: self.has_next,
            has_previous_page: self.has_previous,
            start_cursor: cursor(self.items.first()),
            end_cursor: cursor(self.items.last()),
        }
    }
}

/// The position of a page in its list.
#[derive(SimpleObject)]
pub(in crate::graphql) struct PageInfo {
    /// Whether items follow this page.
    has_next_page: bool,
    /// Whether items precede this page.
    has_previous_page: bool,
    /// The cursor of the page's first item; null when the page is empty.
    start_cursor: Option<String>,
    /// The cursor of the page's last item; null when the page is empty.
    end_cursor: Option<String>,
}

/// Defines the connection and edge types of one kind of item, since GraphQL has no generic types.
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ty, $description:literal) => {
        pub(in crate::graphql) struct $connection(pub(in crate::graphql) Page<$node>);

        #[doc = $description]
        #[Object]
        impl $connection {
            /// The items of this page, each with its cursor.
            async fn edges(&self) -> Vec<$edge<'_>> {
                self.0.items.iter().map($edge).collect()
            }

            /// The items of this page, without cursors.
            async fn nodes(&self) -> Vec<&$node> {
                self.0.items.iter().map(|(_, node)| node).collect()
            }

            /// The position of this page in the list, and the cursors to request its neighbors.
            async fn page_info(&self) -> PageInfo {
                self.0.info()
            }

            /// Number of items in the whole list.
            async fn total_count(&self) -> u64 {
                self.0.total
            }
        }

        pub(in crate::graphql) struct $edge<'a>(&'a (String, $node));

        /// One item of a page.
        #[Object]
        impl<'a> $edge<'a> {
            /// Opaque. The item's position in its list, for `after` and `before`.
            async fn cursor(&self) -> &str {
                &self.0.0
            }

            /// The item.
            async fn node(&self) -> &$node {
                &self.0.1
            }
        }
    };
}

connection!(MessageConnection, MessageEdge, Message, "A page of a room's messages.");
connection!(ChatterConnection, ChatterEdge, Chatter, "A page of a room's chatters.");
connection!(ActiveRoomConnection, ActiveRoomEdge, ActiveRoom, "A page of the rooms that have not ended.");
connection!(BanConnection, BanEdge, Ban, "A page of a room's bans.");
