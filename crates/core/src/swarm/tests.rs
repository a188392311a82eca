mod asn_counts;
mod days;
mod flush;
mod history;
mod lookups;
mod own;
mod probes;
mod problems;
mod regressions;
mod saved;
mod verdicts;

use super::*;
use crate::snapshot::{AnnounceRow, Count, UnixOption32};
use crate::{Health, HealthChange};
use seedwatch_geo::Geo;
use seedwatch_torrent::address::Accept;
use seedwatch_torrent::{Endpoint4, Endpoint6, Peers};
use seedwatch_torrent::{Hashes, InfoHash, InfoHashV2, Privacy, TrackerUrl};
use seedwatch_tracker::{
    AnnounceResponse, AnnounceStrategy, Counts, FailureReason, ProbeError, ProbeStats, Problem,
    TrackerId,
};

const STALE: Duration = Duration::from_secs(75 * 60);
const LOOKUPS_STALE: Duration = Duration::from_secs(90 * 60);

fn torrent(name: &str, hashes: Hashes, trackers: &[&str]) -> seedwatch_torrent::Torrent {
    seedwatch_torrent::Torrent {
        name: name.into(),
        hashes,
        trackers: trackers
            .iter()
            .map(|url| Arc::new(TrackerUrl::parse(url).unwrap()))
            .collect(),
        details: None,
        privacy: Privacy::Public,
        size: None,
    }
}

/// An unpacked row, for comparisons.
struct UnpackedRow {
    name: Box<str>,
    peers: [Option<u32>; 2],
    source_peers: [Option<u32>; 2],
    dht: [Option<u32>; 2],
    trackers_online: Option<u32>,
    seeders: Option<u32>,
    leechers: Option<u32>,
    probe_success: [Option<bool>; 2],
    last_success: [Option<Unix>; 2],
    last_peer_seen: Option<Unix>,
    announces: Vec<AnnounceRow>,
}

fn config() -> SwarmConfig {
    let geo = Geo::load(&seedwatch_geo::Settings::default()).unwrap();
    SwarmConfig::new(Accept::Global, STALE, Arc::new(geo), true)
}

struct World {
    roster: Roster,
    swarms: Swarms,
    now: Now,
}

impl World {
    fn new(torrents: &[seedwatch_torrent::Torrent]) -> Self {
        let mut world = Self {
            roster: Roster::default(),
            swarms: Swarms::new(config(), [4242; 2], Key::new([7; 16])),
            now: Now {
                mono: Mono(1_000),
                unix: Unix(1_700_000_000),
            },
        };
        world.swarms.set_network(NetworkState {
            working: [true; 2],
            ..NetworkState::default()
        });
        world.configure(torrents);
        world
    }

    fn configure(&mut self, torrents: &[seedwatch_torrent::Torrent]) {
        self.swarms.flush(&self.roster);
        let changes = self.roster.update(&torrents.to_vec().into(), |_| false);
        self.swarms
            .update(config(), &self.roster, &changes, self.now);
        self.roster.plan_lookups(true);
        self.swarms.update_lookups(LOOKUPS_STALE, &self.roster);
    }

    fn without_dht(mut self) -> Self {
        self.roster.plan_lookups(false);
        self.swarms.update_lookups(LOOKUPS_STALE, &self.roster);
        self
    }

    fn advance(&mut self, seconds: u64) {
        self.now.mono.0 += seconds * 1000;
        self.now.unix.0 += seconds;
    }

    fn announce(&self, torrent: usize, index: usize) -> AnnounceId {
        self.roster.announces_of(TorrentIndex(torrent as u32))[index]
    }

    fn report(&mut self, family: Family, health: Health, report: Report) {
        let id = report.ids()[0];
        let tracker = self.roster.announce(id).map_or(TrackerId(0), |a| a.tracker);
        let observation = Observation {
            tracker,
            family,
            report,
            stats: ProbeStats::default(),
        };
        let change = HealthChange {
            health,
            changed: true,
            is_confirmed: true,
        };
        self.swarms.count_probe(&observation);
        self.swarms
            .fold(&self.roster, observation, change, self.now);
    }

    /// Folds the answer to a scrape beside announces.
    fn scrape_beside(&mut self, id: AnnounceId, counts: Counts) {
        let tracker = self.roster.announce(id).unwrap().tracker;
        let report = Report::Scrape {
            ids: vec![id],
            result: Ok(vec![Some(counts)]),
        };
        let stats = ProbeStats::default();
        let observation = Observation {
            tracker,
            family: Family::Ipv4,
            report,
            stats,
        };
        let change = HealthChange {
            health: Health::Up,
            changed: false,
            is_confirmed: false,
        };
        self.swarms
            .fold(&self.roster, observation, change, self.now);
    }

    fn answer(&mut self, id: AnnounceId, family: Family, answer: AnnounceResponse) {
        let result = Ok(Box::new(answer));
        self.report(family, Health::Up, Report::Announce { id, result });
    }

    fn list(&mut self, id: AnnounceId, ips: &[&str]) {
        let mut peers = Peers::default();
        ips.iter()
            .for_each(|ip| peers.push(ip.parse().unwrap(), 6881));
        self.answer(
            id,
            Family::Ipv4,
            AnnounceResponse {
                peers,
                ..AnnounceResponse::default()
            },
        );
    }

    fn fail(&mut self, id: AnnounceId, health: Health, reason: FailureReason) {
        let result = Err(ProbeError::new(reason, "because"));
        self.report(Family::Ipv4, health, Report::Announce { id, result });
    }

    fn row(&mut self, index: usize) -> UnpackedRow {
        let blocks = self.swarms.blocks(&self.roster, self.now);
        let (row, announces, _) = blocks[0].get(index).unwrap();
        UnpackedRow {
            name: self.roster.torrents()[index].name.clone(),
            peers: row.peers.map(Count::get),
            source_peers: row.source_peers.map(Count::get).into_values(),
            dht: [row.dht_seeders.get(), row.dht_leechers.get()],
            trackers_online: row.trackers_online.get(),
            seeders: row.seeders.get(),
            leechers: row.leechers.get(),
            probe_success: row.probe_success.into_values(),
            last_success: row.last_success.map(UnixOption32::get).into_values(),
            last_peer_seen: row.last_peer_seen.get(),
            announces: announces.to_vec(),
        }
    }
}

fn v1(byte: u8) -> Hashes {
    Hashes::V1(InfoHash([byte; 20]))
}

const TWO: [&str; 2] = ["udp://a.example:1/announce", "http://b.example/announce"];

#[test]
fn peers_are_the_union_over_trackers() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let (a, b) = (world.announce(0, 0), world.announce(0, 1));
    world.list(a, &["1.1.1.1", "1.1.1.2", "1.1.1.2"]);
    world.list(b, &["1.1.1.2", "1.1.1.3", "2a00::1", "2a00::2"]);
    let row = world.row(0);
    assert_eq!(
        row.peers,
        [Some(3), Some(1)],
        "two IPv6 addresses of one /64 are one peer"
    );
    assert_eq!(row.source_peers, [None, Some(4)]);
    assert_eq!(row.trackers_online, Some(2));
    assert_eq!(
        row.announces
            .iter()
            .map(|a| a.peers.get())
            .collect::<Vec<_>>(),
        [Some(2), Some(3)]
    );
}

#[test]
fn values_are_unknown_until_an_answer_comes() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]).without_dht();
    let row = world.row(0);
    assert_eq!((row.peers, row.trackers_online), ([None; 2], None));
    assert_eq!(
        (row.probe_success, row.last_success),
        ([None; 2], [None; 2])
    );
    let id = world.announce(0, 0);
    world.list(id, &[]);
    let row = world.row(0);
    assert_eq!(
        row.peers,
        [Some(0), None],
        "a list over IPv4 says nothing of IPv6"
    );
    assert_eq!(
        (row.probe_success, row.last_peer_seen),
        ([None, Some(true)], None)
    );
}

#[test]
fn a_failure_keeps_the_answer_until_it_is_stale_and_never_makes_a_zero() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]);
    let id = world.announce(0, 0);
    world.list(id, &["1.1.1.1"]);
    world.advance(1800);
    world.fail(id, Health::Down, FailureReason::Timeout);
    let row = world.row(0);
    assert_eq!((row.peers[0], row.trackers_online), (Some(1), Some(0)));
    assert_eq!(row.probe_success, [None, Some(false)]);
    assert_eq!(
        row.announces[0].failure().unwrap().reason,
        FailureReason::Timeout
    );
    world.advance(STALE.as_secs() - 1800);
    let row = world.row(0);
    assert_eq!(row.peers, [None; 2]);
    assert_eq!(
        row.last_peer_seen,
        Some(Unix(1_700_000_000)),
        "the time of the last peer stays"
    );
}

#[test]
fn a_first_failure_does_not_stand() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]);
    let id = world.announce(0, 0);
    world.list(id, &["1.1.1.1"]);
    let result = Err(ProbeError::new(FailureReason::Timeout, ""));
    let observation = Observation {
        tracker: TrackerId(0),
        family: Family::Ipv4,
        report: Report::Announce { id, result },
        stats: ProbeStats {
            requests: 4,
            ..ProbeStats::default()
        },
    };
    let change = HealthChange {
        health: Health::Up,
        changed: false,
        is_confirmed: false,
    };
    world.swarms.count_probe(&observation);
    world
        .swarms
        .fold(&world.roster, observation, change, world.now);
    assert_eq!(world.row(0).announces[0].success, Some(true));
    let trackers = world
        .swarms
        .tracker_rows(&world.roster, world.now, |_| None);
    let tracker = trackers[0].as_ref().unwrap();
    assert_eq!(
        (
            tracker.requests,
            tracker.failures[FailureReason::Timeout.index()]
        ),
        (4, 1)
    );
}

#[test]
fn a_tracker_that_is_down_is_offline_for_all_its_torrents() {
    let mut world = World::new(&[torrent("s", v1(1), &TWO), torrent("t", v1(2), &TWO)]);
    let (first, second) = (world.announce(0, 0), world.announce(1, 0));
    world.list(second, &["1.1.1.1"]);
    world.fail(first, Health::Down, FailureReason::Refused);
    let row = world.row(1);
    assert_eq!(
        (row.trackers_online, row.announces[0].success),
        (Some(0), Some(false))
    );
    assert_eq!(row.peers[0], Some(1));
}

#[test]
fn a_refusal_is_up_but_no_success() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]);
    let id = world.announce(0, 0);
    world.fail(id, Health::Up, FailureReason::Rejected);
    assert_eq!(world.row(0).announces[0].success, Some(false));
    let trackers = world
        .swarms
        .tracker_rows(&world.roster, world.now, |_| None);
    assert_eq!(trackers[0].as_ref().unwrap().up, [Some(true), None]);
}

#[test]
fn rejected_peers_are_counted_by_reason() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]);
    let id = world.announce(0, 0);
    world
        .swarms
        .set_local_addresses(&["9.9.9.9".parse::<IpAddr>().unwrap()]);
    let ip = |text: &str| text.parse::<std::net::Ipv4Addr>().unwrap().to_bits();
    let peers = Peers {
        v4: vec![
            Endpoint4 {
                ip: ip("10.1.2.3"),
                port: 1,
            },
            Endpoint4 {
                ip: ip("1.1.1.1"),
                port: 0,
            },
            Endpoint4 {
                ip: ip("9.9.9.9"),
                port: 1,
            },
            Endpoint4 {
                ip: ip("8.8.8.8"),
                port: 4242,
            },
            Endpoint4 {
                ip: ip("1.1.1.1"),
                port: 1,
            },
        ],
        v6: vec![Endpoint6 { ip: 1, port: 1 }],
        malformed: 2,
        omitted: 0,
    };
    let answer = AnnounceResponse {
        peers,
        strategy: AnnounceStrategy::StartThenStop,
        ..AnnounceResponse::default()
    };
    world.answer(id, Family::Ipv4, answer);
    assert_eq!(world.row(0).peers, [Some(1), None]);
    assert_eq!(world.swarms.rejected(), [2, 1, 2, 2]);
}

#[test]
fn an_entry_with_our_port_is_ours_only_in_answers_to_started() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]);
    let id = world.announce(0, 0);
    let mut peers = Peers::default();
    peers.push("8.8.8.8".parse().unwrap(), 4242);
    world.answer(
        id,
        Family::Ipv4,
        AnnounceResponse {
            peers,
            ..AnnounceResponse::default()
        },
    );
    assert_eq!(world.row(0).peers[0], Some(1));
}

#[test]
fn both_hashes_of_a_hybrid_are_one_torrent() {
    let hybrid = Hashes::Hybrid(InfoHash([1; 20]), Box::new(InfoHashV2([2; 32])));
    let mut world = World::new(&[torrent("t", hybrid, &TWO)]);
    assert_eq!(world.roster.announces_of(TorrentIndex(0)).len(), 4);
    let (old, new) = (world.announce(0, 0), world.announce(0, 1));
    world.list(old, &["1.1.1.1", "1.1.1.2"]);
    world.list(new, &["1.1.1.2", "1.1.1.3"]);
    let row = world.row(0);
    assert_eq!((row.peers[0], row.announces.len()), (Some(3), 2));
    assert_eq!(
        (row.announces[0].peers.get(), row.trackers_online),
        (Some(3), Some(1))
    );
}

#[test]
fn the_largest_claim_of_all_trackers_is_shown() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let (a, b) = (world.announce(0, 0), world.announce(0, 1));
    let counts = |s, l, c| Counts {
        seeders: Some(s),
        leechers: Some(l),
        completed: c,
    };
    let scraped = |id, counts| Report::Scrape {
        ids: vec![id],
        result: Ok(vec![Some(counts)]),
    };
    world.report(Family::Ipv4, Health::Up, scraped(a, counts(5, 1, Some(90))));
    let answer = AnnounceResponse {
        counts: counts(6, 0, None),
        ..AnnounceResponse::default()
    };
    world.answer(a, Family::Ipv4, answer);
    world.report(Family::Ipv6, Health::Up, scraped(b, counts(2, 9, None)));
    let row = world.row(0);
    assert_eq!((row.seeders, row.leechers), (Some(6), Some(9)));
    assert_eq!(
        row.announces[0].completed.get(),
        Some(90),
        "an announce does not erase it"
    );
    assert_eq!(row.announces[1].peers.get(), None, "a scrape has no list");
}

#[test]
fn a_reload_keeps_the_state_of_torrents_that_stay() {
    let [s, t] = [torrent("s", v1(1), &TWO), torrent("t", v1(2), &TWO)];
    let mut world = World::new(&[s, t.clone()]);
    let id = world.announce(1, 0);
    world.list(id, &["1.1.1.1"]);
    world.configure(&[
        torrent("a", v1(3), &TWO[1..]),
        torrent("renamed", v1(2), &TWO),
    ]);
    assert_eq!(world.announce(1, 0), id, "ids are stable");
    assert_eq!(world.row(1).peers[0], Some(1));
    assert_eq!(&*world.row(1).name, "renamed");
    assert_eq!(world.row(0).peers, [None; 2]);
    world.configure(&[t]);
    assert_eq!(world.roster.torrents().len(), 1);
    assert_eq!(world.row(0).peers[0], Some(1));
}

#[test]
fn failures_go_stale_like_answers() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let (a, b) = (world.announce(0, 0), world.announce(0, 1));
    world.list(a, &["1.1.1.1"]);
    world.fail(b, Health::Up, FailureReason::Rejected);
    assert_eq!(world.row(0).trackers_online, Some(1));
    world.advance(STALE.as_secs() + 1);
    let row = world.row(0);
    assert_eq!(
        (row.trackers_online, row.probe_success),
        (None, [None; 2]),
        "not zero"
    );
}

#[test]
fn a_scrape_does_not_make_a_success_of_a_refused_announce() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let id = world.announce(0, 0);
    world.fail(id, Health::Up, FailureReason::Rejected);
    let zero = Counts {
        seeders: Some(0),
        leechers: Some(0),
        completed: Some(0),
    };
    world.scrape_beside(id, zero);
    let row = world.row(0);
    assert_eq!(
        (row.announces[0].success, row.trackers_online),
        (Some(false), Some(0))
    );
}

#[test]
fn an_announce_without_counts_keeps_the_counts_of_a_scrape() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let id = world.announce(0, 0);
    let five = Counts {
        seeders: Some(5),
        leechers: Some(5),
        completed: Some(5),
    };
    world.scrape_beside(id, five);
    world.list(id, &["1.1.1.1"]);
    assert_eq!(world.row(0).seeders, Some(5));
}

#[test]
fn a_withheld_list_is_not_an_empty_one() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let id = world.announce(0, 0);
    let counts = Counts {
        seeders: Some(9),
        ..Counts::default()
    };
    world.answer(
        id,
        Family::Ipv4,
        AnnounceResponse {
            counts,
            peer_list_withheld: true,
            ..AnnounceResponse::default()
        },
    );
    let row = world.row(0);
    assert_eq!(
        (row.peers, row.seeders, row.trackers_online),
        ([None; 2], Some(9), Some(1))
    );
}

#[test]
fn an_answer_is_fresh_until_the_interval_of_its_tracker_is_over() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]);
    let id = world.announce(0, 0);
    let mut peers = Peers::default();
    peers.push("1.1.1.1".parse().unwrap(), 6881);
    let interval = Some(Duration::from_secs(2 * 3600));
    world.answer(
        id,
        Family::Ipv4,
        AnnounceResponse {
            peers,
            interval,
            ..AnnounceResponse::default()
        },
    );
    world.advance(2 * 3600 + 600);
    assert_eq!(world.row(0).peers[0], Some(1));
    world.advance(3600);
    assert_eq!(world.row(0).peers[0], None);
}

/// A tracker that is down is probed every second interval and must not be unknown in between.
#[test]
fn a_slow_tracker_stays_down_until_its_next_probe() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]);
    let id = world.announce(0, 0);
    let interval = Some(Duration::from_secs(3600));
    let answer = AnnounceResponse {
        interval,
        ..AnnounceResponse::default()
    };
    world.answer(id, Family::Ipv4, answer);
    world.advance(3600);
    world.fail(id, Health::Down, FailureReason::Timeout);
    world.advance(2 * 3600 + 600);
    let up = |world: &World| {
        let rows = world
            .swarms
            .tracker_rows(&world.roster, world.now, |_| None);
        rows[0].as_ref().unwrap().up[0]
    };
    assert_eq!(up(&world), Some(false));
    assert_eq!(world.row(0).trackers_online, Some(0));
    world.advance(1800);
    assert_eq!(up(&world), None);
    assert_eq!(world.row(0).trackers_online, None);
}
