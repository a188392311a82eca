//! The DHT prober of the daemon, and the table of nodes that outlives it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use super::probers::StartError;
use crate::address::Accept;
use crate::config::Config;
use crate::dht::{self, Contact};
use crate::observation::{DhtReport, Family};
use crate::probe::dht::{DhtProber, Settings};
use crate::probe::resolve::Resolver;
use crate::store::Store;
use crate::torrent::InfoHash;

/// Longest time the prober has to hand over its table.
const TABLE_DEADLINE: Duration = Duration::from_secs(2);

/// The DHT as the daemon asks it, if it does.
pub(super) struct Dht {
    running: Option<Running>,
    store: Option<Arc<Store>>,
    out: mpsc::Sender<DhtReport>,
}

/// A prober and what it was last told.
struct Running {
    prober: DhtProber,
    settings: Settings,
    hashes: Arc<[InfoHash]>,
    paused: [bool; 2],
}

impl Dht {
    /// Opens the state directory and starts the prober, if the DHT is to be asked.
    ///
    /// # Errors
    /// When there is no socket for it.
    pub(super) async fn start(
        config: &Config,
        resolver: &Resolver,
        out: mpsc::Sender<DhtReport>,
    ) -> Result<Self, StartError> {
        let store = match &config.state.path {
            Some(path) => open(path.clone()).await,
            None => None,
        };
        let mut dht = Self {
            running: None,
            store,
            out,
        };
        if config.dht.enabled {
            let table = dht.load().await;
            dht.running = Some(dht.launch(settings(config), resolver, table)?);
        }
        Ok(dht)
    }

    fn launch(
        &self,
        settings: Settings,
        resolver: &Resolver,
        table: Vec<Contact>,
    ) -> Result<Running, StartError> {
        let prober = DhtProber::start(settings.clone(), resolver.clone(), table, self.out.clone());
        Ok(Running {
            prober: prober.map_err(StartError::Dht)?,
            settings,
            hashes: Arc::from([]),
            paused: [false; 2],
        })
    }

    /// Takes over the settings of a new configuration. Where other sockets are wanted, another
    /// prober begins with the nodes of the one before.
    ///
    /// # Errors
    /// When the other sockets cannot be had; everything stays as it was.
    pub(super) async fn configure(
        &mut self,
        config: &Config,
        resolver: &Resolver,
    ) -> Result<(), StartError> {
        if !config.dht.enabled {
            self.stop().await;
            return Ok(());
        }
        let settings = settings(config);
        match &mut self.running {
            Some(running) if running.settings.listen == settings.listen => {
                if running.settings != settings {
                    running.prober.configure(settings.clone());
                    running.settings = settings;
                }
                Ok(())
            }
            Some(_) => self.change_sockets(settings, resolver).await,
            None => {
                let table = self.load().await;
                self.running = Some(self.launch(settings, resolver, table)?);
                Ok(())
            }
        }
    }

    /// One port cannot be had twice: the prober before has to go first.
    async fn change_sockets(
        &mut self,
        settings: Settings,
        resolver: &Resolver,
    ) -> Result<(), StartError> {
        let Some(before) = self.running.take() else {
            return Ok(());
        };
        let table = before.prober.drain().await;
        let other = self.launch(settings, resolver, table.clone());
        match other {
            Ok(other) => {
                self.running = Some(other);
                info!("the DHT is asked over other sockets");
                Ok(())
            }
            Err(failed) => {
                match self.launch(before.settings, resolver, table) {
                    Ok(again) => self.running = Some(again),
                    Err(error) => error!(%error, "the DHT is not asked any more"),
                }
                Err(failed)
            }
        }
    }

    /// What is to be looked up. Costs nothing while it is the same list.
    pub(super) fn watch(&mut self, hashes: &Arc<[InfoHash]>) {
        let Some(running) = &mut self.running else {
            return;
        };
        if Arc::ptr_eq(&running.hashes, hashes) {
            return;
        }
        let before = std::mem::replace(&mut running.hashes, Arc::clone(hashes));
        if before != *hashes {
            running.prober.watch(Arc::clone(hashes));
        }
    }

    /// Families whose network is silent rest.
    pub(super) fn pause(&mut self, rests: impl Fn(Family) -> bool) {
        let Some(running) = &mut self.running else {
            return;
        };
        for family in Family::ALL {
            let paused = &mut running.paused[family.index()];
            if *paused != rests(family) {
                *paused = !*paused;
                running.prober.pause(family, *paused);
            }
        }
    }

    /// Saves the table, in the background.
    pub(super) async fn save(&self) {
        if let (Some(_), Some(store)) = (&self.running, &self.store) {
            let (table, store) = (self.table().await, Arc::clone(store));
            tokio::task::spawn_blocking(move || save(&store, &table));
        }
    }

    /// Stops the prober and saves its table.
    pub(super) async fn stop(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        let table = running.prober.drain().await;
        if let Some(store) = self.store.clone() {
            let saved = tokio::task::spawn_blocking(move || save(&store, &table));
            if let Err(failed) = saved.await {
                warn!(error = %failed, "saving the nodes of the DHT ended badly");
            }
        }
    }

    async fn table(&self) -> Vec<Contact> {
        let Some(running) = &self.running else {
            return Vec::new();
        };
        let table = tokio::time::timeout(TABLE_DEADLINE, running.prober.table());
        table.await.unwrap_or_default()
    }

    async fn load(&self) -> Vec<Contact> {
        match self.store.clone() {
            Some(store) => load(store).await,
            None => Vec::new(),
        }
    }
}

/// The nodes saved last.
pub(super) async fn load(store: Arc<Store>) -> Vec<Contact> {
    let loaded = tokio::task::spawn_blocking(move || store.load_table());
    let (table, error) = loaded.await.unwrap_or_default();
    if let Some(error) = error {
        warn!(%error, "the nodes of the DHT are looked for anew");
    }
    debug!(nodes = table.len(), "nodes of the DHT restored");
    table
}

/// The state directory; without it the daemon runs on.
async fn open(path: PathBuf) -> Option<Arc<Store>> {
    let opened = tokio::task::spawn_blocking(move || Store::open(&path));
    match opened.await {
        Ok(Ok(store)) => Some(Arc::new(store)),
        Ok(Err(error)) => {
            warn!(%error, "nothing is kept over a restart");
            None
        }
        Err(error) => {
            warn!(%error, "nothing is kept over a restart");
            None
        }
    }
}

/// A table that is empty is not worth the one before.
fn save(store: &Store, table: &[Contact]) {
    if table.is_empty() {
        return;
    }
    match store.save_table(table) {
        Ok(()) => debug!(nodes = table.len(), "nodes of the DHT saved"),
        Err(error) => warn!(%error, "the nodes of the DHT are not saved"),
    }
}

/// How the DHT is asked.
pub(super) fn settings(config: &Config) -> Settings {
    let dht = &config.dht;
    Settings {
        listen: dht.listen.clone(),
        bootstrap: dht.bootstrap.clone(),
        engine: dht::Settings {
            max_rate: dht.max_rate,
            interval: dht.interval,
            recall_target: dht.recall_target,
            // The nodes of a lab share one net.
            one_per_net: config.accept == Accept::Global,
            accept: config.accept,
        },
    }
}
