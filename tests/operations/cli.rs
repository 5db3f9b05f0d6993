//! The subcommands other than `serve`, and the limit of open files.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use crate::support::http_get;
use crate::support::redis_server::RedisServer;
use crate::support::server::{Server, command};

/// Runs `livechat` with these arguments and settings, in a directory with this `.env`.
fn run(arguments: &[&str], environment: &[(&str, &str)], dotenv: &str) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(".env"), dotenv).expect("a file");
    command(directory.path(), environment).args(arguments).output().expect("the command")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The words of the line that starts with `name`.
fn line<'a>(output: &'a str, name: &str) -> Vec<&'a str> {
    let line = output.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("no line for {name} in {output}")).split_whitespace().collect()
}

#[test]
fn config_shows_every_setting_and_where_its_value_comes_from() {
    let environment = [("ROOM_TTL", "2h"), ("LOG_LEVEL", "debug")];
    let output = run(&["config"], &environment, "ROOM_TTL=3h\nROOM_CODE_LENGTH=9\nROOM_TLL=1h\n");
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{printed}");
    for setting in livechat::config::all() {
        line(&printed, setting.name);
    }
    assert_eq!(line(&printed, "ROOM_TTL"), ["ROOM_TTL", "2h", "environment"]);
    assert_eq!(line(&printed, "LOG_LEVEL"), ["LOG_LEVEL", "debug", "environment"]);
    assert_eq!(line(&printed, "ROOM_CODE_LENGTH"), ["ROOM_CODE_LENGTH", "9", ".env"]);
    assert_eq!(line(&printed, "DATA_DIR"), ["DATA_DIR", "./data", "default"]);
    assert_eq!(line(&printed, "REDIS_HOST"), ["REDIS_HOST", "-", "default"]);
    assert!(printed.contains("ROOM_TLL is set in .env but is not a setting"), "{printed}");
}

#[test]
fn config_marks_unused_settings() {
    let environment = [("REDIS_PORT", "tcp://10.0.0.1:6379"), ("RATE_LIMITS", "off"), ("LOG_LEVEL", "debug")];
    let output = run(&["config"], &environment, "RATE_SENDS_PER_USER=fast\nREDIS_TIMEOUT=2s\n");
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert_eq!(line(&printed, "REDIS_PORT")[1..], ["tcp://10.0.0.1:6379", "environment,", "not", "in", "use"]);
    assert_eq!(line(&printed, "RATE_SENDS_PER_USER")[1..], ["fast", ".env,", "not", "in", "use"]);
    assert_eq!(line(&printed, "REDIS_TIMEOUT")[1..], ["2s", ".env,", "not", "in", "use"]);
    assert_eq!(printed.matches("not in use").count(), 3, "{printed}");

    let environment = [("REDIS_URL", "redis://host"), ("REDIS_PASSWORD", "hunter2"), ("DATA_DIR", "/data")];
    let output = run(&["config"], &environment, "");
    let printed = text(&output.stdout);
    assert_eq!(line(&printed, "REDIS_PASSWORD")[1..], ["(hidden)", "environment,", "not", "in", "use"]);
    assert_eq!(line(&printed, "DATA_DIR")[1..], ["/data", "environment,", "not", "in", "use"]);
    assert_eq!(printed.matches("not in use").count(), 2, "{printed}");
}

#[test]
fn config_names_removed_settings_that_are_still_set() {
    let output = run(&["config"], &[("OPERATION_MAX_ALIASES", "50")], "DOCUMENT_MAX_NAME=64\n");
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{printed}");
    for name in ["OPERATION_MAX_ALIASES", "DOCUMENT_MAX_NAME"] {
        assert!(printed.contains(&format!("{name} is set but was removed")), "{printed}");
    }
    assert!(!printed.contains("not a setting"), "{printed}");
}

#[test]
fn config_shows_every_problem_and_fails() {
    let environment = [("ROOM_TTL", "a day"), ("LOG_LEVEL", "loud"), ("REDIS_URL", "http://:hunter2@host")];
    let output = run(&["config"], &environment, "MAX_CONNECTIONS=0\n");
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    let problems: Vec<_> = printed.lines().filter(|line| line.trim_start().starts_with("^ must be ")).collect();
    assert_eq!(problems.len(), 4, "{printed}");
    let below = printed.lines().skip_while(|line| !line.starts_with("ROOM_TTL ")).nth(1).expect("a line below");
    assert!(below.contains("^ must be a time"), "{printed}");
}

#[test]
fn config_hides_secrets() {
    let environment = [("REDIS_URL", "redis://me:hunter2@host:7000/1"), ("REDIS_PASSWORD", "hunter3")];
    let output = run(&["config"], &environment, "");
    let printed = text(&output.stdout);
    assert!(output.status.success() && !printed.contains("hunter"), "{printed}");
    assert_eq!(line(&printed, "REDIS_URL")[1], "redis://(hidden)@host:7000/1");
    assert_eq!(line(&printed, "REDIS_PASSWORD")[1], "(hidden)");
    for (name, value) in [
        ("REDIS_SENTINEL_PASSWORD", "hunter2"),
        ("REDIS_URL", "redis://:hun@hunter2@host"),
        ("REDIS_URL", "redis+unix:///run/redis.sock?pass=hunter2"),
        ("REDIS_URL", "hunter2"),
    ] {
        let printed = text(&run(&["config"], &[(name, value)], "").stdout);
        assert!(!printed.contains("hunter2") && line(&printed, name).len() > 1, "{printed}");
    }
}

#[test]
fn config_check_prints_only_what_is_wrong() {
    let output = run(&["config", "--check"], &[("ROOM_TTL", "2h"), ("HOME_PAGE", "x")], "");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), String::new()), "{}", text(&output.stderr));

    // Warnings are no reason to fail.
    let environment =
        [("RATE_LIMIT", "off"), ("OPERATION_MAX_ALIASES", "50"), ("REDIS_PORT_6379_TCP", "tcp://10.0.0.1")];
    let output = run(&["config", "--check"], &environment, "ROOM_TLL=1h\n");
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    let expected = [
        "RATE_LIMIT is set but is not a setting of livechat; RATE_LIMITS is one",
        "ROOM_TLL is set in .env but is not a setting of livechat; ROOM_TTL is one",
        "OPERATION_MAX_ALIASES is set but was removed; it has no effect",
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);

    let environment = [("ROOM_TTL", "a day"), ("TRUSTED_DOCUMENTS", "/no/such/file"), ("IDENTITY", "optional")];
    let identity = [("IDENTITY_KEYS", "/no/such/file"), ("IDENTITY_SECRET", "0123456789abcdef0123456789abcdef")];
    let output = run(&["config", "--check"], &[&environment[..], &identity].concat(), "");
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert_eq!(printed.lines().count(), 3, "{printed}");
    for problem in ["ROOM_TTL: must be a time", "TRUSTED_DOCUMENTS: must name", "IDENTITY_KEYS: must name"] {
        assert!(printed.contains(problem), "{printed}");
    }
    let output = run(&["config", "--check"], &[], "A B=C\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(".env cannot be read"), "{}", text(&output.stderr));
}

#[test]
fn config_check_tests_whether_the_data_directory_can_be_used() {
    let place = tempfile::tempdir().expect("a directory");
    let path = |name: &str| place.path().join(name).to_str().expect("text").to_owned();
    std::fs::write(path("file"), "").expect("a file");
    std::fs::create_dir(path("empty")).expect("a directory");
    std::fs::create_dir(path("damaged")).expect("a directory");
    std::fs::write(path("damaged/livechat.db"), "").expect("a file");
    for (directory, problem) in [
        (path("new/directory"), None),
        (path("empty"), None),
        (path("file"), Some("cannot be written to")),
        (path("file/below"), Some("is a file")),
        ("/proc".to_owned(), Some("cannot be written to")),
        (path("damaged"), Some("is empty")),
    ] {
        let output = run(&["config", "--check"], &[("DATA_DIR", &directory)], "");
        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(i32::from(problem.is_some())), "{directory}: {printed}");
        assert_eq!(printed.starts_with("DATA_DIR: ") && printed.contains(problem.unwrap_or("DATA")), problem.is_some());
        // Redis needs no directory.
        let output = run(&["config", "--check"], &[("DATA_DIR", &directory), ("REDIS_URL", "redis://host")], "");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), String::new()));
    }
}

/// Runs the health check for the server at this address.
fn healthcheck(address: &str) -> Output {
    run(&["healthcheck"], &[("LISTEN_ADDR", address)], "")
}

#[tokio::test]
async fn healthcheck_detects_whether_a_server_is_ready() {
    let mut redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let port = server.address().rsplit(':').next().expect("a port").to_owned();
    for address in [server.address().to_owned(), format!("0.0.0.0:{port}")] {
        let output = healthcheck(&address);
        let printed = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(printed.ends_with("is ready.\n") && printed.lines().count() == 1, "{printed}");
    }
    redis.kill();
    let output = healthcheck(server.address());
    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed.contains("not ready: 503, the store does not answer") && printed.lines().count() == 1, "{printed}");
}

#[test]
fn healthcheck_fails_in_time_without_an_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let output = healthcheck(&silent.local_addr().expect("its address").to_string());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("did not answer within 2 s"), "{}", text(&output.stderr));

    let address = silent.local_addr().expect("its address").to_string();
    drop(silent);
    for (address, message) in [(address.as_str(), "no server can be reached"), ("127.0.0.1:0", "port 0")] {
        let output = healthcheck(address);
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(printed.contains(message) && printed.lines().count() == 1, "{printed}");
    }
}

#[test]
fn the_shell_accepts_the_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell], &[], "");
        assert!(output.status.success() && text(&output.stdout).contains("healthcheck"), "{shell}");
    }
    let script = text(&run(&["completions", "bash"], &[], "").stdout)
        + "\nCOMP_WORDS=(livechat heal) COMP_CWORD=1\n_livechat livechat heal livechat\necho \"${COMPREPLY[@]}\"\n";
    let completed = Command::new("bash").args(["-c", &script]).output().expect("a shell");
    assert_eq!(text(&completed.stdout), "healthcheck\n", "{}", text(&completed.stderr));
}

#[test]
fn the_manual_page_has_every_command_and_setting() {
    let output = run(&["man"], &[], "");
    let page = text(&output.stdout);
    assert!(output.status.success() && page.starts_with(".ie "), "{page}");
    for name in livechat::config::all().map(|setting| setting.name.to_owned()).chain(commands()) {
        assert!(page.replace('\\', "").contains(&format!("\nfB{name}")), "{name} is not in {page}");
    }
}

/// The commands that `--help` lists, as `livechat schema`.
fn commands() -> Vec<String> {
    let help = text(&run(&["--help"], &[], "").stdout);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<_> =
        listed.filter_map(|line| Some(format!("livechat {}", line.split_whitespace().next()?))).collect();
    assert!(commands.len() > 5, "{help}");
    commands.into_iter().filter(|command| command != "livechat help").collect()
}

/// `livechat` with a soft limit of 128 open files and a hard limit of 1,024.
fn livechat_with_few_files(directory: &std::path::Path) -> Command {
    let mut livechat = Command::new("prlimit");
    livechat.arg("--nofile=128:1024").arg(env!("CARGO_BIN_EXE_livechat")).current_dir(directory);
    livechat.env_clear().env("PATH", "/usr/bin:/bin").env("LISTEN_ADDR", "127.0.0.1:0");
    livechat
}

#[tokio::test]
async fn a_server_raises_its_file_limit_and_warns_if_it_is_too_low() {
    for (max_connections, warned) in [(Some("100"), false), (Some("5000"), true), (None, false)] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut livechat = livechat_with_few_files(directory.path());
        livechat.envs(max_connections.map(|max| ("MAX_CONNECTIONS", max)));
        let mut server = livechat.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the prlimit command");
        let mut printed = BufReader::new(server.stdout.take().expect("a pipe")).lines();
        let page = printed.find_map(|line| line.ok()?.strip_prefix("Chat page ").map(|url| url.trim().to_owned()));
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap_or_default();
        let metrics = match &page {
            Some(page) => http_get(format!("{page}metrics")).await.text().await.expect("text"),
            None => String::new(),
        };
        server.kill().expect("a process of our own");
        let log = text(&server.wait_with_output().expect("its log").stderr);
        assert!(page.is_some(), "{log}");
        assert_eq!(line(&limits.replace("Max open files", "files"), "files")[1..3], ["1024", "1024"]);
        assert_eq!(log.contains("raise the hard limit of open files"), warned, "{log}");
        // Without MAX_CONNECTIONS, the number follows from the limit of open files.
        assert_eq!(line(&metrics, "livechat_connections_max")[1], max_connections.unwrap_or("960"));
        assert!(warned || !log.contains("WARN"), "{log}");
    }
}

#[test]
fn config_shows_how_many_connections_the_limit_of_open_files_allows() {
    let directory = tempfile::tempdir().expect("a directory");
    let printed = text(&livechat_with_few_files(directory.path()).arg("config").output().expect("the command").stdout);
    assert_eq!(line(&printed, "MAX_CONNECTIONS")[1..], ["960", "from", "the", "file", "limit"]);
    let output = livechat_with_few_files(directory.path()).arg("config").env("MAX_CONNECTIONS", "70").output();
    let printed = text(&output.expect("the command").stdout);
    assert_eq!(line(&printed, "MAX_CONNECTIONS")[1..], ["70", "environment"]);
}
