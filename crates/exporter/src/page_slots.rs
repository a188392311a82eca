//! `--web.max-requests`: the limit of large pages at a time, and which page is cancelled beyond it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::client::ClientKey;

/// Longest time that a reader may read nothing while a client with a slot asks for another one.
pub(super) const STALL_LIMIT: Duration = Duration::from_secs(5);

/// Longest total time that a page may have waited for its reader when a client without a slot asks
/// for one. A scraper reads as fast as its page is produced; a hundred slow clients must not keep
/// it out.
pub(super) const WAIT_LIMIT: Duration = Duration::from_millis(250);

/// Most pages at a time if `--web.max-requests` is 0: each occupies a thread while it is written.
const UNLIMITED: usize = 256;

/// The slots of all clients. If none is free, a request takes one from another page:
///
/// - from a client that holds at least two more than the client that asks;
/// - from a reader that has stalled;
/// - from the slowest reader, if the client that asks holds none.
#[derive(Debug)]
pub(super) struct PageSlots {
    limit: usize,
    held: Mutex<HeldSlots>,
}

#[derive(Debug, Default)]
struct HeldSlots {
    /// By number, the oldest first.
    slots: BTreeMap<u64, (ClientKey, Arc<PageProgress>)>,
    next: u64,
}

/// The progress of a page that is being sent.
#[derive(Debug)]
pub(super) struct PageProgress {
    start: Instant,
    /// 0 while the reader reads. Otherwise one more than the milliseconds from `start` to the
    /// stall.
    stalled: AtomicU64,
    /// Total milliseconds of the stalls that have ended.
    waited: AtomicU64,
    cancelled: Notify,
}

/// A slot, released when dropped.
pub(super) struct PageSlot {
    slots: Arc<PageSlots>,
    number: u64,
    page: Arc<PageProgress>,
}

impl PageSlots {
    /// Creates so many slots; 0 stands for [`UNLIMITED`].
    pub(super) fn new(limit: usize) -> Self {
        let limit = match limit {
            0 => UNLIMITED,
            limit => limit,
        };
        Self {
            limit,
            held: Mutex::default(),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Acquires a slot for `client`, if necessary from another page.
    pub(super) fn acquire(self: &Arc<Self>, client: ClientKey) -> Option<PageSlot> {
        let now = Instant::now();
        let mut held = self.lock();
        if held.slots.len() >= self.limit {
            let loser = held.page_to_cancel(client, now)?;
            if let Some((_, page)) = held.slots.remove(&loser) {
                page.cancelled.notify_one();
            }
        }
        let number = held.next;
        held.next += 1;
        let page = Arc::new(PageProgress {
            start: now,
            stalled: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            cancelled: Notify::new(),
        });
        held.slots.insert(number, (client, Arc::clone(&page)));
        Some(PageSlot {
            slots: Arc::clone(self),
            number,
            page,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HeldSlots> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldSlots {
    /// Returns the page that loses its slot to `client`, if any.
    fn page_to_cancel(&self, client: ClientKey, now: Instant) -> Option<u64> {
        let mut counts = BTreeMap::<ClientKey, usize>::new();
        for (holder, _) in self.slots.values() {
            *counts.entry(*holder).or_default() += 1;
        }
        let own = counts.get(&client).copied().unwrap_or(0);
        let (richest, most) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let slowest = |pages: &mut dyn Iterator<Item = (&u64, &(ClientKey, Arc<PageProgress>))>| {
            // Of equally long stalls, the one of the oldest page.
            let slowest =
                pages.max_by_key(|(number, (_, page))| (page.current_stall(now), !**number))?;
            Some((*slowest.0, slowest.1.1.current_stall(now)))
        };
        if most >= own + 2 {
            let mut pages = self.slots.iter().filter(|(_, (c, _))| *c == richest);
            return slowest(&mut pages).map(|(number, _)| number);
        }
        let (number, stall) = slowest(&mut self.slots.iter())?;
        if stall >= STALL_LIMIT {
            return Some(number);
        }
        let by_wait = |(number, (_, page)): &(&u64, &(ClientKey, Arc<PageProgress>))| {
            (page.total_wait(now), !**number)
        };
        let (number, (_, page)) = self.slots.iter().max_by_key(by_wait)?;
        (own == 0 && page.total_wait(now) >= WAIT_LIMIT).then_some(*number)
    }
}

impl PageProgress {
    /// Records that the reader has stalled, or reads again.
    pub(super) fn set_stalled(&self, stalled: bool) {
        let millis = self.start.elapsed().as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let value = if stalled { millis.saturating_add(1) } else { 0 };
        let before = self.stalled.swap(value, Ordering::Relaxed);
        if before > 0 {
            let ended = millis.saturating_sub(before - 1);
            self.waited.fetch_add(ended, Ordering::Relaxed);
        }
    }

    /// Returns the total time that the page has waited for its reader.
    fn total_wait(&self, now: Instant) -> Duration {
        Duration::from_millis(self.waited.load(Ordering::Relaxed)) + self.current_stall(now)
    }

    fn current_stall(&self, now: Instant) -> Duration {
        match self.stalled.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            at => now.saturating_duration_since(self.start + Duration::from_millis(at - 1)),
        }
    }

    /// Waits until the slot was given to another client.
    pub(super) async fn cancelled(&self) {
        self.cancelled.notified().await;
    }
}

impl PageSlot {
    pub(super) fn page(&self) -> &Arc<PageProgress> {
        &self.page
    }
}

impl fmt::Debug for PageSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageSlot({})", self.number)
    }
}

impl Drop for PageSlot {
    fn drop(&mut self) {
        self.slots.lock().slots.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(n: u8) -> ClientKey {
        IpAddr::from([127, 0, 0, n]).into()
    }

    fn is_cancelled(slot: &PageSlot) -> bool {
        let mut cancelled = std::pin::pin!(slot.page.cancelled());
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        cancelled.as_mut().poll(&mut context).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn exactly_the_limit_is_allowed() {
        let slots = Arc::new(PageSlots::new(3));
        let mut held: Vec<_> = (0..3).map(|_| slots.acquire(client(1)).unwrap()).collect();
        assert!(slots.acquire(client(1)).is_none());
        held.pop();
        assert!(slots.acquire(client(1)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_with_many_slots_gives_way_until_shares_are_equal() {
        let slots = Arc::new(PageSlots::new(4));
        let greedy: Vec<_> = (0..4).map(|_| slots.acquire(client(1)).unwrap()).collect();
        let _one = slots.acquire(client(2)).unwrap();
        let _two = slots.acquire(client(2)).unwrap();
        assert!(slots.acquire(client(2)).is_none());
        assert!(slots.acquire(client(1)).is_none());
        let cancelled: Vec<_> = greedy.iter().map(is_cancelled).collect();
        assert_eq!(cancelled, [true, true, false, false]);
        // The pages given up hold no slot that their end could free.
        drop(greedy);
        assert_eq!(slots.lock().slots.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stalls_gives_way_even_to_its_own_client() {
        let slots = Arc::new(PageSlots::new(1));
        let stalled = slots.acquire(client(1)).unwrap();
        stalled.page.set_stalled(true);
        tokio::time::advance(STALL_LIMIT - Duration::from_millis(2)).await;
        assert!(slots.acquire(client(1)).is_none());
        tokio::time::advance(Duration::from_millis(2)).await;
        assert!(slots.acquire(client(1)).is_some());
        assert!(is_cancelled(&stalled));

        let reading = slots.acquire(client(1)).unwrap();
        reading.page.set_stalled(true);
        tokio::time::advance(STALL_LIMIT).await;
        reading.page.set_stalled(false);
        assert!(slots.acquire(client(1)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_without_a_slot_takes_that_of_the_slowest_reader() {
        let slots = Arc::new(PageSlots::new(3));
        let held: Vec<_> = (1..=3).map(|n| slots.acquire(client(n)).unwrap()).collect();
        // The second reader takes a little now and then, so that it never stalls for long.
        for _ in 0..10 {
            held[1].page.set_stalled(true);
            tokio::time::advance(WAIT_LIMIT / 10 - Duration::from_millis(1)).await;
            held[1].page.set_stalled(false);
        }
        held[2].page.set_stalled(true);
        tokio::time::advance(Duration::from_millis(9)).await;
        assert!(slots.acquire(client(4)).is_none());
        held[1].page.set_stalled(true);
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!(slots.acquire(client(3)).is_none(), "it has one already");
        let _fourth = slots.acquire(client(4)).unwrap();
        let cancelled: Vec<_> = held.iter().map(is_cancelled).collect();
        assert_eq!(cancelled, [false, true, false]);
    }
}
