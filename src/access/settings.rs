//! Settings of room codes, wrong tokens, their lockouts, and identities.

use crate::access::identity;
use crate::domain::client_key::NetworkPrefixes;
use crate::store::LockoutPolicy;

/// Settings of [`super::Access`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// Without lockouts, codes and tokens are still checked, but failures are not counted.
    pub lockouts_enabled: bool,
    pub wrong_codes_per_address: LockoutPolicy,
    pub wrong_codes_per_network: LockoutPolicy,
    /// The wider network of a client, in which wrong codes are counted together.
    pub network_prefixes: NetworkPrefixes,
    /// Wrong codes for one room, by all strangers together, after which each address block has one attempt left. After ten
    /// times as many, strangers have none.
    pub wrong_codes_per_room: u32,
    pub wrong_tokens_per_user: LockoutPolicy,
    pub identity: identity::Settings,
}
