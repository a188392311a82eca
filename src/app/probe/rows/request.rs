//! The row of one request to one tracker.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::FamilyResult;
use seedwatch_core::plural;
use seedwatch_torrent::Family;
use seedwatch_tracker::{
    AnnounceStrategy, Counts, Observation, ProbeError, Report, Retry, TrackerId,
};

/// The result of one request to one tracker.
#[derive(Debug, Serialize)]
pub(in crate::app::probe) struct RequestRow {
    tracker: String,
    #[serde(skip)]
    pub(super) id: TrackerId,
    #[serde(serialize_with = "super::as_label")]
    pub(super) family: Family,
    /// Whether the request only adds counts to an announce that was answered.
    #[serde(skip)]
    pub(super) is_follow_up: bool,
    /// The duration of the request.
    #[serde(skip)]
    pub(super) duration: Duration,
    request: &'static str,
    #[serde(flatten)]
    result: RowResult,
    /// Requests or packets sent, repeated ones included.
    requests_sent: u32,
    /// Milliseconds by phase.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    phases_milliseconds: BTreeMap<&'static str, f64>,
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

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl RequestRow {
    /// Returns the row of an observation. `is_follow_up` says that the request only adds counts to
    /// an announce that was answered.
    pub(in crate::app::probe) fn new(
        tracker: String,
        observation: &Observation,
        is_follow_up: bool,
    ) -> Self {
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
            id: observation.tracker,
            family: observation.family,
            is_follow_up,
            duration: observation.stats.duration,
            request: if observation.report.is_scrape() {
                "scrape"
            } else {
                "announce"
            },
            result: RowResult::of(&observation.report),
            requests_sent: observation.stats.requests,
            phases_milliseconds: phases
                .into_iter()
                .filter_map(|(phase, time)| Some((phase, milliseconds(time?))))
                .collect(),
        }
    }

    /// Returns what the request says about the tracker.
    pub(super) fn result(&self) -> FamilyResult {
        match self.result {
            RowResult::Answer { .. } => FamilyResult::Answer,
            RowResult::NoAddress => FamilyResult::NoAddress,
            RowResult::Failure { .. } => FamilyResult::Failure,
        }
    }

    /// Returns why the request failed, or what is remarkable about the answer.
    pub(super) fn note(&self) -> Option<String> {
        let mut notes = Vec::new();
        match &self.result {
            RowResult::Answer {
                omitted,
                strategy,
                warning,
                ..
            } => {
                notes.extend(warning.as_ref().map(|text| format!("warning: {text}")));
                if *omitted > 0 {
                    notes.push(format!(
                        "{} beyond numwant not read",
                        plural(*omitted, "peer")
                    ));
                }
                if *strategy == Some("brief") {
                    notes.push("started, then stopped".to_owned());
                }
            }
            RowResult::NoAddress => {}
            RowResult::Failure {
                reason,
                text,
                retry_seconds,
                ..
            } => {
                let text = match text.is_empty() {
                    true => (*reason).to_owned(),
                    false => format!("{reason}: {text}"),
                };
                notes.push(match retry_seconds {
                    Some(seconds) => format!("{text}, asks to wait {seconds} s"),
                    None => text,
                });
            }
        }
        (!notes.is_empty()).then(|| notes.join("; "))
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
            retry_seconds: error.retry.map(Retry::seconds),
            interval_seconds: error.interval().map(|interval| interval.as_secs()),
        }
    }
}
