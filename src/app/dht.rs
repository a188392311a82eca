//! The DHT prober of the daemon.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{error, info};

use super::probers::StartError;
use super::state::{NodesFuture, StateWriter};
use crate::config::Config;
use seedwatch_dht;
use seedwatch_dht::Contact;
use seedwatch_dht::DhtReport;
use seedwatch_probers::dht::{DhtProber, Settings};
use seedwatch_probers::resolve::Resolver;
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;
use seedwatch_torrent::address::Accept;

/// Longest time the prober has to hand over its table.
const TABLE_DEADLINE: Duration = Duration::from_secs(2);

/// The DHT as the daemon asks it, if it does.
pub(super) struct Dht {
    running: Option<Running>,
    /// Nodes to begin with while no prober runs: a reload must not wait for the disk.
    idle: Vec<Contact>,
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
    /// Starts the prober, if the DHT is to be asked, with the nodes that were saved.
    ///
    /// # Errors
    /// When there is no socket for it.
    pub(super) async fn start(
        config: &Config,
        resolver: &Resolver,
        keeper: &StateWriter,
        out: mpsc::Sender<DhtReport>,
    ) -> Result<Self, StartError> {
        let mut dht = Self {
            running: None,
            idle: keeper.table().await,
            out,
        };
        if config.dht.enabled {
            let table = std::mem::take(&mut dht.idle);
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
        keeper: &StateWriter,
    ) -> Result<(), StartError> {
        if !config.dht.enabled {
            if self.running.is_some() {
                self.idle = self.stop().await;
                keeper.save_table(self.idle.clone());
            }
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
                self.running = Some(self.launch(settings, resolver, self.idle.clone())?);
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

    /// Stops the prober; gives the nodes worth saving.
    pub(super) async fn stop(&mut self) -> Vec<Contact> {
        match self.running.take() {
            Some(running) => running.prober.drain().await,
            None => Vec::new(),
        }
    }

    /// The nodes worth saving.
    pub(super) fn table(&self) -> NodesFuture {
        let Some(running) = &self.running else {
            return Box::pin(std::future::ready(Vec::new()));
        };
        let table = running.prober.table();
        Box::pin(async {
            let table = tokio::time::timeout(TABLE_DEADLINE, table);
            table.await.unwrap_or_default()
        })
    }
}

/// How the DHT is asked.
pub(super) fn settings(config: &Config) -> Settings {
    let dht = &config.dht;
    Settings {
        listen: dht.listen.clone(),
        bootstrap: dht.bootstrap.clone(),
        engine: seedwatch_dht::Settings {
            max_rate: dht.max_rate,
            interval: dht.interval,
            recall_target: dht.recall_target,
            // The nodes of a lab share one net.
            require_distinct_subnets: config.accept == Accept::Global,
            accept: config.accept,
        },
    }
}
