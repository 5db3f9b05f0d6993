//! Two nodes that report to each other: every reader gets the truth in the end, and nobody flickers.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Reader, id, user};
use crate::domain::presence::PRESENCE_LINGER;
use crate::domain::user::Role;
use crate::hub::presence::local_users::HANDOVER;
use crate::hub::presence::state::{CHANGES_INTERVAL, State};
use crate::store::PresentUsers;

const NAMES: [&str; 4] = ["ada", "bob", "cyd", "dan"];

#[derive(Clone, Debug)]
enum Step {
    Join { node: usize, name: usize },
    Leave { node: usize, name: usize },
    Ban(usize),
    Unban(usize),
    Prove { name: usize },
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (node, name) = (0..2_usize, 0..NAMES.len());
    prop_oneof![
        4 => (node.clone(), name.clone()).prop_map(|(node, name)| Step::Join { node, name }),
        4 => (node, name.clone()).prop_map(|(node, name)| Step::Leave { node, name }),
        1 => name.clone().prop_map(Step::Ban),
        1 => name.clone().prop_map(Step::Unban),
        1 => name.prop_map(|name| Step::Prove { name }),
        4 => (1..6_000_u64).prop_map(Step::Pass),
    ]
}

/// What is true of a user: its subscriptions on each node, and when it left there.
#[derive(Clone, Copy, Default)]
struct Truth {
    subscriptions: [u32; 2],
    lingers_until: [Option<Instant>; 2],
    is_banned: bool,
}

impl Truth {
    /// With a `margin`, a user that lingers is present for so much less: no longer than it was promised.
    fn is_present(&self, now: Instant, margin: Duration) -> bool {
        let lingers = self.lingers_until.iter().flatten().any(|until| *until > now + margin);
        !self.is_banned && (lingers || self.subscriptions.iter().any(|count| *count > 0))
    }
}

/// Two nodes that report to each other once a second.
struct Nodes {
    states: [State; 2],
    readers: [Reader; 2],
    truth: [Truth; NAMES.len()],
    /// When each user was last absent, and last present.
    last_absent: [Instant; NAMES.len()],
    last_present: [Option<Instant>; NAMES.len()],
    last_change: [Option<Instant>; 2],
    now: Instant,
}

/// A change reaches all readers within this time: it waits for a report, a read and a change.
const DELAY: Duration = Duration::from_secs(4);

impl Nodes {
    fn new() -> Self {
        let now = Instant::now();
        let mut states = [State::new(0, false), State::new(0, false)];
        let readers = states.each_mut().map(|state| {
            state.advance(now);
            Reader::open(state)
        });
        let (truth, last_present, last_change) = Default::default();
        Self { states, readers, truth, last_absent: [now; NAMES.len()], last_present, last_change, now }
    }

    fn apply(&mut self, step: &Step) {
        let now = self.now;
        match *step {
            // Chat refuses banned users.
            Step::Join { node, name } if !self.truth[name].is_banned => {
                self.truth[name].subscriptions[node] += 1;
                self.truth[name].lingers_until[node] = None;
                self.states[node].join(user(NAMES[name]), None);
            }
            Step::Leave { node, name } if self.truth[name].subscriptions[node] > 0 => {
                let truth = &mut self.truth[name];
                truth.subscriptions[node] -= 1;
                if truth.subscriptions[node] == 0 && !truth.is_banned {
                    truth.lingers_until[node] = Some(now + PRESENCE_LINGER + HANDOVER);
                }
                self.states[node].local.leave(&id(NAMES[name]), now);
            }
            Step::Ban(name) => {
                self.truth[name].is_banned = true;
                self.truth[name].lingers_until = [None; 2];
                let until = now + Duration::from_secs(1_000_000);
                self.states.iter_mut().for_each(|state| state.record_ban(&id(NAMES[name]), until, now));
            }
            Step::Unban(name) => {
                self.truth[name].is_banned = false;
                self.states.iter_mut().for_each(|state| state.record_unban(&id(NAMES[name])));
            }
            Step::Prove { name } => {
                let user = user(NAMES[name]).user;
                for state in &mut self.states {
                    let _ = state.record_message(&user, Role::Owner);
                }
            }
            Step::Pass(millis) => {
                let end = now + Duration::from_millis(millis);
                while self.now < end {
                    self.now = end.min(self.now + Duration::from_secs(1));
                    self.exchange();
                }
            }
            Step::Join { .. } | Step::Leave { .. } => {}
        }
        self.check();
    }

    fn exchange(&mut self) {
        for state in &mut self.states {
            let _ = state.advance(self.now);
        }
        let shown = self.states.each_ref().map(|state| state.local.shown().cloned().collect::<Vec<_>>());
        for (state, elsewhere) in self.states.iter_mut().zip([shown[1].clone(), shown[0].clone()]) {
            let total = elsewhere.len() as u64;
            state.record_elsewhere(PresentUsers { users: elsewhere, total }, 0);
        }
        self.check();
    }

    fn check(&mut self) {
        let now = self.now;
        for (name, truth) in self.truth.iter().enumerate() {
            if truth.is_present(now, Duration::ZERO) {
                self.last_present[name] = Some(now);
            }
            if !truth.is_present(now, HANDOVER) {
                self.last_absent[name] = now;
            }
        }
        for node in 0..2 {
            self.states[node].advance(now);
            let changes = self.readers[node].read(&mut self.states[node]);
            if changes > 0 {
                let earlier = self.last_change[node].replace(now);
                assert!(earlier.is_none_or(|earlier| now - earlier >= CHANGES_INTERVAL) && changes == 1);
            }
            for (name, text) in NAMES.iter().enumerate() {
                if self.readers[node].left.contains(&id(text)) {
                    assert!(now - self.last_absent[name] <= 2 * DELAY, "{text} flickers");
                }
                if self.readers[node].joined.contains(&id(text)) {
                    assert!(self.last_present[name].is_some_and(|at| now - at <= DELAY), "{text} is not there");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn every_reader_gets_the_truth_and_nobody_flickers(steps in proptest::collection::vec(step(), 1..60)) {
        let mut nodes = Nodes::new();
        steps.iter().for_each(|step| nodes.apply(step));
        nodes.apply(&Step::Pass((PRESENCE_LINGER + HANDOVER + DELAY).as_millis() as u64));
        let present: Vec<_> = NAMES.iter().zip(&nodes.truth).filter(|(_, truth)| truth.is_present(nodes.now, Duration::ZERO)).collect();
        let present: Vec<_> = present.into_iter().map(|(name, _)| *name).collect();
        for reader in &nodes.readers {
            prop_assert_eq!(reader.names(), present.clone());
            prop_assert_eq!(reader.user_count, present.len() as u64);
        }
        prop_assert_eq!(&nodes.readers[0].users, &nodes.readers[1].users);
    }
}
