//! Reads the file of trusted documents.

use std::fs::File;
use std::io::Read as _;

use crate::config::settings::TRUSTED_DOCUMENTS;
use crate::config::source::{ConfigError, Source, invalid};
use crate::graphql::execution::TrustedDocuments;
use crate::graphql::execution::document::Limits;
use crate::web::{CHAT_DOCUMENTS, CLIENT_DOCUMENTS};

/// Largest file, in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

impl Source {
    /// The documents that may run, with those of the chat page and of the client package; `None` if any may.
    pub(super) fn trusted_documents(&self, limits: &Limits) -> Result<Option<TrustedDocuments>, ConfigError> {
        let Some(path) = self.get(&TRUSTED_DOCUMENTS)? else { return Ok(None) };
        let refuse = |problem: String| {
            invalid(TRUSTED_DOCUMENTS.info.name, format!("must name a list of documents, but the file {problem}"))
        };
        let mut manifest = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut manifest));
        read.map_err(|error| refuse(format!("cannot be read: {error}")))?;
        if manifest.len() as u64 > MAX_BYTES {
            return Err(refuse(format!("is larger than {MAX_BYTES} bytes")));
        }
        let documents = TrustedDocuments::parse(&manifest, &[CHAT_DOCUMENTS, CLIENT_DOCUMENTS], limits);
        documents.map(Some).map_err(|error| refuse(error.to_string()))
    }
}
