//! What operators meet: settings, commands, logs, metrics, starts and stops.

mod cli;
mod cluster;
mod deploy;
mod docs;
mod drain;
mod load;
mod logging;
mod metrics;
mod operations_guide;
mod readme;
mod restart;
mod settings;
mod snippets;
mod startup;
mod telemetry;
mod tools;
mod two_servers;
