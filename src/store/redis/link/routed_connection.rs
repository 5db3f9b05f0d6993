//! Routes one command, or one script, to the node of a cluster that owns its keys, and follows redirects.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value};
use tokio::time::{Instant, sleep};

use crate::store::redis::link::cluster::Cluster;
use crate::store::redis::link::server::Server;
use crate::store::redis::link::slots::{Address, slot_of_command};
use crate::store::redis::link::topology::Node;

const MIN_RETRY_PAUSE: Duration = Duration::from_millis(10);
const MAX_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A connection for one command or one script.
pub struct RoutedConnection<'a> {
    cluster: &'a Cluster,
    /// The node of the last command. A script that this node does not know is loaded there.
    last_node: Option<Arc<Node>>,
}

impl<'a> RoutedConnection<'a> {
    pub const fn new(cluster: &'a Cluster) -> Self {
        Self { cluster, last_node: None }
    }

    async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        let Some(slot) = slot_of_command(command) else { return self.send_to_last_node(command).await };
        // While a slot migrates, the cluster answers most of its commands with TRYAGAIN. Give up early enough to report that error
        // before the caller's deadline.
        let give_up = Instant::now() + self.cluster.timeout().mul_f64(0.9);
        let (mut redirect, mut redirects, mut pause) = (None, 0, Duration::ZERO);
        let mut last_error =
            RedisError::from((ErrorKind::Server(ServerErrorKind::ClusterDown), "no node has the slot"));
        loop {
            if Instant::now() + pause > give_up {
                return Err(last_error);
            }
            sleep(pause).await;
            pause = (pause * 2).clamp(MIN_RETRY_PAUSE, MAX_RETRY_PAUSE);
            let (node, is_ask) = match redirect.take() {
                Some(redirect) => redirect,
                None => match self.cluster.owner(slot) {
                    Some(node) => (node, false),
                    None => continue,
                },
            };
            self.last_node = Some(node.clone());
            let reply =
                if is_ask { query_asking(&node.server, command).await } else { node.server.query(command).await };
            let error = match reply {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::Server(kind @ (ServerErrorKind::Moved | ServerErrorKind::Ask)) => {
                    let target = error.redirect_node().and_then(|(to, _)| Address::parse_redirect(to, &node.address));
                    let is_ask = kind == ServerErrorKind::Ask;
                    redirect = target.and_then(|target| Some((self.cluster.node_at(&target).ok()?, is_ask)));
                    if !is_ask {
                        self.cluster.request_refresh();
                    }
                    // One redirect is usual. More mean that the nodes do not agree yet.
                    if redirects == 0 {
                        pause = Duration::ZERO;
                    }
                    redirects += 1;
                }
                ErrorKind::Server(ServerErrorKind::TryAgain) => {}
                ErrorKind::Server(ServerErrorKind::ClusterDown) => self.cluster.request_refresh(),
                ErrorKind::Io => {
                    self.cluster.request_refresh();
                    return Err(error);
                }
                _ => return Err(error),
            }
            last_error = error;
        }
    }

    async fn send_to_last_node(&self, command: &Cmd) -> RedisResult<Value> {
        match &self.last_node {
            Some(node) => node.server.query(command).await,
            None => Err((ErrorKind::Client, "a cluster cannot route a command without a key").into()),
        }
    }
}

/// Sends a command to the node that is importing its slot.
async fn query_asking(server: &Server, command: &Cmd) -> RedisResult<Value> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("ASKING").add_command(command.clone());
    let replies = server.query_pipeline(&pipeline).await?;
    replies.into_iter().last().unwrap_or(Value::Nil).extract_error()
}

impl ConnectionLike for RoutedConnection<'_> {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(self.send(command))
    }

    fn req_packed_commands<'a>(&'a mut self, _: &'a Pipeline, _: usize, _: usize) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async { Err((ErrorKind::Client, "a cluster cannot route a pipeline").into()) })
    }

    fn get_db(&self) -> i64 {
        0
    }
}
