//! Routes one command, or one script, to the node of a cluster that owns its keys, and follows redirects.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value};
use tokio::time::{Instant, sleep};

use crate::store::redis::link::batching::Server;
use crate::store::redis::link::cluster::Cluster;
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

    /// Sends a command to the owner of its slot, and again if a node reports that it did not run it.
    async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        let Some(slot) = slot_of_command(command) else { return self.send_to_last_node(command).await };
        // While a slot migrates, the cluster answers most of its commands with TRYAGAIN. Give up early enough to report that error
        // before the caller's deadline.
        let give_up = Instant::now() + self.cluster.timeout().mul_f64(0.9);
        let (mut redirect, mut redirects, mut pause) = (None, 0, MIN_RETRY_PAUSE);
        loop {
            let target = redirect.take().or_else(|| Some(Target { node: self.cluster.owner(slot)?, is_ask: false }));
            let error = match target {
                None => (ErrorKind::Server(ServerErrorKind::ClusterDown), "no node has the slot").into(),
                Some(target) => match self.send_to(&target, command).await {
                    Ok(value) => return Ok(value),
                    Err(error) => {
                        self.request_refresh_after(&error);
                        redirect = self.redirect_target(&error, &target.node);
                        error
                    }
                },
            };
            if !is_not_run(&error) || Instant::now() + pause > give_up {
                return Err(error);
            }
            redirects += u32::from(redirect.is_some());
            // One redirect is usual. More mean that the nodes do not agree yet.
            if redirect.is_none() || redirects > 1 {
                sleep(pause).await;
                pause = (pause * 2).min(MAX_RETRY_PAUSE);
            }
        }
    }

    async fn send_to(&mut self, target: &Target, command: &Cmd) -> RedisResult<Value> {
        let server = &target.node.server;
        self.last_node = Some(target.node.clone());
        if target.is_ask { query_asking(server, command).await } else { server.query(command).await }
    }

    /// The node that a redirect from `source` names.
    fn redirect_target(&self, error: &RedisError, source: &Node) -> Option<Target> {
        let address = Address::parse_redirect(error.redirect_node()?.0, &source.address)?;
        let is_ask = matches!(error.kind(), ErrorKind::Server(ServerErrorKind::Ask));
        Some(Target { node: self.cluster.node_at(&address).ok()?, is_ask })
    }

    /// Asks for a refresh of the topology if the error hints at a change.
    fn request_refresh_after(&self, error: &RedisError) {
        use ServerErrorKind::{ClusterDown, Moved};
        if matches!(error.kind(), ErrorKind::Io | ErrorKind::Server(Moved | ClusterDown)) {
            self.cluster.request_refresh();
        }
    }

    async fn send_to_last_node(&self, command: &Cmd) -> RedisResult<Value> {
        match &self.last_node {
            Some(node) => node.server.query(command).await,
            None => Err((ErrorKind::Client, "a cluster cannot route a command without a key").into()),
        }
    }
}

/// Where to send a command next.
struct Target {
    node: Arc<Node>,
    /// Whether the node is still importing the slot.
    is_ask: bool,
}

/// Whether the node reports that it did not run the command, so that it may be sent again.
fn is_not_run(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, ClusterDown, Moved, TryAgain};
    matches!(error.kind(), ErrorKind::Server(Moved | Ask | TryAgain | ClusterDown))
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
