//! Encoding and decoding.

use proptest::prelude::*;

use super::super::code::{read_varint, write_varint};
use super::super::*;
use super::{Random, START};
use seedwatch_clock::Unix;

/// A set that saw so many sightings over forty days, and when it ended.
fn some(sightings: u32, seed: u64) -> (Set, Moment) {
    let mut random = Random(seed);
    let mut calendar = Calendar::start(Unix(START));
    let mut set = Set::new();
    for number in 0..sightings {
        let seconds = u64::from(number) * 40 * 86400 / u64::from(sightings);
        let at = calendar.tick(Unix(START + seconds));
        let peer = Peer(random.below(1 << 36));
        for source in 0..SOURCES {
            if random.chance(0.7) {
                set.add(peer, source, at);
            }
        }
        if random.chance(0.1) {
            calendar.tick(Unix(START + seconds + 1800));
        }
    }
    (set, calendar.moment())
}

fn bytes(set: &Set) -> Vec<u8> {
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    bytes
}

#[test]
fn what_was_encoded_is_decoded() {
    for sightings in [0, 1, 20, 3_000, 60_000] {
        let (mut set, at) = some(sightings, 5);
        let encoded = [&bytes(&set)[..], b"rest"].concat();
        let mut from = &encoded[..];
        let mut back = Set::decode(&mut from, Layout::Now).unwrap();
        assert_eq!(from, b"rest");
        assert!(bytes(&back) == bytes(&set));
        assert_eq!(back.counts(at), set.counts(at));
        assert_eq!(
            Set::decode(&mut &b""[..], Layout::Now).unwrap_err(),
            Nonsense
        );
    }
}

#[test]
fn a_peer_takes_seven_bytes() {
    for sightings in [100, 1000, 60_000] {
        let (set, _) = some(sightings, 6);
        let each = bytes(&set).len() as f64 / set.parts().2.len() as f64;
        assert!(each <= 8.0, "{each}");
    }
}

#[test]
fn every_truncation_is_found() {
    let bytes = bytes(&some(100, 7).0);
    for end in 0..bytes.len() {
        assert_eq!(
            Set::decode(&mut &bytes[..end], Layout::Now).unwrap_err(),
            Nonsense
        );
    }
}

#[test]
fn nonsense_is_refused() {
    let decode = |numbers: &[u64]| {
        let mut bytes = Vec::new();
        for number in numbers {
            write_varint(&mut bytes, *number);
        }
        Set::decode(&mut &bytes[..], Layout::Now).map(|set| set.parts().2.len())
    };
    assert_eq!(decode(&[1, 500_000, 77 << 2, 3]), Ok(1));
    assert_eq!(decode(&[1, 500_000, 77 << 2 | 3, 3, 4]), Ok(1));
    for (why, numbers) in [
        ("more than there is", &[u64::MAX, 500_000, 77 << 2, 3][..]),
        ("more than fits", &[1 << 18, 500_000]),
        ("a late hour", &[1, 1 << 32, 77 << 2, 3]),
        ("a long hash", &[1, 500_000, 1 << 38, 3]),
        (
            "a hash beyond the last",
            &[2, 500_000, ((1 << 36) - 1) << 2, 3, 0, 3],
        ),
        ("an old sighting", &[1, 500_000, 77 << 2, 1023]),
        ("a sighting before the hour 1", &[1, 500, 77 << 2, 500]),
        ("a huge age", &[1, 500_000, 77 << 2, u64::MAX]),
        ("one hour as two", &[1, 500_000, 77 << 2 | 3, 3, 3]),
    ] {
        assert_eq!(decode(numbers), Err(Nonsense), "{why}");
    }
}

#[test]
fn a_calendar_is_refused_as_well() {
    let decode = |numbers: &[u64]| {
        let mut bytes = Vec::new();
        for number in numbers {
            write_varint(&mut bytes, *number);
        }
        Calendar::decode(&mut &bytes[..]).map(|calendar| calendar.moment())
    };
    assert!(decode(&[START, 5, 0, 0, 0, 0]).is_ok());
    let hour = START / 3600;
    assert!(decode(&[START, 5, 3600, 9, 7, 2, hour - 719, 7, hour, 9]).is_ok());
    for (why, numbers) in [
        ("cut", &[START, 5, 0, 0, 0][..]),
        ("before the first hour", &[3599, 5, 0, 0, 0, 0]),
        ("late", &[u64::MAX, 5, 0, 0, 0, 0]),
        ("late", &[START, u64::MAX, 0, 0, 0, 0]),
        ("far ahead", &[START, 5, 3601, 0, 0, 0]),
        ("behind since later", &[START, 5, 0, 1, START + 1, 0]),
        ("many leaps", &[START, 5, 0, 0, 0, 721]),
        ("an old leap", &[START, 5, 0, 0, 0, 1, hour - 720, 9]),
        ("a leap to come", &[START, 5, 0, 0, 0, 1, hour + 1, 9]),
        (
            "leaps in disorder",
            &[START, 5, 0, 0, 0, 2, hour, 9, hour - 1, 9],
        ),
        ("no leap", &[START, 5, 0, 0, 0, 1, hour, 0]),
        ("a huge leap", &[START, 5, 0, 0, 0, 1, hour, u64::MAX]),
    ] {
        assert_eq!(decode(numbers), Err(Nonsense), "{why}");
    }
}

proptest! {
    #[test]
    fn numbers_come_back(value: u64, bits in 0_u32..64) {
        let value = value >> bits;
        let mut bytes = Vec::new();
        write_varint(&mut bytes, value);
        prop_assert_eq!(bytes.len(), ((64 - value.leading_zeros()).max(1)).div_ceil(7) as usize);
        prop_assert_eq!(read_varint(&mut &bytes[..]), Ok(value));
    }

    /// What is decoded at all is what would have been encoded, and it can be worked with.
    #[test]
    fn anything_is_survived(mut bytes: Vec<u8>, start in any::<bool>(), hour in 1_u64..1 << 32) {
        if start {
            let mut well = Vec::new();
            write_varint(&mut well, bytes.len() as u64 / 9);
            write_varint(&mut well, hour);
            bytes.splice(0..0, well);
        }
        let mut from = &bytes[..];
        if let Ok(mut set) = Set::decode(&mut from, Layout::Now) {
            let used = bytes.len() - from.len();
            prop_assert_eq!(&super::codec::bytes(&set), &bytes[..used]);
            let at = Calendar::start(Unix(START)).moment();
            set.add(Key::new([1; 16]).v4(1), 0, at);
            prop_assert!(set.counts(at).all[0] >= 1);
        }
        let mut from = &bytes[..];
        if let Ok(mut calendar) = Calendar::decode(&mut from) {
            calendar.tick(Unix(START));
        }
    }

    #[test]
    fn a_damaged_set_is_survived(place in 0_usize..600, value: u8) {
        let (set, at) = some(100, 8);
        let mut bytes = bytes(&set);
        let place = place % bytes.len();
        bytes[place] = value;
        if let Ok(mut set) = Set::decode(&mut &bytes[..], Layout::Now) {
            prop_assert!(set.counts(at).all[2] <= 100);
        }
    }
}

/// As versions before wrote it: three peers by 44 bits, two of which differ in the last ones only.
#[test]
fn longer_hashes_of_before_are_read() {
    let mut bytes = Vec::new();
    let hashes = [0x123_4567_8900_u64, 0x123_4567_89ff, (1 << 44) - 1];
    write_varint(&mut bytes, hashes.len() as u64);
    write_varint(&mut bytes, 500_000);
    let mut next = 0;
    for (hash, (kind, age)) in hashes.into_iter().zip([(1, 5), (2, 3), (0, 9)]) {
        write_varint(&mut bytes, (hash - next) << 2 | kind);
        write_varint(&mut bytes, age);
        next = hash + 1;
    }
    let set = Set::decode(&mut &bytes[..], Layout::Long).unwrap();
    let (base, _, entries) = set.parts();
    let slot = |age: u32| 500_000 - base - age;
    let found: Vec<_> = entries.iter().map(|e| (e.hash(), e.slots())).collect();
    let both = (0x1_2345_6789, [slot(5), slot(3)]);
    assert_eq!(found, [both, ((1 << 36) - 1, [slot(9), slot(9)])]);
    assert_eq!(
        Set::decode(&mut &bytes[..], Layout::Now).unwrap_err(),
        Nonsense
    );
}
