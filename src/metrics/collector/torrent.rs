//! Families of torrents.

use std::fmt;

use prometheus_client::encoding::EncodeGaugeValue;

use super::families::Families;
use super::labels::{by_family, sorted};
use super::{geo, windows};
use crate::metrics::catalogue::{self, Metric};
use seedwatch_core::snapshot::{Count, PerSource, Snapshot, TorrentRow, Unix, UnixOption32};
use seedwatch_core::verdict::{Condition, State};

/// Writes the families with the label `torrent`, and the number of torrents.
pub(super) fn write(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let empty = snapshot.empty_breakdown();
    let by_torrent = ByTorrent(snapshot);
    geo::write_torrent_systems(snapshot, &empty, to)?;
    by_torrent.conditions(to)?;
    geo::write_torrent_countries(snapshot, &empty, to)?;
    by_torrent.counts(&catalogue::TORRENT_DHT_LEECHERS, |row| row.dht_leechers, to)?;
    by_torrent.counts(&catalogue::TORRENT_DHT_SEEDERS, |row| row.dht_seeders, to)?;
    to.torrent_info(&snapshot.torrents)?;
    geo::write_largest_systems(snapshot, to)?;
    by_torrent.last_peer_seen(to)?;
    by_torrent.last_success(to)?;
    by_torrent.counts(&catalogue::TORRENT_LEECHERS, |row| row.leechers, to)?;
    by_torrent.peers(to)?;
    geo::write_torrent_prefixes(snapshot, &empty, to)?;
    by_torrent.probe_success(to)?;
    by_torrent.counts(&catalogue::TORRENT_SEEDERS, |row| row.seeders, to)?;
    by_torrent.sizes(to)?;
    by_torrent.source_peers(to)?;
    windows::write_torrent_sources(snapshot, to)?;
    by_torrent.states(to)?;
    by_torrent.states_since(to)?;
    by_torrent.trackers(to)?;
    let online = &catalogue::TORRENT_TRACKERS_ONLINE;
    by_torrent.counts(online, |row| row.trackers_online, to)?;
    windows::write_torrents(snapshot, to)?;
    let torrents = snapshot.torrents.len() as u64;
    to.one(&catalogue::TORRENTS, Some(torrents))?;
    by_torrent.number_by_state(to)
}

/// Writes families with one sample per torrent, or per torrent and source.
struct ByTorrent<'a>(&'a Snapshot);

impl ByTorrent<'_> {
    /// Writes a count of each torrent, where it is known.
    fn counts(
        &self,
        metric: &Metric,
        count: impl Fn(&TorrentRow) -> Count,
        to: &mut Families<'_>,
    ) -> fmt::Result {
        let rows = self.0.rows();
        let samples = rows.filter_map(|view| {
            let count = count(view.row).get()?;
            Some(([&*view.torrent.name], count))
        });
        to.gauge(metric, samples)
    }

    /// Writes a value of each torrent and source, where it is known.
    fn by_source<T: Copy, V: EncodeGaugeValue>(
        &self,
        metric: &Metric,
        values: impl Fn(&TorrentRow) -> PerSource<Option<T>>,
        convert: impl Fn(T) -> V + Copy,
        to: &mut Families<'_>,
    ) -> fmt::Result {
        let samples = self.0.rows().flat_map(|view| {
            let name = &*view.torrent.name;
            values(view.row)
                .into_iter()
                .filter_map(move |(source, value)| {
                    Some(([name, source.as_label()], convert(value?)))
                })
        });
        to.gauge(metric, samples)
    }

    fn last_peer_seen(&self, to: &mut Families<'_>) -> fmt::Result {
        let samples = self.0.rows().filter_map(|view| {
            let seen = view.last_peer_seen.get()?;
            Some(([&*view.torrent.name], seen.0))
        });
        to.gauge(&catalogue::TORRENT_LAST_PEER_SEEN, samples)
    }

    fn last_success(&self, to: &mut Families<'_>) -> fmt::Result {
        let times = |row: &TorrentRow| row.last_success.map(UnixOption32::get);
        let metric = &catalogue::TORRENT_LAST_SUCCESS;
        self.by_source(metric, times, |at: Unix| at.0, to)
    }

    fn peers(&self, to: &mut Families<'_>) -> fmt::Result {
        let samples = self.0.rows().flat_map(|view| {
            let name = &*view.torrent.name;
            let counts = view.peers.map(Count::get);
            by_family(counts, u32::from).map(move |(family, n)| ([name, family], n))
        });
        to.gauge(&catalogue::TORRENT_PEERS, samples)
    }

    fn probe_success(&self, to: &mut Families<'_>) -> fmt::Result {
        let metric = &catalogue::TORRENT_PROBE_SUCCESS;
        self.by_source(metric, |row| row.probe_success, u32::from, to)
    }

    fn sizes(&self, to: &mut Families<'_>) -> fmt::Result {
        let torrents = self.0.torrents.iter();
        let samples = torrents.filter_map(|torrent| Some(([&*torrent.name], torrent.size?.get())));
        to.gauge(&catalogue::TORRENT_SIZE, samples)
    }

    fn source_peers(&self, to: &mut Families<'_>) -> fmt::Result {
        let counts = |row: &TorrentRow| row.source_peers.map(Count::get);
        let metric = &catalogue::TORRENT_SOURCE_PEERS;
        self.by_source(metric, counts, u32::from, to)
    }

    fn conditions(&self, to: &mut Families<'_>) -> fmt::Result {
        let samples = self.0.rows().flat_map(|view| {
            let name = &*view.torrent.name;
            let conditions = sorted(Condition::ALL, Condition::as_label).into_iter();
            conditions
                .filter(move |condition| view.verdict.conditions.has(*condition))
                .map(move |condition| ([name, condition.as_label()], 1u32))
        });
        to.gauge(&catalogue::TORRENT_CONDITION, samples)
    }

    fn states(&self, to: &mut Families<'_>) -> fmt::Result {
        let rows = self.0.rows();
        let samples = rows.map(|view| {
            let state = view.verdict.state.as_label();
            ([&*view.torrent.name, state], 1u32)
        });
        to.gauge(&catalogue::TORRENT_STATE, samples)
    }

    fn states_since(&self, to: &mut Families<'_>) -> fmt::Result {
        let samples = self.0.rows().filter_map(|view| {
            let since = view.verdict.since.get()?;
            Some(([&*view.torrent.name], since.0))
        });
        to.gauge(&catalogue::TORRENT_STATE_SINCE, samples)
    }

    fn number_by_state(&self, to: &mut Families<'_>) -> fmt::Result {
        let numbers = self.0.torrents_by_state();
        let states = sorted(State::ALL, State::as_label).into_iter();
        let samples = states.map(|state| ([state.as_label()], numbers[state.index()]));
        to.gauge(&catalogue::TORRENTS_BY_STATE, samples)
    }

    fn trackers(&self, to: &mut Families<'_>) -> fmt::Result {
        let torrents = self.0.torrents.iter();
        let samples = torrents.map(|torrent| ([&*torrent.name], torrent.trackers.len() as u64));
        to.gauge(&catalogue::TORRENT_TRACKERS, samples)
    }
}
