//! The encoding of the embedded table of countries.
//!
//! ```text
//! magic 16 | Unix time of building 8 | number of codes 2 | codes 2 each | IPv4 | IPv6
//! IPv4, IPv6: number of ranges 4 | index of the code of each range 1 | length of each but the last
//! ```
//!
//! Numbers are big-endian. Lengths count addresses (IPv6: /64 networks), as LEB128. The last range
//! ends at the last address. All of it is compressed by gzip, which compresses better with codes
//! and lengths apart.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::Loaded;
use super::country::Country;
use super::ranges::{Builder, Key, Ranges, Table};

/// The first bytes of the unpacked table. The number is its version.
const MAGIC: &[u8; 16] = b"seedwatch geo 1\n";

/// Longest unpacked table, in bytes: three times the current one.
const MAX_UNPACKED: u64 = 8 << 20;

/// Packs a table. The same table gives the same bytes.
pub(super) fn encode(countries: &Loaded<Country>) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&encode_plain(countries))?;
    gzip.finish()
}

/// Encodes a table without compression.
fn encode_plain(countries: &Loaded<Country>) -> Vec<u8> {
    let Table { v4, v6 } = &countries.table;
    let mut codes: Vec<Country> = v4.values().iter().chain(v6.values()).copied().collect();
    codes.sort_unstable();
    codes.dedup();
    let mut to = MAGIC.to_vec();
    to.extend(countries.built.to_be_bytes());
    to.extend((codes.len() as u16).to_be_bytes());
    to.extend(codes.iter().flat_map(|country| country.code()));
    write_ranges(&mut to, v4, &codes);
    write_ranges(&mut to, v6, &codes);
    to
}

fn write_ranges<K: Key + Into<u64>>(
    to: &mut Vec<u8>,
    ranges: &Ranges<K, Country>,
    codes: &[Country],
) {
    to.extend((ranges.len() as u32).to_be_bytes());
    // There are 251 countries at most, so an index fits a byte.
    let index = |country| codes.partition_point(|code| code < country) as u8;
    to.extend(ranges.values().iter().map(index));
    for pair in ranges.starts().windows(2) {
        let mut length = pair[1].into() - pair[0].into();
        while length >= 0x80 {
            to.push(length as u8 | 0x80);
            length >>= 7;
        }
        to.push(length as u8);
    }
}

/// Decodes a table; returns `None` if anything differs from what [`encode`] writes.
pub(super) fn decode(packed: &[u8]) -> Option<Loaded<Country>> {
    let mut unpacked = Vec::new();
    let mut gzip = GzDecoder::new(packed).take(MAX_UNPACKED + 1);
    gzip.read_to_end(&mut unpacked).ok()?;
    if unpacked.len() as u64 > MAX_UNPACKED {
        return None;
    }
    let mut from = unpacked.strip_prefix(MAGIC)?;
    let built = u64::from_be_bytes(read_array(&mut from)?);
    let codes = u16::from_be_bytes(read_array(&mut from)?);
    let codes = read_slice(&mut from, 2 * usize::from(codes))?;
    let codes: Vec<Country> = codes
        .as_chunks()
        .0
        .iter()
        .map(|c| Country::of(*c))
        .collect();
    let v4 = read_ranges::<u32>(&mut from, &codes)?;
    let v6 = read_ranges::<u64>(&mut from, &codes)?;
    let table = Table { v4, v6 };
    from.is_empty().then_some(Loaded { table, built })
}

fn read_ranges<K: Key + TryFrom<u64>>(
    from: &mut &[u8],
    codes: &[Country],
) -> Option<Ranges<K, Country>> {
    let count = u32::from_be_bytes(read_array(from)?) as usize;
    let values = read_slice(from, count)?;
    let (last, others) = values.split_last()?;
    let mut ranges = Builder::with_capacity(count);
    let mut start = 0_u64;
    for value in others {
        let next = start.checked_add(read_length(from)?)?;
        let first = K::try_from(start).ok()?;
        let last = K::try_from(next.checked_sub(1)?).ok()?;
        let added = ranges.add(first, last, *codes.get(usize::from(*value))?);
        start = added.then_some(next)?;
    }
    let added = ranges.add(
        K::try_from(start).ok()?,
        K::LAST,
        *codes.get(usize::from(*last))?,
    );
    added.then(|| ranges.finish())
}

fn read_length(from: &mut &[u8]) -> Option<u64> {
    let mut length = 0_u64;
    for shift in (0..64).step_by(7) {
        let [byte] = read_array(from)?;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

fn read_array<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*taken)
}

fn read_slice<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table<K: Key>(starts: &[K], countries: &[&str]) -> Ranges<K, Country> {
        let mut builder = Builder::with_capacity(0);
        for (at, start) in starts.iter().enumerate() {
            // The next range sets the end.
            let country = Country::parse(countries[at % countries.len()]);
            assert!(builder.add(*start, *start, country));
        }
        builder.finish()
    }

    fn example() -> Loaded<Country> {
        Loaded {
            table: Table {
                v4: table(&[0, 1, 5, 0xffff, u32::MAX], &["DE", "FR"]),
                v6: table(&[0x20 << 56, u64::MAX - 1], &["US", "ZZ", "DE"]),
            },
            built: 1_700_000_000,
        }
    }

    fn unpack(packed: &[u8]) -> Vec<u8> {
        let mut unpacked = Vec::new();
        GzDecoder::new(packed).read_to_end(&mut unpacked).unwrap();
        unpacked
    }

    fn gzip(unpacked: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(unpacked).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn decoding_reverses_encoding() {
        let packed = encode(&example()).unwrap();
        assert_eq!(packed, encode(&example()).unwrap());
        let unpacked = decode(&packed).unwrap();
        assert_eq!(unpacked.table, example().table);
        assert_eq!(unpacked.built, example().built);
    }

    #[test]
    fn an_empty_table_is_decoded() {
        let empty = Loaded {
            table: Table {
                v4: table(&[], &[]),
                v6: table(&[], &[]),
            },
            built: 0,
        };
        let unpacked = decode(&encode(&empty).unwrap()).unwrap();
        assert_eq!(unpacked.table, empty.table);
    }

    #[test]
    fn truncated_and_longer_tables_are_rejected() {
        let packed = encode(&example()).unwrap();
        for length in 0..packed.len() {
            assert!(decode(&packed[..length]).is_none(), "{length}");
        }
        let unpacked = unpack(&packed);
        for length in 0..unpacked.len() {
            assert!(decode(&gzip(&unpacked[..length])).is_none(), "{length}");
        }
        assert!(decode(&gzip(&[&unpacked[..], &[0]].concat())).is_none());
    }

    #[test]
    fn the_embedded_table_is_in_canonical_form() {
        let embedded = super::super::EMBEDDED;
        let loaded = decode(embedded).unwrap();
        assert!(encode_plain(&loaded) == unpack(embedded));
    }

    #[test]
    fn a_decompression_bomb_is_rejected() {
        let bomb = vec![0; MAX_UNPACKED as usize + 1];
        assert!(decode(&gzip(&[&MAGIC[..], &bomb].concat())).is_none());
    }

    proptest! {
        #[test]
        fn damaged_tables_never_panic(at in 16..80_usize, byte in any::<u8>()) {
            let mut unpacked = unpack(&encode(&example()).unwrap());
            let at = at.min(unpacked.len() - 1);
            unpacked[at] = byte;
            if let Some(loaded) = decode(&gzip(&unpacked)) {
                prop_assert!(loaded.table.v4.len() > 0);
            }
        }

        #[test]
        fn lengths_of_all_sizes_round_trip(
            mut starts in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            // Shifting gives both short and long ranges.
            for (shift, start) in starts.iter_mut().enumerate() {
                *start >>= shift;
            }
            starts.sort_unstable();
            starts.dedup();
            let loaded = Loaded {
                table: Table { v4: table(&[], &[]), v6: table(&starts, &["DE", "FR", "US"]) },
                built: u64::MAX,
            };
            let unpacked = decode(&encode(&loaded).unwrap()).unwrap();
            prop_assert_eq!(unpacked.table, loaded.table);
        }
    }
}
