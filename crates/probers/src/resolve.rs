//! From the host of a tracker to addresses that we can and may contact.
//!
//! - Families stay apart: a caller takes the list of the family it probes.
//! - Names the public DNS serves never lead into private space: a tracker list from the web must
//!   not make us knock on the router (server-side request forgery). What the user's own files and
//!   own name spaces say (`/etc/hosts`, `localhost`, single labels, `.lan`, literal addresses) is
//!   the user's choice, unless the URL itself is a stranger's ([`TrackerUrl::may_be_local`]).
//! - Link-local addresses and cloud metadata services are never contacted, whatever leads there.
//! - The operator's wish in DNS (BEP 34) is obeyed.
//! - One lookup per host at a time, however many torrents wait for it, and its answer is kept.
//! - Names that do not resolve do not hold up the others, and time in our own queue is told apart
//!   from time in which name servers were asked.

mod cache;
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
use seedwatch_tracker::{Failed, Failure};
use upstream::Upstream;

/// Hosts remembered; beyond it the entry that would expire first goes.
pub const MAX_HOSTS: usize = 8192;
/// Lookups under way at once; each is up to three questions (A, AAAA, TXT).
pub const MAX_LOOKUPS: usize = queue::PLACES;
/// Longest time name servers are asked in one lookup, over all tries.
pub const LOOKUP_TIMEOUT: Duration = queue::TRIES[0]
    .saturating_add(queue::TRIES[1])
    .saturating_add(queue::TRIES[2]);
/// Longest time the answer to the TXT question (BEP 34) may come after the addresses.
pub const TXT_GRACE: Duration = Duration::from_millis(750);
/// Shortest and longest time an answer is kept, whatever its TTL says.
pub const KEEP: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// Time a failure is kept; each further failure in a row is kept for twice the time.
pub const KEEP_FAILURE: Duration = Duration::from_secs(60);
/// Longest time a failure is kept: no tracker is probed more often.
pub const KEEP_FAILURE_LONGEST: Duration = Duration::from_secs(300);
/// Time it is kept that this machine had no resources to ask.
pub const KEEP_SHORTAGE: Duration = Duration::from_secs(2);
/// Addresses kept of one host and family.
pub const MAX_ADDRESSES: usize = 16;
/// Age at which the routes of a kept answer are looked at again.
pub const ROUTES_MAX_AGE: Duration = Duration::from_secs(15);

/// Why a tracker is not contacted that a metainfo file or a magnet link names.
const LOCAL_ONLY: &str = "leads into a local network, and only a file or magnet link names it";
/// Why nothing is contacted there.
const NEVER_CONTACTED: &str = "leads to a link-local or cloud metadata address";

/// Addresses of a host that a packet could be sent to now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// IPv4 addresses in the order of the answer.
    pub v4: Vec<Ipv4Addr>,
    /// IPv6 addresses in the order of the answer.
    pub v6: Vec<Ipv6Addr>,
    /// What the lookup took; `None` from the cache.
    pub took: Option<Duration>,
}

impl Resolved {
    /// The addresses of one family.
    pub fn of(&self, family: Family) -> Vec<IpAddr> {
        match family {
            Family::Ipv4 => self.v4.iter().copied().map(IpAddr::V4).collect(),
            Family::Ipv6 => self.v6.iter().copied().map(IpAddr::V6).collect(),
        }
    }
}

/// Where a [`Resolver`] asks instead of the system's configuration.
#[derive(Debug, Clone, Default)]
pub struct Fixed {
    /// Name servers, asked over UDP and TCP.
    pub name_servers: Vec<SocketAddr>,
    /// In the syntax of `/etc/hosts`.
    pub hosts: String,
    /// Addresses taken for routable; the kernel is asked about the others.
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
    /// A resolver with the system's configuration (`/etc/resolv.conf`, `/etc/hosts`), read again
    /// when the files change. Without a usable `/etc/resolv.conf` it asks 127.0.0.1, as libc does.
    pub fn system() -> Self {
        Self::with(Upstream::system(), Vec::new())
    }

    /// A resolver that asks where it is told to.
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

    /// Where the tracker is, if it may be contacted.
    ///
    /// Both lists may be empty: then the host exists, and this machine has no route to it.
    ///
    /// # Errors
    /// [`Failure::Dns`]: the name does not resolve, or a public name leads into private space.
    /// [`Failure::Denied`]: the operator does not want this protocol and port used (BEP 34).
    /// [`Failure::Unsupported`]: an overlay network (its names never go to the public DNS).
    /// [`Failure::Unreachable`]: this machine has no route to the internet at all, or no resources to
    /// ask ([`Failed::is_ours`]).
    pub async fn resolve(&self, url: &TrackerUrl) -> Result<Resolved, Failed> {
        self.resolve_within(url, Duration::MAX).await.0
    }

    /// As [`Resolver::resolve`], for a caller that gives the name servers so much time. Returns
    /// also for how long they were asked while the caller waited. Time in our own queue is neither
    /// limited nor counted: it says nothing about the tracker.
    pub async fn resolve_within(
        &self,
        url: &TrackerUrl,
        limit: Duration,
    ) -> (Result<Resolved, Failed>, Duration) {
        let mut spent = Duration::ZERO;
        let resolved = async {
            if url.is_overlay() {
                return Err(Failed::new(
                    Failure::Unsupported,
                    "overlay networks are not reached",
                ));
            }
            if !url.may_be_local() && url.host().is_local() {
                return Err(Failed::new(Failure::Dns, LOCAL_ONLY));
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

    /// Where a host is that is no tracker: as [`Resolver::resolve`], without BEP 34 and ahead of
    /// trackers.
    ///
    /// # Errors
    /// As [`Resolver::resolve`], never [`Failure::Denied`].
    pub async fn resolve_host(&self, host: &Host) -> Result<Resolved, Failed> {
        self.resolve_host_within(host, true).await
    }

    /// As [`Resolver::resolve_host`]; the host of a tracker that only strangers name may not be
    /// local.
    ///
    /// # Errors
    /// As [`Resolver::resolve_host`].
    pub async fn resolve_host_within(
        &self,
        host: &Host,
        may_be_local: bool,
    ) -> Result<Resolved, Failed> {
        if !may_be_local && host.is_local() {
            return Err(Failed::new(Failure::Dns, LOCAL_ONLY));
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
    ) -> Result<Resolved, Failed> {
        let known = found.answer.addresses.as_ref().map_err(Clone::clone)?;
        let may_ask = |ip: &&IpAddr| !is_never_contacted(**ip) && (may_be_local || is_global(**ip));
        if !known.is_empty() && !known.iter().any(|ip| may_ask(&ip)) {
            let is_metadata = known.iter().all(|ip| is_never_contacted(*ip));
            let text = if is_metadata {
                NEVER_CONTACTED
            } else {
                LOCAL_ONLY
            };
            return Err(Failed::new(Failure::Dns, text));
        }
        if found.routed.is_empty() && !known.is_empty() && !route::to_internet() {
            return Err(Failed::new(
                Failure::Unreachable,
                "this machine has no route to the internet",
            ));
        }
        let mut resolved = Resolved {
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

    /// The answer for a host: kept, under way, or looked up now.
    async fn find(
        &self,
        host: &Host,
        rank: Rank,
        limit: Duration,
        spent: &mut Duration,
    ) -> Result<(Found, Option<Duration>), Failed> {
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

/// Waits for the end of a lookup, and for at most `limit` while name servers are asked.
async fn answer(
    mut wait: Waiting,
    limit: Duration,
    spent: &mut Duration,
) -> Result<Arc<Answer>, Failed> {
    loop {
        let progress = wait.borrow_and_update().clone();
        let changed = match progress {
            Progress::Done(answer) => return Ok(answer),
            Progress::Queued => wait.changed().await,
            Progress::Asking => {
                let start = tokio::time::Instant::now();
                let changed = timeout(limit.saturating_sub(*spent), wait.changed()).await;
                *spent += start.elapsed();
                changed
                    .map_err(|_| Failed::new(Failure::Dns, "the name was not resolved in time"))?
            }
        };
        changed.map_err(|_| Failed::new(Failure::Dns, "the lookup was given up"))?;
    }
}

/// One lookup in the background: it outlives the caller that began it, since others wait too.
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
