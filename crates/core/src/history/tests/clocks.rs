//! Wall clocks that are wrong.

use super::*;
use proptest::prelude::*;

/// 2099, as a dead battery may say.
const AHEAD: u64 = 4_070_908_800;
/// 2021.
const BEHIND: u64 = 1_610_000_000;

/// Returns a diary of 100 days with a number of peers that tells the day.
fn full() -> Diary {
    let mut diary = Diary::new();
    for day in 0..100 {
        diary.live(1, 100 + day);
    }
    diary.read(Some(300));
    diary
}

#[test]
fn a_clock_that_is_ahead_or_behind_for_days_erases_nothing() {
    for wrong in [AHEAD, BEHIND, START + 95 * DAY, START + 103 * DAY] {
        for days in [1, 3, 20] {
            let mut diary = full();
            let before = diary.last(HISTORY_DAYS);
            assert_eq!(before.iter().flatten().count(), HISTORY_DAYS);
            let right = diary.now.unix.0;
            diary.now.unix.0 = wrong;
            for _ in 0..days {
                diary.live(1, 7);
                diary.restart();
            }
            diary.now.unix.0 = right + days * DAY;
            diary.read(Some(300));
            let after = diary.last(HISTORY_DAYS);
            let stays = HISTORY_DAYS - days as usize;
            assert_eq!(after[..stays], before[days as usize..], "{wrong} {days}");
        }
    }
}

#[test]
fn a_clock_that_is_not_set_records_nothing_and_forgets_nothing() {
    for wrong in [0, 60, u64::MAX, 1 << 40] {
        let mut diary = full();
        let before = diary.last(HISTORY_DAYS);
        let right = diary.now.unix;
        diary.now.unix = Unix(wrong);
        for _ in 0..30 {
            diary.read(Some(9));
            diary.now.mono.0 += HOUR * 1000;
        }
        // The end is the last day on which something was known.
        assert_eq!(diary.last(HISTORY_DAYS), before, "{wrong}");
        diary.now.unix = right;
        diary.read(Some(300));
        assert_eq!(diary.last(HISTORY_DAYS), before, "{wrong}");
    }
}

#[test]
fn a_clock_that_was_always_wrong_is_believed_after_a_week() {
    let mut diary = full();
    diary.now.unix = Unix(AHEAD);
    diary.live(5, 7);
    let days = |diary: &Diary| diary.view().days().count();
    assert!(days(&diary) > HISTORY_DAYS - 7);
    diary.live(4, 7);
    // The days of 2027 are 72 years ago.
    assert_eq!(days(&diary), 9);
    // The same after a step back: the days of 2099 are in the future.
    diary.now.unix = Unix(START + 110 * DAY);
    diary.live(9, 8);
    assert_eq!(days(&diary), 9);
}

#[test]
fn a_step_back_over_midnight_continues_the_day_before() {
    let mut diary = full();
    let count = diary.view().days().count();
    diary.pass(10);
    diary.read(Some(1));
    // Within the tolerance, it is still the same day.
    diary.now.unix.0 -= 600;
    diary.read(Some(2));
    assert_eq!(
        diary.today.shown().date,
        UtcDay::of(Unix(START + 100 * DAY)).unwrap()
    );
    // By two hours: the day before is continued.
    diary.now.unix.0 -= 2 * HOUR;
    diary.read(Some(500));
    let yesterday = UtcDay::of(Unix(START + 99 * DAY)).unwrap();
    let continued = diary.view().days().find(|day| day.date == yesterday);
    let peers = continued.unwrap().peers.unwrap();
    assert_eq!((peers.least, peers.most), (199, 500));
    // And the new day again.
    diary.now.unix.0 += 3 * HOUR;
    diary.read(Some(4));
    let today = diary.view().days().last().unwrap().peers.unwrap();
    assert_eq!((today.least, today.most), (1, 300));
    assert_eq!(diary.view().days().count(), count);
}

#[test]
fn no_day_is_longer_than_a_day() {
    let mut diary = Diary::new();
    // The clock is set back by two hours each hour.
    for _ in 0..200 {
        diary.pass(12 * HOUR);
        diary.now.unix.0 -= 11 * HOUR + HOUR / 2;
        diary.read(Some(5));
    }
    assert!(diary.view().days().all(|day| day.known.as_secs() <= DAY));
}

/// One step of a daemon with clocks that do what they like.
#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    SetClock(u64),
    Read(Option<u32>),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let clock = prop_oneof![
        Just(0),
        Just(AHEAD),
        Just(BEHIND),
        START - 3 * DAY..START + 200 * DAY,
        any::<u64>(),
    ];
    prop_oneof![
        4 => (0..3 * DAY).prop_map(Step::Pass),
        2 => Just(Step::Pass(HOUR)),
        1 => clock.prop_map(Step::SetClock),
        6 => proptest::option::of(0..2000_u32).prop_map(Step::Read),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn whatever_the_clock_does_the_history_is_sound(
        steps in proptest::collection::vec(step(), 1..300)
    ) {
        let mut diary = Diary::new();
        let mut largest = None;
        for step in steps {
            match step {
                Step::Pass(seconds) => {
                    diary.now.mono.0 += seconds * 1000;
                    diary.now.unix.0 = diary.now.unix.0.saturating_add(seconds);
                }
                Step::SetClock(at) => diary.now.unix.0 = at,
                Step::Read(peers) => {
                    diary.read(peers);
                    largest = largest.max(peers);
                }
                Step::Restart => diary.restart(),
            }
            let days: Vec<Day> = diary.view().days().collect();
            prop_assert!(days.is_sorted_by(|a, b| a.date < b.date));
            prop_assert!(days.len() <= Runs::MOST + 1);
            for day in &days {
                let peers = day.peers.unwrap();
                prop_assert!(peers.least <= peers.most && Some(peers.most) <= largest);
                prop_assert!((1..=DAY).contains(&day.known.as_secs()));
            }
            prop_assert_eq!(diary.last(HISTORY_DAYS).len(), HISTORY_DAYS);
        }
    }
}
