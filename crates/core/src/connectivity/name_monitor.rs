//! Whether our own resolver works.
//!
//! A failure to resolve the name of a tracker may be ours: while our name servers do not answer, no
//! name resolves. So such a failure counts at once only if a name was resolved since the probe
//! began. Otherwise it is held until several names were looked up afresh. If none resolves, the
//! failure is discarded, and trackers and states stay as they were.

use std::time::Duration;

use seedwatch_clock::Mono;
use seedwatch_tracker::{FailureReason, NameAnswer, Observation};

/// Time between two checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// So many names that fail show that the resolver fails, if one of them worked before. A single
/// name may be dead.
const FEWEST_NAMES: usize = 2;

/// So many names that fail show it if none of them worked before: two may both be dead.
const FEWEST_UNKNOWN_NAMES: usize = 3;

/// What is known about our own resolver.
#[derive(Debug, Default)]
pub struct NameMonitor {
    is_out: bool,
    /// The start of the latest lookup that showed that the resolver works.
    last_evidence: Option<Mono>,
    /// Failures that wait for a check.
    held: Vec<Observation>,
    check_began: Option<Mono>,
    next_check: Mono,
}

/// What to do with an observation.
#[derive(Debug)]
pub enum NameDecision {
    /// It counts.
    Counts(Observation),
    /// It is held until names were looked up.
    Held,
    /// Our own resolver explains it.
    Discarded(Observation),
}

/// What new evidence means for our own resolver and for held failures.
#[derive(Debug, Default)]
pub struct NameChange {
    /// Whether the resolver works, if that changed.
    pub works: Option<bool>,
    /// Held failures that count.
    pub confirmed: Vec<Observation>,
    /// Held failures that our own resolver explains.
    pub discarded: Vec<Observation>,
}

/// A name that was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedName {
    /// The result.
    pub answer: NameAnswer,
    /// Whether its tracker has answered before, so that the name had addresses.
    pub has_worked: bool,
}

impl NameMonitor {
    /// Returns whether no name can be resolved.
    pub fn is_out(&self) -> bool {
        self.is_out
    }

    /// Decides whether the failure to resolve a name counts. `has_others` says whether there are
    /// other names to compare it with.
    pub fn decide(
        &mut self,
        observation: Observation,
        has_others: bool,
        now: Mono,
    ) -> NameDecision {
        let began = now.before(observation.stats.duration);
        if self.is_out {
            NameDecision::Discarded(observation)
        } else if !has_others || self.last_evidence.is_some_and(|at| at >= began) {
            NameDecision::Counts(observation)
        } else {
            self.held.push(observation);
            NameDecision::Held
        }
    }

    /// Records that a probe had a name resolved, other than from a cache.
    pub fn record_evidence(&mut self, at: Mono) -> NameChange {
        self.last_evidence = self.last_evidence.max(Some(at));
        self.end_outage()
    }

    /// Begins a check if one is due. Returns whether it is.
    pub fn begin_check(&mut self, now: Mono) -> bool {
        let is_due = self.next_wake().is_some_and(|at| at <= now);
        if is_due {
            self.check_began = Some(now);
        }
        is_due
    }

    /// Returns when [`NameMonitor::begin_check`] next returns true.
    pub fn next_wake(&self) -> Option<Mono> {
        let is_needed = self.is_out || !self.held.is_empty();
        (is_needed && self.check_began.is_none()).then_some(self.next_check)
    }

    /// Postpones a check for which this machine lacked the resources.
    pub fn postpone_check(&mut self, now: Mono) {
        self.check_began = None;
        self.next_check = now.after(CHECK_INTERVAL);
    }

    /// Records the result of a check.
    pub fn end_check(&mut self, names: &[CheckedName], now: Mono) -> NameChange {
        let began = self.check_began.unwrap_or(now);
        self.postpone_check(now);
        if names.iter().any(|it| it.answer == NameAnswer::Resolved) {
            return self.record_evidence(began);
        }
        if self.last_evidence.is_some_and(|at| at >= began) || !all_fail(names) {
            return self.end_outage();
        }
        let was_out = std::mem::replace(&mut self.is_out, true);
        NameChange {
            works: (!was_out).then_some(false),
            discarded: std::mem::take(&mut self.held),
            ..NameChange::default()
        }
    }

    fn end_outage(&mut self) -> NameChange {
        let was_out = std::mem::replace(&mut self.is_out, false);
        NameChange {
            works: was_out.then_some(true),
            confirmed: std::mem::take(&mut self.held),
            ..NameChange::default()
        }
    }
}

/// Returns whether an observation is the failure to resolve a name.
pub fn is_unresolved(observation: &Observation) -> bool {
    let failed = observation.report.failed();
    failed.is_some_and(|failed| failed.reason == FailureReason::Dns)
}

/// Returns whether names that do not resolve show that the resolver fails. A name that never worked
/// and of which a name server says that it does not exist shows nothing.
fn all_fail(names: &[CheckedName]) -> bool {
    let is_failure = |it: &&CheckedName| it.has_worked || it.answer == NameAnswer::Failed;
    let failures = names.iter().filter(is_failure).count();
    let fewest = match names.iter().any(|it| it.has_worked) {
        true => FEWEST_NAMES,
        false => FEWEST_UNKNOWN_NAMES,
    };
    failures >= fewest
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwatch_torrent::Family;
    use seedwatch_tracker::{AnnounceId, ProbeError, ProbeStats, Report, TrackerId};

    const RESOLVED: CheckedName = name(NameAnswer::Resolved, true);
    const LOST: CheckedName = name(NameAnswer::Failed, true);
    const VANISHED: CheckedName = name(NameAnswer::Missing, true);
    const DEAD: CheckedName = name(NameAnswer::Missing, false);
    const SILENT: CheckedName = name(NameAnswer::Failed, false);

    const fn name(answer: NameAnswer, has_worked: bool) -> CheckedName {
        CheckedName { answer, has_worked }
    }

    fn unresolved() -> Observation {
        Observation {
            tracker: TrackerId(0),
            family: Family::Ipv4,
            report: Report::Announce {
                id: AnnounceId(0),
                result: Err(ProbeError::new(FailureReason::Dns, "")),
            },
            stats: ProbeStats {
                duration: Duration::from_secs(10),
                ..ProbeStats::default()
            },
        }
    }

    #[test]
    fn only_names_that_all_fail_show_that_the_resolver_fails() {
        for (names, is_out) in [
            (&[LOST, LOST][..], true),
            (&[LOST, SILENT], true),
            (&[VANISHED, VANISHED], true),
            (&[LOST, LOST, RESOLVED], false),
            (&[LOST], false),
            // The name server that knows that one name does not exist answers.
            (&[LOST, DEAD], false),
            (&[SILENT, SILENT], false),
            (&[SILENT, SILENT, SILENT], true),
            (&[DEAD, DEAD, DEAD, DEAD], false),
            (&[], false),
        ] {
            let mut monitor = NameMonitor::default();
            let decision = monitor.decide(unresolved(), true, Mono(20_000));
            assert!(matches!(decision, NameDecision::Held));
            assert!(monitor.begin_check(Mono(20_000)) && !monitor.begin_check(Mono(20_001)));
            let change = monitor.end_check(names, Mono(25_000));
            let counts = (change.discarded.len(), change.confirmed.len());
            assert_eq!(counts, if is_out { (1, 0) } else { (0, 1) }, "{names:?}");
            assert_eq!(change.works, is_out.then_some(false), "{names:?}");
            assert_eq!(monitor.is_out(), is_out, "{names:?}");
        }
    }

    #[test]
    fn a_failure_counts_at_once_if_a_name_resolved_since_the_probe_began() {
        let mut monitor = NameMonitor::default();
        monitor.record_evidence(Mono(10_000));
        let decision = monitor.decide(unresolved(), true, Mono(20_000));
        assert!(matches!(decision, NameDecision::Counts(_)));
        let decision = monitor.decide(unresolved(), true, Mono(20_001));
        assert!(matches!(decision, NameDecision::Held));
        let change = monitor.record_evidence(Mono(20_002));
        assert_eq!((change.confirmed.len(), change.works), (1, None));
        // A name without others to compare it with is the tracker's.
        let decision = monitor.decide(unresolved(), false, Mono(90_000));
        assert!(matches!(decision, NameDecision::Counts(_)));
        assert_eq!(monitor.next_wake(), None);
    }

    #[test]
    fn an_outage_ends_with_the_first_name_that_resolves() {
        let mut monitor = NameMonitor::default();
        monitor.decide(unresolved(), true, Mono(20_000));
        monitor.begin_check(Mono(20_000));
        monitor.end_check(&[LOST, LOST], Mono(25_000));
        let decision = monitor.decide(unresolved(), true, Mono(30_000));
        assert!(matches!(decision, NameDecision::Discarded(_)));
        assert_eq!(monitor.next_wake(), Some(Mono(55_000)));
        assert!(!monitor.begin_check(Mono(54_999)) && monitor.begin_check(Mono(55_000)));
        let change = monitor.end_check(&[LOST, LOST], Mono(60_000));
        assert_eq!(change.works, None, "told once");
        assert!(monitor.begin_check(Mono(90_000)));
        let change = monitor.end_check(&[LOST, RESOLVED], Mono(91_000));
        assert_eq!((change.works, monitor.is_out()), (Some(true), false));
        assert_eq!(monitor.next_wake(), None);
    }
}
