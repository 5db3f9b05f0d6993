//! Reports every setting for `livechat config`: its value, where that comes from, and what is wrong with it. Hides secrets.

use std::collections::{HashMap, HashSet};

use crate::config::settings::{self, MAX_CONNECTIONS, REMOVED, SettingInfo};
use crate::config::source::{Environment, Origin, Source};
use crate::config::{Config, ConfigError};
use crate::open_files;

/// One setting as it is in force, or would be if it were valid.
#[derive(Debug)]
pub struct SettingReport {
    pub name: &'static str,
    /// The value to show; secrets are hidden.
    pub value: String,
    pub origin: Origin,
    /// Why the server cannot start with this value.
    pub problem: Option<String>,
    /// Whether the setting is set but does not apply. Always false while any setting has a problem.
    pub is_unused: bool,
}

/// All settings.
#[derive(Debug)]
pub struct Report {
    /// In the order of [`settings::all`].
    pub settings: Vec<SettingReport>,
    /// Names in `.env` that are not settings of livechat.
    pub unknown: Vec<String>,
    /// Removed settings that are still set.
    pub removed: Vec<&'static str>,
}

impl Report {
    /// Reports on the environment and `.env`.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Environment::load().map(|environment| Self::new(&environment))
    }

    fn new(environment: &Environment) -> Self {
        let mut values = environment.plain_values();
        let removed = Source::new(&values).removed();
        let (mut problems, used) = problems(&mut values);
        if let Err(ConfigError::Invalid { name, problem }) = environment.check_utf8(&used) {
            problems.insert(name, problem);
        }
        let report = |setting: &SettingInfo| {
            let given = environment.values.get(setting.name).map(|(value, origin)| (value.trim(), *origin));
            let (value, origin) =
                given.filter(|(value, _)| !value.is_empty()).unwrap_or((setting.default, Origin::Default));
            let (value, origin) = if setting.name == MAX_CONNECTIONS.info.name && value.is_empty() {
                (open_files::connections_that_fit().to_string(), Origin::FileLimit)
            } else {
                (without_secrets(setting.name, value), origin)
            };
            let is_given = matches!(origin, Origin::Environment | Origin::DotEnv);
            let is_unused = problems.is_empty() && is_given && !used.contains(setting.name);
            SettingReport { name: setting.name, value, origin, problem: problems.get(setting.name).cloned(), is_unused }
        };
        let is_known = |name: &str| settings::all().any(|setting| setting.name == name) || REMOVED.contains(&name);
        let in_file = environment.values.iter().filter(|(_, (_, origin))| *origin == Origin::DotEnv);
        let mut unknown: Vec<_> = in_file.map(|(name, _)| name).filter(|name| !is_known(name)).cloned().collect();
        unknown.sort();
        Self { settings: settings::all().map(report).collect(), unknown, removed }
    }
}

/// The problem of each invalid value, and the settings that are used without those values. Reading stops at the first invalid
/// value, so each is removed in turn and the rest read again.
fn problems(values: &mut HashMap<String, String>) -> (HashMap<&'static str, String>, HashSet<&'static str>) {
    let mut problems = HashMap::new();
    loop {
        let source = Source::new(values);
        let result = Config::read(&source);
        let used = source.into_used();
        let Err(ConfigError::Invalid { name, problem }) = result else { return (problems, used) };
        problems.insert(name, problem);
        if values.remove(name).is_none() {
            return (problems, used);
        }
    }
}

/// The value of a setting without passwords and keys.
fn without_secrets(name: &str, value: &str) -> String {
    const HIDDEN: &str = "(hidden)";
    let is_secret = ["PASSWORD", "TOKEN", "SECRET", "KEY", "HEADERS"].iter().any(|word| name.ends_with(word));
    if is_secret && !value.is_empty() {
        return HIDDEN.to_owned();
    }
    if !name.ends_with("_URL") || value.is_empty() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        for (name, value) in [
            ("REDIS_PASSWORD", "sesame"),
            ("REDIS_SENTINEL_PASSWORD", "sesame"),
            ("REDIS_URL", "rediss://me:sesame@host:6379/0"),
            ("REDIS_URL", "redis://me:sesame@host:6379/0"),
            ("REDIS_URL", "redis://:se@sesame@host"),
            ("REDIS_URL", "redis+unix:///run/redis.sock?pass=sesame"),
            ("REDIS_URL", "sesame"),
        ] {
            let shown = without_secrets(name, value);
            assert!(!shown.contains("sesame"), "{shown}");
        }
        assert_eq!(without_secrets("REDIS_URL", "redis://:sesame@host:6379/0"), "redis://(hidden)@host:6379/0");
        assert_eq!(without_secrets("REDIS_PASSWORD", ""), "");
    }
}
