//! Packets of the UDP tracker protocol (BEP 15), with URL data (BEP 41) and IPv6 lists (BEP 7).
//!
//! All numbers are big-endian. Every request has at least 16 bytes and its transaction id at
//! [`TRANSACTION_OFFSET`], by which an ICMP error is matched to its request.

use std::time::Duration;

use crate::compact;
use crate::job::LEFT;
use crate::{Counts, Identity};
use seedwatch_torrent::{Family, Peers};
use seedwatch_torrent::{InfoHash, TrackerUrl};

/// The magic number that a connect request has instead of a connection id.
const PROTOCOL_ID: u64 = 0x0417_2710_1980;
/// The offset of the transaction id in every request.
const TRANSACTION_OFFSET: usize = 12;
/// The length of one entry in a scrape response, in bytes.
const SCRAPE_ENTRY: usize = 12;
/// The option with a piece of the path and query (BEP 41).
const OPTION_URL_DATA: u8 = 0x2;
/// The longest option: its length is one byte (BEP 41).
const MAX_URL_DATA: usize = 255;
/// What opentracker means by an announce response without a body.
const NOT_LISTED: &[u8] = b"an empty answer: the tracker does not serve this swarm";
/// The longest error text that is searched, in bytes.
const MAX_ERROR: usize = 512;

const ACTION_CONNECT: u32 = 0;
const ACTION_ANNOUNCE: u32 = 1;
const ACTION_SCRAPE: u32 = 2;
const ACTION_ERROR: u32 = 3;

/// The event of an announce. `none` and `completed` are never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnnounceEvent {
    /// Joins the swarm.
    Started = 2,
    /// Leaves the swarm.
    Stopped = 3,
}

/// The fields of an announce that differ between torrents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announce<'a> {
    /// The connection id, from the connect response.
    pub(super) connection: u64,
    /// The transaction id, random.
    pub(super) transaction: u32,
    /// The swarm.
    pub(super) info_hash: &'a InfoHash,
    /// The event.
    pub(super) event: AnnounceEvent,
    /// The number of peers requested.
    pub(super) numwant: u16,
    /// The family of the socket. Each family claims its own port.
    pub(super) family: Family,
    /// The announce URL. Its path and query are sent as options (BEP 41).
    pub(super) url: &'a TrackerUrl,
}

/// Appends a connect request.
pub(super) fn write_connect(out: &mut Vec<u8>, transaction: u32) {
    write_head(out, PROTOCOL_ID, ACTION_CONNECT, transaction);
}

/// Appends an announce request.
pub(super) fn write_announce(out: &mut Vec<u8>, identity: &Identity, announce: &Announce<'_>) {
    write_head(
        out,
        announce.connection,
        ACTION_ANNOUNCE,
        announce.transaction,
    );
    out.extend_from_slice(&announce.info_hash.0);
    out.extend_from_slice(&identity.peer_id);
    out.extend_from_slice(&0u64.to_be_bytes()); // downloaded
    out.extend_from_slice(&LEFT.to_be_bytes());
    out.extend_from_slice(&0u64.to_be_bytes()); // uploaded
    out.extend_from_slice(&(announce.event as u32).to_be_bytes());
    out.extend_from_slice(&0u32.to_be_bytes()); // address: the one the packet comes from
    out.extend_from_slice(&identity.key.to_be_bytes());
    out.extend_from_slice(&u32::from(announce.numwant).to_be_bytes());
    out.extend_from_slice(&identity.port(announce.family).to_be_bytes());
    write_url_data(out, announce.url);
}

/// Appends the path and query as options (BEP 41), unless they are a bare `/`.
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

/// Returns the transaction id of one of our own requests. ICMP returns only its beginning.
pub(super) fn transaction_of_request(packet: &[u8]) -> Option<u32> {
    word(packet.get(TRANSACTION_OFFSET..)?)
}

/// A datagram that may answer one of our requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Datagram<'a> {
    /// The transaction id of the request.
    pub(super) transaction: u32,
    /// The rest of the packet.
    pub(super) answer: ResponseBody<'a>,
}

/// The content of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseBody<'a> {
    /// A connection id.
    Connect(u64),
    /// Counts and a peer list.
    Announce(AnnounceBody<'a>),
    /// Counts of several swarms.
    Scrape(ScrapeBody<'a>),
    /// An error text.
    Error(&'a [u8]),
    /// An unknown action, or too short for its action.
    Damaged,
}

/// The response to an announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnnounceBody<'a> {
    /// The interval in seconds, as claimed.
    interval: u32,
    /// The counts, as claimed.
    pub(super) counts: Counts,
    /// Compact entries up to the end of the datagram.
    list: &'a [u8],
}

impl AnnounceBody<'_> {
    /// Returns the interval, unless it is 0 or negative.
    pub(super) fn interval(&self) -> Option<Duration> {
        (1..=i32::MAX as u32)
            .contains(&self.interval)
            .then(|| Duration::from_secs(self.interval.into()))
    }

    /// Reads the peer list. The family of the socket decides the length of an entry (BEP 15),
    /// unless the bytes show the other family: bittorrent-tracker lists IPv4 peers over IPv6 too.
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

/// The response to a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScrapeBody<'a>(&'a [u8]);

impl ScrapeBody<'_> {
    /// Returns the counts in the order of the request. Trackers cut a request above their own
    /// limit, so there may be fewer. Drops a partial entry at the end.
    pub(super) fn entries(&self) -> impl Iterator<Item = Counts> {
        let (entries, _) = self.0.as_chunks::<SCRAPE_ENTRY>();
        entries.iter().map(|entry| Counts {
            seeders: count(&entry[..4]),
            completed: count(&entry[4..8]),
            leechers: count(&entry[8..]),
        })
    }
}

/// Reads a datagram. `None` if it is too short for a transaction id.
pub(super) fn parse(bytes: &[u8]) -> Option<Datagram<'_>> {
    let action = word(bytes)?;
    let transaction = word(&bytes[4..])?;
    let body = &bytes[8..];
    let answer = match action {
        ACTION_CONNECT => body
            .first_chunk::<8>()
            .map(|id| ResponseBody::Connect(u64::from_be_bytes(*id))),
        ACTION_ANNOUNCE if body.is_empty() => Some(ResponseBody::Error(NOT_LISTED)),
        ACTION_ANNOUNCE => body
            .split_first_chunk::<12>()
            .and_then(|(head, list)| {
                Some(AnnounceBody {
                    interval: word(head)?,
                    counts: Counts {
                        seeders: count(&head[8..]),
                        leechers: count(&head[4..8]),
                        completed: None,
                    },
                    list,
                })
            })
            .map(ResponseBody::Announce),
        ACTION_SCRAPE => Some(ResponseBody::Scrape(ScrapeBody(body))),
        ACTION_ERROR => Some(ResponseBody::Error(body)),
        _ => None,
    };
    Some(Datagram {
        transaction,
        answer: answer.unwrap_or(ResponseBody::Damaged),
    })
}

/// Returns whether an error may mean that the tracker does not know our connection id. Each program
/// has its own text: "Connection ID missmatch." (opentracker), "bad connection ID" (chihaya),
/// "cookie value is expired" (torrust), "unknown connection". Texts about a limit of connections do
/// not count. A wrong guess costs one connect.
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

/// Reads a count. Real trackers send negative and absurd numbers, which give `None`.
fn count(bytes: &[u8]) -> Option<u32> {
    word(bytes).filter(|n| *n <= Counts::MAX)
}

#[cfg(test)]
mod tests;
