//! One probe of a torrent: its requests, and what their answers add up to.

use std::sync::Arc;

use super::lookups::LookupEvent;
use super::rows::{LookupRow, Summary, TrackerRow};
use crate::app::{identity, own_addresses};
use crate::config::Config;
use seedwatch_clock::Clock;
use seedwatch_core::roster::{Roster, TorrentIndex};
use seedwatch_core::snapshot::{ConfigRow, Snapshot};
use seedwatch_core::swarm::{SwarmConfig, Swarms};
use seedwatch_core::{Health, HealthChange};
use seedwatch_dht::LookupReport;
use seedwatch_distinct::Key;
use seedwatch_torrent::Family;
use seedwatch_tracker::{AnnounceId, Identity, Job, Observation, Report, Request};

/// One torrent at all its trackers over both families.
pub(super) struct Session {
    clock: Clock,
    pub(super) identity: Identity,
    roster: Roster,
    swarms: Swarms,
    /// Whether a tracker answered, even with a refusal.
    pub(super) is_answered: bool,
}

impl Session {
    /// Returns a session without answers. The first torrent of the configuration is probed.
    pub(super) fn new(config: &Config) -> Self {
        let clock = Clock::start();
        let identity = identity::new_identity(&config.tracker.peer_id_prefix);
        let mut roster = Roster::default();
        let swarm_config = SwarmConfig::new(
            config.accept,
            config.probe.stale_after,
            Arc::clone(&config.geo),
            config.metrics.countries,
        );
        // Peers are not saved, so their hashes need no secret key.
        let mut swarms = Swarms::new(swarm_config.clone(), identity.ports, Key::new([0; 16]));
        let changes = roster.update(&config.torrents, |_| false);
        swarms.update(swarm_config, &roster, &changes, clock.now());
        roster.plan_lookups(config.dht.enabled);
        swarms.update_lookups(config.probe.stale_after, &roster);
        swarms.set_local_addresses(&own_addresses().unwrap_or_default());
        Self {
            clock,
            identity,
            roster,
            swarms,
            is_answered: false,
        }
    }

    /// Returns one announce per info-hash, tracker and family.
    pub(super) fn jobs(&self, config: &Config) -> Vec<Job> {
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

    /// Absorbs an observation and returns its row. An answered announce is followed by a scrape,
    /// which tells how often the torrent was completed: by then the tracker no longer counts us.
    pub(super) fn absorb(
        &mut self,
        observation: Observation,
        config: &Config,
    ) -> (TrackerRow, Vec<Job>) {
        let tracker = self.roster.trackers()[observation.tracker.0 as usize].as_ref();
        let label = tracker.map(|url| url.label()).unwrap_or_default();
        let row = TrackerRow::new(label, &observation);
        let scrape = self.scrape_after(&observation, config);
        let answered = observation.report.failed().is_none()
            && !matches!(observation.report, Report::NoAddress { .. });
        let failed = observation.report.failed();
        self.is_answered |= answered || failed.is_some_and(|it| it.reason.is_refusal());
        let is_probe = !observation.report.is_scrape() || config.tracker.announce.is_none();
        // A failed scrape says nothing about an announce that was answered.
        if answered || !observation.report.is_scrape() {
            let health = if answered {
                Health::Up
            } else {
                Health::Unknown
            };
            let change = HealthChange {
                health,
                changed: true,
                is_confirmed: is_probe,
            };
            self.swarms
                .fold(&self.roster, observation, change, self.clock.now());
        }
        (row, scrape.into_iter().collect())
    }

    /// Absorbs what happened to lookups and returns their rows.
    pub(super) fn absorb_lookups(&mut self, event: LookupEvent) -> Vec<LookupRow> {
        match event {
            LookupEvent::Ended(lookups) => {
                let row = |lookup: &LookupReport| {
                    let now = self.clock.now();
                    self.swarms.fold_lookup(&self.roster, lookup, now);
                    LookupRow::new(lookup)
                };
                lookups.iter().map(row).collect()
            }
            LookupEvent::Unfinished(late) => {
                let row = |(hash, family)| LookupRow::unfinished(hash, family);
                late.into_iter().map(row).collect()
            }
            LookupEvent::Status(status) => {
                let known = status.iter().flatten();
                let external = known.filter_map(|status| status.external_ip);
                self.swarms.set_external_addresses(external);
                Vec::new()
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

    /// Returns what all sources say together.
    pub(super) fn summary(&mut self) -> Summary {
        let now = self.clock.now();
        let snapshot = Snapshot {
            torrents: Arc::clone(self.roster.torrents()),
            blocks: self.swarms.blocks(&self.roster, now),
            config: ConfigRow::default(),
            ..Snapshot::default()
        };
        Summary::new(&snapshot, self.swarms.rejected())
    }
}
