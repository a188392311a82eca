//! Our identity at trackers: peer id, key and port. It lasts as long as the process.

use std::hash::{BuildHasher, RandomState};
use std::io;

use seedwatch_distinct::Key;
use seedwatch_torrent::Family;
use seedwatch_tracker::Identity;

/// Ports to announce. Ordinary clients rarely choose them, so that our own entry can be told apart
/// in a peer list: above the well-known ports, below the ephemeral ports of most systems.
const PORTS: std::ops::Range<u16> = 16_384..32_768;

/// Returns a new identity. `prefix` begins the peer id and names the client.
pub(super) fn new_identity(prefix: &str) -> Identity {
    // The operating system seeds it. A peer id must be unique, not secret.
    let random = RandomState::new();
    let mut peer_id = [0; 20];
    let length = prefix.len().min(peer_id.len());
    peer_id[..length].copy_from_slice(&prefix.as_bytes()[..length]);
    for (index, byte) in peer_id.iter_mut().enumerate().skip(length) {
        // A printable peer id is readable in the logs of trackers.
        const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        *byte = ALPHABET[(random.hash_one(index) % 36) as usize];
    }
    let span = u64::from(PORTS.end - PORTS.start);
    let port = |family: Family| {
        let number = random.hash_one(("port", family.as_label()));
        PORTS.start + (number % span) as u16
    };
    Identity {
        peer_id,
        key: random.hash_one("key") as u32,
        ports: Family::ALL.map(port),
    }
}

/// Returns a new secret key for the hashes of peers.
///
/// # Errors
/// If the operating system has no random numbers.
pub(super) fn new_key() -> io::Result<Key> {
    let mut secret = [0; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    match random.fill(&mut secret) {
        Ok(()) => Ok(Key::new(secret)),
        Err(_) => Err(io::Error::other("the system has no random numbers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_ids_share_the_prefix_and_differ_otherwise() {
        let [first, second] = [new_identity("-SW0100-"), new_identity("-SW0100-")];
        assert!(first.peer_id.starts_with(b"-SW0100-"));
        assert_ne!(first.peer_id, second.peer_id);
        assert!(first.ports.iter().all(|port| PORTS.contains(port)));
    }
}
