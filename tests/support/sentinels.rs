//! Three sentinels for one test: real processes on free ports, killed when dropped.

use std::process::{Child, Command, Stdio};

use redis::{AsyncConnectionConfig, Client, RedisResult};
use tempfile::TempDir;

use super::redis_server::{RedisServer, free_port, program};
use super::{TIMEOUT, eventually};

pub const MASTER: &str = "the-primary";
/// The password of the sentinels.
pub const PASSWORD: &str = "open-sentinel";

/// Three sentinels that know each other.
pub struct Sentinels {
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    _directory: TempDir,
    port: u16,
    process: Child,
}

impl Sentinels {
    /// Starts the sentinels, and waits until each knows the other two and all replicas.
    pub async fn monitoring(primary: &RedisServer, replicas: usize) -> Self {
        let sentinels = Self { sentinels: (0..3).map(|_| Sentinel::start(primary)).collect() };
        for sentinel in &sentinels.sentinels {
            eventually("a sentinel knows all nodes", async || {
                let known =
                    async |command: &str| sentinel.query::<Vec<redis::Value>>(command).await.map(|found| found.len());
                known("SENTINELS").await == Ok(2)
                    && known("REPLICAS").await == Ok(replicas)
                    && sentinel.query::<String>("CKQUORUM").await.is_ok()
            })
            .await;
        }
        sentinels
    }

    /// The value of `REDIS_SENTINELS`.
    pub fn addresses(&self) -> String {
        let addresses: Vec<_> = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        addresses.join(",")
    }

    /// Starts a planned failover.
    pub async fn fail_over(&self) {
        eventually("the failover begins", async || self.sentinels[0].query::<String>("FAILOVER").await.is_ok()).await;
    }

    /// Kills one of them as `kill -9` does.
    pub fn kill_one(&mut self) {
        drop(self.sentinels.remove(0));
    }

    /// Sends a signal, like STOP or CONT, to all of them.
    pub fn signal(&self, name: &str) {
        for sentinel in &self.sentinels {
            let sent = Command::new("kill").args([format!("-{name}"), sentinel.process.id().to_string()]).status();
            assert!(sent.expect("the kill command").success());
        }
    }

    /// Host and port of the primary.
    pub async fn primary(&self) -> String {
        let (host, port): (String, u16) =
            self.sentinels[0].query("GET-MASTER-ADDR-BY-NAME").await.expect("the primary's address");
        format!("{host}:{port}")
    }
}

impl Sentinel {
    fn start(primary: &RedisServer) -> Self {
        let directory = tempfile::tempdir().expect("a directory for a sentinel");
        let (port, address) = (free_port(), primary.address().replace(':', " "));
        let settings = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nrequirepass {PASSWORD}\n\
             sentinel monitor {MASTER} {address} 2\nsentinel sentinel-pass {PASSWORD}\n\
             sentinel down-after-milliseconds {MASTER} 1000\nsentinel failover-timeout {MASTER} 10000\n",
            directory.path().display()
        );
        let file = directory.path().join("sentinel.conf");
        std::fs::write(&file, settings).expect("a file");
        let mut command = Command::new(program());
        command.arg(&file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
        Self { _directory: directory, port, process: command.spawn().expect("a sentinel") }
    }

    async fn query<T: redis::FromRedisValue>(&self, command: &str) -> RedisResult<T> {
        let client = Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}/", self.port))?;
        // Longer than the defaults of the client, for a busy machine.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(TIMEOUT)).set_response_timeout(Some(TIMEOUT));
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        redis::cmd("SENTINEL").arg(command).arg(MASTER).query_async(&mut connection).await
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("a sentinel was running");
    }
}
