//! Forty simulated days of swarms, folded by the real code.
//!
//! Peers come and go, change their addresses, and are named by several sources over two families.
//! Collections overlap, and probes fail. Every hour, all windows are compared with the truth. A
//! daemon that was restarted on the twentieth day must show the same as one that was not.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

mod peers;
mod truth;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use peers::{Peer, Swarm, one_in};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_core::roster::{Roster, TorrentIndex};
use seedwatch_core::snapshot::{Block, Count};
use seedwatch_core::swarm::{Shard, ShardFormat, SwarmConfig, Swarms};
use seedwatch_core::{Health, HealthChange, Source};
use seedwatch_dht::{FoundPeers, LookupReport, LookupStats};
use seedwatch_distinct::Key;
use seedwatch_geo::{Country, Geo};
use seedwatch_torrent::address::Accept;
use seedwatch_torrent::{Details, Hashes, InfoHash, Privacy, Torrent, TrackerList, TrackerUrl};
use seedwatch_torrent::{Family, Peers};
use seedwatch_tracker::{AnnounceResponse, Observation, ProbeStats, Report};
use truth::{Errors, Seen};

const HOURS: usize = 40 * 24;
/// The hour in which the other daemon is restarted.
const RESTART: usize = 20 * 24;
const START: u64 = 1_700_000_000 / 3600;
const TRACKERS: [&str; 2] = ["udp://a.example:1/announce", "udp://b.example:1/announce"];
/// Concurrent peers, and the mean stay of a peer in hours. The first two swarms have too many peers
/// per month to be counted exactly.
const SWARMS: [(usize, usize); 10] = [
    (2500, 30),
    (900, 12),
    (300, 40),
    (150, 20),
    (60, 10),
    (40, 200),
    (20, 24),
    (8, 50),
    (3, 100),
    (1, 300),
];
/// The probes of a torrent in each hour: the source, and the index in [`TRACKERS`].
const PROBES: [(Source, usize); 3] = [(Source::Tracker, 0), (Source::Tracker, 1), (Source::Dht, 0)];
/// All sources together, and each source.
const SERIES: usize = 1 + Source::ALL.len();
/// Most peers per answer.
const NUMWANT: usize = 1200;

fn torrents() -> Arc<[Torrent]> {
    let urls = TrackerList::from(TRACKERS.map(|url| Arc::new(TrackerUrl::parse(url).unwrap())));
    let torrent = |n: usize| Torrent {
        name: format!("t{n}").into(),
        hashes: Hashes::V1(hash(n)),
        trackers: urls.clone(),
        details: Details {
            collection: collection(n).map(Arc::from),
            ..Details::default()
        }
        .boxed(),
        privacy: Privacy::Public,
        size: None,
    };
    (0..SWARMS.len()).map(torrent).collect()
}

fn hash(n: usize) -> InfoHash {
    InfoHash([n as u8 + 1; 20])
}

fn collection(n: usize) -> Option<&'static str> {
    [Some("odd"), None, Some("even")][n % 3]
}

fn now(hour: usize, minute: u64) -> Now {
    let seconds = hour as u64 * 3600 + minute * 60;
    Now {
        mono: Mono(seconds * 1000),
        unix: Unix(START * 3600 + seconds),
    }
}

/// The pure parts of a daemon.
struct Daemon {
    roster: Roster,
    swarms: Swarms,
}

impl Daemon {
    fn start(geo: &Arc<Geo>, restored: Option<&mut Daemon>, at: Now) -> Self {
        let stale_after = Duration::from_secs(75 * 60);
        let config = SwarmConfig::new(Accept::Global, stale_after, Arc::clone(geo), true);
        let mut swarms = Swarms::new(config.clone(), [4242; 2], Key::new([42; 16]));
        if let Some(before) = restored {
            for index in 0..4 {
                let (mut saved, shard) = (Vec::new(), Shard { index, of: 4 });
                before
                    .swarms
                    .encode_torrents(&before.roster, shard, &mut saved);
                swarms.decode_torrents(&saved, ShardFormat::LATEST).unwrap();
            }
            let mut saved = Vec::new();
            before
                .swarms
                .encode_shared(Shard { index: 0, of: 1 }, &mut saved);
            swarms.decode_shared(&saved, ShardFormat::LATEST).unwrap();
        }
        let mut roster = Roster::default();
        let changes = roster.update(&torrents(), |_| false);
        swarms.update(config, &roster, &changes, at);
        roster.plan_lookups(true);
        swarms.update_lookups(stale_after, &roster);
        Self { roster, swarms }
    }

    fn announce(&mut self, torrent: usize, tracker: usize, peers: Peers, now: Now) {
        let id = self.roster.announces_of(TorrentIndex(torrent as u32))[tracker];
        let answer = AnnounceResponse {
            peers,
            ..AnnounceResponse::default()
        };
        let observation = Observation {
            tracker: self.roster.announce(id).unwrap().tracker,
            family: Family::Ipv4,
            report: Report::Announce {
                id,
                result: Ok(Box::new(answer)),
            },
            stats: ProbeStats::default(),
        };
        let change = HealthChange {
            health: Health::Up,
            changed: false,
            is_confirmed: true,
        };
        self.swarms.fold(&self.roster, observation, change, now);
    }

    fn look_up(&mut self, torrent: usize, peers: Peers, now: Now) {
        let lookup = LookupReport {
            info_hash: hash(torrent),
            family: Family::Ipv4,
            result: Ok(FoundPeers {
                peers,
                estimate: None,
            }),
            diagnosis: LookupStats::default(),
        };
        self.swarms.fold_lookup(&self.roster, &lookup, now);
    }

    /// Returns all windows that the daemon shows.
    fn shown(&mut self, now: Now) -> Shown {
        let blocks: Vec<Arc<Block>> = self.swarms.blocks(&self.roster, now);
        let mut shown = Shown::default();
        for n in 0..SWARMS.len() {
            let (row, _, windows) = blocks[0].get(n).unwrap();
            let mut series = [row.unique(windows); SERIES];
            for source in Source::ALL {
                series[1 + source.index()] = row.source_unique(source, windows);
            }
            let series = series.map(|unique| unique.map(Count::get));
            shown.torrents.push(series);
        }
        for row in self.swarms.collections(&self.roster, now) {
            shown
                .collections
                .insert((row.name.to_string(), None), row.unique.map(Count::get));
            for here in &row.countries {
                let key = (row.name.to_string(), Some(here.country));
                shown.collections.insert(key, here.unique.map(Count::get));
            }
        }
        shown.all = self.swarms.totals().unique.map(Count::get);
        shown
    }
}

/// Distinct peers over a day, a week and a month.
type Windows = [Option<u32>; 3];

/// The windows that a daemon shows.
#[derive(Default, Debug, PartialEq)]
struct Shown {
    torrents: Vec<[Windows; SERIES]>,
    collections: BTreeMap<(String, Option<Country>), Windows>,
    all: Windows,
}

/// All sightings since the start.
#[derive(Default)]
struct Truth {
    torrents: Vec<[Seen; SERIES]>,
    collections: BTreeMap<(String, Option<Country>), Seen>,
    all: Seen,
}

impl Truth {
    fn add(&mut self, n: usize, source: Source, named: &[Peer], hour: usize, geo: &Geo) {
        for peer in named {
            self.torrents[n][0].add(*peer, hour);
            self.torrents[n][1 + source.index()].add(*peer, hour);
            self.all.add(*peer, hour);
            let Some(name) = collection(n) else { continue };
            let country = match peer {
                Peer::V4(ip) => geo.country(std::net::Ipv4Addr::from_bits(*ip).into()),
                Peer::V6(net) => {
                    let first = u128::from(*net) << 64;
                    geo.country(std::net::Ipv6Addr::from_bits(first).into())
                }
            };
            for key in [None, Some(country)] {
                let seen = self.collections.entry((name.to_owned(), key)).or_default();
                seen.add(*peer, hour);
            }
        }
    }

    fn check(&self, shown: &Shown, hour: usize, errors: &mut Errors) {
        for (n, (shown, truth)) in shown.torrents.iter().zip(&self.torrents).enumerate() {
            for (series, (shown, truth)) in shown.iter().zip(truth).enumerate() {
                let what = || format!("t{n}, series {series}, hour {hour}");
                errors.check(&what, *shown, truth.counts(hour));
            }
        }
        for (key, truth) in &self.collections {
            let truth = truth.counts(hour);
            let what = || format!("{key:?}, hour {hour}");
            match shown.collections.get(key) {
                Some(shown) => errors.check(&what, *shown, truth),
                // The daemon hides a country without peers in the last month.
                None => assert_eq!(truth, [0; 3], "{}", what()),
            }
        }
        let what = || format!("all torrents, hour {hour}");
        errors.check(&what, shown.all, self.all.counts(hour));
    }
}

#[test]
fn all_windows_equal_the_truth_for_forty_days() {
    let geo = Arc::new(Geo::load(&seedwatch_geo::Settings::default()).unwrap());
    let mut rng = SmallRng::seed_from_u64(2026);
    let mut swarms: Vec<Swarm> = SWARMS
        .iter()
        .map(|(size, stay)| Swarm::new(*size, *stay, &mut rng))
        .collect();
    let mut truth = Truth {
        torrents: SWARMS.iter().map(|_| Default::default()).collect(),
        ..Truth::default()
    };
    let mut steady = Daemon::start(&geo, None, now(0, 0));
    let mut other: Option<Daemon> = None;
    let mut errors = Errors::default();
    for hour in 0..HOURS {
        if hour == RESTART {
            other = Some(Daemon::start(&geo, Some(&mut steady), now(hour, 0)));
        }
        for n in 0..swarms.len() {
            let neighbours = swarms[(n + 3) % SWARMS.len()].current.clone();
            swarms[n].advance(START + hour as u64, &neighbours, &mut rng);
            for (minutes, (source, tracker)) in (1..).step_by(15).zip(PROBES) {
                // All probes of the first hour succeed, so that everything is known from then on.
                if hour > 0 && one_in(8, &mut rng) {
                    continue;
                }
                let (peers, named) = swarms[n].list(NUMWANT, &mut rng);
                let at = now(hour, minutes);
                for daemon in [Some(&mut steady), other.as_mut()].into_iter().flatten() {
                    match source {
                        Source::Dht => daemon.look_up(n, peers.clone(), at),
                        Source::Tracker => daemon.announce(n, tracker, peers.clone(), at),
                    }
                }
                truth.add(n, source, &named, hour, &geo);
            }
        }
        let at = now(hour, 59);
        let shown = steady.shown(at);
        truth.check(&shown, hour, &mut errors);
        if let Some(other) = &mut other {
            assert_eq!(other.shown(at), shown, "hour {hour}");
        }
    }
    let (sigma, worst, count) = errors.summary();
    println!("{count} estimates: one sigma {sigma:.4}, largest error {worst:.4}");
    assert!(count > 10_000, "too few large sets: {count}");
    assert!(sigma <= 0.02, "one sigma {sigma}");
    assert!(worst <= 0.08, "largest error {worst}");
}
