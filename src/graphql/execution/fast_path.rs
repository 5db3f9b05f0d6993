//! The short way for the two operations that servers spend their time with: sending a message, and reading a room with a
//! page of its messages.
//!
//! A plan is made of a document that the schema has executed without an error, so the document is known to be valid, and
//! is kept with it. What it answers is what the schema would (`tests` hold the two together): it calls the same use case
//! and writes the answer as bytes, without a value for each field in between. Whatever is out of the ordinary (a directive,
//! a field twice, a default, a variable of another form) has no plan, or is left to the schema, which knows what to say
//! about it. Which fields can be planned, and how they are written, stands in `fields`.

mod fields;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
};
use async_graphql::{Name, PathSegment, Pos, Response};
use async_graphql_value::Value as Argument;
use serde_json::{Map, Value};

use crate::chat::{Chat, ChatError, RoomKey, SendMessage};
use crate::domain::client_key::ClientKey;
use crate::domain::limits::PAGE_DEFAULT;
use crate::domain::page::{self, Take, Window};
use crate::domain::room::RoomId;
use crate::graphql::execution::response::Answer;
use crate::graphql::execution::response_budget::{LimitedJson, ResponseBudget};
use crate::graphql::schema::error::chat_error;
use crate::graphql::schema::types::text_bytes;

use crate::graphql::execution::fast_path::fields::{Chosen, OfRoom, OfSent, Written as _};

/// What to do for a document, without asking the schema.
#[derive(Debug)]
pub(in crate::graphql) struct Plan {
    key: Name,
    place: Pos,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Send { input: Name, fields: Vec<Chosen<OfSent>> },
    Room { id: Given, code: Given, page: Option<PageGiven>, fields: Vec<Chosen<OfRoom>> },
}

/// An argument as it stands in the document.
#[derive(Debug)]
enum Given {
    Variable(Name),
    Literal(Value),
}

/// The arguments of a page of messages; those by which one pages on are left to the schema.
#[derive(Debug, Default)]
struct PageGiven {
    first: Option<Given>,
    last: Option<Given>,
}

/// The variables of a request.
type Variables<'a> = Option<&'a Map<String, Value>>;

impl Plan {
    /// The plan of a document that is valid, if it has one. `__typename` is told only by a schema that is told.
    pub(in crate::graphql) fn of(document: &ExecutableDocument, introspection: bool) -> Option<Self> {
        let operation = only_operation(document)?;
        let defaults = operation.variable_definitions.iter().any(|variable| variable.node.default_value.is_some());
        let directives = operation.variable_definitions.iter().any(|variable| !variable.node.directives.is_empty());
        let [selection] = &operation.selection_set.node.items[..] else { return None };
        let Selection::Field(field) = &selection.node else { return None };
        if defaults || directives || !operation.directives.is_empty() || !field.node.directives.is_empty() {
            return None;
        }
        let (place, field) = (field.pos, &field.node);
        let chooser = fields::Chooser { document, introspection };
        let action = match (operation.ty, field.name.node.as_str()) {
            (OperationType::Mutation, "sendMessage") => {
                let Some(Given::Variable(input)) = argument(field, "input") else { return None };
                Action::Send { input, fields: chooser.choose(&field.selection_set.node)? }
            }
            (OperationType::Query, "room") => {
                let fields = chooser.choose(&field.selection_set.node)?;
                let mut messages = Vec::new();
                fields::messages_in(&field.selection_set.node, document, &mut messages);
                let page = match messages[..] {
                    [] => None,
                    [messages] => Some(PageGiven::of(messages)?),
                    _ => return None,
                };
                Action::Room { id: argument(field, "id")?, code: argument(field, "code")?, page, fields }
            }
            _ => return None,
        };
        Some(Self { key: field.response_key().node.clone(), place, action })
    }

    /// The answer to a request, or nothing when the schema has to give it.
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
                    Ok(sent) => self.written(budget, |to| sent.write(fields, to)),
                    Err(error) => self.failed(error),
                })
            }
            Action::Room { id, code, page, fields } => {
                let key = RoomKey { id: id.string(variables)?, code: code.string(variables)? };
                let window = match page {
                    Some(page) => Some(page.window(variables)?),
                    None => None,
                };
                // What is wrong with the arguments of a page is said by the schema, and a room without an id has no page.
                RoomId::parse(key.id).ok()?;
                Some(match chat.room(client, key, window).await {
                    Ok(snapshot) => match budget.hold(text_bytes(&snapshot.messages)) {
                        Ok(()) => {
                            self.written(budget, |to| fields::Page { snapshot: &snapshot, window }.write(fields, to))
                        }
                        Err(refusal) => Answer::over_budget(refusal),
                    },
                    Err(error) => self.failed(error),
                })
            }
        }
    }

    fn written(&self, budget: &ResponseBudget, write: impl FnOnce(&mut LimitedJson<'_>)) -> Answer {
        let mut json = budget.json();
        json.short().push_str("{\"data\":{");
        fields::key(&self.key, json.short());
        write(&mut json);
        json.short().push_str("}}");
        json.finish().map_or_else(Answer::over_budget, Answer::written)
    }

    fn failed(&self, error: ChatError) -> Answer {
        let mut error = chat_error(error).into_server_error(self.place);
        error.path.push(PathSegment::Field(self.key.to_string()));
        Answer::from(Response::from_errors(vec![error]))
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

/// An argument of a field, if it is there and simple.
fn argument(field: &Field, name: &str) -> Option<Given> {
    let (_, value) = field.arguments.iter().find(|(known, _)| known.node == name)?;
    match &value.node {
        Argument::Variable(name) => Some(Given::Variable(name.clone())),
        Argument::String(text) => Some(Given::Literal(text.as_str().into())),
        Argument::Number(number) => Some(Given::Literal(Value::Number(number.clone()))),
        Argument::Null => Some(Given::Literal(Value::Null)),
        _ => None,
    }
}

impl Given {
    fn value<'a>(&'a self, variables: Variables<'a>) -> &'a Value {
        match self {
            Self::Variable(name) => variables.and_then(|given| given.get(name.as_str())).unwrap_or(&Value::Null),
            Self::Literal(value) => value,
        }
    }

    fn string<'a>(&'a self, variables: Variables<'a>) -> Option<&'a str> {
        self.value(variables).as_str()
    }

    /// A number, or nothing for `null`; `None` for anything else.
    #[expect(clippy::option_option, reason = "absent and of another form are two things")]
    fn count(&self, variables: Variables<'_>) -> Option<Option<i32>> {
        match self.value(variables) {
            Value::Null => Some(None),
            value => i32::try_from(value.as_i64()?).ok().map(Some),
        }
    }
}

impl PageGiven {
    fn of(field: &Field) -> Option<Self> {
        let mut page = Self::default();
        for (name, _) in &field.arguments {
            let value = argument(field, name.node.as_str())?;
            match name.node.as_str() {
                "first" => page.first = Some(value),
                "last" => page.last = Some(value),
                _ => return None,
            }
        }
        Some(page)
    }

    fn window(&self, variables: Variables<'_>) -> Option<Window> {
        let count = |given: &Option<Given>| given.as_ref().map_or(Some(None), |given| given.count(variables));
        let take = page::take(count(&self.first)?, count(&self.last)?, Take::Last(PAGE_DEFAULT)).ok()?;
        Some(Window { after: None, before: None, take })
    }
}

/// Reads an input of strings; `None` for one of another form, about which the schema has something to say.
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
    use async_graphql::parser::parse_query;

    use super::*;

    fn is_planned(text: &str) -> bool {
        Plan::of(&parse_query(text).expect("a document"), true).is_some()
    }

    fn send(fields: &str) -> String {
        format!("mutation S($input: SendMessageInput!) {{ sendMessage(input: $input) {{ {fields} }} }}")
    }

    fn room(fields: &str) -> String {
        format!("query R($id: ID!, $code: String!, $n: Int) {{ room(id: $id, code: $code) {{ {fields} }} }}")
    }

    #[test]
    fn what_clients_ask_for_all_day_is_planned() {
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
            assert!(is_planned(&text), "{text}");
        }
    }

    #[test]
    fn what_is_out_of_the_ordinary_is_left_to_the_schema() {
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
            assert!(!is_planned(&text), "{text}");
        }
        let named = parse_query(send("__typename")).expect("a document");
        assert!(Plan::of(&named, false).is_none(), "a schema that tells nothing about itself names no types");
    }
}
