//! Packets of the UDP tracker protocol (BEP 15), with URL data (BEP 41) and IPv6 lists (BEP 7).
//!
//! All numbers are big-endian. Every request is sixteen bytes or more and carries its transaction
//! id at [`TRANSACTION_OFFSET`], which lets an ICMP error be matched to what caused it.

use std::time::Duration;

use crate::compact;
use crate::{Counts, Identity};
use seedwatch_torrent::{Family, Peers};
use seedwatch_torrent::{InfoHash, TrackerUrl};

/// What a connect request carries instead of a connection id.
const PROTOCOL_ID: u64 = 0x0417_2710_1980;
/// Where the transaction id stands in every request.
const TRANSACTION_OFFSET: usize = 12;
/// Bytes one scrape entry takes in an answer.
const SCRAPE_ENTRY: usize = 12;
/// BEP 41: the option that carries a piece of path and query.
const OPTION_URL_DATA: u8 = 0x2;
/// BEP 41: the length of an option is one byte.
const MAX_URL_DATA: usize = 255;
/// Bytes we claim to lack. A leecher: some trackers give a seed no seeds (chihaya does).
const LEFT: u64 = 1 << 30;

/// What opentracker means by an announce answer without a body.
const NOT_LISTED: &[u8] = b"an empty answer: the tracker does not serve this swarm";
/// Longest error text looked at, in bytes.
const MAX_ERROR: usize = 512;

const ACTION_CONNECT: u32 = 0;
const ACTION_ANNOUNCE: u32 = 1;
const ACTION_SCRAPE: u32 = 2;
const ACTION_ERROR: u32 = 3;

/// The event of an announce; `none` and `completed` are never said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// We join.
    Started = 2,
    /// We leave.
    Stopped = 3,
}

/// The part of an announce that differs from torrent to torrent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announce<'a> {
    /// From the connect answer.
    pub(super) connection: u64,
    /// Ours, random.
    pub(super) transaction: u32,
    /// The swarm.
    pub(super) info_hash: &'a InfoHash,
    /// Joining or leaving.
    pub(super) event: Event,
    /// Peers asked for.
    pub(super) numwant: u16,
    /// Over which it is asked: each has its own port.
    pub(super) family: Family,
    /// Its path and query go along.
    pub(super) url: &'a TrackerUrl,
}

/// Appends a connect request.
pub(super) fn write_connect(out: &mut Vec<u8>, transaction: u32) {
    write_head(out, PROTOCOL_ID, ACTION_CONNECT, transaction);
}

/// Appends an announce request.
pub(super) fn write_announce(out: &mut Vec<u8>, who: &Identity, ask: &Announce<'_>) {
    write_head(out, ask.connection, ACTION_ANNOUNCE, ask.transaction);
    out.extend_from_slice(&ask.info_hash.0);
    out.extend_from_slice(&who.peer_id);
    out.extend_from_slice(&0u64.to_be_bytes()); // downloaded
    out.extend_from_slice(&LEFT.to_be_bytes());
    out.extend_from_slice(&0u64.to_be_bytes()); // uploaded
    out.extend_from_slice(&(ask.event as u32).to_be_bytes());
    out.extend_from_slice(&0u32.to_be_bytes()); // address: the one the packet comes from
    out.extend_from_slice(&who.key.to_be_bytes());
    out.extend_from_slice(&u32::from(ask.numwant).to_be_bytes());
    out.extend_from_slice(&who.port(ask.family).to_be_bytes());
    write_url_data(out, ask.url);
}

/// BEP 41. A bare `/` says nothing and is left out.
fn write_url_data(out: &mut Vec<u8>, url: &TrackerUrl) {
    let data = url.secret_path_and_query().as_bytes();
    if data == b"/" {
        return;
    }
    for chunk in data.chunks(MAX_URL_DATA) {
        out.push(OPTION_URL_DATA);
        out.push(chunk.len() as u8); // chunks(255): fits
        out.extend_from_slice(chunk);
    }
}

/// Appends a scrape request.
pub(super) fn write_scrape<'a>(
    out: &mut Vec<u8>,
    connection: u64,
    transaction: u32,
    hashes: impl Iterator<Item = &'a InfoHash>,
) {
    write_head(out, connection, ACTION_SCRAPE, transaction);
    for hash in hashes {
        out.extend_from_slice(&hash.0);
    }
}

fn write_head(out: &mut Vec<u8>, connection: u64, action: u32, transaction: u32) {
    out.extend_from_slice(&connection.to_be_bytes());
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&transaction.to_be_bytes());
}

/// The transaction id of one of our own requests, perhaps cut short (ICMP returns a part only).
pub(super) fn transaction_of_request(packet: &[u8]) -> Option<u32> {
    word(packet.get(TRANSACTION_OFFSET..)?)
}

/// A datagram that may answer one of our requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Datagram<'a> {
    /// Names the request.
    pub(super) transaction: u32,
    /// What it says.
    pub(super) answer: Answer<'a>,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    /// The connection id.
    Connect(u64),
    /// Counts and list.
    Announce(AnnounceAnswer<'a>),
    /// Counts of many.
    Scrape(ScrapeAnswer<'a>),
    /// The tracker's words.
    Error(&'a [u8]),
    /// An unknown action, or shorter than its action needs.
    Damaged,
}

/// The answer to an announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnnounceAnswer<'a> {
    /// Seconds, as claimed.
    interval: u32,
    /// As claimed.
    pub(super) counts: Counts,
    /// Compact entries to the end of the datagram.
    list: &'a [u8],
}

impl AnnounceAnswer<'_> {
    /// The interval, unless it is 0 or negative.
    pub(super) fn interval(&self) -> Option<Duration> {
        (1..=i32::MAX as u32)
            .contains(&self.interval)
            .then(|| Duration::from_secs(self.interval.into()))
    }

    /// The list. The family of the socket decides how long an entry is (BEP 15), unless the bytes
    /// themselves show that it is the other one: bittorrent-tracker lists IPv4 peers over IPv6 too.
    /// Keeps the first `limit` peers of each family and counts the others.
    pub(super) fn peers(&self, family: Family, limit: usize) -> Peers {
        let mut peers = Peers::default();
        match compact::family_of(self.list, family) {
            Family::Ipv4 => peers.push_compact4_within(self.list, limit),
            Family::Ipv6 => peers.push_compact6_within(self.list, limit),
        }
        peers
    }
}

/// The answer to a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScrapeAnswer<'a>(&'a [u8]);

impl ScrapeAnswer<'_> {
    /// Counts in the order of the request. Trackers cut what is above their own limit, so this may
    /// end early; a partial entry at the end is dropped.
    pub(super) fn entries(&self) -> impl Iterator<Item = Counts> {
        let (entries, _) = self.0.as_chunks::<SCRAPE_ENTRY>();
        entries.iter().map(|entry| Counts {
            seeders: count(&entry[..4]),
            completed: count(&entry[4..8]),
            leechers: count(&entry[8..]),
        })
    }
}

/// Reads a datagram. `None` where it is too short to name a request.
pub(super) fn parse(bytes: &[u8]) -> Option<Datagram<'_>> {
    let action = word(bytes)?;
    let transaction = word(&bytes[4..])?;
    let body = &bytes[8..];
    let answer = match action {
        ACTION_CONNECT => body
            .first_chunk::<8>()
            .map(|id| Answer::Connect(u64::from_be_bytes(*id))),
        ACTION_ANNOUNCE if body.is_empty() => Some(Answer::Error(NOT_LISTED)),
        ACTION_ANNOUNCE => body
            .split_first_chunk::<12>()
            .and_then(|(head, list)| {
                Some(AnnounceAnswer {
                    interval: word(head)?,
                    counts: Counts {
                        seeders: count(&head[8..]),
                        leechers: count(&head[4..8]),
                        completed: None,
                    },
                    list,
                })
            })
            .map(Answer::Announce),
        ACTION_SCRAPE => Some(Answer::Scrape(ScrapeAnswer(body))),
        ACTION_ERROR => Some(Answer::Error(body)),
        _ => None,
    };
    Some(Datagram {
        transaction,
        answer: answer.unwrap_or(Answer::Damaged),
    })
}

/// Whether an error may say that the tracker does not know our connection id. Each program has its
/// own words: "Connection ID missmatch." (opentracker), "bad connection ID" (chihaya), "cookie value
/// is expired" (torrust), "unknown connection". A wrong guess costs one connect; words about how
/// many connections there may be are no such thing.
pub(super) fn is_about_connection(error: &[u8]) -> bool {
    let text: Vec<u8> = error
        .iter()
        .take(MAX_ERROR)
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(u8::to_ascii_lowercase)
        .collect();
    let says = |word: &str| text.windows(word.len()).any(|part| part == word.as_bytes());
    let names_it = [
        "connect",
        "connid",
        "conid",
        "cookie",
        "session",
        "handshake",
    ];
    let limits = [
        "toomany", "toofast", "limit", "banned", "blocked", "slowdown",
    ];
    says("connectionid") || names_it.into_iter().any(says) && !limits.into_iter().any(says)
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk::<4>().map(|b| u32::from_be_bytes(*b))
}

/// Negative numbers and absurd ones are met in the wild: not believed.
fn count(bytes: &[u8]) -> Option<u32> {
    word(bytes).filter(|n| *n <= Counts::MAX)
}

#[cfg(test)]
mod tests;
