//! Pub/sub: subscribes to channels wherever they are served, and reports gaps. The connection to one server is in `listener`,
//! the channels wanted there are in `subscriptions`.
//!
//! A single Redis has one listener. In a cluster each primary has one, and a channel is subscribed at the owner of its slot. When
//! the topology changes, subscriptions move with their slots.

mod listener;
mod subscriptions;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use redis::AsyncConnectionConfig;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::critical_tasks::CriticalTasks;
use crate::store::redis::link::cluster::Cluster;
use crate::store::redis::link::commands::{Backend, CommandClient};
use crate::store::redis::link::primary::Primary;
use crate::store::redis::link::pubsub::listener::Listener;
pub use crate::store::redis::link::pubsub::listener::{Handler, PubSubEvent};
use crate::store::redis::link::pubsub::subscriptions::{Channel, Subscriptions};
use crate::store::redis::link::settings::Settings;
use crate::store::redis::link::slots::Address;
use crate::store::redis::link::topology::Topology;

/// The subscriptions of this process. Dropping it ends its tasks.
pub struct PubSub {
    router: Arc<Mutex<SubscriptionRouter>>,
    stop: DropGuard,
    tasks: TaskTracker,
}

impl PubSub {
    /// Starts the tasks. Must be called within a runtime.
    pub fn start(
        settings: &Settings,
        commands: &CommandClient,
        critical_tasks: CriticalTasks,
        handler: Handler,
    ) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let context = ListenerContext {
            settings: settings.clone(),
            config: settings.connection_config(),
            handler,
            refresh_requested: commands.cluster().map(Cluster::refresh_requested),
            tasks: tasks.clone(),
            critical_tasks: critical_tasks.clone(),
            stop: stop.clone(),
        };
        let router = Arc::<Mutex<SubscriptionRouter>>::default();
        match commands.backend() {
            Backend::Server(server) => {
                let subscriptions = router.lock().subscriptions_at(None);
                context.start_listener(Arc::clone(server.primary()), subscriptions);
            }
            Backend::Cluster(cluster) => {
                let mut topology = cluster.watch_topology();
                let (router, stop) = (router.clone(), stop.clone());
                let follow_topology = async move {
                    loop {
                        let current = topology.borrow_and_update().clone();
                        router.lock().apply(current, &context);
                        if topology.changed().await.is_err() {
                            return;
                        }
                    }
                };
                tasks.spawn(critical_tasks.task(async move {
                    stop.run_until_cancelled(follow_topology).await;
                }));
            }
        }
        Self { router, stop: stop.drop_guard(), tasks }
    }

    /// Subscribes to a channel. Returns `None` if it is active already, otherwise a receiver that resolves when it is.
    pub fn subscribe(&self, channel: &str) -> Option<oneshot::Receiver<()>> {
        self.router.lock().subscriptions_for(channel).add(channel.into())
    }

    /// Unsubscribes from a channel, however often it was subscribed.
    pub fn unsubscribe(&self, channel: &str) {
        self.router.lock().subscriptions_for(channel).remove(&channel.into());
    }

    /// Ends the tasks and waits for them.
    pub async fn close(&self) {
        self.stop.token().cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What every listener needs.
struct ListenerContext {
    settings: Settings,
    config: AsyncConnectionConfig,
    handler: Handler,
    refresh_requested: Option<Arc<Notify>>,
    tasks: TaskTracker,
    critical_tasks: CriticalTasks,
    stop: CancellationToken,
}

impl ListenerContext {
    /// Starts a listener. It ends when the returned token is canceled, or with all others.
    fn start_listener(&self, primary: Arc<Primary>, subscriptions: Arc<Subscriptions>) -> CancellationToken {
        let (config, handler) = (self.config.clone(), self.handler.clone());
        let listener = Listener::new(primary, config, handler, subscriptions, self.refresh_requested.clone());
        let stop = self.stop.child_token();
        let stopped = stop.clone();
        self.tasks.spawn(self.critical_tasks.clone().task(async move {
            stopped.run_until_cancelled(listener.run()).await;
        }));
        stop
    }
}

/// Routes each subscription to the server of its channel: in a cluster, the owner of its slot in the topology.
#[derive(Default)]
struct SubscriptionRouter {
    /// Of a cluster.
    topology: Option<Arc<Topology>>,
    /// A single Redis has the key `None`. In a cluster that key holds the channels whose slot no node owns, without a listener.
    by_server: HashMap<Option<Address>, Arc<Subscriptions>>,
    listeners: HashMap<Address, DropGuard>,
}

impl SubscriptionRouter {
    fn subscriptions_at(&mut self, server: Option<Address>) -> Arc<Subscriptions> {
        self.by_server.entry(server).or_default().clone()
    }

    fn subscriptions_for(&mut self, channel: &str) -> Arc<Subscriptions> {
        let server = self.topology.as_ref().and_then(|topology| topology.address_of(channel)).cloned();
        self.subscriptions_at(server)
    }

    /// Moves every subscription to the owner of its slot, and runs a listener at each primary and at no other node.
    fn apply(&mut self, topology: Arc<Topology>, context: &ListenerContext) {
        let by_server: Vec<_> = self.by_server.iter().map(|(server, it)| (server.clone(), it.clone())).collect();
        self.topology = Some(topology.clone());
        for (server, subscriptions) in by_server {
            let has_moved = |channel: &Channel| topology.address_of(channel) != server.as_ref();
            for (channel, subscription) in subscriptions.extract(has_moved) {
                self.subscriptions_for(&channel).insert(channel, subscription);
            }
        }
        let is_primary = |server: &Address| topology.primaries.iter().any(|node| node.address == *server);
        self.by_server.retain(|server, _| server.as_ref().is_none_or(is_primary));
        self.listeners.retain(|server, _| is_primary(server));
        for node in &topology.primaries {
            if !self.listeners.contains_key(&node.address)
                && let Ok(client) = context.settings.client_at(&node.address)
            {
                let subscriptions = self.subscriptions_at(Some(node.address.clone()));
                let listener = context.start_listener(Arc::new(Primary::fixed(client)), subscriptions).drop_guard();
                self.listeners.insert(node.address.clone(), listener);
            }
        }
    }
}
