//! Is it them or is it us? Judges our own network, family by family. Pure.
//!
//! Silence is the one failure that our own outage can explain. So a silent probe stands at once
//! only if something was heard from outside since it began; otherwise it is held until a canary
//! has spoken, or has not: then the probe is void and nobody is blamed.

use std::time::Duration;

use seedwatch_clock::Mono;
use seedwatch_dht::{Lookup, LookupError};
use seedwatch_torrent::Family;
use seedwatch_tracker::{Observation, Report};

/// Without a evidence of life for this long, canaries are asked.
const MAX_SILENCE: Duration = Duration::from_secs(120);

/// How long the first probes have before canaries are asked.
const FIRST_CHECK_AFTER: Duration = Duration::from_secs(3);

/// Time between two looks while a family is down.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// The same for a family that never worked: most likely the machine does not have it.
const CHECK_INTERVAL_MISSING: Duration = Duration::from_secs(300);

/// What is known of our own network.
#[derive(Debug)]
pub struct Connectivity {
    families: [FamilyMonitor; 2],
}

#[derive(Debug)]
struct FamilyMonitor {
    up: Option<bool>,
    last_evidence: Option<Mono>,
    /// Silent probes that wait for the canaries.
    held: Vec<Observation>,
    /// Lookups that did not come through and wait for the canaries: at most one an info-hash and
    /// round.
    held_lookups: Vec<Lookup>,
    /// A canary has answered once: only then is the silence of all of them a evidence, too. Some
    /// networks let trackers through and nothing else.
    canary_answered: bool,
    /// The canaries were asked then and have not answered yet.
    check_began: Option<Mono>,
    next_check: Mono,
}

/// What to do with an observation.
#[derive(Debug)]
pub enum Decision {
    /// It counts.
    Counts(Observation),
    /// It waits for the canaries.
    Held,
}

/// What a change of our own network means.
#[derive(Debug, Default)]
pub struct ConnectivityChange {
    /// What the family transition out to be, where that is news.
    pub transition: Option<Transition>,
    /// Observations that count after all.
    pub confirmed: Vec<Observation>,
    /// Observations that our own outage explains.
    pub discarded: Vec<Observation>,
    /// Lookups that count after all; those that our own outage explains need nobody's care.
    pub lookups: Vec<Lookup>,
}

/// What is newly known of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It works, or works again.
    Up,
    /// It does not.
    Down,
    /// There is nobody left to tell.
    Unknown,
}

impl Connectivity {
    /// Nothing known yet.
    pub fn new(now: Mono) -> Self {
        let monitor = || FamilyMonitor {
            up: None,
            last_evidence: None,
            held: Vec::new(),
            held_lookups: Vec::new(),
            canary_answered: false,
            check_began: None,
            next_check: now.after(FIRST_CHECK_AFTER),
        };
        Self {
            families: [monitor(), monitor()],
        }
    }

    /// Whether each family works, by [`Family::index`]. A family that never worked while the other
    /// does is unknown: the machine does not have it, and that is no connectivity.
    pub fn up(&self) -> [Option<bool>; 2] {
        [0, 1].map(|family| {
            let (here, other) = (&self.families[family], &self.families[1 - family]);
            let missing = here.last_evidence.is_none() && other.last_evidence.is_some();
            here.up.filter(|_| !missing)
        })
    }

    /// Whether probes of a family are held back, but for one a look.
    pub fn is_down(&self, family: Family) -> bool {
        self.families[family.index()].up == Some(false)
    }

    /// Rules on an observation.
    pub fn decide(
        &mut self,
        observation: Observation,
        now: Mono,
    ) -> (Decision, ConnectivityChange) {
        let monitor = &mut self.families[observation.family.index()];
        let silent = match &observation.report {
            Report::NoAddress { .. } => true,
            report => report
                .failed()
                .is_some_and(|failed| failed.reason.is_silence()),
        };
        if !silent {
            let abstained = observation
                .report
                .failed()
                .is_some_and(|f| f.reason.is_abstention());
            let change = if abstained {
                ConnectivityChange::default()
            } else {
                monitor.record_evidence(now)
            };
            return (Decision::Counts(observation), change);
        }
        if monitor.has_evidence_since(observation.exchange.duration, now) {
            return (Decision::Counts(observation), ConnectivityChange::default());
        }
        monitor.held.push(observation);
        monitor.check_soon(now);
        (Decision::Held, ConnectivityChange::default())
    }

    /// Rules on a lookup in the DHT; those that are not given back are held. `outside` says whether
    /// its nodes are beyond our own walls, so that their answers are a evidence of life.
    pub fn decide_lookup(
        &mut self,
        lookup: Lookup,
        outside: bool,
        now: Mono,
    ) -> (Option<Lookup>, ConnectivityChange) {
        let monitor = &mut self.families[lookup.family.index()];
        match &lookup.result {
            Ok(_) if outside => {
                let change = monitor.record_evidence(now);
                return (Some(lookup), change);
            }
            // Where there was nobody to ask, nobody was silent.
            Err(LookupError::Timeout) if outside && lookup.diagnosis.queries > 0 => {}
            _ => return (Some(lookup), ConnectivityChange::default()),
        }
        if monitor.has_evidence_since(lookup.diagnosis.duration, now) {
            return (Some(lookup), ConnectivityChange::default());
        }
        monitor.held_lookups.push(lookup);
        monitor.check_soon(now);
        (None, ConnectivityChange::default())
    }

    /// Families whose canaries are to be asked now.
    pub fn checks_due(&mut self, now: Mono) -> Vec<Family> {
        let due = Family::ALL.into_iter().filter(|family| {
            let monitor = &mut self.families[family.index()];
            let due = monitor.check_began.is_none() && monitor.next_check <= now;
            if due {
                monitor.check_began = Some(now);
            }
            due
        });
        due.collect()
    }

    /// When [`Connectivity::checks_due`] next has something to say.
    pub fn next_wake(&self) -> Option<Mono> {
        let idle = self
            .families
            .iter()
            .filter(|monitor| monitor.check_began.is_none());
        idle.map(|monitor| monitor.next_check).min()
    }

    /// The canaries could not be asked, for want of our own resources. What is held goes on waiting.
    pub fn check_skipped(&mut self, family: Family, now: Mono) {
        self.families[family.index()].postpone_check(now);
    }

    /// The canaries have spoken, or have not. `None`: none has an address of this family.
    pub fn check_ended(
        &mut self,
        family: Family,
        alive: Option<bool>,
        now: Mono,
    ) -> ConnectivityChange {
        let other_works = Family::ALL
            .iter()
            .any(|other| *other != family && self.families[other.index()].up == Some(true));
        let monitor = &mut self.families[family.index()];
        let check_began = monitor.check_began.take().unwrap_or(now);
        monitor.canary_answered |= alive == Some(true);
        if alive == Some(true)
            || monitor
                .last_evidence
                .is_some_and(|evidence| evidence >= check_began)
        {
            return monitor.record_evidence(now);
        }
        let missing = monitor.last_evidence.is_none() && other_works;
        monitor.next_check = now.after(if missing {
            CHECK_INTERVAL_MISSING
        } else {
            CHECK_INTERVAL
        });
        let nothing_held = monitor.held.is_empty() && monitor.held_lookups.is_empty();
        if nothing_held && alive.is_some() && !monitor.canary_answered {
            return ConnectivityChange::default();
        }
        // Without names nobody has an address. Where the other family works, names do too.
        let is_silence = |held: &Observation| !matches!(held.report, Report::NoAddress { .. });
        let was_silent = !monitor.held_lookups.is_empty() || monitor.held.iter().any(is_silence);
        let silent = alive.is_some() || !other_works && was_silent;
        let held = std::mem::take(&mut monitor.held);
        let mut lookups = std::mem::take(&mut monitor.held_lookups);
        if missing {
            // The machine does not have this family: that is no failure of the DHT.
            lookups.clear();
        }
        if silent {
            ConnectivityChange {
                transition: monitor.set_state(Some(false)),
                discarded: held,
                ..ConnectivityChange::default()
            }
        } else {
            ConnectivityChange {
                transition: monitor.set_state(None),
                confirmed: held,
                lookups,
                ..ConnectivityChange::default()
            }
        }
    }
}

impl FamilyMonitor {
    /// Ends a look that could not be made.
    fn postpone_check(&mut self, now: Mono) {
        self.check_began = None;
        self.next_check = now.after(CHECK_INTERVAL);
    }

    /// Something was heard from outside since a probe began that took so long.
    fn has_evidence_since(&self, took: Duration, now: Mono) -> bool {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let began = Mono(now.0.saturating_sub(took));
        self.last_evidence.is_some_and(|evidence| evidence >= began)
    }

    /// Something waits for the canaries. While the family is known to be down, looks keep their own
    /// pace.
    fn check_soon(&mut self, now: Mono) {
        if self.up != Some(false) {
            self.next_check = self.next_check.min(now);
        }
    }

    /// Something was heard from outside.
    fn record_evidence(&mut self, now: Mono) -> ConnectivityChange {
        self.last_evidence = Some(now);
        self.next_check = now.after(MAX_SILENCE);
        ConnectivityChange {
            transition: self.set_state(Some(true)),
            confirmed: std::mem::take(&mut self.held),
            lookups: std::mem::take(&mut self.held_lookups),
            ..ConnectivityChange::default()
        }
    }

    /// Notes what is known now; says whether it is news.
    fn set_state(&mut self, up: Option<bool>) -> Option<Transition> {
        let before = std::mem::replace(&mut self.up, up);
        (before != up).then_some(match up {
            Some(true) => Transition::Up,
            Some(false) => Transition::Down,
            None => Transition::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwatch_tracker::{AnnounceId, Exchange, Failed, Failure, TrackerId};

    fn failed(reason: Failure, seconds: u64) -> Observation {
        let result = Err(Failed::new(reason, ""));
        Observation {
            tracker: TrackerId(0),
            family: Family::Ipv4,
            report: Report::Announce {
                id: AnnounceId(0),
                result,
            },
            exchange: Exchange {
                duration: Duration::from_secs(seconds),
                ..Exchange::default()
            },
        }
    }

    fn holds(connectivity: &mut Connectivity, observation: Observation, now: Mono) -> bool {
        matches!(connectivity.decide(observation, now).0, Decision::Held)
    }

    #[test]
    fn silence_stands_if_anybody_spoke_meanwhile() {
        let mut connectivity = Connectivity::new(Mono(0));
        let (_, change) = connectivity.decide(failed(Failure::Refused, 0), Mono(10_000));
        assert_eq!(
            (change.transition, connectivity.up()[0]),
            (Some(Transition::Up), Some(true))
        );
        assert!(!holds(
            &mut connectivity,
            failed(Failure::Timeout, 15),
            Mono(20_000)
        ));
        assert!(holds(
            &mut connectivity,
            failed(Failure::Timeout, 15),
            Mono(40_000)
        ));
    }

    #[test]
    fn a_live_canary_makes_held_silence_stand() {
        let mut connectivity = Connectivity::new(Mono(0));
        assert!(holds(
            &mut connectivity,
            failed(Failure::Timeout, 1),
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
    fn dead_canaries_make_it_void() {
        let mut connectivity = Connectivity::new(Mono(0));
        connectivity.decide(failed(Failure::Rejected, 0), Mono(1));
        assert!(holds(
            &mut connectivity,
            failed(Failure::Dns, 1),
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
    fn canaries_that_cannot_be_asked_decide_nothing() {
        let mut connectivity = Connectivity::new(Mono(0));
        connectivity.decide(failed(Failure::Rejected, 0), Mono(1));
        assert!(holds(
            &mut connectivity,
            failed(Failure::Timeout, 1),
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
    fn without_anybody_to_ask_a_missing_address_is_no_outage() {
        let mut connectivity = Connectivity::new(Mono(0));
        let absent = || Observation {
            family: Family::Ipv6,
            report: Report::NoAddress { ids: Vec::new() },
            ..failed(Failure::Dns, 0)
        };
        assert!(holds(&mut connectivity, absent(), Mono(1_000)));
        connectivity.checks_due(Mono(1_000));
        let change = connectivity.check_ended(Family::Ipv6, None, Mono(1_100));
        assert_eq!((change.confirmed.len(), change.discarded.len()), (1, 0));
        assert_eq!((change.transition, connectivity.up()[1]), (None, None));
    }

    #[test]
    fn without_names_there_is_nobody_to_ask_and_that_is_an_outage() {
        let mut connectivity = Connectivity::new(Mono(0));
        assert!(holds(
            &mut connectivity,
            failed(Failure::Dns, 1),
            Mono(1_000)
        ));
        let change = connectivity.check_ended(Family::Ipv4, None, Mono(1_100));
        assert_eq!(
            (change.discarded.len(), connectivity.up()[0]),
            (1, Some(false))
        );

        // Somebody else's dead name is none while the other family works.
        connectivity.decide(failed(Failure::Rejected, 0), Mono(2_000));
        let dead_name = Observation {
            family: Family::Ipv6,
            ..failed(Failure::Dns, 0)
        };
        assert!(holds(&mut connectivity, dead_name, Mono(3_000)));
        let change = connectivity.check_ended(Family::Ipv6, None, Mono(3_100));
        assert_eq!((change.confirmed.len(), connectivity.up()[1]), (1, None));
    }

    #[test]
    fn silent_canaries_alone_prove_nothing_until_one_has_spoken() {
        let mut connectivity = Connectivity::new(Mono(0));
        connectivity.decide(failed(Failure::Rejected, 0), Mono(1_000));
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
    fn an_answer_while_canaries_are_asked_wins_over_their_silence() {
        let mut connectivity = Connectivity::new(Mono(0));
        connectivity.checks_due(Mono(5_000));
        connectivity.decide(failed(Failure::Rejected, 0), Mono(6_000));
        assert_eq!(
            connectivity
                .check_ended(Family::Ipv4, Some(false), Mono(9_000))
                .transition,
            None
        );
        assert_eq!(connectivity.up()[0], Some(true));
    }

    #[test]
    fn canaries_are_asked_after_a_quiet_while_only() {
        let mut connectivity = Connectivity::new(Mono(0));
        connectivity.decide(failed(Failure::Rejected, 0), Mono(1_000));
        connectivity.families[1].next_check = Mono(u64::MAX);
        assert_eq!(connectivity.next_wake(), Some(Mono(121_000)));
        assert!(connectivity.checks_due(Mono(120_999)).is_empty());
        assert_eq!(connectivity.checks_due(Mono(121_000)), [Family::Ipv4]);
    }
}
