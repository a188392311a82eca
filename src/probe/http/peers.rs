//! Peer lists in all the shapes that trackers give them.

use std::net::IpAddr;

use super::answer::integer;
use crate::bencode::{Dict, Value};
use crate::observation::Peers;

/// What a string holds: entries of 6 bytes (BEP 23) or of 18 (BEP 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    V4,
    V6,
}

/// Reads the value of `peers` or `peers6`.
pub(super) fn read(peers: &mut Peers, value: Value<'_>, packed: Packed) {
    match value {
        Value::Bytes(bytes) => match packed {
            Packed::V4 => peers.push_compact4(bytes),
            Packed::V6 => peers.push_compact6(bytes),
        },
        Value::List(list) => {
            for entry in list.iter() {
                one(peers, entry);
            }
        }
        // PHP makes an array that lost an entry a dictionary with numbers for keys.
        Value::Dict(dict) if has_peer_keys(dict) => one(peers, value),
        Value::Dict(dict) => {
            for (_, entry) in dict.iter() {
                one(peers, entry);
            }
        }
        // Some write 0 for an empty list.
        Value::Int(0) => {}
        Value::Int(_) => peers.malformed += 1,
    }
}

fn has_peer_keys(dict: Dict<'_>) -> bool {
    dict.get(b"ip").is_some()
}

/// One entry of a list: a dictionary (BEP 3) or a packed entry.
fn one(peers: &mut Peers, entry: Value<'_>) {
    if peers.len() >= Peers::MAX {
        return;
    }
    match entry {
        Value::Dict(dict) => match endpoint(dict) {
            Some((ip, port)) => peers.push(ip, port),
            None => peers.malformed += 1,
        },
        Value::Bytes(bytes) if bytes.len() == 6 => peers.push_compact4(bytes),
        Value::Bytes(bytes) if bytes.len() == 18 => peers.push_compact6(bytes),
        _ => peers.malformed += 1,
    }
}

fn endpoint(dict: Dict<'_>) -> Option<(IpAddr, u16)> {
    let (mut ip, mut port) = (None, None);
    for (key, value) in dict.iter() {
        match key {
            b"ip" => ip = value.as_bytes(),
            b"port" => port = integer(value),
            _ => {}
        }
    }
    Some((address(ip?)?, u16::try_from(port?).ok()?))
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
