//! The row of one DHT lookup.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::FamilyResult;
use seedwatch_core::plural;
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
    stats: Option<Stats>,
    /// Whether there are bootstrap nodes, which are asked while no other node is known.
    #[serde(skip)]
    has_bootstrap: bool,
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

/// The statistics of the lookup.
#[derive(Debug, Serialize)]
struct Stats {
    hops: u32,
    asked: u32,
    answered: u32,
    queries: u32,
    timed_out: u32,
    errors: u32,
    /// Responses that could not be used.
    responses_rejected: u32,
    /// Nodes ignored because they are closer to the info-hash than random node ids would be.
    excluded: u32,
    /// Nodes that named peers.
    holders: u32,
    /// Leading bits that the closest node shares with the info-hash.
    closest_bits: Option<u32>,
    /// `None` if no node was asked.
    milliseconds: Option<f64>,
}

impl LookupRow {
    /// Returns the row of a lookup that has ended. `has_bootstrap` says whether there are bootstrap
    /// nodes.
    pub(in crate::app::probe) fn new(lookup: &LookupReport, has_bootstrap: bool) -> Self {
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
            stats: Some(Stats::of(&lookup.diagnosis)),
            has_bootstrap,
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
            has_bootstrap: false,
        }
    }

    /// Returns what the lookup says about the DHT.
    pub(super) fn result(&self) -> FamilyResult {
        match self.result {
            RowResult::Answer { .. } => FamilyResult::Answer,
            RowResult::Failure { .. } | RowResult::Unfinished => FamilyResult::Failure,
        }
    }

    /// Returns the duration of the lookup, if it has ended and asked a node.
    pub(super) fn duration(&self) -> Option<Duration> {
        let milliseconds = self.stats.as_ref()?.milliseconds?;
        Some(Duration::from_secs_f64(milliseconds / 1000.0))
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

impl Stats {
    fn of(stats: &LookupStats) -> Self {
        Self {
            hops: stats.hops,
            asked: stats.asked,
            answered: stats.answered,
            queries: stats.queries,
            timed_out: stats.timed_out,
            errors: stats.errors,
            responses_rejected: stats.rejected,
            excluded: stats.doubted,
            holders: stats.holders,
            closest_bits: stats.closest_bits,
            milliseconds: (stats.asked > 0)
                .then(|| (stats.duration.as_secs_f64() * 1e4).round() / 10.0),
        }
    }
}

impl fmt::Display for LookupRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Distinguishes the two lookups of a hybrid torrent (BEP 52).
        let head = self.infohash.get(..8).unwrap_or(&self.infohash);
        let family = self.family.name();
        write!(f, "{family} {head}: ")?;
        let stats = self.stats.as_ref();
        match &self.result {
            RowResult::Answer { peers, estimate } => {
                write!(f, "{} named", plural(*peers as u64, "peer"))?;
                if let Some(counts) = estimate {
                    let least = if counts.saturated { "at least " } else { "" };
                    let seeders = plural(counts.seeders, "seeder");
                    let leechers = plural(counts.leechers, "leecher");
                    write!(f, ", filters say {least}{seeders}, {leechers}")?;
                }
            }
            // Bootstrap nodes are asked before the lookup, which begins with the nodes that answer.
            RowResult::Failure { .. } if stats.is_some_and(|stats| stats.asked == 0) => {
                return f.write_str(match self.has_bootstrap {
                    true => "no DHT node answered",
                    false => "no DHT node is known",
                });
            }
            RowResult::Failure { reason } => f.write_str(reason)?,
            RowResult::Unfinished => f.write_str("not finished in time")?,
        }
        stats.map_or(Ok(()), |stats| write!(f, "; {stats}"))
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} asked, {} answered, {} named peers, {}",
            plural(self.hops, "hop"),
            plural(self.asked, "node"),
            self.answered,
            self.holders,
            plural(self.queries, "query")
        )?;
        if let Some(bits) = self.closest_bits {
            write!(f, ", closest shares {}", plural(bits, "bit"))?;
        }
        if self.errors > 0 {
            write!(f, ", {}", plural(self.errors, "error"))?;
        }
        if self.responses_rejected > 0 {
            let responses = plural(self.responses_rejected, "response");
            write!(f, ", {responses} rejected")?;
        }
        if self.excluded > 0 {
            write!(f, ", {} excluded as suspiciously close", self.excluded)?;
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
            seeders: 1,
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
        let row = LookupRow::new(&lookup, true);
        assert_eq!(
            row.to_string(),
            "IPv4 abababab: 1 peer named, filters say 1 seeder, 9 leechers; 4 hops, 14 nodes \
             asked, 11 answered, 5 named peers, 17 queries, closest shares 23 bits, 1 \
             response rejected"
        );
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["result"], "answer");
        assert_eq!((&json["peers"], &json["hops"]), (&1.into(), &4.into()));
        assert_eq!(json["estimate"]["leechers"], 9);
        assert_eq!(json["milliseconds"], 812.3);
        assert_eq!(json["responses_rejected"], 1);
        assert_eq!(json["excluded"], 0);
        assert!(
            !json.to_string().contains("1.1.1.1"),
            "the row contains no peer address"
        );

        lookup.result = Err(LookupError::Timeout);
        lookup.diagnosis = LookupStats::default();
        let row = LookupRow::new(&lookup, true);
        assert_eq!(row.duration(), None, "no node was asked");
        assert!(serde_json::to_value(&row).unwrap()["milliseconds"].is_null());
        assert_eq!(row.to_string(), "IPv4 abababab: no DHT node answered");
        let row = LookupRow::new(&lookup, false).to_string();
        assert_eq!(row, "IPv4 abababab: no DHT node is known");
        let row = LookupRow::unfinished(InfoHash([1; 20]), Family::Ipv6);
        assert_eq!(row.to_string(), "IPv6 01010101: not finished in time");
        assert_eq!(serde_json::to_value(&row).unwrap()["result"], "unfinished");
    }
}
