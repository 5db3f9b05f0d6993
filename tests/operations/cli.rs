//! The commands beside serving, as whoever runs the server meets them.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use crate::support::redis_server::RedisServer;
use crate::support::server::{Server, command};

/// What a command says with these settings, in a directory with this `.env`.
fn say(arguments: &[&str], environment: &[(&str, &str)], dotenv: &str) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(".env"), dotenv).expect("a file");
    let environment: Vec<_> = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    command(directory.path(), &environment).args(arguments).output().expect("the command")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The words of the line that begins with `name`.
fn line<'a>(output: &'a str, name: &str) -> Vec<&'a str> {
    let line = output.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("no line about {name} in {output}")).split_whitespace().collect()
}

#[test]
fn config_shows_every_setting_and_where_its_value_comes_from() {
    let environment = [("ROOM_TTL", "2h"), ("LOG_LEVEL", "debug")];
    let output = say(&["config"], &environment, "ROOM_TTL=3h\nROOM_CODE_LENGTH=9\nROOM_TLL=1h\n");
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}");
    for setting in livechat::config::all() {
        line(&said, setting.name);
    }
    assert_eq!(line(&said, "ROOM_TTL"), ["ROOM_TTL", "2h", "environment"]);
    assert_eq!(line(&said, "LOG_LEVEL"), ["LOG_LEVEL", "debug", "environment"]);
    assert_eq!(line(&said, "ROOM_CODE_LENGTH"), ["ROOM_CODE_LENGTH", "9", ".env"]);
    assert_eq!(line(&said, "DATA_DIR"), ["DATA_DIR", "./data", "default"]);
    assert_eq!(line(&said, "REDIS_HOST"), ["REDIS_HOST", "-", "default"]);
    assert_eq!(line(&said, "ROOM_TLL")[1..4], ["stands", "in", ".env"]);
}

#[test]
fn config_says_which_settings_are_given_to_no_avail() {
    let environment = [("REDIS_PORT", "tcp://10.0.0.1:6379"), ("RATE_LIMITS", "off"), ("LOG_LEVEL", "debug")];
    let output = say(&["config"], &environment, "RATE_SENDS_PER_USER=fast\nREDIS_TIMEOUT=2s\n");
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert_eq!(line(&said, "REDIS_PORT")[1..], ["tcp://10.0.0.1:6379", "environment,", "not", "in", "use"]);
    assert_eq!(line(&said, "RATE_SENDS_PER_USER")[1..], ["fast", ".env,", "not", "in", "use"]);
    assert_eq!(line(&said, "REDIS_TIMEOUT")[1..], ["2s", ".env,", "not", "in", "use"]);
    assert_eq!(said.matches("not in use").count(), 3, "{said}");

    let environment = [("REDIS_URL", "redis://host"), ("REDIS_PASSWORD", "hunter2"), ("DATA_DIR", "/data")];
    let output = say(&["config"], &environment, "");
    let said = text(&output.stdout);
    assert_eq!(line(&said, "REDIS_PASSWORD")[1..], ["(hidden)", "environment,", "not", "in", "use"]);
    assert_eq!(line(&said, "DATA_DIR")[1..], ["/data", "environment,", "not", "in", "use"]);
    assert_eq!(said.matches("not in use").count(), 2, "{said}");
}

#[test]
fn config_shows_all_that_is_wrong_and_fails() {
    let environment = [("ROOM_TTL", "a day"), ("LOG_LEVEL", "loud"), ("REDIS_URL", "http://:hunter2@host")];
    let output = say(&["config"], &environment, "MAX_CONNECTIONS=0\n");
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let problems: Vec<_> = said.lines().filter(|line| line.trim_start().starts_with("^ must be ")).collect();
    assert_eq!(problems.len(), 4, "{said}");
    let below = said.lines().skip_while(|line| !line.starts_with("ROOM_TTL ")).nth(1).expect("a line below");
    assert!(below.contains("^ must be a time"), "{said}");
}

#[test]
fn config_hides_secrets() {
    let environment = [("REDIS_URL", "redis://me:hunter2@host:7000/1"), ("REDIS_PASSWORD", "hunter3")];
    let output = say(&["config"], &environment, "");
    let said = text(&output.stdout);
    assert!(output.status.success() && !said.contains("hunter"), "{said}");
    assert_eq!(line(&said, "REDIS_URL")[1], "redis://(hidden)@host:7000/1");
    assert_eq!(line(&said, "REDIS_PASSWORD")[1], "(hidden)");
}

/// The health check of the server at this address.
fn check(address: &str) -> Output {
    say(&["healthcheck"], &[("LISTEN_ADDR", address)], "")
}

#[tokio::test]
async fn healthcheck_tells_a_server_that_is_ready_from_one_that_is_not() {
    let mut redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let port = server.address().rsplit(':').next().expect("a port").to_owned();
    for address in [server.address().to_owned(), format!("0.0.0.0:{port}")] {
        let output = check(&address);
        let said = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(said.ends_with("is ready.\n") && said.lines().count() == 1, "{said}");
    }
    redis.kill();
    let output = check(server.address());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("not ready: 503, the store does not answer") && said.lines().count() == 1, "{said}");
}

#[test]
fn healthcheck_fails_in_time_where_nobody_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let output = check(&silent.local_addr().expect("its address").to_string());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("did not answer within 2 s"), "{}", text(&output.stderr));

    let address = silent.local_addr().expect("its address").to_string();
    drop(silent);
    for (address, sentence) in [(address.as_str(), "no server can be reached"), ("127.0.0.1:0", "port 0")] {
        let output = check(address);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains(sentence) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn completions_are_what_the_shell_understands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = say(&["completions", shell], &[], "");
        assert!(output.status.success() && text(&output.stdout).contains("healthcheck"), "{shell}");
    }
    let script = text(&say(&["completions", "bash"], &[], "").stdout)
        + "\nCOMP_WORDS=(livechat heal) COMP_CWORD=1\n_livechat livechat heal livechat\necho \"${COMPREPLY[@]}\"\n";
    let completed = Command::new("bash").args(["-c", &script]).output().expect("a shell");
    assert_eq!(text(&completed.stdout), "healthcheck\n", "{}", text(&completed.stderr));
}

/// `livechat` with 1,024 files at most, and 128 to begin with.
fn with_few_files(directory: &std::path::Path) -> Command {
    let mut livechat = Command::new("prlimit");
    livechat.arg("--nofile=128:1024").arg(env!("CARGO_BIN_EXE_livechat")).current_dir(directory);
    livechat.env_clear().env("PATH", "/usr/bin:/bin").env("LISTEN_ADDR", "127.0.0.1:0");
    livechat
}

#[tokio::test]
async fn a_server_takes_all_the_files_that_it_may_have_and_says_so_when_they_are_too_few() {
    for (max_connections, warned) in [(Some("100"), false), (Some("5000"), true), (None, false)] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut livechat = with_few_files(directory.path());
        livechat.envs(max_connections.map(|max| ("MAX_CONNECTIONS", max)));
        let mut server = livechat.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the prlimit command");
        let mut said = BufReader::new(server.stdout.take().expect("a pipe")).lines();
        let page = said.find_map(|line| line.ok()?.strip_prefix("Chat page ").map(|url| url.trim().to_owned()));
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap_or_default();
        let metrics = match &page {
            Some(page) => reqwest::get(format!("{page}metrics")).await.expect("metrics").text().await.expect("text"),
            None => String::new(),
        };
        server.kill().expect("a process of our own");
        let log = text(&server.wait_with_output().expect("its log").stderr);
        assert!(page.is_some(), "{log}");
        assert_eq!(line(&limits.replace("Max open files", "files"), "files")[1..3], ["1024", "1024"]);
        assert_eq!(log.contains("raise the hard limit of open files"), warned, "{log}");
        // Without a word about connections, there may be as many as the files allow.
        assert_eq!(line(&metrics, "livechat_connections_max")[1], max_connections.unwrap_or("960"));
        assert!(warned || !log.contains("WARN"), "{log}");
    }
}

#[test]
fn config_shows_how_many_connections_the_limit_of_open_files_allows() {
    let directory = tempfile::tempdir().expect("a directory");
    let said = text(&with_few_files(directory.path()).arg("config").output().expect("the command").stdout);
    assert_eq!(line(&said, "MAX_CONNECTIONS")[1..], ["960", "from", "the", "file", "limit"]);
    let output = with_few_files(directory.path()).arg("config").env("MAX_CONNECTIONS", "70").output();
    let said = text(&output.expect("the command").stdout);
    assert_eq!(line(&said, "MAX_CONNECTIONS")[1..], ["70", "environment"]);
}
