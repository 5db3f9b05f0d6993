//! Reads settings from the environment, and from `.env` in the working directory for names that the environment lacks.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::env;
use std::path::Path;

use crate::config::dotenv::{self, DotEnvError};
use crate::config::settings::{self, Setting, SettingInfo};

/// Why the server cannot start with these settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{name}: {problem}")]
    Invalid { name: &'static str, problem: String },
    #[error(".env cannot be read: {0}")]
    DotEnv(#[from] DotEnvError),
}

pub(super) fn invalid(name: &'static str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { name, problem: problem.into() }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Environment,
    DotEnv,
}

/// The values of settings, by name. Records which of them have been read.
#[derive(Clone, Default)]
pub(super) struct Source {
    pub(super) values: HashMap<String, (String, Origin)>,
    used: RefCell<HashSet<&'static str>>,
}

impl Source {
    pub(super) fn from_environment() -> Result<Self, ConfigError> {
        let is_setting = |name: &str| settings::all().any(|setting| setting.name == name);
        let file = dotenv::read(Path::new(".env"), is_setting)?;
        let file = file.into_iter().map(|(name, value)| (name, (value, Origin::DotEnv)));
        // The names of all settings are UTF-8, so any other name is not a setting.
        let environment = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, (value.to_string_lossy().into_owned(), Origin::Environment)))
        });
        Ok(Self { values: file.chain(environment).collect(), used: RefCell::default() })
    }

    pub(super) fn from_values(values: &HashMap<String, String>) -> Self {
        let values = values.iter().map(|(name, value)| (name.clone(), (value.clone(), Origin::Environment)));
        Self { values: values.collect(), used: RefCell::default() }
    }

    /// Reads a setting. An absent or blank value means the default.
    pub(super) fn get<T>(&self, Setting { info, parse }: &Setting<T>) -> Result<T, ConfigError> {
        let value = Some(self.untrimmed(info)?.trim()).filter(|value| !value.is_empty()).unwrap_or(info.default);
        parse(value).map_err(|problem| invalid(info.name, problem))
    }

    /// Reads a password. Blanks are part of it. Line ends are not: they come from files.
    pub(super) fn password(&self, setting: &Setting<String>) -> Result<&str, ConfigError> {
        Ok(self.untrimmed(&setting.info)?.trim_matches(['\r', '\n']))
    }

    fn untrimmed(&self, info: &SettingInfo) -> Result<&str, ConfigError> {
        self.used.borrow_mut().insert(info.name);
        let value = self.values.get(info.name).map_or(info.default, |(value, _)| value);
        // `from_environment` puts this character in place of bytes that are not UTF-8.
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(invalid(info.name, "must be text in UTF-8"));
        }
        Ok(value)
    }

    /// The value of a setting that is not blank, and where it comes from.
    pub(super) fn given(&self, name: &str) -> Option<(&str, Origin)> {
        let (value, origin) = self.values.get(name)?;
        Some((value.trim(), *origin)).filter(|(value, _)| !value.is_empty())
    }

    pub(super) fn is_used(&self, name: &str) -> bool {
        self.used.borrow().contains(name)
    }

    /// Removed settings that are still set.
    pub(super) fn removed(&self) -> Vec<&'static str> {
        settings::REMOVED.into_iter().filter(|name| self.values.contains_key(*name)).collect()
    }
}
