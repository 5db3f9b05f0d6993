//! The JWKS file: read at start, and again when it has changed.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio_util::task::AbortOnDropHandle;

use crate::access::identity::keys::{JwksError, Keys};
use crate::access::identity::metrics::IdentityMetrics;

/// Largest file, in bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// How often the file is checked for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

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
    version: Option<Version>,
    pub(super) keys: Keys,
}

/// Distinguishes the contents of a file without reading it: its modification time and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version(SystemTime, u64);

impl KeyFile {
    /// Reads a file.
    pub fn read(path: PathBuf) -> Result<Self, KeyFileError> {
        let version = version_of(&path);
        let keys = read_keys(&path)?;
        Ok(Self { path, version, keys })
    }

    /// Reads the file again regularly, if it has changed, and passes its keys to `replace`, until the handle is dropped. A file
    /// that cannot be used changes nothing, and is logged once.
    pub(super) fn watch(
        mut self,
        metrics: IdentityMetrics,
        replace: impl Fn(Keys) + Send + 'static,
    ) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                tokio::time::sleep(CHECK_INTERVAL).await;
                let check = move || {
                    let read = self.read_if_changed();
                    (self, read)
                };
                let Ok((file, read)) = tokio::task::spawn_blocking(check).await else { return };
                self = file;
                match read {
                    None => {}
                    Some(Ok(keys)) => {
                        tracing::info!("the keys of identities were read again from IDENTITY_KEYS");
                        metrics.record_keys(keys.len());
                        replace(keys);
                    }
                    Some(Err(error)) => {
                        metrics.record_unusable_file();
                        tracing::error!(
                            "IDENTITY_KEYS has changed, and the file {error}; identities are still checked with the former keys"
                        );
                    }
                }
            }
        }))
    }

    /// Reads the file if it has changed since it was last read, whether or not it could be used then.
    fn read_if_changed(&mut self) -> Option<Result<Keys, KeyFileError>> {
        let version = version_of(&self.path);
        if version == self.version {
            return None;
        }
        self.version = version;
        Some(read_keys(&self.path))
    }
}

/// `None` if there is no file.
fn version_of(path: &Path) -> Option<Version> {
    let metadata = fs::metadata(path).ok()?;
    Some(Version(metadata.modified().ok()?, metadata.len()))
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
    use super::*;

    const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    #[test]
    fn a_file_is_read_again_once_for_each_change() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("jwks.json");
        assert!(matches!(KeyFile::read(path.clone()), Err(KeyFileError::Io(_))));
        fs::write(&path, " ".repeat(300_000)).expect("a file");
        assert!(matches!(KeyFile::read(path.clone()), Err(KeyFileError::TooLarge)));
        fs::write(&path, JWKS).expect("a file");
        let mut file = KeyFile::read(path.clone()).unwrap_or_else(|error| panic!("the file {error}"));
        assert!(file.read_if_changed().is_none());
        fs::write(&path, "{").expect("a file");
        assert!(matches!(file.read_if_changed(), Some(Err(KeyFileError::Jwks(_)))));
        assert!(file.read_if_changed().is_none(), "the same fault is reported once");
        fs::remove_file(&path).expect("a file");
        assert!(matches!(file.read_if_changed(), Some(Err(KeyFileError::Io(_)))));
        assert!(file.read_if_changed().is_none());
        fs::write(&path, JWKS).expect("a file");
        assert!(matches!(file.read_if_changed(), Some(Ok(_))));
    }
}
