//! The channels wanted at one server and their state on its connection. Shared by subscribers and the listener that
//! (re-)subscribes them.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

/// The name of a channel.
pub type Channel = Arc<str>;

/// Wanted subscriptions, and which of them are active on the current connection.
#[derive(Default)]
pub struct Subscriptions {
    state: Mutex<State>,
    pub changed: Notify,
}

#[derive(Default)]
struct State {
    wanted: HashMap<Channel, Subscription>,
    /// Channels to subscribe or unsubscribe. Empty while there is no connection: the next one starts with all of them.
    changed: HashSet<Channel>,
    /// The id of the current connection.
    connection: Option<u64>,
    /// Connections so far.
    connections: u64,
}

#[derive(Default)]
pub struct Subscription {
    is_active: bool,
    waiting: Vec<oneshot::Sender<()>>,
    /// Whether a subscriber may have missed messages: the subscription was active before, or a subscriber gave up waiting.
    has_gap: bool,
}

impl Subscription {
    /// Ends an active subscription, which leaves a gap.
    fn deactivate(&mut self) {
        self.has_gap |= mem::take(&mut self.is_active);
    }
}

impl State {
    fn mark_changed(&mut self, channel: &Channel) {
        if self.connection.is_some() {
            self.changed.insert(channel.clone());
        }
    }
}

impl Subscriptions {
    /// Adds a channel. Returns `None` if it is active already, otherwise a receiver that resolves when it is.
    pub fn add(&self, channel: Channel) -> Option<oneshot::Receiver<()>> {
        let mut state = self.state.lock();
        let subscription = state.wanted.entry(channel.clone()).or_default();
        if subscription.is_active {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        subscription.has_gap |= subscription.waiting.iter().any(oneshot::Sender::is_closed);
        subscription.waiting.retain(|waiting| !waiting.is_closed());
        subscription.waiting.push(sender);
        self.notify_changed(state, &[channel]);
        Some(receiver)
    }

    /// Removes a channel.
    pub fn remove(&self, channel: &Channel) {
        let mut state = self.state.lock();
        state.wanted.remove(channel);
        self.notify_changed(state, std::slice::from_ref(channel));
    }

    /// Takes out those channels for which `moves` is true, to be served by another server.
    pub fn extract(&self, moves: impl Fn(&Channel) -> bool) -> Vec<(Channel, Subscription)> {
        let mut state = self.state.lock();
        let extracted: Vec<_> = state.wanted.extract_if(|channel, _| moves(channel)).collect();
        let channels: Vec<_> = extracted.iter().map(|(channel, _)| channel.clone()).collect();
        self.notify_changed(state, &channels);
        extracted
    }

    /// Puts in a subscription that another server served.
    pub fn insert(&self, channel: Channel, mut subscription: Subscription) {
        let mut state = self.state.lock();
        subscription.deactivate();
        state.wanted.insert(channel.clone(), subscription);
        self.notify_changed(state, &[channel]);
    }

    /// An id for a connection that is about to be made.
    pub fn next_connection_id(&self) -> u64 {
        let mut state = self.state.lock();
        state.connections += 1;
        state.connections
    }

    /// Starts with a new connection, on which nothing is subscribed yet.
    pub fn set_connected(&self, connection: u64) {
        let mut state = self.state.lock();
        state.connection = Some(connection);
        state.changed = state.wanted.keys().cloned().collect();
    }

    /// Ends all subscriptions, because the connection is lost.
    pub fn set_disconnected(&self) {
        let mut state = self.state.lock();
        state.connection = None;
        state.changed = HashSet::new();
        state.wanted.values_mut().for_each(Subscription::deactivate);
    }

    /// Takes the changes since the last call: channels to subscribe and channels to unsubscribe; `None` if there are none.
    pub fn take_changes(&self) -> Option<(Vec<Channel>, Vec<Channel>)> {
        let mut state = self.state.lock();
        let changed = mem::take(&mut state.changed);
        (!changed.is_empty()).then(|| changed.into_iter().partition(|channel| state.wanted.contains_key(channel)))
    }

    /// Schedules these channels for another attempt.
    pub fn retry(&self, channels: &[Channel]) {
        let mut state = self.state.lock();
        channels.iter().for_each(|channel| state.mark_changed(channel));
    }

    /// Marks subscriptions as active. Calls `report_gap` with those that have a gap, before a message of any of them is delivered.
    pub fn activate(&self, channels: &[Channel], report_gap: impl FnOnce(Vec<Channel>)) {
        let mut with_gap = Vec::new();
        let mut state = self.state.lock();
        for channel in channels {
            if let Some(subscription) = state.wanted.get_mut(channel) {
                subscription.is_active = true;
                let mut has_gap = mem::take(&mut subscription.has_gap);
                for waiting in subscription.waiting.drain(..) {
                    has_gap |= waiting.send(()).is_err();
                }
                if has_gap {
                    with_gap.push(channel.clone());
                }
            }
        }
        if !with_gap.is_empty() {
            report_gap(with_gap);
        }
    }

    /// Calls `deliver` if the channel is active on this connection.
    ///
    /// A connection that was given up may still deliver messages, and so may a server from which the channel has moved away. Those
    /// messages would come twice and out of order. Worse, one of them may have the number after an event that a failover lost, and
    /// a reader at that position would accept it as the next.
    pub fn deliver(&self, channel: &str, connection: u64, deliver: impl FnOnce()) {
        let state = self.state.lock();
        if state.connection == Some(connection) && state.wanted.get(channel).is_some_and(|it| it.is_active) {
            deliver();
        }
    }

    /// Records that the server has ended a subscription on this connection. Returns whether it was active and wanted.
    pub fn mark_ended(&self, channel: &Channel, connection: u64) -> bool {
        let mut state = self.state.lock();
        if state.connection != Some(connection) {
            return false;
        }
        let Some(subscription) = state.wanted.get_mut(channel).filter(|it| it.is_active) else { return false };
        subscription.deactivate();
        self.notify_changed(state, std::slice::from_ref(channel));
        true
    }

    fn notify_changed(&self, mut state: parking_lot::MutexGuard<'_, State>, channels: &[Channel]) {
        channels.iter().for_each(|channel| state.mark_changed(channel));
        drop(state);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> Channel {
        "channel".into()
    }

    /// Activates the channel; whether that reports a gap.
    fn activate(subscriptions: &Subscriptions, channel: &Channel) -> bool {
        let mut has_gap = false;
        subscriptions.activate(std::slice::from_ref(channel), |channels| has_gap = channels == [channel.clone()]);
        has_gap
    }

    #[test]
    fn subscriber_that_gave_up_waiting_causes_a_gap_even_if_others_wait() {
        let (subscriptions, channel) = (Subscriptions::default(), channel());
        drop(subscriptions.add(channel.clone()));
        let mut patient = subscriptions.add(channel.clone()).expect("not active yet");
        assert!(activate(&subscriptions, &channel));
        assert_eq!(patient.try_recv(), Ok(()));
        assert!(subscriptions.add(channel.clone()).is_none(), "active, so there is nothing to wait for");
        assert!(!activate(&subscriptions, &channel), "a gap is reported once");
    }

    #[test]
    fn channel_that_is_removed_and_added_again_is_subscribed_again() {
        let (subscriptions, channel) = (Subscriptions::default(), channel());
        let first = subscriptions.add(channel.clone());
        subscriptions.set_connected(1);
        assert_eq!(subscriptions.take_changes(), Some((vec![channel.clone()], vec![])));
        subscriptions.remove(&channel);
        assert_eq!(subscriptions.take_changes(), Some((vec![], vec![channel.clone()])));
        assert!(!activate(&subscriptions, &channel), "nobody wants it");
        let _again = subscriptions.add(channel.clone());
        assert_eq!(subscriptions.take_changes(), Some((vec![channel], vec![])));
        assert_eq!(subscriptions.take_changes(), None);
        drop(first);
    }

    #[test]
    fn nothing_accumulates_while_there_is_no_connection() {
        let subscriptions = Subscriptions::default();
        for n in 0..100 {
            let channel = Channel::from(n.to_string());
            drop(subscriptions.add(channel.clone()));
            subscriptions.remove(&channel);
        }
        let state = subscriptions.state.lock();
        assert!(state.wanted.is_empty() && state.changed.is_empty());
    }

    #[test]
    fn active_subscription_that_moves_to_another_server_has_a_gap_there() {
        let (old, new, channel) = (Subscriptions::default(), Subscriptions::default(), channel());
        let _waiting = old.add(channel.clone());
        old.set_connected(1);
        assert!(!activate(&old, &channel), "nothing was missed yet");
        for (channel, subscription) in old.extract(|_| true) {
            new.insert(channel, subscription);
        }
        old.deliver(&channel, 1, || panic!("a message of the old server was delivered"));
        assert_eq!(old.take_changes(), Some((vec![], vec![channel.clone()])), "the old server is unsubscribed");
        assert!(activate(&new, &channel));
    }

    #[test]
    fn subscription_that_the_server_ends_is_made_again_with_a_gap() {
        let (subscriptions, channel) = (Subscriptions::default(), channel());
        let _waiting = subscriptions.add(channel.clone());
        subscriptions.set_connected(1);
        assert!(subscriptions.take_changes().is_some());
        assert!(!subscriptions.mark_ended(&channel, 1), "not active yet: this answers an earlier command");
        assert!(!activate(&subscriptions, &channel));
        assert!(!subscriptions.mark_ended(&channel, 2), "another connection");
        assert!(subscriptions.mark_ended(&channel, 1));
        assert_eq!(subscriptions.take_changes(), Some((vec![channel.clone()], vec![])));
        assert!(activate(&subscriptions, &channel));
    }
}
