//! The web configuration file and the files that it names, read again when one of them changes.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::AccessPolicy;
use crate::config_file;
use crate::tls::TlsError;
use seedwatch_clock::LINE_INTERVAL;
use seedwatch_input::yaml::{ConfigError, Fault, Report};

/// Time after which files that were wrong are read again even if they look unchanged: a mount that
/// hung may work again.
const RETRY: Duration = Duration::from_secs(10);

/// Why a file that was read before is not read again.
const NOT_REGULAR: &str = "is no longer a regular file";

/// The files, and their stamps when they were read.
pub(super) struct WatchedFiles {
    path: PathBuf,
    seen: Vec<(PathBuf, Option<FileStamp>)>,
    failed: Option<FailedRead>,
}

/// The last attempt to read the files, if it failed.
struct FailedRead {
    text: String,
    at: Instant,
    logged: Instant,
}

/// The metadata that changes when a file is replaced or written to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileStamp {
    is_regular: bool,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl WatchedFiles {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            seen: Vec::new(),
            failed: None,
        }
    }

    /// Reads all files for the first time. Pipes are read too: the shell's `<(…)` is one.
    ///
    /// # Errors
    /// Returns the faults found, with file, line and key.
    pub(super) fn read(&mut self) -> Result<AccessPolicy, ConfigError> {
        self.read_all(|_| true)
    }

    /// Reads the files that `may_read` allows. The stamp of a file is taken before it is read, so
    /// that the next check finds a change in between.
    fn read_all(&mut self, may_read: fn(&FileStamp) -> bool) -> Result<AccessPolicy, ConfigError> {
        // Files named earlier stay watched: one of them may be the missing one.
        let before: Vec<PathBuf> = self.seen.drain(..).map(|(path, _)| path).collect();
        let outcome = self.read_in_order(may_read);
        for path in before {
            if outcome.is_err() && !self.seen.iter().any(|(seen, _)| *seen == path) {
                self.seen.push(stamp(&path));
            }
        }
        outcome
    }

    fn read_in_order(
        &mut self,
        may_read: fn(&FileStamp) -> bool,
    ) -> Result<AccessPolicy, ConfigError> {
        let fault = |line, key: String, message| Fault {
            file: self.path.to_string_lossy().into(),
            line,
            key,
            message,
        };
        let mut check = |path: &Path| {
            let file = stamp(path);
            let allowed = file.1.as_ref().is_none_or(may_read);
            self.seen.push(file);
            allowed
        };
        if !check(&self.path) {
            return Err(fault(None, String::new(), NOT_REGULAR.to_owned()).into());
        }
        let mut report = Report::default();
        let settings = config_file::read(&self.path, &mut report);
        let tls = settings.as_ref().and_then(|settings| {
            let tls = settings.tls.as_ref()?;
            let pipes = tls.pems().filter(|pem| !pem.file().is_none_or(&mut check));
            let pipes: Vec<TlsError> = pipes.map(|pem| pem.error(NOT_REGULAR)).collect();
            let built = match pipes.is_empty() {
                true => tls.build(),
                false => Err(pipes),
            };
            let errors = match built {
                Ok(config) => return Some(config),
                Err(errors) => errors,
            };
            for TlsError { line, key, message } in errors {
                report.fault(fault(
                    Some(line),
                    format!("tls_server_config.{key}"),
                    message,
                ));
            }
            None
        });
        report.finish()?;
        // Missing settings imply a fault above. If they ever do not, the server must not be open.
        let settings = settings.ok_or_else(|| {
            let message = "cannot be understood".to_owned();
            fault(None, String::new(), message)
        })?;
        Ok(AccessPolicy {
            tls,
            users: settings.users.map(Arc::new),
            rate_limit: settings.rate_limit,
            headers: settings.headers,
            http2: settings.http2,
        })
    }

    /// Returns the new policy if the files have changed and are valid.
    pub(super) fn refresh(&mut self, now: Instant) -> Option<AccessPolicy> {
        let unchanged = self.seen.iter().all(|file| *file == stamp(&file.0));
        let retry = self.failed.as_ref().is_some_and(|f| now >= f.at + RETRY);
        if unchanged && !retry {
            return None;
        }
        // Reading a pipe in place of a file could block without end.
        match self.read_all(|stamp| stamp.is_regular) {
            Ok(access) => {
                self.failed = None;
                tracing::info!("web configuration reloaded");
                Some(access)
            }
            Err(error) => {
                self.fail(error.to_string(), now);
                None
            }
        }
    }

    /// Logs a new fault at once, and a lasting one once per minute.
    fn fail(&mut self, text: String, now: Instant) {
        let before = self.failed.take().filter(|failed| failed.text == text);
        let logged = before.map(|failed| failed.logged);
        let logged = logged.filter(|logged| now < *logged + LINE_INTERVAL);
        if logged.is_none() {
            for error in text.lines() {
                tracing::error!(
                    error,
                    "web configuration is invalid: the last valid one stays in force"
                );
            }
        }
        self.failed = Some(FailedRead {
            text,
            at: now,
            logged: logged.unwrap_or(now),
        });
    }
}

fn stamp(path: impl AsRef<Path>) -> (PathBuf, Option<FileStamp>) {
    let path = path.as_ref();
    let stamp = std::fs::metadata(path).ok().map(|metadata| FileStamp {
        is_regular: metadata.is_file(),
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    });
    (path.to_owned(), stamp)
}
