//! A file system of a few megabytes that a test can fill, free, or mount read-only.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A small file system in memory, unmounted when dropped.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts a file system of `size` megabytes.
    pub fn of_megabytes(size: usize) -> Self {
        Self::mount(&format!("size={size}m"))
    }

    /// Mounts a read-only file system.
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

    /// Fills the free space to the last byte.
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

    /// Frees the space that [`fill`](Self::fill) took.
    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("the disk was filled");
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    /// Unmounts lazily, because a server with open files here may be dropped later.
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}
