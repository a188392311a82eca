//! What is remembered as bytes, for the state directory. Pure.
//!
//! ```text
//! shared:   key's fingerprint 8 | calendar | fleet, empty but in the first part
//!           | until the end: name | peers | countries m | m × (code 2 | hour | peers)
//! torrents: key's fingerprint 8 | calendar | until the end: info-hash 20 | hour it went, 0 = it is there
//!           | last success of each source | last peer | hour of the last list of each source | countries m | m × (code 2 | hour 2) | peers
//! ```
//!
//! Numbers without a length are LEB128, peers and the calendar are written by [`window`](seedwatch_distinct).
//! Each part has the calendar, because without the one it was written by, it would say nothing: parts are
//! saved at different times, and each can be lost. The latest counts.

use std::sync::Arc;

use super::Swarms;
use super::collection::InCountry;
use super::history::History;
use super::memory::{Gone, Last, Memory};
use super::reach::CountryPeers;
use super::row::Stamp;
use crate::Source;
use crate::roster::Roster;
use seedwatch_clock::Unix;
use seedwatch_distinct::{DecodeError, Format, RunningClock, Set, read_varint, write_varint};
use seedwatch_geo::Country;
use seedwatch_torrent::InfoHash;

/// Longest name of a collection, in bytes, that is read.
const MAX_NAME: usize = 1024;
/// Most countries of one torrent or collection: every code of two letters.
const MAX_COUNTRIES: u64 = 26 * 26;

/// One of `of` shares of all torrents or collections, small enough to be written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// At least 1.
    pub of: u32,
}

impl Shard {
    pub(super) fn has(self, hash: &InfoHash) -> bool {
        let [a, b, c, d, ..] = hash.0;
        u32::from_be_bytes([a, b, c, d]) % self.of.max(1) == self.index
    }

    fn has_collection(self, name: &str) -> bool {
        let add = |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte));
        name.bytes().fold(0, add) % self.of.max(1) == self.index
    }
}

/// What [`Swarms`] remember.
impl Swarms {
    /// Torrents of which something may be remembered.
    pub fn remembered(&self) -> usize {
        self.torrents.len() + self.memory.gone.len()
    }

    /// Collections of which something may be remembered.
    pub fn collections_remembered(&self) -> usize {
        self.memory.collections.len()
    }

    /// Appends what a shard of the collections remembers; the first has what all torrents share, too. After
    /// [`Swarms::encode_torrents`] it knows as much of who is there.
    pub fn encode_shared(&self, shard: Shard, out: &mut Vec<u8>) {
        let memory = &self.memory;
        out.extend_from_slice(&memory.key.fingerprint());
        memory.encode_calendar(out);
        match shard.index {
            0 => memory.fleet.encode(out),
            _ => Set::new().encode(out),
        }
        let here = memory.collections.iter();
        for (name, collection) in here.filter(|(name, _)| shard.has_collection(name)) {
            write_varint(out, name.len() as u64);
            out.extend_from_slice(name.as_bytes());
            collection.peers.encode(out);
            write_varint(out, collection.countries.len() as u64);
            for here in &collection.countries {
                out.extend_from_slice(&here.country.code());
                write_varint(out, here.seen.into());
                here.peers.encode(out);
            }
        }
    }

    /// Takes over what [`Swarms::encode_shared`] wrote in this format, beside what is there. Before the
    /// first [`Swarms::update`].
    ///
    /// # Errors
    /// Written with another key, or not at all by us. Nothing was taken over.
    pub fn decode_shared(&mut self, bytes: &[u8], format: Format) -> Result<(), DecodeError> {
        let from = &mut self.memory.checked(bytes)?;
        let calendar = RunningClock::decode(from)?;
        let fleet = Set::decode(from, format)?;
        let mut collections = Vec::new();
        while !from.is_empty() {
            let length = usize::try_from(read_varint(from)?).map_err(|_| DecodeError)?;
            if length > MAX_NAME {
                return Err(DecodeError);
            }
            let name = take(from, length)?;
            let name = str::from_utf8(name).map_err(|_| DecodeError)?;
            let peers = Set::decode(from, format)?;
            let mut countries: Vec<InCountry> = Vec::new();
            for _ in 0..bounded(from, MAX_COUNTRIES)? {
                let country = country(from)?;
                if countries.last().is_some_and(|last| last.country >= country) {
                    return Err(DecodeError);
                }
                countries.push(InCountry {
                    country,
                    seen: hour(from)?,
                    peers: Set::decode(from, format)?,
                });
            }
            collections.push((name, peers, countries));
        }
        self.memory.restore(calendar);
        let moment = self.memory.moment;
        self.memory.fleet.unite(&fleet, moment);
        for (name, peers, countries) in collections {
            let known = self.memory.collections.entry(Arc::from(name)).or_default();
            known.unite(&peers, countries, moment);
        }
        Ok(())
    }

    /// Takes over that what was remembered of a shard of the torrents is lost, as found out then.
    pub fn lose(&mut self, at: Unix, shard: Shard) {
        self.memory.lost.add(at, shard);
    }

    /// Takes into the fleet whoever is remembered of a torrent, where what was saved of it is lost.
    pub fn recall_fleet(&mut self) {
        let memory = &mut self.memory;
        for history in memory.histories.values() {
            memory.fleet.unite_flattened(&history.set, memory.moment);
        }
    }

    /// Appends what is remembered of a shard of the torrents.
    pub fn encode_torrents(&mut self, roster: &Roster, shard: Shard, out: &mut Vec<u8>) {
        for place in 0..self.torrents.len() {
            if roster.identity(place).is_some_and(|hash| shard.has(&hash)) {
                self.settle_torrent(roster, place, |_| true);
            }
        }
        let memory = &self.memory;
        out.extend_from_slice(&memory.key.fingerprint());
        memory.encode_calendar(out);
        let places = (0..).zip(&self.torrents);
        let here = places.filter_map(|(place, torrent)| {
            let last = torrent.last;
            Some((roster.identity(place)?, Gone { since: 0, last }))
        });
        let gone = memory.gone.iter().map(|(hash, gone)| (*hash, *gone));
        for (hash, gone) in here.chain(gone).filter(|(hash, _)| shard.has(hash)) {
            let history = memory.histories.get(&hash);
            if history.is_none() && gone.last == Last::default() {
                continue;
            }
            out.extend_from_slice(&hash.0);
            write_varint(out, gone.since.into());
            let Last {
                success,
                list,
                peer_seen,
            } = gone.last;
            for stamp in success.into_iter().chain([peer_seen]) {
                write_varint(out, stamp.get().map_or(0, |at| at.0));
            }
            for hour in list {
                write_varint(out, hour.into());
            }
            let countries = history.map_or(&[][..], |history| history.countries());
            write_varint(out, countries.len() as u64);
            for seen in countries {
                out.extend_from_slice(&seen.country.code());
                out.extend_from_slice(&seen.seen.to_be_bytes());
            }
            match history {
                Some(history) => history.set.encode(out),
                None => Set::new().encode(out),
            }
        }
    }

    /// Takes over what [`Swarms::encode_torrents`] wrote, beside what is there. Before the first
    /// [`Swarms::update`].
    ///
    /// # Errors
    /// Written with another key, or not at all by us. Nothing was taken over.
    pub fn decode_torrents(&mut self, bytes: &[u8], format: Format) -> Result<(), DecodeError> {
        let from = &mut self.memory.checked(bytes)?;
        let calendar = RunningClock::decode(from)?;
        let mut torrents = Vec::new();
        while !from.is_empty() {
            let hash = InfoHash(*from.split_first_chunk().ok_or(DecodeError)?.0);
            take(from, hash.0.len())?;
            let since = match hour(from)? {
                0 => calendar.moment().hour(),
                since => since,
            };
            let mut last = Last::default();
            for source in 0..Source::ALL.len() {
                last.success[source] = stamp(from)?;
            }
            last.peer_seen = stamp(from)?;
            for source in 0..Source::ALL.len() {
                last.list[source] = hour(from)?;
            }
            let mut countries: Vec<CountryPeers> = Vec::new();
            for _ in 0..bounded(from, MAX_COUNTRIES)? {
                let country = country(from)?;
                if countries.last().is_some_and(|last| last.country >= country) {
                    return Err(DecodeError);
                }
                let &[high, low] = take(from, 2)? else {
                    return Err(DecodeError);
                };
                countries.push(CountryPeers {
                    country,
                    seen: u16::from_be_bytes([high, low]),
                    peers: 0,
                });
            }
            let set = Set::decode(from, format)?;
            torrents.push((hash, Gone { since, last }, countries, set));
        }
        self.memory.restore(calendar);
        for (hash, gone, countries, set) in torrents {
            let history = History::restored(set, countries.into());
            self.memory.remember(hash, gone, history);
        }
        Ok(())
    }
}

impl Memory {
    fn encode_calendar(&self, out: &mut Vec<u8>) {
        match &self.calendar {
            Some(calendar) => calendar.encode(out),
            None => RunningClock::start(Unix(0)).encode(out),
        }
    }

    /// What follows the fingerprint of our key.
    fn checked<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], DecodeError> {
        let (fingerprint, rest) = bytes.split_first_chunk::<8>().ok_or(DecodeError)?;
        match *fingerprint == self.key.fingerprint() {
            true => Ok(rest),
            false => Err(DecodeError),
        }
    }
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Result<&'a [u8], DecodeError> {
    let (taken, rest) = from.split_at_checked(length).ok_or(DecodeError)?;
    *from = rest;
    Ok(taken)
}

fn bounded(from: &mut &[u8], most: u64) -> Result<u64, DecodeError> {
    Some(read_varint(from)?)
        .filter(|n| *n <= most)
        .ok_or(DecodeError)
}

fn hour(from: &mut &[u8]) -> Result<u32, DecodeError> {
    u32::try_from(read_varint(from)?).map_err(|_| DecodeError)
}

fn stamp(from: &mut &[u8]) -> Result<Stamp, DecodeError> {
    let seconds = bounded(from, u32::MAX.into())?;
    Ok(Unix(seconds).into())
}

fn country(from: &mut &[u8]) -> Result<Country, DecodeError> {
    let &[first, second] = take(from, 2)? else {
        return Err(DecodeError);
    };
    let country = Country::of([first, second]);
    match country.code() == [first, second] {
        true => Ok(country),
        false => Err(DecodeError),
    }
}
