//! Parsing `.env`: what is literal, what is refused, and which file is read.

use std::process::Output;

use crate::support::redis_server::RedisServer;
use crate::support::server::{Server, command};

#[tokio::test]
async fn the_environment_takes_precedence_over_the_file() {
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
async fn passwords_are_literal() {
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

/// What `livechat config` prints with a file of these bytes.
fn config_with(file: &[u8]) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(".env"), file).expect("a file");
    command(directory.path(), &[]).arg("config").output().expect("the command")
}

#[test]
fn values_are_literal_and_comments_are_dropped() {
    for (written, value) in [
        ("ab$cd", "ab$cd"),
        ("$cd", "$cd"),
        ("a$", "a$"),
        ("$(date)", "$(date)"),
        ("\\n", "\\n"),
        ("it's", "it's"),
        ("a'b'c", "a'b'c"),
        ("a=b=c", "a=b=c"),
        ("é🙂\u{a0}x", "é🙂\u{a0}x"),
        ("!%^&*()[]{}<>?/|~`;:,.", "!%^&*()[]{}<>?/|~`;:,."),
        ("''", "-"),
        ("  padded \t", "padded"),
        ("2h # two hours", "2h"),
        ("'2h' # two hours", "2h"),
        ("\"2h\"\t# two hours", "2h"),
        (" # nothing", "-"),
    ] {
        let printed = config_with(format!("DATA_DIR=x\nREDIS_SENTINEL_USERNAME={written}\n").as_bytes()).stdout;
        let printed = String::from_utf8_lossy(&printed).into_owned();
        let shown = printed.lines().find_map(|line| line.strip_prefix("REDIS_SENTINEL_USERNAME")).expect("a line");
        let shown = shown.trim().trim_end_matches(".env, not in use").trim_end_matches("default").trim_end();
        assert_eq!(shown, value, "{written}");
    }
}

#[test]
fn lines_of_other_programs_may_have_any_syntax() {
    let file = "\u{feff}MAIL=smtp://${HOST}\r\n# comment\nKEY=\"-----BEGIN\nROOM_TTL=2\nEND-----\"\n\
                TWO=a b\n export\tROOM_TTL = 3h\nexport=4\nROOM_TTL='4h'";
    let printed = String::from_utf8_lossy(&config_with(file.as_bytes()).stdout).into_owned();
    let of_ttl = printed.lines().find(|line| line.starts_with("ROOM_TTL ")).expect("a line");
    assert!(of_ttl.contains(" 4h ") && of_ttl.ends_with(" .env"), "{printed}");
    for name in ["MAIL", "KEY", "TWO", "export"] {
        assert!(printed.contains(&format!("\n{name} is set in .env but is not a setting")), "{printed}");
    }
}

#[test]
fn an_ambiguous_line_is_refused_with_its_number_and_not_shown() {
    let values = [
        "hunter2 and more",
        "hunter2 'and more'",
        "#hunter2",
        "\"hunter2\\n\"",
        "\"hunter2\\\"2\"",
        "\"hunter2\\",
        "\"hunter2",
        "'hunter2",
        "'hunter2'x",
        "'hunter2'#x",
        "\"hunter2\" x",
        "'hunter'\\''2'",
        "hunter2\\",
        "hunter2${ROOM_TTL}",
        "\"hunter2${ROOM_TTL}\"",
        "hun\rter2",
        "hun\0ter2",
        "hun\u{1b}[0mter2",
    ];
    let lines =
        ["hunter2", "REDIS_PASSWORD hunter2", "hunter-2=", "=hunter2", "2hunter=", "hunter 2=", "export hunter2"];
    let lines = values.map(|value| format!("REDIS_PASSWORD={value}")).into_iter().chain(lines.map(str::to_owned));
    let lines = lines.map(String::into_bytes).chain([b"REDIS_PASSWORD=hunter2\xff".to_vec()]);
    for line in lines {
        let file = [b"ROOM_TTL=2h\n\n", &*line, b"\nLOG_LEVEL=info\n"].concat();
        assert_refused(&config_with(&file), &line);
    }
}

#[test]
fn no_subcommand_starts_with_an_ambiguous_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let line = "REDIS_PASSWORD=hunter2 and more";
    std::fs::write(directory.path().join(".env"), format!("\n\n{line}\n")).expect("a file");
    for arguments in [&[][..], &["migrate"], &["healthcheck"]] {
        let output = command(directory.path(), &[]).args(arguments).output().expect("the command");
        assert_refused(&output, line.as_bytes());
    }
}

/// Asserts that the command has failed with an error that gives line 3 and does not quote it.
fn assert_refused(output: &Output, line: &[u8]) {
    let (line, error) = (String::from_utf8_lossy(line), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success(), "{line:?} was accepted");
    assert!(error.starts_with("livechat: .env cannot be read: line 3 "), "{line:?}: {error}");
    assert!(!error.contains("hun") && output.stdout.is_empty(), "{line:?}: {error}");
}

#[test]
fn only_the_file_of_the_working_directory_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(".env"), "ROOM_CODE_LENGTH=9\nwhat is this\n").expect("a file");
    let below = directory.path().join("below");
    std::fs::create_dir(&below).expect("a directory");
    let output_text = || {
        let output = command(&below, &[]).arg("config").output().expect("the command");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let assert_default = || {
        let printed = output_text();
        let line = printed.lines().find(|line| line.starts_with("ROOM_CODE_LENGTH ")).expect("a line for the setting");
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["ROOM_CODE_LENGTH", "6", "default"]);
    };
    assert_default();
    // Python projects may have a directory of this name.
    std::fs::create_dir(below.join(".env")).expect("a directory");
    assert_default();
}
