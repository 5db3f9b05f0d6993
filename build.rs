//! Rebuilds the crate when `make graphiql` has rebuilt the embedded pages, and names the commit for `livechat --version`.
//!
//! The commit is that of the checkout in this directory, or LIVECHAT_COMMIT, which packagers set for a build from an archive.
//! The files of Git are read directly: `git` may be missing, may refuse a directory of another user, and would name the commit of
//! a repository that an unpacked archive happens to be in.

use std::path::Path;
use std::{env, fs};

/// Digits of a commit that are shown.
const DIGITS: usize = 12;

fn main() {
    // Cargo would run this each time if a watched file were missing.
    let pages = Path::new("graphiql/dist");
    println!("cargo::rerun-if-changed={}", if pages.exists() { "graphiql/dist" } else { "graphiql" });
    println!("cargo::rerun-if-env-changed=LIVECHAT_COMMIT");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let given = env::var("LIVECHAT_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| commit_of_checkout(Path::new(&env::var_os("CARGO_MANIFEST_DIR")?)));
    let commit = commit.filter(|commit| commit.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match commit.as_deref().map(|commit| commit.get(..DIGITS).unwrap_or(commit)) {
        Some(commit) => println!("cargo::rustc-env=LIVECHAT_VERSION={version} ({commit})"),
        None => println!("cargo::rustc-env=LIVECHAT_VERSION={version}"),
    }
}

/// The commit that is checked out in `directory`. Cargo runs this again when another one is.
fn commit_of_checkout(directory: &Path) -> Option<String> {
    let git = directory.join(".git");
    // In a worktree, `.git` is a file that names the directory.
    let git = match read(&git) {
        Some(pointer) => directory.join(pointer.strip_prefix("gitdir:")?.trim()),
        None => git,
    };
    let shared = read(&git.join("commondir")).map_or_else(|| git.clone(), |path| git.join(path));
    let head = read_watched(&git.join("HEAD"))?;
    let Some(branch) = head.strip_prefix("ref:").map(str::trim) else { return Some(head) };
    // The file of a branch is missing while only `packed-refs` has the branch. Its next commit creates the file, and is written
    // to the log of `HEAD`, too.
    watch(&git.join("logs/HEAD"));
    let packed = read_watched(&shared.join("packed-refs")).unwrap_or_default();
    read_watched(&shared.join(branch)).or_else(|| {
        let commit = |line: &str| line.strip_suffix(branch)?.strip_suffix(' ').map(str::to_owned);
        packed.lines().find_map(commit)
    })
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn read_watched(path: &Path) -> Option<String> {
    watch(path);
    read(path)
}

fn watch(path: &Path) {
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}
