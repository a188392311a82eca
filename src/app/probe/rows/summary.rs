//! The combined result of all sources.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use seedwatch_core::plural;
use seedwatch_core::snapshot::{Rejection, Source, TorrentView};

/// What is counted.
const PEER: &str = "distinct peer";

/// The combined result of all sources.
#[derive(Debug, Default, Serialize)]
pub(in crate::app::probe) struct Summary {
    /// Distinct addresses by family, over all trackers and the DHT.
    pub(in crate::app::probe) peers: BTreeMap<&'static str, Option<u32>>,
    pub(in crate::app::probe) seeders: Option<u32>,
    pub(in crate::app::probe) leechers: Option<u32>,
    trackers: usize,
    trackers_online: u32,
    /// Present if a lookup succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    dht: Option<DhtSummary>,
    /// Listed peers that are not counted, by reason.
    #[serde(rename = "peers_rejected")]
    pub(in crate::app::probe) rejected: BTreeMap<&'static str, u64>,
}

/// The result of the DHT lookups.
#[derive(Debug, Serialize)]
struct DhtSummary {
    /// Distinct addresses.
    peers: u32,
    /// The estimate of the BEP 33 filters.
    seeders: Option<u32>,
    leechers: Option<u32>,
}

impl Summary {
    /// Returns what all sources say together about a torrent. `rejected` is by
    /// [`Rejection::index`].
    pub(in crate::app::probe) fn new(
        view: TorrentView<'_>,
        rejected: [u64; Rejection::ALL.len()],
    ) -> Self {
        let row = view.row;
        let [ipv4, ipv6] = row.peers.map(|count| count.get());
        Self {
            peers: BTreeMap::from([("ipv4", ipv4), ("ipv6", ipv6)]),
            seeders: row.seeders.get(),
            leechers: row.leechers.get(),
            trackers: view.torrent.trackers.len(),
            trackers_online: row.trackers_online.get().unwrap_or(0),
            dht: row.source_peers[Source::Dht].get().map(|peers| DhtSummary {
                peers,
                seeders: row.dht_seeders.get(),
                leechers: row.dht_leechers.get(),
            }),
            rejected: Rejection::ALL
                .into_iter()
                .map(|reason| (reason.as_label(), rejected[reason.index()]))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [ipv4, ipv6] = ["ipv4", "ipv6"].map(|family| self.peers.get(family).copied().flatten());
        match (ipv4, ipv6) {
            (None, None) => f.write_str("peers unknown")?,
            (Some(ipv4), None) => write!(f, "{} over IPv4", plural(ipv4, PEER))?,
            (None, Some(ipv6)) => write!(f, "{} over IPv6", plural(ipv6, PEER))?,
            (Some(ipv4), Some(ipv6)) => write!(
                f,
                "{} ({ipv4} over IPv4, {ipv6} over IPv6)",
                plural(ipv4.saturating_add(ipv6), PEER)
            )?,
        }
        let claims = [(self.seeders, "seeder"), (self.leechers, "leecher")];
        let claims = claims.map(|(count, what)| Some(plural(count?, what)));
        let claims: Vec<_> = claims.into_iter().flatten().collect();
        if !claims.is_empty() {
            write!(f, "; largest claim {}", claims.join(", "))?;
        }
        for (index, (reason, count)) in self.rejected.iter().enumerate() {
            let lead = if index == 0 { "; not counted:" } else { "," };
            write!(f, "{lead} {count} {reason}")?;
        }
        Ok(())
    }
}
