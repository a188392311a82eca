//! Threads for hosts that are not trusted yet.
//!
//! While a host sends interim responses (1xx), hyper keeps reading and rarely yields, and reqwest
//! has no hook for them. Large bodies leave large buffers in kept-alive connections. So a host must
//! first send a small response in time. Until then, and after any other response, its requests run
//! on these threads, each over a new connection.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

/// The number of threads. The system divides the processors among them, even if one host keeps its
/// thread busy.
const THREADS: usize = 4;
/// The longest response of a trusted host, in bytes.
pub(super) const SMALL: usize = 64 << 10;

/// The threads. They end when the value is dropped.
pub(super) struct Probation {
    handle: Handle,
    /// `None` only during the drop.
    runtime: Option<Runtime>,
}

impl Probation {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no threads or no descriptors.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("http-probation")
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Runs a future on these threads. Dropping the returned future cancels it. `None` if it
    /// panicked or the threads have ended.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut task = JoinSet::new();
        task.spawn_on(future, &self.handle);
        task.join_next().await?.ok()
    }
}

impl Drop for Probation {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Tasks that still hang are abandoned.
            runtime.shutdown_background();
        }
    }
}

/// Whether a host is trusted.
#[derive(Debug, Default)]
pub(super) struct HostTrust(AtomicBool);

impl HostTrust {
    /// Returns whether the latest response was small and in time.
    pub(super) fn is_trusted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Begins an exchange. Unless a small response is recorded, the host is not trusted afterwards.
    pub(super) fn exchange(&self) -> Exchange<'_> {
        Exchange {
            trust: self,
            is_small: false,
        }
    }
}

/// An exchange with a host.
pub(super) struct Exchange<'a> {
    trust: &'a HostTrust,
    is_small: bool,
}

impl Exchange<'_> {
    /// Records a whole response of `length` bytes.
    pub(super) fn answered(&mut self, length: usize) {
        self.is_small = length <= SMALL;
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        self.trust.0.store(self.is_small, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_trusted_after_a_small_response_until_a_large_one() {
        let trust = HostTrust::default();
        assert!(!trust.is_trusted());
        trust.exchange().answered(SMALL);
        assert!(trust.is_trusted());
        trust.exchange().answered(SMALL + 1);
        assert!(!trust.is_trusted());
        trust.exchange().answered(0);
        // The exchange timed out before a response arrived.
        drop(trust.exchange());
        assert!(!trust.is_trusted());
    }

    #[tokio::test]
    async fn dropping_the_future_ends_the_task() {
        let probation = Probation::start().unwrap();
        assert_eq!(probation.run(async { 7 }).await, Some(7));
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let hanging = probation.run(async move {
            let _held = sender;
            std::future::pending::<()>().await;
        });
        let short = std::time::Duration::from_millis(5);
        assert!(tokio::time::timeout(short, hanging).await.is_err());
        assert!(receiver.await.is_err(), "the task still runs");
    }
}
