//! One probe of a torrent: its requests, and what their answers add up to.

use std::sync::Arc;
use std::time::Duration;

use super::lookups::LookupUpdate;
use super::report::ProbeReport;
use super::rows::{LookupRow, RequestRow, SourceRow, Summary};
use crate::app::{identity, own_addresses};
use crate::config::Config;
use seedwatch_clock::Clock;
use seedwatch_core::roster::{Roster, TorrentIndex};
use seedwatch_core::snapshot::{AnnounceRow, Snapshot, TorrentView};
use seedwatch_core::swarm::{SwarmConfig, Swarms};
use seedwatch_core::verdict::Rounds;
use seedwatch_core::{Health, HealthChange};
use seedwatch_dht::{LookupError, LookupReport, LookupStats};
use seedwatch_distinct::Key;
use seedwatch_torrent::{Family, InfoHash, Privacy};
use seedwatch_tracker::{AnnounceId, Identity, Job, Observation, Report, Request, TrackerId};

/// How long an answer counts: until the end of the probe, whatever the configuration says.
const FRESH_FOR: Duration = Duration::from_secs(24 * 3600);

/// One torrent at all its trackers over both families.
pub(super) struct Session {
    clock: Clock,
    pub(super) identity: Identity,
    roster: Roster,
    swarms: Swarms,
    /// The lookups whose result was folded.
    looked_up: Vec<(InfoHash, Family)>,
    /// The lookups that did not end in time.
    unfinished: Vec<(InfoHash, Family)>,
    request_rows: Vec<RequestRow>,
    lookup_rows: Vec<LookupRow>,
    /// Whether the DHT has bootstrap nodes.
    has_bootstrap: bool,
}

impl Session {
    /// Returns a session without answers. The first torrent of the configuration is probed.
    pub(super) fn new(config: &Config) -> Self {
        let clock = Clock::start();
        let identity = identity::new_identity(&config.tracker.peer_id_prefix);
        let mut roster = Roster::default();
        let swarm_config = SwarmConfig::new(
            config.accept,
            FRESH_FOR,
            Arc::clone(&config.geo),
            config.metrics.countries,
        );
        // Peers are not saved, so their hashes need no secret key.
        let mut swarms = Swarms::new(swarm_config.clone(), identity.ports, Key::new([0; 16]));
        let changes = roster.update(&config.torrents, |_| false);
        swarms.update(swarm_config, &roster, &changes, clock.now());
        roster.plan_lookups(config.dht.enabled);
        swarms.update_lookups(FRESH_FOR, &roster);
        swarms.set_rounds(Rounds::One);
        swarms.set_local_addresses(&own_addresses().unwrap_or_default());
        Self {
            clock,
            identity,
            roster,
            swarms,
            looked_up: Vec::new(),
            unfinished: Vec::new(),
            request_rows: Vec::new(),
            lookup_rows: Vec::new(),
            has_bootstrap: !config.dht.bootstrap.is_empty(),
        }
    }

    /// Returns one announce per info-hash, tracker and family; none for a torrent that must not be
    /// probed.
    pub(super) fn jobs(&self, config: &Config) -> Vec<Job> {
        if config.torrents[0].privacy == Privacy::LeftAlone {
            return Vec::new();
        }
        let announces = self.roster.announces_of(TorrentIndex(0));
        let families = Family::ALL.into_iter();
        families
            .flat_map(|f| {
                announces
                    .iter()
                    .filter_map(move |id| self.job(*id, f, config))
            })
            .collect()
    }

    fn job(&self, id: AnnounceId, family: Family, config: &Config) -> Option<Job> {
        let announce = self.roster.announce(id)?;
        let info_hash = self.roster.info_hash(announce)?;
        let request = match config.tracker.announce {
            Some(strategy) => Request::Announce {
                id,
                info_hash,
                strategy,
            },
            None => Request::Scrape {
                targets: vec![(id, info_hash)],
            },
        };
        Some(Job {
            tracker: announce.tracker,
            family,
            url: Arc::clone(self.roster.url(announce)?),
            timeout: config.probe.timeout,
            request,
        })
    }

    /// Absorbs an observation. An answered announce is followed by a scrape, which tells how often
    /// the torrent was completed: by then the tracker no longer counts us. Returns the scrape.
    pub(super) fn absorb(&mut self, observation: Observation, config: &Config) -> Option<Job> {
        let is_scrape = observation.report.is_scrape();
        let is_follow_up = is_scrape && config.tracker.announce.is_some();
        let label = self.label(observation.tracker);
        let row = RequestRow::new(label, &observation, is_follow_up);
        self.request_rows.push(row);
        let scrape = self.scrape_after(&observation, config);
        let failed = observation.report.failed();
        let health = match failed {
            None if matches!(observation.report, Report::NoAddress { .. }) => Health::Absent,
            None => Health::Up,
            // Other URLs of the tracker may have a scrape.
            Some(failed) if failed.reason.is_abstention() && !is_scrape => Health::Closed,
            Some(_) => Health::Unknown,
        };
        // A failed scrape says nothing about an announce that was answered.
        if health == Health::Up || !is_follow_up {
            let change = HealthChange {
                health,
                changed: true,
                is_confirmed: !is_follow_up,
            };
            self.swarms
                .fold(&self.roster, observation, change, self.clock.now());
        }
        scrape
    }

    fn label(&self, tracker: TrackerId) -> String {
        let url = self.roster.trackers().get(tracker.0 as usize);
        let url = url.and_then(|url| url.as_ref());
        url.map(|url| url.label()).unwrap_or_default()
    }

    /// Absorbs what happened to lookups.
    pub(super) fn absorb_lookups(&mut self, update: LookupUpdate) {
        match update {
            LookupUpdate::Ended(lookups) => {
                for lookup in &lookups {
                    self.fold_lookup(lookup);
                    self.lookup_rows
                        .push(LookupRow::new(lookup, self.has_bootstrap));
                }
            }
            LookupUpdate::Unfinished(late) => {
                let row = |(hash, family): &_| LookupRow::unfinished(*hash, *family);
                self.lookup_rows.extend(late.iter().map(row));
                self.unfinished = late;
            }
            LookupUpdate::Status(status) => {
                let known = status.iter().flatten();
                let external = known.filter_map(|status| status.external_ip);
                self.swarms.set_external_addresses(external);
            }
        }
    }

    fn fold_lookup(&mut self, lookup: &LookupReport) {
        let now = self.clock.now();
        self.swarms.fold_lookup(&self.roster, lookup, now);
        self.looked_up.push((lookup.info_hash, lookup.family));
    }

    /// Folds lookups that did not end as failures: no other round follows. So is one over IPv4 that
    /// could not begin; a machine without IPv6 looks up what others do.
    fn fail_other_lookups(&mut self) {
        let hashes = Arc::clone(self.roster.dht_hashes());
        let wanted = hashes
            .iter()
            .flat_map(|hash| Family::ALL.map(|family| (*hash, family)));
        for (info_hash, family) in wanted {
            let lookup = (info_hash, family);
            let is_wanted = family == Family::Ipv4 || self.unfinished.contains(&lookup);
            if is_wanted && !self.looked_up.contains(&lookup) {
                self.fold_lookup(&LookupReport {
                    info_hash,
                    family,
                    result: Err(LookupError::Timeout),
                    diagnosis: LookupStats::default(),
                });
            }
        }
    }

    fn scrape_after(&self, observation: &Observation, config: &Config) -> Option<Job> {
        let Report::Announce { id, result: Ok(_) } = &observation.report else {
            return None;
        };
        let mut job = self.job(*id, observation.family, config)?;
        let info_hash = self.roster.info_hash(self.roster.announce(*id)?)?;
        job.request = Request::Scrape {
            targets: vec![(*id, info_hash)],
        };
        Some(job)
    }

    /// Returns what all sources say together, once every request has ended.
    pub(super) fn conclude(&mut self) -> Option<ProbeReport> {
        self.fail_other_lookups();
        let now = self.clock.now();
        let snapshot = Snapshot {
            torrents: Arc::clone(self.roster.torrents()),
            blocks: self.swarms.blocks(&self.roster, now),
            ..Snapshot::default()
        };
        let view = snapshot.row(0)?;
        let summary = Summary::new(view, self.swarms.rejected());
        let mut report = ProbeReport::new(view, summary);
        report.sources = self.sources(view);
        report.requests = std::mem::take(&mut self.request_rows);
        report.lookups = std::mem::take(&mut self.lookup_rows);
        Some(report)
    }

    /// Returns the sources, the worst last.
    fn sources(&self, view: TorrentView<'_>) -> Vec<SourceRow> {
        if view.torrent.privacy == Privacy::LeftAlone {
            return Vec::new();
        }
        let tracker = |announce: &AnnounceRow| {
            let label = self.label(announce.tracker);
            SourceRow::of_tracker(label, announce, &self.request_rows)
        };
        let trackers = view.announces.iter().map(tracker);
        let mut sources: Vec<SourceRow> = trackers.collect();
        sources.extend(SourceRow::of_dht(view, &self.lookup_rows));
        sources.sort_by_cached_key(SourceRow::badness);
        sources
    }
}
