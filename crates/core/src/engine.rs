//! The daemon without its sockets: schedule, connectivity and swarms, with time passed in.
//!
//! The caller sends the probes that may leave ([`Engine::poll`]), hands in what comes back
//! ([`Engine::absorb`]) and publishes what is known ([`Engine::snapshot`]).

mod canaries;
mod cliffs;
mod dht_state;
mod load;
mod names;
mod network_monitor;
mod notice;
mod reload;
mod settings;

use std::net::IpAddr;
use std::sync::Arc;

pub use canaries::CanaryHost;
pub use notice::Notice;
pub use settings::{DhtSettings, Settings};

use crate::connectivity::{
    Connectivity, ConnectivityChange, Decision, NameMonitor, Transition, is_unresolved,
};
use crate::events::{EventHistory, EventLog, StateEvent};
use crate::roster::Roster;
use crate::saved::DecodeError;
use crate::schedule::Schedule;
use crate::snapshot::{
    Block, Cause, CliffRows, CollectionRow, ConfigRow, Database, DhtRow, GeoRow, Snapshot,
    TotalsRow,
};
use crate::swarm::{Shard, ShardFormat, SwarmConfig, Swarms};
use crate::{Health, Source};
use canaries::CanaryHosts;
use cliffs::{CliffMonitor, Sampled};
use dht_state::DhtState;
use names::is_local_host;
use network_monitor::NetworkMonitor;
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_dht::{DhtReport, LookupReport};
use seedwatch_distinct::Key;
use seedwatch_torrent::address;
use seedwatch_torrent::{Family, InfoHash};
use seedwatch_tracker::{AnnounceId, Job, Observation, Report, TrackerId};

/// Most changes of state per snapshot that are logged one by one.
const MAX_STATE_NOTICES: usize = 50;

/// All decisions of the daemon. It waits for nothing and reads no clock.
#[derive(Debug)]
pub struct Engine {
    roster: Roster,
    schedule: Schedule,
    swarms: Swarms,
    connectivity: Connectivity,
    names: NameMonitor,
    canaries: CanaryHosts,
    /// Whether answers from local networks show that our own network works: only where the
    /// configuration accepts any address, as in a network without internet access.
    trust_local: bool,
    dht: DhtState,
    network: NetworkMonitor,
    cliffs: CliffMonitor,
    config: ConfigRow,
    geo: GeoRow,
    state_log: EventLog,
    /// Notices that [`Engine::take_notices`] has not returned yet.
    notices: Vec<Notice>,
}

impl Engine {
    /// Returns an engine that watches `settings.torrents`. `ports` are those that we announce to
    /// trackers, by [`Family::index`]. With `key`, peers are remembered without their addresses.
    pub fn new(settings: &Settings, ports: [u16; 2], key: Key, now: Now) -> Self {
        let mut engine = Self::empty(settings, ports, key, now);
        engine.reload(settings, now);
        engine
    }

    /// Returns an engine that watches nothing before [`Engine::reload`]. Saved state must be
    /// restored into it before.
    pub fn empty(settings: &Settings, ports: [u16; 2], key: Key, now: Now) -> Self {
        Self {
            roster: Roster::default(),
            schedule: Schedule::new(settings.politeness.clone()),
            swarms: Swarms::new(swarm_config(settings), ports, key),
            connectivity: Connectivity::new(now.mono),
            names: NameMonitor::default(),
            canaries: CanaryHosts::default(),
            trust_local: false,
            dht: DhtState::default(),
            network: NetworkMonitor::default(),
            cliffs: CliffMonitor::default(),
            config: ConfigRow::default(),
            geo: geo_row(settings),
            state_log: EventLog::default(),
            notices: Vec::new(),
        }
    }

    /// Sets the addresses of this machine's network interfaces.
    pub fn set_local_addresses(&mut self, addresses: &[IpAddr]) {
        self.swarms.set_local_addresses(addresses);
    }

    /// Expects entries of our own in all peer lists for a while: a process with our ports was
    /// killed before it could withdraw its announces.
    pub fn expect_own_entries(&mut self, now: Mono) {
        self.swarms.expect_own_entries(now);
    }

    /// Appends the probes that may leave now.
    pub fn poll(&mut self, now: Mono, jobs: &mut Vec<Job>) {
        self.schedule.poll(&self.roster, now, jobs);
    }

    /// Returns when [`Engine::poll`], [`Engine::checks_due`] or [`Engine::name_check_due`] next has
    /// something to do.
    pub fn next_wake(&self) -> Option<Mono> {
        let wakes = [
            self.schedule.next_wake(),
            self.connectivity.next_wake(),
            self.names.next_wake(),
        ];
        wakes.into_iter().flatten().min()
    }

    /// Returns the notices since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Returns the families whose canaries are to be asked now. With each check of a family that is
    /// down, one probe leaves and the DHT may send for a while: some networks let only trackers
    /// through, and all canaries may be gone for good.
    pub fn checks_due(&mut self, now: Mono, jobs: &mut Vec<Job>) -> Vec<Family> {
        let due = self.connectivity.checks_due(now);
        for family in due.iter().copied() {
            if self.connectivity.is_down(family) {
                self.schedule.send_trial(family, &self.roster, now, jobs);
                self.dht.begin_trial(family, now);
            }
        }
        due
    }

    /// Returns the hosts that can show whether our own network works: those of the configuration,
    /// and the most used trackers that may be contacted.
    pub fn canaries(&self) -> Vec<CanaryHost> {
        self.canaries.all(&self.roster, &self.schedule)
    }

    /// Records the result of a check; `None` if no canary has an address of this family.
    pub fn check_ended(&mut self, family: Family, alive: Option<bool>, now: Now) {
        let change = self.connectivity.check_ended(family, alive, now.mono);
        self.apply(family, change, now);
    }

    /// Postpones a check: this machine lacked the resources for it.
    pub fn check_skipped(&mut self, family: Family, now: Now) {
        self.connectivity.check_skipped(family, now.mono);
    }

    /// Reads what [`Engine::absorb`] reads of these observations, so that it is in the CPU's cache.
    /// Memory serves many such reads in the time of one.
    pub fn prefetch(&self, observations: &[Observation]) {
        let read = observations.iter().fold(0, |read: u64, observation| {
            let (family, report) = (observation.family, &observation.report);
            let ids = report.ids().iter().fold(read, |read, id| {
                let schedule = self.schedule.prefetch(&self.roster, *id, family);
                let swarms = self.swarms.prefetch(&self.roster, *id, family);
                read.wrapping_add(schedule).wrapping_add(swarms)
            });
            ids.wrapping_add(read_peers(report))
        });
        std::hint::black_box(read);
    }

    /// Absorbs the result of a probe.
    pub fn absorb(&mut self, observation: Observation, now: Now) {
        // A probe that failed for want of our own resources says nothing about the tracker.
        let failed = observation.report.failed();
        if failed.is_some_and(|failed| failed.is_ours) {
            return self.schedule.discard(&observation, now.mono);
        }
        if !is_unresolved(&observation) {
            self.swarms.count_probe(&observation);
        }
        if !self.trust_local && self.is_local(&observation) {
            return self.fold_resolved(observation, now);
        }
        let family = observation.family;
        let (decision, change) = self.connectivity.decide(observation, now.mono);
        self.apply(family, change, now);
        if let Decision::Counts(observation) = decision {
            self.fold_resolved(observation, now);
        }
    }

    /// Returns the info-hashes to be looked up in the DHT: sorted, without duplicates.
    pub fn dht_hashes(&self) -> &Arc<[InfoHash]> {
        self.roster.dht_hashes()
    }

    /// Returns whether nothing may be sent to the DHT of a family, because our own network does not
    /// carry it.
    pub fn is_dht_paused(&self, family: Family, now: Mono) -> bool {
        self.connectivity.is_down(family) && !self.dht.is_on_trial(family, now)
    }

    /// Absorbs a report of the DHT prober.
    pub fn absorb_dht(&mut self, report: DhtReport, now: Now) {
        if !self.dht.enabled {
            return;
        }
        match report {
            DhtReport::Lookups(lookups) => {
                for lookup in lookups {
                    self.absorb_lookup(lookup, now);
                }
            }
            DhtReport::Status(status) => {
                let known = status.iter().flatten();
                let external = known.filter_map(|status| status.external_ip);
                self.swarms.set_external_addresses(external);
                self.dht.status = status;
            }
        }
    }

    fn absorb_lookup(&mut self, lookup: LookupReport, now: Now) {
        self.swarms.count_lookup(&lookup);
        let family = lookup.family;
        let is_outside = self.dht.is_outside;
        let (lookup, change) = self
            .connectivity
            .decide_lookup(lookup, is_outside, now.mono);
        self.apply(family, change, now);
        if let Some(lookup) = lookup {
            self.swarms.fold_lookup(&self.roster, &lookup, now);
        }
    }

    /// Returns whether a tracker is in a local network. Neither its answers nor its silence say
    /// anything about our way to the internet.
    fn is_local(&self, observation: &Observation) -> bool {
        let url = self.tracker(observation.tracker);
        url.is_some_and(|url| is_local_host(url.host()))
            || observation
                .stats
                .remote
                .is_some_and(|ip| !address::is_global(ip))
    }

    fn tracker(&self, id: TrackerId) -> Option<&Arc<seedwatch_torrent::TrackerUrl>> {
        self.roster.trackers().get(id.0 as usize)?.as_ref()
    }

    /// Applies a change of our own connectivity.
    fn apply(&mut self, family: Family, change: ConnectivityChange, now: Now) {
        if let Some(transition) = change.transition {
            self.notices
                .push(Notice::Connectivity { family, transition });
            let is_down = transition == Transition::Down;
            let up = self.connectivity.up();
            self.network.record(family, is_down, up, now.mono);
            self.schedule.pause(family, is_down, now.mono);
        }
        for observation in change.confirmed {
            self.fold_resolved(observation, now);
        }
        for lookup in change.lookups {
            self.swarms.fold_lookup(&self.roster, &lookup, now);
        }
        for observation in change.discarded {
            self.schedule.discard(&observation, now.mono);
        }
    }

    /// Folds an observation that our own network does not explain into schedule and swarms.
    fn fold(&mut self, observation: Observation, now: Now) {
        let change = self.schedule.finish(&self.roster, &observation, now.mono);
        if change.changed {
            self.report_health(&observation, change.health);
        }
        let (tracker, family) = (observation.tracker, observation.family);
        let empty = observation.report.empty();
        self.swarms.fold(&self.roster, observation, change, now);
        let is_contradicted = |id: &AnnounceId| {
            let swarms = &self.swarms;
            swarms.is_listed_elsewhere(&self.roster, *id, family, now.mono)
        };
        if let Some(id) = empty.filter(is_contradicted) {
            self.schedule
                .report_contradiction(tracker, family, id, now.mono);
        }
    }

    fn report_health(&mut self, observation: &Observation, health: Health) {
        let failed = observation.report.failed();
        if let Some(tracker) = self.tracker(observation.tracker) {
            self.notices.push(Notice::Tracker {
                tracker: Arc::clone(tracker),
                family: observation.family,
                health,
                reason: failed.map(|failed| failed.reason.as_label()),
            });
        }
    }

    /// Returns an immutable reading of everything.
    pub fn snapshot(&mut self, now: Now) -> Snapshot {
        let network = self.network.state(self.connectivity.up());
        self.swarms.set_network(network);
        let blocks = self.swarms.blocks(&self.roster, now);
        self.report_states();
        self.report_dht();
        let collections = self.swarms.collections(&self.roster, now);
        let totals = self.swarms.totals();
        let cliffs = self.sample_cliffs(&blocks, &collections, &totals, now);
        let next_probe = |id| self.schedule.next_probe(id, now);
        let mut snapshot = Snapshot {
            taken: now.unix,
            torrents: Arc::clone(self.roster.torrents()),
            blocks,
            history: self.swarms.histories(),
            collections,
            totals,
            causes: Vec::new(),
            cliffs,
            geo: self.geo,
            trackers: self.swarms.tracker_rows(&self.roster, now, next_probe),
            network_up: self.connectivity.up(),
            names_fail: self.names.is_out(),
            dht: self.dht.enabled.then(|| self.dht_row()),
            peers_rejected: self.swarms.rejected(),
            schedule: self.load(now.mono),
            probe_durations: self.swarms.durations(),
            config: self.config,
            events: Arc::clone(self.state_log.history()),
            state: None,
            lists: Arc::from([]),
        };
        snapshot.causes = Cause::of(&snapshot);
        snapshot
    }

    fn sample_cliffs(
        &mut self,
        blocks: &[Arc<Block>],
        collections: &[Arc<CollectionRow>],
        totals: &TotalsRow,
        now: Now,
    ) -> Arc<CliffRows> {
        let sampled = Sampled {
            roster: &self.roster,
            blocks,
            collections,
            systems: &totals.systems,
        };
        let at = self.swarms.running_time(now);
        self.cliffs.sample(sampled, at, now)
    }

    /// Records changes of state as events, and reports them as notices.
    fn report_states(&mut self) {
        let mut changes = self.swarms.take_changes();
        changes.retain(|change| {
            let torrent = self.roster.identity(change.torrent);
            torrent.is_none_or(|torrent| {
                self.state_log.record(StateEvent {
                    torrent,
                    from: change.from,
                    to: change.to,
                    reason: change.reason,
                    at: change.at,
                })
            })
        });
        let more = changes.len().saturating_sub(MAX_STATE_NOTICES);
        changes.truncate(MAX_STATE_NOTICES);
        for change in changes {
            if let Some(torrent) = self.roster.torrents().get(change.torrent.get()) {
                let torrent = torrent.name.clone();
                self.notices.push(Notice::State { torrent, change });
            }
        }
        if more > 0 {
            self.notices.push(Notice::MoreStates(more));
        }
    }

    fn report_dht(&mut self) {
        let changes = self.dht.take_changes(self.connectivity.up());
        let notice = |(family, is_up)| Notice::Dht { family, is_up };
        self.notices.extend(changes.into_iter().map(notice));
    }

    fn dht_row(&self) -> DhtRow {
        DhtRow {
            families: self.dht.shown(self.connectivity.up()),
            durations: self.swarms.durations()[Source::Dht],
            queries: self.swarms.lookup_queries(),
        }
    }

    /// Restores the events that earlier processes recorded.
    pub fn restore_events(&mut self, history: EventHistory) {
        self.state_log.restore(history);
    }

    /// Returns the events since the last call, which are to be saved.
    pub fn take_state_events(&mut self) -> Vec<StateEvent> {
        self.state_log.take_unsaved()
    }

    /// Returns all events that are kept.
    pub fn event_history(&self) -> Arc<EventHistory> {
        Arc::clone(self.state_log.history())
    }

    /// Appends what is known about trackers.
    pub fn encode_trackers(&self, now: Now, out: &mut Vec<u8>) {
        self.schedule.encode(&self.roster, now, out);
    }

    /// Restores what [`Engine::encode_trackers`] wrote. It applies to trackers that are added
    /// later.
    ///
    /// # Errors
    /// If these bytes are something else; then nothing changed.
    pub fn restore_trackers(&mut self, bytes: &[u8], now: Now) -> Result<(), DecodeError> {
        self.schedule.restore(bytes, now)
    }

    /// Returns the number of torrents that may have a history.
    pub fn saved_torrents(&self) -> usize {
        self.swarms.saved_torrents()
    }

    /// Returns the number of collections that may have a history.
    pub fn saved_collections(&self) -> usize {
        self.swarms.saved_collections()
    }

    /// Appends the history of a shard of the collections. The first shard has that of all torrents
    /// together too.
    pub fn encode_shared(&self, shard: Shard, out: &mut Vec<u8>) {
        self.swarms.encode_shared(shard, out);
    }

    /// Adds what [`Engine::encode_shared`] wrote. It must happen before the first
    /// [`Engine::reload`].
    ///
    /// # Errors
    /// If the bytes were written with another key or are something else; then nothing changed.
    pub fn decode_shared(&mut self, bytes: &[u8], format: ShardFormat) -> Result<(), DecodeError> {
        self.swarms.decode_shared(bytes, format)
    }

    /// Notes that the history of a shard of the torrents was found lost at this time.
    pub fn mark_lost(&mut self, at: Unix, shard: Shard) {
        self.swarms.mark_lost(at, shard);
    }

    /// Rebuilds the history of all torrents together from those of single torrents.
    pub fn rebuild_all_peers(&mut self) {
        self.swarms.rebuild_all_peers();
    }

    /// Appends the history of a shard of the torrents.
    pub fn encode_torrents(&mut self, shard: Shard, out: &mut Vec<u8>) {
        self.swarms.encode_torrents(&self.roster, shard, out);
    }

    /// Adds what [`Engine::encode_torrents`] wrote. It must happen before the first
    /// [`Engine::reload`].
    ///
    /// # Errors
    /// If the bytes were written with another key or are something else; then nothing changed.
    pub fn decode_torrents(
        &mut self,
        bytes: &[u8],
        format: ShardFormat,
    ) -> Result<(), DecodeError> {
        self.swarms.decode_torrents(bytes, format)
    }

    /// Returns the number of torrents and collections whose countries are watched for falls.
    pub fn saved_cliffs(&self) -> usize {
        self.cliffs.saved_groups()
    }

    /// Appends what is known of the falls of countries of a shard of the torrents and collections.
    pub fn encode_cliffs(&self, shard: Shard, out: &mut Vec<u8>) {
        let fingerprint = self.swarms.key_fingerprint();
        self.cliffs.encode(fingerprint, self.geo.built, shard, out);
    }

    /// Adds what [`Engine::encode_cliffs`] wrote. It must happen before the first
    /// [`Engine::reload`].
    ///
    /// # Errors
    /// If the bytes were written with another key or are something else; then nothing changed.
    pub fn decode_cliffs(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let fingerprint = self.swarms.key_fingerprint();
        self.cliffs.decode(bytes, fingerprint, self.geo.built)
    }
}

/// Reads the peers of an answer into the CPU's cache: another thread wrote them. Returns a number
/// that depends on them.
fn read_peers(report: &Report) -> u64 {
    /// IPv4 peers per cache line.
    const PER_LINE: usize = 8;
    let Report::Announce {
        result: Ok(answer), ..
    } = report
    else {
        return 0;
    };
    let lines = answer.peers.v4.iter().step_by(PER_LINE);
    lines.fold(0, |read, peer| read.wrapping_add(u64::from(peer.ip)))
}

fn geo_row(settings: &Settings) -> GeoRow {
    GeoRow {
        built: Database::ALL.map(|database| settings.geo.built(database).map(Unix)),
        credit: settings.geo.credit(),
    }
}

fn swarm_config(settings: &Settings) -> SwarmConfig {
    let geo = Arc::clone(&settings.geo);
    let mut config = SwarmConfig::new(
        settings.accept,
        settings.stale_after,
        geo,
        settings.countries,
    );
    config.dead_after = settings.dead_after;
    config.recovered_after = settings.recovered_after;
    config
}

#[cfg(test)]
mod tests;
