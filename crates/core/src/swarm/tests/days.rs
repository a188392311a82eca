//! The daily histories of torrents: in snapshots, over reloads and restarts.

use super::history::{DAY, HOUR, ips, list, restart, restored, saved, torrent_in};
use super::*;
use crate::history::{DailyHistory, Day, HISTORY_DAYS, HistoryBlock};
use crate::swarm::peer_history::MAX_REMOVED;
use crate::verdict::State;

const NET: [u8; 3] = [79, 192, 0];

/// Advances to the next midnight.
fn to_midnight(world: &mut World) {
    world.advance(DAY - world.now.unix.0 % DAY);
}

/// Returns what is known of the last days of a torrent.
pub(super) fn days(world: &mut World, index: usize, count: usize) -> Vec<Option<Day>> {
    let blocks = world.swarms.blocks(&world.roster, world.now);
    let row = blocks[0].get(index).unwrap().0;
    let histories = world.swarms.histories();
    let history = DailyHistory::new(histories[0].get(index), row.today);
    history.last_days(count, world.now.unix).collect()
}

/// Returns the largest number of peers of each of the last days.
fn most(world: &mut World, index: usize, count: usize) -> Vec<Option<u32>> {
    let days = days(world, index, count);
    days.iter().map(|day| Some((*day)?.peers?.most)).collect()
}

/// Lets a day pass on which the tracker lists so many peers every hour, if it answers.
fn day(world: &mut World, peers: Option<u8>) {
    for _ in 0..24 {
        if let Some(peers) = peers {
            list(world, 0, &ips(NET, 0..peers));
        }
        world.swarms.blocks(&world.roster, world.now);
        world.advance(HOUR);
    }
}

#[test]
fn four_months_with_outages_reloads_and_restarts_have_the_right_days_and_gaps() {
    let mut world = World::new(&[torrent_in(1, None)]).without_dht();
    to_midnight(&mut world);
    let mut expected = Vec::new();
    let mut killed = None;
    for n in 0..120_u8 {
        let peers = match n {
            // The tracker does not answer; the daemon is off; the swarm is empty.
            40..=42 => None,
            50..=52 => {
                world.advance(DAY);
                expected.push(None);
                continue;
            }
            60..=65 => Some(0),
            _ => Some(1 + n % 7),
        };
        day(&mut world, peers);
        expected.push(peers.map(u32::from));
        match n {
            30 | 49 | 99 => world = restart(&mut world, 4).without_dht(),
            // Out of the configuration for a day, and back.
            75 => world.configure(&[torrent_in(2, None)]),
            76 => world.configure(&[torrent_in(1, None)]),
            80 => killed = Some(saved(&mut world)),
            // Killed a day after the last save.
            81 => {
                let [shared, torrents] = killed.take().unwrap();
                world = restored(&shared, &torrents, world.now);
                world.configure(&[torrent_in(1, None)]);
                expected[81] = None;
            }
            _ => {}
        }
        if n == 76 {
            expected[76] = None;
        }
        if matches!(n, 75 | 76 | 81) {
            world = world.without_dht();
        }
    }
    world.now.unix.0 -= 1;
    let shown = most(&mut world, 0, HISTORY_DAYS);
    // A list is fresh for a while, so the hours after it belong to the next day.
    for (n, (shown, expected)) in shown.iter().zip(&expected[30..]).enumerate() {
        let is_after_list = expected.is_none() && n + 30 == 40;
        assert!(
            shown == expected || is_after_list,
            "day {}: {shown:?}, {expected:?}",
            n + 30
        );
    }
    let gaps = shown.iter().filter(|day| day.is_none()).count();
    assert!((7..=8).contains(&gaps), "{gaps}");
    let last = days(&mut world, 0, 1)[0].unwrap().last;
    assert_eq!(last, Some(State::Alive));
}

#[test]
fn a_snapshot_of_unchanged_torrents_shares_their_days() {
    let torrents: Vec<_> = (0..200).map(|n| torrent_in(n, None)).collect();
    let mut world = World::new(&torrents);
    to_midnight(&mut world);
    let histories = |world: &mut World| -> Vec<Arc<HistoryBlock>> {
        world.swarms.blocks(&world.roster, world.now);
        world.swarms.histories()
    };
    list(&mut world, 0, &ips(NET, 0..3));
    let before = histories(&mut world);
    world.advance(HOUR);
    list(&mut world, 0, &ips(NET, 0..4));
    let after = histories(&mut world);
    let is_shared =
        |n: usize, a: &[Arc<HistoryBlock>], b: &[Arc<HistoryBlock>]| Arc::ptr_eq(&a[n], &b[n]);
    assert!(is_shared(0, &before, &after) && is_shared(1, &before, &after));
    // On the next day, the block of the torrent with a history changes once.
    world.advance(DAY);
    let next = histories(&mut world);
    assert!(!is_shared(0, &after, &next) && is_shared(1, &after, &next));
    list(&mut world, 0, &ips(NET, 0..2));
    let later = histories(&mut world);
    assert!(is_shared(0, &next, &later));
    // A reload that moves nothing shares them too.
    world.configure(&torrents);
    let reloaded = histories(&mut world);
    assert!(is_shared(0, &later, &reloaded) && is_shared(1, &later, &reloaded));
}

#[test]
fn torrents_that_move_in_the_list_keep_their_days() {
    let mut world = World::new(&[torrent_in(1, None)]).without_dht();
    to_midnight(&mut world);
    day(&mut world, Some(3));
    day(&mut world, Some(5));
    let mut torrents: Vec<_> = (0..150).map(|n| torrent_in(n, None)).collect();
    torrents.sort_by(|a, b| a.name.cmp(&b.name));
    let at = torrents.iter().position(|it| *it.name == *"t1").unwrap();
    world.configure(&torrents);
    assert!(at > 0);
    // The last list is still fresh on the third day.
    assert_eq!(most(&mut world, at, 3), [Some(3), Some(5), Some(5)]);
    assert_eq!(most(&mut world, 0, 3), [None; 3]);
}

#[test]
fn a_torrent_that_left_a_list_keeps_all_for_the_longest_window_over_a_restart() {
    for (away, is_kept) in [(29, true), (32, false)] {
        let both = [torrent_in(1, None), torrent_in(2, None)];
        let mut world = World::new(&both).without_dht();
        to_midnight(&mut world);
        day(&mut world, Some(3));
        day(&mut world, Some(5));
        let since = |world: &mut World| {
            let blocks = world.swarms.blocks(&world.roster, world.now);
            let verdict = blocks[0].get(0).unwrap().0.verdict;
            (verdict.state, verdict.since)
        };
        let verdict = since(&mut world);
        assert_eq!(verdict.0, State::Alive);
        world.configure(&both[1..]);
        for n in 0..away {
            day(&mut world, None);
            if n == 10 {
                let [shared, torrents] = saved(&mut world);
                world = restored(&shared, &torrents, world.now);
                world.configure(&both[1..]);
            }
        }
        world.configure(&both);
        let shown = most(&mut world, 0, away + 3);
        let unique = super::history::unique(&mut world, 0);
        let expected = [Some(3), Some(5)].map(|peers| peers.filter(|_| is_kept));
        assert_eq!(shown[..2], expected, "{away} days");
        // The torrent left on the third day.
        assert!(shown[3..].iter().all(Option::is_none));
        assert_eq!(unique[2], Some(5).filter(|_| is_kept), "{away} days");
        let again = since(&mut world);
        assert_eq!(again == verdict, is_kept, "{again:?}");
    }
}

#[test]
fn both_halves_of_a_hybrid_bring_their_days() {
    let v2 = InfoHashV2([9; 32]);
    let half = torrent("half", Hashes::V2(Box::new(v2)), &[super::history::URL]);
    let mut world = World::new(&[torrent_in(1, None)]).without_dht();
    to_midnight(&mut world);
    day(&mut world, Some(3));
    world.configure(&[half]);
    world = world.without_dht();
    day(&mut world, Some(6));
    let whole = Hashes::of(Some(InfoHash([1; 20])), Some(v2)).unwrap();
    world.configure(&[torrent("t", whole, &[super::history::URL])]);
    assert_eq!(most(&mut world, 0, 3)[..2], [Some(3), Some(6)]);
}

#[test]
fn the_number_of_torrents_that_left_is_limited_and_the_first_to_leave_are_forgotten() {
    let many = |first: u32, count: u32| -> Vec<_> {
        let torrents = (first..first + count).map(|n| {
            let mut hash = [0; 20];
            hash[..4].copy_from_slice(&n.to_be_bytes());
            torrent(&format!("{n:07}"), Hashes::V1(InfoHash(hash)), &[])
        });
        torrents.collect()
    };
    let mut world = World::new(&many(0, 10)).without_dht();
    world.configure(&many(10, MAX_REMOVED as u32));
    assert_eq!(world.swarms.saved_torrents(), 10 + MAX_REMOVED);
    world.advance(2 * HOUR);
    world.configure(&[]);
    assert_eq!(world.swarms.saved_torrents(), MAX_REMOVED);
    let removed = &world.swarms.state.history.removed;
    let is_kept = |n: u32| {
        let mut hash = [0; 20];
        hash[..4].copy_from_slice(&n.to_be_bytes());
        removed.contains_key(&InfoHash(hash))
    };
    assert!((0..10).all(|n| !is_kept(n)) && is_kept(10));
}

#[test]
fn a_torrent_of_which_nothing_is_known_takes_no_space() {
    let mut world = World::new(&[torrent_in(1, None)]).without_dht();
    to_midnight(&mut world);
    for _ in 0..10 {
        day(&mut world, None);
    }
    assert_eq!(*world.swarms.histories()[0], HistoryBlock::default());
    assert_eq!(most(&mut world, 0, 10), [None; 10]);
}
