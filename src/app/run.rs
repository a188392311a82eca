//! The daemon around the [`Engine`]: sockets, timers, reload and shutdown.

mod daemon;
mod merge;
mod notices;
mod reload;
mod shutdown;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use super::dht::Dht;
use super::engine_settings;
use super::identity;
use super::lists::{self, ListCopies, ListWatcher};
use super::probers::{self, QUEUE, StartError};
use super::state::{SaveOutcome, StateWriter};
use crate::config::Config;
use crate::web::ReloadResult;
use daemon::{Daemon, LoopEvent, Outlets};
use seedwatch_clock::Clock;
use seedwatch_core::Engine;
use seedwatch_dht::DhtReport;
use seedwatch_exporter::{ExternalUrl, WebConfig};
use seedwatch_probers::Probers;
use seedwatch_probers::http::Settings;
use seedwatch_probers::resolve::Resolver;
use seedwatch_tracker::Observation;

/// How often the addresses of the local interfaces are read.
const READ_ADDRESSES: Duration = Duration::from_secs(30);

/// Most reload requests that wait.
const RELOADS: usize = 16;

/// Most batches of observations that are absorbed before the schedule is polled again.
const BATCHES_PER_TURN: usize = 64;

/// What the daemon is built from.
#[derive(Debug)]
pub struct Parts {
    /// Path of the configuration. It is read again at each reload.
    pub config_file: PathBuf,
    /// Open sockets of the web server.
    pub listeners: Vec<TcpListener>,
    /// TLS and authentication of the endpoints.
    pub web_config: Option<Arc<WebConfig>>,
    /// Path of the metrics endpoint.
    pub telemetry_path: String,
    /// Address of the daemon for people.
    pub external_url: Option<ExternalUrl>,
    /// Whether strangers may read.
    pub is_public: bool,
    /// Most Prometheus scrapes at once.
    pub max_requests: usize,
}

/// The parts that must exist before the daemon runs.
struct Started {
    prober_settings: Settings,
    resolver: Resolver,
    probers: Probers,
    dht: Dht,
    state_writer: StateWriter,
    lists: ListWatcher,
    /// The configuration, with the torrents of its lists.
    config: Config,
    /// Which entries of lists it has.
    lists_version: u64,
    engine: Engine,
}

/// The receiving ends of what reaches the main loop.
struct Inbox {
    observations: mpsc::Receiver<Vec<Observation>>,
    dht_reports: mpsc::Receiver<DhtReport>,
    written: mpsc::Receiver<SaveOutcome>,
    loop_events: mpsc::Receiver<LoopEvent>,
    lists_changed: mpsc::Receiver<()>,
    reloads: mpsc::Receiver<ReloadResult>,
    hangup: mpsc::Receiver<()>,
}

/// The sending ends that the parts get.
struct Outgoing {
    observations: mpsc::Sender<Vec<Observation>>,
    dht_reports: mpsc::Sender<DhtReport>,
    written: mpsc::Sender<SaveOutcome>,
    lists_changed: mpsc::Sender<()>,
}

/// Runs until `shutdown` is ready; `hangup` yields whenever a signal asks for a reload.
///
/// # Errors
/// If a part cannot be built. Once the daemon runs, only `shutdown` ends it.
pub async fn run(
    parts: Parts,
    config: Config,
    hangup: mpsc::Receiver<()>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    tokio::pin!(shutdown);
    let clock = Clock::start();
    let (observations_out, observations) = mpsc::channel(QUEUE);
    let (dht_out, dht_reports) = mpsc::channel(QUEUE);
    let (written_out, written) = mpsc::channel(QUEUE);
    let (loop_events_out, loop_events) = mpsc::channel(QUEUE);
    let (lists_out, lists_changed) = mpsc::channel(1);
    let (reloads_out, reloads) = mpsc::channel(RELOADS);
    let mut inbox = Inbox {
        observations,
        dht_reports,
        written,
        loop_events,
        lists_changed,
        reloads,
        hangup,
    };
    let outgoing = Outgoing {
        observations: observations_out,
        dht_reports: dht_out,
        written: written_out,
        lists_changed: lists_out,
    };
    // The state directory may be on a disk that hangs. That must not delay a shutdown.
    let started = tokio::select! {
        biased;
        () = &mut shutdown => return Ok(()),
        started = start(config, clock, outgoing) => started?,
    };
    let outlets = Outlets {
        loop_events: loop_events_out,
        reloads: reloads_out,
        telemetry_path: parts.telemetry_path,
        external_url: parts.external_url,
        is_public: parts.is_public,
        max_requests: parts.max_requests,
    };
    let mut daemon = Daemon::new(started, parts.config_file, clock, outlets);
    let (stop, server) = serve(&daemon, parts.listeners, parts.web_config);
    main_loop(&mut daemon, &mut inbox, shutdown).await;
    daemon.shut_down(inbox, stop, server).await;
    Ok(())
}

/// Builds the parts and restores the saved state.
async fn start(
    mut config: Config,
    clock: Clock,
    outgoing: Outgoing,
) -> Result<Started, StartError> {
    let key = identity::new_key().map_err(StartError::Random)?;
    let state_writer = StateWriter::open(&config.state, key, outgoing.written).await;
    let mut state_writer = state_writer.map_err(StartError::State)?;
    let mut identity = identity::new_identity(&config.tracker.peer_id_prefix);
    let announced = state_writer.announced_ports(identity.ports).await;
    identity.ports = announced.ports;
    let resolver = Resolver::system();
    let prober_settings = probers::settings(&config, identity, probers::roots()?);
    let probers = probers::start(prober_settings.clone(), &resolver, outgoing.observations)?;
    let dht = Dht::start(&config, &resolver, &state_writer, outgoing.dht_reports).await?;
    // Before the engine is restored: torrents of lists have a state too.
    let shared = lists::Shared::new(ListCopies::new(state_writer.store()), clock);
    let lists_version = lists::merge_saved(&shared, &mut config).await;
    let lists = ListWatcher::start(shared, outgoing.lists_changed);
    lists.configure(
        &config.lists.all,
        probers::downloader(&prober_settings, &resolver)?,
    );
    let engine = Engine::empty(
        &engine_settings(&config),
        identity.ports,
        state_writer.key(),
        clock.now(),
    );
    let mut engine = state_writer.restore(engine, clock.now()).await;
    if announced.is_inherited {
        engine.expect_own_entries(clock.now().mono);
    }
    engine.reload(&engine_settings(&config), clock.now());
    Ok(Started {
        prober_settings,
        resolver,
        probers,
        dht,
        state_writer,
        lists,
        config,
        lists_version,
        engine,
    })
}

/// Starts the web server. It stops accepting connections when the sender is dropped.
fn serve(
    daemon: &Daemon,
    listeners: Vec<TcpListener>,
    web_config: Option<Arc<WebConfig>>,
) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(seedwatch_exporter::serve(
        listeners,
        web_config,
        Arc::clone(&daemon.web),
        async {
            let _ = stopped.await;
        },
    ));
    (stop, server)
}

/// Runs the main loop until `shutdown` is ready.
async fn main_loop(daemon: &mut Daemon, inbox: &mut Inbox, shutdown: impl Future<Output = ()>) {
    tokio::pin!(shutdown);
    daemon.show_config();
    daemon.read_addresses();
    let mut next_snapshot = daemon.publish();
    let mut next_addresses = Instant::now() + READ_ADDRESSES;
    daemon.web.set_ready(true);
    daemon.report_ready();
    let mut batches = Vec::new();
    loop {
        daemon.web.beat();
        let timer = daemon.next_timer(next_snapshot.min(next_addresses));
        tokio::select! {
            () = &mut shutdown => return,
            _ = inbox.observations.recv_many(&mut batches, BATCHES_PER_TURN) => {
                daemon.absorb(&mut batches);
            }
            Some(report) = inbox.dht_reports.recv() => daemon.absorb_dht(report),
            Some(outcome) = inbox.written.recv() => daemon.state_writer.wrote(outcome),
            Some(event) = inbox.loop_events.recv() => daemon.handle(event).await,
            Some(()) = inbox.lists_changed.recv() => daemon.merge_lists(),
            Some(reply) = inbox.reloads.recv() => daemon.reload(Some(reply)),
            Some(()) = inbox.hangup.recv() => daemon.reload(None),
            () = sleep_until(timer.into()) => {}
        }
        daemon.dispatch();
        let now = Instant::now();
        if now >= next_snapshot {
            next_snapshot = daemon.publish();
        }
        if now >= next_addresses {
            daemon.read_addresses();
            next_addresses = now + READ_ADDRESSES;
        }
        if daemon.state_writer.due().is_some_and(|due| now >= due) {
            daemon.save();
        }
        daemon.supervisor.feed_watchdog(Instant::now());
    }
}
