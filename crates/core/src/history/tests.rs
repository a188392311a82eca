mod clocks;
mod memory;
mod runs;
mod saved;

use super::*;
use crate::verdict::State;
use seedwatch_clock::{Mono, Now, Unix};

const HOUR: u64 = 3600;
const DAY: u64 = UtcDay::SECONDS;

/// Midnight of a day in 2027.
const START: u64 = 20_800 * DAY;

/// The diary of one torrent with its clocks.
#[derive(Debug)]
struct Diary {
    calendar: Calendar,
    today: Today,
    runs: Runs,
    now: Now,
}

impl Diary {
    fn new() -> Self {
        Self {
            calendar: Calendar::default(),
            today: Today::default(),
            runs: Runs::default(),
            now: Now {
                mono: Mono(1_000),
                unix: Unix(START),
            },
        }
    }

    /// Lets time pass on both clocks.
    fn pass(&mut self, seconds: u64) {
        self.now.mono.0 += seconds * 1_000;
        self.now.unix.0 += seconds;
    }

    /// Builds the row of the torrent.
    fn read(&mut self, peers: Option<u32>) {
        self.calendar.tick(self.now);
        let now = self.calendar.now();
        if let Some(now) = now {
            self.today.turn(&mut self.runs, now);
        }
        self.today.observe(observed(peers), now);
    }

    /// Builds the row once an hour for so many days, with as many peers.
    fn live(&mut self, days: u64, peers: u32) {
        for _ in 0..days * 24 {
            self.read(Some(peers));
            self.pass(HOUR);
        }
    }

    fn restart(&mut self) {
        let stored = StoredHistory {
            today: self.today,
            runs: self.runs.clone(),
        };
        let mut bytes = Vec::new();
        stored.encode(&mut bytes);
        let stored = StoredHistory::decode(&mut &bytes[..]).unwrap();
        self.now.mono = Mono(1_000);
        self.calendar = Calendar::default();
        self.today = stored.today;
        self.runs = stored.runs;
    }

    fn view(&self) -> DailyHistory<'_> {
        DailyHistory::new(self.runs.as_slice(), self.today.shown())
    }

    /// Returns the largest number of peers of each of the last days.
    fn last(&self, days: usize) -> Vec<Option<u32>> {
        let days = self.view().last_days(days, self.now.unix);
        days.map(|day| Some(day?.peers?.most)).collect()
    }
}

fn observed(peers: Option<u32>) -> Observed {
    Observed {
        peers,
        unique: peers,
        seeders: None,
        trackers_online: peers.map(|_| 1),
        state: match peers {
            Some(0) => State::Dead,
            Some(_) => State::Alive,
            None => State::Unobserved,
        },
    }
}

#[test]
fn a_day_tells_its_extremes_its_states_and_how_long_it_was_known() {
    let mut diary = Diary::new();
    for peers in [Some(7), Some(3), None, Some(9), Some(0), Some(4)] {
        diary.read(peers);
        diary.pass(HOUR);
    }
    let days: Vec<Day> = diary.view().days().collect();
    assert_eq!(
        days,
        [Day {
            date: UtcDay::of(Unix(START)).unwrap(),
            peers: Some(PeerRange { least: 0, most: 9 }),
            unique: Some(4),
            seeders: None,
            trackers_online: Some(1),
            worst: Some(State::Dead),
            last: Some(State::Alive),
            // Unknown for an hour, and nothing says yet what comes after the last reading.
            known: std::time::Duration::from_secs(4 * HOUR),
        }]
    );
}

#[test]
fn an_unknown_day_is_a_gap_and_an_empty_swarm_is_not() {
    let mut diary = Diary::new();
    for peers in [Some(5), None, Some(0), None, None, Some(2)] {
        for _ in 0..24 {
            diary.read(peers);
            diary.pass(HOUR);
        }
    }
    diary.now.unix.0 -= 1;
    let expected = [Some(5), None, Some(0), None, None, Some(2)];
    assert_eq!(diary.last(6), expected);
    assert_eq!(diary.last(8)[..2], [None, None]);
    assert!(diary.last(0).is_empty());
    let last = diary.view().days().last().unwrap();
    assert_eq!(last.known.as_secs(), DAY - HOUR, "until the last reading");
    let first = diary.view().days().next().unwrap();
    assert_eq!(first.known.as_secs(), DAY);
}

#[test]
fn counts_of_trackers_alone_make_a_day_known() {
    let mut diary = Diary::new();
    diary.calendar.tick(diary.now);
    let now = diary.calendar.now().unwrap();
    diary.today.turn(&mut diary.runs, now);
    let claimed = Observed {
        seeders: Some(3),
        trackers_online: Some(40),
        ..observed(None)
    };
    diary.today.observe(claimed, Some(now));
    let day = diary.view().days().next().unwrap();
    assert_eq!((day.peers, day.seeders), (None, Some(3)));
    assert_eq!(day.trackers_online, Some(14), "14 stands for more");
}

#[test]
fn a_torrent_that_was_not_judged_yet_has_no_worse_state_for_it() {
    let mut diary = Diary::new();
    diary.calendar.tick(diary.now);
    let now = diary.calendar.now().unwrap();
    diary.today.turn(&mut diary.runs, now);
    for state in [State::Pending, State::Alive, State::Pending] {
        let observed = Observed {
            state,
            ..observed(Some(1))
        };
        diary.today.observe(observed, Some(now));
        let day = diary.view().days().next().unwrap();
        let expected = match day.last {
            Some(State::Pending) => State::Pending,
            _ => State::Alive,
        };
        assert_eq!(day.worst, Some(expected));
    }
    let day = diary.view().days().next().unwrap();
    assert_eq!(day.last, Some(State::Alive));
}

#[test]
fn time_over_midnight_belongs_to_both_days() {
    let mut diary = Diary::new();
    diary.pass(23 * HOUR + HOUR / 2);
    diary.read(Some(3));
    diary.pass(HOUR);
    diary.read(Some(4));
    let known: Vec<u64> = diary.view().days().map(|day| day.known.as_secs()).collect();
    assert_eq!(known, [HOUR / 2, HOUR / 2]);
    // The machine slept: nothing was known meanwhile.
    diary.pass(12 * HOUR);
    diary.read(Some(4));
    let known = diary.view().days().last().unwrap().known.as_secs();
    assert!(known < 3 * HOUR, "{known}");
}

#[test]
fn four_months_with_outages_and_restarts_have_the_right_days_and_gaps() {
    let mut diary = Diary::new();
    let mut expected = Vec::new();
    for day in 0..120_u32 {
        let peers = match day {
            // An outage of our network, a swarm that is empty, and days on which the daemon is off.
            40..=42 | 77 => None,
            60..=65 => Some(0),
            50..=52 | 100 => {
                diary.pass(DAY);
                expected.push(None);
                continue;
            }
            _ => Some(10 + day % 7),
        };
        for hour in 0..24 {
            diary.read(peers.map(|peers| peers + u32::from(hour == 12 && peers > 0)));
            diary.pass(HOUR);
            if day % 9 == 0 && hour % 10 == 5 || (day, hour) == (49, 23) {
                diary.restart();
            }
        }
        expected.push(peers.map(|peers| peers + u32::from(peers > 0)));
    }
    diary.now.unix.0 -= 1;
    let shown = diary.last(HISTORY_DAYS);
    assert_eq!(shown, expected[expected.len() - HISTORY_DAYS..]);
    assert_eq!(diary.last(30), expected[90..]);
    let least = diary.view().last_days(1, diary.now.unix).next().unwrap();
    assert_eq!(least.unwrap().peers.unwrap().least, 10);
    // A restart loses the hour until the next reading, and each day is known otherwise.
    for day in diary.view().days() {
        assert!(day.known.as_secs() >= DAY - 3 * HOUR, "{day:?}");
    }
}
