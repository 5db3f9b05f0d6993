//! The limits of documents, operations and variables: a request at a limit is executed, one above it is refused with the code.

use serde_json::{Value, json};

use crate::support::client::{Client, User, error_code, text};
use crate::support::http;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::stream::{Stream, get, post};

const GRAPHQL: &str = "application/graphql-response+json";

/// `count` pieces, each made from its number.
fn pieces(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect()
}

/// A selection of `depth` nested fields.
fn deep(depth: usize) -> String {
    format!("{{ __type(name: \"Room\") {{ {} name {} }} }}", "ofType { ".repeat(depth - 2), "} ".repeat(depth - 2))
}

/// Makes a document and its variables that use exactly this much of a limit.
type MakeRequest = fn(usize) -> (String, Value);

/// Every limit: its setting if it has one, its value, the code of a refusal, and how to make a request of a given size.
const LIMITS: [(Option<&str>, usize, &str, MakeRequest); 13] = [
    (Some("DOCUMENT_MAX_BYTES"), 300, "DOCUMENT_TOO_LARGE", |n| {
        (format!("{{__typename}}{}", " ".repeat(n - 12)), json!({}))
    }),
    (Some("DOCUMENT_MAX_TOKENS"), 40, "TOO_MANY_TOKENS", |n| {
        (format!("{{ activeRooms {{ {} }} }}", "totalCount ".repeat(n - 5)), json!({}))
    }),
    (None, 128, "NAME_TOO_LONG", |n| (format!("{{ {}: __typename }}", "a".repeat(n)), json!({}))),
    (Some("DOCUMENT_MAX_NESTING"), 6, "NESTED_TOO_DEEP", |n| {
        (
            format!("query Q($q: {}Int{}) {{ __typename @skip(if: false) }}", "[".repeat(n - 1), "]".repeat(n - 1)),
            json!({}),
        )
    }),
    (Some("OPERATION_MAX_DEPTH"), 7, "TOO_DEEP", |n| (deep(n), json!({}))),
    (None, 30, "TOO_MANY_ALIASES", |n| {
        let aliases = pieces(n - 1, |i| format!("a{i}: totalCount "));
        (format!("{{ a: activeRooms {{ ...F }} }} fragment F on ActiveRoomConnection {{ {aliases} }}"), json!({}))
    }),
    (None, 10, "TOO_MANY_ROOT_FIELDS", |n| {
        (format!("mutation {{ {} }}", pieces(n, |i| format!("a{i}: createRoom {{ room {{ id }} }} "))), json!({}))
    }),
    (None, 30, "TOO_MANY_DIRECTIVES", |n| {
        (format!("{{ activeRooms {{ {} }} }}", "totalCount @skip(if: false) ".repeat(n)), json!({}))
    }),
    (None, 100, "TOO_MANY_FRAGMENTS", |n| {
        (
            format!(
                "{{ activeRooms {{ {} }} ...F }} fragment F on Query {{ ... {{ __typename }} }}",
                "... { totalCount } ".repeat(n - 2)
            ),
            json!({}),
        )
    }),
    (Some("OPERATION_MAX_COST"), 100, "TOO_COSTLY", |n| {
        let query = "query($n: Int!) { activeRooms(first: $n) { nodes { id } } }";
        (query.into(), json!({ "n": n - 11 }))
    }),
    (None, 3, "INTROSPECTION_TOO_DEEP", |n| {
        (
            format!("{{ __schema {{ types {{ {} name {} }} }} }}", "fields { ".repeat(n - 1), "} ".repeat(n - 1)),
            json!({}),
        )
    }),
    (Some("VARIABLES_MAX_BYTES"), 300, "VARIABLES_TOO_LARGE", |n| {
        ("{ __typename }".into(), json!({ "a": "b".repeat(n - 9) }))
    }),
    (None, 8, "VARIABLES_TOO_DEEP", |n| {
        ("{ __typename }".into(), json!({ "a": (0..n).fold(json!(1), |inner, _| json!([inner])) }))
    }),
];

#[tokio::test]
async fn every_limit_has_a_code_and_ends_where_it_says() {
    for (setting, limit, code, make_request) in LIMITS {
        let value = limit.to_string();
        let server = Server::with(&setting.map(|name| (name, &*value)).into_iter().collect::<Vec<_>>());
        let client = server.client();
        let (query, variables) = make_request(limit);
        let within = client.request(&query, variables).await;
        if within.get("errors").is_some() {
            // The document is invalid for another reason.
            assert_eq!(error_code(&within), "GRAPHQL_VALIDATION_FAILED", "{code}: {within}");
        }
        let (query, variables) = make_request(limit + 1);
        assert_eq!(client.code(&query, variables.clone()).await, code, "{query}");

        let answer = post(client.url(), GRAPHQL, &query, variables.clone()).send().await.expect("an answer");
        assert_eq!(answer.status(), 400, "{code}");
        let mut socket = Socket::ready(server.address()).await;
        socket.subscribe("1", &query, variables).await;
        assert_eq!(socket.refusal("1").await, code, "on a WebSocket");
    }
}

#[tokio::test]
async fn an_operation_that_takes_too_long_times_out() {
    let redis = crate::support::redis_server::RedisServer::start().await;
    let server = Server::with(&[("REDIS_URL", &redis.url()), ("REDIS_TIMEOUT", "30s"), ("OPERATION_TIMEOUT", "200ms")]);
    let client = server.client();
    let room = client.create_room().await;
    redis.signal("STOP");
    let code = client.code("{ activeRooms { totalCount } }", json!({})).await;
    let subscription = crate::support::socket::events_of(&room);
    let mut socket = Socket::ready(server.address()).await;
    socket.subscribe("1", &subscription, json!({})).await;
    let on_socket = socket.refusal("1").await;
    redis.signal("CONT");
    assert_eq!((code.as_str(), on_socket.as_str()), ("TIMEOUT", "TIMEOUT"));
    client.create_room().await;
}

#[tokio::test]
async fn the_largest_nesting_setting_does_not_crash_the_server() {
    let server = Server::with(&[("DOCUMENT_MAX_NESTING", "64"), ("OPERATION_MAX_DEPTH", "64")]);
    let client = server.client();
    for query in [
        deep(63),
        format!("{{ room(id: {}1{}, code: \"\") {{ id }} }}", "[".repeat(62), "]".repeat(62)),
        format!("{{ room(id: {}1{}, code: \"\") {{ id }} }}", "{a:".repeat(62), "}".repeat(62)),
        format!("query($a: {}Int{}) {{ __typename }}", "[".repeat(63), "]".repeat(63)),
        format!("{{ {} __typename {} }}", "... { ".repeat(63), "} ".repeat(63)),
    ] {
        let answer = client.request(&query, json!({})).await;
        if answer.get("errors").is_some() {
            assert_eq!(error_code(&answer), "GRAPHQL_VALIDATION_FAILED", "{query}: {answer}");
        }
        let mut socket = Socket::ready(server.address()).await;
        socket.subscribe("1", &query, json!({})).await;
        let received = socket.receive().await;
        assert!(["next", "error"].contains(&&*text(&received["type"])), "{query}: {received}");
    }
    client.create_room().await;
}

#[tokio::test]
async fn typical_documents_are_within_the_default_limits() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    ada.send(&room, &"😀".repeat(4_000)).await;
    let message =
        "id index author { id displayName avatarUrl isVerified } text createdAt editedAt deletedAt clientMessageId
        __typename authorRole deletedBy replyToId reactions { emoji count }";
    let page = format!(
        "query Page($id: ID!, $code: String!, $n: Int = 100) {{ room(id: $id, code: $code) {{
            id code title createdAt expiresAt chatterCount viewerCount cursor __typename settings {{ title locked }}
            chatters(first: 100) {{ edges {{ cursor node {{ id displayName }} }} totalCount }}
            messages(first: $n) {{ edges {{ cursor node {{ {message} }} }} nodes {{ {message} reactionsBy(userId: $id) }} totalCount
                pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}"
    );
    client.data(&page, json!({ "id": room.id, "code": room.code })).await;
    let rooms = "{ activeRooms(first: 100) { nodes { id createdAt expiresAt chatterCount viewerCount } totalCount
        edges { cursor node { id viewerCount } } pageInfo { hasNextPage endCursor } } }";
    client.data(rooms, json!({})).await;
    client.data(&introspection(9), json!({})).await;
}

/// The introspection query of GraphiQL 4 and 5, for types that wrap up to `levels` others.
fn introspection(levels: usize) -> String {
    let of_type = format!("{}kind name{}", "kind name ofType { ".repeat(levels), " }".repeat(levels));
    format!(
        "query IntrospectionQuery {{ __schema {{ description queryType {{ name kind }} mutationType {{ name kind }}
            subscriptionType {{ name kind }} types {{ ...FullType }} directives {{ name description isRepeatable locations
            args(includeDeprecated: true) {{ ...InputValue }} }} }} }}
        fragment FullType on __Type {{ kind name description specifiedByURL isOneOf
            fields(includeDeprecated: true) {{ name description args(includeDeprecated: true) {{ ...InputValue }}
                type {{ ...TypeRef }} isDeprecated deprecationReason }}
            inputFields(includeDeprecated: true) {{ ...InputValue }} interfaces {{ ...TypeRef }}
            enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }}
            possibleTypes {{ ...TypeRef }} }}
        fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} defaultValue
            isDeprecated deprecationReason }}
        fragment TypeRef on __Type {{ {of_type} }}"
    )
}

#[tokio::test]
async fn an_error_quotes_only_a_few_characters_of_the_request() {
    let server = Server::embedded();
    let client = server.client();
    let secret = "sekret ".repeat(300);
    let name = "sekret".repeat(20);
    for (query, variables) in [
        (format!("{{ {secret} "), json!({})),
        (format!("{{ a(b: \"{secret}\""), json!({})),
        (format!("{{ {name} {{ {secret} }} }}"), json!({})),
        (format!("query {name} {{ __typename }} query {name} {{ __typename }}"), json!({})),
        (format!("{{ ...{name} }}"), json!({})),
        (format!("fragment {name} on Query {{ __typename }} {{ __typename }}"), json!({})),
        (format!("{{ activeRooms @{name} {{ totalCount }} }}"), json!({})),
        (format!("query($a: {name}) {{ __typename }}"), json!({})),
        (format!("query(${name}: ID!) {{ room(id: ${name}, code: \"\") {{ id }} }}"), json!({})),
        (format!("{{ room(id: {{ {name}: \"{secret}\" }}, code: \"\") {{ id }} }}"), json!({})),
        (format!("{{ activeRooms(first: \"{secret}\") {{ totalCount }} }}"), json!({})),
        (format!("{{ activeRooms({name}: 1) {{ totalCount }} }}"), json!({})),
        ("query($n: Int) { activeRooms(first: $n) { totalCount } }".into(), json!({ "n": secret })),
        ("query($n: Int!) { activeRooms(first: $n) { totalCount } }".into(), json!({ "n": [secret] })),
        (
            "mutation($i: SendMessageInput!) { sendMessage(input: $i) { token } }".into(),
            json!({ "i": { "roomId": "1", "roomCode": "2", "text": "x", "unknown": secret } }),
        ),
    ] {
        let answer = client.request(&query, variables).await;
        let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("{query} was accepted"));
        assert!(errors.len() <= 5, "{answer}");
        for error in errors {
            let shown = error["message"].to_string().matches("sekret").count();
            assert!(shown <= 8, "{query}: {error}");
            assert!(error["message"].as_str().is_some_and(|message| message.chars().count() <= 300), "{error}");
        }
    }
    for variables in [json!({ "id": [secret] }), json!({ "id": { "a": secret } })] {
        let query = "subscription($id: ID!) { messageEvents(roomId: $id, roomCode: \"1\") { cursor } }";
        let mut socket = Socket::ready(server.address()).await;
        socket.subscribe("1", query, variables).await;
        assert_eq!(socket.refusal("1").await, "GRAPHQL_VALIDATION_FAILED");
        assert!(socket.raw.matches("sekret").count() <= 8, "{}", socket.raw);
    }
    let named = json!({ "query": "query A { __typename }", "operationName": "sekret".repeat(1_000) });
    let answer = http::Client::of(&server.url("")).post("/graphql", &named).await;
    assert!(answer.body.matches("sekret").count() <= 8, "{}", answer.body);
}

#[tokio::test]
async fn introspection_and_graphiql_can_be_turned_off() {
    let server = Server::with(&[("INTROSPECTION", "off"), ("GRAPHIQL", "off")]);
    let client = server.client();
    for query in [
        "{ __schema { types { name } } }",
        "{ __type(name: \"Room\") { name } }",
        "{ a: __schema { queryType { name } } }",
        "{ ...F } fragment F on Query { ... { __schema { queryType { name } } } }",
        "mutation { __schema { queryType { name } } }",
    ] {
        assert_eq!(client.code(query, json!({})).await, "INTROSPECTION_OFF", "{query}");
    }
    client.data("{ __typename activeRooms { __typename } }", json!({})).await;
    assert_eq!(server.status("/graphiql").await, 404);
    let misspelt = "{ activeRoom { totalCount } }";
    assert!(!client.request(misspelt, json!({})).await.to_string().contains("Did you mean"));

    let open = Server::embedded();
    assert!(open.client().request(misspelt, json!({})).await.to_string().contains("Did you mean"));
    assert_eq!(open.status("/graphiql").await, 200);
}

#[tokio::test]
async fn document_limits_hold_over_event_streams_and_multipart() {
    let server = Server::embedded();
    let url = server.url("/graphql");
    let query = format!("subscription {{ messageEvents(roomId: {} }}", "[".repeat(1_750));
    for by in [get(&url, &query), post(&url, "", &query, json!({}))] {
        let request = by.header("accept", "text/event-stream");
        let mut stream = Stream::open(request).await;
        assert!(stream.until("complete").await.is_some_and(|received| received.contains("NESTED_TOO_DEEP")));
    }
    let multipart = "multipart/mixed;subscriptionSpec=1.0, application/json";
    let answer = post(&url, multipart, &query, json!({})).send().await.expect("an answer");
    assert_eq!(error_code(&answer.json().await.expect("JSON")), "NESTED_TOO_DEEP");
    Client::of(url).create_room().await;
}
