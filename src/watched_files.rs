//! Notices changes of files that an operator replaces while the server runs: keys and certificates.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio_util::task::AbortOnDropHandle;

/// How often files are checked for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Files that belong together.
#[derive(Clone, Debug)]
pub struct WatchedFiles {
    paths: Vec<PathBuf>,
    versions: Vec<Option<Version>>,
}

/// Distinguishes the contents of a file without reading it: its modification time and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version(SystemTime, u64);

impl WatchedFiles {
    /// Remembers the files as they are now. Call it before they are read, so that a change meanwhile is noticed.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let versions = versions_of(&paths);
        Self { paths, versions }
    }

    /// Whether a file has changed since the last call, or has appeared or disappeared.
    pub fn have_changed(&mut self) -> bool {
        let versions = versions_of(&self.paths);
        let have_changed = versions != self.versions;
        self.versions = versions;
        have_changed
    }

    /// Calls `reload` after each change, where it may block, until the handle is dropped.
    pub fn watch(mut self, reload: impl Fn() + Send + 'static) -> AbortOnDropHandle<()> {
        let mut check = move || {
            if self.have_changed() {
                reload();
            }
        };
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                tokio::time::sleep(CHECK_INTERVAL).await;
                let checked = tokio::task::spawn_blocking(move || {
                    check();
                    check
                });
                let Ok(again) = checked.await else { return };
                check = again;
            }
        }))
    }
}

fn versions_of(paths: &[PathBuf]) -> Vec<Option<Version>> {
    paths.iter().map(|path| version_of(path)).collect()
}

/// `None` if there is no file.
fn version_of(path: &Path) -> Option<Version> {
    let metadata = fs::metadata(path).ok()?;
    Some(Version(metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_of_each_file_is_noticed_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let paths = ["one", "other"].map(|name| directory.path().join(name));
        let mut files = WatchedFiles::new(paths.to_vec());
        assert!(!files.have_changed());
        for path in &paths {
            for text in ["a", "ab"] {
                fs::write(path, text).expect("a file");
                assert!(files.have_changed() && !files.have_changed());
            }
        }
        fs::remove_file(&paths[1]).expect("a file");
        assert!(files.have_changed() && !files.have_changed());
    }
}
