//! Resolves the host of a tracker to addresses that can and may be contacted.
//!
//! - Families stay apart: a caller takes the list of the family it probes.
//! - Names of the public DNS never lead into private space: a tracker list from the web must not
//!   make seedwatch contact the router (server-side request forgery). Local names and addresses
//!   (`/etc/hosts`, `localhost`, single labels, `.lan`, literal addresses) are the user's choice,
//!   unless the URL comes from a third party ([`TrackerUrl::may_be_local`]).
//! - Link-local addresses and cloud metadata services are never contacted.
//! - Tracker preferences in DNS (BEP 34) are obeyed.
//! - There is one lookup per host at a time, however many torrents wait for it. Its answer is
//!   cached.
//! - Names that do not resolve do not delay others. The time in our own queue is separate from the
//!   time that name servers take.

mod cache;
mod check;
mod lookup;
mod queue;
mod route;
mod sockets;
mod upstream;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use cache::{Cache, Found, Progress, Waiting};
use lookup::{Answer, Try};
use queue::{Queue, Rank, TRIES};
use seedwatch_torrent::Family;
use seedwatch_torrent::address::{is_global, is_never_contacted};
use seedwatch_torrent::{Host, TrackerUrl};
use seedwatch_tracker::{FailureReason, ProbeError, SHORTEST_INTERVAL};
use upstream::Upstream;

/// The largest number of cached hosts. Above it, the least recently used one is dropped.
pub(crate) const MAX_HOSTS: usize = 8192;
/// The largest number of concurrent lookups. Each sends up to three queries (A, AAAA, TXT).
pub const MAX_LOOKUPS: usize = queue::PERMITS;
/// The longest wait for the TXT answer (BEP 34) after the addresses.
pub(crate) const TXT_GRACE: Duration = Duration::from_millis(750);
/// The shortest and longest time that an answer is kept, whatever its TTL.
pub(crate) const KEEP: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// The time that a failure is kept. It doubles with each failure in a row.
pub(crate) const KEEP_FAILURE: Duration = Duration::from_secs(60);
/// The longest time that a failure is kept: the shortest time between two probes.
pub(crate) const KEEP_FAILURE_LONGEST: Duration = SHORTEST_INTERVAL;
/// The time that a shortage of local resources is kept.
pub(crate) const KEEP_SHORTAGE: Duration = Duration::from_secs(2);
/// The largest number of addresses kept per host and family.
pub const MAX_ADDRESSES: usize = 16;
/// The age at which the routes of a cached answer are checked again.
pub(crate) const ROUTES_MAX_AGE: Duration = Duration::from_secs(15);

/// The text for a tracker of a metainfo file or magnet link that must not be local.
const LOCAL_ONLY: &str = "leads into a local network, and only a file or magnet link names it";
/// The text for a name of the public DNS whose addresses are all in private space.
pub(crate) const PRIVATE_ONLY: &str = "a public name that leads to private addresses only";
/// The text for addresses that are never contacted.
const NEVER_CONTACTED: &str = "leads to a link-local or cloud metadata address";

/// Returns whether a host has addresses, and none of them may be contacted.
pub(crate) fn is_forbidden(error: &ProbeError) -> bool {
    [LOCAL_ONLY, PRIVATE_ONLY, NEVER_CONTACTED].contains(&&*error.text)
}

/// The addresses of a host that have a route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// IPv4 addresses in the order of the answer.
    pub v4: Vec<Ipv4Addr>,
    /// IPv6 addresses in the order of the answer.
    pub v6: Vec<Ipv6Addr>,
    /// The families of addresses that this machine cannot reach because it has no route to the
    /// internet, by [`Family::index`].
    offline: [bool; 2],
    /// The time that name servers took; `None` from the cache.
    pub took: Option<Duration>,
}

impl Resolved {
    /// Returns the addresses of one family; none if the host has none or this machine lacks this
    /// family.
    ///
    /// # Errors
    /// [`FailureReason::Unreachable`]: the host has some, and this machine has no route to the
    /// internet.
    pub fn reachable(&self, family: Family) -> Result<Vec<IpAddr>, ProbeError> {
        match self.offline[family.index()] {
            true => Err(ProbeError::new(
                FailureReason::Unreachable,
                "this machine has no route to the internet",
            )),
            false => Ok(self.of(family)),
        }
    }

    /// Returns the addresses of one family; none if the host has none or this machine has no route
    /// to them.
    pub fn of(&self, family: Family) -> Vec<IpAddr> {
        match family {
            Family::Ipv4 => self.v4.iter().copied().map(IpAddr::V4).collect(),
            Family::Ipv6 => self.v6.iter().copied().map(IpAddr::V6).collect(),
        }
    }
}

/// A fixed configuration of a [`Resolver`], instead of the system's.
#[derive(Debug, Clone, Default)]
pub struct Fixed {
    /// The name servers, asked over UDP and TCP.
    pub name_servers: Vec<SocketAddr>,
    /// The hosts file, in the syntax of `/etc/hosts`.
    pub hosts: String,
    /// Addresses that count as routable. The kernel is asked about others.
    pub routable: Vec<IpAddr>,
}

/// Resolves hosts of trackers. Cheap to clone; clones share cache and limits.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    upstream: Upstream,
    cache: Cache,
    queue: Queue,
    routable: Vec<IpAddr>,
}

impl Resolver {
    /// Returns a resolver with the system's configuration (`/etc/resolv.conf`, `/etc/hosts`). It
    /// reads changed files again. Without a usable `/etc/resolv.conf` it asks 127.0.0.1, as libc
    /// does.
    pub fn system() -> Self {
        Self::with(Upstream::system(), Vec::new())
    }

    /// Returns a resolver with a fixed configuration.
    pub fn fixed(settings: Fixed) -> Self {
        Self::with(
            Upstream::fixed(&settings.name_servers, &settings.hosts),
            settings.routable,
        )
    }

    fn with(upstream: Upstream, routable: Vec<IpAddr>) -> Self {
        Self {
            inner: Arc::new(Inner {
                upstream,
                cache: Cache::new(MAX_HOSTS),
                queue: Queue::default(),
                routable,
            }),
        }
    }

    /// Returns the addresses of a tracker, if it may be contacted.
    ///
    /// Both lists may be empty: the host exists, but this machine has no route to it.
    ///
    /// # Errors
    /// - [`FailureReason::Dns`]: the name does not resolve, or a public name leads into private
    ///   space.
    /// - [`FailureReason::Denied`]: the operator forbids this protocol and port (BEP 34).
    /// - [`FailureReason::Unsupported`]: an overlay network, whose names are never sent to the
    ///   public DNS.
    /// - [`FailureReason::Unreachable`]: this machine has no resources for the lookup
    ///   ([`ProbeError::is_ours`]).
    pub async fn resolve(&self, url: &TrackerUrl) -> Result<Resolved, ProbeError> {
        self.resolve_within(url, Duration::MAX).await.0
    }

    /// As [`Resolver::resolve`], but gives the name servers at most `limit`. Also returns the time
    /// that they took while the caller waited. Time in our own queue is neither limited nor
    /// counted, because it says nothing about the tracker.
    pub async fn resolve_within(
        &self,
        url: &TrackerUrl,
        limit: Duration,
    ) -> (Result<Resolved, ProbeError>, Duration) {
        let mut spent = Duration::ZERO;
        let resolved = async {
            if url.is_overlay() {
                return Err(ProbeError::new(
                    FailureReason::Unsupported,
                    "overlay networks are not reached",
                ));
            }
            if !url.may_be_local() && url.host().is_local() {
                return Err(ProbeError::new(FailureReason::Dns, LOCAL_ONLY));
            }
            let (found, took) = self
                .find(url.host(), Rank::Fresh, limit, &mut spent)
                .await?;
            found.answer.statement.check(url)?;
            self.finish(&found, took, url.may_be_local())
        };
        let resolved = resolved.await;
        (resolved, spent)
    }

    /// Resolves a host that is not a tracker: as [`Resolver::resolve`], without BEP 34 and with
    /// priority over trackers.
    ///
    /// # Errors
    /// As [`Resolver::resolve`], never [`FailureReason::Denied`].
    pub async fn resolve_host(&self, host: &Host) -> Result<Resolved, ProbeError> {
        self.resolve_host_within(host, true).await
    }

    /// As [`Resolver::resolve_host`]. A host that only third parties name must not be local.
    ///
    /// # Errors
    /// As [`Resolver::resolve_host`].
    pub async fn resolve_host_within(
        &self,
        host: &Host,
        may_be_local: bool,
    ) -> Result<Resolved, ProbeError> {
        if !may_be_local && host.is_local() {
            return Err(ProbeError::new(FailureReason::Dns, LOCAL_ONLY));
        }
        let mut spent = Duration::ZERO;
        let (found, took) = self
            .find(host, Rank::Urgent, Duration::MAX, &mut spent)
            .await?;
        self.finish(&found, took, may_be_local)
    }

    fn finish(
        &self,
        found: &Found,
        took: Option<Duration>,
        may_be_local: bool,
    ) -> Result<Resolved, ProbeError> {
        let known = found.answer.addresses.as_ref().map_err(Clone::clone)?;
        let may_ask = |ip: &&IpAddr| !is_never_contacted(**ip) && (may_be_local || is_global(**ip));
        if !known.is_empty() && !known.iter().any(|ip| may_ask(&ip)) {
            let is_metadata = known.iter().all(|ip| is_never_contacted(*ip));
            let text = if is_metadata {
                NEVER_CONTACTED
            } else {
                LOCAL_ONLY
            };
            return Err(ProbeError::new(FailureReason::Dns, text));
        }
        let mut resolved = Resolved {
            offline: offline_families(known, &found.routed, route::to_internet),
            took,
            ..Resolved::default()
        };
        for ip in found.routed.iter().filter(may_ask) {
            match ip {
                IpAddr::V4(ip) => resolved.v4.push(*ip),
                IpAddr::V6(ip) => resolved.v6.push(*ip),
            }
        }
        Ok(resolved)
    }

    /// Returns the answer for a host: from the cache, from a pending lookup, or from a new one.
    async fn find(
        &self,
        host: &Host,
        rank: Rank,
        limit: Duration,
        spent: &mut Duration,
    ) -> Result<(Found, Option<Duration>), ProbeError> {
        let has_route = |ip: &IpAddr| self.inner.routable.contains(ip) || route::exists(*ip);
        let wait = match self.inner.cache.get(host, Instant::now(), has_route) {
            cache::Hit::Found(found) => return Ok((found, None)),
            cache::Hit::Wait(wait) => wait,
            cache::Hit::Miss { sender, has_failed } => {
                let wait = sender.subscribe();
                let literal = match host {
                    Host::Ip(ip) => Some(Answer::literal(*ip)),
                    Host::Name(name) => lookup::localhost(name),
                };
                match literal {
                    Some(answer) => {
                        let answer = Arc::new(answer);
                        self.inner.cache.put(host, answer.clone(), Instant::now());
                        sender.send_replace(Progress::Done(answer));
                    }
                    None => {
                        let rank = match rank {
                            Rank::Fresh if has_failed => Rank::Failed,
                            rank => rank,
                        };
                        tokio::spawn(look_up(self.inner.clone(), host.clone(), rank, sender));
                    }
                }
                wait
            }
        };
        let answer = answer(wait, limit, spent).await?;
        let took = answer.took;
        Ok((Found::new(answer, has_route), took))
    }
}

/// Returns the families in which a host has addresses, if this machine has a route to none of them
/// and none to the internet. Over a family without an address, a host is not unreachable.
fn offline_families(
    known: &[IpAddr],
    routed: &[IpAddr],
    has_default_route: impl FnOnce() -> bool,
) -> [bool; 2] {
    let families = [IpAddr::is_ipv4, IpAddr::is_ipv6].map(|is_of| known.iter().any(is_of));
    let is_offline = routed.is_empty() && !known.is_empty() && !has_default_route();
    families.map(|has_address| is_offline && has_address)
}

/// Waits for the end of a lookup. Gives the name servers at most `limit`.
async fn answer(
    mut wait: Waiting,
    limit: Duration,
    spent: &mut Duration,
) -> Result<Arc<Answer>, ProbeError> {
    loop {
        let progress = wait.borrow_and_update().clone();
        let changed = match progress {
            Progress::Done(answer) => return Ok(answer),
            Progress::Queued => wait.changed().await,
            Progress::Asking => {
                let start = tokio::time::Instant::now();
                let changed = timeout(limit.saturating_sub(*spent), wait.changed()).await;
                *spent += start.elapsed();
                changed.map_err(|_| {
                    ProbeError::new(FailureReason::Dns, "the name was not resolved in time")
                })?
            }
        };
        changed.map_err(|_| ProbeError::new(FailureReason::Dns, "the lookup was given up"))?;
    }
}

/// Runs one lookup in the background. It outlives the caller that began it, because others may wait
/// too.
async fn look_up(inner: Arc<Inner>, host: Host, rank: Rank, sender: watch::Sender<Progress>) {
    let Host::Name(name) = &host else { return };
    let mut earlier = Duration::ZERO;
    for (number, within) in TRIES.into_iter().enumerate() {
        let Some(_place) = inner.queue.enter(rank, number).await else {
            return;
        };
        if inner.cache.abandon_if_unwanted(&host, &sender) {
            return;
        }
        sender.send_replace(Progress::Asking);
        let this = Try {
            within,
            is_last: number + 1 == TRIES.len(),
        };
        if let Some(mut answer) = lookup::run(&inner.upstream.get(), name, this).await {
            answer.took = answer.took.map(|took| earlier + took);
            let answer = Arc::new(answer);
            inner.cache.put(&host, answer.clone(), Instant::now());
            sender.send_replace(Progress::Done(answer));
            return;
        }
        earlier += within;
        sender.send_replace(Progress::Queued);
    }
}

#[cfg(test)]
mod tests;
