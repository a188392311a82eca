//! Our identity at trackers: peer id, key and port. It lasts as long as the process.

use std::io;

use rand::rngs::SysRng;
use rand::{RngExt, TryRng};
use seedwatch_distinct::Key;
use seedwatch_torrent::Family;
use seedwatch_tracker::Identity;

/// Ports to announce. Ordinary clients rarely choose them, so that our own entry can be told apart
/// in a peer list: above the well-known ports, below the ephemeral ports of most systems.
const PORTS: std::ops::Range<u16> = 16_384..32_768;

/// Returns a new identity. `prefix` begins the peer id and names the client.
pub(super) fn new_identity(prefix: &str) -> Identity {
    let mut rng = rand::rng();
    let mut peer_id = [0; 20];
    let length = prefix.len().min(peer_id.len());
    peer_id[..length].copy_from_slice(&prefix.as_bytes()[..length]);
    for byte in &mut peer_id[length..] {
        // A printable peer id is readable in the logs of trackers.
        const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        *byte = ALPHABET[rng.random_range(..ALPHABET.len())];
    }
    Identity {
        peer_id,
        key: rng.random(),
        ports: Family::ALL.map(|_| rng.random_range(PORTS)),
    }
}

/// Returns a new secret key for the hashes of peers.
///
/// # Errors
/// If the operating system has no random numbers.
pub(super) fn new_key() -> io::Result<Key> {
    let mut secret = [0; 16];
    SysRng
        .try_fill_bytes(&mut secret)
        .map_err(|_| io::Error::other("the system has no random numbers"))?;
    Ok(Key::new(secret))
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
