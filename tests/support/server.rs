//! Runs the real `livechat` process on a free port and in a temporary directory. Kills it when dropped.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::client::Client;
use super::redis_server::RedisServer;
use super::{TIMEOUT, http_get};

/// The path of the binary.
const LIVECHAT: &str = env!("CARGO_BIN_EXE_livechat");

/// A running `livechat`.
pub struct Server {
    /// The program and its arguments: `livechat`, or a command that runs it.
    program: Vec<String>,
    directory: Arc<TempDir>,
    environment: Vec<(String, String)>,
    address: String,
    process: Option<Child>,
    log: Arc<Mutex<String>>,
    /// The standard output so far.
    output: Arc<Mutex<String>>,
    /// The thread that reads the log.
    log_reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server with the embedded store.
    pub fn embedded() -> Self {
        Self::with(&[])
    }

    /// Starts a server on this Redis.
    pub fn on_redis(url: &str) -> Self {
        Self::with(&[("REDIS_URL", url)])
    }

    /// Starts a server with these settings, in a new directory.
    pub fn with(environment: &[(&str, &str)]) -> Self {
        Self::in_directory(tempfile::tempdir().expect("a directory for the server"), environment)
    }

    /// Starts a server with these settings, in this directory.
    pub fn in_directory(directory: TempDir, environment: &[(&str, &str)]) -> Self {
        Self::run(vec![LIVECHAT.to_owned()], directory, environment, Arc::default())
    }

    /// Starts a server with these settings that writes to `log`, which can be read while the server starts.
    pub fn logging_to(log: Arc<Mutex<String>>, environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the server");
        Self::run(vec![LIVECHAT.to_owned()], directory, environment, log)
    }

    /// Starts a server with these settings by this command: another `livechat`, or a command that runs one.
    #[allow(dead_code, reason = "only benches use it")]
    pub fn started_by(program: Vec<String>, environment: &[(&str, &str)]) -> Self {
        Self::run(program, tempfile::tempdir().expect("a directory for the server"), environment, Arc::default())
    }

    fn run(program: Vec<String>, directory: TempDir, environment: &[(&str, &str)], log: Arc<Mutex<String>>) -> Self {
        #[cfg(test)]
        super::watchdog::watch();
        let directory = Arc::new(directory);
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let (address, output) = Default::default();
        let mut server =
            Self { program, directory, environment, address, process: None, log, output, log_reader: None };
        server.start();
        server
    }

    /// Starts a server on each store with these settings. The Redis must outlive its server.
    pub async fn on_each_store(environment: &[(&str, &str)]) -> Vec<(Self, Option<RedisServer>)> {
        let redis = RedisServer::start().await;
        let url = redis.url();
        let shared = [environment, &[("REDIS_URL", &url)]].concat();
        vec![(Self::with(environment), None), (Self::with(&shared), Some(redis))]
    }

    /// Restarts the server in the same directory, after it has exited. The port changes.
    pub fn start(&mut self) {
        let environment = self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut process = command_of(&self.program, self.directory.path(), environment)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the livechat binary that cargo built");
        let errors = BufReader::new(process.stderr.take().expect("a pipe"));
        let log = Arc::clone(&self.log);
        self.log_reader = Some(std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut log = log.lock().expect("the log");
                log.push_str(&line);
                log.push('\n');
            }
        }));
        let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut line = String::new();
        self.address.clear();
        let mut received = String::new();
        while output.read_line(&mut line).is_ok_and(|read| read > 0) {
            received.push_str(&line);
            if let Some(url) = line.strip_prefix("Chat page ") {
                let (_, address) = url.trim().trim_end_matches('/').split_once("://").expect("a URL");
                self.address = address.to_owned();
                break;
            }
            line.clear();
        }
        // Keep reading, so that the server never blocks on a full pipe.
        let shared = Arc::clone(&self.output);
        std::thread::spawn(move || {
            let _ = output.read_to_string(&mut received);
            shared.lock().expect("the output").push_str(&received);
        });
        if self.address.is_empty() {
            let _ = process.wait();
            self.finish_log();
            panic!("the server did not start:\n{}", self.log());
        }
        self.process = Some(process);
    }

    /// Like [`start`](Self::start), by another command.
    #[allow(dead_code, reason = "only benches use it")]
    pub fn start_by(&mut self, program: Vec<String>) {
        self.program = program;
        self.start();
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A GraphQL client.
    pub fn client(&self) -> Client {
        Client::of(self.url("/graphql"))
    }

    /// The status of a GET of a path.
    pub async fn status(&self, path: &str) -> u16 {
        http_get(self.url(path)).await.status().as_u16()
    }

    /// Asserts that nothing has panicked so far.
    pub fn assert_no_panic(&self) {
        assert!(!self.log().contains("panicked"), "{}", self.log());
    }

    /// The log so far; complete once the server has exited.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// The standard output so far; complete soon after the server has exited.
    pub fn output(&self) -> String {
        self.output.lock().expect("the output").clone()
    }

    /// The data directory.
    pub fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("a running server").id()
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("a running server");
        process.kill().and_then(|()| process.wait()).expect("a child process");
        self.finish_log();
    }

    /// Stops the server with SIGTERM and waits for its exit.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_for_exit().await
    }

    /// Waits for the exit of the server.
    pub async fn wait_for_exit(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("a running server");
        let start = Instant::now();
        loop {
            if let Some(status) = process.try_wait().expect("a child process") {
                self.finish_log();
                return status;
            }
            if start.elapsed() > TIMEOUT {
                let _ = process.kill().and_then(|()| process.wait());
                panic!("the server does not exit");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a signal by name, like STOP or CONT.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.process_id().to_string()).status();
        assert!(sent.expect("the kill command").success());
    }

    fn finish_log(&mut self) {
        if let Some(reader) = self.log_reader.take() {
            reader.join().expect("a textual log");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!("--- the log of the server at {}\n{}", self.address, self.log());
        }
    }
}

/// Runs a server that must fail to start with these settings. Returns its standard error.
pub fn failure(environment: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().expect("a directory for the server");
    let mut process = command(directory.path(), environment)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the livechat binary that cargo built");
    let start = Instant::now();
    while process.try_wait().expect("a child process").is_none() {
        if start.elapsed() > TIMEOUT {
            let _ = process.kill().and_then(|()| process.wait());
            panic!("the server started, or hangs, with {environment:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = process.wait_with_output().expect("its output");
    assert!(!output.status.success(), "a failed start has a failure status");
    String::from_utf8(output.stderr).expect("text")
}

/// The `livechat` command in `directory`, with only `environment` as its environment.
pub fn command(directory: &Path, environment: &[(&str, &str)]) -> Command {
    command_of(&[LIVECHAT], directory, environment.iter().copied())
}

fn command_of<'a>(
    program: &[impl AsRef<OsStr>],
    directory: &Path,
    environment: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Command {
    #[cfg(test)]
    super::watchdog::watch();
    let mut command = Command::new(&program[0]);
    command
        .args(&program[1..])
        .current_dir(directory)
        .env_clear()
        .env("LISTEN_ADDR", "127.0.0.1:0")
        // Tests and benches exceed the rate limits. Tests of the limits turn them on.
        .env("RATE_LIMITS", "off")
        .envs(environment)
        .stdin(Stdio::null());
    command
}
