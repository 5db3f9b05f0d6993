//! The way of announcements from Redis: which server is listened to for which room. How one is listened to is in
//! `listener`, what is wished for there in `wishes`. What a room's readers make of announcements is the hub's business.
//!
//! A single Redis has one listener. In a cluster each primary has one, and a room is listened to where its slot is; when the
//! map is drawn anew, wishes move to where their rooms went.

mod listener;
mod subscriptions;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use redis::AsyncConnectionConfig;
use tokio::sync::{broadcast, oneshot};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::critical_tasks::CriticalTasks;
use crate::domain::room::RoomId;
use crate::store::redis::feed::listener::{Listener, Voice};
use crate::store::redis::feed::subscriptions::Wishes;
use crate::store::redis::keys::{EVENTS, Keys};
use crate::store::redis::link::cluster::{Cluster, Doubts, Map};
use crate::store::redis::link::connection::{Commands, Late, Way};
use crate::store::redis::link::primary::Primary;
use crate::store::redis::link::settings::Settings;
use crate::store::redis::link::slots::{Address, slot_of};
use crate::store::{Feed, FeedItem, StoreError};

/// Announcements a feed may lag behind before it must resync.
const BACKLOG: usize = 4096;

/// The announcements of the rooms that are watched here. Ends its tasks when it is dropped.
pub struct Announcements {
    sender: broadcast::Sender<FeedItem>,
    posts: Arc<Posts>,
    timeout: Duration,
    stop: DropGuard,
    tasks: TaskTracker,
}

impl Announcements {
    /// Starts the tasks. Must be called within a runtime.
    pub fn start(settings: &Settings, keys: Keys, commands: &Commands, critical_tasks: CriticalTasks) -> Self {
        let (sender, _) = broadcast::channel(BACKLOG);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let house = House {
            settings: settings.clone(),
            config: settings.single(),
            voice: Arc::new(Voice::new(sender.clone(), keys.clone())),
            keys: keys.clone(),
            doubts: commands.cluster().map(Cluster::doubts),
            tasks: tasks.clone(),
            critical_tasks: critical_tasks.clone(),
            stop: stop.clone(),
        };
        let posts = Arc::new(Posts { keys, state: Mutex::default() });
        match commands.way() {
            Way::Server(server) => {
                let wishes = posts.lock().at(None);
                house.listen(Arc::clone(server.primary()), wishes);
            }
            Way::Cluster(cluster) => {
                let mut map = cluster.map();
                let (posts, stop) = (posts.clone(), stop.clone());
                let follow = async move {
                    loop {
                        let now = map.borrow_and_update().clone();
                        posts.move_to(now, &house);
                        if map.changed().await.is_err() {
                            return;
                        }
                    }
                };
                tasks.spawn(critical_tasks.task(async move {
                    stop.run_until_cancelled(follow).await;
                }));
            }
        }
        Self { sender, posts, timeout: settings.timeout(), stop: stop.drop_guard(), tasks }
    }

    /// A feed from now on.
    pub fn feed(&self) -> Feed {
        Feed::new(&self.sender)
    }

    /// See [`Store::subscribe`](crate::store::Store::subscribe).
    pub fn subscribe(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        let (active, deadline) = (self.posts.add(room), self.timeout);
        Box::pin(async move {
            let Some(active) = active else { return Ok(()) };
            match timeout(deadline, active).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(taken_back)) => Err(StoreError::Unavailable(Box::new(taken_back))),
                Err(_) => Err(StoreError::Unavailable(Box::new(Late(deadline)))),
            }
        })
    }

    /// See [`Store::unsubscribe`](crate::store::Store::unsubscribe).
    pub fn unsubscribe(&self, room: RoomId) {
        self.posts.remove(room);
    }

    /// Ends the tasks and waits until they have ended.
    pub async fn close(&self) {
        self.stop.token().cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What every listener is made with.
struct House {
    settings: Settings,
    config: AsyncConnectionConfig,
    voice: Arc<Voice>,
    keys: Keys,
    doubts: Option<Doubts>,
    tasks: TaskTracker,
    critical_tasks: CriticalTasks,
    stop: CancellationToken,
}

impl House {
    /// Starts a listener. It ends when the answer is dropped or everything ends.
    fn listen(&self, primary: Arc<Primary>, wishes: Arc<Wishes>) -> CancellationToken {
        let listener = Listener::new(
            primary,
            self.config.clone(),
            self.keys.clone(),
            self.voice.clone(),
            wishes,
            self.doubts.clone(),
        );
        let stop = self.stop.child_token();
        let stopped = stop.clone();
        self.tasks.spawn(self.critical_tasks.clone().task(async move {
            stopped.run_until_cancelled(listener.run()).await;
        }));
        stop
    }
}

/// Where each room is listened for.
struct Posts {
    keys: Keys,
    state: Mutex<State>,
}

/// A room is wished for at exactly one post: that of the node that has its slot by the map.
#[derive(Default)]
struct State {
    /// Of a cluster.
    map: Option<Arc<Map>>,
    /// In a cluster nobody listens at the post without an address: there wait the rooms whose slot no node has.
    posts: HashMap<Option<Address>, Arc<Wishes>>,
    listeners: HashMap<Address, DropGuard>,
}

impl State {
    fn at(&mut self, address: Option<Address>) -> Arc<Wishes> {
        self.posts.entry(address).or_default().clone()
    }

    fn of(&mut self, room: RoomId, keys: &Keys) -> Arc<Wishes> {
        let address = self.map.as_ref().and_then(|map| address_of(map, room, keys));
        self.at(address)
    }
}

impl Posts {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn add(&self, room: RoomId) -> Option<oneshot::Receiver<()>> {
        let mut state = self.lock();
        state.of(room, &self.keys).add(room)
    }

    fn remove(&self, room: RoomId) {
        let mut state = self.lock();
        state.of(room, &self.keys).remove(room);
    }

    /// Moves every wish to where its room is by this map, with a listener at each primary and at nobody else.
    fn move_to(&self, map: Arc<Map>, house: &House) {
        let mut state = self.lock();
        let posts: Vec<_> = state.posts.iter().map(|(address, wishes)| (address.clone(), wishes.clone())).collect();
        state.map = Some(map.clone());
        for (address, wishes) in posts {
            let moved = wishes.take(|room| address_of(&map, room, &self.keys) != address);
            for (room, wish) in moved {
                state.of(room, &self.keys).put(room, wish);
            }
        }
        let is_primary = |address: &Address| map.primaries().iter().any(|node| node.address == *address);
        state.posts.retain(|address, _| address.as_ref().is_none_or(is_primary));
        state.listeners.retain(|address, _| is_primary(address));
        for node in map.primaries() {
            if !state.listeners.contains_key(&node.address)
                && let Ok(client) = house.settings.client_at(&node.address)
            {
                let wishes = state.at(Some(node.address.clone()));
                let listener = house.listen(Arc::new(Primary::at(client)), wishes).drop_guard();
                state.listeners.insert(node.address.clone(), listener);
            }
        }
    }
}

fn address_of(map: &Map, room: RoomId, keys: &Keys) -> Option<Address> {
    map.owner(slot_of(keys.of_room(room, EVENTS).as_bytes())).map(|node| node.address.clone())
}
