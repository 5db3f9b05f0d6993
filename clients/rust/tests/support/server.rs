//! Runs the real `livechat` process on a free port and in a temporary directory. Kills it when dropped.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::task::block_in_place;

pub struct Server {
    directory: TempDir,
    settings: Vec<(String, String)>,
    url: String,
    process: Option<Child>,
}

impl Server {
    /// Starts a server without rate limits.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with these settings.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let directory = tempfile::tempdir().expect("a directory");
        let mut server = Self { directory, settings, url: String::new(), process: None };
        server.run("127.0.0.1:0");
        server
    }

    /// The address of the server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server, and starts it again at the same address. Needs a test with several threads.
    pub fn restart(&mut self) {
        self.restart_after(|_| {});
    }

    /// Like `restart`, with work on the files of the server in between.
    pub fn restart_after(&mut self, work: impl FnOnce(&Path)) {
        block_in_place(|| {
            self.stop();
            work(&self.directory.path().join("data"));
            let address = self.url.trim_start_matches("http://").to_owned();
            self.run(&address);
        });
    }

    fn stop(&mut self) {
        let mut process = self.process.take().expect("a running server");
        signal(process.id(), "TERM");
        process.wait().expect("a child process");
    }

    fn run(&mut self, address: &str) {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a file");
        let mut process = Command::new(binary("livechat"))
            .current_dir(self.directory.path())
            .env_clear()
            .envs([("LISTEN_ADDR", address), ("RATE_LIMITS", "off"), ("DRAIN_SECONDS", "1")])
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the server binary: run cargo build first");
        let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while output.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Some(url) = line.strip_prefix("Chat page ") {
                self.url = url.trim().trim_end_matches('/').to_owned();
                self.process = Some(process);
                // Keeps reading, so that the server never blocks on a full pipe.
                std::thread::spawn(move || output.read_to_string(&mut line));
                return;
            }
            line.clear();
        }
        let _ = process.wait();
        panic!("the server did not start:\n{}", self.log());
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill().and_then(|()| process.wait());
        }
        if std::thread::panicking() {
            eprintln!("--- the log of the server at {}\n{}", self.url, self.log());
        }
    }
}

/// A program that cargo has built beside this one.
pub fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a path");
    this.ancestors().nth(2).expect("the folder of the profile").join(name)
}

/// Sends a signal by name, like STOP or CONT.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status();
    assert!(sent.expect("the kill command").success());
}
