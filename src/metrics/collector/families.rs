//! Writes families of samples in the format of the page.

use std::fmt;

use data_encoding::HEXLOWER;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabel, EncodeLabelSet,
    LabelSetEncoder, MetricEncoder, NoLabelSet,
};

use crate::metrics::Format;
use crate::metrics::catalogue::{self, Kind, Metric};
use seedwatch_core::snapshot::{Bounds, Histogram, Torrent};

/// Writes families. A family without samples is left out altogether.
pub(super) struct Families<'a> {
    encoder: DescriptorEncoder<'a>,
    format: Format,
}

impl<'a> Families<'a> {
    /// Returns a writer to an encoder.
    pub(super) fn new(encoder: DescriptorEncoder<'a>, format: Format) -> Self {
        Self { encoder, format }
    }

    /// Writes HELP and TYPE. Text 0.0.4 wants the `_total` of a counter in them, OpenMetrics does
    /// not.
    fn descriptor(&mut self, metric: &Metric) -> Result<MetricEncoder<'_>, fmt::Error> {
        let name = match self.format {
            Format::OpenMetrics => metric.family(),
            Format::Text => metric.name,
        };
        self.encoder
            .encode_descriptor(name, metric.help, None, metric.kind.encoded())
    }

    /// Writes a gauge without labels.
    pub(super) fn one<V: EncodeGaugeValue>(
        &mut self,
        metric: &Metric,
        value: Option<V>,
    ) -> fmt::Result {
        self.gauge(metric, value.map(|value| ([], value)))
    }

    /// Writes a counter without labels.
    pub(super) fn one_counter<V>(&mut self, metric: &Metric, value: Option<V>) -> fmt::Result
    where
        V: EncodeGaugeValue + EncodeCounterValue,
    {
        self.counter(metric, value.map(|value| ([], value)))
    }

    /// Writes a gauge.
    pub(super) fn gauge<'v, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([&'v str; N], V)>,
    ) -> fmt::Result {
        debug_assert_eq!(metric.kind, Kind::Gauge);
        self.each(metric, samples, |encoder, value| {
            encoder.encode_gauge(&value)
        })
    }

    /// Writes a counter.
    pub(super) fn counter<'v, const N: usize, V: EncodeGaugeValue + EncodeCounterValue>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([&'v str; N], V)>,
    ) -> fmt::Result {
        debug_assert_eq!(metric.kind, Kind::Counter);
        match self.format {
            Format::OpenMetrics => self.each(metric, samples, |encoder, value| {
                encoder.encode_counter::<NoLabelSet, V, f64>(&value, None)
            }),
            // The family name already ends in `_total`. A counter would get a second one from the
            // encoder; a gauge does not, and is otherwise written alike.
            Format::Text => self.each(metric, samples, |encoder, value| {
                encoder.encode_gauge(&value)
            }),
        }
    }

    /// Writes a histogram.
    pub(super) fn histogram<'v, const N: usize>(
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

    /// Writes the info family of torrents, the only one whose labels differ from sample to sample.
    /// An absent hash or collection is an absent label, and each torrent has user labels of its
    /// own.
    pub(super) fn torrent_info(&mut self, torrents: &[Torrent]) -> fmt::Result {
        if torrents.is_empty() {
            return Ok(());
        }
        let mut encoder = self.descriptor(&catalogue::TORRENT_INFO)?;
        for torrent in torrents {
            encoder
                .encode_family(&TorrentLabels(torrent))?
                .encode_gauge(&1u32)?;
        }
        Ok(())
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
            // The encoder would write an empty set of labels as `{}`.
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

/// The label names of a metric with the values of one sample.
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

/// The identity, collection and user labels of a torrent.
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
