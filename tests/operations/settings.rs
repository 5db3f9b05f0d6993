//! Reading settings from the environment and `.env`, `--help` and `--version`.

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

#[tokio::test]
async fn the_environment_takes_precedence_over_the_dotenv_file() {
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

#[tokio::test]
async fn passwords_in_a_dotenv_file_are_literal() {
    let redis = RedisServer::start().await;
    let (host, port) =
        redis.address().split_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).expect("both");
    for (written, password) in [
        ("ab$cd", "ab$cd"),
        ("$$cd", "$$cd"),
        ("ab\\cd", "ab\\cd"),
        ("ab\"cd'ef", "ab\"cd'ef"),
        ("ab#cd", "ab#cd"),
        ("'ab cd $ef \\g \"h\" ${i} #j'", "ab cd $ef \\g \"h\" ${i} #j"),
        ("\"it's $5\" # a comment", "it's $5"),
        ("' ab '", " ab "),
    ] {
        redis.command(&["CONFIG", "SET", "requirepass", password]).await;
        let directory = tempfile::tempdir().expect("a directory");
        // With a byte order mark and CR LF, as editors on Windows save it.
        let text = format!("\u{feff}REDIS_HOST={host}\r\nexport REDIS_PORT={port}\r\nREDIS_PASSWORD={written}\r\n");
        std::fs::write(directory.path().join(".env"), text).expect("a file");
        Server::in_directory(directory, &[]).client().create_room().await;
        let mut admin = redis::Client::open(format!("redis://{}", redis.address()))
            .expect("a client")
            .get_multiplexed_async_connection()
            .await
            .expect("a connection");
        redis::cmd("AUTH").arg(password).exec_async(&mut admin).await.expect("an accepted password");
        let mut reset = redis::cmd("CONFIG");
        reset.arg("SET").arg("requirepass").arg("").exec_async(&mut admin).await.expect("without a password");
    }
}

#[test]
fn an_ambiguous_dotenv_line_is_refused_with_its_number() {
    for line in [
        "REDIS_PASSWORD=hunter2 and more",
        "REDIS_PASSWORD=#hunter2",
        "REDIS_PASSWORD=\"hunter2\\n\"",
        "REDIS_PASSWORD=\"hunter2",
        "REDIS_PASSWORD='hunter2",
        "REDIS_PASSWORD='hunter2'x",
        "REDIS_PASSWORD=hunter2\\",
        "REDIS_PASSWORD=hunter2${ROOM_TTL}",
        "REDIS_PASSWORD=hun\rter2",
        "REDIS_PASSWORD hunter2",
        "hunter2",
        "hunter-2=",
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join(".env"), format!("ROOM_TTL=2h\n\n{line}\nLOG_LEVEL=info\n"))
            .expect("a file");
        for arguments in [&[][..], &["config"], &["migrate"], &["healthcheck"]] {
            let output = command(directory.path(), &[]).args(arguments).output().expect("the command");
            let output_text = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{line:?} was accepted");
            assert!(output_text.starts_with("livechat: .env cannot be read: line 3 "), "{line:?}: {output_text}");
            assert!(!output_text.contains("hun") && output.stdout.is_empty(), "{line:?}: {output_text}");
        }
    }
}

#[test]
fn only_the_dotenv_file_of_the_working_directory_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(".env"), "ROOM_CODE_LENGTH=9\nwhat is this\n").expect("a file");
    let below = directory.path().join("below");
    std::fs::create_dir(&below).expect("a directory");
    let output_text = || {
        let output = command(&below, &[]).arg("config").output().expect("the command");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let length =
        |output_text: &str| output_text.lines().find(|line| line.starts_with("ROOM_CODE_LENGTH ")).map(str::to_owned);
    assert!(
        length(&output_text()).is_some_and(|line| line.ends_with("6  default") || line.ends_with(" default")),
        "{}",
        output_text()
    );
    // Python projects may have a directory of this name.
    std::fs::create_dir(below.join(".env")).expect("a directory");
    assert!(length(&output_text()).is_some_and(|line| line.ends_with(" default")), "{}", output_text());
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
