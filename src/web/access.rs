//! What `--web.config.file` asks for, always as the file stands now.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use hyper::header::HeaderMap;
use rustls::ServerConfig;

use super::auth::Users;
use super::config_file;
use crate::config::Fault;

/// What guards and dresses a connection. The default: nothing.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) users: Option<Users>,
    pub(super) headers: HeaderMap,
    pub(super) http2: bool,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            tls: None,
            users: None,
            headers: HeaderMap::new(),
            http2: true,
        }
    }
}

/// `--web.config.file`. The file, certificates and keys are read again when one of them has
/// changed; while what they say is wrong, what they said before stays in force.
pub struct WebConfig {
    path: PathBuf,
    access: ArcSwap<Access>,
    seen: Mutex<Seen>,
}

/// The files read last, and how they looked before they were read.
type Seen = Vec<(PathBuf, Option<Looks>)>;

/// What changes when a file is replaced or written to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looks {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl WebConfig {
    /// Reads the file and everything it names.
    ///
    /// # Errors
    /// The first fault, with file, line and key.
    pub fn load(path: &Path) -> Result<Self, Fault> {
        let mut seen = vec![look(path)];
        let access = read(path, &mut seen)?;
        Ok(Self {
            path: path.to_owned(),
            access: ArcSwap::from_pointee(access),
            seen: Mutex::new(seen),
        })
    }

    /// What is in force now. Looks at the files first, on a thread that may block.
    pub(super) async fn current(self: &Arc<Self>) -> Arc<Access> {
        let this = Arc::clone(self);
        // If the thread dies, what was in force before stays so.
        let _ = tokio::task::spawn_blocking(move || this.refresh()).await;
        self.access.load_full()
    }

    fn refresh(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.iter().all(|file| *file == look(&file.0)) {
            return;
        }
        let mut now = vec![look(&self.path)];
        match read(&self.path, &mut now) {
            Ok(access) => {
                self.access.store(Arc::new(access));
                tracing::info!("web configuration loaded anew");
            }
            Err(fault) => {
                // The files of before are watched on: one of them may be what is missing.
                let more = seen.iter().map(|(path, _)| look(path));
                let more: Seen = more.filter(|file| !now.contains(file)).collect();
                now.extend(more);
                tracing::error!(error = %fault, "web configuration is wrong, the one before stays");
            }
        }
        *seen = now;
    }
}

impl fmt::Debug for WebConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebConfig")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Reads everything; the files named are noted in `seen` before they are read, so that a change
/// in between is found the next time.
fn read(path: &Path, seen: &mut Seen) -> Result<Access, Fault> {
    let settings = config_file::read(path)?;
    let tls = match &settings.tls {
        None => None,
        Some(tls) => {
            seen.extend(tls.files().map(look));
            Some(tls.build().map_err(|error| Fault {
                file: path.to_string_lossy().into(),
                line: Some(error.line),
                key: format!("tls_server_config.{}", error.key),
                message: error.message,
            })?)
        }
    };
    Ok(Access {
        tls,
        users: settings.users,
        headers: settings.headers,
        http2: settings.http2,
    })
}

fn look(path: impl AsRef<Path>) -> (PathBuf, Option<Looks>) {
    let path = path.as_ref();
    let looks = std::fs::metadata(path).ok().map(|metadata| Looks {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    });
    (path.to_owned(), looks)
}
