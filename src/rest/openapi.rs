//! The OpenAPI document of the legacy routes, generated from their code. Each route declares its own request and responses; this
//! module holds what several routes share.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde_json::{Value, json};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::link::{Link, LinkBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AnyOfBuilder, Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ServerBuilder};
use utoipa::{IntoResponses, OpenApi, ToSchema};

use crate::domain::limits::{Limits, USER_ID_MIN};
use crate::rest::detail::{Detail, Explained};
use crate::rest::envelope::{Envelope, Nothing};
use crate::rest::{message, room};

/// Pattern: no control characters.
const NO_CONTROLS: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";

/// Control characters, and those that a message text must not have.
const CONTROLS: &str = r"\u0000-\u001F\u007F-\u009F";
const CONTROLS_BUT_NEWLINE_AND_TAB: &str = r"\u0000-\u0008\u000B-\u001F\u007F-\u009F";

/// Invisible characters in the basic plane. Others are rare, and regular expression dialects disagree on how to write them.
const INVISIBLE: &str = r"\u0000-\u0020\u007F-\u00A0\u00AD\u034F\u061C\u115F\u1160\u1680\u17B4\u17B5\u180B-\u180F\u2000-\u200F\u2028-\u202F\u205F-\u206F\u2800\u3000\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB";

/// Pattern: no character of `excluded`, and at least one visible character.
fn visible_without(excluded: &str) -> String {
    format!("[^{excluded}]*[^{INVISIBLE}][^{excluded}]*")
}

/// Pattern: a string that is accepted as an integer.
const INTEGER_TEXT: &str = r"^\s*[+\-]?[0-9]+(_[0-9]+)*(\.0+)?\s*$";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "LiveChat, the legacy routes",
        description = "The REST routes of the service that LiveChat replaces, for its existing clients. New clients use \
                       GraphQL, on `/graphql`. Rooms, users and tokens are the same in both APIs.\n\n\
                       Every route is served with and without a trailing slash, and with and without `/v1` in front. An error \
                       has a matching HTTP status. If the server runs with `REST_ERROR_STATUS=200`, client errors in an \
                       envelope have status 200, as in the original.",
        contact(name = "the operator of this server"),
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(room::create, room::open, room::list, message::send, message::edit, message::delete),
    components(schemas(
        Envelope<message::SentMessage>, Envelope<message::ChangedMessage>, Envelope<Nothing>,
        Explained<String>, Explained<Vec<Detail>>, GraphqlErrors,
    )),
    tags(
        (name = "Rooms", description = "Create a room, read a whole room, and list all rooms."),
        (name = "Messages", description = "Send, edit and delete messages."),
    ),
)]
struct Document;

/// `/openapi.json`, for routes mounted below `base`, which is empty or a path without a trailing slash.
pub(super) fn routes(base: &str) -> Router {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    let document = document(base);
    Router::new().route("/openapi.json", get(async move || (headers, document)))
}

fn document(base: &str) -> String {
    let mut document = Document::openapi();
    let server = |url: &str, description: &str| ServerBuilder::new().url(url).description(Some(description)).build();
    document.servers = Some(vec![
        server(&format!("{base}/v1"), "the mount point of the original"),
        server(if base.is_empty() { "/" } else { base }, "the paths in the README of the original"),
    ]);
    // Authorization is by codes and tokens in the bodies, not by HTTP.
    document.security = Some(Vec::new());
    let operations = document.paths.paths.values_mut().flat_map(|path| [&mut path.get, &mut path.post]).flatten();
    for response in operations.flat_map(|operation| operation.responses.responses.values_mut()) {
        if let RefOr::T(response) = response {
            let meaning = "identifies the request in the log of the server; the client's own, if the request has one";
            response.headers.insert("x-request-id".to_owned(), text_header(meaning).into());
        }
    }
    remove_unused_schemas(&mut document);
    document.to_json().unwrap_or_default()
}

/// Removes component schemas without references: utoipa also inlines them where they are used.
fn remove_unused_schemas(document: &mut utoipa::openapi::OpenApi) {
    loop {
        let json = document.to_json().unwrap_or_default();
        let Some(components) = &mut document.components else { return };
        let before = components.schemas.len();
        components.schemas.retain(|name, _| json.contains(&format!("\"#/components/schemas/{name}\"")));
        if components.schemas.len() == before {
            return;
        }
    }
}

/// Link parameters: the room of the response.
pub(super) fn in_room() -> Value {
    json!({ "room_id": "$response.body#/data/room_id", "room_code": "$response.body#/data/room_code" })
}

/// Link parameters: the room of the request, and the user with the new token.
fn as_user() -> Value {
    json!({
        "room_id": "$request.body#/room_id",
        "room_code": "$request.body#/room_code",
        "user_id": "$response.body#/data/user_id",
        "token": "$response.body#/data/token",
    })
}

/// Link parameters: those of [`as_user`], and the message.
fn on_message() -> Value {
    let mut body = as_user();
    body["message_id"] = json!("$response.body#/data/message_id");
    body
}

/// Defines a group of responses that routes share: the status, schema and description of each.
macro_rules! responses {
    ($(#[$doc:meta])* $name:ident { $($status:literal $schema:literal $description:literal,)* }) => {
        $(#[$doc])*
        pub(super) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$(($status.to_owned(), response($status, $schema, $description).into())),*])
            }
        }
    };
}

responses! {
    /// Responses of every route.
    CommonResponses {
        "408" "Refused" "The request did not arrive in time.",
        "415" "Refused" "The request has a `content-encoding`.",
        "500" "Envelope_Nothing" "The server failed.",
        "503" "Envelope_Nothing" "The service is temporarily unavailable.",
    }
}

responses! {
    /// Responses of routes with a rate limit.
    RateLimitResponses {
        "429" "Envelope_Nothing" "Too many requests; `Retry-After` has the seconds to wait before the next try.",
    }
}

responses! {
    /// Responses of routes whose body names a room.
    RoomResponses {
        "400" "Explained_String" "The body is not UTF-8, UTF-16 or UTF-32, is nested too deep, or the connection failed.",
        "403" "Envelope_Nothing" "`the room code is invaild`, `user_id length should be longer then 10`, `bad token`, or \
                                  `request forbidden`.",
        "404" "Envelope_Nothing" "`this room does not exist`, or `no such message`, whose `status_code` is 503.",
        "413" "Explained_String" "The body is too large.",
        "422" "Explained_Vec_Detail" "The body is not JSON, or has missing or invalid fields.",
    }
}

responses! {
    /// Responses of the route that sends a message.
    SendResponses {
        "200" "Envelope_Sent" "The message, and the token for the next action.",
    }
}

responses! {
    /// Responses of routes that change a message.
    ChangeResponses {
        "200" "Envelope_Changed" "The changed message, and the token for the next action.",
        "409" "Envelope_Nothing" "The message kept changing at the same time; read it again and repeat the request.",
    }
}

fn response(status: &str, schema: &str, description: &str) -> Response {
    let json = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    let response = ResponseBuilder::new().description(description).content("application/json", json);
    match status {
        "200" => response
            .link("nextSent", link("sendMessage", as_user()))
            .link("edited", link("editMessage", on_message()))
            .link("deleted", link("deleteMessage", on_message()))
            .build(),
        "429" => response.header("retry-after", text_header("seconds")).build(),
        // A panic has no envelope.
        "500" => response.content("text/plain", ContentBuilder::new().schema(Some(string().build())).build()).build(),
        _ => response.build(),
    }
}

/// A link from a response to a following request, with its body.
fn link(operation: &str, body: Value) -> Link {
    LinkBuilder::new().operation_id(operation).request_body(Some(body)).build()
}

fn text_header(description: &str) -> Header {
    HeaderBuilder::new().schema(Some(string().build())).description(Some(description)).build()
}

/// The error response of a request that does not reach an API.
#[derive(ToSchema)]
#[schema(as = Refused)]
#[expect(dead_code, reason = "describes what `http` writes")]
struct GraphqlErrors {
    errors: Vec<GraphqlError>,
}

#[derive(ToSchema)]
#[schema(as = RefusedBecause)]
#[expect(dead_code, reason = "describes what `http` writes")]
struct GraphqlError {
    /// The reason, for people.
    message: String,
    extensions: GraphqlErrorExtensions,
}

#[derive(ToSchema)]
#[schema(as = RefusedAs)]
#[expect(dead_code, reason = "describes what `http` writes")]
struct GraphqlErrorExtensions {
    /// The error code, for programs.
    #[schema(example = "REQUEST_TIMEOUT")]
    code: String,
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Schema of a room id.
pub(super) fn room_id() -> Object {
    string()
        .description(Some("From the response that created the room."))
        .examples(["room:*00000000000000000000000000000000"])
        .build()
}

/// Schema of a room code.
pub(super) fn room_code() -> Object {
    string().description(Some("From the response that created the room.")).examples(["123456"]).build()
}

/// Schema of an optional display name.
pub(super) fn display_name() -> Object {
    let description = "Set by the user's first message. Without one the user is called `Anon#` and five digits.";
    string()
        .schema_type([Type::String, Type::Null].into_iter().collect::<SchemaType>())
        .max_length(Some(Limits::default().display_name))
        .pattern(Some(format!("^({})?$", visible_without(CONTROLS))))
        .description(Some(description))
        .examples(["Ada"])
        .build()
}

/// Schema of a user id.
pub(super) fn user_id() -> Object {
    string()
        .min_length(Some(USER_ID_MIN))
        .max_length(Some(Limits::default().user_id))
        .pattern(Some(NO_CONTROLS))
        .description(Some("Chosen by the client."))
        .examples(["ada-0123456789"])
        .build()
}

/// Schema of a user id, or of what clients without one send.
pub(super) fn user_id_or_none() -> Schema {
    AnyOfBuilder::new()
        .item(user_id())
        .item(string().enum_values(Some(["None", ""])))
        .description(Some("Chosen by the client. With `None` or an empty string, the server assigns one."))
        .into()
}

/// Schema of a message text.
pub(super) fn text() -> Object {
    string()
        .min_length(Some(1))
        .max_length(Some(Limits::default().text))
        .pattern(Some(format!("^{}$", visible_without(CONTROLS_BUT_NEWLINE_AND_TAB))))
        .description(Some("The text, with at least one visible character. Newline and tab are the only control characters allowed; CR LF becomes a newline."))
        .examples(["Hello"])
        .build()
}

/// Schema of a message id.
pub(super) fn message_id() -> Schema {
    let integer = ObjectBuilder::new().schema_type(Type::Integer).examples([0]);
    let boolean = ObjectBuilder::new().schema_type(Type::Boolean).description(Some("1 or 0, as in the original."));
    AnyOfBuilder::new()
        .item(integer)
        .item(string().pattern(Some(INTEGER_TEXT)))
        .item(boolean)
        .description(Some(
            "The position of the message in the room, from 0. A string that contains an integer is accepted, too.",
        ))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::MessageText;

    /// The code points of a character class of `\\uXXXX` escapes and ranges.
    fn parse_class(text: &str) -> Vec<u32> {
        let code = |text: &str| u32::from_str_radix(text.trim_start_matches("\\u"), 16).expect("four digits");
        let mut codes = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (first, tail) = rest.split_at(6);
            let (last, tail) = tail.strip_prefix('-').map_or((first, tail), |tail| tail.split_at(6));
            codes.extend(code(first)..=code(last));
            rest = tail;
        }
        codes
    }

    #[test]
    fn text_pattern_agrees_with_the_parser_about_visible_characters() {
        let invisible = parse_class(INVISIBLE);
        for character in '\0'..='\u{ffff}' {
            let is_accepted = MessageText::parse(&character.to_string(), &Limits::default()).is_ok();
            assert_eq!(is_accepted, !invisible.contains(&character.into()), "U+{:04X}", u32::from(character));
        }
    }
}
