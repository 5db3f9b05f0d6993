//! The settings: environment and `.env` in, each module's `Settings` out. The only file that reads the environment.
//!
//! Every setting stands in [`ALL`] with its default, and in `.env.example` the same way; a test keeps the two in step.
//!
//! A setting is read only where it is in use, so that one that is not cannot prevent the start.

mod dotenv;
mod report;
mod stores;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::domain::limits::{Limits, USER_ID_MIN};
use crate::graphql::execution::{self, document};
use crate::graphql::transport;
use crate::http::MetricsAccess;
use crate::store::redis;
use crate::web::graphiql::Graphiql;
use crate::{access, chat, http, open_files, rate_limit, rest, telemetry, unsent_bytes, web};

pub use crate::config::dotenv::{DotEnvError, Problem};
pub use crate::config::report::{Explained, Explanation, Origin};

/// A setting: the name of its environment variable, and what holds when it is absent or empty.
pub struct Setting {
    pub name: &'static str,
    pub default: &'static str,
}

const fn setting(name: &'static str, default: &'static str) -> Setting {
    Setting { name, default }
}

const LISTEN_ADDR: Setting = setting("LISTEN_ADDR", "127.0.0.1:8001");
const BASE_PATH: Setting = setting("BASE_PATH", "");
const DATA_DIR: Setting = setting("DATA_DIR", "./data");
const REDIS_URL: Setting = setting("REDIS_URL", "");
const REDIS_CLUSTER: Setting = setting("REDIS_CLUSTER", "false");
const REDIS_HOST: Setting = setting("REDIS_HOST", "");
const REDIS_PORT: Setting = setting("REDIS_PORT", "6379");
const REDIS_USERNAME: Setting = setting("REDIS_USERNAME", "");
const REDIS_PASSWORD: Setting = setting("REDIS_PASSWORD", "");
const REDIS_SENTINELS: Setting = setting("REDIS_SENTINELS", "");
const REDIS_SENTINEL_MASTER: Setting = setting("REDIS_SENTINEL_MASTER", "mymaster");
const REDIS_SENTINEL_USERNAME: Setting = setting("REDIS_SENTINEL_USERNAME", "");
const REDIS_SENTINEL_PASSWORD: Setting = setting("REDIS_SENTINEL_PASSWORD", "");
const REDIS_TLS: Setting = setting("REDIS_TLS", "off");
const REDIS_CA_FILE: Setting = setting("REDIS_CA_FILE", "");
const REDIS_CERT_FILE: Setting = setting("REDIS_CERT_FILE", "");
const REDIS_KEY_FILE: Setting = setting("REDIS_KEY_FILE", "");
const REDIS_PREFIX: Setting = setting("REDIS_PREFIX", "livechat");
const REDIS_TIMEOUT: Setting = setting("REDIS_TIMEOUT", "1s");
const REDIS_WAIT: Setting = setting("REDIS_WAIT", "30s");
const ROOM_TTL: Setting = setting("ROOM_TTL", "24h");
const ROOM_CODE_LENGTH: Setting = setting("ROOM_CODE_LENGTH", "6");
const ROOM_MAX_MESSAGES: Setting = setting("ROOM_MAX_MESSAGES", "100000");
const ROOM_MAX_EVENTS: Setting = setting("ROOM_MAX_EVENTS", "300000");
const MESSAGE_MAX_EDITS: Setting = setting("MESSAGE_MAX_EDITS", "100");
const TEXT_MAX_LENGTH: Setting = setting("TEXT_MAX_LENGTH", "4000");
const DISPLAY_NAME_MAX_LENGTH: Setting = setting("DISPLAY_NAME_MAX_LENGTH", "64");
const USER_ID_MAX_LENGTH: Setting = setting("USER_ID_MAX_LENGTH", "128");
const BODY_MAX_BYTES: Setting = setting("BODY_MAX_BYTES", "65536");
const REQUEST_TIMEOUT: Setting = setting("REQUEST_TIMEOUT", "15s");
const MAX_CONNECTIONS: Setting = setting("MAX_CONNECTIONS", "");
const MAX_CONNECTIONS_PER_ADDRESS: Setting = setting("MAX_CONNECTIONS_PER_ADDRESS", "12000");
const TRUSTED_PROXIES: Setting = setting("TRUSTED_PROXIES", "");
const CLIENT_PREFIX_LENGTH: Setting = setting("CLIENT_PREFIX_LENGTH", "64");
const CORS_ORIGINS: Setting = setting("CORS_ORIGINS", "*");
const WS_INIT_TIMEOUT: Setting = setting("WS_INIT_TIMEOUT", "10s");
const WRITE_TIMEOUT: Setting = setting("WRITE_TIMEOUT", "30s");
const KEEP_ALIVE_INTERVAL: Setting = setting("KEEP_ALIVE_INTERVAL", "25s");
const MAX_SUBSCRIPTIONS_PER_SOCKET: Setting = setting("MAX_SUBSCRIPTIONS_PER_SOCKET", "100");
const MAX_SOCKETS_PER_ADDRESS: Setting = setting("MAX_SOCKETS_PER_ADDRESS", "10000");
const MAX_LEGACY_SOCKETS: Setting = setting("MAX_LEGACY_SOCKETS", "1000");
const MAX_OPERATIONS: Setting = setting("MAX_OPERATIONS", "1024");
const MAX_SUBSCRIPTIONS: Setting = setting("MAX_SUBSCRIPTIONS", "200000");
const MAX_SUBSCRIPTIONS_PER_CLIENT: Setting = setting("MAX_SUBSCRIPTIONS_PER_CLIENT", "20000");
const MAX_DISTINCT_SUBSCRIPTIONS: Setting = setting("MAX_DISTINCT_SUBSCRIPTIONS", "5000");
const MAX_DISTINCT_SUBSCRIPTIONS_PER_CLIENT: Setting = setting("MAX_DISTINCT_SUBSCRIPTIONS_PER_CLIENT", "500");
const RESPONSE_MAX_BYTES: Setting = setting("RESPONSE_MAX_BYTES", "16777216");
const UNSENT_MAX_BYTES: Setting = setting("UNSENT_MAX_BYTES", "536870912");
const UNSENT_MAX_BYTES_PER_CLIENT: Setting = setting("UNSENT_MAX_BYTES_PER_CLIENT", "67108864");
const RATE_LIMITS: Setting = setting("RATE_LIMITS", "on");
const RATE_ROOMS_PER_ADDRESS: Setting = setting("RATE_ROOMS_PER_ADDRESS", "10/m:20");
const RATE_SENDS_PER_USER: Setting = setting("RATE_SENDS_PER_USER", "5/s:50");
const RATE_SENDS_PER_CLIENT: Setting = setting("RATE_SENDS_PER_CLIENT", "20/s:200");
const RATE_SENDS_PER_ROOM: Setting = setting("RATE_SENDS_PER_ROOM", "100/s:500");
const RATE_SUBSCRIPTIONS_PER_ADDRESS: Setting = setting("RATE_SUBSCRIPTIONS_PER_ADDRESS", "50/s:1000");
const RATE_READS_PER_CLIENT: Setting = setting("RATE_READS_PER_CLIENT", "10000/s:200000");
const WRONG_CODES_PER_ADDRESS: Setting = setting("WRONG_CODES_PER_ADDRESS", "10:1m");
const WRONG_CODES_PER_NETWORK: Setting = setting("WRONG_CODES_PER_NETWORK", "100:1m");
const NETWORK_PREFIX_LENGTHS: Setting = setting("NETWORK_PREFIX_LENGTHS", "24,48");
const WRONG_CODES_PER_ROOM: Setting = setting("WRONG_CODES_PER_ROOM", "1000");
const WRONG_TOKENS_PER_USER: Setting = setting("WRONG_TOKENS_PER_USER", "10:1m");
const DOCUMENT_MAX_BYTES: Setting = setting("DOCUMENT_MAX_BYTES", "16384");
const DOCUMENT_MAX_TOKENS: Setting = setting("DOCUMENT_MAX_TOKENS", "1000");
const DOCUMENT_MAX_NAME: Setting = setting("DOCUMENT_MAX_NAME", "128");
const DOCUMENT_MAX_NESTING: Setting = setting("DOCUMENT_MAX_NESTING", "32");
const OPERATION_MAX_DEPTH: Setting = setting("OPERATION_MAX_DEPTH", "20");
const OPERATION_MAX_ALIASES: Setting = setting("OPERATION_MAX_ALIASES", "30");
const OPERATION_MAX_ROOT_FIELDS: Setting = setting("OPERATION_MAX_ROOT_FIELDS", "10");
const OPERATION_MAX_DIRECTIVES: Setting = setting("OPERATION_MAX_DIRECTIVES", "30");
const OPERATION_MAX_FRAGMENTS: Setting = setting("OPERATION_MAX_FRAGMENTS", "100");
const OPERATION_MAX_COST: Setting = setting("OPERATION_MAX_COST", "10000");
const OPERATION_TIMEOUT: Setting = setting("OPERATION_TIMEOUT", "10s");
const VARIABLES_MAX_BYTES: Setting = setting("VARIABLES_MAX_BYTES", "32768");
const VARIABLES_MAX_DEPTH: Setting = setting("VARIABLES_MAX_DEPTH", "8");
const INTROSPECTION: Setting = setting("INTROSPECTION", "on");
const INTROSPECTION_MAX_DEPTH: Setting = setting("INTROSPECTION_MAX_DEPTH", "3");
const PERSISTED_QUERIES: Setting = setting("PERSISTED_QUERIES", "on");
const REST_ERROR_STATUS: Setting = setting("REST_ERROR_STATUS", "same");
const MAX_LEGACY_READS_PER_CLIENT: Setting = setting("MAX_LEGACY_READS_PER_CLIENT", "8");
const MAX_LEGACY_READS: Setting = setting("MAX_LEGACY_READS", "64");
const LEGACY_READ_TIMEOUT: Setting = setting("LEGACY_READ_TIMEOUT", "10m");
const GRAPHIQL: Setting = setting("GRAPHIQL", "on");
const METRICS: Setting = setting("METRICS", "local");
const METRICS_HOSTS: Setting = setting("METRICS_HOSTS", "");
const DRAIN_SECONDS: Setting = setting("DRAIN_SECONDS", "5");
const LOG_FORMAT: Setting = setting("LOG_FORMAT", "text");
const LOG_LEVEL: Setting = setting("LOG_LEVEL", "info");
const OTEL_EXPORTER_OTLP_ENDPOINT: Setting = setting("OTEL_EXPORTER_OTLP_ENDPOINT", "");

const ON_OR_OFF: &[(&str, bool)] = &[("on", true), ("off", false)];

/// Every setting there is, in the order of `.env.example`.
pub const ALL: &[Setting] = &[
    LISTEN_ADDR,
    BASE_PATH,
    DATA_DIR,
    REDIS_URL,
    REDIS_CLUSTER,
    REDIS_HOST,
    REDIS_PORT,
    REDIS_USERNAME,
    REDIS_PASSWORD,
    REDIS_SENTINELS,
    REDIS_SENTINEL_MASTER,
    REDIS_SENTINEL_USERNAME,
    REDIS_SENTINEL_PASSWORD,
    REDIS_TLS,
    REDIS_CA_FILE,
    REDIS_CERT_FILE,
    REDIS_KEY_FILE,
    REDIS_PREFIX,
    REDIS_TIMEOUT,
    REDIS_WAIT,
    ROOM_TTL,
    ROOM_CODE_LENGTH,
    ROOM_MAX_MESSAGES,
    ROOM_MAX_EVENTS,
    MESSAGE_MAX_EDITS,
    TEXT_MAX_LENGTH,
    DISPLAY_NAME_MAX_LENGTH,
    USER_ID_MAX_LENGTH,
    BODY_MAX_BYTES,
    REQUEST_TIMEOUT,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_ADDRESS,
    TRUSTED_PROXIES,
    CLIENT_PREFIX_LENGTH,
    CORS_ORIGINS,
    WS_INIT_TIMEOUT,
    WRITE_TIMEOUT,
    KEEP_ALIVE_INTERVAL,
    MAX_SUBSCRIPTIONS_PER_SOCKET,
    MAX_SOCKETS_PER_ADDRESS,
    MAX_LEGACY_SOCKETS,
    MAX_OPERATIONS,
    MAX_SUBSCRIPTIONS,
    MAX_SUBSCRIPTIONS_PER_CLIENT,
    MAX_DISTINCT_SUBSCRIPTIONS,
    MAX_DISTINCT_SUBSCRIPTIONS_PER_CLIENT,
    RESPONSE_MAX_BYTES,
    UNSENT_MAX_BYTES,
    UNSENT_MAX_BYTES_PER_CLIENT,
    RATE_LIMITS,
    RATE_ROOMS_PER_ADDRESS,
    RATE_SENDS_PER_USER,
    RATE_SENDS_PER_CLIENT,
    RATE_SENDS_PER_ROOM,
    RATE_SUBSCRIPTIONS_PER_ADDRESS,
    RATE_READS_PER_CLIENT,
    WRONG_CODES_PER_ADDRESS,
    WRONG_CODES_PER_NETWORK,
    NETWORK_PREFIX_LENGTHS,
    WRONG_CODES_PER_ROOM,
    WRONG_TOKENS_PER_USER,
    DOCUMENT_MAX_BYTES,
    DOCUMENT_MAX_TOKENS,
    DOCUMENT_MAX_NAME,
    DOCUMENT_MAX_NESTING,
    OPERATION_MAX_DEPTH,
    OPERATION_MAX_ALIASES,
    OPERATION_MAX_ROOT_FIELDS,
    OPERATION_MAX_DIRECTIVES,
    OPERATION_MAX_FRAGMENTS,
    OPERATION_MAX_COST,
    OPERATION_TIMEOUT,
    VARIABLES_MAX_BYTES,
    VARIABLES_MAX_DEPTH,
    INTROSPECTION,
    INTROSPECTION_MAX_DEPTH,
    PERSISTED_QUERIES,
    REST_ERROR_STATUS,
    MAX_LEGACY_READS_PER_CLIENT,
    MAX_LEGACY_READS,
    LEGACY_READ_TIMEOUT,
    GRAPHIQL,
    METRICS,
    METRICS_HOSTS,
    DRAIN_SECONDS,
    LOG_FORMAT,
    LOG_LEVEL,
    OTEL_EXPORTER_OTLP_ENDPOINT,
];

/// Why the server does not start: which setting, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{name}: {problem}")]
    Invalid { name: &'static str, problem: String },
    #[error(".env cannot be read: {0}")]
    DotEnv(#[from] DotEnvError),
}

/// What the server runs with.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen_addr: SocketAddr,
    pub store: StoreChoice,
    pub access: access::Settings,
    pub rate_limit: rate_limit::Settings,
    pub chat: chat::Settings,
    pub http: http::Settings,
    pub telemetry: telemetry::Settings,
    /// Over how long a time sockets and streams are closed when the server stops.
    pub drain: Duration,
}

/// Which store keeps the rooms.
#[derive(Clone, Debug)]
pub enum StoreChoice {
    /// In this process, in this directory.
    Embedded(PathBuf),
    /// Shared with other processes.
    Redis(Box<redis::Settings>),
}

impl Config {
    /// Reads the environment, and `.env` of the working directory for what the environment does not say.
    pub fn from_environment() -> Result<Self, ConfigError> {
        read_environment()?.read(Self::read)
    }

    /// Where a server that is started with this environment listens.
    pub fn listen_addr_of_environment() -> Result<SocketAddr, ConfigError> {
        read_environment()?.read(|source| source.listen_addr())
    }

    /// The directory and the Redis between which `livechat migrate` moves rooms.
    pub fn of_migration() -> Result<(PathBuf, redis::Settings), ConfigError> {
        read_environment()?.read(|source| match source.store()? {
            StoreChoice::Redis(settings) => Ok((PathBuf::from(source.text(&DATA_DIR)), *settings)),
            StoreChoice::Embedded(_) => Err(invalid(&REDIS_URL, "must say where the rooms are to go")),
        })
    }

    /// Reads settings from `values`, by name.
    pub fn from_values(values: &HashMap<String, String>) -> Result<Self, ConfigError> {
        Self::read(&Source::of(values))
    }

    fn read(source: &Source<'_>) -> Result<Self, ConfigError> {
        let limits = Limits {
            text: source.number(&TEXT_MAX_LENGTH, 1, 16_000)?,
            display_name: source.number(&DISPLAY_NAME_MAX_LENGTH, 1, 1_000)?,
            user_id: source.number(&USER_ID_MAX_LENGTH, USER_ID_MIN, 1_000)?,
            messages_per_room: source.number(&ROOM_MAX_MESSAGES, 1, 10_000_000)?,
            events_per_room: source.number(&ROOM_MAX_EVENTS, 2, 100_000_000)?,
            edits_per_message: source.number(&MESSAGE_MAX_EDITS, 0, 1_000_000)?,
        };
        Ok(Self {
            listen_addr: source.listen_addr()?,
            store: source.store()?,
            access: source.unless_off(&RATE_LIMITS, |source, enabled| source.access(enabled))?,
            rate_limit: source.unless_off(&RATE_LIMITS, |source, enabled| source.rate_limit(enabled))?,
            chat: chat::Settings {
                room_ttl: source.duration(&ROOM_TTL, Duration::from_secs(1), Duration::from_secs(366 * 86_400))?,
                room_code_length: source.number(&ROOM_CODE_LENGTH, 4, 32)?,
                limits,
            },
            http: source.http(limits)?,
            telemetry: telemetry::Settings {
                format: source.choice(
                    &LOG_FORMAT,
                    &[("text", telemetry::LogFormat::Text), ("json", telemetry::LogFormat::Json)],
                )?,
                level: source.parse(&LOG_LEVEL, "error, warn, info, debug or trace")?,
                collector: source.collector()?,
            },
            drain: Duration::from_secs(source.number(&DRAIN_SECONDS, 0, 3_600)?),
        })
    }
}

/// What the environment says, and `.env` of the working directory where the environment says nothing.
struct Environment {
    values: HashMap<String, (String, Origin)>,
    /// Settings whose value is not text.
    not_text: Vec<&'static Setting>,
}

const NOT_TEXT: &str = "must be text in UTF-8";

fn read_environment() -> Result<Environment, ConfigError> {
    let lines = dotenv::read(Path::new(".env"), |name| ALL.iter().any(|setting| setting.name == name))?;
    let mut values: HashMap<_, _> = lines.into_iter().map(|(name, value)| (name, (value, Origin::DotEnv))).collect();
    let mut not_text = Vec::new();
    for (name, value) in std::env::vars_os() {
        // Settings have names of letters; a variable with any other name is not one.
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => drop(values.insert(name, (value, Origin::Environment))),
            Err(_) => not_text.extend(ALL.iter().find(|setting| setting.name == name)),
        }
    }
    Ok(Environment { values, not_text })
}

impl Environment {
    /// Reads something, and refuses it if any setting that it needs is not text.
    fn read<T>(self, read: impl FnOnce(&Source<'_>) -> Result<T, ConfigError>) -> Result<T, ConfigError> {
        let values = self.values.into_iter().map(|(name, (value, _))| (name, value)).collect();
        let source = Source::of(&values);
        let found = read(&source)?;
        let used = source.used.borrow();
        match self.not_text.iter().find(|setting| used.contains(setting.name)) {
            Some(setting) => Err(invalid(setting, NOT_TEXT)),
            None => Ok(found),
        }
    }
}

/// Where the values come from, and which of the settings were asked for.
struct Source<'a> {
    values: &'a HashMap<String, String>,
    used: RefCell<HashSet<&'static str>>,
}

impl<'a> Source<'a> {
    fn of(values: &'a HashMap<String, String>) -> Self {
        Self { values, used: RefCell::default() }
    }
}

impl Source<'_> {
    fn text(&self, setting: &Setting) -> &str {
        Some(self.untrimmed(setting).trim()).filter(|value| !value.is_empty()).unwrap_or(setting.default)
    }

    /// A password: blanks belong to it, and line ends, which come along from files, do not.
    fn password(&self, setting: &Setting) -> &str {
        self.untrimmed(setting).trim_matches(['\r', '\n'])
    }

    fn untrimmed(&self, setting: &Setting) -> &str {
        self.used.borrow_mut().insert(setting.name);
        self.values.get(setting.name).map_or(setting.default, String::as_str)
    }

    fn listen_addr(&self) -> Result<SocketAddr, ConfigError> {
        self.parse(&LISTEN_ADDR, "an address and a port, like 127.0.0.1:8001")
    }

    fn parse<T: FromStr>(&self, setting: &Setting, expected: &str) -> Result<T, ConfigError> {
        self.text(setting).parse().map_err(|_| invalid(setting, format!("must be {expected}")))
    }

    fn number<T: FromStr + PartialOrd + Display>(&self, setting: &Setting, min: T, max: T) -> Result<T, ConfigError> {
        let expected = format!("a whole number from {min} to {max}");
        let number = self.parse(setting, &expected)?;
        if (min..=max).contains(&number) { Ok(number) } else { Err(invalid(setting, format!("must be {expected}"))) }
    }

    /// A time with its unit, or a bare number of seconds.
    fn duration(&self, setting: &Setting, min: Duration, max: Duration) -> Result<Duration, ConfigError> {
        let text = self.text(setting);
        let duration = text.parse().map(Duration::from_secs).or_else(|_| humantime::parse_duration(text)).ok();
        duration.filter(|duration| (min..=max).contains(duration)).ok_or_else(|| {
            let (min, max) = (humantime::format_duration(min), humantime::format_duration(max));
            invalid(setting, format!("must be a time from {min} to {max}, like 90s, 30m or 24h"))
        })
    }

    fn choice<T: Clone>(&self, setting: &Setting, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let text = self.text(setting);
        choices.iter().find(|(name, _)| *name == text).map(|(_, value)| value.clone()).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            invalid(setting, format!("must be one of: {}", names.join(", ")))
        })
    }

    /// Reads settings that are not used, and so not checked, when `switch` is off.
    fn unless_off<T>(
        &self,
        switch: &Setting,
        read: impl Fn(&Source<'_>, bool) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        if self.choice(switch, ON_OR_OFF)? { read(self, true) } else { read(&Source::of(&HashMap::new()), false) }
    }

    fn rate_limit(&self, enabled: bool) -> Result<rate_limit::Settings, ConfigError> {
        const RATE: &str = "a rate and how many at once, like 10/s:50, 10/m:50 or 10/h:50";
        Ok(rate_limit::Settings {
            enabled,
            rooms_per_address: self.parse(&RATE_ROOMS_PER_ADDRESS, RATE)?,
            sends_per_user: self.parse(&RATE_SENDS_PER_USER, RATE)?,
            sends_per_client: self.parse(&RATE_SENDS_PER_CLIENT, RATE)?,
            sends_per_room: self.parse(&RATE_SENDS_PER_ROOM, RATE)?,
            subscriptions_per_address: self.parse(&RATE_SUBSCRIPTIONS_PER_ADDRESS, RATE)?,
            reads_per_client: self.parse(&RATE_READS_PER_CLIENT, RATE)?,
        })
    }

    fn access(&self, lockouts_enabled: bool) -> Result<access::Settings, ConfigError> {
        const NETWORKS: &str = "bits of IPv4, from 8 to 32, and of IPv6, from 16 to 128, like 24,48";
        const LOCKOUT: &str = "a number of failures and the first lockout, from 1s to 1h, like 10:1m";
        Ok(access::Settings {
            lockouts_enabled,
            wrong_codes_per_address: self.parse(&WRONG_CODES_PER_ADDRESS, LOCKOUT)?,
            wrong_codes_per_network: self.parse(&WRONG_CODES_PER_NETWORK, LOCKOUT)?,
            network_prefixes: self.parse(&NETWORK_PREFIX_LENGTHS, NETWORKS)?,
            wrong_codes_per_room: self.number(&WRONG_CODES_PER_ROOM, 1, 100_000)?,
            wrong_tokens_per_user: self.parse(&WRONG_TOKENS_PER_USER, LOCKOUT)?,
        })
    }

    fn http(&self, limits: Limits) -> Result<http::Settings, ConfigError> {
        Ok(http::Settings {
            base_path: self.parse(&BASE_PATH, "a path like /chat")?,
            body_max: self.number(&BODY_MAX_BYTES, 1_024, 16 * 1024 * 1024)?,
            connections: http::ConnectionSettings {
                max: self.max_connections()?,
                max_per_address: self.number(&MAX_CONNECTIONS_PER_ADDRESS, 1, 10_000_000)?,
                request_timeout: self.duration(&REQUEST_TIMEOUT, Duration::from_secs(1), Duration::from_secs(300))?,
                write_timeout: self.write_timeout()?,
            },
            origins: self.parse(&CORS_ORIGINS, "* or origins like https://chat.example.org, separated by commas")?,
            unsent: unsent_bytes::Settings {
                per_client: self.number(&UNSENT_MAX_BYTES_PER_CLIENT, 64 * 1024, 1 << 40)?,
                total: self.number(&UNSENT_MAX_BYTES, 64 * 1024, 1 << 40)?,
            },
            clients: http::ClientIpResolver {
                proxies: self.parse(&TRUSTED_PROXIES, "addresses and networks like 10.0.0.0/8, separated by commas")?,
                ipv6_prefix: self.number(&CLIENT_PREFIX_LENGTH, 32, 128)?,
            },
            operations: execution::Settings {
                max_in_flight: self.number(&MAX_OPERATIONS, 1, 1_000_000)?,
                time_limit: self.duration(&OPERATION_TIMEOUT, Duration::from_millis(10), Duration::from_secs(300))?,
                response_max: self.number(&RESPONSE_MAX_BYTES, 64 * 1024, 1 << 40)?,
                subscriptions: execution::SubscriptionLimits {
                    total: self.number(&MAX_SUBSCRIPTIONS, 1, 100_000_000)?,
                    per_client: self.number(&MAX_SUBSCRIPTIONS_PER_CLIENT, 1, 100_000_000)?,
                    distinct: self.number(&MAX_DISTINCT_SUBSCRIPTIONS, 1, 10_000_000)?,
                    distinct_per_client: self.number(&MAX_DISTINCT_SUBSCRIPTIONS_PER_CLIENT, 1, 10_000_000)?,
                },
                limits: self.limits()?,
                persisted_queries: self.choice(&PERSISTED_QUERIES, ON_OR_OFF)?,
            },
            transports: transport::Settings {
                ws_init_timeout: self.duration(&WS_INIT_TIMEOUT, Duration::from_secs(1), Duration::from_secs(300))?,
                write_timeout: self.write_timeout()?,
                keep_alive_interval: self.duration(
                    &KEEP_ALIVE_INTERVAL,
                    Duration::from_secs(1),
                    Duration::from_secs(3_600),
                )?,
                max_subscriptions_per_socket: self.number(&MAX_SUBSCRIPTIONS_PER_SOCKET, 1, 10_000)?,
                max_sockets_per_address: self.number(&MAX_SOCKETS_PER_ADDRESS, 1, 10_000_000)?,
                max_legacy_sockets: self.number(&MAX_LEGACY_SOCKETS, 0, 10_000_000)?,
            },
            rest: rest::Settings {
                error_status: self.choice(
                    &REST_ERROR_STATUS,
                    &[("same", rest::ErrorStatus::Meaningful), ("200", rest::ErrorStatus::AlwaysOk)],
                )?,
                max_reads_per_client: self.number(&MAX_LEGACY_READS_PER_CLIENT, 1, 1_000_000)?,
                max_reads: self.number(&MAX_LEGACY_READS, 1, 1_000_000)?,
                read_timeout: self.duration(
                    &LEGACY_READ_TIMEOUT,
                    Duration::from_secs(1),
                    Duration::from_secs(24 * 3_600),
                )?,
            },
            web: web::Settings {
                graphiql: self
                    .choice(&GRAPHIQL, &[("on", Graphiql::On), ("cdn", Graphiql::Cdn), ("off", Graphiql::Off)])?,
                text_max: limits.text,
                display_name_max: limits.display_name,
            },
            metrics: self.choice(
                &METRICS,
                &[("local", MetricsAccess::Local), ("on", MetricsAccess::All), ("off", MetricsAccess::Disabled)],
            )?,
            metrics_hosts: self.parse(&METRICS_HOSTS, "host names without ports, separated by commas")?,
        })
    }

    /// As many as are asked for; without a word, as many as there may be files open.
    fn max_connections(&self) -> Result<usize, ConfigError> {
        match self.text(&MAX_CONNECTIONS) {
            "" => Ok(open_files::connections_that_fit()),
            _ => self.number(&MAX_CONNECTIONS, 1, 10_000_000),
        }
    }

    fn introspection_depth(&self, introspection: bool) -> Result<u32, ConfigError> {
        let nothing = HashMap::new();
        let source = if introspection { self } else { &Source::of(&nothing) };
        source.number(&INTROSPECTION_MAX_DEPTH, 1, 16)
    }

    fn limits(&self) -> Result<document::Limits, ConfigError> {
        let introspection = self.choice(&INTROSPECTION, ON_OR_OFF)?;
        Ok(document::Limits {
            bytes: self.number(&DOCUMENT_MAX_BYTES, 256, 1024 * 1024)?,
            tokens: self.number(&DOCUMENT_MAX_TOKENS, 16, 100_000)?,
            name: self.number(&DOCUMENT_MAX_NAME, 16, 1_024)?,
            nesting: self.number(&DOCUMENT_MAX_NESTING, 4, document::NESTING_MAX)?,
            depth: self.number(&OPERATION_MAX_DEPTH, 1, 64)?,
            aliases: self.number(&OPERATION_MAX_ALIASES, 0, 10_000)?,
            root_fields: self.number(&OPERATION_MAX_ROOT_FIELDS, 1, 10_000)?,
            directives: self.number(&OPERATION_MAX_DIRECTIVES, 0, 10_000)?,
            fragments: self.number(&OPERATION_MAX_FRAGMENTS, 0, 10_000)?,
            cost: self.number(&OPERATION_MAX_COST, 1, 10_000_000)?,
            introspection_depth: self.introspection_depth(introspection)?,
            introspection,
            variables_bytes: self.number(&VARIABLES_MAX_BYTES, 256, 16 * 1024 * 1024)?,
            variables_depth: self.number(&VARIABLES_MAX_DEPTH, 1, 64)?,
        })
    }

    /// Who is sent traces, if anybody.
    fn collector(&self) -> Result<Option<telemetry::Collector>, ConfigError> {
        match self.text(&OTEL_EXPORTER_OTLP_ENDPOINT) {
            "" => Ok(None),
            _ => self.parse(&OTEL_EXPORTER_OTLP_ENDPOINT, "an address like http://127.0.0.1:4318").map(Some),
        }
    }

    fn write_timeout(&self) -> Result<Duration, ConfigError> {
        self.duration(&WRITE_TIMEOUT, Duration::from_secs(1), Duration::from_secs(3_600))
    }
}

fn invalid(setting: &Setting, problem: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { name: setting.name, problem: problem.into() }
}
