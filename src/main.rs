//! The `seedwatch` program: flags, logging, signals and exit codes; all else is in the library.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use seedwatch::cli::{Cli, Command, ProbeFlags};
use seedwatch::config::Config;
use seedwatch::metrics::{REVISION, VERSION};
use seedwatch::{app, log};
use seedwatch_exporter::WebConfig;
use seedwatch_input::yaml::ConfigError;
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info};

/// What ends a start that failed.
type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Dropped last: what is still to be said is written then.
    let _log = match log::init(cli.log_level, cli.log_format) {
        Ok(log) => log,
        Err(failed) => {
            eprintln!("seedwatch: {failed}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime
        .map_err(Failed::from)
        .and_then(|runtime| match &cli.command {
            Some(Command::Probe(flags)) => finish(runtime, probe(&cli, flags)),
            None if cli.config_check => check(&cli),
            None => finish(runtime, serve(cli)),
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            report(&failed);
            ExitCode::FAILURE
        }
    }
}

/// Logs why it failed, one line per fault of a configuration.
fn report(failed: &Failed) {
    match failed.downcast_ref::<ConfigError>() {
        Some(error) => error.faults().iter().for_each(|fault| error!("{fault}")),
        None => error!("{failed}"),
    }
}

/// Runs it to its end. A file that is still being read, such as a pipe that nobody writes to, is not
/// waited for.
fn finish(runtime: Runtime, task: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    let result = runtime.block_on(task);
    runtime.shutdown_background();
    result
}

/// Ready once the program is told to end.
fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}

async fn probe(cli: &Cli, flags: &ProbeFlags) -> Result<(), Failed> {
    let probed = app::probe(cli, flags, told_to_end()?).await;
    probed.map_err(|failed| -> Failed { failed })
}

/// `--config.check`: everything that the start does short of the network.
fn check(cli: &Cli) -> Result<(), Failed> {
    // Both files are checked, whatever is wrong in one of them.
    let web_config = web_config(cli);
    let config = match Config::load(&cli.config_file) {
        Ok(config) => config,
        Err(error) => {
            let _ = web_config.map_err(|failed| report(&failed));
            return Err(error.into());
        }
    };
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    web_config?;
    info!(torrents = config.torrents.len(), "Configuration is valid");
    Ok(())
}

fn web_config(cli: &Cli) -> Result<Option<Arc<WebConfig>>, Failed> {
    let config = cli.web.config_file.as_deref().map(WebConfig::load);
    Ok(config.transpose()?.map(Arc::new))
}

async fn serve(cli: Cli) -> Result<(), Failed> {
    info!(version = VERSION, revision = REVISION, "Starting seedwatch");
    let config = Config::load(&cli.config_file)?;
    let web_config = web_config(&cli)?;
    let listeners = seedwatch_exporter::bind(&cli.web.listen_addresses)?;
    for listener in &listeners {
        info!(address = %listener.local_addr()?, "Listening on");
    }
    let parts = app::Parts {
        config_file: cli.config_file,
        listeners,
        web_config,
        telemetry_path: cli.web.telemetry_path,
        max_requests: cli.web.max_requests,
    };
    let (hang_up, hung_up) = mpsc::channel(1);
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            // One that is not taken yet serves for this one too.
            let _ = hang_up.try_send(());
        }
    });
    app::run(parts, config, hung_up, told_to_end()?).await?;
    Ok(())
}
