//! Negative controls: stores that break the contract, and the cases that must fail on them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use livechat::domain::room::RoomId;
use livechat::store::Store;

use super::CASES;
use super::faulty::{Fault, FaultyStore};
use super::fixture::{Embedded, Fixture};

/// A faulty store around a correct one.
pub struct Broken {
    store: Arc<FaultyStore>,
    fault: Fault,
    inner: Embedded,
}

impl Broken {
    pub async fn with(fault: Fault) -> Self {
        let inner = Embedded::fresh().await;
        Self { store: FaultyStore::new(inner.store(), fault), fault, inner }
    }
}

#[async_trait]
impl Fixture for Broken {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn cut_feeds(&self) {
        self.store.cut();
    }

    async fn has_traces(&self, room: RoomId, words: &str) -> bool {
        self.inner.has_traces(room, words).await
    }

    async fn reopen_after_kill(&self) -> Arc<dyn Store> {
        FaultyStore::new(self.inner.reopen_after_kill().await, self.fault)
    }

    /// Shorter, because a broken store never does what the case waits for.
    fn timeout(&self) -> Duration {
        if self.fault == Fault::None { self.inner.timeout() } else { Duration::from_secs(3) }
    }
}

/// Ensures that the named case fails on a store with `fault` and passes without it.
async fn ensure_caught(name: &str, fault: Fault) {
    let (_, case) = CASES.iter().find(|(case, _)| *case == name).unwrap_or_else(|| panic!("there is no case {name}"));
    if let Err(breach) = case(&Broken::with(Fault::None).await).await {
        panic!("{name} fails without any fault: {breach}");
    }
    assert!(case(&Broken::with(fault).await).await.is_err(), "{name} passes on a store with {fault:?}");
}

macro_rules! controls {
    ($($control:ident: $fault:expr, [$($case:ident),+];)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $control() {
            tokio::join!($(ensure_caught(stringify!($case), $fault)),+);
        })*
    };
}

controls! {
    a_store_that_ignores_lag_is_caught: Fault::IgnoresLag, [contract_7_a_slow_subscriber_misses_nothing];
    a_store_that_ignores_expiry_is_caught: Fault::IgnoresExpiry, [
        contract_4_an_expired_room_is_not_found,
        contract_4_an_expired_room_is_neither_listed_nor_counted,
        contract_4_an_expired_room_accepts_no_change,
        contract_4_a_reused_id_shows_nothing_of_the_expired_room
    ];
    a_store_whose_side_keys_outlive_their_room_is_caught: Fault::SideKeysOutliveRoom, [contract_4_an_expired_room_is_not_found];
    a_store_that_never_resyncs_is_caught: Fault::NoResync, [
        contract_7_a_feed_that_lost_events_yields_a_resync,
        contract_7_a_feed_continues_after_a_cut,
        contract_7_a_subscriber_misses_nothing_over_a_cut
    ];
    a_store_that_does_not_count_failures_is_caught: Fault::FailuresNotCounted, [
        contract_11_no_more_failures_are_counted_than_the_policy_allows,
        contract_11_each_further_failure_doubles_the_lockout
    ];
    a_store_that_forgets_an_authenticated_user_is_caught: Fault::ForgetsAuthenticatedUsers, [
        contract_12_forget_new_user_keeps_a_user_that_was_authenticated_again,
        contract_12_one_refused_first_send_does_not_undo_a_concurrent_one
    ];
    a_store_that_stops_with_its_caller_is_caught: Fault::StopsWithCaller, [
        contract_13_an_abandoned_refused_send_leaves_its_author_unknown,
        contract_13_an_abandoned_send_stores_message_and_author_or_neither
    ];
    a_store_that_checks_limits_before_the_commit_is_caught: Fault::LimitsNotAtomic, [
        contract_14_a_full_log_accepts_only_deletions,
        contract_14_the_edit_limit_holds,
        contract_14_each_message_reserves_an_entry_for_its_deletion,
        contract_14_the_edit_limit_holds_under_contention
    ];
    a_store_that_checks_bans_before_the_commit_is_caught: Fault::BansNotAtomic, [
        contract_15_a_ban_holds_for_exactly_the_later_changes
    ];
    a_store_that_forbids_repeats_is_caught: Fault::RepeatsObeyBans, [contract_15_a_repeat_is_recognized_before_any_rule];
    a_store_that_bans_no_addresses_is_caught: Fault::AddressesNotBanned, [
        contract_16_a_ban_of_an_unsigned_user_covers_its_address,
        contract_16_an_expired_or_replaced_ban_forbids_nothing
    ];
    a_store_that_renews_addresses_with_messages_only_is_caught: Fault::AddressesNotRenewed, [
        contract_16_edits_and_reactions_renew_the_address
    ];
    a_store_that_ignores_where_a_member_is_now_is_caught: Fault::PresentAddressIgnored, [
        contract_16_a_member_is_banned_where_it_is_now
    ];
    a_store_that_checks_slow_mode_before_the_commit_is_caught: Fault::SlowModeNotAtomic, [
        contract_17_parallel_messages_keep_their_distance
    ];
    a_store_that_ignores_messages_before_slow_mode_is_caught: Fault::EarlierMessagesIgnored, [
        contract_17_earlier_messages_count_when_the_setting_is_raised
    ];
    a_store_that_loses_gathered_reactions_is_caught: Fault::GatheredReactionsLost, [
        contract_18_gathered_reactions_end_in_one_entry,
        contract_18_gathered_reactions_survive_a_kill
    ];
    a_store_that_counts_reactions_twice_is_caught: Fault::ReactionsCountedTwice, [
        contract_18_concurrent_reactions_are_each_counted_once,
        contract_18_a_reaction_without_effect_changes_nothing
    ];
    a_store_that_keeps_parts_of_an_ended_room_is_caught: Fault::EndedRoomRemains, [
        contract_19_an_ended_room_is_absent_everywhere_at_once,
        contract_19_nothing_of_an_ended_room_remains
    ];
    a_store_that_lists_unlisted_rooms_is_caught: Fault::UnlistedRoomsListed, [
        contract_19_an_unlisted_room_is_only_missing_from_the_list
    ];
    a_store_that_loses_typing_is_caught: Fault::TypingLost, [contract_20_typing_reaches_the_feeds_of_all_nodes];
    a_store_whose_commits_share_a_seq_is_caught: Fault::SharedSeq, [
        contract_2_seq_is_contiguous_under_contention,
        contract_2_feed_events_are_in_order_and_equal_the_log
    ];
}
