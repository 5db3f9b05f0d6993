//! Every setting, declared once: its name, type, default, parser and description.
//!
//! `.env.example` and the tables in docs/operations.md are generated from this file by `make settings`. To add a setting,
//! declare it here and read it in `config.rs`, or in `store.rs` if it is for Redis.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use crate::access::identity::{Requirement, RoomCreators};
use crate::config::parsers::*;
use crate::domain::client_key::NetworkPrefixes;
use crate::domain::limits::USER_ID_MIN;
use crate::graphql::execution::document;
use crate::http::{BasePath, MetricsAccess, MetricsHosts, Origins, TrustedProxies};
use crate::rate_limit::Rate;
use crate::rest::ErrorStatus;
use crate::store::LockoutPolicy;
use crate::telemetry::{Collector, LogFormat};
use crate::web::frame_ancestors::FrameAncestors;
use crate::web::graphiql::Graphiql;

/// What people need to know about a setting.
#[derive(Clone, Copy, Debug)]
pub struct SettingInfo {
    /// The name of the environment variable.
    pub name: &'static str,
    /// The value in force when the variable is absent or empty.
    pub default: &'static str,
    /// What the setting does, and what to consider when changing it.
    pub description: &'static str,
}

/// A setting and how to parse it.
pub(super) struct Setting<T> {
    pub(super) info: SettingInfo,
    /// Parses a trimmed value. The error continues the setting's name: "must be …".
    pub(super) parse: fn(&str) -> Result<T, String>,
}

/// Settings that belong together.
pub struct Section {
    pub title: &'static str,
    pub settings: &'static [SettingInfo],
}

/// Former settings whose values are constants now. They are reported when they are still set.
pub const REMOVED: [&str; 7] = [
    "DOCUMENT_MAX_NAME",
    "OPERATION_MAX_ALIASES",
    "OPERATION_MAX_ROOT_FIELDS",
    "OPERATION_MAX_DIRECTIVES",
    "OPERATION_MAX_FRAGMENTS",
    "VARIABLES_MAX_DEPTH",
    "INTROSPECTION_MAX_DEPTH",
];

/// Every setting, in the order of `.env.example`.
pub fn all() -> impl Iterator<Item = &'static SettingInfo> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

/// Declares a constant for each setting, and `SECTIONS` with all of them.
macro_rules! settings {
    ($($title:literal {
        $($(#[doc = $line:literal])+ $name:ident: $value:ty = $default:literal, $parser:ident($($argument:expr),*);)+
    })+) => {
        $($(
            pub(super) const $name: Setting<$value> = Setting {
                info: SettingInfo {
                    name: stringify!($name),
                    default: $default,
                    description: concat!($($line),+).trim_ascii(),
                },
                parse: |text| $parser(text, $($argument),*),
            };
        )+)+

        /// Every setting, grouped by subject.
        pub const SECTIONS: &[Section] = &[$(Section { title: $title, settings: &[$($name.info),+] }),+];
    };
}

settings! {
    "Server and network" {
        /// Address and port to listen on. Use `0.0.0.0:8001` to accept requests from other machines, or in a container.
        LISTEN_ADDR: SocketAddr = "127.0.0.1:8001", parsed("an address and a port, like 127.0.0.1:8001");
        /// PEM file with the certificate for TLS, followed by its intermediate certificates. With it, the server speaks only TLS:
        /// HTTP/2 and HTTP/1.1 (see docs/operations.md#tls-without-a-proxy). Empty: plain HTTP/1.1, for use behind a proxy.
        TLS_CERT_FILE: Option<PathBuf> = "", optional("a path");
        /// PEM file with the key of the certificate, readable only by the server's user. Both files are read again within seconds
        /// after they change.
        TLS_KEY_FILE: Option<PathBuf> = "", optional("a path");
        /// Path under which everything is served, like `/chat`. The proxy must pass the whole path
        /// (see deploy/nginx/livechat-sub-path.conf). The probes also answer at the root.
        BASE_PATH: BasePath = "", parsed("a path like /chat");
        /// Proxies in front of the server, as addresses and networks like `127.0.0.1,10.0.0.0/8`. Their `Forwarded` and
        /// `X-Forwarded-For` headers name the client; the headers of others are ignored. Without this setting, all clients
        /// behind a proxy count as one.
        TRUSTED_PROXIES: TrustedProxies = "", parsed("addresses and networks like 10.0.0.0/8, separated by commas");
        /// Bits of an IPv6 address that identify one client, for every limit per address or client. Set `56` if your users'
        /// provider assigns networks of that size. Use the same value on all servers. An IPv4 address is always one client.
        CLIENT_PREFIX_LENGTH: u8 = "64", number(32, 128);
        /// Sites whose pages may use this server: `*` for all, or origins like `https://chat.example.org`, separated by
        /// commas. The server's own pages are always allowed.
        CORS_ORIGINS: Origins = "*", parsed("* or origins like https://chat.example.org, separated by commas");
        /// Largest request body, in bytes. Set the proxy's `client_max_body_size` to the same value.
        BODY_MAX_BYTES: usize = "65536", number(1_024, 16 * MIB);
        /// Time for a request's head to arrive, and again for its body. A connection without a request is closed after the
        /// same time, so the proxy's `keepalive_timeout` towards the server must be shorter.
        REQUEST_TIMEOUT: Duration = "15s", duration(secs(1), secs(300));
        /// Time after which a client that accepts no data is disconnected, over any transport. A client that lost its network
        /// counts as a viewer for this long.
        WRITE_TIMEOUT: Duration = "30s", duration(secs(1), secs(3_600));
        /// Open connections in total, including WebSockets and streams. Empty: as many as the limit of open files allows,
        /// at most 100000 (see docs/operations.md#sizing).
        MAX_CONNECTIONS: usize = "", max_connections();
        /// Open connections per client address (IPv6: per network of `CLIENT_PREFIX_LENGTH`). Trusted proxies are exempt.
        /// Lower it if no large network shares one address.
        MAX_CONNECTIONS_PER_ADDRESS: usize = "12000", number(1, 10_000_000);
        /// Seconds over which WebSockets and streams are closed at shutdown, so that clients do not all reconnect at once.
        /// Increase it with many sockets. The supervisor must wait at least 5 seconds longer before it kills the process.
        DRAIN_SECONDS: u64 = "5", number(0, 3_600);
    }

    "Storage" {
        /// Directory of the embedded database. Only one process can use it at a time. Back it up.
        DATA_DIR: PathBuf = "./data", parsed("a path");
        /// Redis to use instead of the embedded store, like `redis://user:password@host:6379/0`, or `rediss://` for TLS.
        /// Replaces `REDIS_HOST`, `REDIS_PORT`, `REDIS_USERNAME` and `REDIS_PASSWORD`. Several nodes of a cluster are separated
        /// by commas: `redis://:password@host:6379,host2:6379`. Write a comma in a password as `%2C`.
        REDIS_URL: String = "", text();
        /// `true` if the only node given is part of a Redis Cluster. Several nodes in `REDIS_URL` always form a cluster.
        REDIS_CLUSTER: bool = "false", choice(&[("true", true), ("false", false)]);
        /// Host of a Redis, if `REDIS_URL` is empty.
        REDIS_HOST: String = "", text();
        /// Port of the Redis at `REDIS_HOST`.
        REDIS_PORT: u16 = "6379", redis_port();
        /// User name for Redis. Give the user the least privileges (see docs/operations.md#permissions).
        REDIS_USERNAME: String = "", text();
        /// Password for Redis. Keep it in a secret store, not in a committed file.
        REDIS_PASSWORD: String = "", text();
        /// Redis Sentinels that know the primary, like `one:26379,two:26379`, instead of a URL or host
        /// (see docs/operations.md#sentinel).
        REDIS_SENTINELS: Vec<(String, u16)> = "", sentinels();
        /// Name of the primary in the sentinels' configuration.
        REDIS_SENTINEL_MASTER: String = "mymaster", text();
        /// User name for the sentinels, if they require one.
        REDIS_SENTINEL_USERNAME: String = "", text();
        /// Password for the sentinels, if they require one.
        REDIS_SENTINEL_PASSWORD: String = "", text();
        /// `on` to connect to Redis and the sentinels over TLS. Always on for `rediss://` (see docs/operations.md#tls).
        REDIS_TLS: bool = "off", on_or_off();
        /// PEM file with the certificate authorities to trust instead of the public ones. Read at start.
        REDIS_CA_FILE: Option<PathBuf> = "", optional("a path");
        /// PEM file with the client certificate, if Redis requires one (`tls-auth-clients yes`). Read at start.
        REDIS_CERT_FILE: Option<PathBuf> = "", optional("a path");
        /// PEM file with the key of the client certificate, readable only by the server's user. Read at start.
        REDIS_KEY_FILE: Option<PathBuf> = "", optional("a path");
        /// Prefix of every key and channel. Use a different one for each LiveChat on the same Redis.
        REDIS_PREFIX: String = "livechat", text();
        /// Deadline of one Redis call. Requests wait this long when Redis is unreachable; increase it only if Redis is far away.
        REDIS_TIMEOUT: Duration = "1s", duration(millis(100), secs(60));
        /// Time to wait at start for a Redis that is unreachable or still loading; `0` does not wait. Must be shorter than the
        /// supervisor's start timeout (see docs/operations.md#starting-before-redis).
        REDIS_WAIT: Duration = "30s", duration(Duration::ZERO, secs(3_600));
    }

    "Rooms and messages" {
        /// Lifetime of a room from its creation. Applies to rooms created from now on.
        ROOM_TTL: Duration = "24h", duration(secs(1), secs(366 * 86_400));
        /// Digits of a room code. Applies to rooms created from now on. More than 7 break the original website
        /// (see docs/migrating.md).
        ROOM_CODE_LENGTH: usize = "6", number(4, 32);
        /// Messages in a room, including deleted ones. Costs disk space, or Redis memory.
        ROOM_MAX_MESSAGES: u64 = "100000", number(1, 10_000_000);
        /// Sends, edits and deletions in a room, about 30 bytes each. Each message reserves one for its deletion, so set at
        /// least twice `ROOM_MAX_MESSAGES`.
        ROOM_MAX_EVENTS: u64 = "300000", number(2, 100_000_000);
        /// Edits of one message; `0` disables editing.
        MESSAGE_MAX_EDITS: u64 = "100", number(0, 1_000_000);
        /// Characters in a message. At up to four bytes a character, the text must fit into `BODY_MAX_BYTES`.
        TEXT_MAX_LENGTH: usize = "4000", number(1, 16_000);
        /// Characters in a display name.
        DISPLAY_NAME_MAX_LENGTH: usize = "64", number(1, 1_000);
        /// Characters in a user id.
        USER_ID_MAX_LENGTH: usize = "128", number(USER_ID_MIN, 1_000);
    }

    "Subscriptions and operations" {
        /// Time for a WebSocket client to send `connection_init`.
        WS_INIT_TIMEOUT: Duration = "10s", duration(secs(1), secs(300));
        /// Interval of pings and keep-alives on idle WebSockets and streams. Must be shorter than the idle timeout of every
        /// proxy in between. A WebSocket that is silent for twice as long, pongs included, is closed.
        KEEP_ALIVE_INTERVAL: Duration = "25s", duration(secs(1), secs(3_600));
        /// Concurrent operations on one WebSocket.
        MAX_SUBSCRIPTIONS_PER_SOCKET: usize = "100", number(1, 10_000);
        /// Open WebSockets per client address.
        MAX_SOCKETS_PER_ADDRESS: usize = "10000", number(1, 10_000_000);
        /// Open WebSockets with the older `graphql-ws` protocol of old Apollo clients
        /// (see docs/clients.md#old-apollo-clients). A single client gets at most three quarters of them. `0` refuses them.
        MAX_LEGACY_SOCKETS: usize = "1000", number(0, 10_000_000);
        /// Concurrent queries and mutations. A single client gets at most three quarters of them; several get equal shares.
        MAX_OPERATIONS: usize = "1024", number(1, 1_000_000);
        /// Live subscriptions in total, about 5 KB of memory each.
        MAX_SUBSCRIPTIONS: usize = "200000", number(1, 100_000_000);
        /// Live subscriptions per client. Lower it if no large network shares one address.
        MAX_SUBSCRIPTIONS_PER_CLIENT: usize = "20000", number(1, 100_000_000);
        /// Distinct live subscriptions in total: those that differ in their document, or in the variables that fields of an
        /// event use. Each renders every event itself and takes up to 20 KB of memory. A document counts once more for
        /// each further 64 tokens, or 64 fields with its fragments expanded, whichever are more.
        MAX_DISTINCT_SUBSCRIPTIONS: usize = "5000", number(1, 10_000_000);
        /// Distinct live subscriptions per client. Clients that pass changing values as variables need only a few.
        MAX_DISTINCT_SUBSCRIPTIONS_PER_CLIENT: usize = "500", number(1, 10_000_000);
        /// Largest response, in bytes. A page of 100 messages of the longest text that `TEXT_MAX_LENGTH` can allow takes 16 MB;
        /// with the default lengths, 4 MB hold the largest page.
        RESPONSE_MAX_BYTES: usize = "16777216", number(64 * 1024, 1 << 40);
        /// Total memory, in bytes, for responses of more than 16 KiB that are being rendered or sent.
        UNSENT_MAX_BYTES: usize = "536870912", number(64 * 1024, 1 << 40);
        /// The same per client. Set at least four times `RESPONSE_MAX_BYTES`.
        UNSENT_MAX_BYTES_PER_CLIENT: usize = "67108864", number(64 * 1024, 1 << 40);
    }

    "Rate limits and lockouts" {
        /// `off` disables every rate limit and lockout, so room codes can be guessed. Only for load tests.
        RATE_LIMITS: bool = "on", on_or_off();
        /// Rooms created per client address. `10/m:20` means ten per minute and up to 20 at once; `s` and `h` stand for second
        /// and hour. Increase it if many people share an address.
        RATE_ROOMS_PER_ADDRESS: Rate = "10/m:20", parsed(RATE);
        /// Sends, edits and deletions per user and client address.
        RATE_SENDS_PER_USER: Rate = "5/s:50", parsed(RATE);
        /// Sends, edits and deletions per client. Increase it if many people share an address.
        RATE_SENDS_PER_CLIENT: Rate = "20/s:200", parsed(RATE);
        /// Sends, edits and deletions per room. Limits what all readers of the room receive.
        RATE_SENDS_PER_ROOM: Rate = "100/s:500", parsed(RATE);
        /// Subscriptions opened per client address. Limits how fast clients behind one address can reconnect.
        RATE_SUBSCRIPTIONS_PER_ADDRESS: Rate = "50/s:1000", parsed(RATE);
        /// Reads per client, in units of cost: a query costs what `OPERATION_MAX_COST` counts, a subscription 10 plus 1 per
        /// missed event, a legacy list 10 plus 1 per item. Opening the chat page costs about 2000. Increase it if many people
        /// share an address.
        RATE_READS_PER_CLIENT: Rate = "10000/s:200000", parsed(RATE);
        /// Wrong room codes per client address before a lockout, and the length of the first lockout. Each further wrong code
        /// doubles it, up to an hour.
        WRONG_CODES_PER_ADDRESS: LockoutPolicy = "10:1m", parsed(LOCKOUT);
        /// The same for the wider network around the address. Increase it if many of your users share a network
        /// (see docs/security.md).
        WRONG_CODES_PER_NETWORK: LockoutPolicy = "100:1m", parsed(LOCKOUT);
        /// Bits of an IPv4 and of an IPv6 address that identify the wider network: the largest that a provider assigns to one
        /// customer. `32,48` counts no wider networks for IPv4. Use the same value on all servers.
        NETWORK_PREFIX_LENGTHS: NetworkPrefixes = "24,48", parsed(NETWORKS);
        /// Wrong codes for one room from all addresses, after which each IPv4 address and each wider IPv6 network has one
        /// attempt left. After ten times as many, none has. Lower it with short codes (see docs/security.md).
        WRONG_CODES_PER_ROOM: u32 = "1000", number(1, 100_000);
        /// Wrong tokens per user and client address before a lockout, and the length of the first lockout.
        WRONG_TOKENS_PER_USER: LockoutPolicy = "10:1m", parsed(LOCKOUT);
    }

    "Identities" {
        /// Users that your site vouches for with a signed identity (see docs/identity.md): `off` takes identities for ordinary
        /// tokens, `optional` accepts them, `required` lets nobody act without one. Reading a room needs its code alone.
        IDENTITY: Requirement = "off", choice(&[
            ("off", Requirement::Off), ("optional", Requirement::Optional), ("required", Requirement::Required),
        ]);
        /// JWKS file with the public keys that identities are signed with: EdDSA (Ed25519), ES256 or RS256. Read again within
        /// seconds after it changes.
        IDENTITY_KEYS: Option<PathBuf> = "", optional("a path");
        /// Secret that identities are signed with (HS256), at least 32 bytes. Use `IDENTITY_KEYS` where the site can: whoever
        /// has this secret can issue identities.
        IDENTITY_SECRET: String = "", text();
        /// Who may create rooms: `anyone`, or `identified` for users with an identity alone.
        CREATE_ROOMS: RoomCreators = "anyone",
            choice(&[("anyone", RoomCreators::Anyone), ("identified", RoomCreators::Identified)]);
    }

    "GraphQL documents" {
        /// Largest GraphQL document, in bytes. Lower this and the limits below once you know what your clients send.
        DOCUMENT_MAX_BYTES: usize = "16384", number(256, MIB);
        /// Tokens in a document.
        DOCUMENT_MAX_TOKENS: usize = "1000", number(16, 100_000);
        /// Nesting of brackets in a document, and of selection sets with fragments expanded.
        DOCUMENT_MAX_NESTING: usize = "32", number(4, document::NESTING_MAX);
        /// Nesting of fields in an operation, with fragments expanded. A value above `DOCUMENT_MAX_NESTING`
        /// has no effect.
        OPERATION_MAX_DEPTH: u32 = "20", number(1, 64);
        /// Cost of an operation: 1 per field, 10 per field that reads the store, and the fields of a list once per item of the
        /// page.
        OPERATION_MAX_COST: u64 = "10000", number(1, 10_000_000);
        /// Time for a query or mutation to finish, and for a subscription to open.
        OPERATION_TIMEOUT: Duration = "10s", duration(millis(10), secs(300));
        /// Size of an operation's variables, in bytes of JSON.
        VARIABLES_MAX_BYTES: usize = "32768", number(256, 16 * MIB);
        /// `off` hides the schema. GraphiQL needs `on`.
        INTROSPECTION: bool = "on", on_or_off();
        /// Automatic persisted queries. `off` answers `PersistedQueryNotSupported`, and clients send their documents.
        PERSISTED_QUERIES: bool = "on", on_or_off();
        /// File with the only documents that run, as Relay, Apollo or GraphQL Code Generator writes it
        /// (see docs/operations.md#trusted-documents). Read at start. Empty: any document runs.
        TRUSTED_DOCUMENTS: Option<PathBuf> = "", optional("a path");
    }

    "Legacy REST routes" {
        /// HTTP status of refused legacy requests: `same` as the `status_code` in the body, or always `200` like the original
        /// service.
        REST_ERROR_STATUS: ErrorStatus = "same", choice(&[("same", ErrorStatus::Meaningful), ("200", ErrorStatus::AlwaysOk)]);
        /// Whole rooms and lists of all rooms sent to one client at a time. Increase it if many legacy clients share an
        /// address and get 429.
        MAX_LEGACY_READS_PER_CLIENT: usize = "8", number(1, 1_000_000);
        /// Whole rooms and lists of all rooms sent at a time in total. Each takes up to 2 MB until its client has read it.
        MAX_LEGACY_READS: usize = "64", number(1, 1_000_000);
        /// Time to send one whole room or list. Allow what the slowest legacy client needs for the largest room.
        LEGACY_READ_TIMEOUT: Duration = "10m", duration(secs(1), secs(24 * 3_600));
    }

    "Pages, metrics and logs" {
        /// GraphiQL: `on`, `off`, or `cdn` to load it from a CDN. A build without `make graphiql` uses the CDN for `on`, too.
        GRAPHIQL: Graphiql = "on", choice(&[("on", Graphiql::On), ("cdn", Graphiql::Cdn), ("off", Graphiql::Off)]);
        /// Sites that may show the chat page in a frame, like `https://site.example` or `https://*.site.example`, separated by
        /// commas; `*` for all. Empty: none. Name only sites that you trust: a frame's site can lay other things over the page.
        FRAME_ANCESTORS: FrameAncestors = "", parsed("sites like https://site.example, separated by commas");
        /// Clients that may read `/metrics`: `local` for loopback and private addresses that do not come through an untrusted
        /// proxy, `on` for everybody, `off` for nobody. Your proxy should not forward `/metrics`.
        METRICS: MetricsAccess = "local",
            choice(&[("local", MetricsAccess::Local), ("on", MetricsAccess::All), ("off", MetricsAccess::Disabled)]);
        /// Host names under which `/metrics` may be read with `METRICS=local`, besides addresses, `localhost` and names without
        /// a dot. Set the name that Prometheus uses, like `livechat.chat.svc.cluster.local`. Other names are refused because
        /// a website could point its own name at your network.
        METRICS_HOSTS: MetricsHosts = "", parsed("host names without ports, separated by commas");
        /// Log format: `text`, or `json` where logs are collected.
        LOG_FORMAT: LogFormat = "text", choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);
        /// Lowest level that is logged: `error`, `warn`, `info`, `debug` or `trace`. `debug` logs every request.
        LOG_LEVEL: LevelFilter = "info", parsed("error, warn, info, debug or trace");
        /// OpenTelemetry collector for traces, by OTLP over plain HTTP, like `http://127.0.0.1:4318`. Empty sends none.
        OTEL_EXPORTER_OTLP_ENDPOINT: Option<Collector> = "", optional("an address like http://127.0.0.1:4318");
    }
}
