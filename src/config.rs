//! Reads the environment and `.env` into each module's `Settings`. No other module reads the environment.
//!
//! The settings themselves are declared in `settings`. A setting that does not apply is not read, so a wrong value of it
//! cannot prevent the start.

mod dotenv;
mod identity;
mod parsers;
mod report;
mod settings;
mod source;
mod store;
mod tls;
mod trusted_documents;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::settings::*;
use crate::config::source::{Source, invalid};
use crate::domain::limits::Limits;
use crate::graphql::execution::{self, document};
use crate::graphql::transport;
use crate::store::redis;
use crate::{access, chat, http, rate_limit, rest, telemetry, unsent_bytes, web};

pub use crate::config::dotenv::DotEnvError;
pub use crate::config::report::Report;
pub use crate::config::settings::{REMOVED, SECTIONS, Section, SettingInfo, all};
pub use crate::config::source::ConfigError;

/// All settings of the server.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen_addr: SocketAddr,
    pub store: StoreChoice,
    pub access: access::Settings,
    pub rate_limit: rate_limit::Settings,
    pub chat: chat::Settings,
    pub http: http::Settings,
    pub telemetry: telemetry::Settings,
    /// The time over which sockets and streams are closed at shutdown.
    pub drain: Duration,
    /// Names of [`REMOVED`] settings that are still set.
    pub removed_settings: Vec<&'static str>,
}

/// The store that keeps the rooms.
#[derive(Clone, Debug)]
pub enum StoreChoice {
    /// Embedded in this process, with its database in this directory.
    Embedded(PathBuf),
    /// Shared with other processes.
    Redis(Box<redis::Settings>),
}

impl Config {
    /// Reads the environment, and `.env` in the working directory for names that the environment lacks.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::read(&Source::from_environment()?)
    }

    /// The address that a server with this environment listens on, and whether it speaks TLS there.
    pub fn listen_addr_from_environment() -> Result<(SocketAddr, bool), ConfigError> {
        let source = Source::from_environment()?;
        Ok((source.get(&LISTEN_ADDR)?, source.get(&TLS_CERT_FILE)?.is_some()))
    }

    /// The store that a server with this environment uses.
    pub fn store_from_environment() -> Result<StoreChoice, ConfigError> {
        Source::from_environment()?.store()
    }

    /// The directory and the Redis between which `livechat migrate` copies rooms.
    pub fn for_migration() -> Result<(PathBuf, redis::Settings), ConfigError> {
        let source = Source::from_environment()?;
        match source.store()? {
            StoreChoice::Redis(settings) => Ok((source.get(&DATA_DIR)?, *settings)),
            StoreChoice::Embedded(_) => Err(invalid(REDIS_URL.info.name, "must name the Redis to copy to")),
        }
    }

    /// Reads settings from `values`, by name.
    pub fn from_values(values: &HashMap<String, String>) -> Result<Self, ConfigError> {
        Self::read(&Source::from_values(values))
    }

    fn read(source: &Source) -> Result<Self, ConfigError> {
        let limits = Limits {
            text: source.get(&TEXT_MAX_LENGTH)?,
            display_name: source.get(&DISPLAY_NAME_MAX_LENGTH)?,
            user_id: source.get(&USER_ID_MAX_LENGTH)?,
            messages_per_room: source.get(&ROOM_MAX_MESSAGES)?,
            events_per_room: source.get(&ROOM_MAX_EVENTS)?,
            edits_per_message: source.get(&MESSAGE_MAX_EDITS)?,
        };
        let (access, rate_limit) = source.limits()?;
        Ok(Self {
            listen_addr: source.get(&LISTEN_ADDR)?,
            store: source.store()?,
            access,
            rate_limit,
            chat: chat::Settings {
                room_ttl: source.get(&ROOM_TTL)?,
                room_code_length: source.get(&ROOM_CODE_LENGTH)?,
                limits,
            },
            http: source.http(limits)?,
            telemetry: telemetry::Settings {
                format: source.get(&LOG_FORMAT)?,
                level: source.get(&LOG_LEVEL)?,
                collector: source.get(&OTEL_EXPORTER_OTLP_ENDPOINT)?,
            },
            drain: Duration::from_secs(source.get(&DRAIN_SECONDS)?),
            removed_settings: source.removed(),
        })
    }
}

impl Source {
    /// Lockouts and rate limits. Their settings are not read with `RATE_LIMITS=off`.
    fn limits(&self) -> Result<(access::Settings, rate_limit::Settings), ConfigError> {
        let (enabled, defaults) = (self.get(&RATE_LIMITS)?, Self::default());
        let source = if enabled { self } else { &defaults };
        let access = access::Settings {
            lockouts_enabled: enabled,
            wrong_codes_per_address: source.get(&WRONG_CODES_PER_ADDRESS)?,
            wrong_codes_per_network: source.get(&WRONG_CODES_PER_NETWORK)?,
            network_prefixes: source.get(&NETWORK_PREFIX_LENGTHS)?,
            wrong_codes_per_room: source.get(&WRONG_CODES_PER_ROOM)?,
            wrong_tokens_per_user: source.get(&WRONG_TOKENS_PER_USER)?,
            identity: self.identity()?,
        };
        let rate_limit = rate_limit::Settings {
            enabled,
            rooms_per_address: source.get(&RATE_ROOMS_PER_ADDRESS)?,
            sends_per_user: source.get(&RATE_SENDS_PER_USER)?,
            sends_per_client: source.get(&RATE_SENDS_PER_CLIENT)?,
            sends_per_room: source.get(&RATE_SENDS_PER_ROOM)?,
            subscriptions_per_address: source.get(&RATE_SUBSCRIPTIONS_PER_ADDRESS)?,
            reads_per_client: source.get(&RATE_READS_PER_CLIENT)?,
        };
        Ok((access, rate_limit))
    }

    fn document_limits(&self) -> Result<document::Limits, ConfigError> {
        Ok(document::Limits {
            bytes: self.get(&DOCUMENT_MAX_BYTES)?,
            tokens: self.get(&DOCUMENT_MAX_TOKENS)?,
            nesting: self.get(&DOCUMENT_MAX_NESTING)?,
            depth: self.get(&OPERATION_MAX_DEPTH)?,
            cost: self.get(&OPERATION_MAX_COST)?,
            introspection: self.get(&INTROSPECTION)?,
            variables_bytes: self.get(&VARIABLES_MAX_BYTES)?,
            ..document::Limits::DEFAULT
        })
    }

    fn http(&self, limits: Limits) -> Result<http::Settings, ConfigError> {
        let document_limits = self.document_limits()?;
        Ok(http::Settings {
            base_path: self.get(&BASE_PATH)?,
            body_max: self.get(&BODY_MAX_BYTES)?,
            connections: http::ConnectionSettings {
                max: self.get(&MAX_CONNECTIONS)?,
                max_per_address: self.get(&MAX_CONNECTIONS_PER_ADDRESS)?,
                request_timeout: self.get(&REQUEST_TIMEOUT)?,
                write_timeout: self.get(&WRITE_TIMEOUT)?,
                certificate: self.certificate()?,
            },
            origins: self.get(&CORS_ORIGINS)?,
            unsent: unsent_bytes::Settings {
                per_client: self.get(&UNSENT_MAX_BYTES_PER_CLIENT)?,
                total: self.get(&UNSENT_MAX_BYTES)?,
            },
            clients: http::ClientIpResolver {
                proxies: self.get(&TRUSTED_PROXIES)?,
                ipv6_prefix: self.get(&CLIENT_PREFIX_LENGTH)?,
            },
            operations: execution::Settings {
                max_in_flight: self.get(&MAX_OPERATIONS)?,
                time_limit: self.get(&OPERATION_TIMEOUT)?,
                response_max: self.get(&RESPONSE_MAX_BYTES)?,
                subscriptions: execution::SubscriptionLimits {
                    total: self.get(&MAX_SUBSCRIPTIONS)?,
                    per_client: self.get(&MAX_SUBSCRIPTIONS_PER_CLIENT)?,
                    distinct: self.get(&MAX_DISTINCT_SUBSCRIPTIONS)?,
                    distinct_per_client: self.get(&MAX_DISTINCT_SUBSCRIPTIONS_PER_CLIENT)?,
                },
                limits: document_limits,
                persisted_queries: self.get(&PERSISTED_QUERIES)?,
                trusted_documents: self.trusted_documents(&document_limits)?,
            },
            transports: transport::Settings {
                ws_init_timeout: self.get(&WS_INIT_TIMEOUT)?,
                write_timeout: self.get(&WRITE_TIMEOUT)?,
                keep_alive_interval: self.get(&KEEP_ALIVE_INTERVAL)?,
                max_subscriptions_per_socket: self.get(&MAX_SUBSCRIPTIONS_PER_SOCKET)?,
                max_sockets_per_address: self.get(&MAX_SOCKETS_PER_ADDRESS)?,
                max_legacy_sockets: self.get(&MAX_LEGACY_SOCKETS)?,
            },
            rest: rest::Settings {
                error_status: self.get(&REST_ERROR_STATUS)?,
                max_reads_per_client: self.get(&MAX_LEGACY_READS_PER_CLIENT)?,
                max_reads: self.get(&MAX_LEGACY_READS)?,
                read_timeout: self.get(&LEGACY_READ_TIMEOUT)?,
            },
            web: web::Settings {
                graphiql: self.get(&GRAPHIQL)?,
                frame_ancestors: self.get(&FRAME_ANCESTORS)?,
                text_max: limits.text,
                display_name_max: limits.display_name,
                room_ttl: self.get(&ROOM_TTL)?,
            },
            metrics: self.get(&METRICS)?,
            metrics_hosts: self.get(&METRICS_HOSTS)?,
        })
    }
}
