//! Whether our own network works over one family.

use super::{CHECK_INTERVAL, CHECK_INTERVAL_MISSING, ConnectivityChange, MAX_SILENCE, Transition};
use seedwatch_clock::Mono;
use seedwatch_dht::LookupReport;
use seedwatch_tracker::{Observation, Report};

/// What is known about our own network over one family.
#[derive(Debug)]
pub(super) struct FamilyMonitor {
    /// Whether it works; `None` while unknown.
    pub(super) up: Option<bool>,
    /// When something last answered from the internet.
    pub(super) last_evidence: Option<Mono>,
    /// Silent probes that wait for the canaries.
    pub(super) held: Vec<Observation>,
    /// Failed lookups that wait for the canaries: at most one per info-hash and round.
    pub(super) held_lookups: Vec<LookupReport>,
    /// Whether a canary has ever answered. Only then does the silence of all canaries mean an
    /// outage: some networks let only trackers through.
    canary_answered: bool,
    /// When the check under way began.
    pub(super) check_began: Option<Mono>,
    pub(super) next_check: Mono,
}

impl FamilyMonitor {
    /// Returns a monitor that knows nothing.
    pub(super) fn new(first_check: Mono) -> Self {
        Self {
            up: None,
            last_evidence: None,
            held: Vec::new(),
            held_lookups: Vec::new(),
            canary_answered: false,
            check_began: None,
            next_check: first_check,
        }
    }

    /// Begins a check if one is due. Returns whether it is.
    pub(super) fn begin_check(&mut self, now: Mono) -> bool {
        let is_due = self.check_began.is_none() && self.next_check <= now;
        if is_due {
            self.check_began = Some(now);
        }
        is_due
    }

    /// Ends a check that could not be made.
    pub(super) fn postpone_check(&mut self, now: Mono) {
        self.check_began = None;
        self.next_check = now.after(CHECK_INTERVAL);
    }

    /// Records the result of a check; see [`super::Connectivity::check_ended`].
    pub(super) fn end_check(
        &mut self,
        alive: Option<bool>,
        other_works: bool,
        now: Mono,
    ) -> ConnectivityChange {
        let began = self.check_began.take().unwrap_or(now);
        self.canary_answered |= alive == Some(true);
        if alive == Some(true) || self.has_evidence_since(began) {
            return self.record_evidence(now);
        }
        let is_missing = self.last_evidence.is_none() && other_works;
        let wait = match is_missing {
            true => CHECK_INTERVAL_MISSING,
            false => CHECK_INTERVAL,
        };
        self.next_check = now.after(wait);
        let nothing_held = self.held.is_empty() && self.held_lookups.is_empty();
        if nothing_held && (alive.is_none() || !self.canary_answered) {
            return ConnectivityChange::default();
        }
        // Without a working resolver no host has an address. If the other family works, so does the
        // resolver.
        let is_down = alive.is_some() || !other_works && self.holds_silence();
        let held = std::mem::take(&mut self.held);
        let mut lookups = std::mem::take(&mut self.held_lookups);
        if is_down {
            return ConnectivityChange {
                transition: self.set_state(Some(false)),
                discarded: held,
                ..ConnectivityChange::default()
            };
        }
        if is_missing {
            // The machine does not have this family: that is no failure of the DHT.
            lookups.clear();
        }
        ConnectivityChange {
            transition: self.set_state(None),
            confirmed: held,
            lookups,
            ..ConnectivityChange::default()
        }
    }

    /// Returns whether a held result is more than a missing address.
    fn holds_silence(&self) -> bool {
        let is_silence = |held: &Observation| !matches!(held.report, Report::NoAddress { .. });
        !self.held_lookups.is_empty() || self.held.iter().any(is_silence)
    }

    /// Returns whether something answered from the internet since then.
    pub(super) fn has_evidence_since(&self, since: Mono) -> bool {
        self.last_evidence.is_some_and(|evidence| evidence >= since)
    }

    /// Makes a check due at once, because a result is held. While the family is down, checks keep
    /// their interval.
    pub(super) fn check_soon(&mut self, now: Mono) {
        if self.up != Some(false) {
            self.next_check = self.next_check.min(now);
        }
    }

    /// Records that something answered from the internet.
    pub(super) fn record_evidence(&mut self, now: Mono) -> ConnectivityChange {
        self.last_evidence = Some(now);
        self.next_check = now.after(MAX_SILENCE);
        ConnectivityChange {
            transition: self.set_state(Some(true)),
            confirmed: std::mem::take(&mut self.held),
            lookups: std::mem::take(&mut self.held_lookups),
            ..ConnectivityChange::default()
        }
    }

    /// Sets what is known now. Returns the new state if it changed.
    fn set_state(&mut self, up: Option<bool>) -> Option<Transition> {
        let before = std::mem::replace(&mut self.up, up);
        (before != up).then_some(match up {
            Some(true) => Transition::Up,
            Some(false) => Transition::Down,
            None => Transition::Unknown,
        })
    }
}
