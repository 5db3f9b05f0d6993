//! The conformance suite: the contract of `livechat::store::Store`, clause by clause, over every store.
//!
//! A case is a function over a [`Fixture`](fixture::Fixture) that says which promise was broken. All cases stand in one
//! list, [`every_case`]; the tests of each store are made from it, and the negative controls in [`broken`] pick from it,
//! so no case can be left out for one store.

mod abandoned;
mod active_rooms;
pub mod broken;
mod commit;
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
mod repeat;
mod sends;
mod seq;
mod snapshot;
mod users;
mod viewers;
mod written_forms;

use futures_util::future::BoxFuture;

use crate::store::hub;
use fixture::Fixture;
use kit::Outcome;

/// A promise, checked on one store.
type Case = for<'a> fn(&'a dyn Fixture) -> BoxFuture<'a, Outcome>;

/// Hands the list of all cases to the macro `$then`, behind whatever else it is to be given.
macro_rules! every_case {
    ($then:ident!($($given:tt)*)) => {
        $then! { $($given)*
            commit {
                contract_1_a_send_is_in_every_answer_at_once,
                contract_1_an_edit_is_in_every_answer_at_once,
                contract_1_a_delete_is_in_every_answer_at_once,
                contract_1_a_send_to_no_room_leaves_no_trace,
                contract_1_a_change_of_no_message_leaves_no_trace,
                contract_1_a_stale_edit_leaves_no_trace,
                contract_1_a_stale_delete_leaves_no_trace,
                contract_1_a_send_to_a_full_room_leaves_no_trace,
                contract_1_a_full_room_still_takes_edits_and_deletes,
                contract_1_a_deleted_message_still_fills_its_room,
                contract_1_capacity_holds_under_contention,
                contract_1_one_of_many_concurrent_edits_wins,
                contract_1_every_check_is_kept_bit_by_bit,
            }
            seq {
                contract_2_seq_counts_from_one_in_each_room,
                contract_2_seq_is_contiguous_under_contention,
                contract_2_announcements_come_in_order_and_equal_the_log,
                contract_2_indexes_are_contiguous_under_contention,
            }
            limits {
                contract_14_a_log_that_is_full_takes_deletions_and_nothing_else,
                contract_14_a_message_takes_so_many_edits,
                contract_14_each_message_keeps_an_entry_for_its_deletion_under_contention,
                contract_14_edits_of_one_message_are_counted_under_contention,
                contract_14_a_repeat_is_known_where_the_log_is_full,
            }
            repeat {
                contract_3_a_repeat_returns_the_first_result_and_writes_nothing,
                contract_3_a_repeat_shows_the_message_as_it_is_now,
                contract_3_a_repeat_of_a_deleted_message_has_no_text,
                contract_3_another_user_or_room_or_id_is_not_a_repeat,
                contract_3_ids_that_look_alike_are_not_repeats,
                contract_3_sends_without_an_id_are_never_repeats,
                contract_3_a_repeat_is_known_in_a_full_room,
                contract_3_concurrent_repeats_are_one_message,
            }
            expiry {
                contract_4_an_ended_room_is_in_no_answer,
                contract_4_an_ended_room_is_not_listed_nor_counted,
                contract_4_an_ended_room_takes_no_change,
                contract_4_nothing_of_an_ended_room_is_found_under_its_id_again,
                contract_4_a_room_is_never_seen_at_its_end_or_later,
                contract_4_a_user_outlives_its_rooms,
                contract_4_an_expired_user_is_unknown,
                contract_4_every_admission_can_lengthen_a_users_life_and_none_shortens_it,
            }
            log {
                contract_5_pages_of_the_log_join_without_gap_or_repeat,
                contract_5_a_page_has_at_most_as_many_entries_as_asked_for,
                contract_5_an_empty_log_is_read_from_its_start,
                contract_5_a_foreign_position_is_refused,
                contract_5_a_position_of_another_room_is_refused,
                contract_5_numbers_no_log_reaches_are_refused,
                contract_5_a_replay_shows_each_message_as_it_is_now,
                contract_5_deleted_text_is_in_no_answer,
            }
            snapshot {
                contract_6_a_snapshot_is_one_instant,
                contract_6_a_window_is_a_filter_over_the_messages,
                contract_6_a_window_is_a_filter_over_the_users,
                contract_6_without_a_window_there_are_no_messages,
                contract_6_users_are_distinct_and_in_the_order_of_their_first_message,
                contract_6_users_are_counted_right_under_contention,
            }
            active_rooms {
                contract_6_a_new_room_is_as_it_was_asked_for,
                contract_6_a_taken_id_is_refused_and_its_room_kept,
                contract_6_active_rooms_come_newest_first,
                contract_6_pages_of_active_rooms_join_without_gap_or_repeat,
                contract_6_active_rooms_are_paged_from_any_place,
                contract_6_a_listed_room_is_as_its_snapshot,
            }
            feed {
                contract_7_a_watched_room_is_announced,
                contract_7_every_feed_gets_every_announcement,
                contract_7_a_room_can_be_watched_again,
                contract_7_a_feed_that_lost_something_says_so,
                contract_7_a_feed_goes_on_after_a_cut,
                contract_7_a_slow_reader_misses_nothing,
                contract_7_a_reader_misses_nothing_over_a_cut,
            }
            kill {
                contract_8_what_was_acknowledged_survives_a_kill,
                contract_8_a_room_goes_on_where_it_was_after_a_kill,
            }
            errors {
                contract_9_no_room_is_not_found,
                contract_9_no_message_is_not_found,
                contract_9_a_stale_revision_is_a_conflict,
                contract_9_a_full_room_is_full,
                contract_9_a_store_that_works_answers_a_ping,
            }
            viewers {
                contract_10_viewers_of_this_node_are_not_elsewhere,
                contract_10_viewers_of_another_node_are_counted_and_forgotten,
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
                contract_13_an_abandoned_send_that_is_refused_leaves_its_author_unknown,
                contract_13_an_abandoned_send_is_sent_and_its_author_known_or_neither,
                contract_13_an_abandoned_room_is_made_and_listed_or_neither,
            }
            users {
                admit_leaves_an_unknown_user_without_a_name_unknown,
                admit_makes_a_user_known_once,
                admit_rotates_the_current_token,
                admit_repeats_the_successor_for_the_token_before,
                admit_lets_the_token_before_die_when_its_successor_is_used,
                admit_changes_nothing_for_a_wrong_token,
                admit_counts_an_own_token_as_the_one_before,
                admit_rotates_once_under_contention,
                admit_creates_once_under_contention,
                withdraw_forgets_a_user_while_its_token_is_current,
                withdraw_does_nothing_for_another_token,
                contract_12_withdraw_leaves_a_user_who_was_admitted_again,
            }
            sends {
                a_send_makes_its_author_known_and_is_in_every_answer_at_once,
                a_send_whose_answer_was_lost_is_repeated_with_its_token,
                a_send_by_whom_is_not_admitted_leaves_no_trace,
                a_refused_send_leaves_a_newcomer_unknown_and_a_known_user_its_token,
                sends_of_one_user_and_many_at_once_are_each_in_the_log_once,
                contract_12_of_two_first_sends_at_once_the_refusal_of_one_does_not_undo_the_other,
            }
            written_forms {
                texts_come_back_as_they_were_written,
                the_longest_text_comes_back_whole,
                users_and_names_come_back_as_they_were_written,
                client_ids_come_back_as_they_were_written,
            }
            hub {
                a_resumed_reader_gets_every_event_once_and_in_order,
                a_reader_far_behind_gets_every_event_once_and_in_order,
                readers_who_join_in_the_middle_get_every_event_once_and_in_order,
                edits_and_deletes_are_followed,
                readers_who_are_behind_are_given_no_text_that_was_deleted_meanwhile,
                a_stream_completes_when_its_room_ends,
                a_lost_cursor_is_an_error_at_once,
                a_room_that_is_not_there_is_an_error_at_once,
                an_unavailable_store_only_delays,
                a_gap_in_the_numbers_is_filled_from_the_log,
                a_reader_who_leaves_is_not_counted,
                closing_ends_every_stream,
            }
        }
    };
}

macro_rules! register {
    ($($module:ident { $($case:ident,)* })*) => {
        /// Every case, by its name.
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
