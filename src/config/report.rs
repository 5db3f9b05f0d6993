//! The settings explained: what each is, where that comes from, and what is wrong with it. Secrets are hidden.

use std::collections::{HashMap, HashSet};

use crate::config::{
    ALL, Config, ConfigError, Environment, MAX_CONNECTIONS, NOT_TEXT, Setting, Source, read_environment,
};
use crate::open_files;

/// Where the value of a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Environment,
    DotEnv,
    Default,
    /// Derived from how many files this process may have open.
    FileLimit,
}

/// One setting as it is in force, or would be if it were valid.
#[derive(Debug)]
pub struct Explained {
    pub name: &'static str,
    /// For people; secrets are hidden.
    pub value: String,
    pub origin: Origin,
    /// Why the server does not start with it.
    pub problem: Option<String>,
    /// Whether it is given to no avail, because another setting makes it meaningless. Not known while anything is wrong.
    pub unused: bool,
}

/// All settings.
#[derive(Debug)]
pub struct Explanation {
    /// In the order of [`ALL`].
    pub settings: Vec<Explained>,
    /// Names in `.env` that mean nothing to us.
    pub unknown: Vec<String>,
}

impl Explanation {
    /// Explains what the environment and `.env` say.
    pub fn of_environment() -> Result<Self, ConfigError> {
        Ok(Self::of(&read_environment()?))
    }

    fn of(environment: &Environment) -> Self {
        let Environment { values, not_text } = environment;
        let (mut problems, used) = problems(values);
        for setting in not_text.iter().filter(|setting| used.contains(setting.name)) {
            problems.insert(setting.name, NOT_TEXT.to_owned());
        }
        let explain = |setting: &Setting| {
            let given = values.get(setting.name).map(|(value, origin)| (value.trim(), *origin));
            let (value, origin) =
                given.filter(|(value, _)| !value.is_empty()).unwrap_or((setting.default, Origin::Default));
            let problem = problems.get(setting.name).cloned();
            let (value, origin) = if setting.name == MAX_CONNECTIONS.name && value.is_empty() {
                (open_files::connections_that_fit().to_string(), Origin::FileLimit)
            } else {
                (without_secrets(setting.name, value), origin)
            };
            let is_given = matches!(origin, Origin::Environment | Origin::DotEnv);
            let unused = problems.is_empty() && is_given && !used.contains(setting.name);
            Explained { name: setting.name, value, origin, problem, unused }
        };
        let is_unknown = |name: &str, origin| origin == Origin::DotEnv && ALL.iter().all(|known| known.name != name);
        let mut unknown: Vec<_> = values
            .iter()
            .filter(|(name, (_, origin))| is_unknown(name, *origin))
            .map(|(name, _)| name.clone())
            .collect();
        unknown.sort();
        Self { settings: ALL.iter().map(explain).collect(), unknown }
    }
}

/// What is wrong with each value, and which settings are in use once that is put aside. Reading stops at the first that is
/// wrong, so that one is put aside and the rest read again.
fn problems(values: &HashMap<String, (String, Origin)>) -> (HashMap<&'static str, String>, HashSet<&'static str>) {
    let mut values: HashMap<_, _> = values.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect();
    let mut problems = HashMap::new();
    loop {
        let source = Source::of(&values);
        let Err(ConfigError::Invalid { name, problem }) = Config::read(&source) else {
            return (problems, source.used.into_inner());
        };
        let used = source.used.into_inner();
        problems.insert(name, problem);
        if values.remove(name).is_none() {
            return (problems, used);
        }
    }
}

/// The value of a setting with everything left out that gives access to something.
fn without_secrets(name: &str, value: &str) -> String {
    const HIDDEN: &str = "(hidden)";
    let is_secret = ["PASSWORD", "TOKEN", "SECRET", "KEY", "HEADERS"].iter().any(|word| name.ends_with(word));
    if is_secret && !value.is_empty() {
        return HIDDEN.to_owned();
    }
    if !name.ends_with("_URL") || value.is_empty() {
        return value.to_owned();
    }
    // Whatever is no address may be a password in the wrong place, and what follows a question mark may hold one.
    let Some((scheme, rest)) = value.split_once("://") else { return HIDDEN.to_owned() };
    let rest = rest.split('?').next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://{HIDDEN}@{place}"),
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
