//! The subjects under which the store counts failures: digests of addresses and users, the same on every server.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use crate::domain::client_key::{ClientKey, NetworkPrefixes};
use crate::store::{AttemptingClient, Subject};

/// The subject of the client itself.
pub(super) fn of_client(client: ClientKey) -> Subject {
    digest("address", client, "")
}

/// The subject of a user at this client.
pub(super) fn of_user(client: ClientKey, user: &str) -> Subject {
    digest("user", client, user)
}

/// The subject of the wider network around the client, if there is one.
pub(super) fn of_network(client: ClientKey, prefixes: NetworkPrefixes) -> Option<Subject> {
    client.wider(prefixes).map(|network| digest("network", network, ""))
}

/// The client in an attempt at a room. One customer of a provider may have a whole IPv6 network as wide as `prefixes`, so
/// such a network shares one last attempt. An IPv4 address has one for itself.
pub(super) fn attempting_client(client: ClientKey, prefixes: NetworkPrefixes) -> AttemptingClient {
    let block = match client {
        ClientKey::Network(IpAddr::V6(_)) => client.wider(prefixes).unwrap_or(client),
        ClientKey::Network(IpAddr::V4(_)) | ClientKey::Unknown => client,
    };
    AttemptingClient { subject: of_client(client), block: digest("block", block, "") }
}

fn digest(kind: &str, client: ClientKey, user: &str) -> Subject {
    let address = match client {
        ClientKey::Unknown => Vec::new(),
        ClientKey::Network(IpAddr::V4(address)) => address.octets().to_vec(),
        ClientKey::Network(IpAddr::V6(address)) => address.octets().to_vec(),
    };
    let hash = Sha256::new()
        .chain_update([kind.len() as u8])
        .chain_update(kind)
        .chain_update([address.len() as u8])
        .chain_update(address)
        .chain_update(user);
    let hash = hash.finalize();
    Subject(std::array::from_fn(|i| hash[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIXES: NetworkPrefixes = NetworkPrefixes { ipv4: 24, ipv6: 48 };

    fn client(address: &str) -> ClientKey {
        ClientKey::from_address(address.parse().expect("an address"), 64)
    }

    #[test]
    fn the_last_attempt_is_shared_by_the_first_48_bits() {
        let blocks =
            ["2001:db8:1:2::1", "2001:db8:1:ffff::1"].map(|address| attempting_client(client(address), PREFIXES));
        assert!(blocks[0].block == blocks[1].block && blocks[0].subject != blocks[1].subject);
        assert_ne!(attempting_client(client("2001:db8:2:2::1"), PREFIXES).block, blocks[0].block);
        let neighbours = ["192.0.2.7", "192.0.2.8"].map(|address| attempting_client(client(address), PREFIXES).block);
        assert_ne!(neighbours[0], neighbours[1]);
    }

    #[test]
    fn a_client_its_network_and_its_user_are_three_subjects() {
        let client = client("192.0.2.0");
        let (itself, network) = (of_client(client), of_network(client, PREFIXES));
        assert!(network.is_some_and(|network| network != itself));
        assert_ne!(itself, of_user(client, ""));
        assert_ne!(of_user(client, "somebody"), of_user(client, "somebody else"));
    }

    #[test]
    fn the_unknown_client_shares_its_subject_with_no_address() {
        let unknown = of_client(ClientKey::Unknown);
        for address in ["0.0.0.0", "::", "127.0.0.1"] {
            assert_ne!(unknown, of_client(client(address)), "{address}");
        }
        assert_eq!(of_network(ClientKey::Unknown, PREFIXES), None);
    }
}
