//! The types of the GraphQL schema and their resolvers.

pub(in crate::graphql) mod connection;
pub(in crate::graphql) mod error;
pub(in crate::graphql) mod mutation;
pub(in crate::graphql) mod query;
pub(in crate::graphql) mod reads;
pub(in crate::graphql) mod subscription;
pub(in crate::graphql) mod types;
