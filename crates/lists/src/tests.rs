//! Lists of every kind, good and bad.

mod bad;
mod formats;
mod mutations;
mod reasons;

use crate::{Format, ItemPath, ListFailure, ListFormat, ParsedList, parse};

/// The info-hash number `n`, in hexadecimal.
fn hash(n: u32) -> String {
    format!("{n:08x}{:032x}", 0x5eed)
}

/// Reads a list of a kind that is told by the content.
fn read(text: &str) -> Result<ParsedList, ListFailure> {
    parse(text.as_bytes(), &ListFormat::default(), None)
}

/// Reads a list of a kind.
fn read_as(format: Format, text: &str) -> Result<ParsedList, ListFailure> {
    let format = ListFormat {
        format,
        ..ListFormat::default()
    };
    parse(text.as_bytes(), &format, None)
}

/// Reads a JSON document whose list is at a path.
fn read_below(path: &str, text: &str) -> Result<ParsedList, ListFailure> {
    let format = ListFormat {
        items: ItemPath::parse(path),
        ..ListFormat::default()
    };
    parse(text.as_bytes(), &format, None)
}

/// The numbers of the info-hashes, which [`hash`] made.
fn numbers(list: &ParsedList) -> Vec<u32> {
    let number = |bytes: [u8; 4]| u32::from_be_bytes(bytes);
    let hashes = list.entries.iter().filter_map(|entry| entry.hashes.v1());
    let first = |hash: seedwatch_torrent::InfoHash| number(hash.0[..4].try_into().unwrap());
    hashes.map(first).collect()
}
