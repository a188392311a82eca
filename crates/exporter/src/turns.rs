//! A resource that few can use at a time, shared fairly among clients.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::client::ClientKey;

/// Hands out a fixed number of turns. Clients that wait are served in rotation, each in the order
/// of its own requests: a client that asks often delays itself, not the others.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The most requests of one client that may wait.
    max_waiting: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    waiting: BTreeMap<ClientKey, VecDeque<oneshot::Sender<Turn>>>,
    /// The clients in `waiting`, the next to be served first.
    rotation: VecDeque<ClientKey>,
}

/// The right to use the resource, given back when dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<Shared>>);

/// The client has as many requests waiting as it may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Crowded;

impl Turns {
    pub(super) fn new(count: usize, max_waiting: usize) -> Self {
        Self(Arc::new(Shared {
            max_waiting,
            queue: Mutex::new(Queue {
                free: count,
                waiting: BTreeMap::new(),
                rotation: VecDeque::new(),
            }),
        }))
    }

    /// Waits for a turn.
    pub(super) async fn take(&self, client: ClientKey) -> Result<Turn, Crowded> {
        let granted = {
            let mut queue = self.0.lock();
            if queue.free > 0 {
                queue.free -= 1;
                return Ok(Turn(Some(Arc::clone(&self.0))));
            }
            queue.join(client, self.0.max_waiting)?
        };
        granted.await.map_err(|_| Crowded)
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.0.lock().free
    }

    /// How many requests wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().waiting.values().map(VecDeque::len).sum()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a turn that has ended to the next request that still waits.
    fn pass_on(self: &Arc<Self>) {
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
            match next.send(Turn(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // The request was given up: the turn goes to the one after it.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

impl Queue {
    fn join(
        &mut self,
        client: ClientKey,
        max_waiting: usize,
    ) -> Result<oneshot::Receiver<Turn>, Crowded> {
        let requests = self.waiting.entry(client).or_default();
        if requests.is_empty() {
            self.rotation.push_back(client);
        }
        if requests.len() >= max_waiting {
            requests.retain(|request| !request.is_closed());
        }
        if requests.len() >= max_waiting {
            return Err(Crowded);
        }
        let (grant, granted) = oneshot::channel();
        requests.push_back(grant);
        Ok(granted)
    }

    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
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

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.pass_on();
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

    /// Lets the future join the queue.
    async fn begin<F: Future>(mut future: Pin<&mut F>) {
        std::future::poll_fn(|context| {
            assert!(future.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn clients_are_served_in_rotation() {
        let turns = Turns::new(1, 8);
        let first = turns.take(client(1)).await.unwrap();
        let mut greedy: [_; 3] = std::array::from_fn(|_| Box::pin(turns.take(client(1))));
        for request in &mut greedy {
            begin(request.as_mut()).await;
        }
        let mut other = pin!(turns.take(client(2)));
        begin(other.as_mut()).await;
        assert_eq!(turns.waiting(), 4);

        drop(first);
        let [second, third, fourth] = greedy;
        let turn = second.await.unwrap();
        drop(turn);
        let turn = other.await.unwrap();
        // A request that is given up takes no turn.
        drop(third);
        drop(turn);
        drop(fourth.await.unwrap());
        assert_eq!((turns.free(), turns.waiting()), (1, 0));
    }

    #[tokio::test]
    async fn a_client_may_have_exactly_the_limit_waiting() {
        let turns = Turns::new(2, 3);
        let held = [turns.take(client(1)).await, turns.take(client(1)).await];
        let mut waiting: [_; 3] = std::array::from_fn(|_| Box::pin(turns.take(client(1))));
        for request in &mut waiting {
            begin(request.as_mut()).await;
        }
        assert_eq!(turns.take(client(1)).await.err(), Some(Crowded));
        let mut other = pin!(turns.take(client(2)));
        begin(other.as_mut()).await;
        // A request that was given up makes room.
        let [one, two, three] = waiting;
        drop(one);
        let mut more = pin!(turns.take(client(1)));
        begin(more.as_mut()).await;
        drop((held, two, three));
        drop(other.await.unwrap());
        drop(more.await.unwrap());
        assert_eq!((turns.free(), turns.waiting()), (2, 0));
    }

    #[tokio::test]
    async fn a_turn_granted_to_a_request_given_up_is_not_lost() {
        let turns = Turns::new(1, 8);
        let turn = turns.take(client(1)).await.unwrap();
        let mut request = Box::pin(turns.take(client(2)));
        begin(request.as_mut()).await;
        drop(turn);
        drop(request);
        assert_eq!(turns.free(), 1);
    }
}
