//! The `livechat` command: arguments, settings, serve.

use std::error::Error;
use std::io::Write as _;
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
/// Settings come from the environment and from .env in the working directory; .env.example lists them all.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default).
    Serve,
    /// Print the GraphQL schema.
    Schema,
    /// Print every setting, where its value comes from, and what is wrong with it.
    Config,
    /// Ask the server that runs with these settings whether it is ready.
    Healthcheck,
    /// Copy everything from the embedded store in DATA_DIR to the Redis of REDIS_URL or REDIS_HOST.
    Migrate,
    /// Print completions for a shell.
    Completions { shell: Shell },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Some(Command::Schema) => {
            print!("{}", graphql::sdl());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Config) => cli::config::run().map_err(Into::into),
        Some(Command::Healthcheck) => {
            Config::listen_addr_of_environment().map(cli::healthcheck::run).map_err(Into::into)
        }
        Some(Command::Migrate) => cli::migrate::run(),
        Some(Command::Completions { shell }) => Ok(cli::completions::run(shell, Arguments::command())),
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
    let signals = tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::info!("stopping");
            stop.cancel();
        }
    });
    // Opening may wait for Redis, and a signal ends that.
    let outcome = match stop.run_until_cancelled(Box::pin(App::open(config))).await {
        None => Ok(()),
        Some(Err(error)) => Err(error),
        Some(Ok(app)) => {
            let url = format!("http://{}{base}", app.address());
            let graphiql = graphiql.remark().map(|remark| format!("GraphiQL   {url}/graphiql{remark}\n"));
            // Whoever started the server may not read along, which is no reason to stop.
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

fn with_causes(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        // Some errors say in their own words what their cause says again.
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
