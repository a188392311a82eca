mod causes;
mod changes;
mod cliffs;
mod contradicted;
mod dht;
mod names;
mod shortage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::schedule::PolitenessPolicy;
use crate::snapshot::Count;
use crate::verdict::{MIN_EMPTY_TIME, RECOVERED_AFTER};
use seedwatch_clock::Unix;
use seedwatch_geo::Geo;
use seedwatch_torrent::Peers;
use seedwatch_torrent::address::Accept;
use seedwatch_torrent::{Hashes, InfoHash, Privacy, Torrent, TrackerUrl};
use seedwatch_tracker::{
    AnnounceResponse, AnnounceStrategy, FailureReason, ProbeError, ProbeStats, Report, Request,
};

fn settings(torrents: Vec<Torrent>) -> Settings {
    Settings {
        torrents: torrents.into(),
        politeness: PolitenessPolicy {
            interval: Duration::from_secs(1800),
            timeout: Duration::from_secs(15),
            max_rate: 20.0,
            scrape_only: false,
            strategy: AnnounceStrategy::StoppedFirst,
        },
        stale_after: Duration::from_secs(4500),
        dead_after: MIN_EMPTY_TIME,
        recovered_after: RECOVERED_AFTER,
        accept: Accept::Global,
        geo: Arc::new(Geo::load(&Default::default()).unwrap()),
        dht: DhtSettings {
            enabled: false,
            bootstrap: Vec::new(),
            interval: Duration::from_secs(900),
            time_per_hash: Duration::from_millis(400),
        },
        canaries: Vec::new(),
        country_limit: None,
        per_tracker: true,
        countries: true,
    }
}

fn torrent(n: u8, trackers: &[&str], privacy: Privacy) -> Torrent {
    Torrent {
        name: format!("t{n}").into(),
        hashes: Hashes::V1(InfoHash([n; 20])),
        trackers: trackers
            .iter()
            .map(|url| Arc::new(TrackerUrl::parse(url).unwrap()))
            .collect(),
        details: None,
        privacy,
        size: None,
    }
}

/// A simulation of the engine and its trackers. No tracker has an IPv6 address.
struct Sim {
    engine: Engine,
    /// The wall clock at the start of the process.
    start: Unix,
    now: Now,
    in_flight: BTreeMap<(Mono, u64), Job>,
    checks: BTreeMap<(Mono, u64), Family>,
    serial: u64,
}

impl Sim {
    fn new(settings: &Settings) -> Self {
        let now = Now {
            mono: Mono(0),
            unix: Unix(1_700_000_000),
        };
        let engine = Engine::new(settings, [4242; 2], Key::new([7; 16]), now);
        Self {
            engine,
            start: now.unix,
            now,
            in_flight: BTreeMap::new(),
            checks: BTreeMap::new(),
            serial: 0,
        }
    }

    /// Runs until a time in seconds. `alive(now, label)` returns whether a tracker answers; the
    /// empty label stands for the canaries.
    fn run(&mut self, until: u64, alive: impl Fn(u64, &str) -> bool) {
        let until = Mono(until * 1000);
        loop {
            let next = [
                self.engine.next_wake(),
                self.in_flight.keys().next().map(|(at, _)| *at),
                self.checks.keys().next().map(|(at, _)| *at),
            ];
            let Some(at) = next.into_iter().flatten().min().filter(|at| *at <= until) else {
                break;
            };
            self.step(at.max(self.now.mono));
            while let Some(entry) = self.in_flight.first_entry().filter(|e| e.key().0 <= at) {
                let job = entry.remove();
                let up = alive(at.0 / 1000, &job.url.label());
                let observation = report(&job, up);
                self.engine.absorb(observation, self.now);
            }
            while let Some(entry) = self.checks.first_entry().filter(|e| e.key().0 <= at) {
                let family = entry.remove();
                let alive = family == Family::Ipv4 && alive(at.0 / 1000, "");
                self.engine.check_ended(family, Some(alive), self.now);
            }
            let mut jobs = Vec::new();
            self.engine.poll(self.now.mono, &mut jobs);
            let checks = self.engine.checks_due(self.now.mono, &mut jobs);
            for family in checks {
                self.serial += 1;
                self.checks
                    .insert((Mono(at.0 + 5_000), self.serial), family);
            }
            for job in jobs {
                self.serial += 1;
                let up = alive(at.0 / 1000, &job.url.label());
                let took = if up || job.family == Family::Ipv6 {
                    100
                } else {
                    15_000
                };
                self.in_flight.insert((Mono(at.0 + took), self.serial), job);
            }
        }
        self.step(until);
    }

    fn step(&mut self, to: Mono) {
        self.now = Now {
            mono: to,
            unix: Unix(self.start.0 + to.0 / 1000),
        };
    }

    fn snapshot(&mut self) -> Snapshot {
        self.engine.snapshot(self.now)
    }
}

fn report(job: &Job, up: bool) -> Observation {
    let ids: Vec<_> = match &job.request {
        Request::Announce { id, .. } => vec![*id],
        Request::Scrape { targets } => targets.iter().map(|(id, _)| *id).collect(),
    };
    let mut peers = Peers::default();
    peers.push("1.1.1.1".parse().unwrap(), 6881);
    let report = match (&job.request, up) {
        _ if job.family == Family::Ipv6 => Report::NoAddress { ids },
        (Request::Announce { id, .. }, true) => {
            let answer = AnnounceResponse {
                peers,
                ..AnnounceResponse::default()
            };
            Report::Announce {
                id: *id,
                result: Ok(Box::new(answer)),
            }
        }
        (Request::Announce { id, .. }, false) => Report::Announce {
            id: *id,
            result: Err(ProbeError::new(FailureReason::Timeout, "")),
        },
        (Request::Scrape { .. }, true) => Report::Scrape {
            result: Ok(vec![None; ids.len()]),
            ids,
        },
        (Request::Scrape { .. }, false) => Report::Scrape {
            ids,
            result: Err(ProbeError::new(FailureReason::Timeout, "")),
        },
    };
    let duration = Duration::from_millis(if up { 100 } else { 15_000 });
    let stats = ProbeStats {
        requests: 1,
        duration,
        ..ProbeStats::default()
    };
    Observation {
        tracker: job.tracker,
        family: job.family,
        report,
        stats,
    }
}

const A: &str = "udp://a.example:1/announce";
const B: &str = "udp://b.example:1/announce";
const A_LABEL: &str = "udp://a.example:1";

#[test]
fn a_silent_tracker_is_down_while_another_answers() {
    let mut sim = Sim::new(&settings(vec![torrent(1, &[A, B], Privacy::Public)]));
    sim.run(120, |_, label| label != A_LABEL);
    let snapshot = sim.snapshot();
    let up: Vec<_> = snapshot
        .trackers
        .iter()
        .flatten()
        .map(|t| (&*t.label, t.up[0]))
        .collect();
    assert_eq!(
        up,
        [(A_LABEL, Some(false)), ("udp://b.example:1", Some(true))]
    );
    assert_eq!(
        snapshot.network_up,
        [Some(true), None],
        "no tracker has an IPv6 address"
    );
    let row = snapshot.row(0).unwrap();
    assert_eq!(
        (row.trackers_online.get(), row.peers[0].get()),
        (Some(1), Some(1))
    );
    assert_eq!(row.probe_success, [None, Some(true)]);
}

#[test]
fn unreachable_trackers_are_down_while_canaries_answer() {
    let mut sim = Sim::new(&settings(vec![torrent(1, &[A, B], Privacy::Public)]));
    sim.run(120, |_, label| label.is_empty());
    let snapshot = sim.snapshot();
    assert_eq!(snapshot.network_up[0], Some(true));
    let row = snapshot.row(0).unwrap();
    assert_eq!(
        (row.trackers_online.get(), row.probe_success.into_values()),
        (Some(0), [None, Some(false)])
    );
    assert_eq!(
        row.peers.map(Count::get),
        [None; 2],
        "a failure is not a count of zero"
    );
}

#[test]
fn a_local_outage_is_not_counted_against_trackers_and_overdue_probes_follow_it() {
    let mut sim = Sim::new(&settings(vec![torrent(1, &[A, B], Privacy::Public)]));
    let alive = |at: u64, _: &str| !(1_000..6_000).contains(&at);
    sim.run(4_400, alive);
    let snapshot = sim.snapshot();
    assert_eq!(snapshot.network_up[0], Some(false));
    let row = snapshot.row(0).unwrap();
    assert_eq!(
        (row.trackers_online.get(), row.probe_success.into_values()),
        (Some(2), [None, Some(true)])
    );
    assert!(
        snapshot
            .trackers
            .iter()
            .flatten()
            .all(|tracker| tracker.up[0] == Some(true))
    );
    sim.run(4_600, alive);
    let snapshot = sim.snapshot();
    assert_eq!(
        snapshot.row(0).unwrap().peers.map(Count::get),
        [None; 2],
        "values older than `stale_after` are unknown"
    );
    assert_eq!(snapshot.trackers[0].as_ref().unwrap().up, [None; 2]);
    sim.run(6_100, alive);
    let snapshot = sim.snapshot();
    assert_eq!(snapshot.network_up[0], Some(true));
    assert_eq!(snapshot.row(0).unwrap().peers[0].get(), Some(1));
    assert_eq!(
        snapshot.row(0).unwrap().last_success[Source::Tracker],
        snapshot.row(0).unwrap().last_peer_seen
    );
}

#[test]
fn ten_trackers_and_a_hundred_torrents_keep_the_interval_for_three_days() {
    let urls: Vec<_> = (0..10)
        .map(|n| format!("udp://t{n}.example:1/announce"))
        .collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let torrents = (0..100)
        .map(|n| torrent(n, &urls, Privacy::Public))
        .collect();
    let mut sim = Sim::new(&settings(torrents));
    sim.run(3 * 86_400, |_, label| label != "udp://t0.example:1");
    let snapshot = sim.snapshot();
    assert!(
        snapshot
            .rows()
            .all(|row| row.trackers_online.get() == Some(9))
    );
    let live = snapshot.trackers[1].as_ref().unwrap().requests;
    let dead = snapshot.trackers[0].as_ref().unwrap().requests;
    let rounds = 3 * 48 * 100;
    assert!(
        (rounds * 9 / 10..=rounds * 11 / 10).contains(&live),
        "{live} requests to a live tracker in three days"
    );
    assert!(
        dead < 100,
        "{dead} requests to a dead tracker in three days"
    );
    assert_eq!(snapshot.schedule.overdue, 0);
}

#[test]
fn a_private_torrent_is_listed_but_not_probed() {
    let torrents = vec![
        torrent(1, &[A], Privacy::LeftAlone),
        torrent(2, &[B], Privacy::Consented),
    ];
    let mut sim = Sim::new(&settings(torrents));
    sim.run(60, |_, _| true);
    let snapshot = sim.snapshot();
    assert_eq!(snapshot.torrents.len(), 2);
    assert!(snapshot.row(0).unwrap().announces.is_empty());
    assert_eq!(snapshot.row(1).unwrap().peers[0].get(), Some(1));
    let labels: Vec<_> = snapshot
        .trackers
        .iter()
        .flatten()
        .map(|t| &*t.label)
        .collect();
    assert_eq!(labels, ["udp://b.example:1"]);
}

#[test]
fn a_snapshot_before_the_first_answer_has_all_torrents_and_no_values() {
    let mut sim = Sim::new(&settings(vec![torrent(1, &[A], Privacy::Public)]));
    let snapshot = sim.snapshot();
    assert_eq!(snapshot.torrents.len(), 1);
    assert_eq!(snapshot.network_up, [None; 2]);
    assert!(snapshot.config.last_reload_successful);
    sim.engine.reload_failed();
    assert!(!sim.snapshot().config.last_reload_successful);
}

#[test]
fn silent_canaries_do_not_stop_probes_while_trackers_answer() {
    let torrents = vec![
        torrent(1, &[A], Privacy::Public),
        torrent(2, &[B], Privacy::Public),
    ];
    let mut sim = Sim::new(&settings(torrents));
    sim.run(12 * 3600, |_, label| !label.is_empty());
    let snapshot = sim.snapshot();
    assert_eq!(snapshot.network_up[0], Some(true));
    assert!(
        snapshot
            .rows()
            .all(|row| row.trackers_online.get() == Some(1))
    );
}

#[test]
fn an_answer_of_a_tracker_ends_an_outage() {
    let mut sim = Sim::new(&settings(vec![torrent(1, &[A, B], Privacy::Public)]));
    sim.run(3 * 3600, |at, label| {
        !label.is_empty() && !(4_000..7_000).contains(&at)
    });
    let snapshot = sim.snapshot();
    assert_eq!(snapshot.network_up[0], Some(true));
    assert_eq!(snapshot.row(0).unwrap().trackers_online.get(), Some(2));
}

#[test]
fn other_torrents_of_the_same_configuration_are_no_reload() {
    let public = |n| torrent(n, &["udp://t.example:1"], Privacy::Public);
    let mut sim = Sim::new(&settings(vec![public(1)]));
    let before = sim.engine.snapshot(sim.now).config;
    sim.engine.reload_failed();
    sim.now.unix.0 += 60;
    sim.engine
        .update(&settings(vec![public(1), public(2)]), sim.now);
    let snapshot = sim.engine.snapshot(sim.now);
    assert_eq!(snapshot.torrents.len(), 2);
    assert_eq!(
        snapshot.config.last_reload_success,
        before.last_reload_success
    );
    assert!(!snapshot.config.last_reload_successful);
    sim.engine.reload(&settings(vec![public(1)]), sim.now);
    let config = sim.engine.snapshot(sim.now).config;
    assert_eq!(config.last_reload_success, sim.now.unix);
    assert!(config.last_reload_successful);
}
