//! Replays the recorded exchanges in their order.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::deviations::{DEVIATIONS, Deviation};
use crate::support::http::{Answer, Client};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

/// The one case, not the first, that was recorded on an empty database.
const ON_EMPTY_STORE: &str = "rooms_views zero rooms (redis empty)";

/// After the second token is captured, the recording uses the first name for it.
const RENAMED: (&str, &str) = ("TOK_1", "TOK_1c");

#[derive(Deserialize)]
struct Recording {
    cases: Vec<Case>,
}

#[derive(Clone, Deserialize)]
struct Case {
    name: String,
    request: Request,
    original: Expected,
    /// For each placeholder, the path of its value in the response.
    #[serde(default)]
    capture: HashMap<String, String>,
}

#[derive(Clone, Deserialize)]
struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
    body: Option<String>,
}

#[derive(Clone, Deserialize)]
struct Expected {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl From<&Deviation> for Expected {
    fn from(deviation: &Deviation) -> Self {
        Self {
            status: deviation.status,
            headers: deviation.headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            body: deviation.body.to_owned(),
        }
    }
}

/// Replays all cases on the server at `base`, except one on the server at `empty`. Returns a list of unexpected differences.
pub async fn replay(base: &str, empty: &str, deviations: &[Deviation]) -> Vec<String> {
    let recording: Recording = serde_json::from_str(include_str!("cases.json")).expect("the recording");
    let (client, on_empty) = (Client::of(base), Client::of(empty));
    let mut values = prepare(&client).await;
    let mut problems = Vec::new();
    let mut unused: BTreeSet<&str> = deviations.iter().map(|deviation| deviation.case).collect();
    for case in recording.cases {
        let client = if case.name == ON_EMPTY_STORE { &on_empty } else { &client };
        let answer = values.send(client, &case.request).await;
        values.capture(&case, &answer);
        let deviation = deviations.iter().find(|deviation| deviation.case == case.name);
        let as_recorded = values.compare(&case.original, &answer);
        match deviation {
            Some(deviation) => {
                unused.remove(deviation.case);
                if as_recorded.is_ok() {
                    problems.push(format!("{}: answered as recorded, but {}", case.name, deviation.reason));
                }
                if let Err(difference) = values.compare(&deviation.into(), &answer) {
                    problems.push(format!("{}: {difference}", case.name));
                }
            }
            None => problems.extend(as_recorded.err().map(|difference| format!("{}: {difference}", case.name))),
        }
    }
    problems.extend(unused.into_iter().map(|name| format!("{name}: no such case")));
    problems
}

/// Creates what the recording presupposes: a second room, and an unknown user.
async fn prepare(client: &Client) -> Values {
    let room = client.get("/v1/room/create/").await.json();
    let mut user = uuid::Uuid::new_v4().simple().to_string();
    user.truncate(15);
    Values(HashMap::from([
        ("ROOM_B".into(), text_at(&room, "room")),
        ("CODE_B".into(), text_at(&room, "data.room_code")),
        ("USER_1".into(), user),
    ]))
}

/// The values of the placeholders.
struct Values(HashMap<String, String>);

impl Values {
    async fn send(&self, client: &Client, request: &Request) -> Answer {
        let mut builder = client.request(&request.method, &request.path);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &request.body {
            builder = builder.body(self.fill(body));
        }
        Answer::receive(builder).await
    }

    fn capture(&mut self, case: &Case, answer: &Answer) {
        for (name, path) in &case.capture {
            let value = text_at(&answer.json(), path);
            assert!(has_form_of(name, &value), "{}: {value} is no {name}", case.name);
            if name == RENAMED.1 {
                self.0.insert(RENAMED.0.into(), value.clone());
            }
            self.0.insert(name.clone(), value);
        }
    }

    /// Replaces all placeholders that have a value.
    fn fill(&self, template: &str) -> String {
        self.0.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
    }

    fn compare(&self, expected: &Expected, answer: &Answer) -> Result<(), String> {
        if answer.status != expected.status {
            return Err(format!("status {} instead of {}; {}", answer.status, expected.status, answer.body));
        }
        for (name, value) in &expected.headers {
            if answer.header(name) != Some(value) {
                return Err(format!("{name} is {:?} instead of {value}", answer.header(name)));
            }
        }
        let body = self.fill(&expected.body);
        if matches(&body, &answer.body) { Ok(()) } else { Err(format!("body {} instead of {body}", answer.body)) }
    }
}

/// Whether `body` is `template` with dates and digits in place of placeholders.
fn matches(template: &str, body: &str) -> bool {
    match template.split_once("{{") {
        None => template == body,
        Some((before, after)) => {
            let Some((kind, after)) = after.split_once("}}") else { return false };
            let length = match kind {
                "DATE" => 19,
                "DIGITS5" => 5,
                other => panic!("{other} has no value"),
            };
            let Some(body) = body.strip_prefix(before) else { return false };
            body.split_at_checked(length).is_some_and(|(value, body)| has_form_of(kind, value) && matches(after, body))
        }
    }
}

/// Whether `value` has the form of values of the placeholder `name`.
fn has_form_of(name: &str, value: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let hex = |text: &str| text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match name {
        "DATE" => is_date(value),
        "DIGITS5" => value.len() == 5 && digits(value),
        _ if name.starts_with("ROOM_") => value.strip_prefix("room:*").is_some_and(hex),
        _ if name.starts_with("CODE_") => value.len() == 6 && digits(value),
        _ if name.starts_with("TOK_") => hex(value),
        _ => panic!("{name} is not known"),
    }
}

/// Whether `value` is `YYYY-MM-DD HH:MM:SS`.
pub fn is_date(value: &str) -> bool {
    value.len() == 19
        && value.bytes().zip(b"dddd-dd-dd dd:dd:dd").all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            _ => byte == *form,
        })
}

fn text_at(json: &serde_json::Value, path: &str) -> String {
    let value = path.split('.').fold(json, |value, key| &value[key]);
    value.as_str().unwrap_or_else(|| panic!("no {path} in {json}")).to_owned()
}

#[tokio::test]
async fn every_response_is_as_recorded_or_a_listed_deviation() {
    let (redis, empty_redis) = (RedisServer::start().await, RedisServer::start().await);
    for (server, empty) in [
        (Server::embedded(), Server::embedded()),
        (Server::on_redis(&redis.url()), Server::on_redis(&empty_redis.url())),
    ] {
        let problems = replay(&server.url(""), &empty.url(""), DEVIATIONS).await;
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }
}

#[tokio::test]
async fn replay_reports_deviations_that_are_not_listed() {
    let (server, empty) = (Server::embedded(), Server::embedded());
    let problems = replay(&server.url(""), &empty.url(""), &[]).await;
    assert_eq!(problems.len(), DEVIATIONS.len(), "{problems:#?}");
}

#[tokio::test]
async fn replay_reports_listed_deviations_that_do_not_occur() {
    let (server, empty) = (Server::embedded(), Server::embedded());
    let listed = |case, body| Deviation { case, reason: "", status: 404, headers: &[], body };
    let as_recorded = listed("unknown path", r#"{"detail":"Not Found"}"#);
    let unused = listed("no such case", "");
    let problems = replay(&server.url(""), &empty.url(""), &[as_recorded, unused]).await;
    assert!(problems.iter().any(|problem| problem.starts_with("unknown path: answered as recorded")));
    assert!(problems.iter().any(|problem| problem == "no such case: no such case"));
}

#[test]
fn template_matches_whole_bodies_only() {
    let template = r#"{"created_at":"{{DATE}}","name":"Anon#{{DIGITS5}}"}"#;
    assert!(matches(template, r#"{"created_at":"2024-02-29 23:59:59","name":"Anon#01234"}"#));
    for body in [
        r#"{"created_at":"2024-02-29T23:59:59","name":"Anon#01234"}"#,
        r#"{"created_at":"2024-02-29 23:59:59","name":"Anon#0123"}"#,
        r#"{"created_at":"2024-02-29 23:59:59","name":"Anon#01234"} "#,
        r#"{"created_at": "2024-02-29 23:59:59","name":"Anon#01234"}"#,
    ] {
        assert!(!matches(template, body), "{body}");
    }
}
