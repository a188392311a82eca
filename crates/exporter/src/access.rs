//! The policy of `--web.config.file`, reloaded when the file or a file that it names changes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::header::HeaderMap;
use rustls::ServerConfig;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::auth::Users;
use super::rate_limit::RateLimit;
use files::WatchedFiles;
use seedwatch_clock::LineLimit;
use seedwatch_input::yaml::{ConfigError, Fault};

mod files;

/// Longest time that a request waits for a check of the files.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest time that the start waits for the files. Each of the four is read for at most
/// [`READ_TIMEOUT`](seedwatch_input::file::READ_TIMEOUT).
const LOAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The policy for a connection and its requests. The default protects nothing.
#[derive(Debug)]
pub(super) struct AccessPolicy {
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) users: Option<Arc<Users>>,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) headers: HeaderMap,
    pub(super) http2: bool,
}

impl Default for AccessPolicy {
    fn default() -> Self {
        Self {
            tls: None,
            users: None,
            rate_limit: None,
            headers: HeaderMap::new(),
            http2: true,
        }
    }
}

/// `--web.config.file`. The file, certificates and keys are read again when one of them has
/// changed. While they are wrong or cannot be read, the last valid policy stays in force.
///
/// A dedicated thread reads the files: a file system that hangs stops neither requests nor the
/// shutdown.
pub struct WebConfig {
    path: PathBuf,
    access: Arc<ArcSwap<AccessPolicy>>,
    checks: Sender<oneshot::Sender<()>>,
    check_state: Arc<CheckState>,
    log: LineLimit<()>,
}

/// The time at which the thread began to check the files, while it checks them.
#[derive(Debug, Default)]
struct CheckState(Mutex<Option<Instant>>);

impl CheckState {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Returns whether the check takes so long that waiting for it is of no use.
    fn is_stuck(&self) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() >= CHECK_TIMEOUT)
    }
}

impl WebConfig {
    /// Reads the file and the files that it names.
    ///
    /// # Errors
    /// Returns the faults found, with file, line and key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (checks, requests) = mpsc::channel();
        let (first, loaded) = mpsc::channel();
        let check_state = Arc::new(CheckState::default());
        let thread = WatchThread {
            path: path.to_owned(),
            requests,
            check_state: Arc::clone(&check_state),
        };
        let whole = |why: &str| {
            ConfigError::from(Fault {
                file: path.to_string_lossy().into(),
                line: None,
                key: String::new(),
                message: format!("cannot be read: {why}"),
            })
        };
        thread::Builder::new()
            .name("web-config".to_owned())
            .spawn(move || thread.run(&first))
            .map_err(|error| whole(&error.to_string()))?;
        let access = loaded
            .recv_timeout(LOAD_TIMEOUT)
            .map_err(|_| whole("its file system, or that of a file it names, does not answer"))??;
        Ok(Self {
            path: path.to_owned(),
            access,
            checks,
            check_state,
            log: LineLimit::new(),
        })
    }

    /// Returns the policy in force, after the thread has checked the files.
    pub(super) async fn current(&self) -> Arc<AccessPolicy> {
        if !self.check_state.is_stuck() {
            let (done, checked) = oneshot::channel();
            let _ = self.checks.send(done);
            // If the thread dies, the last policy stays in force.
            let in_time = timeout(CHECK_TIMEOUT, checked).await.is_ok();
            if !in_time && let Some(suppressed) = self.log.admit((), Instant::now().into_std()) {
                tracing::warn!(
                    path = %self.path.display(),
                    suppressed,
                    "the web configuration or a file that it names cannot be read in time: \
                     the last valid one stays in force"
                );
            }
        }
        self.access.load_full()
    }
}

impl fmt::Debug for WebConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebConfig")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The thread that checks the files. It ends when its [`WebConfig`] is dropped.
struct WatchThread {
    path: PathBuf,
    requests: Receiver<oneshot::Sender<()>>,
    check_state: Arc<CheckState>,
}

impl WatchThread {
    fn run(self, first: &Sender<Result<Arc<ArcSwap<AccessPolicy>>, ConfigError>>) {
        let mut files = WatchedFiles::new(self.path);
        let access = match files.read() {
            Ok(access) => Arc::new(ArcSwap::from_pointee(access)),
            Err(error) => return drop(first.send(Err(error))),
        };
        if first.send(Ok(Arc::clone(&access))).is_err() {
            return;
        }
        while let Ok(request) = self.requests.recv() {
            // One check serves all waiting requests: it begins after each of them asked.
            let mut waiting = vec![request];
            waiting.extend(self.requests.try_iter());
            self.check_state.set(Some(Instant::now()));
            if let Some(new) = files.refresh(Instant::now()) {
                access.store(Arc::new(new));
            }
            self.check_state.set(None);
            for request in waiting {
                let _ = request.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_delays_requests_only_briefly() {
        let (checks, requests) = mpsc::channel();
        let config = WebConfig {
            path: PathBuf::from("web.yaml"),
            access: Arc::default(),
            checks,
            check_state: Arc::default(),
            log: LineLimit::new(),
        };
        config.check_state.set(Some(Instant::now()));
        let start = Instant::now();
        config.current().await;
        assert!((CHECK_TIMEOUT..CHECK_TIMEOUT * 2).contains(&start.elapsed()));
        let start = Instant::now();
        for _ in 0..100 {
            config.current().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        // No requests pile up in front of the stuck thread.
        assert_eq!(requests.try_iter().count(), 1);
    }
}
