//! The row of one DHT lookup.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::FamilyResult;
use seedwatch_dht::{LookupReport, LookupStats, SwarmEstimate};
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;

/// The result of one info-hash in the DHT of one family.
#[derive(Debug, Serialize)]
pub(in crate::app::probe) struct LookupRow {
    infohash: String,
    #[serde(serialize_with = "super::as_label")]
    pub(super) family: Family,
    #[serde(flatten)]
    result: RowResult,
    #[serde(flatten)]
    stats: Option<LookupCost>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
enum RowResult {
    Answer {
        /// Peers named, before any filter.
        peers: usize,
        /// The estimate of the BEP 33 filters.
        estimate: Option<Counts>,
    },
    Failure {
        reason: &'static str,
    },
    /// The lookup had not ended at the deadline.
    Unfinished,
}

#[derive(Debug, Serialize)]
struct Counts {
    seeders: u32,
    leechers: u32,
    /// The BEP 33 filters are full: the counts are lower bounds.
    saturated: bool,
}

/// The cost and the statistics of the lookup.
#[derive(Debug, Serialize)]
struct LookupCost {
    hops: u32,
    asked: u32,
    answered: u32,
    queries: u32,
    timed_out: u32,
    errors: u32,
    rejected: u32,
    /// Nodes ignored because they are closer to the info-hash than random node ids would be.
    doubted: u32,
    /// Nodes that named peers.
    holders: u32,
    /// Leading bits that the closest node shares with the info-hash.
    closest_bits: Option<u32>,
    milliseconds: f64,
}

impl LookupRow {
    /// Returns the row of a lookup that has ended.
    pub(in crate::app::probe) fn new(lookup: &LookupReport) -> Self {
        let result = match &lookup.result {
            Ok(found) => RowResult::Answer {
                peers: found.peers.len(),
                estimate: found.estimate.map(Counts::of),
            },
            Err(reason) => RowResult::Failure {
                reason: reason.as_label(),
            },
        };
        Self {
            result,
            stats: Some(LookupCost::of(&lookup.diagnosis)),
            ..Self::unfinished(lookup.info_hash, lookup.family)
        }
    }

    /// Returns the row of a lookup that had not ended at the deadline.
    pub(in crate::app::probe) fn unfinished(info_hash: InfoHash, family: Family) -> Self {
        Self {
            infohash: info_hash.to_string(),
            family,
            result: RowResult::Unfinished,
            stats: None,
        }
    }

    /// Returns what the lookup says about the DHT.
    pub(super) fn result(&self) -> FamilyResult {
        match self.result {
            RowResult::Answer { .. } => FamilyResult::Answer,
            RowResult::Failure { .. } | RowResult::Unfinished => FamilyResult::Failure,
        }
    }

    /// Returns the duration of the lookup, if it has ended.
    pub(super) fn duration(&self) -> Option<Duration> {
        let milliseconds = self.stats.as_ref()?.milliseconds;
        Some(Duration::from_secs_f64(milliseconds / 1000.0))
    }

    /// Returns the result and the cost of the lookup.
    pub(super) fn note(&self) -> String {
        self.to_string()
    }
}

impl Counts {
    fn of(estimate: SwarmEstimate) -> Self {
        Self {
            seeders: estimate.seeders,
            leechers: estimate.leechers,
            saturated: estimate.saturated,
        }
    }
}

impl LookupCost {
    fn of(diagnosis: &LookupStats) -> Self {
        Self {
            hops: diagnosis.hops,
            asked: diagnosis.asked,
            answered: diagnosis.answered,
            queries: diagnosis.queries,
            timed_out: diagnosis.timed_out,
            errors: diagnosis.errors,
            rejected: diagnosis.rejected,
            doubted: diagnosis.doubted,
            holders: diagnosis.holders,
            closest_bits: diagnosis.closest_bits,
            milliseconds: (diagnosis.duration.as_secs_f64() * 1e4).round() / 10.0,
        }
    }
}

impl fmt::Display for LookupRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Distinguishes the two lookups of a hybrid torrent (BEP 52).
        let head = self.infohash.get(..8).unwrap_or(&self.infohash);
        let family = super::family_name(self.family);
        write!(f, "{family} {head}: ")?;
        match &self.result {
            RowResult::Answer { peers, estimate } => {
                write!(f, "{peers} peers named")?;
                if let Some(counts) = estimate {
                    let least = if counts.saturated { "at least " } else { "" };
                    let Counts {
                        seeders, leechers, ..
                    } = counts;
                    write!(
                        f,
                        ", filters say {least}{seeders} seeders, {leechers} leechers"
                    )?;
                }
            }
            RowResult::Failure { reason } => f.write_str(reason)?,
            RowResult::Unfinished => f.write_str("not finished in time")?,
        }
        let Some(stats) = &self.stats else {
            return Ok(());
        };
        if stats.asked == 0 {
            return f.write_str("; no node is known");
        }
        write!(
            f,
            "; {} hops, {} nodes asked, {} answered, {} named peers, {} queries",
            stats.hops, stats.asked, stats.answered, stats.holders, stats.queries
        )?;
        if let Some(bits) = stats.closest_bits {
            write!(f, ", closest shares {bits} bits")?;
        }
        let counts = [
            (stats.errors, "errors"),
            (stats.rejected, "rejected"),
            (stats.doubted, "excluded as suspiciously close"),
        ];
        for (count, what) in counts {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwatch_dht::FoundPeers;
    use seedwatch_dht::LookupError;

    #[test]
    fn a_row_shows_the_result_and_the_cost() {
        let mut found = FoundPeers::default();
        found.peers.push("1.1.1.1".parse().unwrap(), 6881);
        found.estimate = Some(SwarmEstimate {
            seeders: 3,
            leechers: 9,
            saturated: false,
        });
        let mut lookup = LookupReport {
            info_hash: InfoHash([0xab; 20]),
            family: Family::Ipv4,
            result: Ok(found),
            diagnosis: LookupStats {
                hops: 4,
                asked: 14,
                answered: 11,
                queries: 17,
                holders: 5,
                rejected: 1,
                closest_bits: Some(23),
                duration: Duration::from_micros(812_340),
                ..LookupStats::default()
            },
        };
        let row = LookupRow::new(&lookup);
        assert_eq!(
            row.to_string(),
            "IPv4 abababab: 1 peers named, filters say 3 seeders, 9 leechers; 4 hops, 14 nodes \
             asked, 11 answered, 5 named peers, 17 queries, closest shares 23 bits, 1 \
             rejected"
        );
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["result"], "answer");
        assert_eq!((&json["peers"], &json["hops"]), (&1.into(), &4.into()));
        assert_eq!(json["estimate"]["leechers"], 9);
        assert!(
            !json.to_string().contains("1.1.1.1"),
            "the row contains no peer address"
        );

        lookup.result = Err(LookupError::Timeout);
        lookup.diagnosis = LookupStats::default();
        let row = LookupRow::new(&lookup).to_string();
        assert_eq!(row, "IPv4 abababab: timeout; no node is known");
        let row = LookupRow::unfinished(InfoHash([1; 20]), Family::Ipv6);
        assert_eq!(row.to_string(), "IPv6 01010101: not finished in time");
        assert_eq!(serde_json::to_value(&row).unwrap()["result"], "unfinished");
    }
}
