//! `livechat --version`, and how the build finds the commit that it names.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::server::command;

#[test]
fn version_names_the_commit_of_the_checkout() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = command(directory.path(), &[]).arg("--version").output().expect("the command");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(printed, format!("livechat {}\n", livechat::VERSION));
    let version = env!("CARGO_PKG_VERSION");
    // An archive has no commit.
    if Path::new(env!("CARGO_MANIFEST_DIR")).join(".git").exists() {
        let commit = livechat::VERSION.strip_prefix(&format!("{version} (")).and_then(|rest| rest.strip_suffix(')'));
        let commit = commit.expect("a commit");
        assert!(commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{printed}");
    }
}

/// Runs `git` in `directory`, and returns what it prints.
fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(directory).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(arguments);
    let output = git.output().expect("git");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn commit(directory: &Path) -> String {
    git(directory, &["commit", "--quiet", "--allow-empty", "--message=a"]);
    git(directory, &["rev-parse", "HEAD"])
}

/// What the build script tells Cargo when the package is in `directory`: the version, and the files that it watches.
fn build_script(script: &Path, directory: &Path, commit: &str) -> (String, Vec<String>) {
    let mut script = Command::new(script);
    script.current_dir(directory).env("CARGO_MANIFEST_DIR", directory).env("CARGO_PKG_VERSION", "1.2.3");
    let output = script.env("LIVECHAT_COMMIT", commit).output().expect("the build script");
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let values = |key: &str| printed.lines().filter_map(|line| Some(line.strip_prefix(key)?.to_owned())).collect();
    let versions: Vec<String> = values("cargo::rustc-env=LIVECHAT_VERSION=");
    (versions.concat(), values("cargo::rerun-if-changed="))
}

#[test]
fn every_kind_of_checkout_has_its_commit_in_the_version() {
    let directory = tempfile::tempdir().expect("a directory");
    let (script, checkout) = (directory.path().join("build"), directory.path().join("checkout"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/build.rs");
    let compiled = Command::new("rustc").args(["--edition=2024", "-o"]).arg(&script).arg(source).status();
    assert!(compiled.expect("rustc").success());
    let package = |name: &str| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.join("graphiql")).expect("a directory");
        path
    };
    let assert_version = |directory: &Path, commit: &str| {
        let (version, watched) = build_script(&script, directory, "");
        assert_eq!(version, format!("1.2.3 ({})", &commit[..12]));
        // Cargo runs the script each time if a file that it watches is missing.
        for path in &watched {
            assert!(directory.join(path).exists(), "{path} is missing");
        }
        watched
    };

    package("checkout");
    git(&checkout, &["init", "--quiet", "--initial-branch=some/branch"]);
    // A branch without a commit.
    assert_eq!(build_script(&script, &checkout, "").0, "1.2.3");
    let first = commit(&checkout);
    let watched = assert_version(&checkout, &first);
    assert!(watched.iter().any(|path| path.ends_with("refs/heads/some/branch")), "{watched:?}");

    git(&checkout, &["pack-refs", "--all"]);
    let watched = assert_version(&checkout, &first);
    assert!(watched.iter().any(|path| path.ends_with("logs/HEAD")), "{watched:?}");
    let second = commit(&checkout);
    assert_version(&checkout, &second);

    let worktree = directory.path().join("worktree");
    git(&checkout, &["worktree", "add", "--quiet", "-b", "other", worktree.to_str().expect("text")]);
    package("worktree");
    let third = commit(&worktree);
    assert_version(&worktree, &third);
    assert_version(&checkout, &second);
    git(&checkout, &["checkout", "--quiet", "--detach", &first]);
    assert_version(&checkout, &first);

    // An archive, also one that was unpacked in another repository, has only the commit that the packager names.
    let archive = package("checkout/archive");
    assert_eq!(build_script(&script, &archive, "").0, "1.2.3");
    assert_eq!(build_script(&script, &archive, &second).0, format!("1.2.3 ({})", &second[..12]));
    assert_eq!(build_script(&script, &checkout, "0123abc").0, "1.2.3 (0123abc)");
}
