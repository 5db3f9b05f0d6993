//! `.env.example` and the tables of settings in docs/operations.md are generated from the declarations in src/config/settings.rs.
//! `make settings` updates both files.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use livechat::config::{REMOVED, SECTIONS, all};

const HEADER: &str = "\
# Settings of livechat. Copy this file to .env and change what you need. Variables in the environment take precedence.
# Every setting is listed with its default. Times have a unit, like 90s, 30m or 24h; a bare number is seconds.
#
# A line is NAME=value. Values are taken literally: $ and \\ have no meaning, and quotes only as the first and last character.
# Put a value with blanks into single quotes; every character between them stands for itself. A comment needs a blank before
# it. A line that other programs read differently is refused with its number. Names that are not settings may have any value.

# Generated from src/config/settings.rs by `make settings`.
";

const BEGIN: &str = "<!-- Generated from src/config/settings.rs by `make settings`. -->\n";
const END: &str = "<!-- End of generated text. -->\n";

/// Columns of a line in `.env.example`.
const WIDTH: usize = 120;

/// Compares the file at `path` with `expected`. With `UPDATE_DOCS` in the environment, writes it instead.
fn check_or_update(path: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, expected).expect("a writable file");
    }
    let actual = fs::read_to_string(&path).expect("the file");
    assert!(actual == expected, "{} does not match the declared settings; run `make settings`", path.display());
}

/// `text` as comment lines of at most `WIDTH` columns.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split(' ') {
        if lines.last().is_some_and(|line| line.len() + 1 + word.len() > WIDTH) {
            lines.push("#".to_owned());
        }
        let line = lines.last_mut().expect("a line");
        line.push(' ');
        line.push_str(word);
    }
    lines.join("\n")
}

#[test]
fn the_example_file_matches_the_declared_settings() {
    let mut expected = HEADER.to_owned();
    for section in SECTIONS {
        write!(expected, "\n# ---- {} ----\n", section.title).expect("a string");
        for setting in section.settings {
            let description = comment(&setting.description.replace('`', ""));
            write!(expected, "\n{description}\n#{}={}\n", setting.name, setting.default).expect("a string");
        }
    }
    check_or_update(".env.example", &expected);
}

/// `description` for docs/operations.md, with links instead of paths.
fn with_links(description: &str) -> String {
    let words = description.split(' ').map(|word| {
        let (path, rest) = word.split_at(word.find(')').unwrap_or(word.len()));
        if let Some(anchor) = path.strip_prefix("docs/operations.md#") {
            format!("[{}](#{anchor}){rest}", anchor.replace('-', " "))
        } else if let Some(page) = path.strip_prefix("docs/") {
            format!("[{page}]({page}){rest}")
        } else if path.starts_with("deploy/") {
            format!("[{}](../{path}){rest}", path.rsplit('/').next().expect("a file name"))
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_operations_guide_matches_the_declared_settings() {
    let mut expected = String::new();
    for section in SECTIONS {
        write!(expected, "\n### {}\n\n| setting | default | description |\n|---|---|---|\n", section.title)
            .expect("a string");
        for setting in section.settings {
            let default =
                if setting.default.is_empty() { "(none)".to_owned() } else { format!("`{}`", setting.default) };
            let description = with_links(setting.description);
            writeln!(expected, "| `{}` | {default} | {description} |", setting.name).expect("a string");
        }
    }
    let page = include_str!("../../docs/operations.md");
    let (before, rest) = page.split_once(BEGIN).expect("the beginning of the generated text");
    let (_, after) = rest.split_once(END).expect("the end of the generated text");
    check_or_update("docs/operations.md", &format!("{before}{BEGIN}{expected}\n{END}{after}"));
}

#[test]
fn removed_settings_are_not_declared_and_the_changelog_names_them() {
    let changelog = include_str!("../../CHANGELOG.md");
    for name in REMOVED {
        assert!(all().all(|setting| setting.name != name), "{name} is declared");
        assert!(changelog.contains(&format!("`{name}`")), "CHANGELOG.md does not name {name}");
    }
}
