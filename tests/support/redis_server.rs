//! A Redis for one test: a real `redis-server` on a free port with its own directory, killed when dropped.
//!
//! Set `REDIS_SERVER=/path/to/valkey-server` in the environment of the tests to use another program.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ClientTlsConfig, TlsCertificates};
use tempfile::TempDir;

use super::certificates::Authority;
use super::wrong_clock::WrongClock;
use super::{TIMEOUT, eventually};

const START_TIMEOUT: Duration = TIMEOUT;

/// The argument before the port on which the nodes of a cluster talk to each other. It is chosen with the other port.
const CLUSTER_PORT: &str = "--cluster-port";

/// A running `redis-server`.
pub struct RedisServer {
    directory: TempDir,
    port: u16,
    password: Option<String>,
    tls: Option<TlsCertificates>,
    args: Vec<String>,
    environment: Vec<(&'static str, String)>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a Redis that loses its data at a restart.
    pub async fn start() -> Self {
        Self::launch(&["--appendonly", "no"], None).await
    }

    /// Starts a Redis that syncs every write to disk before its reply.
    pub async fn start_durable() -> Self {
        Self::launch(&["--appendonly", "yes", "--appendfsync", "always"], None).await
    }

    /// Starts a Redis that needs 20 milliseconds per key to load its data after a restart, and replies LOADING meanwhile. `SAVE`
    /// writes the data.
    pub async fn start_that_loads_slowly() -> Self {
        let slowly = ["--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"];
        // It replies after so many bytes, which compressed keys do not have.
        Self::launch(&[&["--appendonly", "no", "--rdbcompression", "no"], &slowly[..]].concat(), None).await
    }

    /// Starts a Redis with a password.
    pub async fn start_with_password(password: &str) -> Self {
        Self::launch(&["--appendonly", "no", "--requirepass", password], Some(password)).await
    }

    /// Starts a durable Redis that accepts TLS only, with the certificate `redis.pem` of this authority. With `strict` it requires
    /// client certificates; the test itself uses `test.pem`.
    pub async fn start_with_tls(authority: &Authority, strict: bool) -> Self {
        let read = |name: &str| std::fs::read(authority.file(name)).expect("a file");
        authority.sign("test", "a test");
        let client_tls = Some(ClientTlsConfig { client_cert: read("test.pem"), client_key: read("test.key") });
        let tls = TlsCertificates { client_tls, root_cert: Some(read("ca.pem")) };
        let file = |name: &str| authority.setting(name);
        let (certificate, key, ca) = (file("redis.pem"), file("redis.key"), file("ca.pem"));
        let auth_clients = if strict { "yes" } else { "no" };
        let args =
            ["--appendonly", "yes", "--appendfsync", "always", "--tls-cert-file", &certificate, "--tls-key-file", &key]
                .into_iter()
                .chain(["--tls-ca-cert-file", &ca, "--tls-auth-clients", auth_clients]);
        Self::launch_in(&args.collect::<Vec<_>>(), None, Some(tls), Vec::new()).await
    }

    /// Starts a cluster of one node.
    pub async fn start_cluster_node() -> Self {
        let server = Self::launch(&["--appendonly", "no", "--cluster-enabled", "yes", CLUSTER_PORT, "0"], None).await;
        let mut redis = server.connection().await;
        let (mut take_all, slots) = (redis::cmd("CLUSTER"), (0..16_384).collect::<Vec<u16>>());
        take_all.arg("ADDSLOTS").arg(slots).exec_async(&mut redis).await.expect("all slots");
        let start = Instant::now();
        loop {
            let mut command = redis::cmd("CLUSTER");
            let info: String = command.arg("INFO").query_async(&mut redis).await.expect("the state of the cluster");
            if info.contains("cluster_state:ok") {
                return server;
            }
            assert!(start.elapsed() < START_TIMEOUT, "the cluster does not come up");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts a Redis with this clock that loses its data at a restart.
    pub async fn start_with_clock(clock: &WrongClock) -> Self {
        Self::launch_in(&["--appendonly", "no"], None, None, clock.environment().into()).await
    }

    /// Starts a node of a cluster that knows no other node and has no slots. See `redis_cluster`.
    pub async fn start_lone_node(args: &[&str]) -> Self {
        let own = ["--appendonly", "no", "--cluster-enabled", "yes", CLUSTER_PORT, "0"];
        Self::launch(&[&own, args].concat(), None).await
    }

    async fn launch(args: &[&str], password: Option<&str>) -> Self {
        Self::launch_in(args, password, None, Vec::new()).await
    }

    async fn launch_in(
        args: &[&str],
        password: Option<&str>,
        tls: Option<TlsCertificates>,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        #[cfg(test)]
        super::watchdog::watch();
        let directory = tempfile::tempdir().expect("a directory for redis-server");
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let (port, process) = (0, None);
        let mut server =
            Self { directory, port, password: password.map(str::to_owned), tls, args, environment, process };
        // Another process may take a port before redis-server uses it.
        for _ in 0..5 {
            server.port = free_port();
            if let Some(at) = server.args.iter().position(|arg| arg == CLUSTER_PORT) {
                server.args[at + 1] = free_port().to_string();
            }
            if server.run().await {
                return server;
            }
        }
        panic!("redis-server ends at once on every port");
    }

    /// The URL, with the password if there is one.
    pub fn url(&self) -> String {
        let url = url(self.port, self.password.as_deref());
        if self.tls.is_some() { url.replace("redis://", "rediss://") } else { url }
    }

    /// The URL without a password.
    pub fn url_without_password(&self) -> String {
        url(self.port, None)
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs a command that must succeed.
    pub async fn command(&self, words: &[&str]) {
        self.query::<redis::Value>(words).await;
    }

    /// Runs a command that must succeed, and returns its reply.
    pub async fn query<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut self.connection().await).await.expect("a command that succeeds")
    }

    /// Makes it a replica of the Redis at this address, and waits until it is connected.
    pub async fn replicate(&self, primary: &str) {
        let (host, port) = primary.split_once(':').expect("host and port");
        self.command(&["REPLICAOF", host, port]).await;
        let mut connection = self.connection().await;
        let start = Instant::now();
        loop {
            let mut command = redis::cmd("INFO");
            let info: String =
                command.arg("replication").query_async(&mut connection).await.expect("its replication state");
            if info.contains("master_link_status:up") {
                return;
            }
            assert!(start.elapsed() < START_TIMEOUT, "the replica does not follow");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A connection for the test itself. Its timeout is long enough for a busy machine.
    pub async fn connection(&self) -> MultiplexedConnection {
        self.try_connection().await.expect("a connection to redis-server")
    }

    async fn try_connection(&self) -> redis::RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(START_TIMEOUT))
            .set_response_timeout(Some(START_TIMEOUT));
        self.client().get_multiplexed_async_connection_with_config(&config).await
    }

    fn client(&self) -> Client {
        match &self.tls {
            None => Client::open(self.url()),
            Some(tls) => Client::build_with_tls(self.url(), tls.clone()),
        }
        .expect("a URL of our own")
    }

    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("redis-server was started").id()
    }

    /// The data directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Whether it was started and not killed.
    pub const fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("redis-server was started");
        process.kill().and_then(|()| process.wait()).expect("redis-server was running");
    }

    /// Sends it a signal by its name, like STOP or CONT.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.process_id().to_string()]).status();
        assert!(sent.expect("the kill command").success());
    }

    /// Restarts it after [`kill`](Self::kill), on the same port with the same directory.
    pub async fn restart(&mut self) {
        assert!(self.run().await, "redis-server does not start again");
    }

    /// Restarts it after [`kill`](Self::kill), and waits until it is loading its data.
    pub async fn restart_loading(&mut self) {
        self.spawn();
        eventually("Redis is loading", async || {
            let ping = async { redis::cmd("PING").exec_async(&mut self.try_connection().await?).await };
            ping.await.is_err_and(|error: redis::RedisError| error.code() == Some("LOADING"))
        })
        .await;
    }

    /// Lets it load its data without delays from now on.
    pub async fn load_fast(&self) {
        self.command(&["CONFIG", "SET", "key-load-delay", "0"]).await;
    }

    /// Starts it and waits until it replies. Returns false if it exits instead.
    async fn run(&mut self) -> bool {
        let id = self.spawn();
        let start = Instant::now();
        while start.elapsed() < START_TIMEOUT {
            let process = self.process.as_mut().expect("it was started");
            if process.try_wait().expect("a process of our own").is_some() {
                return false;
            }
            if is_ready(&self.client(), id).await {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("redis-server does not answer");
    }

    /// Starts the process, and returns its id.
    fn spawn(&mut self) -> u32 {
        let (plain, tls) = if self.tls.is_some() { (0, self.port) } else { (self.port, 0) };
        let mut command = Command::new(program());
        if tls != 0 {
            command.args(["--tls-port", &tls.to_string()]);
        }
        let process = command
            .args(["--port", &plain.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(self.directory.path())
            .args(&self.args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("this test needs redis-server on the PATH, which cannot be started: {error}")
            });
        let id = process.id();
        self.process = Some(process);
        id
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}

/// Whether this process replies and has loaded its data.
async fn is_ready(client: &Client, process: u32) -> bool {
    let info: redis::RedisResult<String> = async {
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").exec_async(&mut connection).await?;
        redis::cmd("INFO").arg("server").query_async(&mut connection).await
    }
    .await;
    info.is_ok_and(|info| info.lines().any(|line| line == format!("process_id:{process}")))
}

fn url(port: u16, password: Option<&str>) -> String {
    let login = password.map_or_else(String::new, |password| format!(":{password}@"));
    format!("redis://{login}127.0.0.1:{port}/")
}

/// The program to start.
pub fn program() -> String {
    std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// A free port. It is below the range of ephemeral ports and given to nobody else, so that it is still free when a killed server is
/// restarted.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut ports = std::iter::repeat_with(|| rand::rng().random_range(10_000..32_000));
    let is_free =
        |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok() && GIVEN.lock().expect("the ports").insert(*port);
    ports.find(is_free).expect("ports without end")
}
