//! The peer history as bytes, for the state directory.
//!
//! ```text
//! shared:   key's fingerprint 8 | running clock
//!           | peers of all torrents, empty but in the first shard
//!           | until the end: name | peers | countries m | m × (code 2 | hour | peers)
//! torrents: key's fingerprint 8 | sources n | n × code 1 | running clock
//!           | until the end: info-hash 20 | hour of removal, 0 = configured
//!             | n × last success | last peer | n × hour of the last list
//!             | memory of the verdict, since format 4 | need for seeding, since format 5
//!             | daily history, since format 5
//!             | countries m | m × (code 2 | hour 2) | peers
//! ```
//!
//! Numbers without a length are LEB128, as [`saved`](crate::saved) writes them. The crate
//! [`seedwatch_distinct`] defines the encoding of peers and of the running clock, and [`history`]
//! that of the daily history. Every shard has the clock, because hours mean nothing without the
//! clock that they were written by: shards are saved at different times, and each may be lost. The
//! latest clock counts.
//!
//! A shard names its sources by [`Source::code`], so a new source does not change the format. The
//! values of a source that this version does not know are skipped.

use std::sync::Arc;

use super::collection::CountryHistory;
use super::peer_history::{PeerHistory, RemovedTorrent};
use super::shard::Shard;
use super::torrent::{LastSeen, TorrentState};
use super::torrent_history::TorrentHistory;
use crate::Source;
use crate::history::{self, Run, StoredHistory, Today};
use crate::saved::{DecodeError, append, append_array, take, take_array, take_length};
use crate::snapshot::CountryPeers;
use crate::verdict::VerdictMemory;
use seedwatch_clock::Mono;
use seedwatch_distinct::{Format, RunningClock, Set};
use seedwatch_geo::Country;
use seedwatch_torrent::InfoHash;

/// What a shard holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardFormat {
    sets: Format,
    has_memory: bool,
    has_need: bool,
    has_days: bool,
}

impl ShardFormat {
    /// The version that is written.
    pub const VERSION: u16 = 5;
    /// The format of that version.
    pub const LATEST: Self = Self::of(Self::VERSION);

    /// Returns the format of shards of a version.
    pub const fn of(version: u16) -> Self {
        Self {
            sets: match version {
                ..2 => Format::V1,
                2 => Format::V2,
                _ => Format::V3,
            },
            has_memory: version >= 4,
            has_need: version >= 5,
            has_days: version >= Self::VERSION,
        }
    }
}

/// Longest name of a collection that is read, in bytes.
const MAX_NAME: usize = 1024;
/// Most sources of a shard.
const MAX_SOURCES: usize = u8::MAX as usize;
/// Most countries of one torrent or collection: every code of two letters.
const MAX_COUNTRIES: usize = 26 * 26;

/// Appends a shard of the collections. The first shard also has the peers of all torrents.
pub(super) fn encode_shared(history: &PeerHistory, shard: Shard, out: &mut Vec<u8>) {
    append_array(&history.key.fingerprint(), out);
    history.clock.encode(out);
    match shard.index {
        0 => history.all_peers.encode(out),
        _ => Set::new().encode(out),
    }
    let collections = history.collections.iter();
    for (name, collection) in collections.filter(|(name, _)| shard.has_collection(name)) {
        append(&**name, out);
        collection.peers.encode(out);
        append(&collection.countries.len(), out);
        for here in &collection.countries {
            append_array(&here.country.code(), out);
            append(&here.last_seen_hour, out);
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
    format: ShardFormat,
) -> Result<(), DecodeError> {
    let from = &mut check_key(history, bytes)?;
    let clock = RunningClock::decode(from)?;
    let all_peers = Set::decode(from, format.sets)?;
    let mut collections = Vec::new();
    while !from.is_empty() {
        collections.push(read_collection(from, format)?);
    }
    history.clock.restore(clock);
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
    format: ShardFormat,
) -> Result<(&'a str, Set, Vec<CountryHistory>), DecodeError> {
    let name: &str = take(from)?;
    if name.len() > MAX_NAME {
        return Err(DecodeError);
    }
    let peers = Set::decode(from, format.sets)?;
    let countries = read_countries(from, |country, from| {
        Ok(CountryHistory {
            country,
            last_seen_hour: take(from)?,
            peers: Set::decode(from, format.sets)?,
        })
    })?;
    Ok((name, peers, countries))
}

/// What is saved of a torrent beside its peers.
#[derive(Debug, Clone, Copy)]
struct SavedTorrent<'a> {
    /// See [`RemovedTorrent::since`]; 0 = configured.
    since: u32,
    last_seen: LastSeen,
    memory: VerdictMemory,
    today: Today,
    runs: &'a [Run],
}

impl SavedTorrent<'_> {
    fn is_empty(&self) -> bool {
        self.last_seen == LastSeen::default()
            && self.memory == VerdictMemory::default()
            && self.runs.is_empty()
            && self.today.shown().sample.is_gap()
    }
}

/// Appends a shard of the torrents. `configured` are the torrents of the configuration, each with
/// the days before the current one.
pub(super) fn encode_torrents<'a>(
    history: &'a PeerHistory,
    configured: impl Iterator<Item = (InfoHash, TorrentState, &'a [Run])>,
    shard: Shard,
    out: &mut Vec<u8>,
) {
    let codes = Source::ALL.map(Source::code);
    append_array(&history.key.fingerprint(), out);
    append(&codes[..], out);
    history.clock.encode(out);
    let configured = configured.map(|(hash, state, runs)| {
        let torrent = SavedTorrent {
            since: 0,
            last_seen: state.last_seen,
            memory: state.memory,
            today: state.today,
            runs,
        };
        (hash, torrent)
    });
    let removed = history.removed.iter().map(|(hash, removed)| {
        let torrent = SavedTorrent {
            since: removed.since,
            last_seen: removed.last_seen,
            memory: removed.memory,
            today: removed.days.today,
            runs: removed.days.runs.as_slice(),
        };
        (*hash, torrent)
    });
    for (hash, torrent) in configured
        .chain(removed)
        .filter(|(hash, _)| shard.has(hash))
    {
        let known = history.torrents.get(&hash).map(|known| &**known);
        if known.is_some() || !torrent.is_empty() {
            write_torrent(out, hash, torrent, known);
        }
    }
}

fn write_torrent(
    out: &mut Vec<u8>,
    hash: InfoHash,
    torrent: SavedTorrent<'_>,
    history: Option<&TorrentHistory>,
) {
    let LastSeen {
        success,
        list_hour,
        peer,
    } = torrent.last_seen;
    let countries = history.map_or(&[][..], TorrentHistory::countries);
    append_array(&hash.0, out);
    let (success, list_hour) = (success.into_values(), list_hour.into_values());
    append(&(torrent.since, success, peer, list_hour), out);
    append(&(torrent.memory.save(), torrent.memory.need()), out);
    history::encode(&torrent.today, torrent.runs, out);
    append(&countries.len(), out);
    for seen in countries {
        append_array(&seen.country.code(), out);
        append_array(&seen.last_seen_hour.to_be_bytes(), out);
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
    format: ShardFormat,
) -> Result<(), DecodeError> {
    let from = &mut check_key(history, bytes)?;
    let codes: &[u8] = take(from)?;
    if codes.len() > MAX_SOURCES {
        return Err(DecodeError);
    }
    let sources: Vec<Option<Source>> = codes.iter().map(|code| Source::from_code(*code)).collect();
    let clock = RunningClock::decode(from)?;
    let now = clock.moment().hour();
    let mut torrents = Vec::new();
    while !from.is_empty() {
        torrents.push(read_torrent(from, &sources, now, format)?);
    }
    history.clock.restore(clock);
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
    format: ShardFormat,
) -> Result<(InfoHash, RemovedTorrent, TorrentHistory), DecodeError> {
    let hash = InfoHash(take_array(from)?);
    let since = take(from)?;
    let since = if since == 0 { now } else { since };
    let mut last_seen = LastSeen::default();
    for source in sources {
        let time = take(from)?;
        if let Some(source) = source {
            last_seen.success[*source] = time;
        }
    }
    last_seen.peer = take(from)?;
    for source in sources {
        let hour = take(from)?;
        if let Some(source) = source {
            last_seen.list_hour[*source] = hour;
        }
    }
    let mut memory = VerdictMemory::default();
    if format.has_memory {
        // The process has just started.
        memory = VerdictMemory::restore(take(from)?, Mono(0)).ok_or(DecodeError)?;
    }
    if format.has_need {
        memory = memory.with_need(take(from)?);
    }
    let mut days = StoredHistory::default();
    if format.has_days {
        days = StoredHistory::decode(from)?;
    }
    let countries = read_countries(from, |country, from| {
        Ok(CountryPeers {
            country,
            last_seen_hour: u16::from_be_bytes(take_array(from)?),
            peers: 0,
        })
    })?;
    let peers = Set::decode(from, format.sets)?;
    let history = TorrentHistory::restored(peers, countries.into());
    let torrent = RemovedTorrent {
        since,
        last_seen,
        memory,
        days,
    };
    Ok((hash, torrent, history))
}

/// Returns the bytes after the fingerprint of our key.
fn check_key<'a>(history: &PeerHistory, mut bytes: &'a [u8]) -> Result<&'a [u8], DecodeError> {
    match take_array(&mut bytes)? == history.key.fingerprint() {
        true => Ok(bytes),
        false => Err(DecodeError),
    }
}

/// Reads countries with their values. The countries must be sorted and distinct.
fn read_countries<T>(
    from: &mut &[u8],
    read: impl Fn(Country, &mut &[u8]) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut last = None;
    let mut countries = Vec::new();
    for _ in 0..take_length(from, MAX_COUNTRIES)? {
        let code = take_array(from)?;
        let country = Country::of(code);
        if country.code() != code || last.is_some_and(|last| last >= country) {
            return Err(DecodeError);
        }
        last = Some(country);
        countries.push(read(country, from)?);
    }
    Ok(countries)
}
