//! Reads the settings of identities, and the file with their keys.

use crate::access::identity::{KeyFile, Requirement, RoomCreators, SecretTooShort, Settings};
use crate::config::settings::*;
use crate::config::source::{ConfigError, Source, invalid};

impl Source {
    /// Identities. Keys and secret are not read with `IDENTITY=off`.
    pub(super) fn identity(&self) -> Result<Settings, ConfigError> {
        let (requirement, room_creators) = (self.get(&IDENTITY)?, self.get(&CREATE_ROOMS)?);
        if requirement == Requirement::Off {
            return match room_creators {
                RoomCreators::Anyone => Ok(Settings::default()),
                RoomCreators::Identified => Err(invalid(
                    CREATE_ROOMS.info.name,
                    "must be anyone while IDENTITY is off, or nobody could create rooms",
                )),
            };
        }
        let key_file = match self.get(&IDENTITY_KEYS)? {
            Some(path) => Some(KeyFile::read(path).map_err(|error| {
                invalid(IDENTITY_KEYS.info.name, format!("must name a JWKS file, but the file {error}"))
            })?),
            None => None,
        };
        let secret = match self.password(&IDENTITY_SECRET)? {
            "" => None,
            secret => Some(
                secret
                    .parse()
                    .map_err(|SecretTooShort| invalid(IDENTITY_SECRET.info.name, "must have at least 32 bytes"))?,
            ),
        };
        if key_file.is_none() && secret.is_none() {
            return Err(invalid(IDENTITY.info.name, "must be off without IDENTITY_KEYS or IDENTITY_SECRET"));
        }
        Ok(Settings { requirement, room_creators, key_file, secret })
    }
}
