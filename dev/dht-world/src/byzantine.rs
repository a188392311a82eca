//! Byzantine nodes: nodes that deviate from the protocol on purpose.

use super::ids::Id;
use super::random::{Rng, below, hash, unit};
use super::reply;

/// What a byzantine node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misbehaviour {
    /// It uses another id in each answer, always close to the target, and invents peers.
    Id,
    /// It names a cluster whose ids are extremely close to the target.
    Cluster,
    /// It sends datagrams that are not valid answers.
    Garbage,
    /// It answers under another transaction id.
    Transaction,
    /// It invents peers, fills filters and reports a wrong external address. Otherwise it is
    /// honest.
    Peers,
}

const MISBEHAVIOURS: [Misbehaviour; 5] = [
    Misbehaviour::Id,
    Misbehaviour::Cluster,
    Misbehaviour::Garbage,
    Misbehaviour::Transaction,
    Misbehaviour::Peers,
];
/// Byzantine clusters.
const CLUSTERS: u64 = 200;
/// Kinds of invalid datagrams.
const GARBAGE_KINDS: usize = 22;

/// Returns how a node misbehaves, if it does.
pub(super) fn misbehaviour(seed: u64, node: usize, share: f64) -> Option<Misbehaviour> {
    let lies = share > 0.0 && unit(hash(seed, 12, node as u64)) < share;
    let kind = below(hash(seed, 13, node as u64), MISBEHAVIOURS.len() as u64);
    lies.then(|| MISBEHAVIOURS[kind as usize])
}

/// Returns the cluster of a byzantine node, and the first of the eight members that it names for a
/// target.
pub(super) fn cluster_members(seed: u64, node: usize, target: &Id) -> (u8, u8) {
    let cluster = below(hash(seed, 14, node as u64), CLUSTERS) as u8 + 1;
    let first = target[0] % 240 + 1;
    (cluster, first)
}

/// Returns the id of a member of a cluster in a lookup of `target`. They share 120 bits.
pub(super) fn cluster_member_id(seed: u64, cluster: u8, member: u8, target: &Id) -> Id {
    let own = hash(seed, u64::from(cluster), member.into()).to_be_bytes();
    let mut id = *target;
    id[15..].copy_from_slice(&own[..5]);
    id
}

/// Returns an id close to a target.
pub(super) fn close_to(target: &Id, rng: &mut Rng) -> Id {
    let mut id = *target;
    let from = 4 + rng.below(8);
    rng.fill(&mut id[from..]);
    id
}

/// Returns another transaction id.
pub(super) fn other_transaction(transaction: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut other = transaction.to_vec();
    match rng.below(4) {
        0 => other.clear(),
        1 => other.push(0),
        2 => other.truncate(transaction.len().saturating_sub(1)),
        _ => other.iter_mut().for_each(|byte| *byte ^= 0x5a),
    }
    other
}

/// Writes an invalid datagram, made from an honest answer.
pub(super) fn garbage(out: &mut Vec<u8>, honest: &[u8], transaction: &[u8], rng: &mut Rng) {
    let random = |length: usize, rng: &mut Rng| {
        let mut bytes = vec![0; length];
        rng.fill(&mut bytes);
        bytes
    };
    let own = random(20, rng);
    let around = |body: &[u8]| wrap(body, transaction);
    let with_id = |rest: &[u8]| around(&[b"2:id20:", &own[..], rest].concat());
    let bytes = match rng.below(GARBAGE_KINDS) {
        0 => Vec::new(),
        1 => b"d".to_vec(),
        2 => random(100, rng),
        3 => vec![0; 1400],
        4 => honest[..honest.len() / 2].to_vec(),
        5 => b"<html><body>403 Forbidden</body></html>".to_vec(),
        6 => b"d1:rd2:id99999999999999999999:".to_vec(),
        7 => b"d1:rd2:id-5:aaaaae1:y1:re".to_vec(),
        8 => vec![b'l'; 1400],
        9 => b"d1:a".repeat(350),
        10 => around(b""),
        11 => around(&[b"2:id19:", &own[..19]].concat()),
        12 => with_id(b"5:nodes25:aaaaaaaaaaaaaaaaaaaaaaaaa6:nodes637:bbb"),
        13 => with_id(&[b"5:nodes51:", &random(51, rng)[..]].concat()),
        14 => with_id(b"6:values5:abcde"),
        15 => with_id(b"6:valuesl0:1:a5:abcdei7eli1eee7:abcdefg19:0123456789012345678e"),
        16 => with_id(b"4:BFpe3:abc4:BFsdi1e5:token0:"),
        17 => {
            let mut whole = b"d1:ei203e1:t".to_vec();
            reply::string(&mut whole, transaction);
            whole.extend(b"1:y1:ee");
            whole
        }
        18 => {
            let mut whole = Vec::new();
            reply::error(&mut whole, transaction, (201, "A Generic Error Ocurred"));
            whole
        }
        19 => {
            let mut whole = b"d1:ad2:id20:".to_vec();
            whole.extend(&own);
            whole.extend(b"e1:q4:ping1:t");
            reply::string(&mut whole, transaction);
            whole.extend(b"1:y1:qe");
            whole
        }
        20 => {
            let mut whole = b"d1:rle1:t".to_vec();
            reply::string(&mut whole, transaction);
            whole.extend(b"1:yi114ee");
            whole
        }
        _ => [b"i1e", honest].concat(),
    };
    out.extend(bytes);
}

/// Wraps a hand-written body into an answer.
fn wrap(body: &[u8], transaction: &[u8]) -> Vec<u8> {
    let mut whole = b"d1:rd".to_vec();
    whole.extend(body);
    whole.extend(b"e1:t");
    reply::string(&mut whole, transaction);
    whole.extend(b"1:y1:re");
    whole
}
