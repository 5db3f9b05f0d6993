//! What the last release promised to operators: its settings and metrics exist, or the changelog says that they were removed.
//! The schema is compared in tests/clients/schema-compatible.test.js.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use livechat::config::{REMOVED, all};

use crate::support::http_get;
use crate::support::server::Server;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("the file")
}

/// The folder of the last release.
fn last_release() -> PathBuf {
    let numbers = |path: &PathBuf| -> Vec<u32> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.split('.').map(|number| number.parse().expect("a version")).collect()
    };
    let folders = fs::read_dir(root().join("tests/releases")).expect("a folder");
    folders.map(|folder| folder.expect("a folder").path()).max_by_key(numbers).expect("a release")
}

/// The section of the changelog for the version in work: its heading and its text.
fn section_in_work() -> (String, String) {
    let changelog = read("CHANGELOG.md");
    let section = changelog.split("\n## ").nth(1).expect("a section").to_owned();
    let (heading, text) = section.split_once('\n').expect("a heading");
    (heading.to_owned(), text.to_owned())
}

/// What `section` lists under "Removed".
fn removed_in(section: &str) -> String {
    section.split("\n### ").find(|part| part.starts_with("Removed\n")).unwrap_or_default().to_owned()
}

/// The lines of `before` that are missing `now`, and whose first word is not in `removed` as code.
fn unannounced(before: &str, now: &BTreeSet<String>, removed: &str) -> Vec<String> {
    let is_announced = |line: &str| removed.contains(&format!("`{}`", line.split(' ').next().unwrap_or_default()));
    let missing = before.lines().filter(|line| !now.contains(*line) && !is_announced(line));
    missing.map(str::to_owned).collect()
}

fn settings() -> BTreeSet<String> {
    all().map(|setting| setting.name.to_owned()).collect()
}

/// The metrics of a server, each with its type.
async fn metrics() -> BTreeSet<String> {
    let server = Server::embedded();
    let scraped = http_get(server.url("/metrics")).await.text().await.expect("text");
    scraped.lines().filter_map(|line| line.strip_prefix("# TYPE ").map(str::to_owned)).collect()
}

#[tokio::test]
async fn settings_and_metrics_of_the_last_release_exist_or_were_removed_with_notice() {
    let (settings, metrics, release) = (settings(), metrics().await, last_release());
    let lines = |lines: &BTreeSet<String>| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    if std::env::var_os("RECORD_RELEASE").is_some() {
        let folder = root().join("tests/releases").join(VERSION);
        fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in [
            ("schema.graphql", livechat::graphql::sdl()),
            ("settings.txt", lines(&settings)),
            ("metrics.txt", lines(&metrics)),
        ] {
            fs::write(folder.join(name), text).expect("a file");
        }
    }
    let removed = removed_in(&section_in_work().1);
    let before = |name: &str| fs::read_to_string(release.join(name)).expect("the list of the release");
    assert_eq!(unannounced(&before("settings.txt"), &settings, &removed), Vec::<String>::new(), "settings are missing");
    assert_eq!(unannounced(&before("metrics.txt"), &metrics, &removed), Vec::<String>::new(), "metrics are missing");
    // A server names the settings that it ignores.
    for name in before("settings.txt").lines().filter(|name| !settings.contains(*name)) {
        assert!(REMOVED.contains(&name), "{name} is missing in REMOVED in src/config/settings.rs");
    }
}

#[test]
fn a_removal_without_notice_is_found() {
    let now = BTreeSet::from(["kept gauge".to_owned(), "changed counter".to_owned()]);
    let before = "kept gauge\nchanged gauge\ngone counter\n";
    assert_eq!(unannounced(before, &now, ""), ["changed gauge", "gone counter"]);
    let section = "\n### Added\n\n- `changed` and `gone`\n\n### Removed\n\n- `gone`\n\n### Fixed\n\n- `changed`\n";
    assert_eq!(unannounced(before, &now, &removed_in(section)), ["changed gauge"]);
}

#[test]
fn every_file_that_names_the_version_names_the_same() {
    let quoted = format!("\"version\": \"{VERSION}\"");
    for path in ["clients/js/package.json", "clients/js/package-lock.json", "examples/react-page/package-lock.json"] {
        assert!(read(path).contains(&quoted), "{path}");
    }
    assert!(read("clients/rust/Cargo.toml").contains(&format!("\nversion = \"{VERSION}\"")), "clients/rust/Cargo.toml");
    assert!(
        read("tests/fuzz/Cargo.lock").contains(&format!("name = \"livechat\"\nversion = \"{VERSION}\"")),
        "tests/fuzz"
    );
    assert!(read("deploy/kubernetes.yaml").contains(&format!("image: livechat:{VERSION}")), "deploy/kubernetes.yaml");
    for path in ["CHANGELOG.md", "clients/js/CHANGELOG.md", "clients/rust/CHANGELOG.md"] {
        let changelog = read(path);
        let heading = changelog.lines().find_map(|line| line.strip_prefix("## ")).expect("a heading");
        assert!(heading == "Unreleased" || heading.starts_with(&format!("{VERSION} — ")), "{path}: {heading}");
    }
}
