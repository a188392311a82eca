//! The rows that `seedwatch probe` prints, as text or JSON.

mod lookup;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use seedwatch_core::snapshot::{Rejection, Snapshot, Source};
use seedwatch_tracker::{AnnounceStrategy, Counts, Observation, ProbeError, Report, Retry};

pub(super) use lookup::LookupRow;

/// The result of one request to one tracker.
#[derive(Debug, Serialize)]
pub(super) struct TrackerRow {
    tracker: String,
    family: &'static str,
    asked: &'static str,
    #[serde(flatten)]
    result: RowResult,
    requests: u32,
    /// Milliseconds by phase, in the order they happened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    milliseconds: Vec<(&'static str, f64)>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
enum RowResult {
    Answer {
        /// Peers listed, before any filter.
        #[serde(skip_serializing_if = "Option::is_none")]
        listed: Option<usize>,
        /// Listed peers beyond `tracker.numwant`, which are counted but not parsed.
        #[serde(skip_serializing_if = "is_zero")]
        omitted: u32,
        seeders: Option<u32>,
        leechers: Option<u32>,
        completed: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        strategy: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        interval_seconds: Option<u64>,
        /// The tracker's `warning message`.
        #[serde(skip_serializing_if = "Option::is_none")]
        warning: Option<String>,
    },
    NoAddress,
    Failure {
        reason: &'static str,
        text: String,
        /// The delay that the tracker requests, in seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_seconds: Option<u64>,
        /// The interval that the tracker sends with the failure, in seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        interval_seconds: Option<u64>,
    },
}

/// Formats the known counts. Each count comes with its singular and plural noun.
fn format_counts(counts: &[(Option<u64>, &str, &str)]) -> String {
    let known = counts.iter().filter_map(|(count, one, many)| {
        let count = (*count)?;
        let what = if count == 1 { one } else { many };
        Some(format!("{count} {what}"))
    });
    let words: Vec<_> = known.collect();
    match words.is_empty() {
        true => "no counts".to_owned(),
        false => words.join(", "),
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl TrackerRow {
    pub(super) fn new(tracker: String, observation: &Observation) -> Self {
        let phases = observation.stats.phases;
        let phases = [
            ("resolve", phases.resolve),
            ("connect", phases.connect),
            ("tls", phases.tls),
            ("response", phases.response),
        ];
        let milliseconds = |time: Duration| (time.as_secs_f64() * 1e5).round() / 100.0;
        Self {
            tracker,
            family: observation.family.as_label(),
            asked: if observation.report.is_scrape() {
                "scrape"
            } else {
                "announce"
            },
            result: RowResult::of(&observation.report),
            requests: observation.stats.requests,
            milliseconds: phases
                .into_iter()
                .filter_map(|(phase, time)| Some((phase, milliseconds(time?))))
                .collect(),
        }
    }
}

impl RowResult {
    fn of(report: &Report) -> Self {
        match report {
            Report::Announce {
                result: Ok(answer), ..
            } => RowResult::Answer {
                listed: Some(answer.peers.claimed()),
                omitted: answer.peers.omitted,
                seeders: answer.counts.seeders,
                leechers: answer.counts.leechers,
                completed: answer.counts.completed,
                strategy: Some(match answer.strategy {
                    AnnounceStrategy::StoppedFirst
                    | AnnounceStrategy::StoppedOnly
                    | AnnounceStrategy::Compare => "ghost",
                    AnnounceStrategy::StartThenStop => "brief",
                }),
                interval_seconds: answer.interval.map(|interval| interval.as_secs()),
                warning: answer.warning.as_deref().map(str::to_owned),
            },
            Report::Scrape {
                result: Ok(counts), ..
            } if counts.iter().all(Option::is_none) => Self::failure(&Report::left_out()),
            Report::Scrape {
                result: Ok(counts), ..
            } => {
                // A hybrid torrent has two hashes (BEP 52). The larger claim counts, as for a
                // torrent with several trackers.
                let largest = |count: fn(&Counts) -> Option<u32>| {
                    counts.iter().flatten().filter_map(count).max()
                };
                RowResult::Answer {
                    listed: None,
                    omitted: 0,
                    seeders: largest(|counts| counts.seeders),
                    leechers: largest(|counts| counts.leechers),
                    completed: largest(|counts| counts.completed),
                    strategy: None,
                    interval_seconds: None,
                    warning: None,
                }
            }
            Report::NoAddress { .. } => RowResult::NoAddress,
            Report::Announce {
                result: Err(error), ..
            }
            | Report::Scrape {
                result: Err(error), ..
            } => Self::failure(error),
        }
    }

    fn failure(error: &ProbeError) -> Self {
        RowResult::Failure {
            reason: error.reason.as_label(),
            text: error.text.to_string(),
            retry_seconds: match error.retry {
                Some(Retry::After(wait)) => Some(wait.as_secs()),
                Some(Retry::Never) | None => None,
            },
            interval_seconds: error.interval().map(|interval| interval.as_secs()),
        }
    }
}

impl fmt::Display for TrackerRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: ", self.tracker, self.family, self.asked)?;
        write!(f, "{}", self.result)?;
        if matches!(self.result, RowResult::NoAddress) {
            return Ok(());
        }
        for (index, (phase, time)) in self.milliseconds.iter().enumerate() {
            write!(
                f,
                "{} {phase} {time} ms",
                if index == 0 { ";" } else { "," }
            )?;
        }
        if self.requests > 1 {
            write!(f, ", {} requests", self.requests)?;
        }
        Ok(())
    }
}

impl fmt::Display for RowResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowResult::Answer {
                listed,
                omitted,
                seeders,
                leechers,
                completed,
                strategy,
                warning,
                ..
            } => {
                let counts = [
                    (listed.map(|n| n as u64), "peer listed", "peers listed"),
                    (seeders.map(u64::from), "seeder", "seeders"),
                    (leechers.map(u64::from), "leecher", "leechers"),
                    (completed.map(u64::from), "completed", "completed"),
                ];
                f.write_str(&format_counts(&counts))?;
                if *omitted > 0 {
                    write!(f, " ({omitted} peers beyond numwant not read)")?;
                }
                if *strategy == Some("brief") {
                    f.write_str(" (started, then stopped)")?;
                }
                if let Some(warning) = warning {
                    write!(f, "; warning: {warning}")?;
                }
                Ok(())
            }
            RowResult::NoAddress => f.write_str("no address in this family"),
            RowResult::Failure {
                reason,
                text,
                retry_seconds,
                ..
            } => {
                f.write_str(reason)?;
                if !text.is_empty() {
                    write!(f, ": {text}")?;
                }
                if let Some(seconds) = retry_seconds {
                    write!(f, ", asks to wait {seconds} s")?;
                }
                Ok(())
            }
        }
    }
}

/// The combined result of all sources.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// Distinct addresses by family, over all trackers and the DHT.
    peers: BTreeMap<&'static str, Option<u32>>,
    seeders: Option<u32>,
    leechers: Option<u32>,
    trackers: usize,
    pub(super) trackers_online: u32,
    /// Present if a lookup succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dht: Option<DhtSummary>,
    /// Listed peers that are not counted, by reason.
    rejected: BTreeMap<&'static str, u64>,
}

/// The result of the DHT lookups.
#[derive(Debug, Serialize)]
pub(super) struct DhtSummary {
    /// Distinct addresses.
    peers: u32,
    /// The estimate of the BEP 33 filters.
    seeders: Option<u32>,
    leechers: Option<u32>,
}

impl Summary {
    pub(super) fn new(snapshot: &Snapshot, rejected: [u64; 4]) -> Self {
        let view = snapshot.row(0);
        let row = view.map(|view| *view.row).unwrap_or_default();
        let [ipv4, ipv6] = row.peers.map(|count| count.get());
        Self {
            peers: BTreeMap::from([("ipv4", ipv4), ("ipv6", ipv6)]),
            seeders: row.seeders.get(),
            leechers: row.leechers.get(),
            trackers: view.map_or(0, |view| view.torrent.trackers.len()),
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
        let known: Vec<_> = self
            .peers
            .iter()
            .filter_map(|(family, n)| Some((family, (*n)?)))
            .collect();
        if known.is_empty() {
            f.write_str("peers unknown")?;
        } else {
            let total: u32 = known.iter().map(|(_, n)| n).sum();
            let families: Vec<_> = known
                .iter()
                .map(|(family, n)| format!("{n} {family}"))
                .collect();
            write!(f, "{total} distinct peers ({})", families.join(", "))?;
        }
        write!(
            f,
            "; {} of {} trackers online",
            self.trackers_online, self.trackers
        )?;
        if let Some(seeders) = self.seeders {
            write!(f, "; largest claim {seeders} seeders")?;
        }
        if let Some(leechers) = self.leechers {
            write!(f, ", {leechers} leechers")?;
        }
        if let Some(dht) = &self.dht {
            write!(f, "; in the DHT {} peers", dht.peers)?;
            for (count, what) in [(dht.seeders, "seeders"), (dht.leechers, "leechers")] {
                if let Some(count) = count {
                    write!(f, ", {count} {what}")?;
                }
            }
        }
        for (index, (reason, count)) in self.rejected.iter().enumerate() {
            write!(
                f,
                "{} {count} {reason}",
                if index == 0 { "; not counted:" } else { "," }
            )?;
        }
        Ok(())
    }
}
