//! The JWKS file: read at start, and again when it has changed.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tokio_util::task::AbortOnDropHandle;

use crate::access::identity::keys::{JwksError, Keys};
use crate::access::identity::metrics::IdentityMetrics;
use crate::watched_files::WatchedFiles;

/// Largest file, in bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// Why a key file cannot be used. The message continues "the file …".
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error(transparent)]
    Jwks(#[from] JwksError),
}

/// A JWKS file and the keys that were in it when it was read.
#[derive(Clone)]
pub struct KeyFile {
    path: PathBuf,
    watched: WatchedFiles,
    pub(super) keys: Keys,
}

impl KeyFile {
    /// Reads a file.
    pub fn read(path: PathBuf) -> Result<Self, KeyFileError> {
        let watched = WatchedFiles::new(vec![path.clone()]);
        let keys = read_keys(&path)?;
        Ok(Self { path, watched, keys })
    }

    /// Reads the file again after each change, and passes its keys to `replace`, until the handle is dropped. A file that cannot
    /// be used changes nothing, and is logged once.
    pub(super) fn watch(
        self,
        metrics: IdentityMetrics,
        replace: impl Fn(Keys) + Send + 'static,
    ) -> AbortOnDropHandle<()> {
        let path = self.path;
        self.watched.watch(move || match read_keys(&path) {
            Ok(keys) => {
                tracing::info!("the keys of identities were read again from IDENTITY_KEYS");
                metrics.record_keys(keys.len());
                replace(keys);
            }
            Err(error) => {
                metrics.record_unusable_file();
                tracing::error!(
                    "IDENTITY_KEYS has changed, and the file {error}; identities are still checked with the former keys"
                );
            }
        })
    }
}

fn read_keys(path: &Path) -> Result<Keys, KeyFileError> {
    let mut json = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut json)?;
    if json.len() as u64 > MAX_BYTES {
        return Err(KeyFileError::TooLarge);
    }
    Ok(Keys::from_jwks(&json)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    #[test]
    fn a_file_that_cannot_be_used_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("jwks.json");
        assert!(matches!(KeyFile::read(path.clone()), Err(KeyFileError::Io(_))));
        fs::write(&path, " ".repeat(300_000)).expect("a file");
        assert!(matches!(KeyFile::read(path.clone()), Err(KeyFileError::TooLarge)));
        fs::write(&path, "{").expect("a file");
        assert!(matches!(KeyFile::read(path.clone()), Err(KeyFileError::Jwks(_))));
        fs::write(&path, JWKS).expect("a file");
        assert!(KeyFile::read(path).is_ok());
    }
}
