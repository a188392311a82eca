//! The whole daemon without its sockets: plan, state and judgement, with time passed in.
//!
//! The shell ([`run`](super::run())) asks what may leave ([`Core::poll`]), hands in what came back
//! ([`Core::absorb`]) and publishes a picture of it all ([`Core::snapshot`]).

mod saved;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::config::{Accept, AnnounceMode, Config};
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_core::connectivity::{Change, Outage, Ruling, Turn};
use seedwatch_core::roster::Roster;
use seedwatch_core::schedule::{Pace, Schedule};
use seedwatch_core::snapshot::{ConfigRow, Database, DhtRow, GeoRow, ScheduleRow, Snapshot};
use seedwatch_core::swarm::{Swarms, Terms};
use seedwatch_core::{Health, Source};
use seedwatch_dht::{DhtReport, DhtStatus, Lookup};
use seedwatch_distinct::Key;
use seedwatch_probers::canary::Canary;
use seedwatch_torrent::Family;
use seedwatch_torrent::address;
use seedwatch_torrent::{Host, InfoHash};
use seedwatch_tracker::{AnnounceId, Job, Manner, Observation, Report, TrackerId};

/// Tracker hosts that serve as canaries beside the configured ones.
const TRACKER_CANARIES: usize = 3;

/// How long the DHT has to give a sign of life, beside each look of a family that is down.
const DHT_TRIAL: Duration = Duration::from_secs(10);

/// Everything that decides; nothing that waits.
#[derive(Debug)]
pub struct Core {
    roster: Roster,
    schedule: Schedule,
    swarms: Swarms,
    outage: Outage,
    canaries: Vec<(Host, u16)>,
    tracker_canaries: Vec<TrackerId>,
    /// Trackers within our own walls say nothing of our network, except in a lab that has no
    /// others.
    judge_local: bool,
    dht: Dht,
    config: ConfigRow,
    geo: GeoRow,
}

/// What is known of the DHT as a whole.
#[derive(Debug, Default)]
struct Dht {
    enabled: bool,
    /// Its nodes are beyond our own walls.
    outside: bool,
    status: [Option<DhtStatus>; 2],
    /// Until when a family is tried although it is down.
    trial: [Mono; 2],
}

impl Core {
    /// Takes over a configuration. `ports` are those that we claim to trackers, by family; with `key`,
    /// peers are remembered without their addresses.
    pub fn new(config: &Config, ports: [u16; 2], key: Key, now: Now) -> Self {
        let mut core = Self::blank(config, ports, key, now);
        core.reload(config, now);
        core
    }

    /// One that watches nothing until [`Core::reload`]: what was saved can be given back to it before.
    pub fn blank(config: &Config, ports: [u16; 2], key: Key, now: Now) -> Self {
        Self {
            roster: Roster::default(),
            schedule: Schedule::new(pace(config)),
            swarms: Swarms::new(terms(config), ports, key),
            outage: Outage::new(now.mono),
            canaries: Vec::new(),
            tracker_canaries: Vec::new(),
            judge_local: false,
            dht: Dht::default(),
            config: ConfigRow::default(),
            geo: GeoRow::default(),
        }
    }

    /// Takes over a new configuration, whole. What did not change keeps its state and its place
    /// in the plan.
    pub fn reload(&mut self, config: &Config, now: Now) {
        self.swarms.settle(&self.roster);
        let schedule = &self.schedule;
        let changes = self
            .roster
            .update(&config.torrents, |id| schedule.is_busy(id));
        self.schedule
            .update(pace(config), &self.roster, &changes, now.mono);
        let stale_after = config.probe.stale_after;
        self.swarms
            .update(terms(config), &self.roster, &changes, now);
        for (tracker, family) in self.schedule.closed() {
            self.swarms.leave_alone(tracker, family, now.mono);
        }
        self.judge_local = config.accept == Accept::Any;
        self.roster.plan_sweep(config.dht.enabled);
        let round = config.dht.round(self.roster.sweep().len());
        let lookups_stale_after = stale_after.max(round * 3 / 2);
        self.swarms
            .update_lookups(lookups_stale_after, &self.roster);
        self.dht.enabled = config.dht.enabled;
        let bootstrap = &config.dht.bootstrap;
        let local = bootstrap.iter().filter(|(host, _)| is_local_host(host));
        let all_local = !bootstrap.is_empty() && local.count() == bootstrap.len();
        self.dht.outside = self.judge_local || !all_local;
        if !self.dht.enabled {
            self.dht.status = [None; 2];
        }
        self.canaries = config.network.canaries.clone();
        self.tracker_canaries = self.most_used_trackers();
        self.config = ConfigRow {
            last_reload_successful: true,
            last_reload_success: now.unix,
            per_tracker: config.metrics.per_tracker,
            countries: config.metrics.countries,
        };
        self.geo = GeoRow {
            built: Database::ALL.map(|database| config.geo.built(database).map(Unix)),
            credit: config.geo.credit(),
        };
    }

    /// A reload failed; the configuration stays as it was.
    pub fn reload_failed(&mut self) {
        self.config.last_reload_successful = false;
    }

    /// Our own addresses, as the system lists them.
    pub fn set_local_addresses(&mut self, addresses: &[IpAddr]) {
        self.swarms.set_local_addresses(addresses);
    }

    /// Everything that may leave now.
    pub fn poll(&mut self, now: Mono, jobs: &mut Vec<Job>) {
        self.schedule.poll(&self.roster, now, jobs);
    }

    /// Families whose canaries are to be asked now. Beside them goes one probe of a family that is
    /// down, and the DHT has a while: some networks let trackers through and nothing else, and where
    /// all canaries are gone for good, somebody must notice that the network is back.
    pub fn looks_due(&mut self, now: Mono, jobs: &mut Vec<Job>) -> Vec<Family> {
        let due = self.outage.looks_due(now);
        for family in due.iter().filter(|family| self.outage.is_down(**family)) {
            self.schedule.trial(*family, &self.roster, now, jobs);
            self.dht.trial[family.index()] = now.after(DHT_TRIAL);
        }
        due
    }

    /// Hosts that can give a sign of life: the configured ones and the most used trackers that do
    /// not mind.
    pub fn canaries(&self) -> Vec<Canary> {
        let trackers = self
            .tracker_canaries
            .iter()
            .filter(|id| self.schedule.is_open(**id));
        let hosts = trackers.filter_map(|id| {
            let url = self.roster.trackers().get(id.0 as usize)?.as_ref()?;
            Some(Canary {
                host: url.host().clone(),
                port: url.port(),
                may_be_local: url.may_be_local(),
            })
        });
        let configured = self.canaries.iter().cloned().map(Canary::from);
        configured.chain(hosts).collect()
    }

    /// When there is next something to do.
    pub fn next_wake(&self) -> Option<Mono> {
        self.schedule
            .next_wake()
            .into_iter()
            .chain(self.outage.next_wake())
            .min()
    }

    /// Reads what observations that come next are about. Of a large fleet it is not in the cache, and
    /// memory gives many places side by side in the time of one.
    pub fn prefetch(&self, observations: &[Observation]) {
        let read = observations.iter().fold(0, |read: u64, observation| {
            let (family, report) = (observation.family, &observation.report);
            let ids = report.ids().iter().fold(read, |read, id| {
                let plan = self.schedule.prefetch(&self.roster, *id, family);
                read.wrapping_add(plan).wrapping_add(self.swarms.prefetch(
                    &self.roster,
                    *id,
                    family,
                ))
            });
            ids.wrapping_add(peers_of(report))
        });
        std::hint::black_box(read);
    }

    /// Takes in what a probe reports.
    pub fn absorb(&mut self, observation: Observation, now: Now) {
        // What we had no resources for is no probe of the tracker.
        if observation
            .report
            .failed()
            .is_some_and(|failed| failed.is_ours)
        {
            return self.schedule.void(&observation, now.mono);
        }
        self.swarms.count(&observation);
        if !self.judge_local && self.is_local(&observation) {
            return self.settle(observation, now);
        }
        let family = observation.family;
        let (ruling, change) = self.outage.rule(observation, now.mono);
        self.apply(family, change, now);
        if let Ruling::Stands(observation) = ruling {
            self.settle(observation, now);
        }
    }

    /// What is to be looked up in the DHT: sorted, no repetitions.
    pub fn sweep(&self) -> &Arc<[InfoHash]> {
        self.roster.sweep()
    }

    /// Whether nothing is to be sent to the DHT of a family: our own network is silent.
    pub fn rests(&self, family: Family, now: Mono) -> bool {
        self.outage.is_down(family) && now >= self.dht.trial[family.index()]
    }

    /// Takes in what the DHT prober reports.
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

    fn absorb_lookup(&mut self, lookup: Lookup, now: Now) {
        self.swarms.count_lookup(&lookup);
        let family = lookup.family;
        let outside = self.dht.outside;
        let (lookup, change) = self.outage.rule_lookup(lookup, outside, now.mono);
        self.apply(family, change, now);
        if let Some(lookup) = lookup {
            self.swarms.fold_lookup(&self.roster, &lookup, now);
        }
    }

    /// Takes in what the canaries said; `None` if there was nobody to ask.
    pub fn looked(&mut self, family: Family, alive: Option<bool>, now: Now) {
        let change = self.outage.looked(family, alive, now.mono);
        self.apply(family, change, now);
    }

    /// The canaries could not be asked, for want of our own resources: they are asked again later.
    pub fn not_looked(&mut self, family: Family, now: Now) {
        self.outage.not_looked(family, now.mono);
    }

    /// Whether a tracker is within our own walls, so that neither its answers nor its silence say
    /// anything of our way to the internet.
    fn is_local(&self, observation: &Observation) -> bool {
        let url = self.roster.trackers().get(observation.tracker.0 as usize);
        let host = url
            .and_then(Option::as_ref)
            .is_some_and(|url| is_local_host(url.host()));
        host || observation
            .exchange
            .remote
            .is_some_and(|ip| !address::is_global(ip))
    }

    fn apply(&mut self, family: Family, change: Change, now: Now) {
        if let Some(turn) = change.turned {
            let family_label = family.as_label();
            match turn {
                Turn::Works => info!(family = family_label, "own network works"),
                Turn::Silent => warn!(
                    family = family_label,
                    "own network is silent: nothing is held against swarms"
                ),
                Turn::Unknown => info!(family = family_label, "nobody tells of our own network"),
            }
            self.schedule.pause(family, turn == Turn::Silent, now.mono);
        }
        for observation in change.stand {
            self.settle(observation, now);
        }
        for lookup in change.lookups {
            self.swarms.fold_lookup(&self.roster, &lookup, now);
        }
        for observation in change.void {
            self.schedule.void(&observation, now.mono);
        }
    }

    fn settle(&mut self, observation: Observation, now: Now) {
        let verdict = self.schedule.finish(&self.roster, &observation, now.mono);
        if verdict.changed {
            self.log_health(
                observation.tracker,
                observation.family,
                verdict.health,
                &observation,
            );
        }
        let (tracker, family) = (observation.tracker, observation.family);
        let empty = observation.report.empty();
        self.swarms.fold(&self.roster, observation, verdict, now);
        let elsewhere = |id: &AnnounceId| {
            let swarms = &self.swarms;
            swarms.is_listed_elsewhere(&self.roster, *id, family, now.mono)
        };
        if let Some(id) = empty.filter(elsewhere) {
            self.schedule.doubt(tracker, family, id, now.mono);
        }
    }

    fn log_health(&self, id: TrackerId, family: Family, health: Health, why: &Observation) {
        let Some(Some(tracker)) = self.roster.trackers().get(id.0 as usize) else {
            return;
        };
        let family = family.as_label();
        let reason = why.report.failed().map(|failed| failed.reason.as_label());
        match health {
            Health::Up => info!(%tracker, family, "tracker up"),
            Health::Down => warn!(%tracker, family, reason, "tracker down"),
            Health::Closed => warn!(%tracker, family, reason, "tracker left alone"),
            Health::Unknown | Health::Absent => {}
        }
    }

    /// An immutable picture of everything.
    pub fn snapshot(&mut self, now: Now) -> Snapshot {
        let (mut overdue, mut lag) = self.schedule.overdue(now.mono);
        let mut in_flight = [0; Source::ALL.len()];
        in_flight[Source::Tracker.index()] = self.schedule.in_flight() as u64;
        for status in self.dht.status.iter().flatten() {
            overdue += u64::from(status.overdue);
            lag = lag.max(status.lag);
            in_flight[Source::Dht.index()] += u64::from(status.in_flight);
        }
        Snapshot {
            taken: now.unix,
            torrents: Arc::clone(self.roster.torrents()),
            blocks: self.swarms.blocks(&self.roster, now),
            collections: self.swarms.collections(&self.roster, now),
            fleet: self.swarms.fleet(),
            geo: self.geo,
            trackers: self.swarms.tracker_rows(&self.roster, now),
            network_up: self.outage.up(),
            dht: self.dht.enabled.then(|| self.dht_row()),
            peers_rejected: self.swarms.rejected(),
            schedule: ScheduleRow {
                overdue,
                lag,
                in_flight,
            },
            probe_durations: self.swarms.durations(),
            config: self.config,
            state: None,
        }
    }

    fn dht_row(&self) -> DhtRow {
        let works = self.outage.up();
        let shown = |family: usize| {
            let status = self.dht.status[family]?;
            Some(DhtStatus {
                // Where our own network does not work, nobody is to blame for silence.
                up: status.up.filter(|up| *up || works[family] == Some(true)),
                // Nobody who looks at a picture needs our own address.
                external_ip: None,
                ..status
            })
        };
        DhtRow {
            families: [0, 1].map(shown),
            durations: self.swarms.durations()[Source::Dht.index()],
            queries: self.swarms.lookup_queries(),
        }
    }

    fn most_used_trackers(&self) -> Vec<TrackerId> {
        let mut uses: HashMap<TrackerId, usize> = HashMap::new();
        let ids = (0..self.roster.announce_ids() as u32).map(AnnounceId);
        for announce in ids.filter_map(|id| self.roster.announce(id)) {
            *uses.entry(announce.tracker).or_default() += 1;
        }
        let mut uses: Vec<_> = uses.into_iter().collect();
        uses.sort_unstable_by_key(|(id, uses)| (std::cmp::Reverse(*uses), *id));
        let trackers = uses.into_iter().map(|(id, _)| id).filter(|id| {
            let url = self
                .roster
                .trackers()
                .get(id.0 as usize)
                .and_then(Option::as_ref);
            url.is_some_and(|url| {
                !url.is_overlay() && (self.judge_local || !is_local_host(url.host()))
            })
        });
        trackers.take(TRACKER_CANARIES).collect()
    }
}

/// Reads the peers of an answer: the thread of a prober wrote them.
fn peers_of(report: &Report) -> u64 {
    /// IPv4 peers in a line of the cache.
    const IN_LINE: usize = 8;
    let Report::Announce {
        result: Ok(answer), ..
    } = report
    else {
        return 0;
    };
    let lines = answer.peers.v4.iter().step_by(IN_LINE);
    lines.fold(0, |read, peer| read.wrapping_add(u64::from(peer.ip)))
}

/// A host that is not on the internet by its very name.
fn is_local_host(host: &Host) -> bool {
    match host {
        Host::Ip(ip) => !address::is_global(*ip),
        Host::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
    }
}

/// What counts, by a configuration.
pub(super) fn terms(config: &Config) -> Terms {
    Terms::new(
        config.accept,
        config.probe.stale_after,
        Arc::clone(&config.geo),
        config.metrics.countries,
    )
}

/// The rules of politeness that a configuration makes.
fn pace(config: &Config) -> Pace {
    Pace {
        interval: config.probe.interval,
        timeout: config.probe.timeout,
        max_rate: config.tracker.max_rate,
        scrape_only: config.tracker.announce == AnnounceMode::Scrape,
        manner: match config.tracker.announce {
            AnnounceMode::Brief => Manner::Brief,
            AnnounceMode::Ghost | AnnounceMode::Scrape => Manner::Ghost,
        },
    }
}

#[cfg(test)]
mod tests;
