//! Trusted documents: the only ones that run, where the operator has listed them.
//!
//! A request names its document by its id in the list, by the SHA-256 hash of its text, or sends it as full text. All listed
//! documents are parsed and validated at start.

mod manifest;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::graphql::execution::document::{Document, Limits};
use crate::graphql::execution::persisted_queries::Hash;
use crate::graphql::execution::request::Parameters;
use crate::graphql::execution::trusted_documents::manifest::Listed;
use crate::graphql::execution::validator::{Invalid, Validator};

/// Precedes the 64 hex digits of a hash that stands in place of an id, as in the specification of GraphQL over HTTP.
const HASH_PREFIX: &str = "sha256:";

/// Why a list of documents cannot be used. The message continues "the file …".
#[derive(Debug, thiserror::Error)]
pub enum InvalidManifest {
    #[error(
        "is not a manifest: a JSON object of ids and texts, as Relay and GraphQL Code Generator write it, or version 1 of \
         Apollo's apollo-persisted-query-manifest"
    )]
    UnknownFormat,
    #[error("lists no documents")]
    Empty,
    #[error("lists a document that cannot run here, {id}: {problem}")]
    Document { id: String, problem: String },
}

/// The documents that may run. Clones share them.
#[derive(Clone)]
pub struct TrustedDocuments(Arc<Index>);

#[derive(Default)]
struct Index {
    by_id: HashMap<String, Arc<TrustedDocument>>,
    /// By the SHA-256 hash of the text.
    by_hash: HashMap<Hash, Arc<TrustedDocument>>,
}

/// A document that may run.
pub(in crate::graphql) struct TrustedDocument {
    pub(in crate::graphql) text: String,
    pub(in crate::graphql) document: Arc<Document>,
}

impl TrustedDocuments {
    /// The documents of a manifest, and those of the manifests of the server's own pages and of the client package.
    pub fn parse(manifest: &[u8], own: &[&str], limits: &Limits) -> Result<Self, InvalidManifest> {
        let listed = manifest::parse(manifest).ok_or(InvalidManifest::UnknownFormat)?;
        if listed.is_empty() {
            return Err(InvalidManifest::Empty);
        }
        let (mut index, validator) = (Index::default(), Validator::new(limits.introspection));
        for listed in listed {
            index.add(listed, limits, &validator)?;
        }
        for manifest in own {
            for listed in manifest::parse(manifest.as_bytes()).ok_or(InvalidManifest::UnknownFormat)? {
                // The limits may be lower than a page needs. Then it does not work without this list either.
                let _ = index.add(listed, limits, &validator);
            }
        }
        Ok(Self(Arc::new(index)))
    }

    /// The number of documents.
    pub(in crate::graphql) fn len(&self) -> usize {
        self.0.by_id.len()
    }

    /// The document of a request; `None` if it is not listed.
    pub(in crate::graphql) fn find(&self, parameters: &Parameters) -> Option<&TrustedDocument> {
        if !parameters.query.is_empty() {
            return self.0.by_hash.get(&hash(&parameters.query)).map(AsRef::as_ref);
        }
        let hash = parameters.persisted_query.as_ref().and_then(|extension| extension.get("sha256Hash")?.as_str());
        [parameters.document_id.as_deref(), hash].into_iter().flatten().find_map(|id| self.by_id(id))
    }

    /// `id` may be a hash: clients with persisted queries know no other id, and some tools use a hash of another kind as id.
    fn by_id(&self, id: &str) -> Option<&TrustedDocument> {
        let by_hash = || {
            let mut hash = Hash::default();
            hex::decode_to_slice(id.strip_prefix(HASH_PREFIX).unwrap_or(id), &mut hash).ok()?;
            self.0.by_hash.get(&hash)
        };
        self.0.by_id.get(id).or_else(by_hash).map(AsRef::as_ref)
    }
}

impl Index {
    fn add(&mut self, listed: Listed, limits: &Limits, validator: &Validator) -> Result<(), InvalidManifest> {
        let Listed { id, text } = listed;
        let checked = Document::read(&text, limits).map_err(Invalid::from).and_then(|document| {
            validator.validate(&document)?;
            Ok(document)
        });
        let document = match checked {
            Ok(document) => document,
            Err(invalid) => return Err(InvalidManifest::Document { id, problem: invalid.to_string() }),
        };
        let hash = hash(&text);
        let document = Arc::new(TrustedDocument { text, document: Arc::new(document) });
        self.by_id.insert(id, Arc::clone(&document));
        self.by_hash.insert(hash, document);
        Ok(())
    }
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text).into()
}

/// Hides the list.
impl fmt::Debug for TrustedDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedDocuments({})", self.0.by_id.len())
    }
}
