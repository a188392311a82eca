//! The three queries that we send. Each is marked read-only (BEP 43), so that nodes neither add us
//! to a routing table nor query us. Keys are in the order that bencode requires.

use crate::NodeId;

/// Appends a `get_peers` for `target`. With `scrape`, asks the node for filters (BEP 33), which it
/// may send instead of peers.
pub fn get_peers(
    to: &mut Vec<u8>,
    transaction: [u8; 4],
    own: &NodeId,
    target: &NodeId,
    scrape: bool,
) {
    open(to, own);
    to.extend_from_slice(b"9:info_hash20:");
    to.extend_from_slice(&target.0);
    if scrape {
        to.extend_from_slice(b"6:scrapei1e");
    }
    close(to, b"9:get_peers", transaction);
}

/// Appends a `find_node` for `target`.
pub fn find_node(to: &mut Vec<u8>, transaction: [u8; 4], own: &NodeId, target: &NodeId) {
    open(to, own);
    to.extend_from_slice(b"6:target20:");
    to.extend_from_slice(&target.0);
    close(to, b"9:find_node", transaction);
}

/// Appends a `ping`.
pub fn ping(to: &mut Vec<u8>, transaction: [u8; 4], own: &NodeId) {
    open(to, own);
    close(to, b"4:ping", transaction);
}

fn open(to: &mut Vec<u8>, own: &NodeId) {
    to.extend_from_slice(b"d1:ad2:id20:");
    to.extend_from_slice(&own.0);
}

fn close(to: &mut Vec<u8>, method: &[u8], transaction: [u8; 4]) {
    to.extend_from_slice(b"e1:q");
    to.extend_from_slice(method);
    to.extend_from_slice(b"2:roi1e1:t4:");
    to.extend_from_slice(&transaction);
    to.extend_from_slice(b"1:y1:qe");
}
