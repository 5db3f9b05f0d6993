//! Requests that are known to bring GraphQL servers down, against one server, over every transport.

use serde_json::{Value, json};

use crate::support::client::{User, error_code};
use crate::support::http;
use crate::support::memory::resident_bytes;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::stream::get;

/// Bytes by which the process may grow.
const MAX_GROWTH: u64 = 50 * 1024 * 1024;

/// The longest query string that is sent with a GET.
const MAX_GET_BYTES: usize = 8 * 1024;

/// The name of each attack, its document, and the error code; `None` for a harmless one, which is executed.
fn attacks() -> Vec<(&'static str, String, Option<&'static str>)> {
    let many = |count: usize, piece: &dyn Fn(usize) -> String| (0..count).map(piece).collect::<String>();
    let bomb = many(24, &|i| format!("fragment F{i} on Query {{ ...F{n} ...F{n} }} ", n = i + 1));
    let introspection_bomb =
        many(24, &|i| format!("fragment F{i} on __Type {{ ofType {{ ...F{n} ...F{n} }} }} ", n = i + 1));
    let lists =
        |depth: usize| format!("{{ room(id: {}1{}, code: \"\") {{ id }} }}", "[".repeat(depth), "]".repeat(depth));
    let objects =
        |depth: usize| format!("{{ room(id: {}1{}, code: \"\") {{ id }} }}", "{a:".repeat(depth), "}".repeat(depth));
    let aliases = |count| format!("{{ {} }}", many(count, &|i| format!("a{i}:__typename ")));
    vec![
        ("a fragment bomb", format!("{{ ...F0 }} {bomb} fragment F24 on Query {{ __typename }}"), Some("TOO_MANY_FRAGMENTS")),
        ("an unused fragment bomb", format!("{{ __typename }} {bomb} fragment F24 on Query {{ a }}"), Some("TOO_MANY_FRAGMENTS")),
        ("a deep fragment bomb", format!("{{ __type(name: \"Room\") {{ ...F0 }} }} {introspection_bomb} fragment F24 on __Type {{ name }}"), Some("NESTED_TOO_DEEP")),
        ("a fragment within itself", "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }".into(), Some("FRAGMENT_CYCLE")),
        ("deep lists", lists(1_750), Some("NESTED_TOO_DEEP")),
        ("deeper lists", lists(7_800), Some("NESTED_TOO_DEEP")),
        ("unclosed deep lists", format!("{{ a(b: {}", "[".repeat(3_000)), Some("NESTED_TOO_DEEP")),
        ("deep objects", objects(1_500), Some("NESTED_TOO_DEEP")),
        ("deep lists as a default", format!("query($a: Int = {}1{}) {{ a }}", "[".repeat(1_750), "]".repeat(1_750)), Some("NESTED_TOO_DEEP")),
        ("deep lists in a directive", format!("{{ a @b(c: {}1{}) }}", "[".repeat(1_750), "]".repeat(1_750)), Some("NESTED_TOO_DEEP")),
        ("a deep type", format!("query($a: {}Int{}) {{ a }}", "[".repeat(1_750), "]".repeat(1_750)), Some("NESTED_TOO_DEEP")),
        ("deep selections", format!("{}a{}", "{a".repeat(2_000), "}".repeat(2_000)), Some("NESTED_TOO_DEEP")),
        ("deep inline fragments", format!("{{{}a{}}}", "...{".repeat(2_000), "}".repeat(2_000)), Some("NESTED_TOO_DEEP")),
        ("10,000 aliases", aliases(10_000), Some("DOCUMENT_TOO_LARGE")),
        ("500 aliases", aliases(500), Some("TOO_MANY_TOKENS")),
        ("100 aliases", aliases(100), Some("TOO_MANY_ALIASES")),
        ("one mutation 20 times", format!("mutation {{ {} }}", many(20, &|i| format!("a{i}: createRoom {{ room {{ id }} }} "))), Some("TOO_MANY_ROOT_FIELDS")),
        ("500 times @skip", format!("{{ __typename {} }}", "@skip(if:false) ".repeat(500)), Some("TOO_MANY_TOKENS")),
        ("140 times @include", format!("{{ __typename {} }}", "@include(if:true) ".repeat(140)), Some("TOO_MANY_DIRECTIVES")),
        ("450 times @aa", format!("{{ __typename {} }}", "@aa".repeat(450)), Some("TOO_MANY_DIRECTIVES")),
        (
            "10 unknown directives",
            format!("{{ activeRooms {} {{ totalCount }} }}", "@aa".repeat(10)),
            Some("GRAPHQL_VALIDATION_FAILED"),
        ),
        ("10 times @aa", format!("{{ __typename {} }}", "@aa".repeat(10)), None),
        ("a field 500 times", format!("query cop {{ {} }}", "__typename \n".repeat(500)), Some("TOO_MANY_ROOT_FIELDS")),
        ("circular introspection", "query cop { __schema { types { fields { type { fields { type { fields { type { fields { type { name } } } } } } } } } } }".into(), Some("INTROSPECTION_TOO_DEEP")),
        ("deep introspection", format!("{{ __schema {{ types {{ {}name{} }} }} }}", "ofType { ".repeat(24), " }".repeat(24)), Some("TOO_DEEP")),
        ("pages of pages", format!("{{ {} }}", many(8, &|i| format!("a{i}: activeRooms(first: 100) {{ nodes {{ viewerCount id }} edges {{ node {{ viewerCount }} }} }} "))), Some("TOO_COSTLY")),
        ("an endless string", format!("{{ a(b: \"{}", "\\\"".repeat(5_000)), Some("GRAPHQL_PARSE_FAILED")),
        ("an endless number", format!("{{ a(b: {}) }}", "9".repeat(10_000)), Some("GRAPHQL_VALIDATION_FAILED")),
        ("a long comment", format!("#{}\n{{ __typename }}", "[".repeat(10_000)), None),
        ("an unknown word", "qwerty cop { abc }".into(), Some("GRAPHQL_PARSE_FAILED")),
    ]
}

fn assert_answer(what: &str, answer: &Value, code: Option<&str>) {
    match code {
        Some(code) => assert_eq!(error_code(answer), code, "{what}: {answer}"),
        None => assert_eq!(answer["data"], json!({ "__typename": "Query" }), "{what}"),
    }
}

/// Checks that the server still serves clients.
async fn assert_serves(server: &Server) {
    let client = server.client();
    let room = client.create_room().await;
    let mut ada = User::of(client.clone());
    ada.send(&room, "still here").await;
    assert_eq!(client.texts(&room).await, [Some("still here".to_owned())]);
}

#[tokio::test]
async fn after_all_attacks_the_same_process_answers_with_bounded_memory() {
    let server = Server::embedded();
    let raw = http::Client::of(&server.url(""));
    let url = server.url("/graphql");
    assert_serves(&server).await;
    let before = resident_bytes(server.process_id());
    for _ in 0..3 {
        for (what, query, code) in attacks() {
            let status = if code.is_some() { 400 } else { 200 };
            let accept = "application/graphql-response+json";
            let body = json!({ "query": query }).to_string();
            let request = raw.request("POST", "/graphql").header("content-type", "application/json").body(body);
            if query.len() < 60_000 {
                let answer = http::Answer::receive(request.header("accept", accept)).await;
                assert_eq!(answer.status, status, "{what} by POST");
                assert_answer(what, &answer.json(), code);
            }
            if query.len() <= MAX_GET_BYTES && !query.starts_with("mutation") {
                let answer = http::Answer::receive(get(&url, &query).header("accept", accept)).await;
                assert_eq!(answer.status, status, "{what} by GET");
                assert_answer(what, &answer.json(), code);
            }
            if query.len() < 60_000 {
                let mut socket = Socket::ready(server.address()).await;
                socket.subscribe("1", &query, json!({})).await;
                match code {
                    Some(code) => assert_eq!(socket.refusal("1").await, code, "{what} on a WebSocket"),
                    None => {
                        assert_answer(what, &socket.receive().await["payload"], None);
                        assert_eq!(socket.receive().await["type"], "complete");
                    }
                }
                socket.assert_no_message().await;
            }
        }
        huge_variables(&server).await;
        batches(&server).await;
    }
    assert_serves(&server).await;
    let after = resident_bytes(server.process_id());
    assert!(after < before + MAX_GROWTH, "the process grew from {before} to {after} bytes");
    server.assert_no_panic();
}

async fn huge_variables(server: &Server) {
    let raw = http::Client::of(&server.url(""));
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let deeper = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    for (variables, code) in [
        (format!("{{\"a\":\"{}\"}}", "x".repeat(40_000)), "VARIABLES_TOO_LARGE"),
        (format!("{{\"a\":[{}1]}}", "1,".repeat(20_000)), "VARIABLES_TOO_LARGE"),
        (format!("{{\"a\":{deep}}}"), "VARIABLES_TOO_DEEP"),
        (format!("{{\"a\":{deeper}}}"), "BAD_REQUEST"),
    ] {
        let body = format!("{{\"query\":\"{{__typename}}\",\"variables\":{variables}}}");
        let answer = raw.post_text("/graphql", &body).await;
        assert_eq!(error_code(&answer.json()), code);
    }
    let mut socket = Socket::ready(server.address()).await;
    socket.subscribe("1", "{ __typename }", json!({ "a": "x".repeat(40_000) })).await;
    assert_eq!(socket.refusal("1").await, "VARIABLES_TOO_LARGE");
}

async fn batches(server: &Server) {
    let raw = http::Client::of(&server.url(""));
    for count in [0, 1, 10, 1_000] {
        let batch = vec![json!({ "query": "{ __typename }" }); count];
        let answer = raw.post("/graphql", &Value::from(batch.clone())).await;
        assert_eq!((answer.status, error_code(&answer.json()).as_str()), (400, "BATCH_NOT_SUPPORTED"));
        let mut socket = Socket::ready(server.address()).await;
        socket.send_json(json!({ "id": "1", "type": "subscribe", "payload": batch })).await;
        assert_eq!(socket.close_frame().await.0, 4400);
    }
}
