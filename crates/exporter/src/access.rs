//! What `--web.config.file` asks for, always as the file stands now.

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
use files::Files;
use seedwatch_clock::LineLimit;
use seedwatch_input::yaml::{ConfigError, Fault};

mod files;

/// The longest that a request waits for a look at the files.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest that the start waits for the files. Each of the four is read for at most
/// [`READ_TIMEOUT`](seedwatch_input::file::READ_TIMEOUT).
const LOAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What guards and dresses a connection. The default: nothing.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) users: Option<Arc<Users>>,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) headers: HeaderMap,
    pub(super) http2: bool,
}

impl Default for Access {
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
/// changed; while they are wrong or cannot be read, what they said before stays in force.
///
/// Only a thread of its own touches the files: a file system that hangs stops neither requests nor
/// the shutdown.
pub struct WebConfig {
    path: PathBuf,
    access: Arc<ArcSwap<Access>>,
    looks: Sender<oneshot::Sender<()>>,
    looking: Arc<Looking>,
    log: LineLimit<()>,
}

/// Since when the thread has been looking at the files.
#[derive(Debug, Default)]
struct Looking(Mutex<Option<Instant>>);

impl Looking {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// The look does not end: waiting for it is of no use.
    fn hangs(&self) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() >= LOOK_TIMEOUT)
    }
}

impl WebConfig {
    /// Reads the file and everything it names.
    ///
    /// # Errors
    /// The faults found, with file, line and key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (looks, requests) = mpsc::channel();
        let (first, loaded) = mpsc::channel();
        let looking = Arc::new(Looking::default());
        let thread = Thread {
            path: path.to_owned(),
            requests,
            looking: Arc::clone(&looking),
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
            looks,
            looking,
            log: LineLimit::new(),
        })
    }

    /// What is in force now. Has the thread look at the files first.
    pub(super) async fn current(&self) -> Arc<Access> {
        if !self.looking.hangs() {
            let (done, looked) = oneshot::channel();
            let _ = self.looks.send(done);
            // If the thread dies, what was in force before stays so.
            let in_time = timeout(LOOK_TIMEOUT, looked).await.is_ok();
            if !in_time && let Some(suppressed) = self.log.admit((), Instant::now().into_std()) {
                tracing::warn!(
                    path = %self.path.display(),
                    suppressed,
                    "the web configuration or a file it names cannot be read in time; \
                     what they said before stays in force"
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

/// The thread that looks at the files. It ends with its [`WebConfig`].
struct Thread {
    path: PathBuf,
    requests: Receiver<oneshot::Sender<()>>,
    looking: Arc<Looking>,
}

impl Thread {
    fn run(self, first: &Sender<Result<Arc<ArcSwap<Access>>, ConfigError>>) {
        let mut files = Files::new(self.path);
        let access = match files.read() {
            Ok(access) => Arc::new(ArcSwap::from_pointee(access)),
            Err(error) => return drop(first.send(Err(error))),
        };
        if first.send(Ok(Arc::clone(&access))).is_err() {
            return;
        }
        while let Ok(request) = self.requests.recv() {
            // One look serves all who wait: it begins after each of them asked.
            let mut waiting = vec![request];
            waiting.extend(self.requests.try_iter());
            self.looking.set(Some(Instant::now()));
            if let Some(new) = files.refresh(Instant::now()) {
                access.store(Arc::new(new));
            }
            self.looking.set(None);
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
    async fn a_look_that_hangs_delays_requests_for_a_moment_only() {
        let (looks, requests) = mpsc::channel();
        let config = WebConfig {
            path: PathBuf::from("web.yaml"),
            access: Arc::default(),
            looks,
            looking: Arc::default(),
            log: LineLimit::new(),
        };
        config.looking.set(Some(Instant::now()));
        let start = Instant::now();
        config.current().await;
        assert!((LOOK_TIMEOUT..LOOK_TIMEOUT * 2).contains(&start.elapsed()));
        let start = Instant::now();
        for _ in 0..100 {
            config.current().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        // Nothing piles up before the thread that hangs.
        assert_eq!(requests.try_iter().count(), 1);
    }
}
