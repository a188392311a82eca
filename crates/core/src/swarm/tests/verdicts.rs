//! Which answers of trackers and lookups are evidence for which verdict.

use super::history::{DAY, restart};
use super::*;
use crate::verdict::{Condition, NetworkState, Reason, Rounds, State};
use seedwatch_dht::{FoundPeers, LookupError, LookupReport, LookupStats};

const ROUND: u64 = 1800;

fn counts(seeders: u32, leechers: u32) -> Counts {
    Counts {
        seeders: Some(seeders),
        leechers: Some(leechers),
        completed: None,
    }
}

impl World {
    fn verdict(&mut self) -> (State, Reason) {
        let blocks = self.swarms.blocks(&self.roster, self.now);
        let (row, ..) = blocks[0].get(0).unwrap();
        (row.verdict.state, row.verdict.reason)
    }

    fn has(&mut self, condition: Condition) -> bool {
        let blocks = self.swarms.blocks(&self.roster, self.now);
        let (row, ..) = blocks[0].get(0).unwrap();
        row.verdict.conditions.has(condition)
    }

    fn counts(&mut self, id: AnnounceId, seeders: u32, leechers: u32) {
        let report = Report::Scrape {
            ids: vec![id],
            result: Ok(vec![Some(counts(seeders, leechers))]),
        };
        self.report(Family::Ipv4, Health::Up, report);
    }

    /// Folds an answer with counts, and an empty list or none.
    fn announced(&mut self, id: AnnounceId, counts: Counts, has_list: bool) {
        let answer = AnnounceResponse {
            counts,
            peer_list_withheld: !has_list,
            ..AnnounceResponse::default()
        };
        let report = Report::Announce {
            id,
            result: Ok(Box::new(answer)),
        };
        self.report(Family::Ipv4, Health::Up, report);
    }

    fn find(&mut self, result: Result<&[&str], LookupError>) {
        let result = result.map(|ips| {
            let mut found = FoundPeers::default();
            for ip in ips {
                found.peers.push(ip.parse().unwrap(), 6881);
            }
            found
        });
        self.find_over(Family::Ipv4, result);
    }

    fn find_over(&mut self, family: Family, result: Result<FoundPeers, LookupError>) {
        let lookup = LookupReport {
            info_hash: InfoHash([1; 20]),
            family,
            result,
            diagnosis: LookupStats::default(),
        };
        self.swarms.fold_lookup(&self.roster, &lookup, self.now);
    }

    /// Repeats a round until enough time has passed for a verdict.
    fn rounds(&mut self, mut round: impl FnMut(&mut Self)) -> (State, Reason) {
        for _ in 0..5 {
            self.advance(ROUND);
            round(self);
            self.verdict();
        }
        self.verdict()
    }
}

fn world(trackers: &[&str]) -> World {
    World::new(&[torrent("t", v1(1), trackers)])
}

#[test]
fn empty_lists_of_all_sources_are_death() {
    let mut world = world(&TWO);
    let (a, b) = (world.announce(0, 0), world.announce(0, 1));
    let verdict = world.rounds(|world| {
        world.list(a, &[]);
        world.list(b, &[]);
        world.find(Ok(&[]));
    });
    assert_eq!(verdict, (State::Dead, Reason::Empty));
    world.find(Ok(&["1.1.1.1"]));
    assert_eq!(world.verdict(), (State::Alive, Reason::PeersNamed));
}

/// The torrent recovers after seven days, whether or not the daemon was restarted meanwhile.
#[test]
fn a_need_for_seeding_survives_a_restart_and_ends_after_seven_days() {
    let mut world = world(&TWO[..1]);
    let since = |world: &mut World| {
        let blocks = world.swarms.blocks(&world.roster, world.now);
        let needy_since = blocks[0].get(0).unwrap().0.needy_since;
        needy_since.get()
    };
    let count = |world: &mut World, seeders: u32| {
        let id = world.announce(0, 0);
        let peers: Vec<String> = (1..=12).map(|n| format!("1.1.1.{n}")).collect();
        let peers: Vec<&str> = peers.iter().map(String::as_str).collect();
        world.list(id, &peers);
        world.counts(id, seeders, 0);
    };
    count(&mut world, 3);
    assert_eq!(since(&mut world), None);
    count(&mut world, 2);
    let start = Some(world.now.unix);
    assert_eq!(since(&mut world), start);
    world.advance(DAY);
    count(&mut world, 3);
    assert_eq!(since(&mut world), start);
    world.advance(3 * DAY);
    let mut world = restart(&mut world, 1);
    count(&mut world, 3);
    assert_eq!(since(&mut world), start);
    for day in 4..8 {
        world.advance(DAY);
        count(&mut world, 3);
        assert_eq!(since(&mut world), start.filter(|_| day < 7), "{day}");
    }
}

/// Peers alone do not tell how many of them have all of the torrent.
#[test]
fn a_need_stays_while_no_source_counts_seeders() {
    let mut world = world(&TWO[..1]);
    let since = |world: &mut World| {
        let blocks = world.swarms.blocks(&world.roster, world.now);
        blocks[0].get(0).unwrap().0.needy_since.get()
    };
    let peers: Vec<String> = (1..=12).map(|n| format!("1.1.1.{n}")).collect();
    let peers: Vec<&str> = peers.iter().map(String::as_str).collect();
    let id = world.announce(0, 0);
    world.list(id, &peers);
    world.counts(id, 2, 0);
    let start = Some(world.now.unix);
    assert_eq!(since(&mut world), start);
    let mut world = restart(&mut world, 1);
    let id = world.announce(0, 0);
    for day in 0..10 {
        world.list(id, &peers);
        assert_eq!(world.verdict(), (State::Alive, Reason::PeersNamed));
        assert_eq!(since(&mut world), start, "{day}");
        world.advance(DAY);
    }
}

#[test]
fn a_lookup_that_finds_only_what_is_no_peer_found_none() {
    let mut world = world(&TWO[..1]);
    let id = world.announce(0, 0);
    let verdict = world.rounds(|world| {
        world.list(id, &[]);
        world.find(Ok(&["127.0.0.1"]));
    });
    assert_eq!(verdict, (State::Dead, Reason::Empty));
}

#[test]
fn a_dht_that_was_not_asked_is_waited_for() {
    let mut world = world(&TWO[..1]);
    let id = world.announce(0, 0);
    let verdict = world.rounds(|world| world.list(id, &[]));
    assert_eq!(verdict, (State::Pending, Reason::Unasked));
}

#[test]
fn a_dht_that_fails_leaves_the_torrent_unobserved() {
    let mut world = world(&TWO[..1]);
    let id = world.announce(0, 0);
    let round = |world: &mut World| {
        world.list(id, &[]);
        world.find(Err(LookupError::Timeout));
    };
    assert_eq!(world.rounds(round), (State::Unobserved, Reason::DhtSilent));
}

#[test]
fn counts_decide_where_no_list_comes() {
    let mut world = world(&TWO[..1]).without_dht();
    let id = world.announce(0, 0);
    let verdict = world.rounds(|world| world.counts(id, 0, 0));
    assert_eq!(verdict, (State::Dead, Reason::Empty));
    world.counts(id, 0, 1);
    assert_eq!(world.verdict(), (State::Alive, Reason::PeersClaimed));
}

#[test]
fn counts_that_contradict_an_empty_list_keep_the_torrent_alive() {
    let mut world = world(&TWO[..1]).without_dht();
    let id = world.announce(0, 0);
    let verdict = world.rounds(|world| {
        world.list(id, &[]);
        world.scrape_beside(id, counts(3, 0));
    });
    assert_eq!(verdict, (State::Alive, Reason::PeersClaimed));
}

#[test]
fn a_tracker_that_never_answers_holds_up_the_others_for_some_hours() {
    for (health, reason) in [
        (Health::Down, FailureReason::Timeout),
        (Health::Up, FailureReason::HttpStatus),
    ] {
        let mut world = world(&TWO).without_dht();
        let (a, b) = (world.announce(0, 0), world.announce(0, 1));
        let round = |world: &mut World| {
            world.list(a, &[]);
            world.fail(b, health, reason);
        };
        for _ in 0..2 {
            let verdict = world.rounds(round);
            assert_eq!(verdict, (State::Pending, Reason::EmptyInPart));
        }
        world.rounds(round);
        assert_eq!(world.rounds(round), (State::Dead, Reason::Empty));
    }
}

/// One part of a tracker says 0, and another part has never said anything.
#[test]
fn a_part_of_a_tracker_does_not_speak_for_the_whole() {
    let mut world = world(&TWO[..1]).without_dht();
    let id = world.announce(0, 0);
    let refused = || {
        let problem = ProbeError::new(FailureReason::Timeout, "");
        Report::Announce {
            id,
            result: Err(problem),
        }
    };
    let verdict = world.rounds(|world| {
        world.list(id, &[]);
        world.report(Family::Ipv6, Health::Down, refused());
    });
    assert_eq!(verdict, (State::Pending, Reason::EmptyInPart));
    world.report(Family::Ipv6, Health::Down, refused());
    world.swarms.set_rounds(Rounds::One);
    assert_eq!(world.verdict(), (State::Pending, Reason::EmptyInPart));
}

#[test]
fn an_empty_swarm_in_the_ipv6_dht_proves_nothing_about_ipv4() {
    let mut world = world(&TWO[..1]);
    let id = world.announce(0, 0);
    let round = |world: &mut World, failing: Family| {
        world.list(id, &[]);
        for family in Family::ALL {
            let result = match family == failing {
                true => Err(LookupError::Doubtful),
                false => Ok(FoundPeers::default()),
            };
            world.find_over(family, result);
        }
    };
    let verdict = world.rounds(|world| round(world, Family::Ipv4));
    assert_eq!(verdict, (State::Unobserved, Reason::DhtSilent));
    for _ in 0..2 {
        world.rounds(|world| round(world, Family::Ipv4));
    }
    assert_eq!(world.verdict(), (State::Unobserved, Reason::DhtSilent));
    for _ in 0..4 {
        world.rounds(|world| round(world, Family::Ipv6));
    }
    assert_eq!(world.verdict(), (State::Dead, Reason::Empty));
}

/// What a tracker once counted is not known any more when it stops counting.
#[test]
fn counts_that_are_no_longer_stated_go_stale() {
    for has_list in [true, false] {
        let mut world = world(&TWO[..1]).without_dht();
        let id = world.announce(0, 0);
        world.announced(id, counts(3, 1), false);
        assert_eq!(world.verdict(), (State::Alive, Reason::PeersClaimed));
        for _ in 0..20 {
            world.rounds(|world| world.announced(id, Counts::default(), has_list));
        }
        let state = match has_list {
            true => State::Dead,
            false => State::Unobserved,
        };
        assert_eq!(world.verdict().0, state, "{has_list}");
    }
}

/// Some trackers answer every scrape with 0.
#[test]
fn a_scrape_beside_announces_proves_no_more_than_they_do() {
    for fails in [true, false] {
        let mut world = world(&TWO[..1]).without_dht();
        let id = world.announce(0, 0);
        let verdict = world.rounds(|world| {
            match fails {
                true => world.fail(id, Health::Up, FailureReason::Timeout),
                false => world.announced(id, Counts::default(), false),
            }
            world.scrape_beside(id, counts(0, 0));
        });
        assert_ne!(verdict.0, State::Dead, "{fails}");
    }
}

#[test]
fn a_tracker_that_closed_its_doors_is_no_source() {
    let mut world = world(&TWO[..1]).without_dht();
    let id = world.announce(0, 0);
    let verdict = world.rounds(|world| world.fail(id, Health::Closed, FailureReason::Denied));
    assert_eq!(verdict, (State::Unobserved, Reason::NoSource));
    assert!(!world.has(Condition::NoTracker));
}

#[test]
fn without_any_answer_a_torrent_is_unobserved_and_without_tracker() {
    let mut world = world(&TWO[..1]).without_dht();
    let id = world.announce(0, 0);
    let round = |world: &mut World| world.fail(id, Health::Down, FailureReason::Timeout);
    assert_eq!(world.rounds(round), (State::Unobserved, Reason::Silence));
    assert!(world.has(Condition::NoTracker));
    // Our own outage proves no recovery.
    world.swarms.set_network(NetworkState {
        is_out: true,
        ..NetworkState::default()
    });
    world.advance(24 * 3600);
    world.verdict();
    assert!(world.has(Condition::NoTracker));
}

#[test]
fn a_verdict_changes_in_time_without_a_new_answer() {
    let mut world = world(&TWO[..1]).without_dht();
    let id = world.announce(0, 0);
    world.list(id, &[]);
    world.verdict();
    world.advance(60 * 60);
    world.list(id, &[]);
    assert_eq!(world.verdict(), (State::Pending, Reason::EmptyRecently));
    world.advance(30 * 60);
    assert_eq!(world.verdict(), (State::Dead, Reason::Empty));
}

#[test]
fn in_the_only_round_a_silent_tracker_leaves_the_death_open() {
    for is_answered in [true, false] {
        let mut world = world(&TWO).without_dht();
        world.swarms.set_rounds(Rounds::One);
        let [first, second] = [0, 1].map(|tracker| world.announce(0, tracker));
        world.list(first, &[]);
        match is_answered {
            true => world.list(second, &[]),
            false => world.fail(second, Health::Down, FailureReason::Timeout),
        }
        let expected = match is_answered {
            true => (State::Dead, Reason::EmptyOnce),
            false => (State::Pending, Reason::EmptyInPart),
        };
        assert_eq!(world.verdict(), expected);
    }
}

#[test]
fn each_change_of_state_is_reported_once() {
    let mut world = world(&TWO[..1]).without_dht();
    let id = world.announce(0, 0);
    world.list(id, &["1.1.1.1"]);
    world.verdict();
    world.rounds(|world| world.list(id, &[]));
    let changes = world.swarms.take_changes();
    let states: Vec<_> = changes.iter().map(|it| (it.from, it.to)).collect();
    assert_eq!(
        states,
        [(State::Pending, State::Alive), (State::Alive, State::Dead)]
    );
    world.verdict();
    assert_eq!(world.swarms.take_changes(), []);
}

#[test]
fn a_reload_keeps_the_state() {
    let mut world = world(&TWO[..1]).without_dht();
    let id = world.announce(0, 0);
    world.rounds(|world| world.list(id, &[]));
    let added = torrent("a", v1(2), &TWO[..1]);
    let known = torrent("t", v1(1), &TWO);
    world.configure(&[added, known]);
    let mut world = world.without_dht();
    let blocks = world.swarms.blocks(&world.roster, world.now);
    let (row, ..) = blocks[0].get(1).unwrap();
    assert_eq!(row.verdict.state, State::Dead);
}

#[test]
fn an_outage_of_our_own_changes_no_state() {
    let mut world = world(&TWO[..1]).without_dht();
    let id = world.announce(0, 0);
    world.list(id, &["1.1.1.1"]);
    world.verdict();
    world.swarms.set_network(NetworkState {
        is_out: true,
        ..NetworkState::default()
    });
    world.advance(24 * 3600);
    assert_eq!(world.verdict(), (State::Alive, Reason::Outage));
}

#[test]
fn a_tracker_without_an_address_in_one_family_is_waited_for_in_the_other() {
    let mut world = world(&TWO[..1]).without_dht();
    let id = world.announce(0, 0);
    let no_address = Report::NoAddress { ids: vec![id] };
    world.report(Family::Ipv6, Health::Absent, no_address);
    assert_eq!(world.verdict(), (State::Pending, Reason::Unasked));
    world.fail(id, Health::Down, FailureReason::Timeout);
    assert_eq!(world.verdict(), (State::Pending, Reason::Silence));
}

#[test]
fn a_torrent_of_the_dht_alone_has_no_trackers_to_replace() {
    let mut world = world(&[]);
    let verdict = world.rounds(|world| world.find(Err(LookupError::Timeout)));
    assert_eq!(verdict, (State::Unobserved, Reason::DhtSilent));
}
