//! Settings and the command line, as whoever starts the server meets them.

use std::collections::HashMap;
use std::process::Output;

use livechat::config::{ALL, Config, StoreChoice};

use crate::support::server::{Server, command};

#[test]
fn every_setting_stands_in_the_example_file_with_its_default() {
    let example = include_str!("../.env.example");
    let written: Vec<(&str, &str)> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once('='))
        .filter(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        .collect();
    let known: Vec<(&str, &str)> = ALL.iter().map(|setting| (setting.name, setting.default)).collect();
    assert_eq!(written, known);
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = Config::from_values(&HashMap::new()).expect("defaults that are valid");
    assert_eq!(config.listen_addr.to_string(), "127.0.0.1:8001");
    assert!(matches!(&config.store, StoreChoice::Embedded(directory) if directory.ends_with("data")));
    assert_eq!(config.chat, livechat::chat::Settings::default());
}

#[test]
fn a_bad_value_stops_the_start_with_a_sentence_that_names_the_variable() {
    for (name, value) in [
        ("LISTEN_ADDR", "8001"),
        ("BASE_PATH", "chat"),
        ("BASE_PATH", "/a//b"),
        ("BASE_PATH", "/{room}"),
        ("BASE_PATH", "/.."),
        ("GRAPHIQL", "maybe"),
        ("ROOM_TTL", "a day"),
        ("ROOM_TTL", "0s"),
        ("ROOM_CODE_LENGTH", "2"),
        ("ROOM_MAX_MESSAGES", "-1"),
        ("TEXT_MAX_LENGTH", "4e3"),
        ("REQUEST_TIMEOUT", "0s"),
        ("MAX_CONNECTIONS", "0"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "many"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("CORS_ORIGINS", "chat.example"),
        ("CORS_ORIGINS", "https://chat.example/"),
        ("CORS_ORIGINS", "*, https://chat.example"),
        ("RATE_LIMITS", "maybe"),
        ("RATE_SENDS_PER_USER", "fast"),
        ("WRONG_CODES_PER_ADDRESS", "10"),
        ("WRONG_CODES_PER_ROOM", "0"),
        ("REST_ERROR_STATUS", "404"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
        ("REDIS_URL", "not a url"),
        ("REDIS_CLUSTER", "maybe"),
        ("REDIS_PORT", "70000"),
        ("REDIS_TIMEOUT", "0"),
        ("REDIS_SENTINELS", "one,two:26379"),
        ("REDIS_SENTINELS", "redis://one:26379"),
        ("REDIS_TLS", "maybe"),
        ("DRAIN_SECONDS", "soon"),
    ] {
        let output = start_with(&[(name, value)]);
        assert!(!output.status.success(), "{name}={value} was accepted");
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(sentence.starts_with(&format!("livechat: {name}: must be ")), "{name}={value} gave: {sentence}");
    }
}

#[test]
fn a_password_in_a_bad_address_is_not_shown() {
    for url in ["redis://:hunter2@", "http://:hunter2@host", "redis://:hunter2@127.0.0.1:1/"] {
        let output = start_with(&[("REDIS_URL", url)]);
        assert!(!output.status.success(), "{url} was accepted");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"), "{url} was shown");
    }
}

#[test]
fn redis_is_chosen_by_its_url_or_by_host_port_and_password() {
    let choose = |values: &[(&str, &str)]| {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match Config::from_values(&values).expect("valid settings").store {
            StoreChoice::Redis(settings) => settings.address(),
            StoreChoice::Embedded(_) => "embedded".to_owned(),
        }
    };
    assert_eq!(choose(&[("REDIS_URL", "redis://:secret@one:7000/0")]), "one:7000");
    assert_eq!(choose(&[("REDIS_HOST", "two"), ("REDIS_PASSWORD", "secret")]), "two:6379");
    assert_eq!(choose(&[("REDIS_HOST", "two"), ("REDIS_PORT", "7001")]), "two:7001");
    assert_eq!(
        choose(&[("REDIS_SENTINELS", "one:26379, [::1]:26379"), ("REDIS_SENTINEL_PASSWORD", "secret")]),
        "mymaster, as sentinels name it (one:26379, ::1:26379)"
    );
    assert_eq!(choose(&[("REDIS_PORT", "7001"), ("REDIS_HOST", "")]), "embedded");
}

#[test]
fn several_nodes_are_a_cluster_and_one_is_if_that_is_said() {
    let is_cluster = |values: &[(&str, &str)]| {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let store = Config::from_values(&values).expect("valid settings").store;
        matches!(store, StoreChoice::Redis(settings) if settings.is_cluster())
    };
    assert!(is_cluster(&[("REDIS_URL", "redis://:secret@one:7000,two:7000")]));
    assert!(is_cluster(&[("REDIS_URL", "redis://one:7000"), ("REDIS_CLUSTER", "true")]));
    assert!(is_cluster(&[("REDIS_HOST", "one"), ("REDIS_CLUSTER", "true")]));
    assert!(!is_cluster(&[("REDIS_URL", "redis://one:7000")]));
}

#[tokio::test]
async fn a_dotenv_file_is_read_and_the_environment_goes_first() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(".env"), "ROOM_CODE_LENGTH=9\nLOG_FORMAT=json\n").expect("a file");
    let server = Server::in_directory(directory, &[("LOG_FORMAT", "text")]);
    assert_eq!(server.client().create_room().await.code.len(), 9);

    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(".env"), "what is this\n").expect("a file");
    let output = command(directory.path(), &[]).output().expect("the command");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("livechat: .env cannot be read"));
}

#[test]
fn help_and_version_are_printed() {
    let directory = tempfile::tempdir().expect("a directory");
    let help = command(directory.path(), &[]).arg("--help").output().expect("the command");
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(help.status.success() && text.contains("schema") && text.contains(".env.example"), "{text}");
    let version = command(directory.path(), &[]).arg("--version").output().expect("the command");
    assert_eq!(String::from_utf8_lossy(&version.stdout), format!("livechat {}\n", env!("CARGO_PKG_VERSION")));
}

fn start_with(environment: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    command(directory.path(), &environment).output().expect("the command")
}
