//! Answers the two most frequent operations without the schema: sending a message, and reading a room with a page of its
//! messages.
//!
//! A plan is made from a document that the schema has executed without an error, so the document is known to be valid, and is
//! kept with it. Its answers equal those of the schema, which tests check: it calls the same use case and serializes the
//! result directly, without a value for each field in between. Anything unusual (a directive, a field selected twice, a
//! default, a variable of another type) has no plan, or is left to the schema, which reports what is wrong with it. `fields`
//! says which fields a plan can have and how they are serialized.

mod fields;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
};
use async_graphql::{Name, Pos};
use serde_json::{Map, Value};

use crate::chat::{Chat, ChatError, RoomKey, SendMessage, ids};
use crate::domain::client_key::ClientKey;
use crate::domain::limits::PAGE_DEFAULT;
use crate::domain::page::{Take, Window};
use crate::graphql::execution::arguments::{Argument, Variables};
use crate::graphql::execution::limited_json::LimitedJson;
use crate::graphql::execution::response::Answer;
use crate::graphql::schema::response_budget::ResponseBudget;
use crate::graphql::schema::types::text_bytes;

use crate::graphql::execution::fast_path::fields::{RoomField, Selected, SentField, WriteObject as _};

/// How to answer a document without the schema.
#[derive(Debug)]
pub(in crate::graphql) struct Plan {
    response_key: Name,
    position: Pos,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Send { input: Name, fields: Vec<Selected<SentField>> },
    Room { id: Argument, code: Argument, page: Option<PageArguments>, fields: Vec<Selected<RoomField>> },
}

/// The arguments of a page of messages. Pages with cursors are left to the schema.
#[derive(Debug, Default)]
struct PageArguments {
    first: Option<Argument>,
    last: Option<Argument>,
}

impl Plan {
    /// The plan of a valid document, if it can have one. `introspection` says whether `__typename` is available.
    pub(in crate::graphql) fn of(document: &ExecutableDocument, introspection: bool) -> Option<Self> {
        let operation = only_operation(document)?;
        let defaults = operation.variable_definitions.iter().any(|variable| variable.node.default_value.is_some());
        let directives = operation.variable_definitions.iter().any(|variable| !variable.node.directives.is_empty());
        let [selection] = &operation.selection_set.node.items[..] else { return None };
        let Selection::Field(field) = &selection.node else { return None };
        if defaults || directives || !operation.directives.is_empty() || !field.node.directives.is_empty() {
            return None;
        }
        let (position, field) = (field.pos, &field.node);
        let selector = fields::Selector { document, introspection };
        let action = match (operation.ty, field.name.node.as_str()) {
            (OperationType::Mutation, "sendMessage") => {
                let Some(Argument::Variable(input)) = Argument::of(field, "input") else { return None };
                Action::Send { input, fields: selector.select(&field.selection_set.node)? }
            }
            (OperationType::Query, "room") => {
                let fields = selector.select(&field.selection_set.node)?;
                let mut messages = Vec::new();
                fields::find_messages(&field.selection_set.node, document, &mut messages);
                let page = match messages[..] {
                    [] => None,
                    [messages] => Some(PageArguments::of(messages)?),
                    _ => return None,
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
    ) -> Option<Answer> {
        match &self.action {
            Action::Send { input, fields } => {
                let send = send_input(variables?.get(input.as_str())?.as_object()?)?;
                Some(match chat.send_message(client, send).await {
                    Ok(sent) => self.write(budget, |to| sent.write(fields, to)),
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
                    Ok(snapshot) => match budget.count_read(text_bytes(&snapshot.messages)) {
                        Ok(()) => {
                            self.write(budget, |to| fields::RoomPage { snapshot: &snapshot, window }.write(fields, to))
                        }
                        Err(exceeded) => Answer::over_budget(exceeded),
                    },
                    Err(error) => self.failed(error),
                })
            }
        }
    }

    fn write(&self, budget: &ResponseBudget, write: impl FnOnce(&mut LimitedJson<'_>)) -> Answer {
        let mut json = LimitedJson::new(budget);
        json.short().push_str("{\"data\":{");
        fields::write_key(&self.response_key, json.short());
        write(&mut json);
        json.short().push_str("}}");
        json.finish().map_or_else(Answer::over_budget, Answer::written)
    }

    fn failed(&self, error: ChatError) -> Answer {
        Answer::failed_field(error, self.position, &self.response_key)
    }
}

fn only_operation(document: &ExecutableDocument) -> Option<&OperationDefinition> {
    match &document.operations {
        DocumentOperations::Single(operation) => Some(&operation.node),
        DocumentOperations::Multiple(operations) => {
            let mut operations = operations.values();
            operations.next().filter(|_| operations.next().is_none()).map(|operation| &operation.node)
        }
    }
}

impl PageArguments {
    fn of(field: &Field) -> Option<Self> {
        let mut page = Self::default();
        for (name, _) in &field.arguments {
            let value = Argument::of(field, &name.node)?;
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

/// Reads an input whose fields are strings; `None` if it has others, which the schema then reports.
fn send_input(input: &Map<String, Value>) -> Option<SendMessage<'_>> {
    let mut strings = [None; FIELDS.len()];
    for (name, value) in input {
        let field = FIELDS.iter().position(|field| field == name)?;
        strings[field] = match value {
            Value::Null => None,
            value => Some(value.as_str()?),
        };
    }
    let [room_id, room_code, user_id, token, display_name, text, client_message_id] = strings;
    let room = RoomKey { id: room_id?, code: room_code? };
    Some(SendMessage { room, user_id, token, display_name, text: text?, client_message_id })
}

/// The fields of `SendMessageInput`.
const FIELDS: [&str; 7] = ["roomId", "roomCode", "userId", "token", "displayName", "text", "clientMessageId"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use async_graphql::parser::parse_query;

    use super::*;
    use crate::graphql::execution::document::Types;

    fn has_plan(text: &str) -> bool {
        Plan::of(&parse_query(text).expect("a document"), true).is_some()
    }

    fn send(fields: &str) -> String {
        format!("mutation S($input: SendMessageInput!) {{ sendMessage(input: $input) {{ {fields} }} }}")
    }

    fn room(fields: &str) -> String {
        format!("query R($id: ID!, $code: String!, $n: Int) {{ room(id: $id, code: $code) {{ {fields} }} }}")
    }

    #[test]
    fn frequent_operations_have_a_plan() {
        for text in [
            send("token"),
            send("__typename message { ...M author { id } } author { displayName } token cursor")
                + "fragment M on Message { id index text createdAt editedAt deletedAt clientMessageId }",
            send("... on SendMessagePayload { t: token } ... { cursor }"),
            room("id code createdAt expiresAt chatterCount cursor"),
            room("messages { nodes { id } }"),
            room("messages(last: 50) { totalCount edges { cursor node { text } } pageInfo { endCursor } }"),
            room("messages(first: $n, last: null) { nodes { id } }"),
            "{ room(id: \"1\", code: \"2\") { id } }".to_owned(),
        ] {
            assert!(has_plan(&text), "{text}");
        }
    }

    #[test]
    fn unusual_documents_are_left_to_the_schema() {
        for text in [
            send("token @include(if: true)"),
            send("... @include(if: true) { token }"),
            send("token token"),
            send("token ... { token }"),
            send("message { id } message { text }"),
            room("viewerCount"),
            room("chatters { totalCount }"),
            room("messages(after: \"x\") { totalCount }"),
            room("a: messages(last: 1) { totalCount } b: messages(last: 2) { totalCount }"),
            room("...F") + "fragment F on Room @d { id }",
            room("id").replace("$n: Int", "$n: Int = 3"),
            "mutation { sendMessage(input: { text: \"x\" }) { token } }".to_owned(),
            "mutation { createRoom { room { id } } }".to_owned(),
            "query A { __typename } query B { __typename }".to_owned(),
            "{ __typename room(id: \"1\", code: \"2\") { id } }".to_owned(),
        ] {
            assert!(!has_plan(&text), "{text}");
        }
        let named = parse_query(send("__typename")).expect("a document");
        assert!(Plan::of(&named, false).is_none(), "without introspection there is no __typename");
    }

    #[test]
    fn plans_know_every_field_of_the_schema() {
        let types = Types::read(&crate::graphql::sdl());
        let input: BTreeSet<_> = types.input_fields("SendMessageInput").into_iter().collect();
        assert_eq!(BTreeSet::from(FIELDS), input);
        for (of, document) in [
            ("SendMessagePayload", send("FIELD")),
            ("Chatter", send("author { FIELD }")),
            ("Message", send("message { FIELD }")),
            ("Room", room("FIELD")),
            ("MessageConnection", room("messages { FIELD }")),
            ("MessageEdge", room("messages { edges { FIELD } }")),
            ("PageInfo", room("messages { pageInfo { FIELD } }")),
        ] {
            let fields = types.output_fields(of);
            assert!(fields.len() > 1, "{of} is a type of the schema");
            for (name, named) in fields {
                let selection = if types.output_fields(named).is_empty() { "" } else { " { __typename }" };
                let is_left_to_the_schema = of == "Room" && ["viewerCount", "chatters"].contains(&name);
                let text = document.replace("FIELD", &format!("{name}{selection}"));
                assert_eq!(has_plan(&text), !is_left_to_the_schema, "{of}.{name}");
            }
        }
    }
}
