//! Responses of HTTP trackers (BEP 3, 7, 23, 24, 31, 48), read as leniently as correct counts
//! allow.
//!
//! Readable parts are read: whole entries of a truncated list, keys after a stray `e`, numbers
//! written as text. Unreadable parts are counted, or become the failure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{IntErrorKind, ParseIntError};
use std::time::Duration;

use super::peers;
use crate::compact;
use crate::compact::ListContext;
use crate::tracker_message;
use crate::{
    AnnounceId, AnnounceResponse, Counts, FailureReason, ProbeError, Retry, ScrapeResponse,
};
use seedwatch_torrent::Family;
use seedwatch_torrent::Peers;
use seedwatch_torrent::bencode;
use seedwatch_torrent::bencode::{Dict, Value};
use seedwatch_torrent::{InfoHash, TrackerUrl};

/// The longest interval that is believed, in seconds. The schedule has its own limits.
const MAX_INTERVAL: i64 = 30 * 24 * 3600;
/// The longest `retry in` that is believed, in minutes.
const MAX_RETRY: i64 = 60 * 24 * 365;
/// The warning for a response with peers and an empty `failure reason`.
const EMPTY_REASON: &str =
    "an empty failure reason context peers: some clients refuse such answers";
/// The failure of a list that has entries but no readable one.
const UNREADABLE: &str = "nothing in the list of peers can be read";
/// The largest number of entries read after the end of the dictionary.
const MAX_STRAY: usize = 16;
/// The longest `tracker id` that is sent back, in bytes.
const MAX_TRACKER_ID: usize = 128;

/// The response to an announce.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The content. `strategy` is not set here.
    pub announced: AnnounceResponse,
    /// Whether it has a peer list, perhaps an empty one.
    pub has_list: bool,
    /// The `tracker id`, to be sent with the next announce (BEP 3).
    pub tracker_id: Option<Box<[u8]>>,
}

/// What the reader of a response must know of the request.
#[derive(Debug, Clone, Copy)]
pub struct AnnounceContext {
    /// The family of the socket.
    pub family: Family,
    /// The largest number of peers kept per family. Others are only counted.
    pub limit: usize,
}

/// Reads the response to an announce. `cut` is why the body ended early, if it did.
///
/// # Errors
/// The tracker refuses, or the body is no usable response.
pub fn announce(
    body: &[u8],
    cut: Option<ProbeError>,
    url: &TrackerUrl,
    context: AnnounceContext,
) -> Result<Reply, ProbeError> {
    let dict = open(body)?;
    let mut reply = Reply::default();
    let answer = &mut reply.announced;
    let mut refusal = Refusal::default();
    let mut known = false;
    let mut found = Vec::new();
    let damage = each(dict, |key, value| {
        let mut knows = true;
        match key {
            b"peers" => found.push((Key::Peers, value)),
            b"peers6" => found.push((Key::Peers6, value)),
            b"complete" => {
                answer.has_absurd_counts |= !fill_count(&mut answer.counts.seeders, value);
            }
            b"incomplete" => {
                answer.has_absurd_counts |= !fill_count(&mut answer.counts.leechers, value);
            }
            b"downloaded" => fill(&mut answer.counts.completed, count(value)),
            b"external ip" => fill(&mut answer.external_ip, external_ip(value)),
            b"tracker id" => fill(&mut reply.tracker_id, tracker_id(value)),
            b"warning message" => fill(&mut answer.warning, warning(value, url)),
            _ => knows = refusal.take(key, value),
        }
        known |= knows;
    });
    let lists = ParsedLists::read(&found, answer, context);
    answer.interval = refusal.asked_interval();
    if refusal.is_empty() && !answer.peers.is_empty() {
        answer.warning.get_or_insert_with(|| EMPTY_REASON.into());
        refusal.reason = None;
    }
    let answers = lists.any() || answer.counts.has_current();
    refusal.check(url, answers)?;
    finish(known, damage, cut, &mut answer.peers)?;
    answer.peer_list_withheld = answer.peers.is_empty() && lists.names > 0;
    if lists.lost > 0 && lists.whole == 0 && !answer.peer_list_withheld {
        return Err(ProbeError::new(FailureReason::Malformed, UNREADABLE));
    }
    reply.has_list = lists.any();
    Ok(reply)
}

/// The peer lists in one response: those that were readable at least in part, and those that were
/// not. If all are unreadable, the swarm is unknown, not empty.
#[derive(Debug, Default)]
struct ParsedLists {
    whole: usize,
    lost: usize,
    /// Entries with a host name instead of an address.
    names: usize,
}

/// The key of a peer list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// `peers`: IPv4, or dictionaries of both families.
    Peers,
    /// `peers6`.
    Peers6,
}

impl ParsedLists {
    /// Reads all lists of a response. Its counts have been read before.
    fn read(
        found: &[(Key, Value<'_>)],
        answer: &mut AnnounceResponse,
        asked: AnnounceContext,
    ) -> Self {
        let counts = &answer.counts;
        let context = ListContext {
            socket: asked.family,
            has_other: found.iter().any(|(key, _)| *key == Key::Peers6),
            claimed: counts
                .seeders
                .zip(counts.leechers)
                .map(|(s, l)| s.saturating_add(l)),
        };
        let mut lists = Self::default();
        for (key, value) in found {
            let packed = match (key, value) {
                (Key::Peers, Value::Bytes(list)) => compact::family_of_peers(list, context),
                (Key::Peers6, Value::Bytes(list)) => Some(compact::family_of(list, Family::Ipv6)),
                // In a list of dictionaries or strings, each entry shows its own family.
                _ => Some(Family::Ipv4),
            };
            lists.add(&mut answer.peers, *value, packed, asked.limit);
        }
        lists
    }

    fn add(&mut self, peers: &mut Peers, value: Value<'_>, packed: Option<Family>, limit: usize) {
        let before = (peers.claimed(), peers.malformed);
        match packed {
            Some(family) => self.names += peers::read(peers, value, family, limit),
            // It may be of either family, and a peer that is guessed may be invented.
            None => peers.malformed += 1,
        }
        if peers.claimed() == before.0 && peers.malformed > before.1 {
            self.lost += 1;
        } else {
            self.whole += 1;
        }
    }

    fn any(&self) -> bool {
        self.whole + self.lost > 0
    }
}

/// Decides whether a damaged response is still usable.
fn finish(
    known: bool,
    damage: Option<bencode::Error>,
    cut: Option<ProbeError>,
    peers: &mut Peers,
) -> Result<(), ProbeError> {
    match damage {
        // An empty list in a damaged answer says nothing; some peers are more than none.
        Some(_) if !peers.is_empty() => {
            peers.malformed = peers.malformed.max(1);
            Ok(())
        }
        Some(damage) => Err(cut.unwrap_or_else(|| {
            ProbeError::new(
                FailureReason::Malformed,
                format!("damaged answer: {damage}"),
            )
        })),
        None if !known => Err(ProbeError::new(
            FailureReason::Malformed,
            "a dictionary without any key of a tracker's answer",
        )),
        None => Ok(()),
    }
}

/// The response to a scrape.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// One entry per target, in order; `None` if the tracker left it out.
    pub counts: Vec<Option<ScrapeResponse>>,
    /// How long the tracker asks to wait before the next scrape (BEP 48).
    pub interval: Option<Duration>,
}

/// Reads the response to a scrape.
///
/// # Errors
/// The tracker refuses, or the body is no usable response.
pub fn scrape(
    body: &[u8],
    cut: Option<ProbeError>,
    url: &TrackerUrl,
    targets: &[(AnnounceId, InfoHash)],
) -> Result<Counted, ProbeError> {
    let dict = open(body)?;
    let mut found = vec![None; targets.len()];
    let mut refusal = Refusal::default();
    let mut has_files = false;
    let damage = each(dict, |key, value| match (key, value) {
        (b"files", Value::Dict(files)) => {
            has_files = true;
            find_counts(files, targets, &mut found);
        }
        // PHP writes an empty array as a list.
        (b"files", Value::List(_)) => has_files = true,
        (b"flags", Value::Dict(flags)) => {
            let asked = flags.get(b"min_request_interval").and_then(interval);
            fill(&mut refusal.min_interval, asked);
        }
        _ => {
            refusal.take(key, value);
        }
    });
    let interval = refusal.asked_interval();
    let is_known = found.iter().any(Option::is_some);
    if refusal.is_empty() && is_known {
        refusal.reason = None;
    }
    refusal.check(url, has_files)?;
    let counted = Counted {
        counts: found,
        interval,
    };
    if is_known {
        return Ok(counted);
    }
    match damage {
        Some(damage) => Err(cut.unwrap_or_else(|| {
            ProbeError::new(
                FailureReason::Malformed,
                format!("damaged answer: {damage}"),
            )
        })),
        None if !has_files => Err(ProbeError::new(
            FailureReason::Malformed,
            "a scrape without files",
        )),
        None => Ok(counted),
    }
}

/// Finds the counts of the targets in `files`. Other hashes come from trackers that only answer
/// with all they have.
fn find_counts(
    files: Dict<'_>,
    targets: &[(AnnounceId, InfoHash)],
    found: &mut [Option<ScrapeResponse>],
) {
    for (hash, entry) in files.iter() {
        let Value::Dict(entry) = entry else {
            continue;
        };
        let Some(counts) = file(entry) else {
            continue;
        };
        for (slot, (_, wanted)) in found.iter_mut().zip(targets) {
            if slot.is_none() && is_key_of(hash, wanted) {
                *slot = Some(counts);
            }
        }
    }
}

/// Returns whether a key of `files` is this info-hash. Some trackers (bittorrent-tracker) take the
/// hash for Latin-1 text and write it as UTF-8.
fn is_key_of(key: &[u8], hash: &InfoHash) -> bool {
    let code_points = hash.0.iter().map(|byte| u32::from(*byte));
    key == hash.0
        || std::str::from_utf8(key).is_ok_and(|text| text.chars().map(u32::from).eq(code_points))
}

/// Reads one entry of `files`; `None` if it has no believable count.
fn file(entry: Dict<'_>) -> Option<Counts> {
    let mut counts = Counts::default();
    for (key, value) in entry.iter() {
        match key {
            b"complete" => fill(&mut counts.seeders, count(value)),
            b"incomplete" => fill(&mut counts.leechers, count(value)),
            b"downloaded" => fill(&mut counts.completed, count(value)),
            _ => {}
        }
    }
    (counts != Counts::default()).then_some(counts)
}

/// Returns the refusal in the body of an HTTP error, if it has one.
pub fn stated_refusal(body: &[u8], url: &TrackerUrl) -> Option<ProbeError> {
    let dict = open(body).ok()?;
    let mut refusal = Refusal::default();
    each(dict, |key, value| {
        refusal.take(key, value);
    });
    refusal.check(url, false).err()
}

/// `failure reason` and `retry in` (BEP 31), the `failure code` that some trackers send instead,
/// and the intervals, which may accompany either.
#[derive(Default)]
struct Refusal<'a> {
    reason: Option<&'a [u8]>,
    retry: Option<Retry>,
    interval: Option<Duration>,
    min_interval: Option<Duration>,
    has_code: bool,
}

impl<'a> Refusal<'a> {
    fn take(&mut self, key: &[u8], value: Value<'a>) -> bool {
        match key {
            b"failure reason" => fill(&mut self.reason, Some(value.as_bytes().unwrap_or_default())),
            b"retry in" => fill(&mut self.retry, retry(value)),
            b"interval" => fill(&mut self.interval, interval(value)),
            b"min interval" => fill(&mut self.min_interval, interval(value)),
            // A sign that a tracker speaks, and nothing more.
            b"warning message" => {}
            b"failure code" => self.has_code = true,
            _ => return false,
        }
        true
    }

    /// Returns whether there is an empty `failure reason`.
    ///
    /// For BEP 3, libtorrent and rTorrent the key alone is a failure; Transmission ignores an empty
    /// text. If the response also has peers or counts, they prove more than an empty text. Such a
    /// response is used, with a warning, since many clients reject it. Without peers and counts it
    /// is a refusal.
    fn is_empty(&self) -> bool {
        self.reason.is_some_and(|text| text.trim_ascii().is_empty())
    }

    /// Returns the longer of the two intervals: no request may be sent before it is over.
    fn asked_interval(&self) -> Option<Duration> {
        self.interval.max(self.min_interval)
    }

    /// Returns the refusal as an error. `answers` is whether the response also has what was
    /// requested.
    fn check(self, url: &TrackerUrl, answers: bool) -> Result<(), ProbeError> {
        let interval = self.asked_interval();
        match self.reason {
            None if self.has_code && !answers => {
                let failed =
                    ProbeError::new(FailureReason::Rejected, "a failure code without a reason");
                Err(failed.with_retry(self.retry).with_interval(interval))
            }
            None => Ok(()),
            Some(text) => {
                Err(tracker_message::refusal(text, url, self.retry).with_interval(interval))
            }
        }
    }
}

/// Returns the dictionary at the beginning of a body.
fn open(body: &[u8]) -> Result<Dict<'_>, ProbeError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let body = body.trim_ascii_start();
    Dict::open(body).ok_or_else(|| {
        let what = match body {
            [] => "an empty answer",
            [b'<', ..] => "HTML instead of bencode",
            [b'{' | b'[', ..] => "JSON instead of bencode",
            _ => "not bencode",
        };
        ProbeError::new(FailureReason::NotBencode, what)
    })
}

/// Visits the entries of the dictionary, and entries after its end. A stray `e` (an empty `peers`
/// written twice, keys appended by a proxy script) must not hide them.
fn each<'a>(dict: Dict<'a>, mut visit: impl FnMut(&'a [u8], Value<'a>)) -> Option<bencode::Error> {
    let mut entries = dict.iter();
    for (key, value) in entries.by_ref() {
        visit(key, value);
    }
    if let Some(damage) = entries.damage() {
        return Some(damage);
    }
    let mut rest = entries.rest();
    for _ in 0..MAX_STRAY {
        let Ok((Value::Bytes(key), after)) = Value::parse(rest) else {
            break;
        };
        let Ok((value, after)) = Value::parse(after) else {
            break;
        };
        visit(key, value);
        rest = after;
    }
    None
}

fn fill<T>(field: &mut Option<T>, value: Option<T>) {
    if field.is_none() {
        *field = value;
    }
}

/// Reads a number, also one written as text.
pub(super) fn integer(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Int(n) => Some(n),
        Value::Bytes(text) => {
            let text = std::str::from_utf8(text).ok()?.trim();
            text.parse().or_else(saturated).ok()
        }
        _ => None,
    }
}

/// Returns the largest or smallest number instead of one beyond 64 bits, as for a bencoded one.
fn saturated(error: ParseIntError) -> Result<i64, ParseIntError> {
    match error.kind() {
        IntErrorKind::PosOverflow => Ok(i64::MAX),
        IntErrorKind::NegOverflow => Ok(i64::MIN),
        _ => Err(error),
    }
}

/// Stores a count. Returns whether a swarm can have it.
fn fill_count(field: &mut Option<u32>, value: Value<'_>) -> bool {
    let count = count(value);
    fill(field, count);
    count.is_some()
}

fn count(value: Value<'_>) -> Option<u32> {
    integer(value)
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| *n <= Counts::MAX)
}

fn interval(value: Value<'_>) -> Option<Duration> {
    let seconds = integer(value).filter(|n| *n > 0)?.min(MAX_INTERVAL);
    Some(Duration::from_secs(seconds.unsigned_abs()))
}

fn retry(value: Value<'_>) -> Option<Retry> {
    if value.as_bytes() == Some(b"never") {
        return Some(Retry::Never);
    }
    let minutes = integer(value).filter(|n| *n > 0)?.min(MAX_RETRY);
    Some(Retry::After(Duration::from_secs(
        60 * minutes.unsigned_abs(),
    )))
}

/// Reads four or sixteen bytes (BEP 24), or text.
fn external_ip(value: Value<'_>) -> Option<IpAddr> {
    let bytes = value.as_bytes()?;
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    if let Ok(v6) = <[u8; 16]>::try_from(bytes) {
        return Some(IpAddr::from(Ipv6Addr::from(v6)).to_canonical());
    }
    peers::address(bytes)
}

/// Reads a warning. An empty text is none.
fn warning(value: Value<'_>, url: &TrackerUrl) -> Option<Box<str>> {
    let text = tracker_message::warning(value.as_bytes()?, url);
    (!text.is_empty()).then_some(text)
}

fn tracker_id(value: Value<'_>) -> Option<Box<[u8]>> {
    value
        .as_bytes()
        .filter(|id| !id.is_empty() && id.len() <= MAX_TRACKER_ID)
        .map(Box::from)
}

#[cfg(test)]
mod tests;
