//! The report of `livechat config`: every setting with its value, its origin and any problem. Hides secrets.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::config::settings::{self, DATA_DIR, MAX_CONNECTIONS, REMOVED, SettingInfo};
use crate::config::source::{ConfigError, Origin, Source};
use crate::config::{Config, StoreChoice};
use crate::open_files;

/// A report of all settings.
#[derive(Debug)]
pub struct Report {
    /// One line per setting, and another below it for a problem; then the warnings.
    pub text: String,
    /// Only the problems and warnings, each a line.
    pub findings: String,
    /// Whether the server can start with these settings.
    pub is_valid: bool,
}

impl Report {
    /// Reports on the environment, `.env`, and the files that they name. `check_directory` says what is wrong with the directory
    /// of the embedded store.
    pub fn from_environment(check_directory: impl FnOnce(&Path) -> Result<(), String>) -> Result<Self, ConfigError> {
        let source = Source::from_environment()?;
        let mut valid = source.clone();
        let mut problems = remove_invalid(&mut valid);
        if problems.is_empty()
            && let Ok(StoreChoice::Embedded(directory)) = valid.store()
            && let Err(problem) = check_directory(&directory)
        {
            problems.insert(DATA_DIR.info.name, problem);
        }
        let rows: Vec<_> = settings::all().map(|setting| (setting.name, show(setting, &source))).collect();
        let names = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let values = rows.iter().map(|(_, (value, _))| value.chars().count()).max().unwrap_or_default();
        let (mut text, mut findings) = (String::new(), String::new());
        // Writing to a string cannot fail.
        for (name, (value, origin)) in rows {
            let is_unused = problems.is_empty() && source.given(name).is_some() && !valid.is_used(name);
            let unused = if is_unused { ", not in use" } else { "" };
            let _ = writeln!(text, "{name:names$}  {value:values$}  {origin}{unused}");
            if let Some(problem) = problems.get(name) {
                let _ = writeln!(text, "{:names$}  ^ {problem}", "");
                let _ = writeln!(findings, "{name}: {problem}");
            }
        }
        for warning in warnings(&source) {
            let _ = writeln!(text, "{warning}");
            let _ = writeln!(findings, "{warning}");
        }
        Ok(Self { text, findings, is_valid: problems.is_empty() })
    }
}

/// Names that are set without effect: those in `.env` that are no settings, those in the environment that look like one, and
/// removed settings.
fn warnings(source: &Source) -> Vec<String> {
    let is_known = |name: &str| settings::all().any(|setting| setting.name == name) || REMOVED.contains(&name);
    let unknown = source.values.iter().filter(|(name, _)| !is_known(name)).filter_map(|(name, (_, origin))| {
        let similar = similar_setting(name).map(|similar| format!("; {similar} is one"));
        match origin {
            Origin::DotEnv => {
                let similar = similar.unwrap_or_default();
                Some(format!("{name} is set in .env but is not a setting of livechat{similar}"))
            }
            Origin::Environment => Some(format!("{name} is set but is not a setting of livechat{}", similar?)),
        }
    });
    let mut warnings: Vec<_> = unknown.collect();
    warnings.sort();
    warnings.extend(source.removed().iter().map(|name| format!("{name} is set but was removed; it has no effect")));
    warnings
}

/// The setting that `name` is probably meant to be.
fn similar_setting(name: &str) -> Option<&'static str> {
    // Others may set short names for themselves.
    const SHORTEST: usize = 6;
    const MAX_DISTANCE: usize = 2;
    let distance = |setting: &&SettingInfo| strsim::osa_distance(name, setting.name);
    let nearest = settings::all().filter(|setting| setting.name.len() >= SHORTEST).min_by_key(distance)?;
    (name.len() >= SHORTEST && distance(&nearest) <= MAX_DISTANCE).then_some(nearest.name)
}

/// Removes every invalid value that the server would read, and returns what is wrong with each. Reading stops at the first
/// invalid value, so the rest is read again without it.
fn remove_invalid(source: &mut Source) -> HashMap<&'static str, String> {
    let mut problems = HashMap::new();
    while let Err(ConfigError::Invalid { name, problem }) = Config::read(source) {
        problems.insert(name, problem);
        if source.values.remove(name).is_none() {
            break;
        }
    }
    problems
}

/// The value of a setting as the report shows it, and its origin.
fn show(setting: &SettingInfo, source: &Source) -> (String, &'static str) {
    match source.given(setting.name) {
        Some((value, Origin::Environment)) => (without_secrets(setting.name, value), "environment"),
        Some((value, Origin::DotEnv)) => (without_secrets(setting.name, value), ".env"),
        None if setting.name == MAX_CONNECTIONS.info.name => {
            (open_files::connections_that_fit().to_string(), "from the file limit")
        }
        None if setting.default.is_empty() => ("-".to_owned(), "default"),
        None => (setting.default.to_owned(), "default"),
    }
}

/// The value of a setting without passwords and keys.
fn without_secrets(name: &str, value: &str) -> String {
    const HIDDEN: &str = "(hidden)";
    if ["PASSWORD", "TOKEN", "SECRET", "KEY", "HEADERS"].iter().any(|word| name.ends_with(word)) {
        return HIDDEN.to_owned();
    }
    if !name.ends_with("_URL") {
        return value.to_owned();
    }
    // A value that is not a URL may be a misplaced password, and a query string may contain one.
    let Some((scheme, rest)) = value.split_once("://") else { return HIDDEN.to_owned() };
    let rest = rest.split('?').next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{HIDDEN}@{host}"),
        None => format!("{scheme}://{rest}"),
    }
}
