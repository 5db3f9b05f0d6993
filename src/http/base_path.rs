//! Where on a host the server is mounted.

use std::fmt;
use std::str::FromStr;

/// The path below which everything is served: empty, or one like `/chat`, without a slash at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// A path that is not one of plain names.
#[derive(Debug)]
pub struct InvalidBasePath;

impl FromStr for BasePath {
    type Err = InvalidBasePath;

    fn from_str(path: &str) -> Result<Self, InvalidBasePath> {
        let plain = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_alphanumeric())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        };
        match path.strip_suffix('/').unwrap_or(path) {
            "" => Ok(Self::default()),
            path if path.strip_prefix('/').is_some_and(|names| names.split('/').all(plain)) => {
                Ok(Self(path.to_owned()))
            }
            _ => Err(InvalidBasePath),
        }
    }
}

impl BasePath {
    /// Whether it is the empty one.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
