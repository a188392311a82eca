//! What holds for every sequence of answers.

use super::super::{Circumstances, Evidence, NetworkState, SourceSet, State, VerdictMemory};
use super::{HOUR, at};
use proptest::prelude::*;
use seedwatch_clock::Mono;

/// One judgement: minutes after the one before, what each of four sources says, our network.
#[derive(Debug, Clone)]
struct Step {
    minutes: u64,
    says: [u8; 4],
    is_out: bool,
    lost: [bool; 2],
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (1u64..400, any::<[u8; 4]>(), 0u8..10, any::<[bool; 2]>()).prop_map(
        |(minutes, says, network, lost)| Step {
            minutes,
            says: says.map(|n| n % 5),
            is_out: network == 0,
            lost: if network == 1 { lost } else { [false; 2] },
        },
    );
    prop::collection::vec(step, 1..60)
}

fn evidence(step: &Step, now: u64, allowed: &[u8]) -> Evidence {
    let mut evidence = Evidence {
        oldest_empty: Mono(now),
        ..Evidence::default()
    };
    for (source, says) in step.says.into_iter().enumerate() {
        let says = allowed[usize::from(says) % allowed.len()];
        let set: &mut SourceSet = match says {
            0 => &mut evidence.naming,
            1 | 5 => &mut evidence.empty,
            2 => &mut evidence.silent,
            3 => &mut evidence.unasked,
            _ => continue,
        };
        match source {
            0 => set.add_dht(),
            _ => set.add_tracker(source as u64 - 1),
        }
        if says == 5 {
            evidence.unheard = evidence.empty;
        }
    }
    evidence
}

fn circumstances(step: &Step, now: u64) -> Circumstances {
    Circumstances {
        network: NetworkState {
            is_out: step.is_out,
            working: step.lost.map(|lost| !lost),
            ..NetworkState::default()
        },
        ..at(now)
    }
}

proptest! {
    /// A named peer makes a torrent alive, whatever was before.
    #[test]
    fn a_named_peer_is_life(steps in steps()) {
        let (mut memory, mut now) = (VerdictMemory::default(), 0);
        for step in &steps {
            now += step.minutes * 60_000;
            let evidence = evidence(step, now, &[0, 1, 2, 3, 4]);
            memory.judge(&evidence, &circumstances(step, now));
            if !evidence.naming.is_empty() {
                prop_assert_eq!(memory.verdict().state, State::Alive);
            }
        }
    }

    /// Death takes ninety minutes without a named peer, and needs an answer that says so.
    #[test]
    fn death_needs_time_and_answers(steps in steps()) {
        let (mut memory, mut now, mut last_peer) = (VerdictMemory::default(), HOUR, 0);
        let mut before = State::Pending;
        for step in &steps {
            now += step.minutes * 60_000;
            let evidence = evidence(step, now, &[0, 1, 1, 2, 3, 5]);
            memory.judge(&evidence, &circumstances(step, now));
            if !evidence.naming.is_empty() {
                last_peer = now;
            }
            let state = memory.verdict().state;
            if state == State::Dead && before != State::Dead {
                prop_assert!(now - last_peer >= 90 * 60_000);
                prop_assert!(!evidence.empty.is_empty() && !step.is_out);
                prop_assert!(!evidence.silent.has_dht());
                // What has never been heard of is waited for.
                let is_whole = evidence.unasked.is_empty() && evidence.unheard.is_empty();
                prop_assert!(is_whole || now >= HOUR + 6 * HOUR);
            }
            before = state;
        }
    }

    /// Silence alone never makes a torrent dead.
    #[test]
    fn silence_is_not_death(steps in steps()) {
        let (mut memory, mut now) = (VerdictMemory::default(), 0);
        for step in &steps {
            now += step.minutes * 60_000;
            memory.judge(&evidence(step, now, &[0, 2, 3, 4]), &circumstances(step, now));
            prop_assert_ne!(memory.verdict().state, State::Dead);
        }
    }

    /// An outage of our own changes no state.
    #[test]
    fn an_outage_changes_nothing(steps in steps()) {
        let (mut memory, mut now) = (VerdictMemory::default(), 0);
        for step in &steps {
            now += step.minutes * 60_000;
            let before = memory.verdict().state;
            let evidence = evidence(step, now, &[1, 2, 3]);
            memory.judge(&evidence, &circumstances(step, now));
            if step.is_out {
                let base = |state| if state == State::AtRisk { State::Alive } else { state };
                prop_assert_eq!(base(memory.verdict().state), base(before));
            }
        }
    }
}
