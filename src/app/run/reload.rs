//! Reload: reads all files first, then applies the new configuration as a whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tracing::{error, info, warn};

use super::daemon::{Daemon, LoopEvent};
use crate::app::engine_settings;
use crate::app::lists;
use crate::app::probers::{self, Roots, StartError};
use crate::config::Config;
use crate::web::ReloadResult;

/// Longest time to read a configuration. It may be a pipe without a writer.
const LOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// Most reads of the configuration at once: one, and a few that hang.
const MAX_LOADS: usize = 4;

/// A configuration that was read, with the files that it depends on.
pub(super) struct Loaded {
    config: Config,
    /// Which entries of lists the configuration has.
    lists_version: u64,
    roots: Roots,
}

/// Requests for a reload, and the read under way.
pub(super) struct Reloads {
    config_file: PathBuf,
    /// Requests that came while a configuration was being read; `None` without any.
    waiting: Option<Vec<ReloadResult>>,
    loading: bool,
    /// Whether the configuration in effect is the latest one.
    pub(super) is_latest: bool,
    /// Permits for reads of the configuration, those that hang included.
    permits: Arc<Semaphore>,
}

impl Reloads {
    /// Returns a state without requests. Each reload reads this file.
    pub(super) fn new(config_file: PathBuf) -> Self {
        Self {
            config_file,
            waiting: None,
            loading: false,
            is_latest: true,
            permits: Arc::new(Semaphore::new(MAX_LOADS)),
        }
    }
}

impl Daemon {
    /// Reads the configuration for a request. Requests that come meanwhile share the next read: the
    /// file may have changed since this one began.
    pub(super) fn reload(&mut self, reply: Option<ReloadResult>) {
        self.reloads.waiting.get_or_insert_default().extend(reply);
        if self.reloads.loading {
            return;
        }
        let replies = self.reloads.waiting.take().unwrap_or_default();
        self.reloads.loading = true;
        self.supervisor.reloading();
        let path = self.reloads.config_file.clone();
        let (permits, loop_events) = (Arc::clone(&self.reloads.permits), self.loop_events.clone());
        let lists = Arc::clone(self.lists.shared());
        tokio::spawn(async move {
            let loaded = load(path, lists, &permits).await;
            let _ = loop_events.send(LoopEvent::Loaded(loaded, replies)).await;
        });
    }

    /// Applies what was read, and answers the requests for it.
    pub(super) async fn loaded(
        &mut self,
        loaded: Result<Box<Loaded>, String>,
        replies: Vec<ReloadResult>,
    ) {
        self.reloads.loading = false;
        let result = match loaded {
            Ok(loaded) => self.apply(*loaded).await.map_err(|e| e.to_string()),
            Err(error) => Err(error),
        };
        match &result {
            Ok(()) => info!("configuration reloaded"),
            Err(error) => {
                for line in error.lines() {
                    error!(
                        error = line,
                        "configuration not reloaded: the earlier one stays in effect"
                    );
                }
                self.engine.reload_failed();
            }
        }
        // Before the requests are answered, so that a scrape after the answer shows the change.
        self.publish();
        self.reloads.is_latest = result.is_ok();
        self.report_ready();
        for reply in replies {
            let _ = reply.send(result.clone());
        }
        // Entries may have changed while the configuration was read.
        self.merge_lists();
        if self.reloads.waiting.is_some() {
            self.reload(None);
        }
    }

    /// Applies a valid configuration, as a whole or not at all.
    async fn apply(&mut self, loaded: Loaded) -> Result<(), StartError> {
        let Loaded {
            mut config,
            lists_version,
            roots,
        } = loaded;
        let network = &mut self.network;
        let settings = probers::settings(&config, network.settings.identity, roots);
        let downloader = probers::downloader(&settings, &network.resolver)?;
        if settings != network.settings {
            network.probers.configure(&settings)?;
        }
        let configured = network
            .dht
            .configure(&config, &network.resolver, &self.state_writer);
        if let Err(failed) = configured.await {
            if settings != network.settings {
                network.probers.configure(&network.settings)?;
            }
            return Err(failed);
        }
        network.settings = settings;
        let (new, old) = (&mut config, &self.config);
        keep("state.path", &mut new.state.path, &old.state.path, |path| {
            path.as_deref()
                .unwrap_or(Path::new(""))
                .display()
                .to_string()
        });
        let prefixes = (&mut new.tracker.peer_id_prefix, &old.tracker.peer_id_prefix);
        keep("tracker.peer_id_prefix", prefixes.0, prefixes.1, |prefix| {
            prefix.to_string()
        });
        self.state_writer.configure(&config.state);
        self.lists.configure(&config.lists.all, downloader);
        self.merges.reloaded(lists_version);
        self.engine
            .reload(&engine_settings(&config), self.clock.now());
        self.config = config;
        self.show_config();
        Ok(())
    }
}

/// Keeps the value in use of a setting that cannot change while the daemon runs. `/config` shows
/// that value, and the next reload compares with it.
fn keep<T: PartialEq + Clone>(
    setting: &str,
    configured: &mut T,
    in_use: &T,
    shown: impl Fn(&T) -> String,
) {
    if configured != in_use {
        warn!(
            configured = %shown(configured),
            in_use = %shown(in_use),
            "{setting} changes with a restart only"
        );
        *configured = in_use.clone();
    }
}

/// Reads a configuration and all files that it depends on, on a thread of its own, where a mount
/// that hangs blocks nothing else.
async fn load(
    path: PathBuf,
    lists: Arc<lists::Shared>,
    permits: &Arc<Semaphore>,
) -> Result<Box<Loaded>, String> {
    let Ok(permit) = Arc::clone(permits).try_acquire_owned() else {
        return Err("earlier reads of the configuration still hang".to_owned());
    };
    let (result, loaded) = oneshot::channel();
    let read = move || {
        let read = Config::load(&path).map_err(|error| error.to_string());
        let _ = result.send(read.and_then(|mut config| {
            let roots = probers::roots().map_err(|error| error.to_string())?;
            let merged = lists.merge(&config);
            config.torrents = merged.merged.torrents;
            Ok(Box::new(Loaded {
                config,
                lists_version: merged.version,
                roots,
            }))
        }));
        drop(permit);
    };
    let thread = std::thread::Builder::new().name("config".to_owned());
    thread.spawn(read).map_err(|failed| failed.to_string())?;
    match tokio::time::timeout(LOAD_TIMEOUT, loaded).await {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(_)) => Err("the read of the configuration panicked".to_owned()),
        Err(_) => Err(format!("not read within {} s", LOAD_TIMEOUT.as_secs())),
    }
}
