//! Forty days of three swarms, hour by hour, compared with naive sets.
//!
//! Hosts come and go, change addresses, use either family and are seen by one or more sources. Many
//! are in several swarms, and each swarm is in up to two collections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

use super::super::*;
use super::{Naive, START, pairs};
use seedwatch_clock::Unix;

const HOURS: u64 = 40 * 24;
const TORRENTS: usize = 3;
/// The torrents of each collection; the last collection has all of them.
const COLLECTIONS: [&[usize]; 3] = [&[0, 1], &[1, 2], &[0, 1, 2]];

struct Host {
    address: IpAddr,
    torrents: [bool; TORRENTS],
    sources: [bool; SOURCES],
    leaves: u64,
}

impl Host {
    fn new(rng: &mut SmallRng, hour: u64) -> Self {
        // A small swarm, one that shrinks after twenty days, and one that grows.
        let wave = if hour < 480 { 0.4 } else { 0.02 };
        let mut torrents =
            [0.02, wave, 0.4 + hour as f64 / 4000.0].map(|p: f64| rng.random_bool(p.min(1.0)));
        torrents[2] |= !torrents.contains(&true);
        let either = rng.random_range(..10_u64);
        Self {
            address: address(rng),
            torrents,
            sources: std::array::from_fn(|source| [either < 7, either > 3][source.min(1)]),
            leaves: hour + 1 + rng.random_range(..30_u64),
        }
    }

    /// Returns the part of the address that distinguishes peers.
    fn identity(&self) -> u64 {
        match self.address {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        }
    }
}

fn address(rng: &mut SmallRng) -> IpAddr {
    if rng.random_bool(0.3) {
        let network = 0x2a << 120 | u128::from(rng.next_u64() >> 8) << 64;
        Ipv6Addr::from_bits(network | u128::from(rng.next_u64())).into()
    } else {
        Ipv4Addr::from_bits(rng.next_u64() as u32).into()
    }
}

/// Replays all sightings in their order.
fn replay(seed: u64, mut sighting: impl FnMut(u64, &Host), mut hour_ends: impl FnMut(u64)) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut hosts: Vec<Host> = Vec::new();
    for hour in 0..HOURS {
        hosts.retain(|host| host.leaves > hour);
        for _ in 0..26 + 6 * (hour / 12 % 2) {
            hosts.push(Host::new(&mut rng, hour));
        }
        for host in &mut hosts {
            if rng.random_bool(0.02) {
                host.address = address(&mut rng);
            } else if let IpAddr::V6(old) = host.address {
                let host_part = u128::from(rng.next_u64());
                host.address = Ipv6Addr::from_bits(old.to_bits() >> 64 << 64 | host_part).into();
            }
            if rng.random_bool(0.6) {
                sighting(hour, host);
            }
        }
        hour_ends(hour);
    }
}

/// The running clock and all sets of a daemon.
struct Installation {
    clock: RunningClock,
    torrents: Vec<Set>,
    collections: Vec<Set>,
}

impl Installation {
    fn add(&mut self, peer: PeerHash, host: &Host, hour: u64) {
        let at = self.clock.tick(Unix(START + 3600 * hour));
        let is_in_any = |torrents: &[usize]| torrents.iter().any(|t| host.torrents[*t]);
        for source in (0..SOURCES).filter(|source| host.sources[*source]) {
            for torrent in (0..TORRENTS).filter(|torrent| host.torrents[*torrent]) {
                self.torrents[torrent].add(peer, source, at);
            }
        }
        for (collection, torrents) in self.collections.iter_mut().zip(COLLECTIONS) {
            if is_in_any(torrents) {
                collection.add(peer, 0, at);
            }
        }
    }

    fn restart(&mut self) {
        let mut bytes = Vec::new();
        self.clock.encode(&mut bytes);
        for set in self.torrents.iter().chain(&self.collections) {
            set.encode(&mut bytes);
        }
        let mut from = &bytes[..];
        self.clock = RunningClock::decode(&mut from).unwrap();
        for set in self.torrents.iter_mut().chain(&mut self.collections) {
            *set = Set::decode(&mut from, Format::V3).unwrap();
        }
        assert!(from.is_empty());
    }
}

/// Returns the counts of each set at the end of each `step`-th hour.
fn journal(seed: u64, step: u64, restarts: bool) -> Vec<Counts> {
    let key = Key::new(*b"a key of 16 byte");
    let installation = std::cell::RefCell::new(Installation {
        clock: RunningClock::start(Unix(START)),
        torrents: vec![Set::new(); TORRENTS],
        collections: vec![Set::new(); COLLECTIONS.len()],
    });
    let mut all = Vec::new();
    replay(
        seed,
        |hour, host| {
            installation
                .borrow_mut()
                .add(key.peer(host.address), host, hour);
        },
        |hour| {
            let mut installation = installation.borrow_mut();
            if restarts && (hour % 97 == 50 || (470..490).contains(&hour)) {
                installation.restart();
            }
            if hour % step != 0 {
                return;
            }
            let at = installation.clock.moment();
            let Installation {
                torrents,
                collections,
                ..
            } = &mut *installation;
            let sets = torrents.iter_mut().chain(collections.iter_mut());
            all.extend(sets.map(|set| set.counts(at)));
            // A collection equals the union of its torrents.
            if hour % 120 == 0 {
                for (collection, indices) in collections.iter_mut().zip(COLLECTIONS) {
                    let mut union = Set::new();
                    for torrent in indices {
                        union.unite_flattened(&torrents[*torrent], at);
                    }
                    assert_eq!(union.counts(at), collection.counts(at), "{hour}");
                }
            }
        },
    );
    all
}

/// Returns the counts of naive sets at the end of each hour.
fn truth(seed: u64) -> Vec<Counts> {
    let naive = std::cell::RefCell::new(vec![Naive::default(); TORRENTS + COLLECTIONS.len()]);
    let mut all = Vec::new();
    replay(
        seed,
        |hour, host| {
            let mut naive = naive.borrow_mut();
            let (torrents, collections) = naive.split_at_mut(TORRENTS);
            for source in (0..SOURCES).filter(|source| host.sources[*source]) {
                for torrent in (0..TORRENTS).filter(|torrent| host.torrents[*torrent]) {
                    torrents[torrent].add(host.identity(), source, hour);
                }
            }
            for (collection, indices) in collections.iter_mut().zip(COLLECTIONS) {
                if indices.iter().any(|torrent| host.torrents[*torrent]) {
                    collection.add(host.identity(), 0, hour);
                }
            }
        },
        |hour| all.extend(naive.borrow().iter().map(|naive| naive.counts(hour))),
    );
    all
}

#[test]
fn counts_of_forty_days_match_naive_sets() {
    let (found, truth) = (journal(1, 1, false), truth(1));
    assert_eq!(found.len(), truth.len());
    let (mut exact, mut squares, mut sampled) = (0, [0.0; 3], [0_u32; 3]);
    for (number, (found, truth)) in found.iter().zip(&truth).enumerate() {
        for (figure, (found, truth)) in pairs(found, truth).into_iter().enumerate() {
            if (truth as usize) < K {
                assert_eq!(found, truth, "{number} {figure}");
                exact += 1;
            } else {
                let error = f64::from(found) / f64::from(truth) - 1.0;
                assert!(error.abs() < 0.06, "{found} for {truth}");
                squares[figure % 3] += error * error;
                sampled[figure % 3] += 1;
            }
        }
    }
    // Both exact and sampled counts occurred, and a shrunk torrent became exact again.
    assert!(
        exact > 10_000 && sampled[1] > 200 && sampled[2] > 1_000,
        "{exact} {sampled:?}"
    );
    let faded = |hour: u64| truth[hour as usize * 6 + 1].all[2] as usize;
    assert!(
        faded(480) > K && faded(HOURS - 1) < K,
        "{} {}",
        faded(480),
        faded(HOURS - 1)
    );
    for window in 1..3 {
        let sigma = (squares[window] / f64::from(sampled[window])).sqrt();
        assert!(sigma < 0.02, "{sigma}");
    }
}

#[test]
fn restarts_do_not_change_counts() {
    assert!(journal(2, 40, true) == journal(2, 40, false));
}
