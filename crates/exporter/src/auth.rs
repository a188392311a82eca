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
use super::fair_queue::{FairQueue, Permit};
use outcomes::{Credentials, OutcomeCache};

mod outcomes;

/// Highest cost accepted. Each step doubles the work; 18 takes about ten seconds per check.
pub(super) const MAX_COST: u32 = 18;

/// Lowest cost that bcrypt has.
const MIN_COST: u32 = 4;

/// Passwords checked at a time. Guessing must not take more than one core from the probes. A
/// password whose outcome is cached is not checked again and does not wait.
const CHECKS: usize = 1;

/// Most checks of one client that wait.
const MAX_WAITING: usize = 8;

/// A bcrypt hash as written in the file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hash {
    text: Box<str>,
    cost: u32,
}

/// Why a hash is refused. The message does not repeat the hash.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HashError {
    #[error("must be a bcrypt hash ($2y$…)")]
    NotBcrypt,
    #[error("must not have a cost above {MAX_COST}")]
    TooCostly,
}

impl Hash {
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let parts = HashParts::from_str(text).map_err(|_| HashError::NotBcrypt)?;
        // Versions that can be split but not checked are refused.
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

/// The outcome of authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthOutcome {
    /// The request has the name and password of a user.
    Accepted,
    /// It has not.
    Rejected,
    /// Too many passwords of the same client wait to be checked.
    Busy,
}

/// The users of the web configuration, at least one.
#[derive(Debug)]
pub(super) struct Users {
    hashes: BTreeMap<String, Hash>,
    /// The hash with the highest cost, checked for names that do not exist.
    costliest: Hash,
    outcomes: Mutex<OutcomeCache>,
    checks: FairQueue,
}

impl Users {
    /// Returns `None` if there is no user: no password is required then.
    pub(super) fn new(hashes: BTreeMap<String, Hash>) -> Option<Self> {
        let costliest = hashes.values().max_by_key(|hash| hash.cost)?.clone();
        Some(Self {
            outcomes: Mutex::new(OutcomeCache::new(hashes.len())),
            hashes,
            costliest,
            checks: FairQueue::new(CHECKS, MAX_WAITING),
        })
    }

    /// Checks the name and password of a request.
    pub(super) async fn authenticate(
        self: &Arc<Self>,
        headers: &HeaderMap,
        from: ClientKey,
    ) -> AuthOutcome {
        let Some(credentials) = Credentials::read(headers.get(AUTHORIZATION)) else {
            return AuthOutcome::Rejected;
        };
        let (hash, exists) = match self.hashes.get(&credentials.name) {
            Some(hash) => (hash, true),
            None => (&self.costliest, false),
        };
        let digest = self.lock().digest(&credentials, &hash.text);
        if let Some(is_correct) = self.lock().recall(&digest) {
            return is_correct.into();
        }
        let Ok(permit) = self.checks.acquire(from).await else {
            return AuthOutcome::Busy;
        };
        // The same password may have been checked while this request waited.
        if let Some(is_correct) = self.lock().recall(&digest) {
            return is_correct.into();
        }
        let check = PasswordCheck {
            users: Arc::clone(self),
            password: credentials.password,
            hash: hash.clone(),
            exists,
            digest,
            permit,
        };
        check.start().await.unwrap_or(false).into()
    }

    fn lock(&self) -> MutexGuard<'_, OutcomeCache> {
        // A list of digests has no intermediate state that a panic could leave.
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<bool> for AuthOutcome {
    fn from(is_correct: bool) -> Self {
        match is_correct {
            true => Self::Accepted,
            false => Self::Rejected,
        }
    }
}

/// The check of one password.
struct PasswordCheck {
    users: Arc<Users>,
    password: Vec<u8>,
    hash: Hash,
    exists: bool,
    digest: [u8; 32],
    permit: Permit,
}

impl PasswordCheck {
    /// Checks on a dedicated thread. The shutdown does not wait for it, and a cancelled request
    /// does not end it: its outcome serves the next request.
    fn start(self) -> oneshot::Receiver<bool> {
        let (done, outcome) = oneshot::channel();
        let started = thread::Builder::new()
            .name("password-check".to_owned())
            .spawn(move || {
                let is_correct = self.run();
                let _ = done.send(is_correct);
            });
        if let Err(error) = started {
            tracing::error!(%error, "cannot start a thread to check a password");
        }
        outcome
    }

    fn run(self) -> bool {
        let is_correct =
            bcrypt::verify(&self.password, &self.hash.text).unwrap_or(false) && self.exists;
        if !is_correct {
            for cost in padding_costs(self.hash.cost, self.users.costliest.cost) {
                // Only the time that this takes matters.
                let _ = std::hint::black_box(bcrypt::hash_with_salt(&self.password, cost, [0; 16]));
            }
        }
        self.users.lock().remember(self.digest, is_correct);
        drop(self.permit);
        is_correct
    }
}

/// Returns the costs of further hashes that make a check of cost `from` take as long as one of cost
/// `to`. Every refusal then takes the same time, which reveals neither whether a user exists nor
/// the cost of its hash.
fn padding_costs(from: u32, to: u32) -> std::ops::Range<u32> {
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

    async fn admit(users: &Arc<Users>, name: &str, password: &str) -> AuthOutcome {
        let encoded = BASE64.encode(format!("{name}:{password}").as_bytes());
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Basic {encoded}").parse().unwrap());
        users.authenticate(&headers, ClientKey::LOCAL).await
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_user_is_admitted() {
        let users = users();
        for _ in 0..2 {
            for (name, password, expected) in [
                ("alice", "wrong", AuthOutcome::Rejected),
                ("mallory", "secret", AuthOutcome::Rejected),
                ("alice", "other", AuthOutcome::Rejected),
                ("alice", "secret", AuthOutcome::Accepted),
                ("bob", "other", AuthOutcome::Accepted),
            ] {
                assert_eq!(admit(&users, name, password).await, expected, "{name}");
            }
        }
        assert_eq!(users.lock().remembered(), (2, 3));
    }

    #[tokio::test]
    async fn cached_outcomes_do_not_wait_behind_guesses() {
        let users = users();
        assert_eq!(
            admit(&users, "alice", "secret").await,
            AuthOutcome::Accepted
        );
        assert_eq!(admit(&users, "alice", "wrong").await, AuthOutcome::Rejected);
        let _guessing = users.checks.acquire(ClientKey::LOCAL).await.unwrap();
        assert_eq!(
            admit(&users, "alice", "secret").await,
            AuthOutcome::Accepted
        );
        assert_eq!(admit(&users, "alice", "wrong").await, AuthOutcome::Rejected);
    }

    #[tokio::test]
    async fn a_client_has_a_limited_number_of_checks_waiting() {
        let users = users();
        let guessing = users.checks.acquire(ClientKey::LOCAL).await.unwrap();
        let mut waiting = Vec::new();
        for n in 0..MAX_WAITING {
            let users = Arc::clone(&users);
            let guess = async move { admit(&users, "alice", &n.to_string()).await };
            waiting.push(tokio::spawn(guess));
        }
        while users.checks.waiting() < MAX_WAITING {
            tokio::task::yield_now().await;
        }
        assert_eq!(admit(&users, "alice", "secret").await, AuthOutcome::Busy);
        drop(guessing);
        for guess in waiting {
            assert_eq!(guess.await.unwrap(), AuthOutcome::Rejected);
        }
        assert_eq!(
            admit(&users, "alice", "secret").await,
            AuthOutcome::Accepted
        );
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
        let costliest = users.unwrap().costliest.cost;
        assert_eq!(costliest, 6);
        for cost in MIN_COST..=costliest {
            let rounds = 1u64 << cost;
            let padding: u64 = padding_costs(cost, costliest).map(|cost| 1 << cost).sum();
            assert_eq!(rounds + padding, 1 << costliest);
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
        let costly = good.replace("$04$", "$19$");
        assert_eq!(Hash::parse(&costly), Err(HashError::TooCostly));
    }
}
