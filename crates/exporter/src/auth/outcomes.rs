//! What requests bring, and which of it was right or wrong before.

use std::collections::{HashSet, VecDeque};
use std::fmt;

use data_encoding::BASE64;
use hyper::header::HeaderValue;
use rustls::crypto::ring;
use sha2::{Digest, Sha256};

/// Wrong passwords remembered. A client whose password is out of date sends it again and again, and
/// costs one check.
const MAX_WRONG: usize = 1024;

/// Right passwords remembered at least: one per user, and some that changed.
const MIN_RIGHT: usize = 128;

/// A name and a password.
pub(super) struct Credentials {
    pub(super) name: String,
    pub(super) password: Vec<u8>,
}

impl Credentials {
    pub(super) fn read(authorization: Option<&HeaderValue>) -> Option<Self> {
        let (scheme, encoded) = authorization?.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let mut decoded = BASE64.decode(encoded.trim().as_bytes()).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let password = decoded.split_off(colon + 1);
        decoded.pop();
        Some(Self {
            name: String::from_utf8(decoded).ok()?,
            password,
        })
    }
}

/// The outcomes of checks, by a digest with a key that only this process knows: the memory of the
/// process does not tell the passwords.
pub(super) struct Outcomes {
    /// `None` where the system has no randomness: nothing is remembered then.
    key: Option<[u8; 32]>,
    right: Recent,
    wrong: Recent,
}

impl Outcomes {
    pub(super) fn new(users: usize) -> Self {
        let mut key = [0; 32];
        let random = ring::default_provider().secure_random.fill(&mut key);
        Self {
            key: random.is_ok().then_some(key),
            right: Recent::new(users.max(MIN_RIGHT)),
            wrong: Recent::new(MAX_WRONG),
        }
    }

    /// The lengths keep `ab` + `c` apart from `a` + `bc`.
    pub(super) fn digest(&self, credentials: &Credentials, hash: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.key.unwrap_or_default());
        let name = credentials.name.as_bytes();
        for part in [name, hash.as_bytes(), &credentials.password] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    /// Whether the password was right, if it has been checked lately.
    pub(super) fn recall(&self, digest: &[u8; 32]) -> Option<bool> {
        match (self.right.contains(digest), self.wrong.contains(digest)) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    pub(super) fn remember(&mut self, digest: [u8; 32], right: bool) {
        if self.key.is_none() {
            return;
        }
        match right {
            true => self.right.insert(digest),
            false => self.wrong.insert(digest),
        }
    }

    /// How many right and wrong passwords are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.right.set.len(), self.wrong.set.len())
    }
}

impl fmt::Debug for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcomes").finish_non_exhaustive()
    }
}

/// The latest digests, up to a limit.
struct Recent {
    limit: usize,
    set: HashSet<[u8; 32]>,
    /// The oldest first.
    order: VecDeque<[u8; 32]>,
}

impl Recent {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            set: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    fn contains(&self, digest: &[u8; 32]) -> bool {
        self.set.contains(digest)
    }

    fn insert(&mut self, digest: [u8; 32]) {
        if !self.set.insert(digest) {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(name: &str, password: &str) -> Credentials {
        Credentials {
            name: name.to_owned(),
            password: password.as_bytes().to_vec(),
        }
    }

    #[test]
    fn exactly_the_limit_is_remembered() {
        let mut recent = Recent::new(2);
        for n in [1, 2, 2, 3] {
            recent.insert([n; 32]);
        }
        let remembered: Vec<_> = (1..=3).filter(|n| recent.contains(&[*n; 32])).collect();
        assert_eq!(remembered, [2, 3]);
        assert_eq!(recent.set.len(), recent.order.len());
    }

    #[test]
    fn digests_depend_on_every_part_and_on_the_key() {
        let outcomes = Outcomes::new(1);
        let digest = outcomes.digest(&credentials("ab", "c"), "hash");
        assert_eq!(digest, outcomes.digest(&credentials("ab", "c"), "hash"));
        for other in [
            outcomes.digest(&credentials("a", "bc"), "hash"),
            outcomes.digest(&credentials("ab", "d"), "hash"),
            outcomes.digest(&credentials("ab", "c"), "other"),
            Outcomes::new(1).digest(&credentials("ab", "c"), "hash"),
        ] {
            assert_ne!(digest, other);
        }
    }
}
