//! Clocks that jump.

use proptest::prelude::*;

use super::super::*;
use super::START;
use seedwatch_clock::Unix;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// A clock that can be wrong, and a set that sees a new peer every hour.
struct World {
    calendar: Calendar,
    /// What the wall clock should say, and how far it is off.
    now: u64,
    wrong: i64,
    set: Set,
    peers: u32,
}

impl World {
    /// Forty days old: every window is full.
    fn new() -> Self {
        let mut world = Self {
            calendar: Calendar::start(Unix(START)),
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
        self.calendar.tick(Unix(wall))
    }

    fn all(&mut self) -> [u32; 3] {
        let at = self.at();
        self.set.counts(at).all
    }

    /// As many hours, each with a new peer at its beginning.
    fn run(&mut self, hours: u64) {
        for _ in 0..hours {
            self.now += HOUR;
            let at = self.at();
            self.peers += 1;
            self.set.add(Key::new([1; 16]).v4(self.peers), 0, at);
        }
    }

    /// Time in which we are off.
    fn sleep(&mut self, seconds: u64) {
        self.now += seconds;
    }

    fn restart(&mut self) {
        let mut bytes = Vec::new();
        self.calendar.encode(&mut bytes);
        self.set.encode(&mut bytes);
        let mut from = &bytes[..];
        self.calendar = Calendar::decode(&mut from).unwrap();
        self.set = Set::decode(&mut from, Layout::Now).unwrap();
        assert!(from.is_empty());
    }
}

#[test]
fn back_and_staying_there_is_no_time() {
    for back in [3 * HOUR, 2 * DAY, 5 * YEAR] {
        let mut world = World::new();
        world.wrong = -(back as i64);
        assert_eq!(world.all(), [24, 168, 720]);
        // The very next hour slides again: nothing waits for the clock to catch up.
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
fn back_and_forward_again_is_no_time() {
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
fn forward_and_back_finds_everything_again() {
    for forward in [4 * HOUR, 2 * DAY, 29 * DAY, 31 * DAY, 5 * YEAR] {
        for stay in [0, 1, 100] {
            let mut world = World::new();
            world.wrong = forward as i64;
            let rest = (forward / HOUR).min(720) as u32;
            let shorter = [24, 168, 720].map(|full: u32| full.saturating_sub(rest));
            assert_eq!(world.all(), shorter, "{forward}");
            world.run(stay);
            world.restart();
            world.wrong = 0;
            // The leap ended an hour early, which the calendar gives back in the next one: while
            // only one of them is in a window, that is an hour off.
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
fn a_start_in_1970_rests_as_long_as_it_did() {
    let mut world = World::new();
    world.sleep(3 * DAY);
    world.wrong = -(world.now as i64);
    world.restart();
    assert_eq!(world.all(), [24, 168, 720]);
    world.wrong = 0;
    assert_eq!(world.all(), [0, 96, 648]);
}

#[test]
fn a_rest_after_a_step_back_is_time() {
    let mut world = World::new();
    world.wrong = -(5 * YEAR as i64);
    assert_eq!(world.all(), [24, 168, 720]);
    world.sleep(3 * DAY);
    assert_eq!(world.all(), [0, 96, 648]);
}

#[test]
fn a_short_rest_after_a_step_back_is_time() {
    let mut world = World::new();
    world.wrong = -(5 * YEAR as i64);
    assert_eq!(world.all(), [24, 168, 720]);
    for rest in 1..=10 {
        world.sleep(2 * HOUR);
        let all = [24, 168, 720].map(|full: u32| full - 2 * rest);
        assert_eq!(world.all(), all);
    }
}

#[test]
fn a_rest_shorter_than_the_step_back_is_time() {
    let mut world = World::new();
    world.wrong = -(4 * DAY as i64);
    assert_eq!(world.all(), [24, 168, 720]);
    world.sleep(3 * DAY);
    assert_eq!(world.all(), [0, 96, 648]);
}

#[test]
fn a_clock_may_be_set_right_in_steps() {
    for roughly in [2 * HOUR, 5 * HOUR, 3 * DAY, 3 * YEAR] {
        for rest in [0, 3 * DAY] {
            let mut world = World::new();
            world.sleep(rest);
            world.wrong = -(world.now as i64);
            world.restart();
            assert_eq!(world.all(), [24, 168, 720]);
            world.wrong = -(roughly as i64);
            world.restart();
            world.all();
            world.wrong = 0;
            let over = (rest / HOUR) as u32;
            let left = [24, 168, 720].map(|full: u32| full.saturating_sub(over));
            assert_eq!(world.all(), left, "{roughly} {rest}");
        }
    }
}

#[test]
fn a_rest_before_a_start_in_1970_stays_where_it_was() {
    for roughly in [0, 2 * HOUR, 3 * YEAR] {
        let mut world = World::new();
        world.sleep(3 * DAY);
        assert_eq!(world.all(), [0, 96, 648]);
        world.run(23);
        let rested = [23, 96 + 23 - 23, 648];
        assert_eq!(world.all(), rested);
        world.wrong = -(world.now as i64);
        world.restart();
        assert_eq!(world.all(), rested);
        world.wrong = -(roughly as i64);
        assert_eq!(world.all(), rested, "{roughly}");
        world.restart();
        world.sleep(600);
        world.wrong = 0;
        assert_eq!(world.all(), rested, "{roughly}");
        world.run(40 * 24);
        assert_eq!(world.all(), [24, 168, 720]);
    }
}

#[test]
fn ahead_and_then_in_1970_finds_everything_again() {
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
fn flips_do_not_add_up() {
    for wrong in [5000, 2 * HOUR, 3 * HOUR, 5 * HOUR] {
        let mut calendar = Calendar::start(Unix(START));
        let before = calendar.moment();
        for minute in (0..24 * 60).step_by(10) {
            let now = START + minute * 60;
            calendar.tick(Unix(now + wrong));
            calendar.tick(Unix(now + 300));
        }
        let at = calendar.moment();
        let hours = 24 + wrong.div_ceil(HOUR) as u32;
        assert!((23..=hours).contains(&(at.hour - before.hour)), "{wrong}");
        assert!(at.hour - at.starts[0] <= 23);
        assert!(before.hour + 23 >= at.starts[1] && at.starts[1] + 168 >= at.hour);
    }
}

#[test]
fn who_was_seen_under_a_wrong_clock_is_not_kept_longer() {
    let mut world = World::new();
    world.wrong = 10 * DAY as i64;
    let at = world.at();
    world.set.add(Key::new([1; 16]).v6(1), 1, at);
    world.wrong = 0;
    // To the hour; the leap ended one early.
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
fn forward_for_longer_than_doubt_is_the_truth() {
    let mut world = World::new();
    world.wrong = 5 * YEAR as i64;
    world.run(7 * 24);
    let grown = [24, 168, 168];
    assert_eq!(world.all(), grown);
    let held = world.set.heap();
    world.run(48);
    assert!(world.set.heap() < held, "what is over is dropped");
    world.wrong = 0;
    assert_eq!(world.all(), [24, 168, 216]);
    world.run(40 * 24);
    assert_eq!(world.all(), [24, 168, 720]);
}

#[test]
fn a_rest_is_time() {
    let mut world = World::new();
    world.sleep(3 * DAY);
    world.restart();
    assert_eq!(world.all(), [0, 96, 648]);
    // Two rests in a row, the second before the first is beyond doubt.
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
fn a_clock_set_after_start_dates_the_rest() {
    // No battery: the clock starts where it was switched off, and the network sets it a minute later.
    let mut world = World::new();
    world.sleep(3 * DAY);
    world.wrong = -(3 * DAY as i64);
    world.restart();
    assert_eq!(world.all(), [24, 168, 720]);
    world.wrong = 0;
    assert_eq!(world.all(), [0, 96, 648]);
}

#[test]
fn a_set_outlives_its_calendar() {
    // Another calendar that is behind: what is later was seen now, and nothing is kept for longer.
    let mut world = World::new();
    world.calendar = Calendar::start(Unix(START));
    world.now = START;
    let all = world.all();
    assert_eq!(all, [all[2]; 3]);
    world.run(24);
    assert_eq!(world.all(), [24, all[2] + 24, all[2] + 24]);
    world.run(30 * 24);
    assert_eq!(world.all(), [24, 168, 720]);
    // And one that is ahead.
    world.now += 3 * YEAR;
    world.calendar = Calendar::start(Unix(world.now));
    assert_eq!(world.all(), [0; 3]);
    assert!(world.set.is_empty());
}

#[test]
fn leaps_and_returns_do_not_add_up() {
    let mut calendar = Calendar::start(Unix(START));
    let before = calendar.moment();
    for number in 1..=100 {
        let now = START + number * 2 * HOUR;
        calendar.tick(Unix(now));
        calendar.tick(Unix(now + 20 * DAY));
        calendar.tick(Unix(now));
    }
    let at = calendar.moment();
    assert!((200..=201).contains(&(at.hour - before.hour)));
    assert_eq!(at.starts[0], at.hour - 23);
}

#[test]
fn a_step_back_is_not_remembered_for_ever() {
    let mut world = World::new();
    world.wrong = -(2 * DAY as i64);
    assert_eq!(world.all(), [24, 168, 720]);
    world.run(8 * 24);
    world.sleep(3 * DAY);
    assert_eq!(world.all(), [0, 96, 648]);
}

#[test]
fn readings_out_of_order_do_not_add_up() {
    let mut calendar = Calendar::start(Unix(START));
    let before = calendar.moment();
    for _ in 0..10_000 {
        calendar.tick(Unix(START + 60));
        calendar.tick(Unix(START - 3000));
    }
    assert_eq!(calendar.moment(), before);
}

proptest! {
    #[test]
    fn no_clock_breaks_a_set(readings in prop::collection::vec(
        (any::<u64>(), 0_u32..64, any::<bool>()), 1..60,
    )) {
        let mut calendar = Calendar::start(Unix(START));
        let mut set = Set::new();
        let key = Key::new([1; 16]);
        let mut now = START;
        let (mut floor, mut hour) = (0, 0);
        for (number, (value, bits, forward)) in (1..).zip(readings) {
            // All magnitudes alike.
            let step = value >> bits;
            now = if forward { now.saturating_add(step) } else { now.saturating_sub(step) };
            let at = calendar.tick(Unix(now));
            prop_assert!(at.floor >= floor && at.hour >= hour && at.hour - at.floor <= 720);
            prop_assert!(at.starts.is_sorted_by(|short, long| short >= long));
            prop_assert!(at.starts[2] > at.floor && at.starts[0] <= at.hour);
            (floor, hour) = (at.floor, at.hour);
            set.add(key.v4(number), (number % 2) as usize, at);
            let counts = set.counts(at);
            prop_assert!(counts.all[0] >= 1 && counts.all[2] <= number);
            let mut bytes = Vec::new();
            calendar.encode(&mut bytes);
            set.encode(&mut bytes);
            let mut from = &bytes[..];
            prop_assert_eq!(&Calendar::decode(&mut from).unwrap(), &calendar);
            prop_assert_eq!(Set::decode(&mut from, Layout::Now).unwrap().counts(at), counts);
        }
    }
}
