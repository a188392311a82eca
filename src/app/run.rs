//! The shell around the [`Core`]: sockets, timers, reload and shutdown.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout_at};
use tracing::{debug, error, info, warn};

use super::core::Core;
use super::dht::Dht;
use super::identity;
use super::probers::{self, Probers, QUEUE, Roots, StartError};
use super::state::{SaveOutcome, StateWriter};
use super::supervisor::Supervisor;
use crate::config::Config;
use crate::web::{self, ReloadResult, WebConfig};
use seedwatch_clock::Clock;
use seedwatch_core::snapshot::Snapshot;
use seedwatch_dht::DhtReport;
use seedwatch_probers::canary::Canaries;
use seedwatch_probers::resolve::Resolver;
use seedwatch_torrent::Family;
use seedwatch_tracker::{Identity, Observation};

/// Shortest time between two pictures.
const PUBLISH: Duration = Duration::from_secs(1);

/// Taking a picture may use one part in this many of the time, unless the next would come too late.
const PUBLISH_SHARE: u32 = 100;

/// Longest time between two pictures, of the largest fleets too: scrapes are not more frequent.
const PUBLISH_LATEST: Duration = Duration::from_secs(10);

/// Taking a picture uses at most one part in this many of the time, however late the next comes.
const PUBLISH_MOST: u32 = 20;

/// How often our own addresses are looked up.
const LOOK_AT_ADDRESSES: Duration = Duration::from_secs(60);

/// Longest time the canaries have to give a sign of life.
const CANARY_DEADLINE: Duration = Duration::from_secs(6);

/// A configuration that takes longer to read is none: it may lie in a pipe that nobody writes to.
const LONGEST_LOAD: Duration = Duration::from_secs(120);

/// Most readings of the configuration at once: one, and a few that hang.
const MAX_LOADS: usize = 4;

/// Longest time that the end takes, whatever hangs: with the log it must stay below 5 s.
const LONGEST_END: Duration = Duration::from_secs(3);

/// Requests for a reload that may wait.
const RELOADS: usize = 16;

/// Batches of observations taken in before the plan is looked at again.
const TURN: usize = 64;

/// Observations whose places in memory are fetched together.
const FETCHED: usize = 128;

/// What the daemon is built from.
#[derive(Debug)]
pub struct Parts {
    /// Read again at each reload.
    pub config_file: PathBuf,
    /// Already open.
    pub listeners: Vec<TcpListener>,
    /// TLS and passwords of the endpoints.
    pub web_config: Option<Arc<WebConfig>>,
    /// Path of the metrics.
    pub telemetry_path: String,
    /// Most scrapes at a time.
    pub max_requests: usize,
}

/// What happens beside probes.
enum Event {
    /// The canaries have spoken, or have not; `None` if there was nobody to ask.
    Looked(Family, Option<bool>),
    /// A configuration was read for those who asked.
    Loaded(Result<Box<Loaded>, String>, Vec<ReloadResult>),
}

/// What a reload takes over.
struct Loaded {
    config: Config,
    roots: Roots,
}

/// The running daemon.
struct Daemon {
    config_file: PathBuf,
    clock: Clock,
    core: Core,
    identity: Identity,
    resolver: Resolver,
    canaries: Canaries,
    probers: Probers,
    dht: Dht,
    keeper: StateWriter,
    /// What the probers were built from.
    config: Config,
    events: mpsc::Sender<Event>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    state: Arc<web::State>,
    supervisor: Supervisor,
    /// Who waits for the reload after the one under way.
    waiting: Option<Vec<ReloadResult>>,
    loading: bool,
    /// Room for readings of the configuration, those that hang included.
    loads: Arc<Semaphore>,
}

/// What is there before the daemon runs.
struct Started {
    identity: Identity,
    resolver: Resolver,
    probers: Probers,
    dht: Dht,
    keeper: StateWriter,
    core: Core,
}

/// Runs until `shutdown` is ready; `hangup` yields whenever a reload is asked for by signal.
///
/// # Errors
/// When a part cannot be built. Once it runs, nothing but `shutdown` ends it.
pub async fn run(
    parts: Parts,
    config: Config,
    mut hangup: mpsc::Receiver<()>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    tokio::pin!(shutdown);
    let clock = Clock::start();
    let (out, mut observations) = mpsc::channel(QUEUE);
    let (events, mut happened) = mpsc::channel(QUEUE);
    let (reloads, mut asked) = mpsc::channel(RELOADS);
    let (dht_out, mut dht_reports) = mpsc::channel(QUEUE);
    let (written, mut saved) = mpsc::channel(QUEUE);
    // The state may lie on a disk that hangs: that must not hold up the end.
    let started = tokio::select! {
        biased;
        () = &mut shutdown => return Ok(()),
        started = start(&config, clock, out, dht_out, written) => started?,
    };
    let Started {
        identity,
        resolver,
        probers,
        dht,
        keeper,
        core,
    } = started;
    let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
    let state = web::State::new(
        Arc::clone(&snapshot),
        reloads,
        parts.telemetry_path,
        parts.max_requests,
    );
    let mut daemon = Daemon {
        config_file: parts.config_file,
        clock,
        core,
        identity,
        canaries: Canaries::new(resolver.clone()),
        resolver,
        probers,
        dht,
        keeper,
        config,
        events,
        snapshot,
        state: Arc::new(state),
        supervisor: Supervisor::from_environment(Instant::now()),
        waiting: None,
        loading: false,
        loads: Arc::new(Semaphore::new(MAX_LOADS)),
    };
    daemon.show_config();
    daemon.look_at_addresses();
    let mut next_picture = daemon.publish();
    let mut next_addresses = Instant::now() + LOOK_AT_ADDRESSES;
    daemon.state.set_ready(true);

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(web::serve(
        parts.listeners,
        parts.web_config,
        Arc::clone(&daemon.state),
        async {
            let _ = stopped.await;
        },
    ));
    daemon.supervisor.ready(&daemon.status(true));
    let mut batches = Vec::new();
    loop {
        let wake = daemon.core.next_wake().map(|at| daemon.clock.instant(at));
        let timer = next_picture.min(next_addresses);
        let wakes = [wake, daemon.supervisor.next_beat(), daemon.keeper.due()];
        let timer = wakes.into_iter().flatten().fold(timer, Instant::min);
        tokio::select! {
            () = &mut shutdown => break,
            _ = observations.recv_many(&mut batches, TURN) => daemon.absorb(&mut batches),
            Some(report) = dht_reports.recv() => daemon.absorb_dht(report),
            Some(outcome) = saved.recv() => daemon.keeper.wrote(outcome),
            Some(event) = happened.recv() => daemon.handle(event).await,
            Some(reply) = asked.recv() => daemon.reload(Some(reply)),
            Some(()) = hangup.recv() => daemon.reload(None),
            () = sleep_until(timer.into()) => {}
        }
        daemon.dispatch();
        let now = Instant::now();
        if now >= next_picture {
            next_picture = daemon.publish();
        }
        if now >= next_addresses {
            daemon.look_at_addresses();
            next_addresses = now + LOOK_AT_ADDRESSES;
        }
        if daemon.keeper.due().is_some_and(|due| now >= due) {
            daemon.save();
        }
        daemon.supervisor.beat(Instant::now());
    }
    let deadline = Instant::now() + LONGEST_END;
    info!("Shutting down");
    daemon.supervisor.stopping();
    daemon.state.set_ready(false);
    drop(stop);
    // What is still coming in must not block the probers while they say goodbye.
    observations.close();
    dht_reports.close();
    // What came in before is still to be saved.
    while let Ok(batch) = observations.try_recv() {
        batches.push(batch);
    }
    daemon.absorb(&mut batches);
    while let Ok(report) = dht_reports.try_recv() {
        daemon.absorb_dht(report);
    }
    daemon.end(server, deadline).await;
    Ok(())
}

/// Builds the parts, with what was saved.
async fn start(
    config: &Config,
    clock: Clock,
    out: mpsc::Sender<Vec<Observation>>,
    dht_out: mpsc::Sender<DhtReport>,
    written: mpsc::Sender<SaveOutcome>,
) -> Result<Started, StartError> {
    let identity = identity::fresh(&config.tracker.peer_id_prefix);
    let resolver = Resolver::system();
    let probers = Probers::start(config, identity, &resolver, out)?;
    let key = identity::key().map_err(StartError::Random)?;
    let keeper = StateWriter::open(&config.state, key, written).await;
    let mut keeper = keeper.map_err(StartError::State)?;
    let dht = Dht::start(config, &resolver, &keeper, dht_out).await?;
    let core = Core::blank(config, identity.ports, keeper.key(), clock.now());
    let mut core = keeper.restore(core, clock.now()).await;
    core.reload(config, clock.now());
    Ok(Started {
        identity,
        resolver,
        probers,
        dht,
        keeper,
        core,
    })
}

/// Reads a configuration and all files that it depends on, on a thread of its own, where a mount
/// that hangs holds up nothing else.
async fn load(path: PathBuf, loads: &Arc<Semaphore>) -> Result<Box<Loaded>, String> {
    let Ok(permit) = Arc::clone(loads).try_acquire_owned() else {
        return Err("earlier readings of the configuration still hang".to_owned());
    };
    let (result, loaded) = tokio::sync::oneshot::channel();
    let read = move || {
        let read = Config::load(&path).map_err(|error| error.to_string());
        let _ = result.send(read.and_then(|config| {
            let roots = probers::roots().map_err(|error| error.to_string())?;
            Ok(Box::new(Loaded { config, roots }))
        }));
        drop(permit);
    };
    let thread = std::thread::Builder::new().name("config".to_owned());
    thread.spawn(read).map_err(|failed| failed.to_string())?;
    match tokio::time::timeout(LONGEST_LOAD, loaded).await {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(_)) => Err("reading the configuration met a fault of the program".to_owned()),
        Err(_) => Err(format!("not read within {} s", LONGEST_LOAD.as_secs())),
    }
}

impl Daemon {
    fn absorb(&mut self, batches: &mut Vec<Vec<Observation>>) {
        let now = self.clock.now();
        for batch in batches.drain(..) {
            let mut rest = batch.into_iter();
            while !rest.as_slice().is_empty() {
                let count = rest.as_slice().len().min(FETCHED);
                self.core.prefetch(&rest.as_slice()[..count]);
                for observation in rest.by_ref().take(count) {
                    self.core.absorb(observation, now);
                }
            }
        }
    }

    fn absorb_dht(&mut self, report: DhtReport) {
        self.core.absorb_dht(report, self.clock.now());
    }

    /// Sends out what is due.
    fn dispatch(&mut self) {
        let now = self.clock.now();
        self.dht.watch(self.core.sweep());
        let mut jobs = Vec::new();
        self.core.poll(now.mono, &mut jobs);
        let looks = self.core.looks_due(now.mono, &mut jobs);
        self.dht.pause(|family| self.core.rests(family, now.mono));
        if !jobs.is_empty() {
            self.probers.submit(jobs);
        }
        for family in looks {
            let hosts = self.core.canaries();
            let (canaries, events) = (self.canaries.clone(), self.events.clone());
            tokio::spawn(async move {
                let look = canaries.any_alive(&hosts, family, CANARY_DEADLINE).await;
                debug!(family = family.as_label(), ?look, "asked the canaries");
                // Where nobody could be asked, no name resolved or there is no route: that is
                // what an outage of our own looks like.
                let alive = look.is_alive();
                let _ = events.send(Event::Looked(family, alive)).await;
            });
        }
    }

    /// Shows a new picture; says when the next is due.
    fn publish(&mut self) -> Instant {
        let start = Instant::now();
        let mut picture = self.core.snapshot(self.clock.now());
        picture.state = self.keeper.row();
        self.snapshot.store(Arc::new(picture));
        start + time_between_pictures(start.elapsed())
    }

    /// Begins to save the next piece of what must survive.
    fn save(&mut self) {
        let (dht, now) = (&self.dht, self.clock.now());
        self.keeper.step(&mut self.core, || dht.table(), now);
    }

    fn look_at_addresses(&mut self) {
        match super::own_addresses() {
            Ok(addresses) => self.core.set_local_addresses(&addresses),
            Err(failed) => warn!(error = %failed, "cannot list our own addresses"),
        }
    }

    /// Takes back what is announced, saves, and lets requests under way finish, all at once. Does not
    /// wait beyond `deadline`.
    async fn end(self, mut server: JoinHandle<()>, deadline: Instant) {
        let Self {
            probers,
            mut dht,
            mut keeper,
            mut core,
            clock,
            ..
        } = self;
        let until = deadline.into();
        let saving = async {
            let table = timeout_at(until, dht.stop()).await.unwrap_or_default();
            let now = clock.now();
            keeper.finish(&mut core, table, now, deadline).await;
        };
        let draining = timeout_at(until, probers.drain());
        let serving = timeout_at(until, &mut server);
        let (drained, (), served) = tokio::join!(draining, saving, serving);
        if drained.is_err() {
            warn!("the probers did not end in time");
        }
        match served {
            Ok(Ok(())) => {}
            Ok(Err(failed)) => error!(error = %failed, "the web server ended badly"),
            Err(_) => {
                debug!("connections cut at shutdown");
                server.abort();
            }
        }
    }

    /// Reads the configuration for whoever asked. Requests that come meanwhile share the next
    /// reading: the file may have changed since this one began.
    fn reload(&mut self, reply: Option<ReloadResult>) {
        self.waiting.get_or_insert_default().extend(reply);
        if self.loading {
            return;
        }
        let replies = self.waiting.take().unwrap_or_default();
        self.loading = true;
        self.supervisor.reloading();
        let (path, events) = (self.config_file.clone(), self.events.clone());
        let loads = Arc::clone(&self.loads);
        tokio::spawn(async move {
            let loaded = load(path, &loads).await;
            let _ = events.send(Event::Loaded(loaded, replies)).await;
        });
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Looked(family, alive) => self.core.looked(family, alive, self.clock.now()),
            Event::Loaded(loaded, replies) => {
                self.loading = false;
                let result = match loaded {
                    Ok(loaded) => self.take_over(*loaded).await.map_err(|e| e.to_string()),
                    Err(error) => Err(error),
                };
                match &result {
                    Ok(()) => info!("Configuration reloaded"),
                    Err(error) => {
                        for line in error.lines() {
                            error!(error = line, "the configuration stays as it was");
                        }
                        self.core.reload_failed();
                    }
                }
                // Before anybody is told, so that a scrape after the answer shows the change.
                self.publish();
                self.supervisor.ready(&self.status(result.is_ok()));
                for reply in replies {
                    let _ = reply.send(result.clone());
                }
                if self.waiting.is_some() {
                    self.reload(None);
                }
            }
        }
    }

    /// Takes over a valid configuration, whole or not at all.
    async fn take_over(&mut self, loaded: Loaded) -> Result<(), StartError> {
        let Loaded { config, roots } = loaded;
        let roots_before = self.probers.roots().clone();
        let asks_otherwise = config.tracker != self.config.tracker || roots != roots_before;
        if asks_otherwise {
            self.probers.configure(&config, self.identity, roots)?;
        }
        let configured = self.dht.configure(&config, &self.resolver, &self.keeper);
        if let Err(failed) = configured.await {
            if asks_otherwise {
                let before = &self.config;
                self.probers
                    .configure(before, self.identity, roots_before)?;
            }
            return Err(failed);
        }
        if config.state.path != self.config.state.path {
            warn!("state.path takes effect with a restart");
        }
        self.keeper.configure(&config.state);
        self.core.reload(&config, self.clock.now());
        self.config = config;
        self.show_config();
        Ok(())
    }

    /// One line for `systemctl status`.
    fn status(&self, is_latest: bool) -> String {
        let count = self.config.torrents.len();
        match is_latest {
            true => format!("Watching {count} torrents"),
            false => format!("Watching {count} torrents; the new configuration is not valid"),
        }
    }

    fn show_config(&self) {
        for warning in &self.config.warnings {
            warn!("{warning}");
        }
        self.state
            .effective_config
            .store(Arc::new(self.config.effective_yaml()));
    }
}

/// Time from one picture, which took so long, to the next.
fn time_between_pictures(took: Duration) -> Duration {
    let wanted = (took * PUBLISH_SHARE).min(PUBLISH_LATEST);
    PUBLISH.max(wanted).max(took * PUBLISH_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_frequent_unless_they_are_dear() {
        let millis = Duration::from_millis;
        for (took, between) in [(1, 1_000), (30, 3_000), (200, 10_000), (1_000, 20_000)] {
            assert_eq!(time_between_pictures(millis(took)), millis(between));
        }
    }
}
