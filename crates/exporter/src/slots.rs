//! `--web.max-requests`: how many large pages are sent at a time, and which client gives way.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::client::ClientKey;

/// How long a reader may take nothing of its page while its own client, or one that holds a slot as
/// well, asks for another.
pub(super) const STALL: Duration = Duration::from_secs(5);

/// How long a page may have waited for its reader, in all, when a client without a slot asks for
/// one. A scraper reads as fast as its page is made; a hundred clients that read slowly must not
/// keep it out.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

/// Pages at a time where `--web.max-requests` is 0: each holds a thread while it is written.
const UNLIMITED: usize = 256;

/// The slots of all clients. When none is free, a client that holds at least two more than the
/// client that asks loses one, and so does a client whose reader has stalled. A client that holds
/// none takes the place of the slowest reader.
#[derive(Debug)]
pub(super) struct Slots {
    limit: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// By number, the oldest first.
    slots: BTreeMap<u64, (ClientKey, Arc<Page>)>,
    next: u64,
}

/// A page being sent.
#[derive(Debug)]
pub(super) struct Page {
    start: Instant,
    /// One more than the milliseconds after `start` at which the reader was found not to read; 0 if
    /// it reads.
    stalled: AtomicU64,
    /// Milliseconds of all stalls that have ended.
    waited: AtomicU64,
    given_up: Notify,
}

/// A slot, free again when dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    page: Arc<Page>,
}

impl Slots {
    /// `limit` 0 means no limit of its own.
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

    /// Takes a slot for `client`, if need be from a page that another client reads too slowly or
    /// has too many of.
    pub(super) fn take(self: &Arc<Self>, client: ClientKey) -> Option<Slot> {
        let now = Instant::now();
        let mut held = self.lock();
        if held.slots.len() >= self.limit {
            let victim = held.victim(client, now)?;
            if let Some((_, page)) = held.slots.remove(&victim) {
                page.given_up.notify_one();
            }
        }
        let number = held.next;
        held.next += 1;
        let page = Arc::new(Page {
            start: now,
            stalled: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            given_up: Notify::new(),
        });
        held.slots.insert(number, (client, Arc::clone(&page)));
        Some(Slot {
            slots: Arc::clone(self),
            number,
            page,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The page that must give way to one for `client`, if any.
    fn victim(&self, client: ClientKey, now: Instant) -> Option<u64> {
        let mut counts = BTreeMap::<ClientKey, usize>::new();
        for (holder, _) in self.slots.values() {
            *counts.entry(*holder).or_default() += 1;
        }
        let own = counts.get(&client).copied().unwrap_or(0);
        let (richest, most) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let slowest = |pages: &mut dyn Iterator<Item = (&u64, &(ClientKey, Arc<Page>))>| {
            // Of those that stand still for equally long, the oldest.
            let slowest = pages.max_by_key(|(number, (_, page))| (page.stall(now), !**number))?;
            Some((*slowest.0, slowest.1.1.stall(now)))
        };
        if most >= own + 2 {
            let mut pages = self.slots.iter().filter(|(_, (c, _))| *c == richest);
            return slowest(&mut pages).map(|(number, _)| number);
        }
        let (number, stall) = slowest(&mut self.slots.iter())?;
        if stall >= STALL {
            return Some(number);
        }
        let by_wait =
            |(number, (_, page)): &(&u64, &(ClientKey, Arc<Page>))| (page.waited(now), !**number);
        let (number, (_, page)) = self.slots.iter().max_by_key(by_wait)?;
        (own == 0 && page.waited(now) >= PATIENCE).then_some(*number)
    }
}

impl Page {
    /// Notes that the reader takes nothing, or reads on.
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

    /// How long the page has waited for its reader, in all.
    fn waited(&self, now: Instant) -> Duration {
        Duration::from_millis(self.waited.load(Ordering::Relaxed)) + self.stall(now)
    }

    fn stall(&self, now: Instant) -> Duration {
        match self.stalled.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            at => now.saturating_duration_since(self.start + Duration::from_millis(at - 1)),
        }
    }

    /// Ready once the slot has gone to another client.
    pub(super) async fn given_up(&self) {
        self.given_up.notified().await;
    }
}

impl Slot {
    pub(super) fn page(&self) -> &Arc<Page> {
        &self.page
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({})", self.number)
    }
}

impl Drop for Slot {
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

    fn is_given_up(slot: &Slot) -> bool {
        let mut given_up = std::pin::pin!(slot.page.given_up());
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        given_up.as_mut().poll(&mut context).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn exactly_the_limit_is_allowed() {
        let slots = Arc::new(Slots::new(3));
        let mut held: Vec<_> = (0..3).map(|_| slots.take(client(1)).unwrap()).collect();
        assert!(slots.take(client(1)).is_none());
        held.pop();
        assert!(slots.take(client(1)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_with_many_slots_gives_way_until_shares_are_equal() {
        let slots = Arc::new(Slots::new(4));
        let greedy: Vec<_> = (0..4).map(|_| slots.take(client(1)).unwrap()).collect();
        let _one = slots.take(client(2)).unwrap();
        let _two = slots.take(client(2)).unwrap();
        assert!(slots.take(client(2)).is_none());
        assert!(slots.take(client(1)).is_none());
        let given_up: Vec<_> = greedy.iter().map(is_given_up).collect();
        assert_eq!(given_up, [true, true, false, false]);
        // The pages given up hold no slot that their end could free.
        drop(greedy);
        assert_eq!(slots.lock().slots.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stalls_gives_way_even_to_its_own_client() {
        let slots = Arc::new(Slots::new(1));
        let stalled = slots.take(client(1)).unwrap();
        stalled.page.set_stalled(true);
        tokio::time::advance(STALL - Duration::from_millis(2)).await;
        assert!(slots.take(client(1)).is_none());
        tokio::time::advance(Duration::from_millis(2)).await;
        assert!(slots.take(client(1)).is_some());
        assert!(is_given_up(&stalled));

        let reading = slots.take(client(1)).unwrap();
        reading.page.set_stalled(true);
        tokio::time::advance(STALL).await;
        reading.page.set_stalled(false);
        assert!(slots.take(client(1)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_without_a_slot_takes_that_of_the_slowest_reader() {
        let slots = Arc::new(Slots::new(3));
        let held: Vec<_> = (1..=3).map(|n| slots.take(client(n)).unwrap()).collect();
        // The second reader takes a little now and then, so that it never stalls for long.
        for _ in 0..10 {
            held[1].page.set_stalled(true);
            tokio::time::advance(PATIENCE / 10 - Duration::from_millis(1)).await;
            held[1].page.set_stalled(false);
        }
        held[2].page.set_stalled(true);
        tokio::time::advance(Duration::from_millis(9)).await;
        assert!(slots.take(client(4)).is_none());
        held[1].page.set_stalled(true);
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!(slots.take(client(3)).is_none(), "it has one already");
        let _fourth = slots.take(client(4)).unwrap();
        let given_up: Vec<_> = held.iter().map(is_given_up).collect();
        assert_eq!(given_up, [false, true, false]);
    }
}
