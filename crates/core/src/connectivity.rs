//! Whether our own network works, by family, and whether our own resolver does. Pure.
//!
//! A tracker's silence is the one failure that our own outage can explain. So a silent probe counts
//! at once only if something answered from the internet since the probe began. Otherwise it is held
//! until the canaries were asked. If they are silent too, the probe is discarded.

mod family_monitor;
mod name_monitor;

use std::time::Duration;

use family_monitor::FamilyMonitor;
pub use name_monitor::{CheckedName, NameChange, NameDecision, NameMonitor, is_unresolved};
use seedwatch_clock::Mono;
use seedwatch_dht::{LookupError, LookupReport};
use seedwatch_torrent::Family;
use seedwatch_tracker::{Observation, Report};

/// Canaries are asked after this time without evidence that a family works.
const MAX_SILENCE: Duration = Duration::from_secs(120);

/// How long the first probes have before canaries are asked.
const FIRST_CHECK_AFTER: Duration = Duration::from_secs(3);

/// Time between two checks while a family is down.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// The same for a family that never worked: most likely the machine does not have it.
const CHECK_INTERVAL_MISSING: Duration = Duration::from_secs(300);

/// What is known about our own network.
#[derive(Debug)]
pub struct Connectivity {
    /// By [`Family::index`].
    families: [FamilyMonitor; 2],
}

/// What to do with an observation.
#[derive(Debug)]
pub enum Decision {
    /// It counts.
    Counts(Observation),
    /// It is held until the canaries were asked.
    Held,
}

/// What new evidence means for our own network and for held results.
#[derive(Debug, Default)]
pub struct ConnectivityChange {
    /// The new state of the family, if it changed.
    pub transition: Option<Transition>,
    /// Held observations that count.
    pub confirmed: Vec<Observation>,
    /// Held observations that our own outage explains.
    pub discarded: Vec<Observation>,
    /// Held lookups that count. Those that our own outage explains are dropped: the DHT prober
    /// repeats them by itself.
    pub lookups: Vec<LookupReport>,
}

/// The new state of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It works.
    Up,
    /// It does not work.
    Down,
    /// Nothing shows whether it works.
    Unknown,
}

impl Connectivity {
    /// Returns a state in which nothing is known.
    pub fn new(now: Mono) -> Self {
        let monitor = || FamilyMonitor::new(now.after(FIRST_CHECK_AFTER));
        Self {
            families: [monitor(), monitor()],
        }
    }

    /// Returns whether each family works, by [`Family::index`]. A family that never worked while
    /// the other does is unknown: the machine does not have it, and that is no outage.
    pub fn up(&self) -> [Option<bool>; 2] {
        [0, 1].map(|family| {
            let (this, other) = (&self.families[family], &self.families[1 - family]);
            let is_missing = this.last_evidence.is_none() && other.last_evidence.is_some();
            this.up.filter(|_| !is_missing)
        })
    }

    /// Returns whether a family is down. Then only one probe leaves with each check.
    pub fn is_down(&self, family: Family) -> bool {
        self.families[family.index()].up == Some(false)
    }

    /// Decides whether an observation counts.
    pub fn decide(
        &mut self,
        observation: Observation,
        now: Mono,
    ) -> (Decision, ConnectivityChange) {
        let monitor = &mut self.families[observation.family.index()];
        let failed = observation.report.failed();
        let is_silent = match &observation.report {
            Report::NoAddress { .. } => true,
            _ => failed.is_some_and(|failed| failed.reason.is_silence()),
        };
        if !is_silent {
            // A probe that was not sent is no evidence.
            let is_unsent = failed.is_some_and(|failed| failed.reason.is_abstention());
            let change = match is_unsent {
                true => ConnectivityChange::default(),
                false => monitor.record_evidence(now),
            };
            return (Decision::Counts(observation), change);
        }
        let decision = if monitor.has_evidence_since(now.before(observation.stats.duration)) {
            Decision::Counts(observation)
        } else {
            monitor.held.push(observation);
            monitor.check_soon(now);
            Decision::Held
        };
        (decision, ConnectivityChange::default())
    }

    /// Decides whether a lookup in the DHT counts. Returns it if so; otherwise it is held.
    /// `is_outside` says whether its nodes are on the internet, so that their answers are evidence.
    pub fn decide_lookup(
        &mut self,
        lookup: LookupReport,
        is_outside: bool,
        now: Mono,
    ) -> (Option<LookupReport>, ConnectivityChange) {
        let is_missing = self.is_missing_ipv6(&lookup);
        let monitor = &mut self.families[lookup.family.index()];
        match &lookup.result {
            Ok(_) if is_outside => {
                let change = monitor.record_evidence(now);
                return (Some(lookup), change);
            }
            // A family that this machine does not have knows no node: the DHT has not failed.
            Err(_) if is_missing => {
                return (None, ConnectivityChange::default());
            }
            // A lookup without queries knew no node: its failure shows no silence.
            Err(LookupError::Timeout) if is_outside && lookup.diagnosis.queries > 0 => {}
            _ => return (Some(lookup), ConnectivityChange::default()),
        }
        if monitor.has_evidence_since(now.before(lookup.diagnosis.duration)) {
            return (Some(lookup), ConnectivityChange::default());
        }
        monitor.held_lookups.push(lookup);
        monitor.check_soon(now);
        (None, ConnectivityChange::default())
    }

    /// Returns whether a lookup found no node to query because IPv6 never worked, as IPv4 does.
    fn is_missing_ipv6(&self, lookup: &LookupReport) -> bool {
        let [v4, v6] = &self.families;
        lookup.family == Family::Ipv6
            && lookup.diagnosis.queries == 0
            && v6.last_evidence.is_none()
            && v4.last_evidence.is_some()
    }

    /// Returns the families whose canaries are to be asked now.
    pub fn checks_due(&mut self, now: Mono) -> Vec<Family> {
        let families = Family::ALL.into_iter();
        families
            .filter(|family| self.families[family.index()].begin_check(now))
            .collect()
    }

    /// Returns when [`Connectivity::checks_due`] next returns a family.
    pub fn next_wake(&self) -> Option<Mono> {
        let idle = self
            .families
            .iter()
            .filter(|monitor| monitor.check_began.is_none());
        idle.map(|monitor| monitor.next_check).min()
    }

    /// Postpones a check for which this machine lacked the resources. Held results stay held.
    pub fn check_skipped(&mut self, family: Family, now: Mono) {
        self.families[family.index()].postpone_check(now);
    }

    /// Records the result of a check: whether a canary answered, or `None` if no canary has an
    /// address of this family.
    pub fn check_ended(
        &mut self,
        family: Family,
        alive: Option<bool>,
        now: Mono,
    ) -> ConnectivityChange {
        let other = match family {
            Family::Ipv4 => Family::Ipv6,
            Family::Ipv6 => Family::Ipv4,
        };
        let other_works = self.families[other.index()].up == Some(true);
        self.families[family.index()].end_check(alive, other_works, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwatch_tracker::{AnnounceId, FailureReason, ProbeError, ProbeStats, TrackerId};

    fn failed(reason: FailureReason, seconds: u64) -> Observation {
        let result = Err(ProbeError::new(reason, ""));
        Observation {
            tracker: TrackerId(0),
            family: Family::Ipv4,
            report: Report::Announce {
                id: AnnounceId(0),
                result,
            },
            stats: ProbeStats {
                duration: Duration::from_secs(seconds),
                ..ProbeStats::default()
            },
        }
    }

    fn holds(connectivity: &mut Connectivity, observation: Observation, now: Mono) -> bool {
        matches!(connectivity.decide(observation, now).0, Decision::Held)
    }

    /// A machine without IPv6 must not wait for the IPv6 DHT.
    #[test]
    fn a_lookup_over_a_missing_family_is_no_failure() {
        let mut connectivity = Connectivity::new(Mono(0));
        let lookup = |family| LookupReport {
            info_hash: seedwatch_torrent::InfoHash([1; 20]),
            family,
            result: Err(LookupError::Timeout),
            diagnosis: seedwatch_dht::LookupStats::default(),
        };
        connectivity.decide(failed(FailureReason::Refused, 0), Mono(10_000));
        let mut counts = |family| {
            let (counted, _) = connectivity.decide_lookup(lookup(family), true, Mono(20_000));
            counted.is_some()
        };
        assert!(!counts(Family::Ipv6));
        assert!(counts(Family::Ipv4));
    }

    #[test]
    fn silence_counts_if_something_answered_meanwhile() {
        let mut connectivity = Connectivity::new(Mono(0));
        let (_, change) = connectivity.decide(failed(FailureReason::Refused, 0), Mono(10_000));
        assert_eq!(
            (change.transition, connectivity.up()[0]),
            (Some(Transition::Up), Some(true))
        );
        assert!(!holds(
            &mut connectivity,
            failed(FailureReason::Timeout, 15),
            Mono(20_000)
        ));
        assert!(holds(
            &mut connectivity,
            failed(FailureReason::Timeout, 15),
            Mono(40_000)
        ));
    }

    #[test]
    fn an_answering_canary_makes_held_silence_count() {
        let mut connectivity = Connectivity::new(Mono(0));
        assert!(holds(
            &mut connectivity,
            failed(FailureReason::Timeout, 1),
            Mono(1_000)
        ));
        assert_eq!(connectivity.checks_due(Mono(1_000)), [Family::Ipv4]);
        assert!(
            connectivity.checks_due(Mono(1_001)).is_empty(),
            "asked once"
        );
        let change = connectivity.check_ended(Family::Ipv4, Some(true), Mono(1_500));
        assert_eq!(
            (
                change.confirmed.len(),
                change.discarded.len(),
                change.transition
            ),
            (1, 0, Some(Transition::Up))
        );
    }

    #[test]
    fn silent_canaries_discard_held_silence() {
        let mut connectivity = Connectivity::new(Mono(0));
        connectivity.decide(failed(FailureReason::Rejected, 0), Mono(1));
        assert!(holds(
            &mut connectivity,
            failed(FailureReason::Dns, 1),
            Mono(2_000)
        ));
        connectivity.checks_due(Mono(2_000));
        let change = connectivity.check_ended(Family::Ipv4, Some(false), Mono(9_000));
        assert_eq!((change.confirmed.len(), change.discarded.len()), (0, 1));
        assert_eq!(change.transition, Some(Transition::Down));
        assert_eq!(connectivity.up(), [Some(false), None]);
        connectivity.families[1].next_check = Mono(u64::MAX);
        assert!(connectivity.checks_due(Mono(38_999)).is_empty());
        assert_eq!(connectivity.checks_due(Mono(39_000)), [Family::Ipv4]);
    }

    #[test]
    fn a_skipped_check_decides_nothing() {
        let mut connectivity = Connectivity::new(Mono(0));
        connectivity.decide(failed(FailureReason::Rejected, 0), Mono(1));
        assert!(holds(
            &mut connectivity,
            failed(FailureReason::Timeout, 1),
            Mono(9_000)
        ));
        connectivity.families[1].next_check = Mono(u64::MAX);
        assert_eq!(connectivity.checks_due(Mono(9_000)), [Family::Ipv4]);
        connectivity.check_skipped(Family::Ipv4, Mono(9_500));
        assert_eq!(connectivity.up(), [Some(true), None]);
        assert!(connectivity.checks_due(Mono(39_499)).is_empty());
        assert_eq!(connectivity.checks_due(Mono(39_500)), [Family::Ipv4]);
        let change = connectivity.check_ended(Family::Ipv4, Some(true), Mono(39_600));
        assert_eq!((change.confirmed.len(), change.discarded.len()), (1, 0));
    }

    #[test]
    fn without_canaries_a_missing_address_is_no_outage() {
        let mut connectivity = Connectivity::new(Mono(0));
        let absent = || Observation {
            family: Family::Ipv6,
            report: Report::NoAddress { ids: Vec::new() },
            ..failed(FailureReason::Dns, 0)
        };
        assert!(holds(&mut connectivity, absent(), Mono(1_000)));
        connectivity.checks_due(Mono(1_000));
        let change = connectivity.check_ended(Family::Ipv6, None, Mono(1_100));
        assert_eq!((change.confirmed.len(), change.discarded.len()), (1, 0));
        assert_eq!((change.transition, connectivity.up()[1]), (None, None));
    }

    #[test]
    fn failed_name_resolution_without_canary_addresses_is_an_outage() {
        let mut connectivity = Connectivity::new(Mono(0));
        assert!(holds(
            &mut connectivity,
            failed(FailureReason::Dns, 1),
            Mono(1_000)
        ));
        let change = connectivity.check_ended(Family::Ipv4, None, Mono(1_100));
        assert_eq!(
            (change.discarded.len(), connectivity.up()[0]),
            (1, Some(false))
        );

        // While the other family works, a dead name is the tracker's failure.
        connectivity.decide(failed(FailureReason::Rejected, 0), Mono(2_000));
        let dead_name = Observation {
            family: Family::Ipv6,
            ..failed(FailureReason::Dns, 0)
        };
        assert!(holds(&mut connectivity, dead_name, Mono(3_000)));
        let change = connectivity.check_ended(Family::Ipv6, None, Mono(3_100));
        assert_eq!((change.confirmed.len(), connectivity.up()[1]), (1, None));
    }

    #[test]
    fn silent_canaries_prove_nothing_until_one_has_answered() {
        let mut connectivity = Connectivity::new(Mono(0));
        connectivity.decide(failed(FailureReason::Rejected, 0), Mono(1_000));
        connectivity.checks_due(Mono(200_000));
        assert_eq!(
            connectivity
                .check_ended(Family::Ipv4, Some(false), Mono(206_000))
                .transition,
            None
        );
        connectivity.checks_due(Mono(400_000));
        connectivity.check_ended(Family::Ipv4, Some(true), Mono(401_000));
        connectivity.checks_due(Mono(600_000));
        assert_eq!(
            connectivity
                .check_ended(Family::Ipv4, Some(false), Mono(606_000))
                .transition,
            Some(Transition::Down)
        );
    }

    #[test]
    fn an_answer_during_a_check_outweighs_silent_canaries() {
        let mut connectivity = Connectivity::new(Mono(0));
        connectivity.checks_due(Mono(5_000));
        connectivity.decide(failed(FailureReason::Rejected, 0), Mono(6_000));
        assert_eq!(
            connectivity
                .check_ended(Family::Ipv4, Some(false), Mono(9_000))
                .transition,
            None
        );
        assert_eq!(connectivity.up()[0], Some(true));
    }

    #[test]
    fn canaries_are_asked_only_after_two_minutes_without_evidence() {
        let mut connectivity = Connectivity::new(Mono(0));
        connectivity.decide(failed(FailureReason::Rejected, 0), Mono(1_000));
        connectivity.families[1].next_check = Mono(u64::MAX);
        assert_eq!(connectivity.next_wake(), Some(Mono(121_000)));
        assert!(connectivity.checks_due(Mono(120_999)).is_empty());
        assert_eq!(connectivity.checks_due(Mono(121_000)), [Family::Ipv4]);
    }
}
