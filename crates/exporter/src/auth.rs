//! Basic authentication against bcrypt hashes (RFC 7617).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bcrypt::HashParts;
use hyper::header::{AUTHORIZATION, HeaderMap};
use tokio::sync::oneshot;

use super::client::ClientKey;
use super::turns::{Turn, Turns};
use outcomes::{Credentials, Outcomes};

mod outcomes;

/// Highest cost accepted. Each step doubles the work; 18 takes about ten seconds per check.
pub(super) const MAX_COST: u32 = 18;

/// Lowest cost that bcrypt has.
const MIN_COST: u32 = 4;

/// Passwords checked at a time. One: guessing must not take the machine from the probes. A password
/// whose outcome is remembered is not checked again and does not wait.
const CHECKS: usize = 1;

/// Checks of one client that may wait.
const MAX_WAITING: usize = 8;

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
    #[error("the cost of a password must not exceed {MAX_COST}")]
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
            (false, _) | (_, ..MIN_COST) => Err(HashError::NotBcrypt),
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

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It brings the name and password of a user.
    Admitted,
    /// It does not.
    Refused,
    /// Too many passwords of the same client wait to be checked.
    Busy,
}

/// The users of the web configuration. At least one.
#[derive(Debug)]
pub(super) struct Users {
    hashes: BTreeMap<String, Hash>,
    /// The hash with the highest cost, checked for names that do not exist.
    dearest: Hash,
    outcomes: Mutex<Outcomes>,
    checks: Turns,
}

impl Users {
    /// `None` without any user: no password is asked for.
    pub(super) fn new(hashes: BTreeMap<String, Hash>) -> Option<Self> {
        let dearest = hashes.values().max_by_key(|hash| hash.cost)?.clone();
        Some(Self {
            outcomes: Mutex::new(Outcomes::new(hashes.len())),
            hashes,
            dearest,
            checks: Turns::new(CHECKS, MAX_WAITING),
        })
    }

    /// Whether the request brings the name and password of a user.
    pub(super) async fn admit(self: &Arc<Self>, headers: &HeaderMap, from: ClientKey) -> Admission {
        let Some(credentials) = Credentials::read(headers.get(AUTHORIZATION)) else {
            return Admission::Refused;
        };
        let (hash, exists) = match self.hashes.get(&credentials.name) {
            Some(hash) => (hash, true),
            None => (&self.dearest, false),
        };
        let digest = self.lock().digest(&credentials, &hash.text);
        if let Some(right) = self.lock().recall(&digest) {
            return right.into();
        }
        let Ok(turn) = self.checks.take(from).await else {
            return Admission::Busy;
        };
        // The same password may have been checked while this request waited.
        if let Some(right) = self.lock().recall(&digest) {
            return right.into();
        }
        let check = Check {
            users: Arc::clone(self),
            password: credentials.password,
            hash: hash.clone(),
            exists,
            digest,
            turn,
        };
        check.start().await.unwrap_or(false).into()
    }

    fn lock(&self) -> MutexGuard<'_, Outcomes> {
        // Nothing can be half done in a list of digests.
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<bool> for Admission {
    fn from(right: bool) -> Self {
        match right {
            true => Self::Admitted,
            false => Self::Refused,
        }
    }
}

/// A password to be checked.
struct Check {
    users: Arc<Users>,
    password: Vec<u8>,
    hash: Hash,
    exists: bool,
    digest: [u8; 32],
    turn: Turn,
}

impl Check {
    /// Checks on a thread of its own, which neither the shutdown nor a request that is given up
    /// waits for or ends. The outcome serves the next request.
    fn start(self) -> oneshot::Receiver<bool> {
        let (done, outcome) = oneshot::channel();
        let started = thread::Builder::new()
            .name("password-check".to_owned())
            .spawn(move || {
                let right = self.run();
                let _ = done.send(right);
            });
        if let Err(error) = started {
            tracing::error!(%error, "cannot start a thread to check a password");
        }
        outcome
    }

    fn run(self) -> bool {
        let right = bcrypt::verify(&self.password, &self.hash.text).unwrap_or(false) && self.exists;
        if !right {
            for cost in padding(self.hash.cost, self.users.dearest.cost) {
                // What it yields is of no interest, only the time it takes.
                let _ = std::hint::black_box(bcrypt::hash_with_salt(&self.password, cost, [0; 16]));
            }
        }
        self.users.lock().remember(self.digest, right);
        drop(self.turn);
        right
    }
}

/// The costs of the hashes that take as long as a hash of cost `to` takes longer than one of cost
/// `from`. With them every refusal takes the same time: the time tells neither whether a user
/// exists nor the cost of its hash.
fn padding(from: u32, to: u32) -> std::ops::Range<u32> {
    from..to
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    fn hash(password: &str, cost: u32) -> Hash {
        Hash::parse(&bcrypt::hash(password, cost).unwrap()).unwrap()
    }

    fn users() -> Arc<Users> {
        let hashes = [("alice", hash("secret", 4)), ("bob", hash("other", 4))];
        let hashes = hashes.map(|(name, hash)| (name.to_owned(), hash));
        Arc::new(Users::new(hashes.into()).unwrap())
    }

    async fn admit(users: &Arc<Users>, name: &str, password: &str) -> Admission {
        let encoded = BASE64.encode(format!("{name}:{password}").as_bytes());
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Basic {encoded}").parse().unwrap());
        users.admit(&headers, ClientKey::LOCAL).await
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_user_is_admitted() {
        let users = users();
        for _ in 0..2 {
            for (name, password, expected) in [
                ("alice", "wrong", Admission::Refused),
                ("mallory", "secret", Admission::Refused),
                ("alice", "other", Admission::Refused),
                ("alice", "secret", Admission::Admitted),
                ("bob", "other", Admission::Admitted),
            ] {
                assert_eq!(admit(&users, name, password).await, expected, "{name}");
            }
        }
        assert_eq!(users.lock().remembered(), (2, 3));
    }

    #[tokio::test]
    async fn what_was_checked_before_does_not_wait_behind_guesses() {
        let users = users();
        assert_eq!(admit(&users, "alice", "secret").await, Admission::Admitted);
        assert_eq!(admit(&users, "alice", "wrong").await, Admission::Refused);
        let _guessing = users.checks.take(ClientKey::LOCAL).await.unwrap();
        assert_eq!(admit(&users, "alice", "secret").await, Admission::Admitted);
        assert_eq!(admit(&users, "alice", "wrong").await, Admission::Refused);
    }

    #[tokio::test]
    async fn a_client_has_a_limited_number_of_checks_waiting() {
        let users = users();
        let guessing = users.checks.take(ClientKey::LOCAL).await.unwrap();
        let mut waiting = Vec::new();
        for n in 0..MAX_WAITING {
            let users = Arc::clone(&users);
            let guess = async move { admit(&users, "alice", &n.to_string()).await };
            waiting.push(tokio::spawn(guess));
        }
        while users.checks.waiting() < MAX_WAITING {
            tokio::task::yield_now().await;
        }
        assert_eq!(admit(&users, "alice", "secret").await, Admission::Busy);
        drop(guessing);
        for guess in waiting {
            assert_eq!(guess.await.unwrap(), Admission::Refused);
        }
        assert_eq!(admit(&users, "alice", "secret").await, Admission::Admitted);
    }

    #[tokio::test]
    async fn the_outcome_of_a_check_outlives_its_request() {
        let users = users();
        let request = {
            let users = Arc::clone(&users);
            tokio::spawn(async move { admit(&users, "alice", "secret").await })
        };
        while users.checks.free() > 0 && users.lock().remembered() == (0, 0) {
            tokio::task::yield_now().await;
        }
        request.abort();
        while users.lock().remembered() != (1, 0) {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn every_refusal_costs_as_much_as_the_dearest_hash() {
        let hashes = [
            ("a", hash("x", 4)),
            ("b", hash("x", 6)),
            ("c", hash("x", 5)),
        ];
        let users = Users::new(hashes.map(|(name, hash)| (name.to_owned(), hash)).into());
        let dearest = users.unwrap().dearest.cost;
        assert_eq!(dearest, 6);
        for cost in MIN_COST..=dearest {
            let rounds = 1u64 << cost;
            let padding: u64 = padding(cost, dearest).map(|cost| 1 << cost).sum();
            assert_eq!(rounds + padding, 1 << dearest);
        }
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
        let highest = good.replace("$04$", "$18$");
        assert_eq!(Hash::parse(&highest).unwrap().cost, MAX_COST);
        let dear = good.replace("$04$", "$19$");
        assert_eq!(Hash::parse(&dear), Err(HashError::TooCostly));
    }
}
