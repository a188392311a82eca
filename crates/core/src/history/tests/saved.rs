//! Histories as bytes.

use super::*;
use proptest::prelude::*;

fn stored() -> StoredHistory {
    let mut diary = Diary::new();
    for day in 0..20 {
        diary.live(1, 5 + day / 3);
    }
    diary.pass(3 * DAY);
    diary.read(Some(0));
    diary.pass(HOUR);
    diary.read(Some(0));
    StoredHistory {
        today: diary.today,
        runs: diary.runs,
    }
}

fn encoded(stored: &StoredHistory) -> Vec<u8> {
    let mut bytes = Vec::new();
    stored.encode(&mut bytes);
    bytes
}

#[test]
fn decoding_reverses_encoding_and_refuses_a_part() {
    let bytes = encoded(&stored());
    let decoded = StoredHistory::decode(&mut &bytes[..]).unwrap();
    assert_eq!(encoded(&decoded), bytes);
    assert_eq!(decoded.runs, stored().runs);
    assert_eq!(decoded.today.shown(), stored().today.shown());
    for end in 0..bytes.len() {
        assert!(StoredHistory::decode(&mut &bytes[..end]).is_err(), "{end}");
    }
    assert_eq!(encoded(&StoredHistory::default()), [0, 0]);
    assert!(StoredHistory::default().is_empty() && !stored().is_empty());
}

#[test]
fn days_beyond_the_limits_are_refused() {
    let run = |since: u16, days: u8| {
        let mut bytes = vec![0, 1];
        crate::saved::append(&(since, days), &mut bytes);
        bytes.extend(stored().runs.as_slice()[0].sample().to_bytes());
        StoredHistory::decode(&mut &bytes[..]).is_ok()
    };
    assert!(run(20_000, 90));
    assert!(!run(20_000, 0), "a run without a day");
    assert!(!run(20_000, 181), "too many days");
    assert!(!run(u16::MAX, 90), "beyond the last day");
    let mut many = vec![0];
    crate::saved::append(&(Runs::MOST + 1), &mut many);
    many.resize(many.len() + 11 * (Runs::MOST + 1), 1);
    assert!(StoredHistory::decode(&mut &many[..]).is_err());
}

#[test]
fn a_history_that_is_restored_twice_is_the_same() {
    let mut twice = stored();
    twice.unite(stored());
    assert_eq!(encoded(&twice), encoded(&stored()));
    // An earlier save of it adds nothing.
    let mut diary = Diary::new();
    (0..5).for_each(|day| diary.live(1, 5 + day / 3));
    let earlier = StoredHistory {
        today: diary.today,
        runs: diary.runs,
    };
    for (mut first, second) in [(stored(), earlier.clone()), (earlier, stored())] {
        first.unite(second);
        let days = |stored: &StoredHistory| {
            let view = DailyHistory::new(stored.runs.as_slice(), stored.today.shown());
            view.days()
                .map(|day| (day.date, day.peers))
                .collect::<Vec<_>>()
        };
        assert_eq!(days(&first), days(&stored()));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_a_sound_history(bytes: Vec<u8>) {
        if let Ok(decoded) = StoredHistory::decode(&mut &bytes[..]) {
            let again = encoded(&decoded);
            prop_assert_eq!(StoredHistory::decode(&mut &again[..]), Ok(decoded));
        }
    }

    #[test]
    fn damage_makes_no_unsound_history(at: prop::sample::Index, byte: u8) {
        let mut bytes = encoded(&stored());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(decoded) = StoredHistory::decode(&mut &bytes[..]) {
            let view = DailyHistory::new(decoded.runs.as_slice(), decoded.today.shown());
            for day in view.days() {
                let sound = day.peers.is_none_or(|peers| peers.least <= peers.most);
                prop_assert!(sound && day.known.as_secs() <= DAY);
            }
        }
    }
}
