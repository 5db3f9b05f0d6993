//! The negative controls: stores that break the contract, and the cases that must catch them. A case that passes on
//! these proves nothing on any other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use livechat::store::Store;

use super::CASES;
use super::faulty::{Fault, FaultyStore};
use super::fixture::{Embedded, Fixture};

/// A faulty store around a correct one.
pub struct Broken {
    store: Arc<FaultyStore>,
    fault: Fault,
    within: Embedded,
}

impl Broken {
    pub async fn by(fault: Fault) -> Self {
        let within = Embedded::fresh().await;
        Self { store: FaultyStore::around(within.store(), fault), fault, within }
    }
}

#[async_trait]
impl Fixture for Broken {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn second_handle(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn has_other_nodes(&self) -> bool {
        false
    }

    async fn cut_feeds(&self) {
        self.store.cut();
    }

    async fn after_a_kill(&self) -> Arc<dyn Store> {
        FaultyStore::around(self.within.after_a_kill().await, self.fault)
    }

    /// What a broken store never does need not be waited for at length.
    fn patience(&self) -> Duration {
        if self.fault == Fault::None { self.within.patience() } else { Duration::from_secs(3) }
    }
}

/// That the named case finds `fault`, and finds nothing in the same store without it.
async fn catches(name: &str, fault: Fault) {
    let (_, case) = CASES.iter().find(|(case, _)| *case == name).unwrap_or_else(|| panic!("there is no case {name}"));
    if let Err(breach) = case(&Broken::by(Fault::None).await).await {
        panic!("{name} fails without any fault: {breach}");
    }
    assert!(case(&Broken::by(fault).await).await.is_err(), "{name} passes on a store with {fault:?}");
}

macro_rules! controls {
    ($($control:ident: $fault:expr, [$($case:ident),+];)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $control() {
            tokio::join!($(catches(stringify!($case), $fault)),+);
        })*
    };
}

controls! {
    a_store_that_ignores_lag_is_caught: Fault::LagIgnored, [contract_7_a_slow_reader_misses_nothing];
    a_store_that_ignores_expiry_is_caught: Fault::ExpiryIgnored, [
        contract_4_an_ended_room_is_in_no_answer,
        contract_4_an_ended_room_is_not_listed_nor_counted,
        contract_4_an_ended_room_takes_no_change,
        contract_4_nothing_of_an_ended_room_is_found_under_its_id_again
    ];
    a_store_whose_side_keys_stay_is_caught: Fault::SideKeysStay, [contract_4_an_ended_room_is_in_no_answer];
    a_store_that_never_says_resync_is_caught: Fault::NoResync, [
        contract_7_a_feed_that_lost_something_says_so,
        contract_7_a_feed_goes_on_after_a_cut,
        contract_7_a_reader_misses_nothing_over_a_cut
    ];
    a_store_that_ignores_failures_is_caught: Fault::FailuresIgnored, [
        contract_11_no_more_failures_are_counted_than_the_policy_allows,
        contract_11_each_further_failure_doubles_the_lockout
    ];
    a_store_that_withdraws_a_user_who_was_admitted_again_is_caught: Fault::OthersWithdrawn, [
        contract_12_withdraw_leaves_a_user_who_was_admitted_again,
        contract_12_of_two_first_sends_at_once_the_refusal_of_one_does_not_undo_the_other
    ];
    a_store_that_stops_half_way_is_caught: Fault::StopsHalfWay, [
        contract_13_an_abandoned_send_that_is_refused_leaves_its_author_unknown,
        contract_13_an_abandoned_send_is_sent_and_its_author_known_or_neither
    ];
    a_store_that_does_not_decide_limits_in_the_step_is_caught: Fault::LimitsNotAtomic, [
        contract_14_a_log_that_is_full_takes_deletions_and_nothing_else,
        contract_14_a_message_takes_so_many_edits,
        contract_14_each_message_keeps_an_entry_for_its_deletion_under_contention,
        contract_14_edits_of_one_message_are_counted_under_contention
    ];
    a_store_whose_commits_share_a_seq_is_caught: Fault::SharedSeq, [
        contract_2_seq_is_contiguous_under_contention,
        contract_2_announcements_come_in_order_and_equal_the_log
    ];
}
