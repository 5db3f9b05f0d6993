//! Reads manifests of documents, as the tools of Relay, Apollo and GraphQL Code Generator write them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A document of a manifest.
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) text: String,
}

/// The format of a manifest, by what it contains.
#[derive(Deserialize)]
#[serde(untagged)]
enum Manifest {
    Apollo(Apollo),
    /// Texts by id: the persisted queries of `relay-compiler`, and `persisted-documents.json` of GraphQL Code Generator.
    Texts(BTreeMap<String, String>),
}

/// The manifest of `@apollo/generate-persisted-query-manifest`.
#[derive(Deserialize)]
struct Apollo {
    format: ApolloFormat,
    version: u32,
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
enum ApolloFormat {
    #[serde(rename = "apollo-persisted-query-manifest")]
    PersistedQueryManifest,
}

#[derive(Deserialize)]
struct Operation {
    id: String,
    body: String,
}

/// The documents of a manifest; `None` if it has none of the known formats.
pub(super) fn parse(json: &[u8]) -> Option<Vec<Listed>> {
    match serde_json::from_slice(json).ok()? {
        Manifest::Apollo(Apollo { format: ApolloFormat::PersistedQueryManifest, version: 1, operations }) => {
            Some(operations.into_iter().map(|Operation { id, body: text }| Listed { id, text }).collect())
        }
        Manifest::Apollo(_) => None,
        Manifest::Texts(texts) => Some(texts.into_iter().map(|(id, text)| Listed { id, text }).collect()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ids(manifest: &serde_json::Value) -> Option<String> {
        let listed = parse(manifest.to_string().as_bytes())?;
        Some(listed.iter().map(|Listed { id, text }| format!("{id}={text};")).collect())
    }

    #[test]
    fn both_formats_are_read_and_others_are_refused() {
        let apollo = |format: &str, version: u32| {
            let operation = json!({ "id": "1", "name": "A", "type": "query", "body": "{ a }" });
            json!({ "format": format, "version": version, "operations": [operation] })
        };
        assert_eq!(ids(&apollo("apollo-persisted-query-manifest", 1)).as_deref(), Some("1={ a };"));
        assert_eq!(ids(&json!({ "1": "{ a }", "2": "{ b }" })).as_deref(), Some("1={ a };2={ b };"));
        assert_eq!(ids(&json!({})).as_deref(), Some(""));
        for other in [
            apollo("apollo-persisted-query-manifest", 2),
            apollo("another", 1),
            json!([]),
            json!({ "1": 1 }),
            json!({ "format": "apollo-persisted-query-manifest", "version": 1 }),
        ] {
            assert_eq!(ids(&other), None, "{other}");
        }
        assert!(parse(b"query { a }").is_none());
    }
}
