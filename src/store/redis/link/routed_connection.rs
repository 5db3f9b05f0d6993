//! Routes one command, or one script, to the node of a cluster that owns its keys, and follows redirects.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::{Instant, sleep};

use crate::store::redis::link::batching::Server;
use crate::store::redis::link::cluster::Cluster;
use crate::store::redis::link::script::ScriptCall;
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

    /// Runs a script; loads it first if the node does not know it.
    pub async fn run_script(&mut self, call: &ScriptCall<'_>) -> RedisResult<Value> {
        let reply = self.query(&call.command).await;
        let load = reply.as_ref().err().and_then(|error| call.load_after(error));
        let (Some(load), Some(node)) = (load, &self.last_node) else { return reply };
        node.server.query(&load).await?;
        self.query(&call.command).await
    }

    /// Sends a command to the owner of its slot, and again if a node reports that it did not run it.
    pub async fn query(&mut self, command: &Cmd) -> RedisResult<Value> {
        let Some(slot) = slot_of_command(command) else {
            return Err((ErrorKind::Client, "a cluster cannot route a command without a key").into());
        };
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

    /// Runs commands on keys of one slot, in this order: together, or one by one if the slot has moved or is just moving.
    pub async fn query_all(&mut self, commands: Vec<Cmd>) -> RedisResult<Vec<Value>> {
        if let Some(node) = commands.first().and_then(slot_of_command).and_then(|slot| self.cluster.owner(slot)) {
            match node.server.query_all(commands.clone()).await {
                Err(error) if is_not_run(&error) => {}
                result => {
                    result.as_ref().err().into_iter().for_each(|error| self.request_refresh_after(error));
                    return result;
                }
            }
        }
        let mut replies = Vec::with_capacity(commands.len());
        for command in &commands {
            replies.push(self.query(command).await?);
        }
        Ok(replies)
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
    let mut replies = server.query_all(vec![redis::cmd("ASKING"), command.clone()]).await?;
    Ok(replies.pop().unwrap_or(Value::Nil))
}
