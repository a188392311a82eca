//! The DHT lookups of `seedwatch probe`: every info-hash of the torrent over every family.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::app::{dht, own_addresses, probers};
use crate::config::{Accept, Config};
use crate::store;
use seedwatch_dht::Contact;
use seedwatch_dht::{DhtReport, DhtStatus, LookupReport};
use seedwatch_probers::dht::DhtProber;
use seedwatch_probers::resolve::Resolver;
use seedwatch_torrent::Family;
use seedwatch_torrent::{InfoHash, Privacy, Torrent};

/// Deadline of all lookups, the bootstrap included.
const DEADLINE: Duration = Duration::from_secs(30);

/// Lookups under way.
pub(super) struct DhtLookups {
    prober: Option<DhtProber>,
    reports: mpsc::Receiver<DhtReport>,
    missing: Vec<(InfoHash, Family)>,
    deadline: Instant,
}

/// What happened to the lookups.
pub(super) enum LookupUpdate {
    /// These have ended.
    Ended(Vec<LookupReport>),
    /// These had not ended at the deadline.
    Unfinished(Vec<(InfoHash, Family)>),
    /// The status of the prober by family.
    Status([Option<DhtStatus>; 2]),
}

impl DhtLookups {
    /// Starts the lookups, unless the torrent must not be looked up in the DHT.
    pub(super) async fn start(
        config: &Config,
        torrent: &Torrent,
        resolver: &Resolver,
    ) -> Result<Self, probers::StartError> {
        let (out, reports) = mpsc::channel(probers::QUEUE);
        let mut lookups = Self {
            prober: None,
            reports,
            missing: Vec::new(),
            deadline: Instant::now() + DEADLINE,
        };
        let mut settings = dht::settings(config);
        // The daemon may use the configured port.
        settings.listen.iter_mut().for_each(|at| at.set_port(0));
        let own = own_addresses().unwrap_or_default();
        settings
            .listen
            .retain(|listen| config.accept == Accept::Any || is_usable(listen, &own));
        let asked = config.dht.enabled && torrent.privacy == Privacy::Public;
        if !asked || settings.listen.is_empty() {
            return Ok(lookups);
        }
        let families: Vec<Family> = settings
            .listen
            .iter()
            .map(|listen| Family::of(&listen.ip()))
            .collect();
        let table = saved(config).await;
        let prober = DhtProber::start(settings, resolver.clone(), table, out)
            .map_err(probers::StartError::Dht)?;
        for hash in torrent.hashes.wire() {
            prober.look_up(hash);
            lookups
                .missing
                .extend(families.iter().map(|family| (hash, *family)));
        }
        lookups.prober = Some(prober);
        Ok(lookups)
    }

    /// Returns the number of lookups that have not ended.
    pub(super) fn waiting(&self) -> usize {
        self.missing.len()
    }

    /// Waits for the next update. It must be called only while lookups have not ended.
    pub(super) async fn next(&mut self) -> LookupUpdate {
        match tokio::time::timeout_at(self.deadline, self.reports.recv()).await {
            Ok(Some(DhtReport::Lookups(mut ended))) => {
                ended.retain(|lookup| {
                    let key = (lookup.info_hash, lookup.family);
                    let index = self.missing.iter().position(|missing| *missing == key);
                    index.map(|index| self.missing.remove(index)).is_some()
                });
                LookupUpdate::Ended(ended)
            }
            Ok(Some(DhtReport::Status(status))) => {
                // Without a socket there is nothing to wait for.
                self.missing
                    .retain(|(_, family)| status[family.index()].is_some());
                LookupUpdate::Status(status)
            }
            Ok(None) | Err(_) => LookupUpdate::Unfinished(std::mem::take(&mut self.missing)),
        }
    }

    /// Stops the prober.
    pub(super) async fn stop(mut self) {
        self.reports.close();
        if let Some(prober) = self.prober.take() {
            prober.drain().await;
        }
    }
}

/// Returns whether the machine has an address of the family that leads beyond the local link.
fn is_usable(listen: &SocketAddr, own: &[IpAddr]) -> bool {
    let leads_out = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    };
    !listen.ip().is_unspecified()
        || own
            .iter()
            .any(|ip| ip.is_ipv4() == listen.is_ipv4() && leads_out(ip))
}

/// Returns the nodes that the daemon saved, if they can be read: they replace the bootstrap.
async fn saved(config: &Config) -> Vec<Contact> {
    let Some(path) = config.state.path.clone() else {
        return Vec::new();
    };
    let peeked = tokio::task::spawn_blocking(move || store::peek_table(&path));
    peeked.await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_needs_an_address_that_leads_out() {
        let own = ["127.0.0.1", "192.168.1.2", "::1", "fe80::1"].map(|ip| ip.parse().unwrap());
        let usable = |listen: &str| is_usable(&listen.parse().unwrap(), &own);
        assert!(usable("0.0.0.0:0"));
        assert!(!usable("[::]:0"));
        assert!(usable("[::1]:0"), "chosen");
    }
}
