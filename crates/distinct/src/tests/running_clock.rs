//! Wall clocks that jump.

use proptest::prelude::*;

use super::super::*;
use super::START;
use seedwatch_clock::Unix;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// A clock that can be wrong, and a set that sees a new peer every hour.
struct World {
    clock: RunningClock,
    /// The true time in seconds.
    now: u64,
    /// The error of the wall clock in seconds.
    wrong: i64,
    set: Set,
    peers: u32,
}

impl World {
    /// Returns a world of forty days, in which every window is full.
    fn new() -> Self {
        let mut world = Self {
            clock: RunningClock::start(Unix(START)),
            now: START,
            wrong: 0,
            set: Set::new(),
            peers: 0,
        };
        world.run(40 * 24);
        assert_eq!(world.all(), [24, 168, 720]);
        world
    }

    fn at(&mut self) -> Moment {
        let wall = self.now.checked_add_signed(self.wrong).unwrap();
        self.clock.tick(Unix(wall))
    }

    fn all(&mut self) -> [u32; 3] {
        let at = self.at();
        self.set.counts(at).all
    }

    /// Lets hours pass, each with a new peer at its beginning.
    fn run(&mut self, hours: u64) {
        for _ in 0..hours {
            self.now += HOUR;
            let at = self.at();
            self.peers += 1;
            self.set.add(Key::new([1; 16]).v4(self.peers), 0, at);
        }
    }

    /// Lets time pass while the daemon is off.
    fn sleep(&mut self, seconds: u64) {
        self.now += seconds;
    }

    fn restart(&mut self) {
        let mut bytes = Vec::new();
        self.clock.encode(&mut bytes);
        self.set.encode(&mut bytes);
        let mut from = &bytes[..];
        self.clock = RunningClock::decode(&mut from).unwrap();
        self.set = Set::decode(&mut from, Format::V3).unwrap();
        assert!(from.is_empty());
    }
}

#[test]
fn a_step_back_is_no_time() {
    for back in [3 * HOUR, 2 * DAY, 5 * YEAR] {
        let mut world = World::new();
        world.wrong = -(back as i64);
        assert_eq!(world.all(), [24, 168, 720]);
        // Windows slide in the very next hour, without waiting for the wall clock to catch up.
        for hour in 0..31 * 24 {
            world.run(1);
            if hour % 50 == 0 {
                world.restart();
            }
            assert_eq!(world.all(), [24, 168, 720], "{back}");
        }
    }
}

#[test]
fn a_step_back_and_its_return_are_no_time() {
    for back in [3 * HOUR, 2 * DAY, 5 * YEAR] {
        let mut world = World::new();
        world.wrong = -(back as i64);
        assert_eq!(world.all(), [24, 168, 720]);
        world.run(5);
        world.restart();
        world.wrong = 0;
        for _ in 0..31 * 24 {
            world.run(1);
            assert_eq!(world.all(), [24, 168, 720], "{back}");
        }
    }
}

#[test]
fn a_jump_and_its_return_restore_all_counts() {
    for forward in [4 * HOUR, 2 * DAY, 29 * DAY, 31 * DAY, 5 * YEAR] {
        for stay in [0, 1, 100] {
            let mut world = World::new();
            world.wrong = forward as i64;
            let hours = (forward / HOUR).min(720) as u32;
            let shorter = [24, 168, 720].map(|full: u32| full.saturating_sub(hours));
            assert_eq!(world.all(), shorter, "{forward}");
            world.run(stay);
            world.restart();
            world.wrong = 0;
            // The jump ended an hour early, and the clock makes up for it in the next hour. While
            // only one of the two is in a window, its count differs by one.
            for _ in 0..31 * 24 {
                let off = world.all().into_iter().zip([24, 168, 720]);
                assert!({ off }.all(|(found, full)| found.abs_diff(full) <= 1));
                world.run(1);
            }
            assert_eq!(world.all(), [24, 168, 720], "{forward} {stay}");
        }
    }
}

#[test]
fn downtime_before_a_start_in_1970_is_time() {
    let mut world = World::new();
    world.sleep(3 * DAY);
    world.wrong = -(world.now as i64);
    world.restart();
    assert_eq!(world.all(), [24, 168, 720]);
    world.wrong = 0;
    assert_eq!(world.all(), [0, 96, 648]);
}

#[test]
fn downtime_after_a_step_back_is_time() {
    let mut world = World::new();
    world.wrong = -(5 * YEAR as i64);
    assert_eq!(world.all(), [24, 168, 720]);
    world.sleep(3 * DAY);
    assert_eq!(world.all(), [0, 96, 648]);
}

#[test]
fn short_downtimes_after_a_step_back_are_time() {
    let mut world = World::new();
    world.wrong = -(5 * YEAR as i64);
    assert_eq!(world.all(), [24, 168, 720]);
    for downtime in 1..=10 {
        world.sleep(2 * HOUR);
        let all = [24, 168, 720].map(|full: u32| full - 2 * downtime);
        assert_eq!(world.all(), all);
    }
}

#[test]
fn downtime_shorter_than_the_step_back_is_time() {
    let mut world = World::new();
    world.wrong = -(4 * DAY as i64);
    assert_eq!(world.all(), [24, 168, 720]);
    world.sleep(3 * DAY);
    assert_eq!(world.all(), [0, 96, 648]);
}

#[test]
fn a_return_may_come_in_steps() {
    for roughly in [2 * HOUR, 5 * HOUR, 3 * DAY, 3 * YEAR] {
        for downtime in [0, 3 * DAY] {
            let mut world = World::new();
            world.sleep(downtime);
            world.wrong = -(world.now as i64);
            world.restart();
            assert_eq!(world.all(), [24, 168, 720]);
            world.wrong = -(roughly as i64);
            world.restart();
            world.all();
            world.wrong = 0;
            let hours = (downtime / HOUR) as u32;
            let left = [24, 168, 720].map(|full: u32| full.saturating_sub(hours));
            assert_eq!(world.all(), left, "{roughly} {downtime}");
        }
    }
}

#[test]
fn earlier_downtime_survives_a_start_in_1970() {
    for roughly in [0, 2 * HOUR, 3 * YEAR] {
        let mut world = World::new();
        world.sleep(3 * DAY);
        assert_eq!(world.all(), [0, 96, 648]);
        world.run(23);
        let expected = [23, 96 + 23 - 23, 648];
        assert_eq!(world.all(), expected);
        world.wrong = -(world.now as i64);
        world.restart();
        assert_eq!(world.all(), expected);
        world.wrong = -(roughly as i64);
        assert_eq!(world.all(), expected, "{roughly}");
        world.restart();
        world.sleep(600);
        world.wrong = 0;
        assert_eq!(world.all(), expected, "{roughly}");
        world.run(40 * 24);
        assert_eq!(world.all(), [24, 168, 720]);
    }
}

#[test]
fn a_jump_ahead_and_a_start_in_1970_restore_all_counts() {
    for ahead in [5 * HOUR, 3 * DAY, 5 * YEAR] {
        let mut world = World::new();
        world.wrong = ahead as i64;
        world.run(2);
        world.wrong = -(world.now as i64);
        world.restart();
        world.run(1);
        world.wrong = 0;
        let off = world.all().into_iter().zip([24, 168, 720]);
        assert!({ off }.all(|(found, full)| found.abs_diff(full) <= 1));
        world.run(40 * 24);
        assert_eq!(world.all(), [24, 168, 720], "{ahead}");
    }
}

#[test]
fn repeated_small_jumps_do_not_add_up() {
    for wrong in [5000, 2 * HOUR, 3 * HOUR, 5 * HOUR] {
        let mut clock = RunningClock::start(Unix(START));
        let before = clock.moment();
        for minute in (0..24 * 60).step_by(10) {
            let now = START + minute * 60;
            clock.tick(Unix(now + wrong));
            clock.tick(Unix(now + 300));
        }
        let at = clock.moment();
        let hours = 24 + wrong.div_ceil(HOUR) as u32;
        assert!((23..=hours).contains(&(at.hour - before.hour)), "{wrong}");
        assert!(at.hour - at.starts[0] <= 23);
        assert!(before.hour + 23 >= at.starts[1] && at.starts[1] + 168 >= at.hour);
    }
}

#[test]
fn sightings_under_a_wrong_clock_expire_on_time() {
    let mut world = World::new();
    world.wrong = 10 * DAY as i64;
    let at = world.at();
    world.set.add(Key::new([1; 16]).v6(1), 1, at);
    world.wrong = 0;
    // One hour earlier or later, because the jump ended its hour early.
    world.run(23);
    let at = world.at();
    assert_eq!(world.set.counts(at).by_source[1], [1, 1, 1]);
    world.run(2);
    let at = world.at();
    assert_eq!(world.set.counts(at).by_source[1], [0, 1, 1]);
    world.run(6 * 24);
    let at = world.at();
    assert_eq!(world.set.counts(at).by_source[1], [0, 0, 1]);
}

#[test]
fn a_jump_beyond_doubt_is_time() {
    let mut world = World::new();
    world.wrong = 5 * YEAR as i64;
    world.run(7 * 24);
    let grown = [24, 168, 168];
    assert_eq!(world.all(), grown);
    let held = world.set.heap();
    world.run(48);
    assert!(world.set.heap() < held, "expired entries are dropped");
    world.wrong = 0;
    assert_eq!(world.all(), [24, 168, 216]);
    world.run(40 * 24);
    assert_eq!(world.all(), [24, 168, 720]);
}

#[test]
fn downtime_is_time() {
    let mut world = World::new();
    world.sleep(3 * DAY);
    world.restart();
    assert_eq!(world.all(), [0, 96, 648]);
    // Two downtimes in a row, the second while the first is in doubt.
    world.run(24);
    world.sleep(20 * DAY);
    world.restart();
    assert_eq!(world.all(), [0, 0, 720 - 23 * 24]);
    world.run(24);
    assert_eq!(world.all(), [24, 24, 720 - 23 * 24]);
    world.sleep(20 * DAY);
    assert_eq!(world.all(), [0, 0, 24]);
    world.sleep(20 * DAY);
    assert_eq!(world.all(), [0; 3]);
    world.run(31 * 24);
    assert_eq!(world.all(), [24, 168, 720]);
}

#[test]
fn a_clock_corrected_after_the_start_reveals_downtime() {
    // Without a battery the clock continues from where it stopped, until the network corrects it.
    let mut world = World::new();
    world.sleep(3 * DAY);
    world.wrong = -(3 * DAY as i64);
    world.restart();
    assert_eq!(world.all(), [24, 168, 720]);
    world.wrong = 0;
    assert_eq!(world.all(), [0, 96, 648]);
}

#[test]
fn sets_survive_the_loss_of_their_clock() {
    // A new clock that is behind: later sightings become current ones, and expire no later.
    let mut world = World::new();
    world.clock = RunningClock::start(Unix(START));
    world.now = START;
    let all = world.all();
    assert_eq!(all, [all[2]; 3]);
    world.run(24);
    assert_eq!(world.all(), [24, all[2] + 24, all[2] + 24]);
    world.run(30 * 24);
    assert_eq!(world.all(), [24, 168, 720]);
    // A new clock that is ahead.
    world.now += 3 * YEAR;
    world.clock = RunningClock::start(Unix(world.now));
    assert_eq!(world.all(), [0; 3]);
    assert!(world.set.is_empty());
}

#[test]
fn jumps_and_returns_do_not_add_up() {
    let mut clock = RunningClock::start(Unix(START));
    let before = clock.moment();
    for number in 1..=100 {
        let now = START + number * 2 * HOUR;
        clock.tick(Unix(now));
        clock.tick(Unix(now + 20 * DAY));
        clock.tick(Unix(now));
    }
    let at = clock.moment();
    assert!((200..=201).contains(&(at.hour - before.hour)));
    assert_eq!(at.starts[0], at.hour - 23);
}

#[test]
fn a_step_back_is_forgotten_beyond_doubt() {
    let mut world = World::new();
    world.wrong = -(2 * DAY as i64);
    assert_eq!(world.all(), [24, 168, 720]);
    world.run(8 * 24);
    world.sleep(3 * DAY);
    assert_eq!(world.all(), [0, 96, 648]);
}

#[test]
fn readings_out_of_order_do_not_add_up() {
    let mut clock = RunningClock::start(Unix(START));
    let before = clock.moment();
    for _ in 0..10_000 {
        clock.tick(Unix(START + 60));
        clock.tick(Unix(START - 3000));
    }
    assert_eq!(clock.moment(), before);
}

proptest! {
    #[test]
    fn arbitrary_readings_keep_sets_valid(readings in prop::collection::vec(
        (any::<u64>(), 0_u32..64, any::<bool>()), 1..60,
    )) {
        let mut clock = RunningClock::start(Unix(START));
        let mut set = Set::new();
        let key = Key::new([1; 16]);
        let mut now = START;
        let (mut floor, mut hour) = (0, 0);
        for (number, (value, bits, forward)) in (1..).zip(readings) {
            // Every magnitude is equally likely.
            let step = value >> bits;
            now = if forward { now.saturating_add(step) } else { now.saturating_sub(step) };
            let at = clock.tick(Unix(now));
            prop_assert!(at.expired >= floor && at.hour >= hour && at.hour - at.expired <= 720);
            prop_assert!(at.starts.is_sorted_by(|short, long| short >= long));
            prop_assert!(at.starts[2] > at.expired && at.starts[0] <= at.hour);
            (floor, hour) = (at.expired, at.hour);
            set.add(key.v4(number), (number % 2) as usize, at);
            let counts = set.counts(at);
            prop_assert!(counts.all[0] >= 1 && counts.all[2] <= number);
            let mut bytes = Vec::new();
            clock.encode(&mut bytes);
            set.encode(&mut bytes);
            let mut from = &bytes[..];
            prop_assert_eq!(&RunningClock::decode(&mut from).unwrap(), &clock);
            prop_assert_eq!(Set::decode(&mut from, Format::V3).unwrap().counts(at), counts);
        }
    }
}
