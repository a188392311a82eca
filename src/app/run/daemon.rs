//! The running daemon: absorbs what probers report, sends what is due, publishes snapshots.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::Started;
use super::merge::Merges;
use super::notices;
use super::reload::{Loaded, Reloads};
use crate::app::dht::Dht;
use crate::app::lists::{ListWatcher, MergedLists};
use crate::app::own_addresses;
use crate::app::state::StateWriter;
use crate::app::supervisor::Supervisor;
use crate::config::Config;
use crate::web::{self, ReloadResult};
use seedwatch_clock::Clock;
use seedwatch_core::Engine;
use seedwatch_core::engine::CanaryHost;
use seedwatch_core::plural;
use seedwatch_core::snapshot::Snapshot;
use seedwatch_dht::DhtReport;
use seedwatch_exporter::ExternalUrl;
use seedwatch_probers::Probers;
use seedwatch_probers::canary::{Canaries, Canary};
use seedwatch_probers::http::Settings;
use seedwatch_probers::resolve::Resolver;
use seedwatch_torrent::{Family, Host};
use seedwatch_tracker::{NameAnswer, Observation};

/// Shortest time between two snapshots.
const PUBLISH: Duration = Duration::from_secs(1);

/// Taking snapshots uses one part in this many of the time, unless [`PUBLISH_LATEST`] forbids it.
const PUBLISH_SHARE: u32 = 100;

/// Longest time between two snapshots, even of the longest lists of torrents: Prometheus does not
/// scrape more often.
const PUBLISH_LATEST: Duration = Duration::from_secs(10);

/// Taking snapshots never uses more than one part in this many of the time.
const PUBLISH_MOST: u32 = 20;

/// Deadline of all canaries together.
const CANARY_DEADLINE: Duration = Duration::from_secs(6);

/// Observations whose state is prefetched together.
const PREFETCHED: usize = 128;

/// What the main loop handles besides the results of probes.
pub(super) enum LoopEvent {
    /// The result of asking the canaries of a family; `None` if none could be asked.
    CanariesAsked(Family, Option<bool>),
    /// What name servers say about names; `None` if this machine lacked the resources to ask.
    NamesAsked(Option<Vec<(Host, NameAnswer)>>),
    /// This machine lacked the resources to ask the canaries.
    CanariesNotAsked(Family),
    /// The configuration of this generation was merged with its lists.
    Merged(u64, MergedLists),
    /// A configuration was read, for these requests.
    Loaded(Result<Box<Loaded>, String>, Vec<ReloadResult>),
}

/// Channels of the main loop and of the web server, and how the server is set up.
pub(super) struct Outlets {
    pub(super) loop_events: mpsc::Sender<LoopEvent>,
    pub(super) reloads: mpsc::Sender<ReloadResult>,
    pub(super) telemetry_path: String,
    pub(super) external_url: Option<ExternalUrl>,
    pub(super) is_public: bool,
    pub(super) max_requests: usize,
}

/// The running daemon.
pub(super) struct Daemon {
    pub(super) clock: Clock,
    pub(super) engine: Engine,
    pub(super) network: Network,
    pub(super) state_writer: StateWriter,
    /// The configuration in effect.
    pub(super) config: Config,
    pub(super) loop_events: mpsc::Sender<LoopEvent>,
    pub(super) web: Arc<web::State>,
    pub(super) supervisor: Supervisor,
    pub(super) reloads: Reloads,
    pub(super) lists: ListWatcher,
    pub(super) merges: Merges,
}

/// The parts that send packets.
pub(super) struct Network {
    pub(super) resolver: Resolver,
    canaries: Canaries,
    pub(super) probers: Probers,
    /// The settings of the probers.
    pub(super) settings: Settings,
    pub(super) dht: Dht,
}

impl Daemon {
    /// Joins the parts. Nothing is contacted before the first [`Daemon::dispatch`].
    pub(super) fn new(
        started: Started,
        config_file: PathBuf,
        clock: Clock,
        outlets: Outlets,
    ) -> Self {
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let web = web::State::new(
            snapshot,
            outlets.reloads,
            outlets.telemetry_path,
            outlets.max_requests,
        )
        .with_external_url(outlets.external_url)
        .with_public(outlets.is_public);
        Self {
            clock,
            engine: started.engine,
            network: Network {
                canaries: Canaries::new(started.resolver.clone()),
                resolver: started.resolver,
                probers: started.probers,
                settings: started.prober_settings,
                dht: started.dht,
            },
            state_writer: started.state_writer,
            config: started.config,
            loop_events: outlets.loop_events,
            web: Arc::new(web),
            supervisor: Supervisor::from_environment(Instant::now()),
            reloads: Reloads::new(config_file),
            lists: started.lists,
            merges: Merges::new(started.lists_version),
        }
    }

    /// Absorbs batches of observations. Their state is prefetched, because observations come in the
    /// order of answers, not of torrents, and would each miss the CPU's cache.
    pub(super) fn absorb(&mut self, batches: &mut Vec<Vec<Observation>>) {
        let now = self.clock.now();
        for batch in batches.drain(..) {
            let mut rest = batch.into_iter();
            while !rest.as_slice().is_empty() {
                let count = rest.as_slice().len().min(PREFETCHED);
                self.engine.prefetch(&rest.as_slice()[..count]);
                for observation in rest.by_ref().take(count) {
                    self.engine.absorb(observation, now);
                }
            }
        }
    }

    /// Absorbs a report of the DHT prober.
    pub(super) fn absorb_dht(&mut self, report: DhtReport) {
        self.engine.absorb_dht(report, self.clock.now());
    }

    /// Sends what is due.
    pub(super) fn dispatch(&mut self) {
        let now = self.clock.now();
        self.network.dht.watch(self.engine.dht_hashes());
        let mut jobs = Vec::new();
        self.engine.poll(now.mono, &mut jobs);
        let due_families = self.engine.checks_due(now.mono, &mut jobs);
        self.network
            .dht
            .pause(|family| self.engine.is_dht_paused(family, now.mono));
        if !jobs.is_empty() {
            self.network.probers.submit(jobs);
        }
        for family in due_families {
            self.ask_canaries(family);
        }
        if let Some(names) = self.engine.name_check_due(now.mono) {
            self.ask_names(names);
        }
        self.log_notices();
    }

    /// Logs what the engine reports.
    pub(super) fn log_notices(&mut self) {
        self.engine.take_notices().iter().for_each(notices::log);
    }

    /// Asks the canaries of a family whether our own network works.
    fn ask_canaries(&self, family: Family) {
        let canary = |host: CanaryHost| Canary {
            host: host.host,
            port: host.port,
            may_be_local: host.may_be_local,
        };
        let hosts: Vec<_> = self.engine.canaries().into_iter().map(canary).collect();
        let (canaries, loop_events) = (self.network.canaries.clone(), self.loop_events.clone());
        tokio::spawn(async move {
            let result = canaries.any_alive(&hosts, family, CANARY_DEADLINE).await;
            debug!(family = family.as_label(), ?result, "canaries checked");
            // If no canary could be asked, no name resolved or there is no route: our own outage
            // looks like that.
            let event = match result.is_void() {
                true => LoopEvent::CanariesNotAsked(family),
                false => LoopEvent::CanariesAsked(family, result.is_alive()),
            };
            let _ = loop_events.send(event).await;
        });
    }

    /// Asks the name servers whether names resolve.
    fn ask_names(&self, names: Vec<Host>) {
        let (resolver, events) = (self.network.resolver.clone(), self.loop_events.clone());
        tokio::spawn(async move {
            let answers = resolver.ask_all_afresh(&names).await;
            debug!(?answers, "names looked up");
            let _ = events.send(LoopEvent::NamesAsked(answers)).await;
        });
    }

    /// Publishes a new snapshot. Returns when the next is due.
    pub(super) fn publish(&mut self) -> Instant {
        let start = Instant::now();
        let now = self.clock.now();
        let mut snapshot = self.engine.snapshot(now);
        self.state_writer
            .save_events(&mut self.engine, &snapshot.events);
        snapshot.state = self.state_writer.row();
        snapshot.lists = self.lists.rows();
        self.web.show(snapshot);
        start + time_between_snapshots(start.elapsed())
    }

    /// Begins to save the next part of the state.
    pub(super) fn save(&mut self) {
        let (dht, now) = (&self.network.dht, self.clock.now());
        self.state_writer
            .step(&mut self.engine, || dht.table(), now);
    }

    /// Reads the addresses of the local interfaces.
    pub(super) fn read_addresses(&mut self) {
        match own_addresses() {
            Ok(addresses) => self.engine.set_local_addresses(&addresses),
            Err(error) => warn!(%error, "cannot list the addresses of the local interfaces"),
        }
    }

    /// Returns when the main loop must wake at the latest; `other` is a timer of the loop itself.
    pub(super) fn next_timer(&self, other: Instant) -> Instant {
        let wake = self.engine.next_wake().map(|at| self.clock.instant(at));
        let timers = [
            wake,
            self.supervisor.next_watchdog_message(),
            self.state_writer.due(),
        ];
        timers.into_iter().flatten().fold(other, Instant::min)
    }

    /// Handles what happened beside the probes.
    pub(super) async fn handle(&mut self, event: LoopEvent) {
        match event {
            LoopEvent::CanariesAsked(family, alive) => {
                self.engine.check_ended(family, alive, self.clock.now());
            }
            LoopEvent::NamesAsked(answers) => self.names_asked(answers),
            LoopEvent::CanariesNotAsked(family) => {
                self.engine.check_skipped(family, self.clock.now())
            }
            LoopEvent::Merged(generation, lists) => self.merged(generation, lists),
            LoopEvent::Loaded(loaded, replies) => self.loaded(loaded, replies).await,
        }
    }

    fn names_asked(&mut self, answers: Option<Vec<(Host, NameAnswer)>>) {
        let now = self.clock.now();
        match answers {
            Some(answers) => self.engine.names_checked(&answers, now),
            None => self.engine.name_check_skipped(now.mono),
        }
    }

    /// Tells the service manager that the daemon is ready, and whether its configuration is the
    /// latest one.
    pub(super) fn report_ready(&mut self) {
        let watching = plural(self.config.torrents.len() as u64, "torrent");
        let status = match self.reloads.is_latest {
            true => format!("Watching {watching}"),
            false => format!("Watching {watching}; the new configuration is not valid"),
        };
        self.supervisor.ready(&status);
    }

    /// Logs the warnings of the configuration, and shows it at `/config`.
    pub(super) fn show_config(&self) {
        for warning in &self.config.warnings {
            warn!("{warning}");
        }
        self.web
            .effective_config
            .store(Arc::new(self.config.effective_yaml()));
    }
}

/// Returns the time from one snapshot, which took so long, to the next.
fn time_between_snapshots(took: Duration) -> Duration {
    let wanted = (took * PUBLISH_SHARE).min(PUBLISH_LATEST);
    PUBLISH.max(wanted).max(took * PUBLISH_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_frequent_unless_they_are_expensive() {
        let millis = Duration::from_millis;
        for (took, between) in [(1, 1_000), (30, 3_000), (200, 10_000), (1_000, 20_000)] {
            assert_eq!(time_between_snapshots(millis(took)), millis(between));
        }
    }
}
