//! Basic authentication against bcrypt hashes (RFC 7617).

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use bcrypt::HashParts;
use data_encoding::BASE64;
use hyper::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

/// Highest cost accepted. Each step doubles the work; 16 is about three seconds a check.
const MAX_COST: u32 = 16;

/// Passwords checked at a time. One: guessing must not take the machine from the probes. Who has
/// been let in before does not wait.
const CHECKS: usize = 1;

/// Successful checks remembered; when they are more, all are forgotten.
const MAX_REMEMBERED: usize = 128;

/// A bcrypt hash as it stands in the file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hash {
    text: Box<str>,
    cost: u32,
}

/// Why a hash is refused. The text does not repeat it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HashError {
    #[error("a password must be a bcrypt hash ($2y$…)")]
    NotBcrypt,
    #[error("the cost of a password must not exceed 16")]
    TooCostly,
}

impl Hash {
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let parts = HashParts::from_str(text).map_err(|_| HashError::NotBcrypt)?;
        // Refuses versions that can be split but not checked.
        let known = ["$2a$", "$2b$", "$2x$", "$2y$"]
            .iter()
            .any(|v| text.starts_with(v));
        match (known, parts.get_cost()) {
            (false, _) | (_, ..4) => Err(HashError::NotBcrypt),
            (_, cost) if cost > MAX_COST => Err(HashError::TooCostly),
            (_, cost) => Ok(Self {
                text: text.into(),
                cost,
            }),
        }
    }
}

/// Hides the hash.
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash(cost {})", self.cost)
    }
}

/// Who may come in. At least one user.
#[derive(Debug)]
pub(super) struct Users {
    hashes: BTreeMap<String, Hash>,
    /// Checked for names that do not exist, so that they take as long as those that do.
    decoy: Hash,
    /// Digests of name, hash and password that were right.
    remembered: Mutex<HashSet<[u8; 32]>>,
    checks: Semaphore,
}

impl Users {
    /// `None` without any user: everybody may come in.
    pub(super) fn new(hashes: BTreeMap<String, Hash>) -> Option<Self> {
        let decoy = hashes.values().max_by_key(|hash| hash.cost)?.clone();
        Some(Self {
            hashes,
            decoy,
            remembered: Mutex::default(),
            checks: Semaphore::new(CHECKS),
        })
    }

    /// Whether the request brings the name and password of a user.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(Credentials { name, password }) = Credentials::read(headers) else {
            return false;
        };
        let (hash, exists) = match self.hashes.get(&name) {
            Some(hash) => (hash, true),
            None => (&self.decoy, false),
        };
        let digest = digest(&name, &hash.text, &password);
        if exists && self.lock().contains(&digest) {
            return true;
        }
        let Ok(_turn) = self.checks.acquire().await else {
            return false;
        };
        let hash: Arc<str> = Arc::from(&*hash.text);
        let check = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash));
        let right = matches!(check.await, Ok(Ok(true))) && exists;
        if right {
            let mut remembered = self.lock();
            if remembered.len() >= MAX_REMEMBERED {
                remembered.clear();
            }
            remembered.insert(digest);
        }
        right
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<[u8; 32]>> {
        // Nothing can be half done in a set of digests.
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

struct Credentials {
    name: String,
    password: Vec<u8>,
}

impl Credentials {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
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

/// The lengths keep `ab` + `c` apart from `a` + `bc`.
fn digest(name: &str, hash: &str, password: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [name.as_bytes(), hash.as_bytes(), password] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        let hash = |password: &str| Hash::parse(&bcrypt::hash(password, 4).unwrap()).unwrap();
        let hashes = [("alice", hash("secret")), ("bob", hash("other"))];
        Users::new(hashes.map(|(name, hash)| (name.to_owned(), hash)).into()).unwrap()
    }

    fn headers(name: &str, password: &str) -> HeaderMap {
        let encoded = BASE64.encode(format!("{name}:{password}").as_bytes());
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Basic {encoded}").parse().unwrap());
        headers
    }

    #[tokio::test]
    async fn only_what_was_right_is_remembered() {
        let users = users();
        assert!(!users.admit(&headers("alice", "wrong")).await);
        assert!(!users.admit(&headers("mallory", "secret")).await);
        assert!(!users.admit(&headers("alice", "other")).await);
        assert_eq!(users.lock().len(), 0);
        assert!(users.admit(&headers("alice", "secret")).await);
        assert!(users.admit(&headers("alice", "secret")).await);
        assert!(users.admit(&headers("bob", "other")).await);
        assert_eq!(users.lock().len(), 2);
    }

    #[tokio::test]
    async fn who_is_known_does_not_wait_behind_guesses() {
        let users = users();
        assert!(users.admit(&headers("alice", "secret")).await);
        let _guessing = users.checks.acquire().await.unwrap();
        assert!(users.admit(&headers("alice", "secret")).await);
    }

    #[test]
    fn names_without_a_user_cost_as_much_as_the_dearest_user() {
        let hash = |cost| Hash::parse(&bcrypt::hash("x", cost).unwrap()).unwrap();
        let hashes = [("a", hash(4)), ("b", hash(6)), ("c", hash(5))];
        let users = Users::new(hashes.map(|(name, hash)| (name.to_owned(), hash)).into());
        assert_eq!(users.unwrap().decoy.cost, 6);
        assert!(Users::new(BTreeMap::new()).is_none());
    }

    #[test]
    fn hashes_are_checked_when_they_are_read() {
        let good = bcrypt::hash("x", 4).unwrap();
        assert_eq!(Hash::parse(&good).unwrap().cost, 4);
        assert!(!format!("{:?}", Hash::parse(&good)).contains(&good));
        for bad in [
            "",
            "secret",
            &good[1..],
            &good[..50],
            &good.replace("$2b$", "$1$"),
            &good.replace("$04$", "$03$"),
        ] {
            assert_eq!(Hash::parse(bad), Err(HashError::NotBcrypt), "{bad}");
        }
        let dear = good.replace("$04$", "$17$");
        assert_eq!(Hash::parse(&dear), Err(HashError::TooCostly));
    }
}
