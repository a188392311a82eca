//! Snapshot → samples: families in name order, samples in label order, unknown values left out.

mod collection;
mod dht;
mod reach;
mod state;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabel, EncodeLabelSet,
    LabelSetEncoder, MetricEncoder, NoLabelSet,
};

use super::catalogue::{self, Kind, Metric};
use super::{Format, Process, REVISION, VERSION};
use seedwatch_core::snapshot::{
    AnnounceRow, Bounds, Count, FailureReason, Family, Histogram, Phases, Rejection, Snapshot,
    Source, Stamp, Torrent, TorrentRow, TrackerRow, Unix,
};

/// One page, ready to be encoded.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) format: Format,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) process: Process,
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut families = Families {
            encoder,
            format: self.format,
        };
        self.process_families(&mut families)?;
        if self.snapshot.config.per_tracker {
            self.announce_families(&mut families)?;
        }
        self.own_families(&mut families)?;
        self.torrent_families(&mut families)?;
        self.tracker_families(&mut families)?;
        self.fleet_unique(&mut families)
    }
}

impl Page {
    fn process_families(&self, to: &mut Families<'_>) -> fmt::Result {
        let process = &self.process;
        to.one_counter(&catalogue::PROCESS_CPU_SECONDS, process.cpu_seconds)?;
        to.one(&catalogue::PROCESS_MAX_FDS, process.max_fds)?;
        to.one(&catalogue::PROCESS_OPEN_FDS, process.open_fds)?;
        to.one(
            &catalogue::PROCESS_RESIDENT_MEMORY,
            process.resident_memory_bytes,
        )?;
        to.one(&catalogue::PROCESS_START_TIME, process.start_time_seconds)?;
        to.one(&catalogue::PROCESS_THREADS, process.threads)?;
        to.one(
            &catalogue::PROCESS_VIRTUAL_MEMORY,
            process.virtual_memory_bytes,
        )
    }

    fn announce_families(&self, to: &mut Families<'_>) -> fmt::Result {
        let pairs = Pairs::new(&self.snapshot);
        to.gauge(
            &catalogue::ANNOUNCE_COMPLETED,
            pairs.samples(|row| row.completed.get()),
        )?;
        to.gauge(
            &catalogue::ANNOUNCE_LEECHERS,
            pairs.samples(|row| row.leechers.get()),
        )?;
        to.gauge(
            &catalogue::ANNOUNCE_PEERS,
            pairs.samples(|row| row.peers.get()),
        )?;
        to.gauge(
            &catalogue::ANNOUNCE_SEEDERS,
            pairs.samples(|row| row.seeders.get()),
        )?;
        to.gauge(
            &catalogue::ANNOUNCE_SUCCESS,
            pairs.samples(|row| row.success.map(u32::from)),
        )
    }

    fn own_families(&self, to: &mut Families<'_>) -> fmt::Result {
        let Snapshot {
            config,
            network_up,
            peers_rejected,
            probe_durations,
            schedule,
            ..
        } = &*self.snapshot;
        self.system_peers(to)?;
        to.gauge(&catalogue::BUILD_INFO, [([VERSION, REVISION], 1u32)])?;
        self.collection_families(to)?;
        to.one(
            &catalogue::CONFIG_RELOAD_TIME,
            Some(config.last_reload_success.0).filter(|seconds| *seconds != 0),
        )?;
        to.one(
            &catalogue::CONFIG_RELOAD_SUCCESSFUL,
            Some(u64::from(config.last_reload_successful)),
        )?;
        self.dht_families(to)?;
        self.geoip_build_times(to)?;
        to.gauge(
            &catalogue::NETWORK_UP,
            by_family(*network_up, u32::from).map(|(family, up)| ([family], up)),
        )?;
        to.counter(
            &catalogue::PEERS_REJECTED,
            sorted(Rejection::ALL, Rejection::as_label)
                .into_iter()
                .map(|reason| ([reason.as_label()], peers_rejected[reason.index()])),
        )?;
        to.histogram(
            &catalogue::PROBE_DURATION,
            &Histogram::SECONDS,
            self.sources()
                .map(|source| ([source.as_label()], &probe_durations[source.index()])),
        )?;
        to.gauge(
            &catalogue::PROBES_IN_FLIGHT,
            self.sources()
                .map(|source| ([source.as_label()], schedule.in_flight[source.index()])),
        )?;
        to.one(&catalogue::SCHEDULER_LAG, Some(schedule.lag.as_secs_f64()))?;
        to.one(&catalogue::SCHEDULER_OVERDUE, Some(schedule.overdue))?;
        self.state_families(to)
    }

    /// The sources that are asked.
    fn sources(&self) -> impl Iterator<Item = Source> {
        let dht = self.snapshot.dht.is_some();
        Source::ALL
            .into_iter()
            .filter(move |source| dht || *source != Source::Dht)
    }

    fn torrent_families(&self, to: &mut Families<'_>) -> fmt::Result {
        let nobody = self.snapshot.nobody();
        self.torrent_systems(to, &nobody)?;
        self.torrent_countries(to, &nobody)?;
        to.gauge(
            &catalogue::TORRENT_DHT_LEECHERS,
            self.torrents(|row| row.dht_leechers.get()),
        )?;
        to.gauge(
            &catalogue::TORRENT_DHT_SEEDERS,
            self.torrents(|row| row.dht_seeders.get()),
        )?;
        self.torrent_info(to)?;
        self.torrent_largest_system(to)?;
        to.gauge(
            &catalogue::TORRENT_LAST_PEER_SEEN,
            self.torrents(|row| row.last_peer_seen.get().map(|at| at.0)),
        )?;
        to.gauge(
            &catalogue::TORRENT_LAST_SUCCESS,
            self.torrents_by_source(|row| row.last_success.map(Stamp::get), |at: Unix| at.0),
        )?;
        to.gauge(
            &catalogue::TORRENT_LEECHERS,
            self.torrents(|row| row.leechers.get()),
        )?;
        to.gauge(
            &catalogue::TORRENT_PEERS,
            self.snapshot.rows().flat_map(|row| {
                let name = &*row.torrent.name;
                by_family(row.peers.map(Count::get), u32::from)
                    .map(move |(family, n)| ([name, family], n))
            }),
        )?;
        self.torrent_prefixes(to, &nobody)?;
        to.gauge(
            &catalogue::TORRENT_PROBE_SUCCESS,
            self.torrents_by_source(|row| row.probe_success, u32::from),
        )?;
        to.gauge(
            &catalogue::TORRENT_SEEDERS,
            self.torrents(|row| row.seeders.get()),
        )?;
        to.gauge(
            &catalogue::TORRENT_SOURCE_PEERS,
            self.torrents_by_source(|row| row.source_peers.map(Count::get), u32::from),
        )?;
        self.torrent_source_unique(to)?;
        to.gauge(
            &catalogue::TORRENT_TRACKERS,
            self.snapshot
                .torrents
                .iter()
                .map(|torrent| ([&*torrent.name], torrent.trackers.len() as u64)),
        )?;
        to.gauge(
            &catalogue::TORRENT_TRACKERS_ONLINE,
            self.torrents(|row| row.trackers_online.get()),
        )?;
        self.torrent_unique(to)?;
        to.one(
            &catalogue::TORRENTS,
            Some(self.snapshot.torrents.len() as u64),
        )
    }

    /// The one family whose labels differ from sample to sample: an absent hash
    /// or collection is an absent label, and each torrent brings its own user labels.
    fn torrent_info(&self, to: &mut Families<'_>) -> fmt::Result {
        if self.snapshot.torrents.is_empty() {
            return Ok(());
        }
        let mut encoder = to.descriptor(&catalogue::TORRENT_INFO)?;
        for torrent in self.snapshot.torrents.iter() {
            encoder
                .encode_family(&TorrentLabels(torrent))?
                .encode_gauge(&1u32)?;
        }
        Ok(())
    }

    /// One sample a torrent that has the value.
    fn torrents<'a, V>(
        &'a self,
        value: impl Fn(&TorrentRow) -> Option<V> + 'a,
    ) -> impl Iterator<Item = ([&'a str; 1], V)> {
        self.snapshot
            .rows()
            .filter_map(move |view| Some(([&*view.torrent.name], value(view.row)?)))
    }

    /// One sample a torrent and source that has the value.
    fn torrents_by_source<'a, T: Copy + 'a, V>(
        &'a self,
        values: impl Fn(&TorrentRow) -> [Option<T>; Source::ALL.len()] + 'a,
        shown: impl Fn(T) -> V + Copy + 'a,
    ) -> impl Iterator<Item = ([&'a str; 2], V)> {
        self.snapshot.rows().flat_map(move |view| {
            let name = &*view.torrent.name;
            let values = values(view.row);
            Source::ALL
                .iter()
                .zip(values)
                .filter_map(move |(source, value)| Some(([name, source.as_label()], shown(value?))))
        })
    }

    fn tracker_families(&self, to: &mut Families<'_>) -> fmt::Result {
        let mut rows: Vec<&TrackerRow> = self
            .snapshot
            .trackers
            .iter()
            .flatten()
            .map(|t| &**t)
            .collect();
        rows.sort_unstable_by(|a, b| a.label.cmp(&b.label));
        let reasons = sorted(FailureReason::ALL, FailureReason::as_label);

        to.gauge(
            &catalogue::TRACKER_ANNOUNCE_INTERVAL,
            rows.iter()
                .filter_map(|row| Some(([&*row.label], row.interval?.as_secs_f64()))),
        )?;
        to.gauge(
            &catalogue::TRACKER_DURATION,
            rows.iter().flat_map(|row| {
                by_family(row.phases, |phases| phases).flat_map(move |(family, phases)| {
                    by_phase(phases).filter_map(move |(phase, time)| {
                        Some(([&*row.label, family, phase], time?.as_secs_f64()))
                    })
                })
            }),
        )?;
        to.counter(
            &catalogue::TRACKER_FAILURES,
            rows.iter().flat_map(|row| {
                reasons.iter().map(move |reason| {
                    (
                        [&*row.label, reason.as_label()],
                        row.failures[reason.index()],
                    )
                })
            }),
        )?;
        to.counter(
            &catalogue::TRACKER_PROBES,
            rows.iter().map(|row| ([&*row.label], row.probes)),
        )?;
        to.counter(
            &catalogue::TRACKER_REQUESTS,
            rows.iter().map(|row| ([&*row.label], row.requests)),
        )?;
        to.gauge(
            &catalogue::TRACKER_CERTIFICATE_EXPIRY,
            rows.iter()
                .filter_map(|row| Some(([&*row.label], row.certificate_expiry?.0))),
        )?;
        to.gauge(
            &catalogue::TRACKER_UP,
            rows.iter().flat_map(|row| {
                by_family(row.up, u32::from).map(move |(family, up)| ([&*row.label, family], up))
            }),
        )
    }
}

/// The pairs of torrent and tracker in label order, found once for five families: positions only,
/// eight bytes a pair.
struct Pairs<'a> {
    snapshot: &'a Snapshot,
    order: Vec<(u32, u32)>,
}

impl<'a> Pairs<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let mut by_label: Vec<(&str, usize)> = snapshot
            .trackers
            .iter()
            .enumerate()
            .filter_map(|(id, row)| Some((&*row.as_ref()?.label, id)))
            .collect();
        by_label.sort_unstable();
        // Comparing ranks instead of labels keeps the sort of each torrent's few trackers cheap.
        let mut rank = vec![u32::MAX; snapshot.trackers.len()];
        for (position, (_, id)) in (0..).zip(by_label) {
            rank[id] = position;
        }

        let total = snapshot.rows().map(|row| row.announces.len()).sum();
        let mut order = Vec::with_capacity(total);
        for (torrent, row) in (0..).zip(snapshot.rows()) {
            let start = order.len();
            order.extend((0..).zip(row.announces).filter_map(|(announce, pair)| {
                snapshot.tracker(pair.tracker).map(|_| (torrent, announce))
            }));
            order[start..].sort_unstable_by_key(|(_, announce)| {
                rank[row.announces[*announce as usize].tracker.0 as usize]
            });
        }
        Self { snapshot, order }
    }

    fn samples<V>(
        &self,
        value: impl Fn(&AnnounceRow) -> Option<V>,
    ) -> impl Iterator<Item = ([&str; 2], V)> {
        self.order.iter().filter_map(move |(torrent, announce)| {
            let view = self.snapshot.row(*torrent as usize)?;
            let announce = &view.announces[*announce as usize];
            let value = value(announce)?;
            let tracker = self.snapshot.tracker(announce.tracker)?;
            Some(([&*view.torrent.name, &*tracker.label], value))
        })
    }
}

/// Writes families; one without any sample is left out altogether.
struct Families<'a> {
    encoder: DescriptorEncoder<'a>,
    format: Format,
}

impl Families<'_> {
    /// HELP and TYPE. Text 0.0.4 wants the `_total` of a counter in them, OpenMetrics does not.
    fn descriptor(&mut self, metric: &Metric) -> Result<MetricEncoder<'_>, fmt::Error> {
        let name = match self.format {
            Format::OpenMetrics => metric.family(),
            Format::Text => metric.name,
        };
        self.encoder
            .encode_descriptor(name, metric.help, None, metric.kind.encoded())
    }

    /// A gauge without labels.
    fn one<V: EncodeGaugeValue>(&mut self, metric: &Metric, value: Option<V>) -> fmt::Result {
        self.gauge(metric, value.map(|value| ([], value)))
    }

    /// A counter without labels.
    fn one_counter<V>(&mut self, metric: &Metric, value: Option<V>) -> fmt::Result
    where
        V: EncodeGaugeValue + EncodeCounterValue,
    {
        self.counter(metric, value.map(|value| ([], value)))
    }

    fn gauge<'v, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([&'v str; N], V)>,
    ) -> fmt::Result {
        debug_assert_eq!(metric.kind, Kind::Gauge);
        self.each(metric, samples, |encoder, value| {
            encoder.encode_gauge(&value)
        })
    }

    fn counter<'v, const N: usize, V: EncodeGaugeValue + EncodeCounterValue>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([&'v str; N], V)>,
    ) -> fmt::Result {
        debug_assert_eq!(metric.kind, Kind::Counter);
        match self.format {
            Format::OpenMetrics => self.each(metric, samples, |encoder, value| {
                encoder.encode_counter::<NoLabelSet, V, f64>(&value, None)
            }),
            // The `_total` is part of the family name already: written as a gauge, the encoder
            // adds no second one, and that is all that sets the two formats apart.
            Format::Text => self.each(metric, samples, |encoder, value| {
                encoder.encode_gauge(&value)
            }),
        }
    }

    fn histogram<'v, const N: usize>(
        &mut self,
        metric: &Metric,
        bounds: &Bounds,
        samples: impl IntoIterator<Item = ([&'v str; N], &'v Histogram)>,
    ) -> fmt::Result {
        debug_assert_eq!(metric.kind, Kind::Histogram);
        self.each(metric, samples, |encoder, histogram| {
            let bounds = bounds.iter().copied().chain([f64::INFINITY]);
            let mut buckets = histogram.counts.map(|count| (0.0, count));
            for ((bound, _), filled) in buckets.iter_mut().zip(bounds) {
                *bound = filled;
            }
            let count = histogram.counts.iter().sum();
            encoder.encode_histogram::<NoLabelSet>(histogram.sum, count, &buckets, None)
        })
    }

    fn each<'v, const N: usize, V>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([&'v str; N], V)>,
        mut encode: impl FnMut(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        debug_assert_eq!(metric.labels.len(), N);
        let mut samples = samples.into_iter();
        let Some(first) = samples.next() else {
            return Ok(());
        };
        let names = metric.labels;
        let mut encoder = self.descriptor(metric)?;
        let mut write = |(values, value): ([&str; N], V)| {
            // An empty set of labels would be written as `{}`.
            if N == 0 {
                return encode(&mut encoder, value);
            }
            let labels = Labels { names, values };
            encode(&mut encoder.encode_family(&labels)?, value)
        };
        write(first)?;
        samples.try_for_each(write)
    }
}

/// Label names of the catalogue with the values of one sample.
struct Labels<'a, const N: usize> {
    names: &'static [&'static str],
    values: [&'a str; N],
}

impl<const N: usize> EncodeLabelSet for Labels<'_, N> {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> fmt::Result {
        for (name, value) in self.names.iter().zip(self.values) {
            (*name, value).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

/// Identity, collection and user labels of a torrent.
struct TorrentLabels<'a>(&'a Torrent);

impl EncodeLabelSet for TorrentLabels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> fmt::Result {
        let torrent = self.0;
        let names = catalogue::TORRENT_INFO.labels;
        (names[0], &*torrent.name).encode(encoder.encode_label())?;
        if let Some(hash) = torrent.hashes.v1() {
            let mut hex = [0; 40];
            (names[1], HEXLOWER.encode_mut_str(&hash.0, &mut hex))
                .encode(encoder.encode_label())?;
        }
        if let Some(hash) = torrent.hashes.v2() {
            let mut hex = [0; 64];
            (names[2], HEXLOWER.encode_mut_str(&hash.0, &mut hex))
                .encode(encoder.encode_label())?;
        }
        if let Some(name) = torrent.collection() {
            (names[3], &**name).encode(encoder.encode_label())?;
        }
        for (name, value) in torrent.labels() {
            (name.as_str(), value.as_str()).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

/// The families that have a value, with their labels.
fn by_family<T: Copy, V>(
    values: [Option<T>; 2],
    shown: impl Fn(T) -> V,
) -> impl Iterator<Item = (&'static str, V)> {
    Family::ALL
        .into_iter()
        .filter_map(move |family| Some((family.as_label(), shown(values[family.index()]?))))
}

/// The phases in label order.
fn by_phase(phases: Phases) -> impl Iterator<Item = (&'static str, Option<Duration>)> {
    [
        ("connect", phases.connect),
        ("resolve", phases.resolve),
        ("response", phases.response),
        ("tls", phases.tls),
    ]
    .into_iter()
}

/// A closed list in label order.
fn sorted<T: Copy, const N: usize>(mut all: [T; N], label: impl Fn(T) -> &'static str) -> [T; N] {
    all.sort_unstable_by_key(|item| label(*item));
    all
}
