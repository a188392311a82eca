//! Peer lists in all the shapes that trackers give them.

use std::net::IpAddr;

use super::answer::integer;
use seedwatch_torrent::bencode::{Dict, Value};
use seedwatch_torrent::{Family, Peers};

/// Reads the value of `peers` or `peers6`, and returns how many of its unreadable entries are peers
/// with a host name. A string holds entries of `packed`: of 6 bytes (BEP 23) or of 18 (BEP 7). Keeps
/// the first `limit` peers of each family and counts the others.
pub(super) fn read(peers: &mut Peers, value: Value<'_>, packed: Family, limit: usize) -> usize {
    let mut names = 0;
    match value {
        Value::Bytes(bytes) => match packed {
            Family::Ipv4 => peers.push_compact4_within(bytes, limit),
            Family::Ipv6 => peers.push_compact6_within(bytes, limit),
        },
        Value::List(list) => {
            for entry in list.iter() {
                names += one(peers, entry, limit);
            }
        }
        // PHP makes an array that lost an entry a dictionary with numbers for keys.
        Value::Dict(dict) if has_peer_keys(dict) => names += one(peers, value, limit),
        Value::Dict(dict) => {
            for (_, entry) in dict.iter() {
                names += one(peers, entry, limit);
            }
        }
        // Some write 0 for an empty list.
        Value::Int(0) => {}
        Value::Int(_) => peers.malformed += 1,
    }
    names
}

fn has_peer_keys(dict: Dict<'_>) -> bool {
    dict.get(b"ip").is_some()
}

/// One entry of a list: a dictionary (BEP 3) or a packed entry. Returns 1 for a peer with a host
/// name, which is not read.
fn one(peers: &mut Peers, entry: Value<'_>, limit: usize) -> usize {
    match entry {
        Value::Dict(dict) => match endpoint(dict) {
            Some((host, port)) => match address(host) {
                Some(ip) => peers.push_within(ip, port, limit),
                None => {
                    peers.malformed += 1;
                    return usize::from(is_name(host));
                }
            },
            None => peers.malformed += 1,
        },
        Value::Bytes(bytes) if bytes.len() == 6 => peers.push_compact4_within(bytes, limit),
        Value::Bytes(bytes) if bytes.len() == 18 => peers.push_compact6_within(bytes, limit),
        _ => peers.malformed += 1,
    }
    0
}

fn endpoint(dict: Dict<'_>) -> Option<(&[u8], u16)> {
    let (mut ip, mut port) = (None, None);
    for (key, value) in dict.iter() {
        match key {
            b"ip" => ip = value.as_bytes(),
            b"port" => port = integer(value),
            _ => {}
        }
    }
    Some((ip?, u16::try_from(port?).ok()?))
}

/// A host name, and not an address with a slip in it.
fn is_name(host: &[u8]) -> bool {
    host.iter().any(u8::is_ascii_alphabetic)
        && host
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
}

/// An address in text. Host names (BEP 3 allows them) are not resolved: a tracker must not make
/// us ask for names.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    Some(bare.parse::<IpAddr>().ok()?.to_canonical())
}
