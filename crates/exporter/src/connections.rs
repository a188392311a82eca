//! Which connections are open, and which one ends when there are too many.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::client::ClientKey;
use super::{FIRST_REQUEST_TIMEOUT, IDLE_TIMEOUT, MAX_CONNECTIONS, MAX_CONNECTIONS_OF_CLIENT};

/// All open connections. A new one is always accepted; beyond a limit, the least active connection
/// of the client with the most ends. No number of silent connections keeps another client out.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    /// By number, the oldest first.
    connections: BTreeMap<u64, (ClientKey, Arc<Life>)>,
    next: u64,
}

/// An open connection, taken off the list when dropped.
#[derive(Debug)]
pub(super) struct OpenConnection {
    all: Arc<Connections>,
    number: u64,
    pub(super) life: Arc<Life>,
}

impl Connections {
    /// Adds a connection of `client`.
    pub(super) fn add(self: &Arc<Self>, client: ClientKey) -> OpenConnection {
        let life = Arc::new(Life::new());
        let mut open = self.lock();
        if open.count(client) >= MAX_CONNECTIONS_OF_CLIENT {
            open.end_one_of(client);
        } else if open.connections.len() >= MAX_CONNECTIONS {
            open.end_one_of_the_most();
        }
        let number = open.next;
        open.next += 1;
        open.connections.insert(number, (client, Arc::clone(&life)));
        OpenConnection {
            all: Arc::clone(self),
            number,
            life,
        }
    }

    /// Ends one connection to make room, as where the process has no file descriptor left.
    pub(super) fn make_room(&self) {
        self.lock().end_one_of_the_most();
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn count(&self, client: ClientKey) -> usize {
        let connections = self.connections.values();
        connections.filter(|(c, _)| *c == client).count()
    }

    /// Among clients with equally many, activity decides: most have one connection each then.
    fn end_one_of_the_most(&mut self) {
        let mut counts = BTreeMap::<ClientKey, usize>::new();
        for (client, _) in self.connections.values() {
            *counts.entry(*client).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or(0);
        self.end_one(|client| counts.get(&client) == Some(&most));
    }

    fn end_one_of(&mut self, client: ClientKey) {
        self.end_one(|other| other == client);
    }

    fn end_one(&mut self, may_end: impl Fn(ClientKey) -> bool) {
        let candidates = self.connections.iter().filter(|(_, (c, _))| may_end(*c));
        let victim = candidates.min_by_key(|(_, (_, life))| life.activity());
        let Some(number) = victim.map(|(number, _)| *number) else {
            return;
        };
        if let Some((_, life)) = self.connections.remove(&number) {
            life.evicted.notify_one();
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.all.lock().connections.remove(&self.number);
    }
}

/// When a connection last moved a byte, and whether it has asked for anything.
#[derive(Debug)]
pub(super) struct Life {
    start: Instant,
    /// Milliseconds after `start`.
    moved: AtomicU64,
    /// A whole request has come.
    asked: AtomicBool,
    /// Requests that are being answered.
    under_way: AtomicUsize,
    evicted: Notify,
}

/// A request that is being answered.
pub(super) struct UnderWay(Arc<Life>);

impl Life {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            moved: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            evicted: Notify::new(),
        }
    }

    pub(super) fn moves(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(millis, Ordering::Relaxed);
    }

    /// Notes a whole request. It is being answered until the result is dropped.
    pub(super) fn asks(self: &Arc<Self>) -> UnderWay {
        self.asked.store(true, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Sorts the connection that is missed least before the others: one that never asked, then one
    /// without a request under way, then the one that has been still for the longest.
    fn activity(&self) -> (bool, bool, Instant) {
        (
            self.under_way.load(Ordering::Relaxed) > 0,
            self.asked.load(Ordering::Relaxed),
            self.last_move(),
        )
    }

    fn last_move(&self) -> Instant {
        self.start + Duration::from_millis(self.moved.load(Ordering::Relaxed))
    }

    /// Waits until another connection has taken the place of this one.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Waits until the connection has been still for too long.
    pub(super) async fn end(&self) {
        sleep_until(self.start + FIRST_REQUEST_TIMEOUT).await;
        if !self.asked.load(Ordering::Relaxed) {
            return;
        }
        loop {
            let end = self.last_move() + IDLE_TIMEOUT;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::task::{Context, Poll, Waker};

    use tokio::time::sleep;

    use super::*;

    fn client(n: u32) -> ClientKey {
        IpAddr::from(n.to_be_bytes()).into()
    }

    fn is_evicted(connection: &OpenConnection) -> bool {
        let mut evicted = std::pin::pin!(connection.life.evicted());
        let mut context = Context::from_waker(Waker::noop());
        evicted.as_mut().poll(&mut context) == Poll::Ready(())
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_may_have_exactly_its_limit_and_then_loses_its_own() {
        let all = Arc::new(Connections::default());
        let other = all.add(client(2));
        let mut many = Vec::new();
        for _ in 0..MAX_CONNECTIONS_OF_CLIENT {
            many.push(all.add(client(1)));
        }
        // A request under way and a past request count for more than silence.
        let _under_way = many[0].life.asks();
        drop(many[1].life.asks());
        assert!(!many.iter().any(is_evicted));
        let next = all.add(client(1));
        assert!(is_evicted(&many[2]));
        assert!(!is_evicted(&many[0]) && !is_evicted(&many[1]) && !is_evicted(&other));
        assert!(!is_evicted(&next));
        drop(many);
        assert_eq!(all.lock().connections.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn exactly_the_limit_fits_and_a_newcomer_displaces_the_most_connected() {
        let all = Arc::new(Connections::default());
        let mut many = Vec::new();
        for n in 0..MAX_CONNECTIONS {
            // Client 7 has two, all others have one.
            many.push(all.add(client(if n == 9 { 7 } else { n as u32 })));
        }
        assert!(!many.iter().any(is_evicted));
        let _new = all.add(client(u32::MAX));
        let evicted: Vec<_> = (0..many.len()).filter(|n| is_evicted(&many[*n])).collect();
        assert_eq!(evicted, [7]);
        // Where all have one, the one that has asked for nothing and is the oldest goes.
        drop(many[0].life.asks());
        let _new = all.add(client(u32::MAX - 1));
        assert!(is_evicted(&many[1]) && !is_evicted(&many[0]));
    }

    async fn lasts(life: &Life) -> Duration {
        life.end().await;
        life.start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_ends_early() {
        let life = Life::new();
        life.moves();
        let time = lasts(&life).await;
        assert!(time >= FIRST_REQUEST_TIMEOUT && time < IDLE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_ends_after_its_last_byte() {
        let life = Arc::new(Life::new());
        drop(life.asks());
        let pause = IDLE_TIMEOUT / 2;
        let talk = async {
            for _ in 0..4 {
                sleep(pause).await;
                life.moves();
            }
        };
        let (time, ()) = tokio::join!(lasts(&life), talk);
        let expected = 4 * pause + IDLE_TIMEOUT;
        assert!(time.abs_diff(expected) < Duration::from_secs(1));
    }
}
