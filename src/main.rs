//! The `livechat` command: parses arguments and settings, then serves or runs a subcommand.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use livechat::app::App;
use livechat::config::{Config, StoreChoice};
use livechat::{cli, graphql, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A chat-room server: GraphQL with subscriptions, and the legacy REST routes.
///
/// Settings are read from the environment and from .env in the working directory. .env.example lists them all.
#[derive(Parser)]
#[command(version = livechat::VERSION)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (the default).
    Serve,
    /// Print the GraphQL schema.
    Schema,
    /// Print every setting, where its value comes from, and any problem with it.
    ///
    /// Reads the files that settings name, too. Fails with 1 if the server would not start.
    Config {
        /// Print only problems and warnings, for deployments.
        #[arg(long)]
        check: bool,
    },
    /// Check whether the server that runs with these settings is ready.
    Healthcheck,
    /// Copy all rooms and users from the embedded store in DATA_DIR to the Redis at REDIS_URL or REDIS_HOST.
    Migrate,
    /// Copy the embedded store in DATA_DIR into a new file. A server may be running meanwhile.
    Backup {
        /// The file to write. It must not exist.
        file: PathBuf,
    },
    /// Put a backup into DATA_DIR. The server must be stopped.
    Restore {
        /// The backup to read.
        file: PathBuf,
        /// Replace the database in DATA_DIR.
        #[arg(long)]
        force: bool,
    },
    /// Print a completion script for a shell.
    Completions { shell: Shell },
    /// Print the manual page, for packages.
    #[command(hide = true)]
    Man,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Some(Command::Schema) => {
            print!("{}", graphql::sdl());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Config { check }) => cli::config::run(check).map_err(Into::into),
        Some(Command::Healthcheck) => {
            let server = Config::listen_addr_from_environment();
            server.map(|(address, has_tls)| cli::healthcheck::run(address, has_tls)).map_err(Into::into)
        }
        Some(Command::Migrate) => cli::migrate::run(),
        Some(Command::Backup { file }) => cli::backup::back_up(&file),
        Some(Command::Restore { file, force }) => cli::backup::restore(&file, force),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Arguments::command(), "livechat", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Man) => cli::man::run(Arguments::command()).map_err(Into::into),
        None | Some(Command::Serve) => serve().map(|()| ExitCode::SUCCESS),
    };
    match outcome {
        Ok(status) => status,
        Err(error) => {
            eprintln!("livechat: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve() -> Result<(), Box<dyn Error>> {
    let config = Config::from_environment()?;
    let traces = telemetry::start(&config.telemetry)?;
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let store = match &config.store {
        StoreChoice::Embedded(directory) => format!("embedded, in {}", directory.display()),
        StoreChoice::Redis(settings) if settings.is_cluster() => format!("Redis Cluster at {}", settings.address()),
        StoreChoice::Redis(settings) => format!("Redis at {}", settings.address()),
    };
    let (base, graphiql) = (config.http.base_path.clone(), config.http.web.graphiql);
    let scheme = if config.http.connections.certificate.is_some() { "https" } else { "http" };
    let signals = tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::info!("stopping");
            stop.cancel();
        }
    });
    // Opening may wait for Redis; a signal ends the wait.
    let outcome = match stop.run_until_cancelled(Box::pin(App::open(config))).await {
        None => Ok(()),
        Some(Err(error)) => Err(error),
        Some(Ok(app)) => {
            let url = format!("{scheme}://{}{base}", app.address());
            let graphiql = graphiql.remark().map(|remark| format!("GraphiQL   {url}/graphiql{remark}\n"));
            // The server runs even if nothing reads its standard output.
            let _ =
                writeln!(std::io::stdout(), "Chat page  {url}/\n{}Store      {store}", graphiql.unwrap_or_default());
            Box::pin(app.run(stop)).await
        }
    };
    signals.abort();
    if let Some(traces) = traces {
        traces.shutdown().await;
    }
    Ok(outcome?)
}

/// The error's message, followed by those of its causes.
fn with_causes(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        // Some errors already include the text of their cause.
        let message = error.to_string();
        if !text.ends_with(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}
