//! Credentials in requests, and a cache of the outcomes of password checks.

use std::collections::{HashSet, VecDeque};
use std::fmt;

use data_encoding::BASE64;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

/// Incorrect passwords in the cache. A client whose password is out of date sends it repeatedly,
/// but costs one check.
const MAX_INCORRECT: usize = 1024;

/// Fewest correct passwords in the cache: one per user, and some that changed.
const MIN_CORRECT: usize = 128;

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

/// The outcomes of checks, by a digest under a key that only this process knows. The cache does not
/// contain the passwords.
pub(super) struct OutcomeCache {
    /// `None` if the system has no randomness: nothing is cached then.
    key: Option<[u8; 32]>,
    correct: RecentDigests,
    incorrect: RecentDigests,
}

impl OutcomeCache {
    pub(super) fn new(users: usize) -> Self {
        let mut key = [0; 32];
        let filled = getrandom::fill(&mut key);
        Self {
            key: filled.is_ok().then_some(key),
            correct: RecentDigests::new(users.max(MIN_CORRECT)),
            incorrect: RecentDigests::new(MAX_INCORRECT),
        }
    }

    /// Returns the cache key of a check. The lengths distinguish `ab` + `c` from `a` + `bc`.
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

    /// Returns whether the password was correct, if the cache has it.
    pub(super) fn recall(&self, digest: &[u8; 32]) -> Option<bool> {
        match (
            self.correct.contains(digest),
            self.incorrect.contains(digest),
        ) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    pub(super) fn remember(&mut self, digest: [u8; 32], is_correct: bool) {
        if self.key.is_none() {
            return;
        }
        match is_correct {
            true => self.correct.insert(digest),
            false => self.incorrect.insert(digest),
        }
    }

    /// How many right and wrong passwords are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.correct.set.len(), self.incorrect.set.len())
    }
}

impl fmt::Debug for OutcomeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomeCache").finish_non_exhaustive()
    }
}

/// The most recent digests, up to a limit.
struct RecentDigests {
    limit: usize,
    set: HashSet<[u8; 32]>,
    /// The oldest first.
    order: VecDeque<[u8; 32]>,
}

impl RecentDigests {
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
        let mut recent = RecentDigests::new(2);
        for n in [1, 2, 2, 3] {
            recent.insert([n; 32]);
        }
        let remembered: Vec<_> = (1..=3).filter(|n| recent.contains(&[*n; 32])).collect();
        assert_eq!(remembered, [2, 3]);
        assert_eq!(recent.set.len(), recent.order.len());
    }

    #[test]
    fn digests_depend_on_every_part_and_on_the_key() {
        let outcomes = OutcomeCache::new(1);
        let digest = outcomes.digest(&credentials("ab", "c"), "hash");
        assert_eq!(digest, outcomes.digest(&credentials("ab", "c"), "hash"));
        for other in [
            outcomes.digest(&credentials("a", "bc"), "hash"),
            outcomes.digest(&credentials("ab", "d"), "hash"),
            outcomes.digest(&credentials("ab", "c"), "other"),
            OutcomeCache::new(1).digest(&credentials("ab", "c"), "hash"),
        ] {
            assert_ne!(digest, other);
        }
    }
}
