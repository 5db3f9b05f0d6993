//! Automatic persisted queries (<https://www.apollographql.com/docs/apollo-server/performance/apq>): a client sends the
//! SHA-256 hash of its document, and the document itself only when the server does not know it yet.
//!
//! Only valid documents within the limits are cached, in bounded memory. Documents that were never requested again are evicted
//! first, so a client that sends many documents does not evict those in use.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Size of the cache, in bytes.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;

/// Expected number of documents in the cache.
const CACHE_ENTRIES: usize = 4 * 1024;

/// The SHA-256 hash of a document.
pub(in crate::graphql) type Hash = [u8; 32];

/// Documents by their hash.
#[derive(Clone)]
pub(in crate::graphql) struct PersistedQueries {
    /// `None` if persisted queries are switched off.
    cache: Option<Arc<Cache<Hash, Arc<str>, Weight>>>,
}

/// Why a persisted query cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::graphql) enum Problem {
    /// The document is unknown. The client repeats the request with the document.
    NotFound,
    /// Persisted queries are switched off. The client sends documents from then on.
    NotSupported,
    /// The extension is malformed, for this reason.
    Invalid(&'static str),
}

#[derive(Clone)]
struct Weight;

impl Weighter<Hash, Arc<str>> for Weight {
    fn weight(&self, _: &Hash, document: &Arc<str>) -> u64 {
        (size_of::<Hash>() + document.len()) as u64
    }
}

impl PersistedQueries {
    pub(in crate::graphql) fn new(enabled: bool) -> Self {
        Self { cache: enabled.then(|| Arc::new(Cache::with_weighter(CACHE_ENTRIES, CACHE_BYTES, Weight))) }
    }

    /// Looks up the document that `extension` names, unless `query` has it. Returns the hash under which a sent document may be
    /// cached.
    pub(in crate::graphql) fn resolve(&self, extension: &Value, query: &mut String) -> Result<Option<Hash>, Problem> {
        let Some(cache) = &self.cache else {
            return if query.is_empty() { Err(Problem::NotSupported) } else { Ok(None) };
        };
        let hash = read(extension)?;
        if query.is_empty() {
            *query = cache.get(&hash).ok_or(Problem::NotFound)?.as_ref().to_owned();
            return Ok(None);
        }
        match Hash::from(Sha256::digest(query.as_bytes())) == hash {
            true => Ok(Some(hash)),
            false => Err(Problem::Invalid("provided sha does not match query")),
        }
    }

    /// Caches a valid document.
    pub(in crate::graphql) fn keep(&self, hash: Hash, query: &str) {
        if let Some(cache) = &self.cache
            && cache.peek(&hash).is_none()
        {
            cache.insert(hash, query.into());
        }
    }
}

/// The hash in an extension.
fn read(extension: &Value) -> Result<Hash, Problem> {
    if extension.get("version").and_then(Value::as_f64) != Some(1.0) {
        return Err(Problem::Invalid(
            "unsupported persisted query version; extensions.persistedQuery.version must be 1",
        ));
    }
    let mut hash = Hash::default();
    let digits = extension.get("sha256Hash").and_then(Value::as_str).unwrap_or_default();
    hex::decode_to_slice(digits, &mut hash)
        .map_err(|_| Problem::Invalid("extensions.persistedQuery.sha256Hash must have 64 hex digits"))?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn extension(query: &str) -> Value {
        json!({ "version": 1, "sha256Hash": hex::encode(Sha256::digest(query)) })
    }

    fn ask(queries: &PersistedQueries, query: &str) -> Result<String, Problem> {
        let mut found = String::new();
        queries.resolve(&extension(query), &mut found).map(|_| found)
    }

    #[test]
    fn documents_in_use_survive_a_flood_of_others_within_the_bound() {
        let queries = PersistedQueries::new(true);
        let keep = |query: &str| {
            let hash = queries.resolve(&extension(query), &mut query.to_owned()).expect("the right hash");
            queries.keep(hash.expect("a hash"), query);
        };
        keep("{ inUse }");
        for flood in 0..2_000 {
            assert_eq!(ask(&queries, "{ inUse }").as_deref(), Ok("{ inUse }"), "after {flood}");
            keep(&format!("{{ flood{flood} }}{}", " ".repeat(16_000)));
        }
        assert!(queries.cache.as_ref().is_some_and(|cache| cache.weight() <= CACHE_BYTES));
        assert_eq!(ask(&queries, "{ neverSent }"), Err(Problem::NotFound));
    }

    #[test]
    fn malformed_extensions_are_rejected() {
        let queries = PersistedQueries::new(true);
        for extension in [
            json!(1),
            json!("0000"),
            json!({}),
            json!({ "version": 2, "sha256Hash": "0".repeat(64) }),
            json!({ "version": "1", "sha256Hash": "0".repeat(64) }),
            json!({ "version": 1 }),
            json!({ "version": 1, "sha256Hash": "0".repeat(63) }),
            json!({ "version": 1, "sha256Hash": "x".repeat(64) }),
        ] {
            let found = queries.resolve(&extension, &mut String::new());
            assert!(matches!(found, Err(Problem::Invalid(_))), "{extension}");
        }
        let other = queries.resolve(&extension("{ a }"), &mut "{ b }".to_owned());
        assert_eq!(other, Err(Problem::Invalid("provided sha does not match query")));
        let upper = json!({ "version": 1.0, "sha256Hash": hex::encode_upper(Sha256::digest("{ a }")) });
        assert!(queries.resolve(&upper, &mut "{ a }".to_owned()).is_ok_and(|hash| hash.is_some()));
        assert_eq!(ask(&PersistedQueries::new(false), "{ a }"), Err(Problem::NotSupported));
    }
}
