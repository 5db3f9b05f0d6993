//! The import rules between modules. A file that breaks one fails a test here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules, from the lowest layer up, each with the modules that it may use.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("error_code", &[]),
    ("header_list", &[]),
    ("metrics", &[]),
    ("client_limit", &["domain", "metrics"]),
    ("open_files", &[]),
    ("unsent_bytes", &["domain", "client_limit", "metrics"]),
    ("critical_tasks", &[]),
    ("detached_tasks", &[]),
    ("watched_files", &[]),
    ("counted_connection", &["client_limit", "metrics"]),
    ("store", &["domain", "critical_tasks", "detached_tasks", "metrics"]),
    ("hub", &["domain", "store", "critical_tasks", "metrics"]),
    ("access", &["domain", "client_limit", "detached_tasks", "watched_files", "store", "metrics"]),
    ("rate_limit", &["domain", "metrics"]),
    ("chat", &["domain", "error_code", "detached_tasks", "store", "hub", "access", "rate_limit", "metrics"]),
    (
        "graphql",
        &[
            "domain",
            "error_code",
            "header_list",
            "client_limit",
            "unsent_bytes",
            "counted_connection",
            "chat",
            "metrics",
        ],
    ),
    ("rest", &["domain", "error_code", "client_limit", "unsent_bytes", "chat", "metrics"]),
    ("web", &[]),
    ("telemetry", &[]),
    (
        "http",
        &[
            "domain",
            "error_code",
            "header_list",
            "client_limit",
            "unsent_bytes",
            "counted_connection",
            "watched_files",
            "chat",
            "graphql",
            "rest",
            "web",
            "telemetry",
            "metrics",
        ],
    ),
    (
        "config",
        &[
            "domain",
            "open_files",
            "unsent_bytes",
            "store",
            "chat",
            "graphql",
            "rest",
            "web",
            "http",
            "telemetry",
            "access",
            "rate_limit",
        ],
    ),
    (
        "app",
        &[
            "config",
            "open_files",
            "store",
            "hub",
            "chat",
            "graphql",
            "http",
            "critical_tasks",
            "detached_tasks",
            "metrics",
        ],
    ),
    ("cli", &["config", "domain", "store"]),
];

/// Crates that a module must not use: the module is pure, or another module wraps the crate.
const FORBIDDEN_CRATES: &[(&str, &[&str])] = &[
    (
        "domain",
        &["tokio", "serde", "serde_json", "base64", "async_graphql", "axum", "redis", "rusqlite", "jiff", "tracing"],
    ),
    ("store", &["axum", "async_graphql"]),
    ("hub", &["axum", "async_graphql", "redis", "rusqlite", "serde"]),
    ("access", &["axum", "async_graphql", "redis", "rusqlite", "serde"]),
    ("rate_limit", &["axum", "async_graphql", "redis", "rusqlite", "serde"]),
    ("chat", &["axum", "async_graphql", "redis", "rusqlite", "serde"]),
    ("graphql", &["redis", "rusqlite"]),
    ("rest", &["redis", "rusqlite", "async_graphql"]),
];

/// Files that a rule above does not bind, below the path that comes first. Identities are JWTs, which are JSON.
const EXCEPTIONS: &[(&str, &str)] = &[("access/identity", "serde")];

fn source_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            source_files(&entry, files);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
}

/// Every source file: its path below src, its module, and its code without comments and unit tests.
fn sources() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    files
        .into_iter()
        .map(|file| {
            let path = file.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
            let module = path.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&file).expect("a text file");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            (path, module, code)
        })
        .collect()
}

/// The names after `prefix` in `code`, as in `crate::NAME::…`, including those of groups in braces.
fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => names.push(name(rest)),
            Some(group) => {
                let mut depth = 0;
                let top: String = group
                    .chars()
                    .take_while(|c| {
                        depth += match c {
                            '{' => 1,
                            '}' => -1,
                            _ => 0,
                        };
                        depth >= 0
                    })
                    .collect();
                names.extend(top.split(',').map(|part| name(part.trim())).filter(|name| !name.is_empty()));
            }
        }
    }
    names
}

#[test]
fn imports_run_one_way() {
    let mut seen = 0;
    for (path, module, code) in sources() {
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == module) else {
            assert!(["main", "lib"].contains(&module.as_str()), "{path} belongs to no module in LAYERS");
            continue;
        };
        for used in names_after(&code, "crate::") {
            seen += 1;
            assert!(used == module || allowed.contains(&used.as_str()), "{path} must not use {used}");
        }
    }
    assert!(seen > 50, "this test no longer finds the imports");
}

/// Modules inside a layer, and the modules that each must not use.
const INNER_RULES: &[(&str, &[&str])] = &[
    ("graphql/schema", &["graphql::execution", "graphql::transport"]),
    ("graphql/execution", &["graphql::transport"]),
];

/// Every path that `code` uses below `crate::`, with groups in braces expanded. Re-exports do not count.
fn imports(code: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for statement in code.split_inclusive(';') {
        let re_exports = ["pub use crate::", "pub(in crate::graphql) use crate::", "pub(crate) use crate::"];
        if re_exports.iter().any(|start| statement.trim_start().starts_with(start)) {
            continue;
        }
        for (at, prefix) in statement.match_indices("crate::") {
            expand(&statement[at + prefix.len()..], String::new(), &mut paths);
        }
    }
    paths
}

/// Parses the paths at the beginning of `text`, prepends `prefix` to each and adds them to `paths`. Returns the rest of the text.
fn expand<'a>(text: &'a str, mut prefix: String, paths: &mut BTreeSet<String>) -> &'a str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    prefix.push_str(&text[..end]);
    let Some(mut rest) = text[end..].strip_prefix('{') else {
        paths.insert(prefix);
        return &text[end..];
    };
    loop {
        rest = expand(rest.trim_start(), prefix.clone(), paths);
        // A name may be followed by `as` and another name.
        let end = rest.find([',', '}']).unwrap_or(rest.len());
        match rest[end..].strip_prefix(',') {
            Some(more) => rest = more,
            None => return rest.get(end + 1..).unwrap_or_default(),
        }
    }
}

#[test]
fn nested_imports_are_found_and_re_exports_are_not() {
    let code = "use crate::a::{self, b::{C, D as E}, f};\npub use crate::g::H;\nfn i() { crate::j::k(); }";
    let found: Vec<_> = imports(code).into_iter().collect();
    assert_eq!(found, ["a::b::C", "a::b::D", "a::f", "a::self", "j::k"]);
}

#[test]
fn imports_run_one_way_inside_the_layers() {
    for (path, _, code) in sources() {
        let module = path.trim_end_matches(".rs");
        for (_, forbidden) in INNER_RULES.iter().filter(|(inner, _)| module.starts_with(inner)) {
            for import in imports(&code) {
                let is_forbidden = |name: &&str| import == **name || import.starts_with(&format!("{name}::"));
                assert!(!forbidden.iter().any(is_forbidden), "{path} must not use {import}");
            }
        }
    }
}

#[test]
fn no_two_files_import_each_other() {
    let sources = sources();
    let paths: BTreeSet<_> = sources.iter().map(|(path, _, _)| path.as_str()).collect();
    // The file of an import is the longest prefix of its path that names a file.
    let file_of = |import: &str| {
        let segments: Vec<_> = import.split("::").collect();
        (1..=segments.len()).rev().find_map(|n| paths.get(format!("{}.rs", segments[..n].join("/")).as_str()).copied())
    };
    let mut edges = BTreeSet::new();
    for (path, _, code) in &sources {
        edges.extend(imports(code).iter().filter_map(|import| file_of(import)).map(|used| (path.as_str(), used)));
    }
    assert!(edges.len() > 300, "this test no longer finds the imports");
    let is_cycle = |(one, other): &(&str, &str)| one < other && edges.contains(&(*other, *one));
    let cycles: Vec<_> = edges.iter().copied().filter(is_cycle).collect();
    assert!(cycles.is_empty(), "these files import each other: {cycles:?}");
}

#[test]
fn modules_use_no_forbidden_crates() {
    for (path, module, code) in sources() {
        for (_, forbidden) in FORBIDDEN_CRATES.iter().filter(|(layer, _)| *layer == module) {
            for name in *forbidden {
                let used = code.contains(&format!("{name}::")) && !code.contains(&format!("store::{name}::"));
                let is_allowed = EXCEPTIONS.iter().any(|(below, allowed)| path.starts_with(below) && allowed == name);
                assert!(!used || is_allowed, "{path} must not use {name}");
            }
        }
    }
}

#[test]
fn stores_do_not_import_each_other_and_only_the_composition_root_names_them() {
    // The commands besides the server.
    const COMMANDS: [&str; 3] = ["cli/backup.rs", "cli/config.rs", "cli/migrate.rs"];
    for (path, _, code) in sources() {
        for store in ["embedded", "redis"] {
            let inside = path.starts_with(&format!("store/{store}"));
            let names_it = code.contains(&format!("store::{store}"));
            assert!(
                !names_it
                    || inside
                    || ["app.rs", "config.rs", "config/store.rs"].contains(&path.as_str())
                    || COMMANDS.contains(&path.as_str()),
                "{path} names the {store} store"
            );
        }
    }
}

#[test]
fn redis_link_knows_nothing_of_rooms() {
    let mut seen = 0;
    for (path, _, code) in sources() {
        if path != "store/redis/link.rs" && !path.starts_with("store/redis/link/") {
            continue;
        }
        for used in names_after(&code, "crate::store::redis::") {
            seen += 1;
            assert_eq!(used, "link", "{path} must not use store::redis::{used}");
        }
        for word in ["crate::domain", "room", "Room", "super::super"] {
            assert!(!code.contains(word), "{path} must not mention {word}");
        }
    }
    assert!(seen > 20, "this test no longer finds the imports");
}

#[test]
fn only_client_ip_turns_addresses_into_client_keys() {
    for (path, _, code) in sources() {
        assert!(path == "http/client_ip.rs" || !code.contains("ClientKey::from_address"), "{path} makes a client key");
    }
}

#[test]
fn only_config_reads_the_environment() {
    for (path, _, code) in sources() {
        for call in ["env::var", "env::vars", "dotenv::read"] {
            assert!(path == "config/source.rs" || !code.contains(call), "{path} reads the environment");
        }
    }
}

#[test]
fn no_file_is_longer_than_six_hundred_lines() {
    for (path, _, code) in sources() {
        let lines = code.lines().count();
        assert!(lines <= 600, "{path} has {lines} lines");
    }
}
