//! Probes under way: none is forgotten when the prober stops, none ends without a word.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use tokio::task::JoinSet;

/// The tasks of a prober, over all its settings.
#[derive(Debug)]
pub(super) struct Running {
    /// `None` once the prober has stopped.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl Default for Running {
    fn default() -> Self {
        Self {
            tasks: Mutex::new(Some(JoinSet::new())),
        }
    }
}

impl Running {
    /// Starts a task, unless the prober has stopped.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tasks) = tasks.as_mut() {
            // The set keeps what has ended until it is asked for.
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// Ends all tasks and starts no more. When it returns, all they held is dropped.
    pub(super) async fn stop(&self) {
        let tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.take()
        };
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }
}

/// What a future comes to; `None` if it panics.
pub(super) async fn caught<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        // It is not looked at again after a panic.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_caught_also_after_a_wait() {
        assert_eq!(caught(async { 1 }).await, Some(1));
        let late = async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "a fault of our own");
        };
        assert_eq!(caught(late).await, None);
    }

    #[tokio::test]
    async fn what_has_ended_does_not_pile_up() {
        let running = Running::default();
        for _ in 0..100 {
            running.spawn(async {});
            tokio::task::yield_now().await;
        }
        let kept = running.tasks.lock().unwrap().as_ref().map(JoinSet::len);
        assert!(kept.is_some_and(|kept| kept < 5), "{kept:?}");
        running.stop().await;
        running.spawn(async { panic!("started after the stop") });
        assert!(running.tasks.lock().unwrap().is_none());
    }
}
