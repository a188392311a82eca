//! A semaphore that is fair among clients.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::client::ClientKey;

/// Grants a fixed number of permits. Waiting clients are served in rotation, and each client in the
/// order of its own requests: a client with many requests delays itself, not the others.
#[derive(Debug, Clone)]
pub(super) struct FairQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Most requests of one client that may wait.
    max_waiting: usize,
    queue: Mutex<PermitQueue>,
}

#[derive(Debug)]
struct PermitQueue {
    free: usize,
    waiting: BTreeMap<ClientKey, VecDeque<oneshot::Sender<Permit>>>,
    /// The clients in `waiting`, in the order in which they are served.
    rotation: VecDeque<ClientKey>,
}

/// A permit, returned when dropped.
#[derive(Debug)]
pub(super) struct Permit(Option<Arc<Shared>>);

/// The client has the most waiting requests that it may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

impl FairQueue {
    pub(super) fn new(count: usize, max_waiting: usize) -> Self {
        Self(Arc::new(Shared {
            max_waiting,
            queue: Mutex::new(PermitQueue {
                free: count,
                waiting: BTreeMap::new(),
                rotation: VecDeque::new(),
            }),
        }))
    }

    /// Waits for a permit.
    pub(super) async fn acquire(&self, client: ClientKey) -> Result<Permit, QueueFull> {
        let granted = {
            let mut queue = self.0.lock();
            if queue.free > 0 {
                queue.free -= 1;
                return Ok(Permit(Some(Arc::clone(&self.0))));
            }
            queue.enqueue(client, self.0.max_waiting)?
        };
        granted.await.map_err(|_| QueueFull)
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.0.lock().free
    }

    /// Returns the number of waiting requests.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().waiting.values().map(VecDeque::len).sum()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, PermitQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a returned permit to the next request that still waits.
    fn release(self: &Arc<Self>) {
        loop {
            let next = {
                let mut queue = self.lock();
                let next = queue.next();
                if next.is_none() {
                    queue.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Permit(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // The request was cancelled: the permit goes to the next one.
                Err(mut permit) => permit.0 = None,
            }
        }
    }
}

impl PermitQueue {
    fn enqueue(
        &mut self,
        client: ClientKey,
        max_waiting: usize,
    ) -> Result<oneshot::Receiver<Permit>, QueueFull> {
        let requests = self.waiting.entry(client).or_default();
        if requests.is_empty() {
            self.rotation.push_back(client);
        }
        if requests.len() >= max_waiting {
            requests.retain(|request| !request.is_closed());
        }
        if requests.len() >= max_waiting {
            return Err(QueueFull);
        }
        let (grant, granted) = oneshot::channel();
        requests.push_back(grant);
        Ok(granted)
    }

    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        loop {
            let client = self.rotation.pop_front()?;
            let Some(requests) = self.waiting.get_mut(&client) else {
                continue;
            };
            let next = requests.pop_front();
            match requests.is_empty() {
                true => drop(self.waiting.remove(&client)),
                false => self.rotation.push_back(client),
            }
            if next.is_some() {
                return next;
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::pin::{Pin, pin};

    use super::*;

    fn client(n: u8) -> ClientKey {
        IpAddr::from([127, 0, 0, n]).into()
    }

    /// Polls the future once, so that it joins the queue.
    async fn begin<F: Future>(mut future: Pin<&mut F>) {
        std::future::poll_fn(|context| {
            assert!(future.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn clients_are_served_in_rotation() {
        let queue = FairQueue::new(1, 8);
        let first = queue.acquire(client(1)).await.unwrap();
        let mut greedy: [_; 3] = std::array::from_fn(|_| Box::pin(queue.acquire(client(1))));
        for request in &mut greedy {
            begin(request.as_mut()).await;
        }
        let mut other = pin!(queue.acquire(client(2)));
        begin(other.as_mut()).await;
        assert_eq!(queue.waiting(), 4);

        drop(first);
        let [second, third, fourth] = greedy;
        let permit = second.await.unwrap();
        drop(permit);
        let permit = other.await.unwrap();
        // A cancelled request takes no permit.
        drop(third);
        drop(permit);
        drop(fourth.await.unwrap());
        assert_eq!((queue.free(), queue.waiting()), (1, 0));
    }

    #[tokio::test]
    async fn a_client_may_have_exactly_the_limit_waiting() {
        let queue = FairQueue::new(2, 3);
        let held = [
            queue.acquire(client(1)).await,
            queue.acquire(client(1)).await,
        ];
        let mut waiting: [_; 3] = std::array::from_fn(|_| Box::pin(queue.acquire(client(1))));
        for request in &mut waiting {
            begin(request.as_mut()).await;
        }
        assert_eq!(queue.acquire(client(1)).await.err(), Some(QueueFull));
        let mut other = pin!(queue.acquire(client(2)));
        begin(other.as_mut()).await;
        // A cancelled request makes room.
        let [one, two, three] = waiting;
        drop(one);
        let mut more = pin!(queue.acquire(client(1)));
        begin(more.as_mut()).await;
        drop((held, two, three));
        drop(other.await.unwrap());
        drop(more.await.unwrap());
        assert_eq!((queue.free(), queue.waiting()), (2, 0));
    }

    #[tokio::test]
    async fn a_permit_granted_to_a_cancelled_request_is_not_lost() {
        let queue = FairQueue::new(1, 8);
        let permit = queue.acquire(client(1)).await.unwrap();
        let mut request = Box::pin(queue.acquire(client(2)));
        begin(request.as_mut()).await;
        drop(permit);
        drop(request);
        assert_eq!(queue.free(), 1);
    }
}
