//! Everything of the configuration that is not a torrent.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::raw::{self, Text};
use super::report::{Fault, Report, Source};
use super::units::{Written, parse_duration, parse_rate, write_rate};
use super::{Accept, AnnounceMode, Metrics, Network, Probe, Tracker};
use crate::torrent::{Host, Scheme, TrackerUrl};

/// Reads `probe:`. Faults are noted and replaced by defaults.
pub(super) fn probe(raw: raw::Probe<'_>, source: &Source, report: &mut Report) -> Probe {
    let mut read = |text: &Option<Text<'_>>, key: &str, range: RangeInclusive<Duration>| {
        let text = text.as_ref()?;
        report.take(duration(text, source, key, range))
    };
    let defaults = Probe::default();
    let interval = read(&raw.interval, "probe.interval", Probe::INTERVAL);
    let timeout = read(&raw.timeout, "probe.timeout", Probe::TIMEOUT);
    let stale_after = read(&raw.stale_after, "probe.stale_after", Probe::STALE_AFTER);
    let probe = match interval {
        None => Probe {
            timeout: timeout.unwrap_or(defaults.timeout),
            stale_after: stale_after.unwrap_or(defaults.stale_after),
            ..defaults
        },
        Some(interval) => Probe {
            interval,
            timeout: timeout.unwrap_or(defaults.timeout.min(interval)),
            stale_after: stale_after.unwrap_or(interval * 5 / 2),
        },
    };
    let line = |text: &Option<Text<'_>>| text.as_ref().map_or(0, |text| text.line);
    if probe.timeout > probe.interval {
        let message = format!(
            "must not be longer than probe.interval, which is {}",
            Written(probe.interval)
        );
        report.fault(source.fault(line(&raw.timeout), "probe.timeout", message));
    }
    if probe.stale_after <= probe.interval {
        let message = format!(
            "must be longer than probe.interval, which is {}",
            Written(probe.interval)
        );
        let line = line(&raw.stale_after).max(line(&raw.interval));
        report.fault(source.fault(line, "probe.stale_after", message));
    }
    probe
}

/// Reads `tracker:`. Faults are noted and replaced by defaults.
pub(super) fn tracker(raw: raw::Tracker<'_>, source: &Source, report: &mut Report) -> Tracker {
    let mut tracker = Tracker::default();
    if let Some(text) = raw.announce {
        match text.as_str() {
            "ghost" => tracker.announce = AnnounceMode::Ghost,
            "brief" => tracker.announce = AnnounceMode::Brief,
            "scrape" => tracker.announce = AnnounceMode::Scrape,
            _ => report.fault(source.fault(
                text.line,
                "tracker.announce",
                "must be ghost, brief or scrape",
            )),
        }
    }
    if let Some(text) = raw.max_rate {
        match parse_rate(text.as_str()).filter(|rate| Tracker::MAX_RATE.contains(rate)) {
            Some(rate) => tracker.max_rate = rate,
            None => report.fault(source.fault(
                text.line,
                "tracker.max_rate",
                format!(
                    "must be a rate from {} to {}, such as 20/s or 600/m",
                    write_rate(*Tracker::MAX_RATE.start()),
                    write_rate(*Tracker::MAX_RATE.end())
                ),
            )),
        }
    }
    if let Some(text) = raw.numwant {
        match text.as_str().parse() {
            Ok(number) if Tracker::NUMWANT.contains(&number) => tracker.numwant = number,
            _ => report.fault(source.fault(
                text.line,
                "tracker.numwant",
                format!(
                    "must be a number from {} to {}",
                    Tracker::NUMWANT.start(),
                    Tracker::NUMWANT.end()
                ),
            )),
        }
    }
    let mut printable = |text: Option<Text<'_>>, key: &str, lengths: RangeInclusive<usize>| {
        let text = text?;
        let value = text.as_str();
        if lengths.contains(&value.len()) && value.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Some(value.into());
        }
        let message = format!(
            "must be {} to {} printable ASCII characters",
            lengths.start(),
            lengths.end()
        );
        report.fault(source.fault(text.line, key, message));
        None
    };
    if let Some(text) = printable(raw.user_agent, "tracker.user_agent", Tracker::USER_AGENT) {
        tracker.user_agent = text;
    }
    if let Some(text) = printable(
        raw.peer_id_prefix,
        "tracker.peer_id_prefix",
        Tracker::PEER_ID_PREFIX,
    ) {
        tracker.peer_id_prefix = text;
    }
    tracker
}

/// Reads `addresses.accept`.
pub(super) fn accept(raw: raw::Addresses<'_>, source: &Source, report: &mut Report) -> Accept {
    let Some(text) = raw.accept else {
        return Accept::default();
    };
    match text.as_str() {
        "global" => Accept::Global,
        "any" => Accept::Any,
        _ => {
            report.fault(source.fault(text.line, "addresses.accept", "must be global or any"));
            Accept::default()
        }
    }
}

/// Reads `network:`.
pub(super) fn network(raw: raw::Network<'_>, source: &Source, report: &mut Report) -> Network {
    let Some(texts) = raw.canaries else {
        return Network::default();
    };
    if let Some(text) = texts.get(Network::MAX_CANARIES) {
        let message = format!("more than {} hosts", Network::MAX_CANARIES);
        report.fault(source.fault(text.line, "network.canaries", message));
        return Network::default();
    }
    let canaries = texts
        .iter()
        .enumerate()
        .filter_map(|(n, text)| {
            let key = format!("network.canaries[{n}]");
            report.take(host_and_port(text.as_str()).ok_or_else(|| {
                source.fault(
                    text.line,
                    key,
                    "must be HOST:PORT, such as dht.example:6881",
                )
            }))
        })
        .collect();
    Network { canaries }
}

/// Reads `metrics:`.
pub(super) fn metrics(raw: &raw::Metrics) -> Metrics {
    Metrics {
        per_tracker: raw.per_tracker.unwrap_or(Metrics::default().per_tracker),
    }
}

fn duration(
    text: &Text<'_>,
    source: &Source,
    key: &str,
    range: RangeInclusive<Duration>,
) -> Result<Duration, Fault> {
    let Some(duration) = parse_duration(text.as_str()) else {
        return Err(source.fault(
            text.line,
            key,
            "must be a duration such as 30s, 1h30m or 7d",
        ));
    };
    if !range.contains(&duration) {
        let message = format!(
            "must be from {} to {}",
            Written(*range.start()),
            Written(*range.end())
        );
        return Err(source.fault(text.line, key, message));
    }
    Ok(duration)
}

/// The rules for host and port are those of a tracker URL without a path.
fn host_and_port(text: &str) -> Option<(Host, u16)> {
    if text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '@')) {
        return None;
    }
    let url = TrackerUrl::parse(&format!("{}://{text}", Scheme::Udp.as_str())).ok()?;
    Some((url.host().clone(), url.port()))
}
