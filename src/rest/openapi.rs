//! The description of these routes for programs: an OpenAPI document, made from the code that answers. What a route takes
//! and gives stands with the route; here is what they have in common.

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

/// Anything but control characters.
const NO_CONTROLS: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";

/// Control characters, and those that a text may have.
const CONTROLS: &str = r"\u0000-\u001F\u007F-\u009F";
const CONTROLS_BUT_NEWLINE_AND_TAB: &str = r"\u0000-\u0008\u000B-\u001F\u007F-\u009F";

/// Characters that cannot be seen, as far as they have four digits; those that have more are rare, and no class can name them in
/// the same way for every reader of patterns.
const INVISIBLE: &str = r"\u0000-\u0020\u007F-\u00A0\u00AD\u034F\u061C\u115F\u1160\u1680\u17B4\u17B5\u180B-\u180F\u2000-\u200F\u2028-\u202F\u205F-\u206F\u2800\u3000\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB";

/// Anything but `excluded`, with a visible character somewhere.
fn visible_without(excluded: &str) -> String {
    format!("[^{excluded}]*[^{INVISIBLE}][^{excluded}]*")
}

/// What is taken for an integer in a string.
const INTEGER_TEXT: &str = r"^\s*[+\-]?[0-9]+(_[0-9]+)*(\.0+)?\s*$";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "LiveChat, the legacy routes",
        description = "The REST routes of the service that LiveChat replaces, for the callers they have. New clients use \
                       GraphQL, on `/graphql`; rooms, users and tokens are the same on both.\n\n\
                       Every route is served with and without the slash at its end, and with and without `/v1` before it. \
                       A refusal has the HTTP status that its sentence deserves; on a server with `REST_ERROR_STATUS=200` \
                       every refusal in an envelope has 200, as the original did.",
        contact(name = "whoever runs this server"),
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(room::create, room::open, room::list, message::send, message::edit, message::delete),
    components(schemas(
        Envelope<message::Sent>, Envelope<message::Changed>, Envelope<Nothing>,
        Explained<String>, Explained<Vec<Detail>>, Refused,
    )),
    tags(
        (name = "Rooms", description = "Making a room, reading one with all that is in it, and listing those alive."),
        (name = "Messages", description = "Sending, editing and deleting messages in a room."),
    ),
)]
struct Document;

/// `/openapi.json`, for routes that are mounted below `base`, which is empty or a path without a slash at its end.
pub(super) fn routes(base: &str) -> Router {
    let about = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    let document = document(base);
    Router::new().route("/openapi.json", get(async move || (about, document)))
}

fn document(base: &str) -> String {
    let mut document = Document::openapi();
    let server = |url: &str, description: &str| ServerBuilder::new().url(url).description(Some(description)).build();
    document.servers = Some(vec![
        server(&format!("{base}/v1"), "where the original had its routes"),
        server(if base.is_empty() { "/" } else { base }, "as its README wrote them"),
    ]);
    // Who may do what is said in the bodies, by codes and tokens; HTTP knows nothing of it.
    document.security = Some(Vec::new());
    let operations = document.paths.paths.values_mut().flat_map(|path| [&mut path.get, &mut path.post]).flatten();
    for response in operations.flat_map(|operation| operation.responses.responses.values_mut()) {
        if let RefOr::T(response) = response {
            let meaning = "names the request in the log of the server; taken over from the request, if given there";
            response.headers.insert("x-request-id".to_owned(), text_header(meaning).into());
        }
    }
    remove_unused_schemas(&mut document);
    document.to_json().unwrap_or_default()
}

/// Removes what stands among the components and is nowhere referred to: it was written out where it is used.
fn remove_unused_schemas(document: &mut utoipa::openapi::OpenApi) {
    loop {
        let written = document.to_json().unwrap_or_default();
        let Some(components) = &mut document.components else { return };
        let before = components.schemas.len();
        components.schemas.retain(|name, _| written.contains(&format!("\"#/components/schemas/{name}\"")));
        if components.schemas.len() == before {
            return;
        }
    }
}

/// What an answer gives to the request after it: the room it is about.
pub(super) fn in_room() -> Value {
    json!({ "room_id": "$response.body#/data/room_id", "room_code": "$response.body#/data/room_code" })
}

/// What an answer gives to the request after it: the room and the user, with the new token.
fn as_user() -> Value {
    json!({
        "room_id": "$request.body#/room_id",
        "room_code": "$request.body#/room_code",
        "user_id": "$response.body#/data/user_id",
        "token": "$response.body#/data/token",
    })
}

/// As [`as_user`], with the message.
fn on_message() -> Value {
    let mut body = as_user();
    body["message_id"] = json!("$response.body#/data/message_id");
    body
}

/// Defines a group of answers that routes have in common: of each the status, the form of its body, and what it means.
macro_rules! answers {
    ($(#[$doc:meta])* $name:ident { $($status:literal $form:literal $meaning:literal,)* }) => {
        $(#[$doc])*
        pub(super) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$(($status.to_owned(), answer($status, $form, $meaning).into())),*])
            }
        }
    };
}

answers! {
    /// Whatever is asked.
    Failing {
        "408" "Refused" "The request did not arrive in time.",
        "415" "Refused" "The request has a `content-encoding`.",
        "500" "Envelope_Nothing" "Something went wrong on the side of the server.",
        "503" "Envelope_Nothing" "The service is unavailable for the moment.",
    }
}

answers! {
    /// What is limited by how often it is done.
    AskingOften {
        "429" "Envelope_Nothing" "Too often; `Retry-After` says in how many seconds to try again.",
    }
}

answers! {
    /// What has a body that names a room.
    AskingRoom {
        "400" "Explained_String" "The body is not UTF-8, UTF-16 or UTF-32, is nested too deep, or the connection broke.",
        "403" "Envelope_Nothing" "`the room code is invaild`, `user_id length should be longer then 10`, `bad token`, or \
                                  `request forbidden`.",
        "404" "Envelope_Nothing" "`this room does not exist`, or `no such message`, whose `status_code` is 503.",
        "413" "Explained_String" "The body is too large.",
        "422" "Explained_Vec_Detail" "The body is not JSON, or not the JSON that is wanted here.",
    }
}

answers! {
    /// What sends a message.
    Sends {
        "200" "Envelope_Sent" "The message, and the token for the next action.",
    }
}

answers! {
    /// What changes a message.
    Changing {
        "200" "Envelope_Changed" "The message as it is now, and the token for the next action.",
        "409" "Envelope_Nothing" "The message changes faster than it can be changed; read it again and repeat.",
    }
}

fn answer(status: &str, form: &str, meaning: &str) -> Response {
    let json = ContentBuilder::new().schema(Some(Ref::from_schema_name(form))).build();
    let response = ResponseBuilder::new().description(meaning).content("application/json", json);
    match status {
        "200" => response
            .link("nextSent", link("sendMessage", as_user()))
            .link("edited", link("editMessage", on_message()))
            .link("deleted", link("deleteMessage", on_message()))
            .build(),
        "429" => response.header("retry-after", text_header("seconds")).build(),
        // Where not even the envelope could be made.
        "500" => response.content("text/plain", ContentBuilder::new().schema(Some(string().build())).build()).build(),
        _ => response.build(),
    }
}

/// The way from an answer to the request after it, with the body of that.
fn link(operation: &str, body: Value) -> Link {
    LinkBuilder::new().operation_id(operation).request_body(Some(body)).build()
}

fn text_header(meaning: &str) -> Header {
    HeaderBuilder::new().schema(Some(string().build())).description(Some(meaning)).build()
}

/// What is said of a request that no wire sees.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `http` writes")]
struct Refused {
    errors: Vec<RefusedBecause>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `http` writes")]
struct RefusedBecause {
    /// Why, for people.
    message: String,
    extensions: RefusedAs,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `http` writes")]
struct RefusedAs {
    /// Why, for programs.
    #[schema(example = "REQUEST_TIMEOUT")]
    code: String,
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Names a room.
pub(super) fn room_id() -> Object {
    string()
        .description(Some("As the answer to the room's creation gave it."))
        .examples(["room:*00000000000000000000000000000000"])
        .build()
}

/// Opens a room.
pub(super) fn room_code() -> Object {
    string().description(Some("As the answer to the room's creation gave it.")).examples(["123456"]).build()
}

/// A name that may be left out.
pub(super) fn display_name() -> Object {
    let meaning = "Counts with the user's first message; without one the user is called `Anon#` and five digits.";
    string()
        .schema_type([Type::String, Type::Null].into_iter().collect::<SchemaType>())
        .max_length(Some(Limits::default().display_name))
        .pattern(Some(format!("^({})?$", visible_without(CONTROLS))))
        .description(Some(meaning))
        .examples(["Ada"])
        .build()
}

/// A user id that may be anybody's.
pub(super) fn user_id() -> Object {
    string()
        .min_length(Some(USER_ID_MIN))
        .max_length(Some(Limits::default().user_id))
        .pattern(Some(NO_CONTROLS))
        .description(Some("Chosen by the client."))
        .examples(["ada-0123456789"])
        .build()
}

/// A user id, or what callers send that have none.
pub(super) fn user_id_or_none() -> Schema {
    AnyOfBuilder::new()
        .item(user_id())
        .item(string().enum_values(Some(["None", ""])))
        .description(Some("Chosen by the client; `None` or nothing to be given one."))
        .into()
}

/// The text of a message.
pub(super) fn text() -> Object {
    string()
        .min_length(Some(1))
        .max_length(Some(Limits::default().text))
        .pattern(Some(format!("^{}$", visible_without(CONTROLS_BUT_NEWLINE_AND_TAB))))
        .description(Some("The text, with something in it that can be seen. Of control characters only newline and tab; CR LF is taken for a newline."))
        .examples(["Hello"])
        .build()
}

/// The place of a message in its room.
pub(super) fn message_id() -> Schema {
    let integer = ObjectBuilder::new().schema_type(Type::Integer).examples([0]);
    let truth = ObjectBuilder::new().schema_type(Type::Boolean).description(Some("1 or 0, as the original had it."));
    AnyOfBuilder::new()
        .item(integer)
        .item(string().pattern(Some(INTEGER_TEXT)))
        .item(truth)
        .description(Some("Its place in the room, from 0. A string that holds an integer is taken too."))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::MessageText;

    /// The characters of a class of four digits each, and of ranges between two.
    fn class(text: &str) -> Vec<u32> {
        let code = |text: &str| u32::from_str_radix(text.trim_start_matches("\\u"), 16).expect("four digits");
        let mut codes = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (first, behind) = rest.split_at(6);
            let (last, behind) = behind.strip_prefix('-').map_or((first, behind), |behind| behind.split_at(6));
            codes.extend(code(first)..=code(last));
            rest = behind;
        }
        codes
    }

    #[test]
    fn the_pattern_of_a_text_knows_what_can_be_seen() {
        let invisible = class(INVISIBLE);
        for character in '\0'..='\u{ffff}' {
            let is_taken = MessageText::parse(&character.to_string(), &Limits::default()).is_ok();
            assert_eq!(is_taken, !invisible.contains(&character.into()), "U+{:04X}", u32::from(character));
        }
    }
}
