//! Links, paths and names of tests in the documentation, compared with the files that they name.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` that have one of these extensions, with their text.
fn files(folder: &str, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if entry.is_dir() && !["node_modules", "corpus", "target"].contains(&name) {
                folders.push(entry);
            } else if extensions.iter().any(|extension| name.ends_with(extension)) {
                let text = fs::read_to_string(&entry).expect("a text file");
                found.push((entry, text));
            }
        }
    }
    found
}

/// Every page: path and text.
fn pages() -> Vec<(PathBuf, String)> {
    let mut pages = files("docs", &[".md"]);
    for name in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let path = root().join(name);
        let text = fs::read_to_string(&path).expect("a page");
        pages.push((path, text));
    }
    pages
}

/// The text without its blocks of code.
fn prose(text: &str) -> String {
    text.split("\n```").step_by(2).collect()
}

/// The code spans of a text, without their backticks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The anchors that GitHub gives to the headings of a page.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect::<String>())
        .map(|heading| heading.replace(' ', "-"))
        .collect()
}

#[test]
fn links_between_pages_lead_to_files_and_headings() {
    let mut broken = Vec::new();
    for (page, text) in pages() {
        let text = prose(&text);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { page.with_file_name("").join(path) };
            let has_anchor = || anchors(&fs::read_to_string(&target).expect("a page")).iter().any(|a| a == anchor);
            if !target.exists() || (!anchor.is_empty() && !has_anchor()) {
                broken.push(format!("{link} in {}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn paths_in_the_docs_exist() {
    const FOLDERS: [&str; 6] = ["src/", "tests/", "bench/", "deploy/", "docs/", "graphiql/"];
    // Created by `make graphiql` and by a fuzz target with a finding.
    const CREATED: [&str; 2] = ["graphiql/dist", "tests/fuzz/found"];
    let mut missing = Vec::new();
    for (page, text) in pages() {
        for path in code_spans(&prose(&text)).filter(|span| FOLDERS.iter().any(|folder| span.starts_with(folder))) {
            let path = path.split(' ').next().unwrap_or_default();
            if !CREATED.contains(&path) && !root().join(path).exists() {
                missing.push(format!("{path} in {}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Looks up the names in the last column of the tables. `…` stands for the rest of a name.
#[test]
fn tests_in_the_docs_exist() {
    let sources = [files("src", &[".rs"]), files("tests", &[".rs", ".js"])].concat();
    let is_defined = |start: &str, name: &str| {
        sources.iter().any(|(_, text)| {
            text.match_indices(start).any(|(at, _)| {
                let (before, after) = (&text[..at], &text[at + start.len()..]);
                let begins = before.ends_with("fn ") || before.ends_with("test('") || before.ends_with("test(`");
                (begins || name.starts_with('…')) && (name.ends_with('…') || after.starts_with('('))
            })
        })
    };
    let (mut seen, mut missing) = (0, Vec::new());
    for page in ["docs/reliability.md", "docs/security.md", "docs/troubleshooting.md"] {
        let text = fs::read_to_string(root().join(page)).expect("a page");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
        for name in rows.flat_map(|row| code_spans(row.rsplit(" | ").next().unwrap_or_default())) {
            let name = name.rsplit("::").next().unwrap_or_default();
            let is_title = name.contains(' ') && name.ends_with('…');
            if is_title || (name.matches('_').count() >= 2 && !name.contains('/')) {
                seen += 1;
                if !is_defined(name.trim_matches(['…', ' ']), name) {
                    missing.push(format!("{name} in {page}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(seen > 150, "only {seen} names of tests were seen");
}
