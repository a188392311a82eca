//! The encoding of sets and of the running clock.

use proptest::prelude::*;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::super::codec::{read_varint, write_varint};
use super::super::*;
use super::START;
use seedwatch_clock::Unix;

/// Returns a set with `sightings` over forty days, and the moment of the last one.
fn filled_set(sightings: u32, seed: u64) -> (Set, Moment) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut clock = RunningClock::start(Unix(START));
    let mut set = Set::new();
    for number in 0..sightings {
        let seconds = u64::from(number) * 40 * 86400 / u64::from(sightings);
        let at = clock.tick(Unix(START + seconds));
        let peer = PeerHash(rng.random_range(..1 << 36));
        for source in 0..SOURCES {
            if rng.random_bool(0.7) {
                set.add(peer, source, at);
            }
        }
        if rng.random_bool(0.1) {
            clock.tick(Unix(START + seconds + 1800));
        }
    }
    (set, clock.moment())
}

fn bytes(set: &Set) -> Vec<u8> {
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    bytes
}

#[test]
fn decoding_reverses_encoding() {
    for sightings in [0, 1, 20, 3_000, 60_000] {
        let (mut set, at) = filled_set(sightings, 5);
        let encoded = [&bytes(&set)[..], b"rest"].concat();
        let mut from = &encoded[..];
        let mut back = Set::decode(&mut from, Format::V3).unwrap();
        assert_eq!(from, b"rest");
        assert!(bytes(&back) == bytes(&set));
        assert_eq!(back.counts(at), set.counts(at));
        assert_eq!(
            Set::decode(&mut &b""[..], Format::V3).unwrap_err(),
            DecodeError
        );
    }
}

#[test]
fn an_encoded_peer_takes_at_most_eight_bytes() {
    for sightings in [100, 1000, 60_000] {
        let (set, _) = filled_set(sightings, 6);
        let each = bytes(&set).len() as f64 / set.parts().2.len() as f64;
        assert!(each <= 8.0, "{each}");
    }
}

#[test]
fn truncated_sets_are_rejected() {
    let bytes = bytes(&filled_set(100, 7).0);
    for end in 0..bytes.len() {
        assert_eq!(
            Set::decode(&mut &bytes[..end], Format::V3).unwrap_err(),
            DecodeError
        );
    }
}

fn decode(numbers: &[u64], format: Format) -> Result<Set, DecodeError> {
    let mut bytes = Vec::new();
    for number in numbers {
        write_varint(&mut bytes, *number);
    }
    Set::decode(&mut &bytes[..], format)
}

#[test]
fn invalid_sets_are_rejected() {
    let decode = |numbers: &[u64]| decode(numbers, Format::V3).map(|set| set.parts().2.len());
    assert_eq!(decode(&[1, 500_000, 2, 77 << 2, 3]), Ok(1));
    assert_eq!(decode(&[1, 500_000, 2, 77 << 2 | 3, 3, 4]), Ok(1));
    for (why, numbers) in [
        (
            "count above all bytes",
            &[u64::MAX, 500_000, 2, 77 << 2, 3][..],
        ),
        ("count above the maximum", &[1 << 18, 500_000, 2]),
        ("hour above 32 bits", &[1, 1 << 32, 2, 77 << 2, 3]),
        ("no sources", &[1, 500_000, 0, 77 << 2, 3]),
        (
            "unknown source",
            &[1, 500_000, SOURCES as u64 + 1, 77 << 2, 3],
        ),
        ("hash above 36 bits", &[1, 500_000, 2, 1 << 38, 3]),
        (
            "hash after the last",
            &[2, 500_000, 2, ((1 << 36) - 1) << 2, 3, 0, 3],
        ),
        ("age beyond the base", &[1, 500_000, 2, 77 << 2, 1023]),
        ("age before hour 1", &[1, 500, 2, 77 << 2, 500]),
        ("age above 32 bits", &[1, 500_000, 2, 77 << 2, u64::MAX]),
        ("one hour as two ages", &[1, 500_000, 2, 77 << 2 | 3, 3, 3]),
    ] {
        assert_eq!(decode(numbers), Err(DecodeError), "{why}");
    }
}

#[test]
fn sets_with_fewer_sources_are_read() {
    let newest = 500_000;
    let set = decode(&[2, newest.into(), 1, 77 << 1, 3, 0, 5], Format::V3).unwrap();
    let (base, _, entries) = set.parts();
    let found: Vec<_> = entries.iter().map(|e| (e.hash(), e.slots())).collect();
    let slots = |age: u32| {
        let mut slots = [0; SOURCES];
        slots[0] = newest - base - age;
        slots
    };
    assert_eq!(found, [(77, slots(3)), (78, slots(5))]);
}

#[test]
fn invalid_clocks_are_rejected() {
    let decode = |numbers: &[u64]| {
        let mut bytes = Vec::new();
        for number in numbers {
            write_varint(&mut bytes, *number);
        }
        RunningClock::decode(&mut &bytes[..]).map(|clock| clock.moment())
    };
    assert!(decode(&[START, 5, 0, 0, 0, 0]).is_ok());
    let hour = START / 3600;
    assert!(decode(&[START, 5, 3600, 9, 7, 2, hour - 719, 7, hour, 9]).is_ok());
    for (why, numbers) in [
        ("truncated", &[START, 5, 0, 0, 0][..]),
        ("before the first hour", &[3599, 5, 0, 0, 0, 0]),
        ("running time too late", &[u64::MAX, 5, 0, 0, 0, 0]),
        ("wall clock too late", &[START, u64::MAX, 0, 0, 0, 0]),
        ("ahead by more than an hour", &[START, 5, 3601, 0, 0, 0]),
        ("behind since the future", &[START, 5, 0, 1, START + 1, 0]),
        ("too many jumps", &[START, 5, 0, 0, 0, 721]),
        (
            "jump before the month",
            &[START, 5, 0, 0, 0, 1, hour - 720, 9],
        ),
        ("jump in the future", &[START, 5, 0, 0, 0, 1, hour + 1, 9]),
        (
            "jumps out of order",
            &[START, 5, 0, 0, 0, 2, hour, 9, hour - 1, 9],
        ),
        ("jump of no length", &[START, 5, 0, 0, 0, 1, hour, 0]),
        ("jump too long", &[START, 5, 0, 0, 0, 1, hour, u64::MAX]),
    ] {
        assert_eq!(decode(numbers), Err(DecodeError), "{why}");
    }
}

proptest! {
    #[test]
    fn varints_round_trip(value: u64, bits in 0_u32..64) {
        let value = value >> bits;
        let mut bytes = Vec::new();
        write_varint(&mut bytes, value);
        prop_assert_eq!(bytes.len(), ((64 - value.leading_zeros()).max(1)).div_ceil(7) as usize);
        prop_assert_eq!(read_varint(&mut &bytes[..]), Ok(value));
    }

    /// Bytes that decode encode to the same bytes, and the set is usable.
    #[test]
    fn arbitrary_bytes_decode_to_usable_sets_or_fail(
        mut bytes: Vec<u8>,
        start in any::<bool>(),
        hour in 1_u64..1 << 32,
    ) {
        if start {
            let mut header = Vec::new();
            write_varint(&mut header, bytes.len() as u64 / 9);
            write_varint(&mut header, hour);
            write_varint(&mut header, SOURCES as u64);
            bytes.splice(0..0, header);
        }
        let mut from = &bytes[..];
        if let Ok(mut set) = Set::decode(&mut from, Format::V3) {
            let used = bytes.len() - from.len();
            prop_assert_eq!(&super::codec::bytes(&set), &bytes[..used]);
            let at = RunningClock::start(Unix(START)).moment();
            set.add(Key::new([1; 16]).v4(1), 0, at);
            prop_assert!(set.counts(at).all[0] >= 1);
        }
        let mut from = &bytes[..];
        if let Ok(mut clock) = RunningClock::decode(&mut from) {
            clock.tick(Unix(START));
        }
    }

    #[test]
    fn damaged_sets_never_count_more_peers(position in 0_usize..600, value: u8) {
        let (set, at) = filled_set(100, 8);
        let mut bytes = bytes(&set);
        let position = position % bytes.len();
        bytes[position] = value;
        if let Ok(mut set) = Set::decode(&mut &bytes[..], Format::V3) {
            prop_assert!(set.counts(at).all[2] <= 100);
        }
    }
}

#[test]
fn sets_of_format_2_are_read() {
    let numbers = [2, 500_000, 77 << 2, 3, 9 << 2 | 3, 4, 5];
    let with_sources = [&numbers[..2], &[2], &numbers[2..]].concat();
    let old = decode(&numbers, Format::V2).unwrap();
    assert!(bytes(&old) == bytes(&decode(&with_sources, Format::V3).unwrap()));
}

/// Three peers with hashes of 44 bits, two of which share the upper 36 bits.
#[test]
fn sets_of_format_1_are_read() {
    let hashes = [0x123_4567_8900_u64, 0x123_4567_89ff, (1 << 44) - 1];
    let mut numbers = vec![hashes.len() as u64, 500_000];
    let mut next = 0;
    for (hash, (mask, age)) in hashes.into_iter().zip([(1, 5), (2, 3), (0, 9)]) {
        numbers.extend([(hash - next) << 2 | mask, age]);
        next = hash + 1;
    }
    let set = decode(&numbers, Format::V1).unwrap();
    let (base, _, entries) = set.parts();
    let slots = |ages: [u32; 2]| {
        let mut slots = [0; SOURCES];
        slots[..2].copy_from_slice(&ages.map(|age| 500_000 - base - age));
        slots
    };
    let found: Vec<_> = entries.iter().map(|e| (e.hash(), e.slots())).collect();
    let both = (0x1_2345_6789, slots([5, 3]));
    assert_eq!(found, [both, ((1 << 36) - 1, slots([9, 9]))]);
    assert_eq!(decode(&numbers, Format::V2).unwrap_err(), DecodeError);
}
