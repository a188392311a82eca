//! The peers of one torrent over the last month.

use std::sync::Arc;

use super::asn_counts::AsnCounts;
use super::config::SwarmConfig;
use super::geo_breakdown::{self, PeersByAsn};
use super::peer_union::PeerUnion;
use crate::snapshot::{CountryPeers, GeoBreakdown};
use seedwatch_distinct::{Moment, Set};

/// The peers of one torrent over the last month, and where the current ones are.
#[derive(Debug, Default)]
pub(super) struct TorrentHistory {
    pub(super) peers: Set,
    /// The latest breakdown, if there is one.
    breakdown: Option<Arc<GeoBreakdown>>,
    breakdown_key: BreakdownKey,
    /// The current peers by autonomous system, as [`AsnCounts`] holds them.
    pub(super) by_asn: PeersByAsn,
}

/// The inputs that the latest breakdown was computed from.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct BreakdownKey {
    peers_fingerprint: u64,
    /// Hour of running time; 0 = there is no breakdown.
    hour: u32,
    geo_version: u32,
}

impl TorrentHistory {
    /// Returns the history that saved state describes.
    pub(super) fn restored(peers: Set, countries: Box<[CountryPeers]>) -> Self {
        let breakdown = GeoBreakdown {
            countries,
            ..GeoBreakdown::default()
        };
        Self {
            peers,
            breakdown: Some(Arc::new(breakdown)),
            ..Self::default()
        }
    }

    /// Merges the history of the same torrent under another info-hash.
    pub(super) fn merge(&mut self, other: Self, now: Moment) {
        self.peers.unite(&other.peers, now);
        self.breakdown_key = BreakdownKey::default();
        // The next breakdown finds the countries that have peers. The zeros of one history are
        // enough.
        self.breakdown = self.breakdown.take().or(other.breakdown);
    }

    /// Forgets the current peers by autonomous system, and returns them for [`AsnCounts::remove`].
    pub(super) fn take_by_asn(&mut self) -> PeersByAsn {
        self.breakdown_key = BreakdownKey::default();
        std::mem::take(&mut self.by_asn)
    }

    /// Returns the countries that recently had peers.
    pub(super) fn countries(&self) -> &[CountryPeers] {
        let breakdown = self.breakdown.as_ref();
        breakdown.map_or(&[], |breakdown| &breakdown.countries)
    }

    /// Returns whether there is nothing to show: no peer in the last month, and no recent country.
    pub(super) fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.countries().is_empty()
    }

    /// Returns where the current peers are; `None` if the current peers are unknown.
    pub(super) fn break_down(
        &mut self,
        union: Option<&PeerUnion<'_>>,
        config: &SwarmConfig,
        now: Moment,
        asn_counts: &mut AsnCounts,
    ) -> Option<Arc<GeoBreakdown>> {
        let key = BreakdownKey {
            peers_fingerprint: union.map_or(0, PeerUnion::fingerprint),
            hour: now.hour(),
            geo_version: config.geo_version,
        };
        if self.breakdown_key != key {
            self.breakdown_key = key;
            let empty = PeerUnion::default();
            let union = union.unwrap_or(&empty);
            let (breakdown, by_asn) =
                geo_breakdown::break_down(union, config, self.countries(), now);
            if by_asn != self.by_asn {
                asn_counts.remove(&self.by_asn);
                asn_counts.add(&by_asn);
                self.by_asn = by_asn;
            }
            if self.breakdown.as_deref() != Some(&breakdown) {
                self.breakdown = Some(Arc::new(breakdown));
            }
        }
        union.and(self.breakdown.clone())
    }
}
