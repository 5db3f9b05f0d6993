//! A disk of a few megabytes, which a test can fill up, free again, or have refuse every write.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A small file system in memory, gone when dropped.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// One of so many megabytes.
    pub fn of_megabytes(size: usize) -> Self {
        Self::mount(&format!("size={size}m"))
    }

    /// One that cannot be written to.
    pub fn read_only() -> Self {
        Self::mount("size=1m,ro")
    }

    fn mount(options: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory to mount on");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "livechat-test"])
            .arg(directory.path())
            .output()
            .expect("the mount command");
        assert!(
            mounted.status.success(),
            "this test needs to mount a small tmpfs, for which it has to run as root (or in a container that may \
             mount): {}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        Self(directory)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes what is left of the space, down to the last byte.
    pub fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.filler()).expect("a file");
        let mut piece = vec![0; 64 * 1024];
        while !piece.is_empty() {
            match filler.write(&piece) {
                Ok(written) if written > 0 => {}
                _ => piece.truncate(piece.len() / 2),
            }
        }
    }

    /// Gives back what [`fill`](Self::fill) took.
    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("the disk was filled");
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    /// Lazily, as the server that has files open here may be dropped later.
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}
