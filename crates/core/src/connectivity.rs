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

/// Without a sign of life for this long, canaries are asked.
const QUIET: Duration = Duration::from_secs(120);

/// How long the first probes have before canaries are asked.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// Time between two looks while a family is down.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The same for a family that never worked: most likely the machine does not have it.
const LOOK_SELDOM: Duration = Duration::from_secs(300);

/// What is known of our own network.
#[derive(Debug)]
pub struct Outage {
    families: [Judge; 2],
}

#[derive(Debug)]
struct Judge {
    up: Option<bool>,
    last_sign: Option<Mono>,
    /// Silent probes that wait for the canaries.
    held: Vec<Observation>,
    /// Lookups that did not come through and wait for the canaries: at most one an info-hash and
    /// round.
    held_lookups: Vec<Lookup>,
    /// A canary has answered once: only then is the silence of all of them a sign, too. Some
    /// networks let trackers through and nothing else.
    canaries_work: bool,
    /// The canaries were asked then and have not answered yet.
    asked_at: Option<Mono>,
    next_look: Mono,
}

/// What to do with an observation.
#[derive(Debug)]
pub enum Ruling {
    /// It counts.
    Stands(Observation),
    /// It waits for the canaries.
    Held,
}

/// What a change of our own network means.
#[derive(Debug, Default)]
pub struct Change {
    /// What the family turned out to be, where that is news.
    pub turned: Option<Turn>,
    /// Observations that count after all.
    pub stand: Vec<Observation>,
    /// Observations that our own outage explains.
    pub void: Vec<Observation>,
    /// Lookups that count after all; those that our own outage explains need nobody's care.
    pub lookups: Vec<Lookup>,
}

/// What is newly known of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It works, or works again.
    Works,
    /// It does not.
    Silent,
    /// There is nobody left to tell.
    Unknown,
}

impl Outage {
    /// Nothing known yet.
    pub fn new(now: Mono) -> Self {
        let judge = || Judge {
            up: None,
            last_sign: None,
            held: Vec::new(),
            held_lookups: Vec::new(),
            canaries_work: false,
            asked_at: None,
            next_look: now.after(FIRST_LOOK),
        };
        Self {
            families: [judge(), judge()],
        }
    }

    /// Whether each family works, by [`Family::index`]. A family that never worked while the other
    /// does is unknown: the machine does not have it, and that is no outage.
    pub fn up(&self) -> [Option<bool>; 2] {
        [0, 1].map(|family| {
            let (here, other) = (&self.families[family], &self.families[1 - family]);
            let missing = here.last_sign.is_none() && other.last_sign.is_some();
            here.up.filter(|_| !missing)
        })
    }

    /// Whether probes of a family are held back, but for one a look.
    pub fn is_down(&self, family: Family) -> bool {
        self.families[family.index()].up == Some(false)
    }

    /// Rules on an observation.
    pub fn rule(&mut self, observation: Observation, now: Mono) -> (Ruling, Change) {
        let judge = &mut self.families[observation.family.index()];
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
                Change::default()
            } else {
                judge.sign(now)
            };
            return (Ruling::Stands(observation), change);
        }
        if judge.heard_since(observation.exchange.duration, now) {
            return (Ruling::Stands(observation), Change::default());
        }
        judge.held.push(observation);
        judge.hasten(now);
        (Ruling::Held, Change::default())
    }

    /// Rules on a lookup in the DHT; those that are not given back are held. `outside` says whether
    /// its nodes are beyond our own walls, so that their answers are a sign of life.
    pub fn rule_lookup(
        &mut self,
        lookup: Lookup,
        outside: bool,
        now: Mono,
    ) -> (Option<Lookup>, Change) {
        let judge = &mut self.families[lookup.family.index()];
        match &lookup.result {
            Ok(_) if outside => {
                let change = judge.sign(now);
                return (Some(lookup), change);
            }
            // Where there was nobody to ask, nobody was silent.
            Err(LookupError::Timeout) if outside && lookup.diagnosis.queries > 0 => {}
            _ => return (Some(lookup), Change::default()),
        }
        if judge.heard_since(lookup.diagnosis.duration, now) {
            return (Some(lookup), Change::default());
        }
        judge.held_lookups.push(lookup);
        judge.hasten(now);
        (None, Change::default())
    }

    /// Families whose canaries are to be asked now.
    pub fn looks_due(&mut self, now: Mono) -> Vec<Family> {
        let due = Family::ALL.into_iter().filter(|family| {
            let judge = &mut self.families[family.index()];
            let due = judge.asked_at.is_none() && judge.next_look <= now;
            if due {
                judge.asked_at = Some(now);
            }
            due
        });
        due.collect()
    }

    /// When [`Outage::looks_due`] next has something to say.
    pub fn next_wake(&self) -> Option<Mono> {
        let idle = self
            .families
            .iter()
            .filter(|judge| judge.asked_at.is_none());
        idle.map(|judge| judge.next_look).min()
    }

    /// The canaries could not be asked, for want of our own resources. What is held goes on waiting.
    pub fn not_looked(&mut self, family: Family, now: Mono) {
        self.families[family.index()].put_off(now);
    }

    /// The canaries have spoken, or have not. `None`: none has an address of this family.
    pub fn looked(&mut self, family: Family, alive: Option<bool>, now: Mono) -> Change {
        let other_works = Family::ALL
            .iter()
            .any(|other| *other != family && self.families[other.index()].up == Some(true));
        let judge = &mut self.families[family.index()];
        let asked_at = judge.asked_at.take().unwrap_or(now);
        judge.canaries_work |= alive == Some(true);
        if alive == Some(true) || judge.last_sign.is_some_and(|sign| sign >= asked_at) {
            return judge.sign(now);
        }
        let missing = judge.last_sign.is_none() && other_works;
        judge.next_look = now.after(if missing { LOOK_SELDOM } else { LOOK_AGAIN });
        let nothing_held = judge.held.is_empty() && judge.held_lookups.is_empty();
        if nothing_held && alive.is_some() && !judge.canaries_work {
            return Change::default();
        }
        // Without names nobody has an address. Where the other family works, names do too.
        let is_silence = |held: &Observation| !matches!(held.report, Report::NoAddress { .. });
        let was_silent = !judge.held_lookups.is_empty() || judge.held.iter().any(is_silence);
        let silent = alive.is_some() || !other_works && was_silent;
        let held = std::mem::take(&mut judge.held);
        let mut lookups = std::mem::take(&mut judge.held_lookups);
        if missing {
            // The machine does not have this family: that is no failure of the DHT.
            lookups.clear();
        }
        if silent {
            Change {
                turned: judge.turn(Some(false)),
                void: held,
                ..Change::default()
            }
        } else {
            Change {
                turned: judge.turn(None),
                stand: held,
                lookups,
                ..Change::default()
            }
        }
    }
}

impl Judge {
    /// Ends a look that could not be made.
    fn put_off(&mut self, now: Mono) {
        self.asked_at = None;
        self.next_look = now.after(LOOK_AGAIN);
    }

    /// Something was heard from outside since a probe began that took so long.
    fn heard_since(&self, took: Duration, now: Mono) -> bool {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let began = Mono(now.0.saturating_sub(took));
        self.last_sign.is_some_and(|sign| sign >= began)
    }

    /// Something waits for the canaries. While the family is known to be down, looks keep their own
    /// pace.
    fn hasten(&mut self, now: Mono) {
        if self.up != Some(false) {
            self.next_look = self.next_look.min(now);
        }
    }

    /// Something was heard from outside.
    fn sign(&mut self, now: Mono) -> Change {
        self.last_sign = Some(now);
        self.next_look = now.after(QUIET);
        Change {
            turned: self.turn(Some(true)),
            stand: std::mem::take(&mut self.held),
            lookups: std::mem::take(&mut self.held_lookups),
            ..Change::default()
        }
    }

    /// Notes what is known now; says whether it is news.
    fn turn(&mut self, up: Option<bool>) -> Option<Turn> {
        let before = std::mem::replace(&mut self.up, up);
        (before != up).then_some(match up {
            Some(true) => Turn::Works,
            Some(false) => Turn::Silent,
            None => Turn::Unknown,
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

    fn holds(outage: &mut Outage, observation: Observation, now: Mono) -> bool {
        matches!(outage.rule(observation, now).0, Ruling::Held)
    }

    #[test]
    fn silence_stands_if_anybody_spoke_meanwhile() {
        let mut outage = Outage::new(Mono(0));
        let (_, change) = outage.rule(failed(Failure::Refused, 0), Mono(10_000));
        assert_eq!(
            (change.turned, outage.up()[0]),
            (Some(Turn::Works), Some(true))
        );
        assert!(!holds(
            &mut outage,
            failed(Failure::Timeout, 15),
            Mono(20_000)
        ));
        assert!(holds(
            &mut outage,
            failed(Failure::Timeout, 15),
            Mono(40_000)
        ));
    }

    #[test]
    fn a_live_canary_makes_held_silence_stand() {
        let mut outage = Outage::new(Mono(0));
        assert!(holds(&mut outage, failed(Failure::Timeout, 1), Mono(1_000)));
        assert_eq!(outage.looks_due(Mono(1_000)), [Family::Ipv4]);
        assert!(outage.looks_due(Mono(1_001)).is_empty(), "asked once");
        let change = outage.looked(Family::Ipv4, Some(true), Mono(1_500));
        assert_eq!(
            (change.stand.len(), change.void.len(), change.turned),
            (1, 0, Some(Turn::Works))
        );
    }

    #[test]
    fn dead_canaries_make_it_void() {
        let mut outage = Outage::new(Mono(0));
        outage.rule(failed(Failure::Rejected, 0), Mono(1));
        assert!(holds(&mut outage, failed(Failure::Dns, 1), Mono(2_000)));
        outage.looks_due(Mono(2_000));
        let change = outage.looked(Family::Ipv4, Some(false), Mono(9_000));
        assert_eq!((change.stand.len(), change.void.len()), (0, 1));
        assert_eq!(change.turned, Some(Turn::Silent));
        assert_eq!(outage.up(), [Some(false), None]);
        outage.families[1].next_look = Mono(u64::MAX);
        assert!(outage.looks_due(Mono(38_999)).is_empty());
        assert_eq!(outage.looks_due(Mono(39_000)), [Family::Ipv4]);
    }

    #[test]
    fn canaries_that_cannot_be_asked_decide_nothing() {
        let mut outage = Outage::new(Mono(0));
        outage.rule(failed(Failure::Rejected, 0), Mono(1));
        assert!(holds(&mut outage, failed(Failure::Timeout, 1), Mono(9_000)));
        outage.families[1].next_look = Mono(u64::MAX);
        assert_eq!(outage.looks_due(Mono(9_000)), [Family::Ipv4]);
        outage.not_looked(Family::Ipv4, Mono(9_500));
        assert_eq!(outage.up(), [Some(true), None]);
        assert!(outage.looks_due(Mono(39_499)).is_empty());
        assert_eq!(outage.looks_due(Mono(39_500)), [Family::Ipv4]);
        let change = outage.looked(Family::Ipv4, Some(true), Mono(39_600));
        assert_eq!((change.stand.len(), change.void.len()), (1, 0));
    }

    #[test]
    fn without_anybody_to_ask_a_missing_address_is_no_outage() {
        let mut outage = Outage::new(Mono(0));
        let absent = || Observation {
            family: Family::Ipv6,
            report: Report::NoAddress { ids: Vec::new() },
            ..failed(Failure::Dns, 0)
        };
        assert!(holds(&mut outage, absent(), Mono(1_000)));
        outage.looks_due(Mono(1_000));
        let change = outage.looked(Family::Ipv6, None, Mono(1_100));
        assert_eq!((change.stand.len(), change.void.len()), (1, 0));
        assert_eq!((change.turned, outage.up()[1]), (None, None));
    }

    #[test]
    fn without_names_there_is_nobody_to_ask_and_that_is_an_outage() {
        let mut outage = Outage::new(Mono(0));
        assert!(holds(&mut outage, failed(Failure::Dns, 1), Mono(1_000)));
        let change = outage.looked(Family::Ipv4, None, Mono(1_100));
        assert_eq!((change.void.len(), outage.up()[0]), (1, Some(false)));

        // Somebody else's dead name is none while the other family works.
        outage.rule(failed(Failure::Rejected, 0), Mono(2_000));
        let dead_name = Observation {
            family: Family::Ipv6,
            ..failed(Failure::Dns, 0)
        };
        assert!(holds(&mut outage, dead_name, Mono(3_000)));
        let change = outage.looked(Family::Ipv6, None, Mono(3_100));
        assert_eq!((change.stand.len(), outage.up()[1]), (1, None));
    }

    #[test]
    fn silent_canaries_alone_prove_nothing_until_one_has_spoken() {
        let mut outage = Outage::new(Mono(0));
        outage.rule(failed(Failure::Rejected, 0), Mono(1_000));
        outage.looks_due(Mono(200_000));
        assert_eq!(
            outage
                .looked(Family::Ipv4, Some(false), Mono(206_000))
                .turned,
            None
        );
        outage.looks_due(Mono(400_000));
        outage.looked(Family::Ipv4, Some(true), Mono(401_000));
        outage.looks_due(Mono(600_000));
        assert_eq!(
            outage
                .looked(Family::Ipv4, Some(false), Mono(606_000))
                .turned,
            Some(Turn::Silent)
        );
    }

    #[test]
    fn an_answer_while_canaries_are_asked_wins_over_their_silence() {
        let mut outage = Outage::new(Mono(0));
        outage.looks_due(Mono(5_000));
        outage.rule(failed(Failure::Rejected, 0), Mono(6_000));
        assert_eq!(
            outage.looked(Family::Ipv4, Some(false), Mono(9_000)).turned,
            None
        );
        assert_eq!(outage.up()[0], Some(true));
    }

    #[test]
    fn canaries_are_asked_after_a_quiet_while_only() {
        let mut outage = Outage::new(Mono(0));
        outage.rule(failed(Failure::Rejected, 0), Mono(1_000));
        outage.families[1].next_look = Mono(u64::MAX);
        assert_eq!(outage.next_wake(), Some(Mono(121_000)));
        assert!(outage.looks_due(Mono(120_999)).is_empty());
        assert_eq!(outage.looks_due(Mono(121_000)), [Family::Ipv4]);
    }
}
