//! The conformance suite: the contract of `livechat::store::Store`, clause by clause, over every store.
//!
//! A case is a function that takes a [`Fixture`](fixture::Fixture) and fails with the promise that the store breaks. The list
//! [`every_case`] generates the tests of each store, so no store can omit a case. The negative controls in [`broken`] use the
//! same list.

mod abandoned;
mod active_rooms;
mod bans;
pub mod broken;
mod commit;
mod ended;
mod errors;
mod expiry;
pub mod faulty;
mod feed;
pub mod fixture;
mod kill;
pub mod kit;
mod limits;
mod lockouts;
mod log;
mod presence;
mod reactions;
mod repeat;
mod round_trips;
mod rules;
mod sends;
mod seq;
mod slow_mode;
mod snapshot;
mod users;
mod viewers;

use futures_util::future::BoxFuture;

use crate::store::hub;
use fixture::Fixture;
use kit::Outcome;

/// A case: checks one promise on one store.
type Case = for<'a> fn(&'a dyn Fixture) -> BoxFuture<'a, Outcome>;

/// Passes the list of all cases to the macro `$then`, after its own arguments.
macro_rules! every_case {
    ($then:ident!($($given:tt)*)) => {
        $then! { $($given)*
            commit {
                contract_1_a_send_is_visible_everywhere_at_once,
                contract_1_an_edit_is_visible_everywhere_at_once,
                contract_1_a_deletion_is_visible_everywhere_at_once,
                contract_1_a_send_to_a_missing_room_leaves_no_trace,
                contract_1_a_change_of_a_missing_message_leaves_no_trace,
                contract_1_a_stale_edit_leaves_no_trace,
                contract_1_a_stale_delete_leaves_no_trace,
                contract_1_a_send_to_a_full_room_leaves_no_trace,
                contract_1_a_full_room_still_accepts_edits_and_deletions,
                contract_1_a_deleted_message_still_counts_towards_the_limit,
                contract_1_the_message_limit_holds_under_contention,
                contract_1_one_of_many_concurrent_edits_wins,
                contract_1_tags_are_stored_bit_for_bit,
                contract_1_a_reply_keeps_its_target,
                contract_1_an_owner_may_delete,
            }
            seq {
                contract_2_seq_counts_from_one_in_each_room,
                contract_2_seq_is_contiguous_under_contention,
                contract_2_feed_events_are_in_order_and_equal_the_log,
                contract_2_indexes_are_contiguous_under_contention,
            }
            limits {
                contract_14_a_full_log_accepts_only_deletions,
                contract_14_the_edit_limit_holds,
                contract_14_each_message_reserves_an_entry_for_its_deletion,
                contract_14_the_edit_limit_holds_under_contention,
                contract_14_a_repeat_is_recognized_in_a_full_log,
            }
            repeat {
                contract_3_a_repeat_returns_the_first_result_and_writes_nothing,
                contract_3_a_repeat_returns_the_message_in_its_current_state,
                contract_3_a_repeat_of_a_deleted_message_has_no_text,
                contract_3_another_user_or_room_or_id_is_not_a_repeat,
                contract_3_similar_ids_are_not_repeats,
                contract_3_sends_without_an_id_are_never_repeats,
                contract_3_a_repeat_is_recognized_in_a_full_room,
                contract_3_concurrent_repeats_create_one_message,
            }
            expiry {
                contract_4_an_expired_room_is_not_found,
                contract_4_an_expired_room_is_neither_listed_nor_counted,
                contract_4_an_expired_room_accepts_no_change,
                contract_4_a_reused_id_shows_nothing_of_the_expired_room,
                contract_4_a_room_is_never_visible_from_its_expiry_on,
                contract_4_a_user_outlives_its_rooms,
                contract_4_an_expired_user_is_unknown,
                contract_4_an_admission_can_extend_a_users_lifetime_but_not_shorten_it,
            }
            log {
                contract_5_pages_of_the_log_have_no_gaps_or_duplicates,
                contract_5_a_page_respects_its_limit,
                contract_5_an_empty_log_can_be_read_from_its_start,
                contract_5_a_foreign_position_is_refused,
                contract_5_a_position_of_another_room_is_refused,
                contract_5_positions_beyond_any_log_are_refused,
                contract_5_a_replay_returns_each_message_in_its_current_state,
                contract_5_deleted_text_is_never_returned,
            }
            snapshot {
                contract_6_a_snapshot_is_one_instant,
                contract_6_a_window_filters_the_messages,
                contract_6_a_window_filters_the_users,
                contract_6_without_a_window_there_are_no_messages,
                contract_6_users_are_distinct_and_ordered_by_their_first_message,
                contract_6_users_are_counted_correctly_under_contention,
            }
            active_rooms {
                contract_6_a_new_room_has_the_requested_id_code_and_lifetime,
                contract_6_a_taken_id_is_refused_and_its_room_unchanged,
                contract_6_active_rooms_come_newest_first,
                contract_6_pages_of_active_rooms_have_no_gaps_or_duplicates,
                contract_6_active_rooms_can_be_read_from_any_position,
                contract_6_a_listed_room_equals_its_snapshot,
            }
            feed {
                contract_7_a_feed_delivers_the_events_of_a_subscribed_room,
                contract_7_every_feed_gets_every_event,
                contract_7_a_room_can_be_subscribed_again,
                contract_7_a_feed_that_lost_events_yields_a_resync,
                contract_7_a_feed_continues_after_a_cut,
                contract_7_a_slow_subscriber_misses_nothing,
                contract_7_a_subscriber_misses_nothing_over_a_cut,
            }
            kill {
                contract_8_acknowledged_writes_survive_a_kill,
                contract_8_a_room_continues_after_a_kill,
            }
            errors {
                contract_9_a_missing_room_is_not_found,
                contract_9_a_missing_message_is_not_found,
                contract_9_a_stale_revision_is_a_conflict,
                contract_9_a_send_to_a_full_room_is_refused_as_full,
                contract_9_a_working_store_answers_a_ping,
            }
            viewers {
                contract_10_own_viewers_do_not_count_as_elsewhere,
                contract_10_viewers_of_another_node_are_counted_and_expire,
            }
            lockouts {
                contract_11_no_more_failures_are_counted_than_the_policy_allows,
                contract_11_each_further_failure_doubles_the_lockout,
                contract_11_an_undone_failure_undoes_its_lockout,
                contract_11_failures_are_forgotten_in_time,
                contract_11_wrong_codes_of_a_room_are_limited_over_all_clients,
                contract_11_past_the_first_limit_each_block_has_one_attempt_left,
                contract_11_a_trusted_client_is_known_on_every_node,
                contract_11_an_unknown_room_is_not_found,
            }
            abandoned {
                contract_13_an_abandoned_refused_send_leaves_its_author_unknown,
                contract_13_an_abandoned_send_stores_message_and_author_or_neither,
                contract_13_an_abandoned_room_is_created_and_listed_or_neither,
            }
            rules {
                contract_15_a_ban_holds_for_exactly_the_later_changes,
                contract_15_a_repeat_is_recognized_before_any_rule,
                contract_15_a_lock_forbids_all_but_deletions,
                contract_15_rules_are_checked_in_order_before_the_target_and_the_limits,
                contract_15_an_owner_stays_owner_and_nothing_is_forbidden_to_it,
                contract_15_settings_are_stored_and_announced,
            }
            bans {
                contract_16_a_ban_forbids_everything_but_deletions,
                contract_16_a_ban_of_an_unsigned_user_covers_its_address,
                contract_16_edits_and_reactions_renew_the_address,
                contract_16_a_member_is_banned_where_it_is_now,
                contract_16_a_ban_of_a_signed_user_leaves_its_address_alone,
                contract_16_an_unknown_address_is_never_banned,
                contract_16_an_owner_cannot_be_banned,
                contract_16_a_lifted_ban_forbids_nothing,
                contract_16_an_expired_or_replaced_ban_forbids_nothing,
                contract_16_bans_are_listed_in_order,
                contract_16_only_users_of_the_room_can_be_banned,
                contract_16_joining_registers_a_user_without_a_message,
            }
            slow_mode {
                contract_17_parallel_messages_keep_their_distance,
                contract_17_a_first_message_counts_against_its_address,
                contract_17_only_messages_count_and_only_in_slow_mode,
                contract_17_earlier_messages_count_when_the_setting_is_raised,
                contract_17_a_denied_message_does_not_extend_the_pause,
            }
            reactions {
                contract_18_a_reaction_is_visible_everywhere_at_once,
                contract_18_a_reaction_without_effect_changes_nothing,
                contract_18_concurrent_reactions_are_each_counted_once,
                contract_18_gathered_reactions_end_in_one_entry,
                contract_18_gathered_reactions_survive_a_kill,
                contract_18_toggling_cannot_fill_the_log,
                contract_18_entries_about_reactions_take_a_quarter_of_the_log,
                contract_18_marks_reserve_their_entries,
                contract_18_kinds_are_limited,
                contract_18_a_deletion_removes_reactions,
            }
            ended {
                contract_19_an_ended_room_is_absent_everywhere_at_once,
                contract_19_nothing_of_an_ended_room_remains,
                contract_19_the_id_of_an_ended_room_is_free,
                contract_19_an_unlisted_room_is_only_missing_from_the_list,
            }
            presence {
                contract_20_typing_reaches_the_feeds_of_all_nodes,
                contract_20_own_present_users_are_not_elsewhere,
                contract_20_reports_of_another_node_are_read_and_announced,
                contract_20_the_list_of_present_users_is_bounded_and_all_are_counted,
                contract_20_a_report_that_is_not_repeated_expires,
            }
            users {
                authenticate_does_not_register_a_user_without_a_name,
                authenticate_registers_a_user_once,
                authenticate_rotates_the_current_token,
                authenticate_returns_the_same_next_token_for_the_previous_token,
                authenticate_invalidates_the_previous_token_once_the_next_one_is_used,
                authenticate_changes_nothing_for_a_wrong_token,
                authenticate_treats_a_client_made_token_as_the_previous_one,
                authenticate_rotates_once_under_contention,
                authenticate_registers_once_under_contention,
                forget_new_user_forgets_a_user_whose_token_is_current,
                forget_new_user_does_nothing_for_another_token,
                contract_12_forget_new_user_keeps_a_user_that_was_authenticated_again,
            }
            sends {
                a_send_registers_its_author_and_is_visible_everywhere_at_once,
                a_send_whose_response_was_lost_can_be_repeated_with_its_token,
                a_send_by_a_user_who_is_not_admitted_leaves_no_trace,
                a_refused_send_registers_no_user_and_still_rotates_a_token,
                concurrent_sends_are_each_in_the_log_once,
                contract_12_one_refused_first_send_does_not_undo_a_concurrent_one,
            }
            round_trips {
                texts_survive_a_round_trip,
                the_longest_text_survives_a_round_trip,
                users_and_names_survive_a_round_trip,
                client_ids_survive_a_round_trip,
            }
            hub {
                a_resumed_reader_gets_every_event_once_and_in_order,
                a_reader_far_behind_gets_every_event_once_and_in_order,
                readers_that_join_during_writes_get_every_event_once_and_in_order,
                edits_and_deletions_are_followed,
                lagging_readers_get_no_text_that_was_deleted_meanwhile,
                a_stream_completes_when_its_room_ends,
                a_lost_cursor_is_an_error_at_once,
                an_unknown_room_is_an_error_at_once,
                an_unavailable_store_only_delays_a_reader,
                a_gap_in_the_sequence_is_filled_from_the_log,
                a_reader_that_left_is_not_counted,
                closing_the_hub_ends_every_stream,
            }
        }
    };
}

macro_rules! register {
    ($($module:ident { $($case:ident,)* })*) => {
        /// Every case with its name.
        const CASES: &[(&str, Case)] = &[$($((stringify!($case), |on| Box::pin($module::$case(on))),)*)*];
    };
}
every_case!(register!());

macro_rules! tests_of_store {
    ($store:ident: $fixture:expr; $($module:ident { $($case:ident,)* })*) => {
        mod $store {
            use super::fixture::*;
            $(mod $module {
                use super::*;
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let fixture = $fixture.await;
                    if let Err(breach) = super::super::$module::$case(&fixture).await {
                        panic!("{breach}");
                    }
                })*
            })*
        }
    };
}

macro_rules! tests_of_every_store {
    ($($store:ident: $fixture:expr;)*) => {
        $(every_case!(tests_of_store!($store: $fixture;));)*
    };
}
fixture::every_store!(tests_of_every_store!());
