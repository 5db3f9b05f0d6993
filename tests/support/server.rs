//! A server of a test's own: the real `livechat` process on a free port, with a directory of its own, ended when dropped.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::PATIENCE;
use super::client::Client;
use super::redis_server::RedisServer;

/// The binary that cargo built.
const LIVECHAT: &str = env!("CARGO_BIN_EXE_livechat");

/// A running `livechat`.
pub struct Server {
    /// The program and what stands before the settings: `livechat`, or something that runs it.
    program: Vec<String>,
    directory: Arc<TempDir>,
    environment: Vec<(String, String)>,
    address: String,
    process: Option<Child>,
    log: Arc<Mutex<String>>,
    /// What it wrote to its standard output.
    output: Arc<Mutex<String>>,
    /// Reads the log to its end.
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// One with the embedded store.
    pub fn embedded() -> Self {
        Self::with(&[])
    }

    /// One on this Redis.
    pub fn on_redis(url: &str) -> Self {
        Self::with(&[("REDIS_URL", url)])
    }

    /// One with these settings, in a directory of its own.
    pub fn with(environment: &[(&str, &str)]) -> Self {
        Self::in_directory(tempfile::tempdir().expect("a directory for the server"), environment)
    }

    /// One with these settings, in this directory.
    pub fn in_directory(directory: TempDir, environment: &[(&str, &str)]) -> Self {
        Self::run(vec![LIVECHAT.to_owned()], directory, environment)
    }

    /// One with these settings that is started by this command, which is another `livechat` or runs one.
    #[allow(dead_code, reason = "a bench starts it so")]
    pub fn started_by(program: Vec<String>, environment: &[(&str, &str)]) -> Self {
        Self::run(program, tempfile::tempdir().expect("a directory for the server"), environment)
    }

    fn run(program: Vec<String>, directory: TempDir, environment: &[(&str, &str)]) -> Self {
        #[cfg(test)]
        super::watchdog::watch();
        let directory = Arc::new(directory);
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let (address, log, output) = Default::default();
        let mut server = Self { program, directory, environment, address, process: None, log, output, reader: None };
        server.start();
        server
    }

    /// One on each store, with these settings and with what must outlive it.
    pub async fn on_each_store(environment: &[(&str, &str)]) -> Vec<(Self, Option<RedisServer>)> {
        let redis = RedisServer::start().await;
        let url = redis.url();
        let shared = [environment, &[("REDIS_URL", &url)]].concat();
        vec![(Self::with(environment), None), (Self::with(&shared), Some(redis))]
    }

    /// Starts it again, after it ended, in the same directory. It gets another port.
    pub fn start(&mut self) {
        let mut process = command_of(&self.program, self.directory.path(), &self.environment)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the livechat binary that cargo built");
        let errors = BufReader::new(process.stderr.take().expect("a pipe"));
        let log = Arc::clone(&self.log);
        self.reader = Some(std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut log = log.lock().expect("the log");
                log.push_str(&line);
                log.push('\n');
            }
        }));
        let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut line = String::new();
        self.address.clear();
        let mut heard = String::new();
        while output.read_line(&mut line).is_ok_and(|read| read > 0) {
            heard.push_str(&line);
            if let Some(url) = line.strip_prefix("Chat page ") {
                self.address = url.trim().trim_end_matches('/').trim_start_matches("http://").to_owned();
                break;
            }
            line.clear();
        }
        // Read to the end, so that the server never writes into a full pipe.
        let said = Arc::clone(&self.output);
        std::thread::spawn(move || {
            let _ = output.read_to_string(&mut heard);
            said.lock().expect("the output").push_str(&heard);
        });
        if self.address.is_empty() {
            let _ = process.wait();
            self.read_log_to_its_end();
            panic!("the server did not start:\n{}", self.log());
        }
        self.process = Some(process);
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address of a path on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A GraphQL client of it.
    pub fn client(&self) -> Client {
        Client::of(self.url("/graphql"))
    }

    /// The status of a GET of a path on it.
    pub async fn status(&self, path: &str) -> u16 {
        reqwest::get(self.url(path)).await.expect("an answer").status().as_u16()
    }

    /// What it has written to its log so far; once it has ended, all of it.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// What it wrote to its standard output; all of it soon after it has ended.
    pub fn output(&self) -> String {
        self.output.lock().expect("the output").clone()
    }

    /// Where its data lies.
    pub fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("a running server").id()
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("a running server");
        process.kill().and_then(|()| process.wait()).expect("a process of our own");
        self.read_log_to_its_end();
    }

    /// Ends it as an operator does, and waits for its end.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("a running server");
        let start = Instant::now();
        loop {
            if let Some(status) = process.try_wait().expect("a process of our own") {
                self.read_log_to_its_end();
                return status;
            }
            if start.elapsed() > PATIENCE {
                let _ = process.kill().and_then(|()| process.wait());
                panic!("the server does not end");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends it a signal by its name, like STOP or CONT.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.process_id().to_string()).status();
        assert!(sent.expect("the kill command").success());
    }

    fn read_log_to_its_end(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log is text");
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

/// What the command says when it must fail to start with these settings.
pub fn failure(environment: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().expect("a directory for the server");
    let environment: Vec<_> = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let mut process = command(directory.path(), &environment)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the livechat binary that cargo built");
    let start = Instant::now();
    while process.try_wait().expect("a process of our own").is_none() {
        if start.elapsed() > PATIENCE {
            let _ = process.kill().and_then(|()| process.wait());
            panic!("the server started, or hangs, with {environment:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = process.wait_with_output().expect("what it wrote");
    assert!(!output.status.success(), "a failed start has a status that says so");
    String::from_utf8(output.stderr).expect("text")
}

/// The `livechat` command with nothing of this process's environment but `environment`, in `directory`.
pub fn command(directory: &Path, environment: &[(String, String)]) -> Command {
    command_of(&[LIVECHAT.to_owned()], directory, environment)
}

fn command_of(program: &[String], directory: &Path, environment: &[(String, String)]) -> Command {
    #[cfg(test)]
    super::watchdog::watch();
    let mut command = Command::new(&program[0]);
    command
        .args(&program[1..])
        .current_dir(directory)
        .env_clear()
        .env("LISTEN_ADDR", "127.0.0.1:0")
        // Tests and benches do in a second what people do in an hour. Whoever tests the limits turns them on.
        .env("RATE_LIMITS", "off")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    command
}
