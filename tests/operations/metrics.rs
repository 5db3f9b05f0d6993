//! The metrics, who may read them, and whether the dashboard and the alerts use only metrics that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::client::{RoomKey, User, error_code};
use crate::support::eventually;
use crate::support::http::Client as Http;
use crate::support::raw::Raw;
use crate::support::rest::RestUser;
use crate::support::scrape::Scrape;
use crate::support::server::Server;
use crate::support::stream::{Stream, http, post};
use crate::support::subscriber::{EVENTS, Received, Subscriber};

fn room_variables(room: &RoomKey) -> Value {
    json!({ "roomId": room.id, "roomCode": room.code })
}

#[tokio::test]
async fn operations_of_both_apis_are_counted_with_their_outcomes() {
    let server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    User::of(client.clone()).send(&room, "counted").await;
    RestUser::of(server.address(), "somebody-else".into()).send(&room, "counted").await;
    let wrong = json!({ "id": room.id, "code": "wrong" });
    let answer = client.try_request("query($id: ID!, $code: String!) { room(id: $id, code: $code) { id } }", wrong);
    assert_eq!(error_code(&answer.await.expect("an answer")), "ROOM_CODE_INVALID");
    for query in ["{ nonsense_of_a_stranger }", "{", "{ __schema { types { name } } }"] {
        client.try_request(query, json!({})).await.expect("an answer");
    }
    let rest = Http::of(&server.url(""));
    let body = json!({ "room_id": format!("room:*{}", room.id), "room_code": "wrong" });
    assert_eq!(rest.post("/v1/room/", &body).await.status, 403);
    assert_eq!(rest.post("/room", &json!({})).await.status, 422);
    assert_eq!(rest.get("/nowhere").await.status, 404);

    let scrape = Scrape::of(&server).await;
    for (api, operation, outcome) in [
        ("graphql", "createRoom", "OK"),
        ("graphql", "sendMessage", "OK"),
        ("graphql", "room", "ROOM_CODE_INVALID"),
        ("graphql", "other", "GRAPHQL_VALIDATION_FAILED"),
        ("graphql", "none", "GRAPHQL_PARSE_FAILED"),
        ("graphql", "introspection", "OK"),
        ("rest", "/room/message/send", "OK"),
        ("rest", "/room", "ROOM_CODE_INVALID"),
        ("rest", "/room", "BAD_REQUEST"),
    ] {
        assert_eq!(scrape.operations(api, operation, outcome), 1.0, "{api} {operation} {outcome}");
    }
    assert_eq!(scrape.operations("graphql", "editMessage", "OK"), 0.0);
    let labels = [("api", "graphql"), ("operation", "sendMessage")];
    assert_eq!(scrape.value("livechat_operation_duration_seconds_count", &labels), 1.0);
    assert_eq!(scrape.value("livechat_http_responses_total", &[("status", "404")]), 1.0);
    assert_eq!(scrape.value("livechat_store_call_duration_seconds_count", &[("call", "send")]), 2.0);
    assert_eq!(scrape.value("livechat_ready", &[]), 1.0);
    assert!(scrape.value("process_resident_memory_bytes", &[]) > 1_000_000.0);
    assert!(!scrape.0.contains("stranger"), "no label contains parts of a request");
}

#[tokio::test]
async fn subscriptions_deliveries_and_replays_are_counted() {
    let server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    let mut user = User::of(client.clone());
    user.send(&room, "before").await;
    let cursor = user.cursor.clone();
    user.send(&room, "missed").await;
    let mut socket = Subscriber::open(server.address(), &room, cursor).await;
    assert!(matches!(socket.next().await, Received::Event(_)));
    let mut stream = Stream::open(post(client.url(), "text/event-stream", EVENTS, room_variables(&room))).await;
    client.wait_for_viewers(&room, 2).await;
    user.send(&room, "live").await;
    assert!(matches!(socket.next().await, Received::Event(_)));
    stream.until("live").await.expect("the event");

    let scrape = Scrape::of(&server).await;
    for (name, labels, value) in [
        ("livechat_viewers", vec![], 2.0),
        ("livechat_rooms_watched", vec![], 1.0),
        ("livechat_sockets", vec![("protocol", "graphql-transport-ws")], 1.0),
        ("livechat_subscriptions", vec![("transport", "websocket")], 1.0),
        ("livechat_subscriptions", vec![("transport", "sse")], 1.0),
        ("livechat_deliveries_total", vec![("from", "log")], 1.0),
        ("livechat_deliveries_total", vec![("from", "live")], 2.0),
        ("livechat_replays_total", vec![("reason", "resume")], 1.0),
        ("livechat_replay_lag_events_sum", vec![], 1.0),
    ] {
        assert_eq!(scrape.value(name, &labels), value, "{name} {labels:?}");
    }
    // The socket has received two events and the stream one of them, with the same operation.
    assert_eq!(scrape.value("livechat_renderings_total", &[("path", "fast")]), 2.0);

    drop((socket, stream));
    eventually("all subscriptions have ended", || async {
        let scrape = Scrape::of(&server).await;
        let sse = scrape.value("livechat_subscriptions", &[("transport", "sse")]);
        let sockets = scrape.value("livechat_sockets", &[("protocol", "graphql-transport-ws")]);
        scrape.value("livechat_viewers", &[]) + sockets + sse == 0.0
    })
    .await;
}

#[tokio::test]
async fn rate_limit_refusals_and_open_connections_are_counted() {
    let limits = [("RATE_LIMITS", "on"), ("RATE_ROOMS_PER_ADDRESS", "1/h:1"), ("MAX_CONNECTIONS", "1234")];
    let server = Server::with(&limits);
    let client = server.client();
    client.create_room().await;
    let refused = client.try_request("mutation { createRoom { room { id } } }", json!({})).await.expect("an answer");
    assert_eq!(error_code(&refused), "RATE_LIMITED");
    let scrape = Scrape::of(&server).await;
    assert_eq!(scrape.value("livechat_rate_limit_refusals_total", &[("action", "create_room")]), 1.0);
    assert_eq!(scrape.operations("graphql", "createRoom", "RATE_LIMITED"), 1.0);
    assert_eq!(scrape.value("livechat_connections_max", &[]), 1_234.0);
    assert!(scrape.value("livechat_connections", &[]) >= 1.0);
}

#[tokio::test]
async fn unavailable_store_shows_in_the_metrics() {
    let mut redis = crate::support::redis_server::RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    let room = client.create_room().await;
    redis.kill();
    let answer = client.try_request(
        "query($id: ID!, $code: String!) { room(id: $id, code: $code) { id } }",
        json!({ "id": room.id, "code": room.code }),
    );
    assert_eq!(error_code(&answer.await.expect("an answer")), "UNAVAILABLE");
    let scrape = Scrape::of(&server).await;
    assert_eq!(scrape.value("livechat_ready", &[]), 0.0);
    let errors = [("call", "snapshot"), ("error", "unavailable")];
    assert!(scrape.value("livechat_store_errors_total", &errors) >= 1.0);
    assert_eq!(scrape.operations("graphql", "room", "UNAVAILABLE"), 1.0);
}

#[tokio::test]
async fn metrics_are_for_clients_of_this_machine_and_not_for_forwarded_requests() {
    let status = async |server: &Server, path: &str, header: Option<(&str, &str)>| {
        let mut request = http().get(server.url(path));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.send().await.expect("an answer").status().as_u16()
    };
    let server = Server::with(&[("BASE_PATH", "/chat")]);
    assert_eq!(status(&server, "/metrics", None).await, 200, "below the base path");
    let at_the_root = format!("http://{}/metrics", server.address().trim_end_matches("/chat"));
    assert_eq!(http().get(at_the_root).send().await.expect("an answer").status().as_u16(), 200);
    for sign in ["x-forwarded-for", "forwarded", "via", "x-real-ip", "origin"] {
        assert_eq!(status(&server, "/metrics", Some((sign, "127.0.0.1"))).await, 403, "{sign}");
    }
    let server = Server::with(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    for private in ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "::1", "fd00::1", "::ffff:10.0.0.1"] {
        assert_eq!(status(&server, "/metrics", Some(("x-forwarded-for", private))).await, 200, "{private}");
    }
    for public in ["8.8.8.8", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
        assert_eq!(status(&server, "/metrics", Some(("x-forwarded-for", public))).await, 403, "{public}");
    }
    let server = Server::with(&[("METRICS", "on")]);
    assert_eq!(status(&server, "/metrics", Some(("via", "1.1 somebody"))).await, 200);
    let server = Server::with(&[("METRICS", "off")]);
    assert_eq!(status(&server, "/metrics", None).await, 404);
}

/// The status of a GET request with this target and head, on a new connection.
async fn status_of(server: &Server, target: &str, head: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\n{head}connection: close\r\n\r\n");
    let answer = Raw::sending(server.address(), request).await.rest().await;
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {answer}")).to_owned()
}

#[tokio::test]
async fn metrics_are_not_for_unknown_clients() {
    let server = Server::with(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    for (headers, status) in [
        ("x-forwarded-for: 8.8.8.8\r\nforwarded: for=9.9.9.9\r\n", "403"),
        ("x-forwarded-for: 10.0.0.7\r\nforwarded: for=10.0.0.8\r\n", "403"),
        ("x-forwarded-for: 10.0.0.7\r\nforwarded: for=_hidden\r\n", "403"),
        ("x-forwarded-for: unknown\r\n", "403"),
        ("x-forwarded-for: 8.8.8.8, ?\r\n", "403"),
        ("x-forwarded-for:\r\n", "403"),
        ("forwarded: proto=https\r\n", "403"),
        ("via: 1.1 proxy\r\n", "403"),
        ("x-real-ip: 10.0.0.7\r\n", "403"),
        ("x-forwarded-for: 10.0.0.7\r\nforwarded: for=10.0.0.7\r\n", "200"),
        ("", "200"),
    ] {
        let head = format!("host: localhost\r\n{headers}");
        assert_eq!(status_of(&server, "/metrics", &head).await, status, "{headers}");
    }
}

#[tokio::test]
async fn metrics_are_served_only_under_the_servers_own_names() {
    let server = Server::with(&[("METRICS_HOSTS", "livechat.chat.svc, metrics.example.org")]);
    for (host, status) in [
        ("127.0.0.1:8001", "200"),
        ("[::1]", "200"),
        ("10.1.2.3", "200"),
        ("localhost:1", "200"),
        ("localhost.:8001", "200"),
        ("a.localhost:8001", "200"),
        ("LiveChat:8001", "200"),
        ("livechat.chat.svc:8001", "200"),
        ("Metrics.Example.org", "200"),
        ("metrics.example.ORG.", "200"),
        ("evil.example", "403"),
        ("evil.example:8001", "403"),
        ("127.0.0.1.evil.example", "403"),
        ("localhost.evil.example", "403"),
        ("x.metrics.example.org", "403"),
        ("a@localhost", "403"),
        ("localhost/evil.example", "403"),
        ("", "403"),
    ] {
        assert_eq!(status_of(&server, "/metrics", &format!("host: {host}\r\n")).await, status, "{host}");
    }
    assert_eq!(status_of(&server, "http://127.0.0.1/metrics", "host: 127.0.0.1\r\n").await, "200");
    assert_eq!(status_of(&server, "http://evil.example/metrics", "host: localhost\r\n").await, "403");
    assert_eq!(status_of(&server, "/metrics", "").await, "403", "no host");
    assert_eq!(status_of(&server, "/metrics", "host: localhost\r\nhost: localhost\r\n").await, "403");
    // Probes work under every name.
    assert_eq!(status_of(&server, "/healthz", "host: evil.example\r\n").await, "200");
    let server = Server::with(&[("METRICS", "on")]);
    assert_eq!(status_of(&server, "/metrics", "host: metrics.example\r\n").await, "200");
}

/// The queries of the dashboard and of the alerts.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(include_str!("../../deploy/grafana/livechat.json")).expect("JSON");
    let targets = dashboard["panels"].as_array().expect("panels").iter().flat_map(|panel| panel["targets"].as_array());
    let mut queries: Vec<_> =
        targets.flatten().map(|target| target["expr"].as_str().expect("a query").to_owned()).collect();
    let instances = &dashboard["templating"]["list"][1]["query"]["query"];
    assert_eq!(instances, "label_values(livechat_ready, instance)");
    // The continuation lines of a query are indented deeper than its key.
    let mut is_query = false;
    for line in include_str!("../../deploy/prometheus/alerts.yaml").lines() {
        if let Some(query) = line.strip_prefix("        expr: ") {
            queries.push(query.trim_start_matches(">-").to_owned());
            is_query = true;
        } else if is_query && line.starts_with("          ") {
            let query = queries.last_mut().expect("its first line");
            query.push_str(line);
        } else {
            is_query = false;
        }
    }
    queries
}

/// The metric names in a query, each with the label matchers in braces after it.
fn metric_names(query: &str) -> Vec<(&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for (at, _) in query.match_indices("livechat_").chain(query.match_indices("process_")) {
        let rest = &query[at..];
        let (name, behind) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        let braces = behind.strip_prefix('{').and_then(|behind| behind.split_once('}'));
        names.push((name, braces.map_or("", |(inside, _)| inside)));
    }
    names
}

/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["instance", "job"];

#[tokio::test]
async fn every_metric_and_label_that_the_dashboard_and_the_alerts_use_exists_from_the_start() {
    let server = Server::embedded();
    let scrape = Scrape::of(&server).await;
    let mut known: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for (name, labels, _) in scrape.series() {
        let of_name = known.entry(name).or_default();
        labels.into_iter().for_each(|(label, value)| {
            of_name.entry(label).or_default().insert(value);
        });
    }
    let mut seen = BTreeSet::new();
    let queries = queries();
    for query in &queries {
        let mut labels: BTreeSet<&str> = ADDED.into();
        for (name, braces) in metric_names(query) {
            let of_name = known.get(name).unwrap_or_else(|| panic!("there is no {name}, which {query} uses"));
            seen.insert(name);
            labels.extend(of_name.keys());
            for matcher in braces.split(',').filter(|matcher| !matcher.is_empty()) {
                let (label, values) = matcher.split_once(['=', '!']).expect("a matcher");
                if ADDED.contains(&label) {
                    continue;
                }
                let values_of_label =
                    of_name.get(label).unwrap_or_else(|| panic!("{name} has no label {label}: {query}"));
                let values = values.trim_start_matches(['=', '~']).trim_matches('"');
                // The series of an error code appears with the first such error.
                let missing = values.split('|').find(|value| label != "outcome" && !values_of_label.contains(value));
                assert_eq!(missing, None, "{name} has no such {label}: {query}");
            }
        }
        for list in query.split(" by (").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)) {
            for label in list.split(',').map(str::trim) {
                assert!(labels.contains(label), "nothing in {query} has the label {label}");
            }
        }
    }
    assert!(seen.len() > 20, "this test no longer finds the queries: {seen:?}");
    // Every metric is used in a panel or an alert.
    for name in known.keys().filter(|name| name.starts_with("livechat_") && !name.ends_with("_sum")) {
        let family = name.trim_end_matches("_bucket").trim_end_matches("_count");
        assert!(seen.iter().any(|seen| seen.starts_with(family)), "no panel and no alert shows {name}");
    }
}

#[test]
fn promtool_accepts_the_alert_rules() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts.yaml");
    let checked = Command::new("promtool").args(["check", "rules", rules]).output().expect("promtool: tests/tools.sh");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

/// tests/operations/alerts.yaml has series, and the alerts that they must raise.
#[test]
fn alerts_fire_when_they_should_and_not_before() {
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/operations/alerts.yaml");
    let tested = Command::new("promtool").args(["test", "rules", cases]).output().expect("promtool: tests/tools.sh");
    let output = format!("{}{}", String::from_utf8_lossy(&tested.stdout), String::from_utf8_lossy(&tested.stderr));
    assert!(tested.status.success(), "{output}");
}

#[test]
fn every_alert_has_a_summary_a_severity_and_a_runbook() {
    let rules = include_str!("../../deploy/prometheus/alerts.yaml");
    let guide = include_str!("../../docs/operations.md");
    let mut count = 0;
    for rule in rules.split("      - alert: ").skip(1) {
        let name = rule.lines().next().expect("a name");
        let anchor = name.to_lowercase();
        assert!(rule.contains(&format!("runbook_url: docs/operations.md#{anchor}\n")), "{name} has no runbook");
        assert!(guide.contains(&format!("\n### {name}\n\n")), "the runbook has no section for {name}");
        assert!(rule.contains("summary: ") && rule.contains("severity: "), "{name}");
        count += 1;
    }
    assert_eq!(count, 13);
}
