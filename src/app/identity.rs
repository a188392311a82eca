//! Who we are to trackers while this process lives.

use std::hash::{BuildHasher, RandomState};
use std::io;

use seedwatch_distinct::Key;
use seedwatch_torrent::Family;
use seedwatch_tracker::Identity;

/// Ports that ordinary clients rarely choose, so that ours is found again in a list: above the
/// registered ones, below the ephemeral ones of most systems.
const PORTS: std::ops::Range<u16> = 16_384..32_768;

/// A fresh identity. `prefix` says whose the peer id is.
pub(super) fn fresh(prefix: &str) -> Identity {
    // Seeded by the operating system; a peer id needs to be unlike others, not secret.
    let random = RandomState::new();
    let mut peer_id = [0; 20];
    let kept = prefix.len().min(peer_id.len());
    peer_id[..kept].copy_from_slice(&prefix.as_bytes()[..kept]);
    for (place, byte) in peer_id.iter_mut().enumerate().skip(kept) {
        // Trackers and logs are kinder to printable peer ids.
        const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        *byte = ALPHABET[(random.hash_one(place) % 36) as usize];
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

/// A fresh secret to remember peers with.
///
/// # Errors
/// When the operating system has no random numbers.
pub(super) fn key() -> io::Result<Key> {
    let mut secret = [0; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    match random.fill(&mut secret) {
        Ok(()) => Ok(Key::new(secret)),
        Err(_) => Err(io::Error::other("there are no random numbers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_leads_and_the_rest_differs() {
        let [a, b] = [fresh("-SW0100-"), fresh("-SW0100-")];
        assert!(a.peer_id.starts_with(b"-SW0100-"));
        assert_ne!(a.peer_id, b.peer_id);
        assert!(a.ports.iter().all(|port| PORTS.contains(port)));
    }
}
