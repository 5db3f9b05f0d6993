//! Where values come from: the environment, and `.env` in the working directory for names that the environment lacks.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::config::settings::{self, Setting, SettingInfo};
use crate::config::{ConfigError, dotenv};

const NOT_UTF8: &str = "must be text in UTF-8";

/// Where the value of a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Environment,
    DotEnv,
    Default,
    /// Derived from the limit of open files.
    FileLimit,
}

/// The values of the environment and of `.env`, by name.
pub(super) struct Environment {
    pub(super) values: HashMap<String, (String, Origin)>,
    /// Settings whose value is not UTF-8.
    pub(super) not_utf8: Vec<&'static str>,
}

impl Environment {
    pub(super) fn load() -> Result<Self, ConfigError> {
        let find = |name: &str| settings::all().find(|setting| setting.name == name);
        let lines = dotenv::read(Path::new(".env"), |name| find(name).is_some())?;
        let mut values: HashMap<_, _> =
            lines.into_iter().map(|(name, value)| (name, (value, Origin::DotEnv))).collect();
        let mut not_utf8 = Vec::new();
        for (name, value) in std::env::vars_os() {
            // The names of all settings are UTF-8, so any other name is not a setting.
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(values.insert(name, (value, Origin::Environment))),
                Err(_) => not_utf8.extend(find(&name).map(|setting| setting.name)),
            }
        }
        Ok(Self { values, not_utf8 })
    }

    /// The values without their origin.
    pub(super) fn plain_values(&self) -> HashMap<String, String> {
        self.values.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect()
    }

    /// Fails if a setting in `used` is not UTF-8.
    pub(super) fn check_utf8(&self, used: &HashSet<&'static str>) -> Result<(), ConfigError> {
        self.not_utf8.iter().find(|name| used.contains(*name)).map_or(Ok(()), |name| Err(invalid(name, NOT_UTF8)))
    }
}

/// Reads settings from values, and records the names of those it has read.
pub(super) struct Source<'a> {
    values: &'a HashMap<String, String>,
    used: RefCell<HashSet<&'static str>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(values: &'a HashMap<String, String>) -> Self {
        Self { values, used: RefCell::default() }
    }

    /// Reads a setting. An absent or blank value means the default.
    pub(super) fn get<T>(&self, Setting { info, parse }: &Setting<T>) -> Result<T, ConfigError> {
        let value = Some(self.untrimmed(info).trim()).filter(|value| !value.is_empty()).unwrap_or(info.default);
        parse(value).map_err(|problem| invalid(info.name, problem))
    }

    /// Reads a password. Blanks are part of it; line ends, which come along from files, are not.
    pub(super) fn password(&self, setting: &Setting<String>) -> &str {
        self.untrimmed(&setting.info).trim_matches(['\r', '\n'])
    }

    fn untrimmed(&self, info: &SettingInfo) -> &str {
        self.used.borrow_mut().insert(info.name);
        self.values.get(info.name).map_or(info.default, String::as_str)
    }

    /// The names of the settings that were read.
    pub(super) fn into_used(self) -> HashSet<&'static str> {
        self.used.into_inner()
    }

    /// Removed settings that are still set.
    pub(super) fn removed(&self) -> Vec<&'static str> {
        settings::REMOVED.into_iter().filter(|name| self.values.contains_key(*name)).collect()
    }
}

pub(super) fn invalid(name: &'static str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { name, problem: problem.into() }
}
