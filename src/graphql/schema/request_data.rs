//! What a request may carry in its data.

use async_graphql::Context;

use crate::domain::client_key::ClientKey;

/// Marks a request that came by HTTP GET and therefore must not change anything.
pub(in crate::graphql) struct OverGet;

/// The client that sent the request.
pub(super) fn client_key(ctx: &Context<'_>) -> ClientKey {
    ctx.data_opt().copied().unwrap_or(ClientKey::Unknown)
}
