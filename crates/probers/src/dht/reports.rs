//! Reports: sends lookups and the state of both families in batches, without waiting.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use seedwatch_clock::Mono;
use seedwatch_dht::{DhtReport, DhtStatus, LookupReport, MAX_WANTED};
use seedwatch_torrent::InfoHash;

/// The time between two reports, unless a caller waits.
const EVERY: Duration = Duration::from_secs(1);
/// The wait if the receiver is slow.
const PAUSE: Duration = Duration::from_millis(20);
/// This many lookups are reported before the time is over.
const MANY: usize = 512;
/// The largest number of lookups kept for a slow receiver. The oldest are dropped first.
const MAX_PENDING: usize = 4096;

/// The pending reports.
pub(super) struct Reports {
    out: mpsc::Sender<DhtReport>,
    lookups: VecDeque<LookupReport>,
    /// The info-hashes that callers wait for, with the number of families.
    wanted: VecDeque<(InfoHash, usize)>,
    /// Whether a caller waits for a pending lookup.
    urgent: bool,
    due: Mono,
    /// Whether it was logged that lookups are lost.
    is_reported: bool,
}

impl Reports {
    pub(super) fn new(out: mpsc::Sender<DhtReport>) -> Self {
        Self {
            out,
            lookups: VecDeque::new(),
            wanted: VecDeque::new(),
            urgent: false,
            due: Mono(0),
            is_reported: false,
        }
    }

    /// Records that a caller waits for a lookup, which ends once in each of `families` families.
    pub(super) fn want(&mut self, hash: InfoHash, families: usize) {
        if self.wanted.len() == MAX_WANTED {
            self.wanted.pop_front();
        }
        self.wanted.push_back((hash, families));
    }

    /// Returns the info-hashes that callers wait for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = InfoHash> {
        self.wanted.iter().map(|(hash, _)| *hash)
    }

    /// Takes lookups that have ended.
    pub(super) fn add(&mut self, ended: Vec<LookupReport>) {
        for lookup in ended {
            let waits = |(hash, _): &(InfoHash, usize)| *hash == lookup.info_hash;
            if let Some(at) = self.wanted.iter().position(waits) {
                self.urgent = true;
                self.wanted[at].1 = self.wanted[at].1.saturating_sub(1);
                if self.wanted[at].1 == 0 {
                    self.wanted.remove(at);
                }
            }
            self.lookups.push_back(lookup);
        }
        let surplus = self.lookups.len().saturating_sub(MAX_PENDING);
        self.lookups.drain(..surplus);
        if surplus > 0 && !std::mem::replace(&mut self.is_reported, true) {
            tracing::warn!(
                lost = surplus,
                "DHT results arrive faster than they are processed"
            );
        }
    }

    /// Sends a report if it is due and the channel has room. The state follows the lookups that led
    /// to it. Returns when to call again.
    pub(super) fn deliver(
        &mut self,
        now: Mono,
        status: impl FnOnce() -> [Option<DhtStatus>; 2],
    ) -> Mono {
        if now < self.due && !self.urgent && self.lookups.len() < MANY {
            return self.due;
        }
        if !self.lookups.is_empty() {
            let lookups = std::mem::take(&mut self.lookups).into();
            match self.out.try_send(DhtReport::Lookups(lookups)) {
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(report)) => {
                    if let DhtReport::Lookups(lookups) = report {
                        self.lookups = lookups.into();
                    }
                    return now.after(PAUSE);
                }
            }
        }
        if let Err(TrySendError::Full(_)) = self.out.try_send(DhtReport::Status(status())) {
            return now.after(PAUSE);
        }
        self.urgent = false;
        self.is_reported = false;
        self.due = now.after(EVERY);
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwatch_dht::{FoundPeers, LookupStats};
    use seedwatch_torrent::Family;

    const A: InfoHash = InfoHash([1; 20]);
    const B: InfoHash = InfoHash([2; 20]);

    fn lookup(info_hash: InfoHash) -> LookupReport {
        LookupReport {
            info_hash,
            family: Family::Ipv4,
            result: Ok(FoundPeers::default()),
            diagnosis: LookupStats::default(),
        }
    }

    /// Returns the number of lookups of each report; `None` for a status.
    fn received(receiver: &mut mpsc::Receiver<DhtReport>) -> Vec<Option<usize>> {
        let mut all = Vec::new();
        while let Ok(report) = receiver.try_recv() {
            all.push(match report {
                DhtReport::Lookups(lookups) => Some(lookups.len()),
                DhtReport::Status(_) => None,
            });
        }
        all
    }

    fn deliver(reports: &mut Reports, now: u64) -> u64 {
        reports.deliver(Mono(now), || [None; 2]).0
    }

    #[test]
    fn reports_are_delivered_once_per_second() {
        let (out, mut receiver) = mpsc::channel(8);
        let mut reports = Reports::new(out);
        assert_eq!(deliver(&mut reports, 100), 1100);
        assert_eq!(received(&mut receiver), [None]);
        reports.add(vec![lookup(A)]);
        assert_eq!(deliver(&mut reports, 200), 1100);
        reports.add(vec![lookup(B)]);
        assert_eq!(received(&mut receiver), []);
        assert_eq!(deliver(&mut reports, 1100), 2100);
        assert_eq!(received(&mut receiver), [Some(2), None]);
    }

    #[test]
    fn wanted_lookups_are_delivered_at_once() {
        let (out, mut receiver) = mpsc::channel(8);
        let mut reports = Reports::new(out);
        deliver(&mut reports, 0);
        received(&mut receiver);
        reports.want(A, 2);
        for now in [10, 20] {
            reports.add(vec![lookup(A), lookup(B)]);
            deliver(&mut reports, now);
            assert_eq!(received(&mut receiver), [Some(2), None]);
        }
        assert_eq!(reports.wanted().count(), 0);
        reports.add(vec![lookup(A)]);
        assert_eq!(deliver(&mut reports, 30), 1020);
        assert_eq!(received(&mut receiver), []);
    }

    #[test]
    fn a_slow_receiver_loses_the_oldest_lookups_only_at_the_limit() {
        let (out, mut receiver) = mpsc::channel(1);
        let mut reports = Reports::new(out);
        reports.add(vec![lookup(A)]);
        // The channel had room for the lookup but not for the status.
        assert_eq!(deliver(&mut reports, 0), 20);
        reports.add(vec![lookup(A)]);
        assert_eq!(deliver(&mut reports, 20), 40);
        assert_eq!(received(&mut receiver), [Some(1)]);
        deliver(&mut reports, 40);
        assert_eq!(received(&mut receiver), [Some(1)]);
        deliver(&mut reports, 60);
        assert_eq!(received(&mut receiver), [None]);

        reports.add(vec![lookup(A)]);
        reports.add(vec![lookup(B); MAX_PENDING]);
        deliver(&mut reports, 5000);
        let Ok(DhtReport::Lookups(kept)) = receiver.try_recv() else {
            panic!();
        };
        assert_eq!(kept.len(), MAX_PENDING);
        assert!(kept.iter().all(|lookup| lookup.info_hash == B));
    }

    #[test]
    fn wanted_lookups_are_bounded_and_a_lost_receiver_is_tolerated() {
        let (out, receiver) = mpsc::channel(1);
        let mut reports = Reports::new(out);
        for _ in 0..=MAX_WANTED {
            reports.want(A, 1);
        }
        assert_eq!(reports.wanted().count(), MAX_WANTED);
        drop(receiver);
        reports.add(vec![lookup(A)]);
        assert_eq!(deliver(&mut reports, 0), 1000);
        assert!(reports.lookups.is_empty());
    }
}
