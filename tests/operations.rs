//! Operating a server: settings, commands, logs, metrics, start and shutdown, and the files and documents for operators.

mod cli;
mod cluster;
mod deploy;
mod docs;
mod documented_settings;
mod dotenv;
mod drain;
mod feature_metrics;
mod logging;
mod metrics;
mod readme;
mod releases;
mod restart;
mod settings;
mod snippets;
mod startup;
mod telemetry;
mod tools;
mod two_servers;
mod version;
