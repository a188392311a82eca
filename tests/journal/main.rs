//! Forty days of swarms through the real fold, with time passed in: peers churn, renumber and are seen
//! by several sources over two families; collections overlap; sources fail. At every hour all windows
//! are compared with the truth, and a daemon that was started again on the twentieth day shows what
//! one shows that was not.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

mod people;
mod truth;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use people::{Chance, Person, Swarm};
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_core::roster::Roster;
use seedwatch_core::swarm::{Block, Count, Shard, SwarmConfig, Swarms};
use seedwatch_core::{Health, HealthChange, Source};
use seedwatch_dht::{FoundPeers, LookupReport, LookupStats};
use seedwatch_distinct::{Format, Key};
use seedwatch_geo::{Country, Geo};
use seedwatch_torrent::address::Accept;
use seedwatch_torrent::{Details, Hashes, InfoHash, Privacy, Torrent, TrackerUrl};
use seedwatch_torrent::{Family, Peers};
use seedwatch_tracker::{AnnounceResponse, Observation, ProbeStats, Report};
use truth::{Errors, Seen};

const HOURS: usize = 40 * 24;
/// When the other daemon is stopped and started again.
const RESTART: usize = 20 * 24;
const START: u64 = 1_700_000_000 / 3600;
const TRACKERS: [&str; 2] = ["udp://a.example:1/announce", "udp://b.example:1/announce"];
/// Peers at once, and one in so many that goes each hour. The first two have a month that only a
/// sketch can count.
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
/// Most peers that a tracker names.
const NUMWANT: usize = 1200;

fn torrents() -> Arc<[Torrent]> {
    let urls: Arc<[_]> = TRACKERS
        .map(|url| Arc::new(TrackerUrl::parse(url).unwrap()))
        .into();
    let torrent = |n: usize| Torrent {
        name: format!("t{n}").into(),
        hashes: Hashes::V1(hash(n)),
        trackers: Arc::clone(&urls),
        details: Details {
            collection: collection(n).map(Arc::from),
            ..Details::default()
        }
        .boxed(),
        privacy: Privacy::Public,
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

/// A daemon without its sockets.
struct Daemon {
    roster: Roster,
    swarms: Swarms,
}

impl Daemon {
    fn start(geo: &Arc<Geo>, restored: Option<&mut Daemon>, at: Now) -> Self {
        let stale_after = Duration::from_secs(75 * 60);
        let terms = SwarmConfig::new(Accept::Global, stale_after, Arc::clone(geo), true);
        let mut swarms = Swarms::new(terms.clone(), [4242; 2], Key::new([42; 16]));
        if let Some(before) = restored {
            for index in 0..4 {
                let (mut saved, part) = (Vec::new(), Shard { index, of: 4 });
                before
                    .swarms
                    .encode_torrents(&before.roster, part, &mut saved);
                swarms.decode_torrents(&saved, Format::V3).unwrap();
            }
            let mut saved = Vec::new();
            before
                .swarms
                .encode_shared(Shard { index: 0, of: 1 }, &mut saved);
            swarms.decode_shared(&saved, Format::V3).unwrap();
        }
        let mut roster = Roster::default();
        let changes = roster.update(&torrents(), |_| false);
        swarms.update(terms, &roster, &changes, at);
        roster.plan_lookups(true);
        swarms.update_lookups(stale_after, &roster);
        Self { roster, swarms }
    }

    fn announce(&mut self, torrent: usize, tracker: usize, peers: Peers, now: Now) {
        let id = self.roster.announces_of(torrent)[tracker];
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
        let verdict = HealthChange {
            health: Health::Up,
            changed: false,
            is_confirmed: true,
        };
        self.swarms.fold(&self.roster, observation, verdict, now);
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

    /// All windows that are shown.
    fn shown(&mut self, now: Now) -> Shown {
        let blocks: Vec<Arc<Block>> = self.swarms.blocks(&self.roster, now);
        let mut shown = Shown::default();
        for n in 0..SWARMS.len() {
            let (row, _, reach) = blocks[0].get(n).unwrap();
            let all = row.unique(reach);
            let sources = Source::ALL.map(|source| row.source_unique(source, reach));
            let counts = [all, sources[0], sources[1]];
            shown
                .torrents
                .push(counts.map(|unique| unique.map(Count::get)));
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
        shown.fleet = self.swarms.fleet().unique.map(Count::get);
        shown
    }
}

/// Distinct peers over a day, a week and a month.
type Windows = [Option<u32>; 3];

#[derive(Default, Debug, PartialEq)]
struct Shown {
    /// All, by the DHT, by trackers.
    torrents: Vec<[Windows; 3]>,
    collections: BTreeMap<(String, Option<Country>), Windows>,
    fleet: Windows,
}

/// The same without forgetting.
#[derive(Default)]
struct Truth {
    torrents: Vec<[Seen; 3]>,
    collections: BTreeMap<(String, Option<Country>), Seen>,
    fleet: Seen,
}

impl Truth {
    fn add(&mut self, n: usize, source: Source, named: &[Person], hour: usize, geo: &Geo) {
        for person in named {
            self.torrents[n][0].add(*person, hour);
            self.torrents[n][1 + source.index()].add(*person, hour);
            self.fleet.add(*person, hour);
            let Some(name) = collection(n) else { continue };
            let country = match person {
                Person::V4(ip) => geo.country(std::net::Ipv4Addr::from_bits(*ip).into()),
                Person::V6(net) => {
                    let first = u128::from(*net) << 64;
                    geo.country(std::net::Ipv6Addr::from_bits(first).into())
                }
            };
            for key in [None, Some(country)] {
                let seen = self.collections.entry((name.to_owned(), key)).or_default();
                seen.add(*person, hour);
            }
        }
    }

    fn check(&self, shown: &Shown, hour: usize, errors: &mut Errors) {
        for (n, (shown, truth)) in shown.torrents.iter().zip(&self.torrents).enumerate() {
            for (part, (shown, truth)) in shown.iter().zip(truth).enumerate() {
                let what = || format!("t{n}, part {part}, hour {hour}");
                errors.check(&what, *shown, truth.counts(hour));
            }
        }
        for (key, truth) in &self.collections {
            let truth = truth.counts(hour);
            let what = || format!("{key:?}, hour {hour}");
            match shown.collections.get(key) {
                Some(shown) => errors.check(&what, *shown, truth),
                // Not shown any more: nobody within a month.
                None => assert_eq!(truth, [0; 3], "{}", what()),
            }
        }
        let what = || format!("fleet, hour {hour}");
        errors.check(&what, shown.fleet, self.fleet.counts(hour));
    }
}

#[test]
fn forty_days_are_counted_as_they_were() {
    let geo = Arc::new(Geo::load(&seedwatch_geo::Settings::default()).unwrap());
    let mut chance = Chance(2026);
    let mut swarms: Vec<Swarm> = SWARMS
        .iter()
        .map(|(size, stay)| Swarm::new(*size, *stay, &mut chance))
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
            let beside = swarms[(n + 3) % SWARMS.len()].here.clone();
            swarms[n].pass(START + hour as u64, &beside, &mut chance);
            for source in 0..3 {
                // The first hour is whole, so that everything is known from then on.
                if hour > 0 && chance.one_in(8) {
                    continue;
                }
                let (peers, named) = swarms[n].list(NUMWANT, &mut chance);
                let at = now(hour, 1 + source as u64 * 15);
                for daemon in [Some(&mut steady), other.as_mut()].into_iter().flatten() {
                    match source {
                        2 => daemon.look_up(n, peers.clone(), at),
                        tracker => daemon.announce(n, tracker, peers.clone(), at),
                    }
                }
                let source = [Source::Tracker, Source::Tracker, Source::Dht][source];
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
