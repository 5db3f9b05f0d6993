//! The path below which the server is mounted on its host.

use std::fmt;
use std::str::FromStr;

/// Path below which everything is served: empty, or like `/chat`, without a trailing slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// Text that is not a path of plain segments.
#[derive(Debug)]
pub struct InvalidBasePath;

impl FromStr for BasePath {
    type Err = InvalidBasePath;

    fn from_str(path: &str) -> Result<Self, InvalidBasePath> {
        let is_plain = |segment: &str| {
            segment.starts_with(|first: char| first.is_ascii_alphanumeric())
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        };
        match path.strip_suffix('/').unwrap_or(path) {
            "" => Ok(Self::default()),
            path if path.strip_prefix('/').is_some_and(|segments| segments.split('/').all(is_plain)) => {
                Ok(Self(path.to_owned()))
            }
            _ => Err(InvalidBasePath),
        }
    }
}

impl BasePath {
    /// Whether the server is mounted at the root of its host.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
