//! The peer history as bytes, for the state directory.
//!
//! ```text
//! shared:   key's fingerprint 8 | calendar | peers of all torrents, empty but in the first shard
//!           | until the end: name | peers | countries m | m × (code 2 | hour | peers)
//! torrents: key's fingerprint 8 | sources n | n × code 1 | calendar
//!           | until the end: info-hash 20 | hour of removal, 0 = configured
//!             | n × last success | last peer | n × hour of the last list
//!             | countries m | m × (code 2 | hour 2) | peers
//! ```
//!
//! Numbers without a length are LEB128. The crate [`seedwatch_distinct`] defines the encoding of
//! peers and of the calendar. Every shard has the calendar, because hours mean nothing without the
//! calendar that they were written by: shards are saved at different times, and each may be lost.
//! The latest calendar counts.
//!
//! A shard names its sources by [`Source::code`], so a new source does not change the format. The
//! values of a source that this version does not know are skipped.

use std::sync::Arc;

use super::collection::CountryHistory;
use super::peer_history::{PeerHistory, RemovedTorrent};
use super::shard::Shard;
use super::torrent::LastSeen;
use super::torrent_history::TorrentHistory;
use crate::Source;
use crate::snapshot::{CountryPeers, UnixOption32};
use seedwatch_clock::Unix;
use seedwatch_distinct::{DecodeError, Format, RunningClock, Set, read_varint, write_varint};
use seedwatch_geo::Country;
use seedwatch_torrent::InfoHash;

/// Longest name of a collection that is read, in bytes.
const MAX_NAME: usize = 1024;
/// Most countries of one torrent or collection: every code of two letters.
const MAX_COUNTRIES: u64 = 26 * 26;

/// Appends a shard of the collections. The first shard also has the peers of all torrents.
pub(super) fn encode_shared(history: &PeerHistory, shard: Shard, out: &mut Vec<u8>) {
    out.extend_from_slice(&history.key.fingerprint());
    history.clock.encode(out);
    match shard.index {
        0 => history.all_peers.encode(out),
        _ => Set::new().encode(out),
    }
    let collections = history.collections.iter();
    for (name, collection) in collections.filter(|(name, _)| shard.has_collection(name)) {
        write_varint(out, name.len() as u64);
        out.extend_from_slice(name.as_bytes());
        collection.peers.encode(out);
        write_varint(out, collection.countries.len() as u64);
        for here in &collection.countries {
            out.extend_from_slice(&here.country.code());
            write_varint(out, here.last_seen_hour.into());
            here.peers.encode(out);
        }
    }
}

/// Merges a shard that [`encode_shared`] wrote.
///
/// # Errors
/// The bytes are damaged, or were written with another key. The history is unchanged.
pub(super) fn decode_shared(
    history: &mut PeerHistory,
    bytes: &[u8],
    layout: Format,
) -> Result<(), DecodeError> {
    let from = &mut check_key(history, bytes)?;
    let calendar = RunningClock::decode(from)?;
    let all_peers = Set::decode(from, layout)?;
    let mut collections = Vec::new();
    while !from.is_empty() {
        collections.push(read_collection(from, layout)?);
    }
    history.clock.restore(calendar);
    let moment = history.moment();
    history.all_peers.unite(&all_peers, moment);
    for (name, peers, countries) in collections {
        let known = history.collections.entry(Arc::from(name)).or_default();
        known.merge(&peers, countries, moment);
    }
    Ok(())
}

fn read_collection<'a>(
    from: &mut &'a [u8],
    layout: Format,
) -> Result<(&'a str, Set, Vec<CountryHistory>), DecodeError> {
    let length = usize::try_from(read_varint(from)?).map_err(|_| DecodeError)?;
    if length > MAX_NAME {
        return Err(DecodeError);
    }
    let name = str::from_utf8(take(from, length)?).map_err(|_| DecodeError)?;
    let peers = Set::decode(from, layout)?;
    let countries = read_countries(from, |country, from| {
        Ok(CountryHistory {
            country,
            last_seen_hour: read_hour(from)?,
            peers: Set::decode(from, layout)?,
        })
    })?;
    Ok((name, peers, countries))
}

/// Appends a shard of the torrents. `configured` are the torrents of the configuration.
pub(super) fn encode_torrents(
    history: &PeerHistory,
    configured: impl Iterator<Item = (InfoHash, LastSeen)>,
    shard: Shard,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&history.key.fingerprint());
    write_varint(out, Source::ALL.len() as u64);
    out.extend(Source::ALL.map(Source::code));
    history.clock.encode(out);
    let configured = configured.map(|(hash, last_seen)| {
        let since = 0;
        (hash, RemovedTorrent { since, last_seen })
    });
    let removed = history.removed.iter();
    let removed = removed.map(|(hash, removed)| (*hash, *removed));
    for (hash, torrent) in configured
        .chain(removed)
        .filter(|(hash, _)| shard.has(hash))
    {
        let known = history.torrents.get(&hash).map(|known| &**known);
        if known.is_some() || torrent.last_seen != LastSeen::default() {
            write_torrent(out, hash, torrent, known);
        }
    }
}

fn write_torrent(
    out: &mut Vec<u8>,
    hash: InfoHash,
    torrent: RemovedTorrent,
    history: Option<&TorrentHistory>,
) {
    out.extend_from_slice(&hash.0);
    write_varint(out, torrent.since.into());
    let LastSeen {
        success,
        list_hour,
        peer,
    } = torrent.last_seen;
    for time in success.into_values().into_iter().chain([peer]) {
        write_varint(out, time.get().map_or(0, |at| at.0));
    }
    for hour in list_hour.into_values() {
        write_varint(out, hour.into());
    }
    let countries = history.map_or(&[][..], TorrentHistory::countries);
    write_varint(out, countries.len() as u64);
    for seen in countries {
        out.extend_from_slice(&seen.country.code());
        out.extend_from_slice(&seen.last_seen_hour.to_be_bytes());
    }
    match history {
        Some(history) => history.peers.encode(out),
        None => Set::new().encode(out),
    }
}

/// Merges a shard that [`encode_torrents`] wrote.
///
/// # Errors
/// The bytes are damaged, or were written with another key. The history is unchanged.
pub(super) fn decode_torrents(
    history: &mut PeerHistory,
    bytes: &[u8],
    layout: Format,
) -> Result<(), DecodeError> {
    let from = &mut check_key(history, bytes)?;
    let count = read_bounded(from, u8::MAX.into())?;
    let codes = take(from, count as usize)?;
    let sources: Vec<Option<Source>> = codes.iter().map(|code| Source::from_code(*code)).collect();
    let calendar = RunningClock::decode(from)?;
    let now = calendar.moment().hour();
    let mut torrents = Vec::new();
    while !from.is_empty() {
        torrents.push(read_torrent(from, &sources, now, layout)?);
    }
    history.clock.restore(calendar);
    for (hash, torrent, saved) in torrents {
        history.restore(hash, torrent, saved);
    }
    Ok(())
}

/// Reads one torrent. `sources` are those of the shard, and `now` is the hour in which it was
/// written.
fn read_torrent(
    from: &mut &[u8],
    sources: &[Option<Source>],
    now: u32,
    layout: Format,
) -> Result<(InfoHash, RemovedTorrent, TorrentHistory), DecodeError> {
    let hash = InfoHash(*from.split_first_chunk().ok_or(DecodeError)?.0);
    take(from, hash.0.len())?;
    let since = match read_hour(from)? {
        0 => now,
        since => since,
    };
    let mut last_seen = LastSeen::default();
    for source in sources {
        let time = read_time(from)?;
        if let Some(source) = source {
            last_seen.success[*source] = time;
        }
    }
    last_seen.peer = read_time(from)?;
    for source in sources {
        let hour = read_hour(from)?;
        if let Some(source) = source {
            last_seen.list_hour[*source] = hour;
        }
    }
    let countries = read_countries(from, |country, from| {
        let &[high, low] = take(from, 2)? else {
            return Err(DecodeError);
        };
        Ok(CountryPeers {
            country,
            last_seen_hour: u16::from_be_bytes([high, low]),
            peers: 0,
        })
    })?;
    let peers = Set::decode(from, layout)?;
    let history = TorrentHistory::restored(peers, countries.into());
    Ok((hash, RemovedTorrent { since, last_seen }, history))
}

/// Returns the bytes after the fingerprint of our key.
fn check_key<'a>(history: &PeerHistory, bytes: &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let (fingerprint, rest) = bytes.split_first_chunk::<8>().ok_or(DecodeError)?;
    match *fingerprint == history.key.fingerprint() {
        true => Ok(rest),
        false => Err(DecodeError),
    }
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Result<&'a [u8], DecodeError> {
    let (taken, rest) = from.split_at_checked(length).ok_or(DecodeError)?;
    *from = rest;
    Ok(taken)
}

fn read_bounded(from: &mut &[u8], most: u64) -> Result<u64, DecodeError> {
    Some(read_varint(from)?)
        .filter(|n| *n <= most)
        .ok_or(DecodeError)
}

fn read_hour(from: &mut &[u8]) -> Result<u32, DecodeError> {
    u32::try_from(read_varint(from)?).map_err(|_| DecodeError)
}

fn read_time(from: &mut &[u8]) -> Result<UnixOption32, DecodeError> {
    let seconds = read_bounded(from, u32::MAX.into())?;
    Ok(Unix(seconds).into())
}

/// Reads countries with their values. The countries must be sorted and distinct.
fn read_countries<T>(
    from: &mut &[u8],
    read: impl Fn(Country, &mut &[u8]) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut last = None;
    let mut countries = Vec::new();
    for _ in 0..read_bounded(from, MAX_COUNTRIES)? {
        let country = read_country(from)?;
        if last.is_some_and(|last| last >= country) {
            return Err(DecodeError);
        }
        last = Some(country);
        countries.push(read(country, from)?);
    }
    Ok(countries)
}

fn read_country(from: &mut &[u8]) -> Result<Country, DecodeError> {
    let &[first, second] = take(from, 2)? else {
        return Err(DecodeError);
    };
    let country = Country::of([first, second]);
    match country.code() == [first, second] {
        true => Ok(country),
        false => Err(DecodeError),
    }
}
