//! Which addresses count as one client, and the limits that the clients of a wider network share.

use std::net::IpAddr;

use serde_json::json;

use super::nodes::{CREATE, Nodes, expect_limited, outcome, wrong};
use crate::support::client::{Client, RoomKey};
use crate::support::server::Server;

const BEHIND_A_PROXY: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.0/8");

/// A client of server `n` modulo the number of servers, behind a proxy that reports this address.
fn client_at(nodes: &Nodes, n: usize, address: &str) -> Client {
    Client::behind_proxy(nodes.url(n), address)
}

/// The outcomes of one wrong code from each of these addresses.
async fn try_wrong_codes(nodes: &Nodes, rooms: &[RoomKey], addresses: impl Iterator<Item = String>) -> Vec<String> {
    let mut outcomes = Vec::new();
    for (n, address) in addresses.enumerate() {
        let room = &rooms[n % rooms.len()];
        outcomes.push(outcome(&client_at(nodes, n, &address), room, &wrong(room)).await);
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_of_a_network_are_bounded_however_many_clients_it_has() {
    type Address = fn(usize) -> String;
    let networks: [(Address, &str, &str); 2] = [
        (|n| format!("2001:db8:7:{n:x}::1"), "2001:db8:7:ffff::1", "2001:db8:8::1"),
        (|n| format!("203.0.113.{n}"), "203.0.113.250", "203.0.114.1"),
    ];
    for (address, neighbor, elsewhere) in networks {
        for nodes in Nodes::on_each_store(&[BEHIND_A_PROXY, ("WRONG_CODES_PER_NETWORK", "6:1m")]).await {
            let creator = client_at(&nodes, 0, &address(100));
            let rooms = [creator.create_room().await, creator.create_room().await];
            let friend = address(101);
            assert_eq!(outcome(&client_at(&nodes, 0, &friend), &rooms[0], &rooms[0].code).await, "OK");
            let outcomes = try_wrong_codes(&nodes, &rooms, (1..=20).map(address)).await;
            assert_eq!(outcomes[..6], vec!["ROOM_CODE_INVALID"; 6], "over all rooms and servers");
            assert_eq!(outcomes[6..], vec!["RATE_LIMITED"; 14]);
            let stranger = client_at(&nodes, 1, neighbor);
            assert_eq!(
                outcome(&stranger, &rooms[0], &rooms[0].code).await,
                "RATE_LIMITED",
                "an unknown client of the network"
            );
            // Clients that a room knows still enter it, on any server.
            for n in 0..2 {
                assert_eq!(outcome(&client_at(&nodes, n, &address(100)), &rooms[1], &rooms[1].code).await, "OK");
                assert_eq!(outcome(&client_at(&nodes, n, &friend), &rooms[0], &rooms[0].code).await, "OK");
            }
            assert_eq!(outcome(&client_at(&nodes, 0, elsewhere), &rooms[0], &rooms[0].code).await, "OK");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_codes_of_neighbors_are_not_counted() {
    for nodes in Nodes::on_each_store(&[BEHIND_A_PROXY, ("WRONG_CODES_PER_NETWORK", "2:1h")]).await {
        let room = client_at(&nodes, 0, "192.0.2.1").create_room().await;
        for n in 1..=10 {
            let stranger = client_at(&nodes, n, &format!("203.0.113.{n}"));
            assert_eq!(outcome(&stranger, &room, &room.code).await, "OK", "stranger {n}");
        }
        assert_eq!(outcome(&client_at(&nodes, 0, "203.0.113.99"), &room, &wrong(&room)).await, "ROOM_CODE_INVALID");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_and_network_prefix_lengths_can_be_set() {
    let settings = [
        BEHIND_A_PROXY,
        ("RATE_LIMITS", "on"),
        ("CLIENT_PREFIX_LENGTH", "56"),
        ("RATE_ROOMS_PER_ADDRESS", "1/h:1"),
        ("WRONG_CODES_PER_NETWORK", "1:1h"),
        ("NETWORK_PREFIX_LENGTHS", "32,40"),
    ];
    let server = Server::with(&settings);
    let at = |address: &str| Client::behind_proxy(server.url("/graphql"), address);
    let room = at("2001:db8:0:100::1").create_room().await;
    expect_limited(&at("2001:db8:0:1ff::1").request(CREATE, json!({})).await, "too many rooms");
    at("2001:db8:0:200::1").create_room().await;
    // IPv6 addresses share a network of 40 bits; each IPv4 address is a network of its own.
    assert_eq!(outcome(&at("2001:db8:10::1"), &room, &wrong(&room)).await, "ROOM_CODE_INVALID");
    assert_eq!(outcome(&at("2001:db8:ff::1"), &room, &wrong(&room)).await, "RATE_LIMITED");
    for host in 1..=3 {
        assert_eq!(outcome(&at(&format!("192.0.2.{host}")), &room, &wrong(&room)).await, "ROOM_CODE_INVALID");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_client_stays_a_stranger_to_every_room() {
    for nodes in Nodes::on_each_store(&[BEHIND_A_PROXY, ("WRONG_CODES_PER_ADDRESS", "3:1h")]).await {
        let unknown = |n| client_at(&nodes, n, "unknown");
        let room = unknown(0).create_room().await;
        let proxy = nodes.client(0, 1);
        assert_eq!(outcome(&proxy, &room, &room.code).await, "OK", "the proxy itself");
        for n in 0..4 {
            assert_eq!(outcome(&unknown(n), &room, &room.code).await, "OK", "a right code costs nothing");
        }
        for n in 0..3 {
            assert_eq!(outcome(&unknown(n), &room, &wrong(&room)).await, "ROOM_CODE_INVALID");
        }
        for n in 0..2 {
            // Earlier entries give no privilege, because other clients may have made them.
            assert_eq!(outcome(&unknown(n), &room, &room.code).await, "RATE_LIMITED");
        }
        assert_eq!(outcome(&proxy, &room, &room.code).await, "OK", "the proxy is another client");
        let address: IpAddr = "192.0.2.1".parse().expect("an address");
        assert_eq!(outcome(&client_at(&nodes, 0, &address.to_string()), &room, &room.code).await, "OK");
    }
}
