//! The web configuration file and the files it names, read again when one of them has changed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Access;
use crate::config_file;
use crate::tls::{Pem, TlsError};
use seedwatch_clock::LINE_INTERVAL;
use seedwatch_input::yaml::{ConfigError, Fault, Report};

/// After this time files that were wrong are read again even if they look the same: a mount that
/// hung may answer again.
const RETRY: Duration = Duration::from_secs(10);

/// The files, and their stamps when they were read.
pub(super) struct Files {
    path: PathBuf,
    seen: Vec<(PathBuf, Option<FileStamp>)>,
    failed: Option<Failure>,
}

/// A reading that failed.
struct Failure {
    text: String,
    at: Instant,
    logged: Instant,
}

/// What changes when a file is replaced or written to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileStamp {
    is_regular: bool,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Files {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            seen: Vec::new(),
            failed: None,
        }
    }

    /// Reads everything for the first time. Pipes are read too: the shell's `<(…)` is one.
    ///
    /// # Errors
    /// The faults found, with file, line and key.
    pub(super) fn read(&mut self) -> Result<Access, ConfigError> {
        self.read_all(|_| true)
    }

    /// Reads the files that `may_read` allows. The stamp of a file is taken before it is read, so that
    /// a change in between is found the next time.
    fn read_all(&mut self, may_read: fn(&FileStamp) -> bool) -> Result<Access, ConfigError> {
        // The files of before are watched on: one of them may be what is missing.
        let before: Vec<PathBuf> = self.seen.drain(..).map(|(path, _)| path).collect();
        let outcome = self.read_in_order(may_read);
        for path in before {
            if outcome.is_err() && !self.seen.iter().any(|(seen, _)| *seen == path) {
                self.seen.push(stamp(&path));
            }
        }
        outcome
    }

    fn read_in_order(&mut self, may_read: fn(&FileStamp) -> bool) -> Result<Access, ConfigError> {
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
            let message = "is no longer a regular file".to_owned();
            return Err(fault(None, String::new(), message).into());
        }
        let mut report = Report::default();
        let settings = config_file::read(&self.path, &mut report);
        let tls = settings.as_ref().and_then(|settings| {
            let tls = settings.tls.as_ref()?;
            let pipes = tls.pems().filter(|pem| !pem.file().is_none_or(&mut check));
            let pipes: Vec<&Pem> = pipes.collect();
            let built = match pipes.is_empty() {
                true => tls.build(),
                false => {
                    let errors = pipes
                        .iter()
                        .map(|pem| pem.error("is no longer a regular file"));
                    Err(errors.collect())
                }
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
        // Without settings there is an error, but nothing may be open if that should change.
        let settings = settings.ok_or_else(|| {
            let message = "cannot be understood".to_owned();
            fault(None, String::new(), message)
        })?;
        Ok(Access {
            tls,
            users: settings.users.map(Arc::new),
            rate_limit: settings.rate_limit,
            headers: settings.headers,
            http2: settings.http2,
        })
    }

    /// What the files say now, if it differs from before and is right.
    pub(super) fn refresh(&mut self, now: Instant) -> Option<Access> {
        let unchanged = self.seen.iter().all(|file| *file == stamp(&file.0));
        let retry = self.failed.as_ref().is_some_and(|f| now >= f.at + RETRY);
        if unchanged && !retry {
            return None;
        }
        // A pipe that stands where a file was could be waited for without end.
        match self.read_all(|stamp| stamp.is_regular) {
            Ok(access) => {
                self.failed = None;
                tracing::info!("web configuration loaded again");
                Some(access)
            }
            Err(error) => {
                self.fail(error.to_string(), now);
                None
            }
        }
    }

    /// Logs a new fault at once, and one that lasts once per minute.
    fn fail(&mut self, text: String, now: Instant) {
        let before = self.failed.take().filter(|failed| failed.text == text);
        let logged = before.map(|failed| failed.logged);
        let logged = logged.filter(|logged| now < *logged + LINE_INTERVAL);
        if logged.is_none() {
            for error in text.lines() {
                tracing::error!(error, "web configuration is wrong, the one before stays");
            }
        }
        self.failed = Some(Failure {
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
