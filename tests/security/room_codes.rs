//! Guessing room codes: on both stores, and over two servers on one Redis.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::nodes::{Nodes, expect_limited, outcome, try_code, wrong};
use crate::support::client::{RoomKey, User};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_concurrent_guesses_get_ten_checks_over_all_servers() {
    for nodes in Nodes::on_each_store(&[]).await {
        let room = nodes.client(0, 1).create_room().await;
        let clients = [nodes.client(0, 2), nodes.client(1, 2)];
        let code = wrong(&room);
        let guesses = (0..100).map(|n| outcome(&clients[n % 2], &room, &code));
        let mut counts = HashMap::new();
        for outcome in join_all(guesses).await {
            *counts.entry(outcome).or_insert(0) += 1;
        }
        assert_eq!(counts, HashMap::from([("ROOM_CODE_INVALID".to_owned(), 10), ("RATE_LIMITED".to_owned(), 90)]));
        for client in &clients {
            let wait = expect_limited(&try_code(client, &room, &room.code).await, "too many wrong room codes");
            assert!(wait <= Duration::from_secs(60) && wait > Duration::from_secs(20), "{wait:?}");
        }
        assert_eq!(outcome(&nodes.client(1, 3), &room, &room.code).await, "OK", "from another address");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_address_is_not_locked_out_of_its_room_on_any_server() {
    for nodes in Nodes::on_each_store(&[]).await {
        let creator = nodes.client(0, 1);
        let (room, other, created_here) =
            (creator.create_room().await, creator.create_room().await, nodes.client(0, 2).create_room().await);
        let (here, there) = (nodes.client(0, 2), nodes.client(1, 2));
        assert_eq!(outcome(&here, &room, &room.code).await, "OK");
        for _ in 0..10 {
            assert_eq!(outcome(&here, &other, &wrong(&other)).await, "ROOM_CODE_INVALID");
        }
        for client in [&here, &there] {
            assert_eq!(outcome(client, &other, &other.code).await, "RATE_LIMITED");
            assert_eq!(outcome(client, &room, &room.code).await, "OK", "a room it has opened");
            assert_eq!(outcome(client, &created_here, &created_here.code).await, "OK", "a room it has created");
        }
        User::of(there).send(&room, "still here").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_address_cannot_be_used_to_guess_the_code() {
    for nodes in Nodes::on_each_store(&[]).await {
        let client = nodes.client(0, 1);
        let (room, other) = (client.create_room().await, client.create_room().await);
        let code = wrong(&room);
        let guesses = join_all((0..50).map(|_| outcome(&client, &room, &code))).await;
        assert_eq!(guesses.iter().filter(|outcome| *outcome == "ROOM_CODE_INVALID").count(), 5);
        expect_limited(&try_code(&client, &room, &room.code).await, "too many wrong room codes");
        assert_eq!(outcome(&client, &other, &other.code).await, "OK", "another room where it is known");
        assert_eq!(outcome(&nodes.client(0, 2), &room, &room.code).await, "OK", "another address");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lockout_ends_after_retry_after_and_the_next_is_twice_as_long() {
    let on_each = Nodes::on_each_store(&[("WRONG_CODES_PER_ADDRESS", "1:5s")]).await.into_iter().map(async |nodes| {
        let room = nodes.client(0, 1).create_room().await;
        let mut wait = Duration::ZERO;
        for (node, whole) in [(0, Duration::from_secs(5)), (1, Duration::from_secs(10))] {
            tokio::time::sleep(wait).await;
            let (client, other) = (nodes.client(node, 2), nodes.client(node + 1, 2));
            let before = Instant::now();
            assert_eq!(outcome(&client, &room, &wrong(&room)).await, "ROOM_CODE_INVALID");
            wait = expect_limited(&try_code(&other, &room, &room.code).await, "too many wrong room codes");
            let passed = before.elapsed() + Duration::from_millis(1);
            assert!(wait <= whole && wait + passed >= whole, "{wait:?} of {whole:?} after {passed:?}");
        }
        tokio::time::sleep(wait).await;
        assert_eq!(outcome(&nodes.client(0, 2), &room, &room.code).await, "OK");
    });
    join_all(on_each).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_of_many_addresses_are_bounded_and_known_clients_still_enter() {
    for nodes in Nodes::on_each_store(&[("WRONG_CODES_PER_ROOM", "4")]).await {
        let creator = nodes.client(0, 1);
        let room = creator.create_room().await;
        let code = wrong(&room);
        let first = nodes.client(0, 2);
        for _ in 0..5 {
            assert_eq!(outcome(&first, &room, &code).await, "ROOM_CODE_INVALID");
        }
        let wait = expect_limited(&try_code(&first, &room, &room.code).await, "too many wrong room codes");
        assert!(wait > Duration::from_secs(23 * 3_600), "until the room ends, not for {wait:?}");
        assert_eq!(outcome(&nodes.client(1, 3), &room, &room.code).await, "OK", "one attempt for each stranger");
        let clients: Vec<_> = (0..60).map(|n| nodes.client(n, 10 + n as u32)).collect();
        let outcomes = join_all(clients.iter().map(|client| outcome(client, &room, &code))).await;
        let checked = outcomes.iter().filter(|outcome| *outcome == "ROOM_CODE_INVALID").count();
        assert_eq!(checked, 35, "forty wrong codes in all");
        assert_eq!(
            outcome(&nodes.client(0, 4), &room, &room.code).await,
            "RATE_LIMITED",
            "no attempts are left for new clients"
        );
        for n in 0..2 {
            assert_eq!(outcome(&nodes.client(n, 1), &room, &room.code).await, "OK", "its creator");
            assert_eq!(
                outcome(&nodes.client(n, 3), &room, &room.code).await,
                "OK",
                "a client that has opened it before"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_right_codes_from_a_new_address_all_open() {
    for nodes in Nodes::on_each_store(&[("WRONG_CODES_PER_ADDRESS", "2:1h")]).await {
        let creator = nodes.client(0, 1);
        let rooms = join_all((0..10).map(|_| creator.create_room())).await;
        let clients = [nodes.client(0, 2), nodes.client(0, 2)];
        let opened = (0..40).map(|n| {
            let room = &rooms[n % rooms.len()];
            outcome(&clients[n % 2], room, &room.code)
        });
        let outcomes = join_all(opened).await;
        assert!(outcomes.iter().all(|outcome| outcome == "OK"), "{outcomes:?}");
        assert_eq!(outcome(&clients[0], &creator.create_room().await, "000").await, "ROOM_CODE_INVALID");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_room_ids_are_not_counted() {
    for nodes in Nodes::on_each_store(&[("WRONG_CODES_PER_ADDRESS", "1:1h")]).await {
        let room = nodes.client(0, 1).create_room().await;
        let client = nodes.client(0, 2);
        let unknown = RoomKey { id: "0".repeat(32), code: room.code.clone() };
        for _ in 0..3 {
            assert_eq!(outcome(&client, &unknown, &unknown.code).await, "ROOM_NOT_FOUND");
        }
        assert_eq!(outcome(&client, &room, &room.code).await, "OK");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_code_is_checked_while_the_store_is_unavailable() {
    let mut nodes = Nodes::on_each_store(&[]).await.pop().expect("the servers on Redis");
    let room = nodes.client(0, 1).create_room().await;
    nodes.redis.as_mut().expect("a Redis").kill();
    for (host, code) in [(1, room.code.clone()), (2, room.code.clone()), (2, wrong(&room))] {
        assert_eq!(outcome(&nodes.client(0, host), &room, &code).await, "UNAVAILABLE");
    }
}
