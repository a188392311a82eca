mod contradicted;
mod dht;
mod shortage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config::{Dht, Metrics, Network, Probe, State, Tracker};
use seedwatch_clock::Unix;
use seedwatch_core::snapshot::Count;
use seedwatch_geo::Geo;
use seedwatch_torrent::Peers;
use seedwatch_torrent::{Hashes, InfoHash, Privacy, Torrent, TrackerUrl};
use seedwatch_tracker::{Announced, Ask, Exchange, Failed, Failure, Report};

fn config(torrents: Vec<Torrent>) -> Config {
    Config {
        torrents: torrents.into(),
        probe: Probe {
            interval: Duration::from_secs(1800),
            timeout: Duration::from_secs(15),
            stale_after: Duration::from_secs(4500),
        },
        tracker: Tracker {
            announce: AnnounceMode::Ghost,
            max_rate: 20.0,
            numwant: 200,
            user_agent: "seedwatch".into(),
            peer_id_prefix: "-SW0100-".into(),
        },
        dht: Dht {
            enabled: false,
            ..Dht::default()
        },
        accept: Accept::Global,
        geo: Arc::new(Geo::load(&Default::default()).unwrap()),
        network: Network {
            canaries: Vec::new(),
        },
        state: State::default(),
        metrics: Metrics::default(),
        warnings: Vec::new(),
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
    }
}

/// Runs the core against a world; IPv6 does not exist there.
struct Sim {
    core: Core,
    now: Now,
    under_way: BTreeMap<(Mono, u64), Job>,
    looks: BTreeMap<(Mono, u64), Family>,
    serial: u64,
}

impl Sim {
    fn new(config: &Config) -> Self {
        let now = Now {
            mono: Mono(0),
            unix: Unix(1_700_000_000),
        };
        let core = Core::new(config, [4242; 2], Key::new([7; 16]), now);
        Self {
            core,
            now,
            under_way: BTreeMap::new(),
            looks: BTreeMap::new(),
            serial: 0,
        }
    }

    /// `alive(now, label)` says whether a tracker answers; `""` asks for the canaries.
    fn run(&mut self, until: u64, alive: impl Fn(u64, &str) -> bool) {
        let until = Mono(until * 1000);
        loop {
            let next = [
                self.core.next_wake(),
                self.under_way.keys().next().map(|(at, _)| *at),
                self.looks.keys().next().map(|(at, _)| *at),
            ];
            let Some(at) = next.into_iter().flatten().min().filter(|at| *at <= until) else {
                break;
            };
            self.step(at.max(self.now.mono));
            while let Some(entry) = self.under_way.first_entry().filter(|e| e.key().0 <= at) {
                let job = entry.remove();
                let up = alive(at.0 / 1000, &job.url.label());
                let observation = report(&job, up);
                self.core.absorb(observation, self.now);
            }
            while let Some(entry) = self.looks.first_entry().filter(|e| e.key().0 <= at) {
                let family = entry.remove();
                let alive = family == Family::Ipv4 && alive(at.0 / 1000, "");
                self.core.looked(family, Some(alive), self.now);
            }
            let mut jobs = Vec::new();
            self.core.poll(self.now.mono, &mut jobs);
            let looks = self.core.looks_due(self.now.mono, &mut jobs);
            for family in looks {
                self.serial += 1;
                self.looks.insert((Mono(at.0 + 5_000), self.serial), family);
            }
            for job in jobs {
                self.serial += 1;
                let up = alive(at.0 / 1000, &job.url.label());
                let took = if up || job.family == Family::Ipv6 {
                    100
                } else {
                    15_000
                };
                self.under_way.insert((Mono(at.0 + took), self.serial), job);
            }
        }
        self.step(until);
    }

    fn step(&mut self, to: Mono) {
        self.now = Now {
            mono: to,
            unix: Unix(1_700_000_000 + to.0 / 1000),
        };
    }

    fn picture(&mut self) -> Snapshot {
        self.core.snapshot(self.now)
    }
}

fn report(job: &Job, up: bool) -> Observation {
    let ids: Vec<_> = match &job.ask {
        Ask::Announce { id, .. } => vec![*id],
        Ask::Scrape { targets } => targets.iter().map(|(id, _)| *id).collect(),
    };
    let mut peers = Peers::default();
    peers.push("1.1.1.1".parse().unwrap(), 6881);
    let report = match (&job.ask, up) {
        _ if job.family == Family::Ipv6 => Report::NoAddress { ids },
        (Ask::Announce { id, .. }, true) => {
            let answer = Announced {
                peers,
                ..Announced::default()
            };
            Report::Announce {
                id: *id,
                result: Ok(Box::new(answer)),
            }
        }
        (Ask::Announce { id, .. }, false) => Report::Announce {
            id: *id,
            result: Err(Failed::new(Failure::Timeout, "")),
        },
        (Ask::Scrape { .. }, true) => Report::Scrape {
            result: Ok(vec![None; ids.len()]),
            ids,
        },
        (Ask::Scrape { .. }, false) => Report::Scrape {
            ids,
            result: Err(Failed::new(Failure::Timeout, "")),
        },
    };
    let duration = Duration::from_millis(if up { 100 } else { 15_000 });
    let exchange = Exchange {
        requests: 1,
        duration,
        ..Exchange::default()
    };
    Observation {
        tracker: job.tracker,
        family: job.family,
        report,
        exchange,
    }
}

const A: &str = "udp://a.example:1/announce";
const B: &str = "udp://b.example:1/announce";
const A_LABEL: &str = "udp://a.example:1";

#[test]
fn a_dead_tracker_on_a_live_network_is_down() {
    let mut sim = Sim::new(&config(vec![torrent(1, &[A, B], Privacy::Public)]));
    sim.run(120, |_, label| label != A_LABEL);
    let picture = sim.picture();
    let up: Vec<_> = picture
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
        picture.network_up,
        [Some(true), None],
        "IPv6 does not exist here"
    );
    let row = picture.row(0).unwrap();
    assert_eq!(
        (row.trackers_online.get(), row.peers[0].get()),
        (Some(1), Some(1))
    );
    assert_eq!(row.probe_success, [None, Some(true)]);
}

#[test]
fn all_trackers_dead_but_canaries_alive_is_their_fault() {
    let mut sim = Sim::new(&config(vec![torrent(1, &[A, B], Privacy::Public)]));
    sim.run(120, |_, label| label.is_empty());
    let picture = sim.picture();
    assert_eq!(picture.network_up[0], Some(true));
    let row = picture.row(0).unwrap();
    assert_eq!(
        (row.trackers_online.get(), row.probe_success),
        (Some(0), [None, Some(false)])
    );
    assert_eq!(
        row.peers.map(Count::get),
        [None; 2],
        "never a zero from a failure"
    );
}

#[test]
fn our_own_outage_blames_nobody_and_ends_with_a_probe_of_everything_due() {
    let mut sim = Sim::new(&config(vec![torrent(1, &[A, B], Privacy::Public)]));
    let world = |at: u64, _: &str| !(1_000..6_000).contains(&at);
    sim.run(4_400, world);
    let picture = sim.picture();
    assert_eq!(picture.network_up[0], Some(false));
    let row = picture.row(0).unwrap();
    assert_eq!(
        (row.trackers_online.get(), row.probe_success),
        (Some(2), [None, Some(true)])
    );
    assert!(
        picture
            .trackers
            .iter()
            .flatten()
            .all(|tracker| tracker.up[0] == Some(true))
    );
    sim.run(4_600, world);
    let picture = sim.picture();
    assert_eq!(
        picture.row(0).unwrap().peers.map(Count::get),
        [None; 2],
        "it ages out"
    );
    assert_eq!(picture.trackers[0].as_ref().unwrap().up, [None; 2]);
    sim.run(6_100, world);
    let picture = sim.picture();
    assert_eq!(picture.network_up[0], Some(true));
    assert_eq!(picture.row(0).unwrap().peers[0].get(), Some(1));
    assert_eq!(
        picture.row(0).unwrap().last_success[Source::Tracker.index()],
        picture.row(0).unwrap().last_peer_seen
    );
}

#[test]
fn three_days_of_ten_trackers_and_a_hundred_torrents_keeps_to_its_rounds() {
    let urls: Vec<_> = (0..10)
        .map(|n| format!("udp://t{n}.example:1/announce"))
        .collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let torrents = (0..100)
        .map(|n| torrent(n, &urls, Privacy::Public))
        .collect();
    let mut sim = Sim::new(&config(torrents));
    sim.run(3 * 86_400, |_, label| label != "udp://t0.example:1");
    let picture = sim.picture();
    assert!(
        picture
            .rows()
            .all(|row| row.trackers_online.get() == Some(9))
    );
    let live = picture.trackers[1].as_ref().unwrap().requests;
    let dead = picture.trackers[0].as_ref().unwrap().requests;
    let rounds = 3 * 48 * 100;
    assert!(
        (rounds * 9 / 10..=rounds * 11 / 10).contains(&live),
        "{live} requests"
    );
    assert!(
        dead < 100,
        "{dead} requests to a dead tracker in three days"
    );
    assert_eq!(picture.schedule.overdue, 0);
}

#[test]
fn a_private_torrent_is_listed_and_left_alone() {
    let torrents = vec![
        torrent(1, &[A], Privacy::LeftAlone),
        torrent(2, &[B], Privacy::Consented),
    ];
    let mut sim = Sim::new(&config(torrents));
    sim.run(60, |_, _| true);
    let picture = sim.picture();
    assert_eq!(picture.torrents.len(), 2);
    assert!(picture.row(0).unwrap().announces.is_empty());
    assert_eq!(picture.row(1).unwrap().peers[0].get(), Some(1));
    let labels: Vec<_> = picture
        .trackers
        .iter()
        .flatten()
        .map(|t| &*t.label)
        .collect();
    assert_eq!(labels, ["udp://b.example:1"]);
}

#[test]
fn before_the_first_answer_the_picture_has_all_torrents_and_no_values() {
    let mut sim = Sim::new(&config(vec![torrent(1, &[A], Privacy::Public)]));
    let picture = sim.picture();
    assert_eq!(picture.torrents.len(), 1);
    assert_eq!(picture.network_up, [None; 2]);
    assert!(picture.config.last_reload_successful);
    sim.core.reload_failed();
    assert!(!sim.picture().config.last_reload_successful);
}

#[test]
fn canaries_that_never_answer_do_not_stop_a_world_that_does() {
    let torrents = vec![
        torrent(1, &[A], Privacy::Public),
        torrent(2, &[B], Privacy::Public),
    ];
    let mut sim = Sim::new(&config(torrents));
    sim.run(12 * 3600, |_, label| !label.is_empty());
    let picture = sim.picture();
    assert_eq!(picture.network_up[0], Some(true));
    assert!(
        picture
            .rows()
            .all(|row| row.trackers_online.get() == Some(1))
    );
}

#[test]
fn after_an_outage_a_tracker_is_enough_to_go_on() {
    let mut sim = Sim::new(&config(vec![torrent(1, &[A, B], Privacy::Public)]));
    sim.run(3 * 3600, |at, label| {
        !label.is_empty() && !(4_000..7_000).contains(&at)
    });
    let picture = sim.picture();
    assert_eq!(picture.network_up[0], Some(true));
    assert_eq!(picture.row(0).unwrap().trackers_online.get(), Some(2));
}
