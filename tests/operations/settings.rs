//! Reading settings from the environment, `--help` and `--version`.

use std::collections::HashMap;
use std::process::Output;

use livechat::config::{Config, StoreChoice};

use crate::support::redis_server::RedisServer;
use crate::support::sentinels::{MASTER, PASSWORD, Sentinels};
use crate::support::server::{Server, command};

#[test]
fn defaults_are_valid() {
    let config = Config::from_values(&HashMap::new()).expect("valid defaults");
    assert_eq!(config.listen_addr.to_string(), "127.0.0.1:8001");
    assert!(matches!(&config.store, StoreChoice::Embedded(directory) if directory.ends_with("data")));
    assert_eq!(config.chat, livechat::chat::Settings::default());
    assert_eq!(config.http.operations.limits, livechat::graphql::execution::document::Limits::DEFAULT);
}

#[test]
fn an_invalid_value_stops_the_start_with_an_error_that_names_the_setting() {
    for (name, value) in [
        ("LISTEN_ADDR", "8001"),
        ("BASE_PATH", "chat"),
        ("BASE_PATH", "/a//b"),
        ("BASE_PATH", "/{room}"),
        ("BASE_PATH", "/.."),
        ("GRAPHIQL", "maybe"),
        ("FRAME_ANCESTORS", "https://site.example/page"),
        ("FRAME_ANCESTORS", "https://site.example; script-src *"),
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
        ("RATE_SENDS_PER_CLIENT", "20"),
        ("RATE_READS_PER_CLIENT", "1/s"),
        ("CLIENT_PREFIX_LENGTH", "129"),
        ("WRONG_CODES_PER_NETWORK", "0:1m"),
        ("NETWORK_PREFIX_LENGTHS", "33,48"),
        ("METRICS_HOSTS", "livechat.example.org:8001"),
        ("METRICS_HOSTS", "http://livechat"),
        ("METRICS_HOSTS", "*"),
        ("METRICS_HOSTS", "a b"),
        ("WRONG_CODES_PER_ADDRESS", "10"),
        ("WRONG_CODES_PER_ROOM", "0"),
        ("REST_ERROR_STATUS", "404"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
        ("REDIS_URL", "not a url"),
        ("REDIS_SENTINELS", "one,two:26379"),
        ("REDIS_SENTINELS", "redis://one:26379"),
        ("DRAIN_SECONDS", "soon"),
        ("IDENTITY", "maybe"),
        ("IDENTITY", "required"),
        ("CREATE_ROOMS", "nobody"),
        ("CREATE_ROOMS", "identified"),
    ] {
        assert_refused(&[(name, value), ("RATE_LIMITS", if name == "RATE_LIMITS" { value } else { "on" })], name);
    }
    // Settings of Redis are read only if Redis is used.
    for (name, value) in [
        ("REDIS_CLUSTER", "maybe"),
        ("REDIS_PORT", "70000"),
        ("REDIS_TIMEOUT", "0"),
        ("REDIS_WAIT", "soon"),
        ("REDIS_TLS", "maybe"),
        ("REDIS_PREFIX", "{livechat}"),
    ] {
        assert_refused(&[(name, value), ("REDIS_HOST", "127.0.0.1")], name);
    }
    // Those of identities, only if identities are accepted.
    for (name, value, problem) in [
        ("IDENTITY_SECRET", "31 bytes, which is one too few!", "at least 32 bytes"),
        ("IDENTITY_KEYS", "/no/such/jwks.json", "cannot be read"),
        ("IDENTITY_KEYS", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "is not a JWKS"),
    ] {
        let error = assert_refused(&[(name, value), ("IDENTITY", "optional")], name);
        assert!(error.contains(problem) && !error.contains(value), "{error}");
    }
}

/// Asserts that a server with this environment does not start and says what the setting `name` must be. Returns the error.
fn assert_refused(environment: &[(&str, &str)], name: &str) -> String {
    let output = start_with(environment);
    assert!(!output.status.success(), "{environment:?} was accepted");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.starts_with(&format!("livechat: {name}: must ")), "{environment:?} gave: {message}");
    message
}

/// Variables that Kubernetes sets in every pod for services named `redis` and `livechat`.
const INJECTED: [(&str, &str); 7] = [
    ("REDIS_PORT", "tcp://10.0.0.1:6379"),
    ("REDIS_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
    ("REDIS_SERVICE_HOST", "10.0.0.1"),
    ("REDIS_SERVICE_PORT", "6379"),
    ("LIVECHAT_PORT", "tcp://10.0.0.2:8001"),
    ("LIVECHAT_SERVICE_HOST", "10.0.0.2"),
    ("LIVECHAT_SERVICE_PORT", "8001"),
];

#[tokio::test]
async fn an_unused_setting_cannot_prevent_the_start() {
    let of_redis = [
        ("REDIS_CLUSTER", "maybe"),
        ("REDIS_TIMEOUT", "0"),
        ("REDIS_WAIT", "soon"),
        ("REDIS_TLS", "maybe"),
        ("REDIS_CA_FILE", "/nowhere/ca.pem"),
        ("REDIS_CERT_FILE", "/nowhere/cert.pem"),
        ("REDIS_PREFIX", "{}"),
        ("REDIS_SENTINEL_MASTER", "nobody"),
    ];
    let rates = [
        ("RATE_LIMITS", "off"),
        ("RATE_ROOMS_PER_ADDRESS", "fast"),
        ("RATE_SENDS_PER_USER", "fast"),
        ("RATE_SENDS_PER_ROOM", "fast"),
        ("RATE_SUBSCRIPTIONS_PER_ADDRESS", "fast"),
        ("WRONG_CODES_PER_ADDRESS", "10"),
        ("WRONG_CODES_PER_ROOM", "0"),
        ("WRONG_TOKENS_PER_USER", "10"),
    ];
    let introspection = [("INTROSPECTION", "off"), ("OPERATION_MAX_ALIASES", "none")];
    let unused = [&INJECTED[..], &of_redis, &rates, &introspection].concat();
    Server::with(&unused).client().create_room().await;

    let redis = RedisServer::start().await;
    let (url, address) = (redis.url(), redis.address());
    Server::with(&[&INJECTED[..], &[("REDIS_URL", &*url)]].concat()).client().create_room().await;
    // Several nodes are a cluster, regardless of REDIS_CLUSTER.
    let node = RedisServer::start_cluster_node().await;
    let nodes = format!("{0},{0}", node.address());
    let several = [("REDIS_URL", &*format!("redis://{nodes}")), ("REDIS_CLUSTER", "maybe")];
    Server::with(&[&INJECTED[..], &several].concat()).client().create_room().await;
    let sentinels = Sentinels::monitoring(&redis, 0).await;
    let named = [
        ("REDIS_SENTINELS", &*sentinels.addresses()),
        ("REDIS_SENTINEL_MASTER", MASTER),
        ("REDIS_SENTINEL_PASSWORD", PASSWORD),
    ];
    Server::with(&[&INJECTED[..], &named].concat()).client().create_room().await;

    let (host, port) = address.split_once(':').expect("host and port");
    let message = assert_refused(&[&INJECTED[..], &[("REDIS_HOST", host)]].concat(), "REDIS_PORT");
    assert!(message.contains("Kubernetes") && message.contains("enableServiceLinks: false"), "{message}");
    Server::with(&[("REDIS_HOST", host), ("REDIS_PORT", port)]).client().create_room().await;
}

#[test]
fn a_value_that_is_not_utf_8_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let latin: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"p\xe4sswort");
    let with = |host: &str, arguments: &[&str]| {
        let mut command = command(directory.path(), &[]);
        command.env("REDIS_PASSWORD", latin).env("REDIS_HOST", host).args(arguments).output().expect("the command")
    };
    let output = with("127.0.0.1", &[]);
    let output_text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && output_text.starts_with("livechat: REDIS_PASSWORD: must be text in UTF-8"),
        "{output_text}"
    );
    let output = with("127.0.0.1", &["config"]);
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && output_text.contains("^ must be text in UTF-8"), "{output_text}");
    // Without Redis, the password is unused.
    assert!(with("", &["config"]).status.success());
}

#[test]
fn a_password_in_an_invalid_url_is_not_shown() {
    for url in ["redis://:hunter2@", "http://:hunter2@host", "redis://:hunter2@127.0.0.1:1/"] {
        let output = start_with(&[("REDIS_URL", url), ("REDIS_WAIT", "0")]);
        assert!(!output.status.success(), "{url} was accepted");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"), "{url} was shown");
    }
}

#[test]
fn redis_is_chosen_by_url_host_or_sentinels() {
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
fn several_nodes_are_a_cluster_and_one_node_is_if_configured() {
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

#[test]
fn help_is_printed() {
    let directory = tempfile::tempdir().expect("a directory");
    let help = command(directory.path(), &[]).arg("--help").output().expect("the command");
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(help.status.success() && text.contains("schema") && text.contains(".env.example"), "{text}");
}

fn start_with(environment: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    command(directory.path(), environment).output().expect("the command")
}
