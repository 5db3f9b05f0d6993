//! The OpenAPI document of the legacy routes, generated from their code. Each route declares its own request and responses; this
//! module adds what all routes share.

pub(super) mod field_schemas;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde_json::{Value, json};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ServerBuilder};
use utoipa::{OpenApi, ToSchema};

use crate::rest::detail::{Detail, Explained};
use crate::rest::openapi::field_schemas::string;
use crate::rest::{message, room};

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
    components(schemas(Explained<String>, Explained<Vec<Detail>>, GraphqlErrors)),
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
    operations.for_each(complete);
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

/// Responses of every route: status, schema and description.
const RESPONSES: [(&str, &str, &str); 5] = [
    ("408", "Refused", "The request did not arrive in time."),
    ("415", "Refused", "The request has a `content-encoding`."),
    ("429", "Envelope_Nothing", "Too many requests; `Retry-After` has the seconds to wait before the next try."),
    ("500", "Envelope_Nothing", "The server failed."),
    ("503", "Envelope_Nothing", "The service is temporarily unavailable."),
];

/// Responses of routes with a body, which names a room.
const RESPONSES_TO_BODIES: [(&str, &str, &str); 5] = [
    (
        "400",
        "Explained_String",
        "The body is not UTF-8, UTF-16 or UTF-32, is nested too deep, or the connection failed.",
    ),
    (
        "403",
        "Envelope_Nothing",
        "`the room code is invaild`, `user_id length should be longer then 10`, `bad token`, or `request forbidden`.",
    ),
    ("404", "Envelope_Nothing", "`this room does not exist`, or `no such message`, whose `status_code` is 503."),
    ("413", "Explained_String", "The body is too large."),
    ("422", "Explained_Vec_Detail", "The body is not JSON, or has missing or invalid fields."),
];

/// Adds the responses that routes share, the links to operations that can follow, and the header of every response.
fn complete(operation: &mut Operation) {
    let to_bodies = if operation.request_body.is_some() { &RESPONSES_TO_BODIES[..] } else { &[] };
    let responses = &mut operation.responses.responses;
    for (status, schema, description) in RESPONSES.iter().chain(to_bodies) {
        responses.insert((*status).to_owned(), shared_response(status, schema, description).into());
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        let meaning = "identifies the request in the log of the server; the client's own, if the request has one";
        response.headers.insert("x-request-id".to_owned(), text_header(meaning).into());
        if status == "200" {
            let links = links_from(operation.operation_id.as_deref().unwrap_or_default());
            for (name, next_operation, body) in links {
                let link = LinkBuilder::new().operation_id(next_operation).request_body(Some(body)).build();
                response.links.insert(name.to_owned(), link.into());
            }
        }
    }
}

fn shared_response(status: &str, schema: &str, description: &str) -> Response {
    let json = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    let response = ResponseBuilder::new().description(description).content("application/json", json);
    match status {
        "429" => response.header("retry-after", text_header("seconds")).build(),
        // A panic has no envelope.
        "500" => response.content("text/plain", ContentBuilder::new().schema(Some(string().build())).build()).build(),
        _ => response.build(),
    }
}

/// The operations that can follow a successful one: the name of the link, the operation, and its body.
fn links_from(operation: &str) -> Vec<(&'static str, &'static str, Value)> {
    match operation {
        "createRoom" => {
            let in_room =
                json!({ "room_id": "$response.body#/data/room_id", "room_code": "$response.body#/data/room_code" });
            vec![("opened", "openRoom", in_room.clone()), ("writtenTo", "sendMessage", in_room)]
        }
        "sendMessage" | "editMessage" | "deleteMessage" => {
            let as_user = json!({
                "room_id": "$request.body#/room_id",
                "room_code": "$request.body#/room_code",
                "user_id": "$response.body#/data/user_id",
                "token": "$response.body#/data/token",
            });
            let mut on_message = as_user.clone();
            on_message["message_id"] = json!("$response.body#/data/message_id");
            vec![
                ("nextSent", "sendMessage", as_user),
                ("edited", "editMessage", on_message.clone()),
                ("deleted", "deleteMessage", on_message),
            ]
        }
        _ => Vec::new(),
    }
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
