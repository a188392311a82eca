//! The open connections, and which of them is evicted if there are too many.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::client::ClientKey;
use super::{FIRST_REQUEST_TIMEOUT, IDLE_TIMEOUT, MAX_CONNECTIONS, MAX_CONNECTIONS_OF_CLIENT};

/// All open connections. A new one is always accepted; beyond a limit, it evicts the least active
/// connection of the client with the most. No number of idle connections keeps another client out.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<ConnectionTable>);

#[derive(Debug, Default)]
struct ConnectionTable {
    /// By number, oldest first.
    connections: BTreeMap<u64, (ClientKey, Arc<ConnectionStatus>)>,
    next: u64,
}

/// An open connection, removed from the table when dropped.
#[derive(Debug)]
pub(super) struct OpenConnection {
    all: Arc<Connections>,
    number: u64,
    pub(super) status: Arc<ConnectionStatus>,
}

impl Connections {
    /// Adds a connection of `client`.
    pub(super) fn add(self: &Arc<Self>, client: ClientKey) -> OpenConnection {
        let status = Arc::new(ConnectionStatus::new());
        let mut open = self.lock();
        if open.count(client) >= MAX_CONNECTIONS_OF_CLIENT {
            open.evict_from(client);
        } else if open.connections.len() >= MAX_CONNECTIONS {
            open.evict_from_busiest_client();
        }
        let number = open.next;
        open.next += 1;
        open.connections
            .insert(number, (client, Arc::clone(&status)));
        OpenConnection {
            all: Arc::clone(self),
            number,
            status,
        }
    }

    /// Evicts one connection, for example if the process has no file descriptor left.
    pub(super) fn evict_one(&self) {
        self.lock().evict_from_busiest_client();
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionTable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionTable {
    fn count(&self, client: ClientKey) -> usize {
        let connections = self.connections.values();
        connections.filter(|(c, _)| *c == client).count()
    }

    /// Evicts a connection of the client with the most. Among such clients, activity decides:
    /// mostly each of them has one connection.
    fn evict_from_busiest_client(&mut self) {
        let mut counts = BTreeMap::<ClientKey, usize>::new();
        for (client, _) in self.connections.values() {
            *counts.entry(*client).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or(0);
        self.evict_least_active(|client| counts.get(&client) == Some(&most));
    }

    fn evict_from(&mut self, client: ClientKey) {
        self.evict_least_active(|other| other == client);
    }

    fn evict_least_active(&mut self, may_end: impl Fn(ClientKey) -> bool) {
        let candidates = self.connections.iter().filter(|(_, (c, _))| may_end(*c));
        let loser = candidates.min_by_key(|(_, (_, status))| status.retention_rank());
        let Some(number) = loser.map(|(number, _)| *number) else {
            return;
        };
        if let Some((_, status)) = self.connections.remove(&number) {
            status.evicted.notify_one();
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.all.lock().connections.remove(&self.number);
    }
}

/// Measures how long no byte has been read or written.
#[derive(Debug)]
struct IdleTimer {
    start: Instant,
    /// Milliseconds from `start` to the last byte.
    last_byte: AtomicU64,
}

impl IdleTimer {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            last_byte: AtomicU64::new(0),
        }
    }

    fn touch(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_byte.store(millis, Ordering::Relaxed);
    }

    fn last_byte(&self) -> Instant {
        self.start + Duration::from_millis(self.last_byte.load(Ordering::Relaxed))
    }

    /// Waits until no byte has been read or written for so long.
    async fn idle_for(&self, limit: Duration) {
        loop {
            let end = self.last_byte() + limit;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }
}

/// The status of an open connection: its idle time and its requests.
#[derive(Debug)]
pub(super) struct ConnectionStatus {
    idle: IdleTimer,
    /// Whether a complete request has arrived.
    has_requested: AtomicBool,
    /// Number of requests that are being answered.
    in_flight: AtomicUsize,
    evicted: Notify,
}

/// A request that is being answered.
pub(super) struct RequestInFlight(Arc<ConnectionStatus>);

impl ConnectionStatus {
    pub(super) fn new() -> Self {
        Self {
            idle: IdleTimer::new(),
            has_requested: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            evicted: Notify::new(),
        }
    }

    /// Records that a byte was read or written.
    pub(super) fn touch(&self) {
        self.idle.touch();
    }

    /// Records a complete request. It is in flight until the result is dropped.
    pub(super) fn begin_request(self: &Arc<Self>) -> RequestInFlight {
        self.has_requested.store(true, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        RequestInFlight(Arc::clone(self))
    }

    /// Returns a rank; the connection with the lowest is evicted first. Connections without any
    /// request come first, then those without a request in flight, then the longest idle.
    fn retention_rank(&self) -> (bool, bool, Instant) {
        (
            self.in_flight.load(Ordering::Relaxed) > 0,
            self.has_requested.load(Ordering::Relaxed),
            self.idle.last_byte(),
        )
    }

    /// Waits until the connection is evicted for another one.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Waits until the connection has been without a request, or idle, for too long.
    pub(super) async fn timed_out(&self) {
        sleep_until(self.idle.start + FIRST_REQUEST_TIMEOUT).await;
        if self.has_requested.load(Ordering::Relaxed) {
            self.idle.idle_for(IDLE_TIMEOUT).await;
        }
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
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
        let mut evicted = std::pin::pin!(connection.status.evicted());
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
        // Connections with a request, in flight or past, outrank those without.
        let _under_way = many[0].status.begin_request();
        drop(many[1].status.begin_request());
        assert!(!many.iter().any(is_evicted));
        let next = all.add(client(1));
        assert!(is_evicted(&many[2]));
        assert!(!is_evicted(&many[0]) && !is_evicted(&many[1]) && !is_evicted(&other));
        assert!(!is_evicted(&next));
        drop(many);
        assert_eq!(all.lock().connections.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn exactly_the_limit_fits_and_a_new_connection_evicts_one_of_the_busiest_client() {
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
        // If every client has one, the oldest connection without a request is evicted.
        drop(many[0].status.begin_request());
        let _new = all.add(client(u32::MAX - 1));
        assert!(is_evicted(&many[1]) && !is_evicted(&many[0]));
    }

    async fn lasts(status: &ConnectionStatus) -> Duration {
        status.timed_out().await;
        status.idle.start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_ends_early() {
        let status = ConnectionStatus::new();
        status.touch();
        let time = lasts(&status).await;
        assert!(time >= FIRST_REQUEST_TIMEOUT && time < IDLE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_ends_after_its_last_byte() {
        let status = Arc::new(ConnectionStatus::new());
        drop(status.begin_request());
        let pause = IDLE_TIMEOUT / 2;
        let talk = async {
            for _ in 0..4 {
                sleep(pause).await;
                status.touch();
            }
        };
        let (time, ()) = tokio::join!(lasts(&status), talk);
        let expected = 4 * pause + IDLE_TIMEOUT;
        assert!(time.abs_diff(expected) < Duration::from_secs(1));
    }
}
