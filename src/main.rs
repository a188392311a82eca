//! The `seedwatch` program: flags, logging, signals and exit codes; all else is in the library.

use std::process::ExitCode;
use std::sync::Arc;

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

/// An error that ends the program.
type BoxError = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let cli = Cli::of_process();
    // Dropped last, which writes the remaining lines.
    let _log = match log::init(cli.log_level, cli.log_format) {
        Ok(log) => log,
        Err(failed) => {
            eprintln!("seedwatch: {failed}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime
        .map_err(BoxError::from)
        .and_then(|runtime| match &cli.command {
            Some(Command::Probe(flags)) => finish(runtime, probe(&cli, flags)),
            None if cli.config_check => check(&cli).map(|()| ExitCode::SUCCESS),
            None => finish(runtime, serve(cli)).map(|()| ExitCode::SUCCESS),
        });
    match result {
        Ok(code) => code,
        Err(failed) => {
            report(&failed);
            ExitCode::FAILURE
        }
    }
}

/// Logs why the program failed: one line per fault of a configuration.
fn report(failed: &BoxError) {
    match failed.downcast_ref::<ConfigError>() {
        Some(error) => error.faults().iter().for_each(|fault| error!("{fault}")),
        None => error!("{failed}"),
    }
}

/// Runs a task to its end. It does not wait for reads that hang, such as of a pipe without a
/// writer.
fn finish<T>(
    runtime: Runtime,
    task: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    let result = runtime.block_on(task);
    runtime.shutdown_background();
    result
}

/// Returns a future that is ready at SIGTERM or SIGINT.
fn shutdown_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}

async fn probe(cli: &Cli, flags: &ProbeFlags) -> Result<ExitCode, BoxError> {
    let probed = app::probe(cli, flags, shutdown_signal()?).await;
    let outcome = probed.map_err(|failed| -> BoxError { failed })?;
    Ok(outcome.exit_code().into())
}

/// Runs `--config.check`: everything that the start does without the network.
fn check(cli: &Cli) -> Result<(), BoxError> {
    // Both files are checked, even if one is not valid.
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
    let files = config.lists.check_files();
    if files.is_err() {
        let _ = web_config.map_err(|failed| report(&failed));
        return Ok(files?);
    }
    web_config?;
    let (torrents, lists) = (config.torrents.len(), config.lists.all.len());
    info!(torrents, lists, "configuration is valid");
    Ok(())
}

fn web_config(cli: &Cli) -> Result<Option<Arc<WebConfig>>, BoxError> {
    let config = cli.web.config_file.as_deref().map(WebConfig::load);
    Ok(config.transpose()?.map(Arc::new))
}

async fn serve(cli: Cli) -> Result<(), BoxError> {
    info!(version = VERSION, revision = REVISION, "starting seedwatch");
    let config = Config::load(&cli.config_file)?;
    let web_config = web_config(&cli)?;
    let listeners = seedwatch_exporter::bind(&cli.web.listen_addresses)?;
    for listener in &listeners {
        info!(address = %listener.local_addr()?, "listening");
    }
    let parts = app::Parts {
        config_file: cli.config_file,
        listeners,
        web_config,
        telemetry_path: cli.web.telemetry_path,
        external_url: cli.web.external_url,
        is_public: cli.web.public,
        max_requests: cli.web.max_requests,
    };
    let (hang_up, hung_up) = mpsc::channel(1);
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            // A full channel holds a request that serves for this signal too.
            let _ = hang_up.try_send(());
        }
    });
    app::run(parts, config, hung_up, shutdown_signal()?).await?;
    Ok(())
}
