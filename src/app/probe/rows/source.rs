//! The row of one source: a tracker with all requests to it, or the DHT with all lookups.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{LookupRow, RequestRow};
use seedwatch_core::snapshot::{AnnounceRow, Source, TorrentView};
use seedwatch_torrent::Family;

/// What a source says over one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::app::probe) enum FamilyResult {
    /// There is no address of this family that we can reach.
    NoAddress,
    /// No valid answer.
    Failure,
    /// A valid answer.
    Answer,
}

/// One source.
#[derive(Debug, Clone, Serialize)]
pub(in crate::app::probe) struct SourceRow {
    /// The label of the tracker, or `DHT`.
    pub(in crate::app::probe) source: String,
    /// The result over IPv4; `None` if it was not asked.
    pub(in crate::app::probe) ipv4: Option<FamilyResult>,
    /// The result over IPv6; `None` if it was not asked.
    pub(in crate::app::probe) ipv6: Option<FamilyResult>,
    /// Distinct peers that it lists.
    pub(in crate::app::probe) peers: Option<u32>,
    /// Seeders that it claims.
    pub(in crate::app::probe) seeders: Option<u32>,
    /// How long the fastest answer took, or else the slowest failure.
    #[serde(rename = "milliseconds", serialize_with = "as_milliseconds")]
    pub(in crate::app::probe) time: Option<Duration>,
    /// Details: why it failed, and what is remarkable about its answers.
    pub(in crate::app::probe) notes: Vec<String>,
}

impl SourceRow {
    /// Returns the row of a tracker: its values from the core, and its results by family.
    pub(in crate::app::probe) fn of_tracker(
        label: String,
        announce: &AnnounceRow,
        requests: &[RequestRow],
    ) -> Self {
        let requests = requests.iter();
        let asked = requests.filter(|row| row.id == announce.tracker && !row.is_follow_up);
        let asked: Vec<&RequestRow> = asked.collect();
        let [ipv4, ipv6] = by_family(asked.iter().map(|row| (row.family, row.result())));
        let times = asked.iter().map(|row| (row.result(), Some(row.duration)));
        Self {
            source: label,
            ipv4,
            ipv6,
            peers: announce.peers.get(),
            seeders: announce.seeders.get(),
            time: time(times),
            notes: notes(&asked),
        }
    }

    /// Returns the row of the DHT, if the torrent is looked up in it.
    pub(in crate::app::probe) fn of_dht(
        view: TorrentView<'_>,
        lookups: &[LookupRow],
    ) -> Option<Self> {
        // Without a lookup, the core has no result of this source either.
        view.probe_success[Source::Dht]?;
        let [ipv4, ipv6] = by_family(lookups.iter().map(|row| (row.family, row.result())));
        let times = lookups.iter().map(|row| (row.result(), row.duration()));
        let mut notes: Vec<String> = lookups.iter().map(LookupRow::to_string).collect();
        if notes.is_empty() {
            notes.push("not looked up: no address of this machine can be used".to_owned());
        }
        Some(Self {
            source: "DHT".to_owned(),
            ipv4,
            ipv6,
            peers: view.source_peers[Source::Dht].get(),
            seeders: view.dht_seeders.get(),
            time: time(times),
            notes,
        })
    }

    /// Returns the result over a family.
    pub(in crate::app::probe) fn result(&self, family: Family) -> Option<FamilyResult> {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
    }

    /// Returns the key by which rows are sorted, the worst last.
    pub(in crate::app::probe) fn badness(&self) -> impl Ord + use<> {
        let named = self.peers.max(self.seeders).unwrap_or(0);
        let results = [self.ipv4, self.ipv6];
        let has = |result| results.contains(&Some(result));
        let rank = match (has(FamilyResult::Answer), has(FamilyResult::Failure)) {
            (true, _) if named > 0 => 0,
            (true, false) => 1,
            (true, true) => 2,
            (false, true) => 3,
            (false, false) => 4,
        };
        (rank, u32::MAX - named, self.source.clone())
    }
}

fn as_milliseconds<S: Serializer>(
    time: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let milliseconds = time.map(|time| (time.as_secs_f64() * 1e5).round() / 100.0);
    milliseconds.serialize(serializer)
}

/// Returns the best result of each family: one of the two hashes of a hybrid torrent (BEP 52) is
/// enough for an answer.
fn by_family(
    results: impl Iterator<Item = (Family, FamilyResult)> + Clone,
) -> [Option<FamilyResult>; 2] {
    Family::ALL.map(|family| {
        let of_family = results.clone().filter(|(of, _)| *of == family);
        of_family.map(|(_, result)| result).max()
    })
}

/// Returns the time of the fastest answer, or else of the slowest failure.
fn time(times: impl Iterator<Item = (FamilyResult, Option<Duration>)> + Clone) -> Option<Duration> {
    let of = |wanted| {
        let times = times.clone().filter(move |(result, _)| *result == wanted);
        times.filter_map(|(_, time)| time)
    };
    of(FamilyResult::Answer)
        .min()
        .or_else(|| of(FamilyResult::Failure).max())
}

/// Returns what the requests to a tracker say, each thing once. A note names its family unless it
/// holds for every family that was asked.
fn notes(asked: &[&RequestRow]) -> Vec<String> {
    let reached = asked
        .iter()
        .filter(|row| row.result() != FamilyResult::NoAddress);
    let families = |text: Option<&str>| {
        let mut known = [false; 2];
        for row in reached.clone() {
            known[row.family.index()] |= text.is_none() || row.note().as_deref() == text;
        }
        known
    };
    let mut notes: Vec<String> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for text in reached.clone().filter_map(|row| row.note()) {
        if seen.contains(&text) {
            continue;
        }
        let of_text = families(Some(&text));
        let one = Family::ALL.into_iter().find(|of| of_text[of.index()]);
        notes.push(match one.filter(|_| of_text != families(None)) {
            Some(family) => format!("{}: {text}", family.name()),
            None => text.clone(),
        });
        seen.push(text);
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwatch_tracker::{
        AnnounceId, FailureReason, Observation, ProbeError, ProbeStats, Report, TrackerId,
    };

    fn request(family: Family, result: Option<FailureReason>, milliseconds: u64) -> RequestRow {
        let id = AnnounceId(0);
        let report = match result {
            None => Report::Announce {
                id,
                result: Ok(Default::default()),
            },
            Some(reason) => Report::Announce {
                id,
                result: Err(ProbeError::new(reason, "")),
            },
        };
        let observation = Observation {
            tracker: TrackerId(0),
            family,
            report,
            stats: ProbeStats {
                duration: Duration::from_millis(milliseconds),
                ..ProbeStats::default()
            },
        };
        RequestRow::new("udp://a.example:1".to_owned(), &observation, false)
    }

    fn row(requests: &[RequestRow]) -> SourceRow {
        let announce = AnnounceRow::unknown(TrackerId(0));
        SourceRow::of_tracker("udp://a.example:1".to_owned(), &announce, requests)
    }

    #[test]
    fn a_failure_of_one_family_names_it_and_of_both_does_not() {
        let timeout = Some(FailureReason::Timeout);
        let one = row(&[
            request(Family::Ipv4, None, 9),
            request(Family::Ipv6, timeout, 5000),
        ]);
        let results = (one.ipv4, one.ipv6);
        assert_eq!(
            results,
            (Some(FamilyResult::Answer), Some(FamilyResult::Failure))
        );
        assert_eq!(one.notes, ["IPv6: timeout"]);
        assert_eq!(one.time, Some(Duration::from_millis(9)), "of the answer");
        let both = row(&[
            request(Family::Ipv4, timeout, 5000),
            request(Family::Ipv6, timeout, 7000),
        ]);
        assert_eq!(both.notes, ["timeout"]);
        assert_eq!(both.time, Some(Duration::from_millis(7000)));
        assert!(one.badness() < both.badness());
    }

    #[test]
    fn one_hash_of_a_hybrid_is_enough_for_an_answer() {
        let rejected = Some(FailureReason::Rejected);
        let hybrid = row(&[
            request(Family::Ipv4, rejected, 1),
            request(Family::Ipv4, None, 2),
        ]);
        assert_eq!(hybrid.ipv4, Some(FamilyResult::Answer));
        assert_eq!(hybrid.ipv6, None);
    }

    #[test]
    fn requests_to_other_trackers_and_scrapes_after_announces_do_not_count() {
        let mut scrape = request(Family::Ipv4, Some(FailureReason::Unsupported), 1);
        scrape.is_follow_up = true;
        let mut other = request(Family::Ipv6, None, 1);
        other.id = TrackerId(1);
        let row = row(&[scrape, other]);
        assert_eq!((row.ipv4, row.ipv6, row.time), (None, None, None));
        assert!(row.notes.is_empty());
    }
}
