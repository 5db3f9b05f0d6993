//! Answers the two most frequent operations without the schema: sending a message, and reading a room with a page of its
//! messages. Events of subscriptions are rendered in the same way, see `event_plan`.
//!
//! A plan is made from a document that the schema has executed without an error, so the document is valid. The document keeps
//! the plan. Tests check that its answers equal those of the schema: it calls the same use case and serializes the result
//! directly, without an intermediate value for each field. A document with anything unusual (a directive, a field selected
//! twice, a default) has no plan. A request with unusual variables is left to the schema, which reports their errors. `fields`
//! defines which fields a plan can have and how each is serialized, `selection` reads and serializes selection sets.

mod event_plan;
mod fields;
mod rendered_messages;
mod selection;

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType, Selection};
use async_graphql::{Name, Pos, Positioned};
use async_graphql_value::Value;
use serde::{Deserialize as _, Serialize};

use crate::chat::{Chat, ChatError, RoomKey, ids};
use crate::domain::client_key::ClientKey;
use crate::domain::limits::PAGE_DEFAULT;
use crate::domain::page::{Take, Window};
use crate::graphql::execution::arguments::{Argument, Variables};
use crate::graphql::execution::response::Answer;
use crate::graphql::schema::inputs::SendMessageInput;
use crate::graphql::schema::message::text_bytes;
use crate::graphql::schema::response_budget::ResponseBudget;

use crate::graphql::execution::fast_path::fields::{RoomField, RoomPage, SentField};
use crate::graphql::execution::fast_path::selection::{Only, Selected, Selector, WithFields};

pub(in crate::graphql) use crate::graphql::execution::fast_path::event_plan::EventPlan;
pub(in crate::graphql) use crate::graphql::execution::fast_path::rendered_messages::RenderedMessages;

/// How to answer a document without the schema.
#[derive(Debug)]
pub(in crate::graphql) struct Plan {
    response_key: Name,
    position: Pos,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Send { input: Name, fields: Selected<SentField> },
    Room { id: Argument, code: Argument, page: Option<PageArguments>, fields: Selected<RoomField> },
}

/// The arguments of a page of messages. Pages with cursors are left to the schema.
#[derive(Debug, Default)]
struct PageArguments {
    first: Option<Argument>,
    last: Option<Argument>,
}

impl Plan {
    /// The plan of the only operation of a valid document, if it can have one. `introspection` says whether `__typename` is
    /// available.
    pub(in crate::graphql) fn of(
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        introspection: bool,
    ) -> Option<Self> {
        let defaults = operation.variable_definitions.iter().any(|variable| variable.node.default_value.is_some());
        let directives = operation.variable_definitions.iter().any(|variable| !variable.node.directives.is_empty());
        let [selection] = &operation.selection_set.node.items[..] else { return None };
        let Selection::Field(field) = &selection.node else { return None };
        if defaults || directives || !operation.directives.is_empty() || !field.node.directives.is_empty() {
            return None;
        }
        let (position, field) = (field.pos, &field.node);
        let selector = Selector { document, introspection };
        let action = match (operation.ty, field.name.node.as_str()) {
            (OperationType::Mutation, "sendMessage") => {
                let Some(Argument::Variable(input)) = Argument::of(field, "input") else { return None };
                Action::Send { input, fields: selector.select(field)? }
            }
            (OperationType::Query, "room") => {
                let fields: Selected<RoomField> = selector.select(field)?;
                let mut pages = fields.fields.iter().filter_map(|selected| match &selected.field {
                    Some(RoomField::Messages(messages)) => Some(&messages.arguments),
                    _ => None,
                });
                let page = match (pages.next(), pages.next()) {
                    (Some(arguments), None) => Some(PageArguments::read(arguments)?),
                    (Some(_), Some(_)) => return None,
                    (None, _) => None,
                };
                Action::Room { id: Argument::of(field, "id")?, code: Argument::of(field, "code")?, page, fields }
            }
            _ => return None,
        };
        Some(Self { response_key: field.response_key().node.clone(), position, action })
    }

    /// Answers a request; `None` if only the schema can.
    pub(in crate::graphql) async fn run(
        &self,
        chat: &Chat,
        client: ClientKey,
        variables: Variables<'_>,
        budget: &ResponseBudget,
        rendered: &RenderedMessages,
    ) -> Option<Answer> {
        match &self.action {
            Action::Send { input, fields } => {
                // The schema reports an invalid input.
                let input = SendMessageInput::deserialize(variables?.get(input.as_str())?).ok()?;
                Some(match chat.send_message(client, input.as_send()).await {
                    Ok(sent) => self.answer(WithFields(&sent, fields), budget),
                    Err(error) => self.failed(error),
                })
            }
            Action::Room { id, code, page, fields } => {
                let key = RoomKey { id: id.string(variables)?, code: code.string(variables)? };
                let window = match page {
                    Some(page) => Some(page.window(variables)?),
                    None => None,
                };
                // The schema reports invalid arguments and an invalid id.
                ids::parse_room_id(key.id).ok()?;
                Some(match chat.room(client, key, window).await {
                    Ok(room) => match budget.count_read(text_bytes(&room.messages)) {
                        Ok(()) => {
                            let room = RoomPage { room: &room, window, rendered };
                            self.answer(WithFields(room, fields), budget)
                        }
                        Err(exceeded) => Answer::over_budget(exceeded),
                    },
                    Err(error) => self.failed(error),
                })
            }
        }
    }

    fn answer(&self, result: impl Serialize, budget: &ResponseBudget) -> Answer {
        Answer::serialized(&Only("data", Only(&self.response_key, result)), budget)
    }

    fn failed(&self, error: ChatError) -> Answer {
        Answer::failed_field(error, self.position, &self.response_key)
    }
}

impl PageArguments {
    fn read(arguments: &[(Positioned<Name>, Positioned<Value>)]) -> Option<Self> {
        let mut page = Self::default();
        for (name, value) in arguments {
            let value = Argument::read(&value.node)?;
            match name.node.as_str() {
                "first" => page.first = Some(value),
                "last" => page.last = Some(value),
                _ => return None,
            }
        }
        Some(page)
    }

    fn window(&self, variables: Variables<'_>) -> Option<Window> {
        let count = |given: &Option<Argument>| given.as_ref().map_or(Some(None), |given| given.integer(variables));
        let take = Take::parse(count(&self.first)?, count(&self.last)?, Take::Last(PAGE_DEFAULT)).ok()?;
        Some(Window { after: None, before: None, take })
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;
    use crate::graphql::execution::document::{TYPES, operation_of};

    /// Fields that need further calls of the service.
    const LEFT_TO_THE_SCHEMA: [(&str, &str); 5] = [
        ("Room", "viewerCount"),
        ("Room", "chatters"),
        ("Room", "message"),
        ("Room", "bans"),
        ("Message", "reactionsBy"),
    ];

    fn has_plan(text: &str, introspection: bool) -> bool {
        let document = parse_query(text).expect("a document");
        operation_of(&document, None).is_some_and(|only| match &only.selection_set.node.items[0].node {
            Selection::Field(root) if only.ty == OperationType::Subscription => {
                EventPlan::of(&document, &root.node, introspection).is_some()
            }
            _ => Plan::of(&document, only, introspection).is_some(),
        })
    }

    fn send(fields: &str) -> String {
        format!("mutation S($input: SendMessageInput!) {{ sendMessage(input: $input) {{ {fields} }} }}")
    }

    fn room(fields: &str) -> String {
        format!("query R($id: ID!, $code: String!, $n: Int) {{ room(id: $id, code: $code) {{ {fields} }} }}")
    }

    fn events(root: &str, fields: &str) -> String {
        format!("subscription E($id: ID!, $code: String!) {{ {root}(roomId: $id, roomCode: $code) {{ {fields} }} }}")
    }

    #[test]
    fn frequent_operations_have_a_plan() {
        for text in [
            events(
                "messageEvents",
                "__typename cursor ... on MessageSent { message { id } } ... on MessageDeleted { at }",
            ),
            events("messageEvents", "cursor ... on RoomEvent { at }"),
            events("roomEvents", "__typename cursor ... on MessageEvent { message { text } } ... on UserBanned { at }"),
            send("token"),
            send("__typename message { ...M author { id isVerified } } author { displayName avatarUrl } token cursor")
                + "fragment M on Message { id index text createdAt editedAt deletedAt clientMessageId ...R }
                   fragment R on Message { authorRole replyToId deletedBy reactions { emoji count } }",
            room("title settings { title listed capacity slowModeSeconds locked }"),
            send("... on SendMessagePayload { t: token } ... { cursor }"),
            room("id code createdAt expiresAt chatterCount cursor"),
            room("messages { nodes { id } }"),
            room("messages(last: 50) { totalCount edges { cursor node { text } } pageInfo { endCursor } }"),
            room("messages(first: $n, last: null) { nodes { id } }"),
            "{ room(id: \"1\", code: \"2\") { id } }".to_owned(),
        ] {
            assert!(has_plan(&text, true), "{text}");
        }
    }

    #[test]
    fn unusual_documents_are_left_to_the_schema() {
        for text in [
            events("messageEvents", "cursor @include(if: true)"),
            events("messageEvents", "cursor ... on MessageSent { cursor }"),
            events("messageEvents", "... on MessageSent { cursor }"),
            events("messageEvents", "... on Unknown { cursor }"),
            events("messageEvents", "cursor message { reactionsBy(userId: \"x\") }"),
            events("roomEvents", "... on MessageEvent { cursor }"),
            events("presence", "__typename"),
            send("token @include(if: true)"),
            send("... @include(if: true) { token }"),
            send("token token"),
            send("token ... { token }"),
            send("message { id } message { text }"),
            room("viewerCount"),
            room("chatters { totalCount }"),
            room("message(id: \"x\") { id }"),
            room("bans(ownerToken: \"x\") { totalCount }"),
            room("messages { nodes { reactionsBy(userId: \"x\") } }"),
            room("messages(after: \"x\") { totalCount }"),
            room("a: messages(last: 1) { totalCount } b: messages(last: 2) { totalCount }"),
            room("...F") + "fragment F on Room @d { id }",
            room("id").replace("$n: Int", "$n: Int = 3"),
            "mutation { sendMessage(input: { text: \"x\" }) { token } }".to_owned(),
            "mutation { createRoom { room { id } } }".to_owned(),
            "query A { __typename } query B { __typename }".to_owned(),
            "{ __typename room(id: \"1\", code: \"2\") { id } }".to_owned(),
        ] {
            assert!(!has_plan(&text, true), "{text}");
        }
        assert!(!has_plan(&send("__typename"), false), "without introspection there is no __typename");
    }

    #[test]
    fn plans_know_every_field_of_the_schema() {
        for (of, document) in [
            ("SendMessagePayload", send("FIELD")),
            ("Chatter", send("author { FIELD }")),
            ("Message", send("message { FIELD }")),
            ("Room", room("FIELD")),
            ("MessageConnection", room("messages { FIELD }")),
            ("MessageEdge", room("messages { edges { FIELD } }")),
            ("PageInfo", room("messages { pageInfo { FIELD } }")),
            ("RoomSettings", room("settings { FIELD }")),
            ("ReactionCount", room("messages { nodes { reactions { FIELD } } }")),
            ("MessageEvent", events("messageEvents", "FIELD")),
            ("MessageSent", events("messageEvents", "known: cursor ... on MessageSent { FIELD }")),
            ("RoomEvent", events("roomEvents", "FIELD")),
            ("ReactionsChanged", events("roomEvents", "known: cursor ... on ReactionsChanged { FIELD }")),
            ("RoomUpdated", events("roomEvents", "known: cursor ... on RoomUpdated { FIELD }")),
            ("UserBanned", events("roomEvents", "known: cursor ... on UserBanned { FIELD }")),
            ("Ban", events("roomEvents", "cursor ... on UserBanned { ban { FIELD } }")),
            ("UserUnbanned", events("roomEvents", "known: cursor ... on UserUnbanned { FIELD }")),
            ("RoomEnded", events("roomEvents", "known: cursor ... on RoomEnded { FIELD }")),
        ] {
            let fields = TYPES.output_fields(of);
            assert!(fields.len() > 1, "{of} is a type of the schema");
            for (name, named) in fields {
                let selection = if TYPES.output_fields(named).is_empty() { "" } else { " { __typename }" };
                let is_left_to_the_schema = LEFT_TO_THE_SCHEMA.contains(&(of, name));
                let text = document.replace("FIELD", &format!("{name}{selection}"));
                assert_eq!(has_plan(&text, true), !is_left_to_the_schema, "{of}.{name}");
            }
        }
    }
}
