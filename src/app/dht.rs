//! The DHT prober of the daemon.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{error, info};

use super::probers::StartError;
use super::state::{NodesFuture, StateWriter};
use crate::config::Config;
use seedwatch_dht::Contact;
use seedwatch_dht::DhtReport;
use seedwatch_probers::dht::{DhtProber, Settings};
use seedwatch_probers::resolve::Resolver;
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;
use seedwatch_torrent::address::Accept;

/// Deadline for the prober to return its node table.
const TABLE_DEADLINE: Duration = Duration::from_secs(2);

/// The DHT prober, if the DHT is enabled.
pub(super) struct Dht {
    running: Option<Running>,
    /// Nodes for the next prober, kept while none runs: a reload must not wait for the disk.
    idle: Vec<Contact>,
    out: mpsc::Sender<DhtReport>,
}

/// A prober and its current settings.
struct Running {
    prober: DhtProber,
    settings: Settings,
    hashes: Arc<[InfoHash]>,
    paused: [bool; 2],
}

impl Dht {
    /// Starts the prober with the saved nodes, if the DHT is enabled.
    ///
    /// # Errors
    /// If no socket can be opened for it.
    pub(super) async fn start(
        config: &Config,
        resolver: &Resolver,
        state_writer: &StateWriter,
        out: mpsc::Sender<DhtReport>,
    ) -> Result<Self, StartError> {
        let mut dht = Self {
            running: None,
            idle: state_writer.table().await,
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

    /// Applies the settings of a new configuration. If they name other sockets, a new prober starts
    /// with the nodes of the previous one.
    ///
    /// # Errors
    /// If the new sockets cannot be opened; then nothing changed.
    pub(super) async fn configure(
        &mut self,
        config: &Config,
        resolver: &Resolver,
        state_writer: &StateWriter,
    ) -> Result<(), StartError> {
        if !config.dht.enabled {
            if self.running.is_some() {
                self.idle = self.stop().await;
                state_writer.save_table(self.idle.clone());
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

    /// Replaces the prober by one with other sockets. A port cannot be bound twice, so the previous
    /// prober stops first.
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
                info!("DHT sockets changed");
                Ok(())
            }
            Err(failed) => {
                match self.launch(before.settings, resolver, table) {
                    Ok(again) => self.running = Some(again),
                    Err(error) => {
                        error!(
                            %error,
                            "cannot reopen the previous DHT sockets: no lookups until a reload"
                        );
                    }
                }
                Err(failed)
            }
        }
    }

    /// Sets the info-hashes to look up. An unchanged list costs nothing.
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

    /// Pauses families that our own network does not carry, and resumes the others.
    pub(super) fn pause(&mut self, is_paused: impl Fn(Family) -> bool) {
        let Some(running) = &mut self.running else {
            return;
        };
        for family in Family::ALL {
            let paused = &mut running.paused[family.index()];
            if *paused != is_paused(family) {
                *paused = !*paused;
                running.prober.pause(family, *paused);
            }
        }
    }

    /// Stops the prober. Returns the nodes to save.
    pub(super) async fn stop(&mut self) -> Vec<Contact> {
        match self.running.take() {
            Some(running) => running.prober.drain().await,
            None => Vec::new(),
        }
    }

    /// Returns the nodes to save.
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

/// Returns the settings of the DHT prober.
pub(super) fn settings(config: &Config) -> Settings {
    let dht = &config.dht;
    Settings {
        listen: dht.listen.clone(),
        bootstrap: dht.bootstrap.clone(),
        engine: seedwatch_dht::Settings {
            max_rate: dht.max_rate,
            interval: dht.interval,
            recall_target: dht.recall_target,
            // Nodes of a test network share one subnet.
            require_distinct_subnets: config.accept == Accept::Global,
            accept: config.accept,
        },
    }
}
