//! A Redis of a test's own: a real `redis-server` on a free port, with a directory of its own, killed when dropped.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(10);

/// A running `redis-server`.
pub struct RedisServer {
    directory: TempDir,
    port: u16,
    password: Option<String>,
    args: Vec<String>,
    process: Child,
}

impl RedisServer {
    /// One that keeps nothing over a restart.
    pub async fn start() -> Self {
        Self::launch(&["--appendonly", "no"], None).await
    }

    /// One whose writes are on disk before they are answered.
    pub async fn start_durable() -> Self {
        Self::launch(&["--appendonly", "yes", "--appendfsync", "always"], None).await
    }

    /// One that wants a password.
    pub async fn start_with_password(password: &str) -> Self {
        Self::launch(&["--appendonly", "no", "--requirepass", password], Some(password)).await
    }

    async fn launch(args: &[&str], password: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a directory for redis-server");
        let port = free_port();
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let process = spawn(&directory, port, &args);
        let server = Self { directory, port, password: password.map(str::to_owned), args, process };
        server.wait_until_ready().await;
        server
    }

    /// Where it is, with the password if it wants one.
    pub fn url(&self) -> String {
        let login = self.password.as_ref().map_or_else(String::new, |password| format!(":{password}@"));
        format!("redis://{login}127.0.0.1:{}/", self.port)
    }

    /// Where it is, without any password.
    pub fn url_without_password(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// A connection for looking into it.
    pub async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a URL of our own");
        client.get_multiplexed_async_connection().await.expect("a connection to redis-server")
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("redis-server was running");
    }

    /// Starts it again after [`kill`](Self::kill), on the same port with the same directory.
    pub async fn restart(&mut self) {
        self.process = spawn(&self.directory, self.port, &self.args);
        self.wait_until_ready().await;
    }

    async fn wait_until_ready(&self) {
        let client = redis::Client::open(self.url()).expect("a URL of our own");
        let start = Instant::now();
        loop {
            let attempt = async {
                let mut connection = client.get_multiplexed_async_connection().await?;
                redis::cmd("PING").exec_async(&mut connection).await
            };
            match attempt.await {
                Ok(()) => return,
                Err(error) => assert!(start.elapsed() < PATIENCE, "redis-server does not answer: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have been killed by the test already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(directory: &TempDir, port: u16, args: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(directory.path())
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("this test needs redis-server on the PATH, which cannot be started: {error}"))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
