//! Evidence and memory make a verdict.

use std::time::Duration;

use super::evidence::{Circumstances, Evidence, Rounds};
use super::memory::{Hour, Second, VerdictMemory};
use super::need::{WANTED_COPIES, needs_seeding};
use super::reason::Reason;
use super::state::{Condition, Conditions, State};
use crate::snapshot::{UnixOption32, Window};
use seedwatch_clock::Mono;
use seedwatch_torrent::Family;

/// For how long all sources must have said that a swarm is empty, on the internet. Trackers keep a
/// departed peer for up to an hour, and a restarted tracker knows no peer until clients announce
/// again. Half an hour more covers one round of probes.
pub const MIN_EMPTY_TIME: Duration = Duration::from_secs(90 * 60);

/// For how many hours a source that named the last peers and fell silent may still know of them.
/// Such a source rarely comes back later, and the others may know better.
pub(super) const HIDDEN_HOURS: u16 = 6;

/// For how many hours peers over a lost family may still be there. After a week, the family is
/// probably gone for good.
const LOST_FAMILY_HOURS: u16 = 7 * 24;

/// After how many hours without a peer, and two rounds, a torrent is overdue for a judgement.
const OVERDUE_HOURS: u64 = 24;

/// After a gap of so many rounds without a judgement, emptiness must be shown again.
const LONGEST_GAP_IN_ROUNDS: u32 = 2;

/// A torrent is judged at least once an hour, and those of a large fleet one after the other.
const LONGEST_WITHOUT_JUDGEMENT: Duration = Duration::from_secs(75 * 60);

/// A swarm with at most so many distinct peers in each of these windows has few. A peer with a new
/// address every day counts seven times per week, so both windows are needed.
pub(super) const FEW_PEERS: [(Window, u32); 2] = [(Window::Week, 10), (Window::Day, 3)];

/// For how many hours a condition must hold before the torrent is at risk.
const RISK_HOURS: u16 = 24;

impl VerdictMemory {
    /// Judges a torrent. Returns when the verdict may change without new evidence.
    pub(crate) fn judge(&mut self, evidence: &Evidence, at: &Circumstances) -> Option<Mono> {
        let (state, reason, review) = self.decide(evidence, at);
        let (state, conditions) = self.qualify(state, evidence, at);
        let is_new = state != self.state || self.since.get().is_none();
        if is_new {
            // A clock that is not set leaves the time unknown until it is.
            self.since = UnixOption32::plausible(at.now.unix);
        }
        self.since.clamp_to(at.now.unix);
        self.state = state;
        self.reason = reason;
        self.conditions = conditions;
        let recovers = self.judge_need(evidence, at);
        review.into_iter().chain(recovers).min()
    }

    /// Judges whether the torrent needs seeding. Returns when it will have recovered. During an
    /// outage of our own nothing is seen, so nothing changes.
    fn judge_need(&mut self, evidence: &Evidence, at: &Circumstances) -> Option<Mono> {
        if self.reason == Reason::Outage {
            return None;
        }
        let needs = needs_seeding(self.state, evidence.copies, WANTED_COPIES - 1);
        let rest = self.need.update(needs, at.now.unix, at.recovered_after);
        rest.map(|rest| at.now.mono.after(rest))
    }

    /// Returns the state without regard to risks, its reason, and when to judge again.
    fn decide(&mut self, evidence: &Evidence, at: &Circumstances) -> (State, Reason, Option<Mono>) {
        let before = match self.state {
            State::AtRisk => State::Alive,
            State::Private => State::Pending,
            state => state,
        };
        if evidence.is_private {
            return (State::Private, Reason::Private, None);
        }
        if !evidence.naming.is_empty() {
            return (State::Alive, self.note_peers(evidence, at), None);
        }
        // After a gap without answers, emptiness must be shown again: a tracker that comes back has
        // forgotten its peers.
        if evidence.empty.is_empty() && evidence.unasked.is_empty() {
            self.empty_since = Second::NEVER;
        }
        if at.network.explains(evidence) {
            self.asked.keep(at.hour);
            return (before, Reason::Outage, None);
        }
        self.asked.start(at.hour);
        if self.waits_for_first_answers(evidence, at) {
            // Waiting does not add to the time in which the swarm was known to be empty.
            if self.empty_since == Second::NEVER {
                self.known_at = Second::at(at.now.mono);
            }
            return (before, Reason::Unasked, None);
        }
        if evidence.empty.is_empty() && evidence.silent.is_empty() {
            return (State::Unobserved, Reason::NoSource, None);
        }
        if at.rounds == Rounds::One {
            let (state, reason) = decide_at_once(evidence);
            return (state, reason, None);
        }
        if self.has_lost_family(at) {
            self.empty_since = Second::NEVER;
            let is_overdue = before != State::Dead && self.is_overdue(at);
            let state = if is_overdue {
                State::Unobserved
            } else {
                before
            };
            return (state, Reason::FamilyLost, None);
        }
        let is_dht_silent = evidence.silent.has_dht() && !evidence.empty.has_dht();
        let (state, reason, review) = match evidence.empty.is_empty() || is_dht_silent {
            true => self.decide_silence(before, evidence, at),
            false => self.decide_emptiness(before, evidence, at),
        };
        let is_undecided = matches!(state, State::Alive | State::Pending);
        match is_undecided && self.is_overdue(at) {
            true => (State::Unobserved, reason, None),
            false => (state, reason, review),
        }
    }

    /// Notes that a source names a peer. Returns the reason for the state.
    fn note_peers(&mut self, evidence: &Evidence, at: &Circumstances) -> Reason {
        let before = self.last_naming;
        self.last_naming = (evidence.naming).with_lost_families(before, at.network.working);
        self.peer_hour = Hour::at(at.hour);
        self.empty_since = Second::NEVER;
        self.known_at = Second::at(at.now.mono);
        self.asked.start(at.hour);
        match evidence.has_listed_peer {
            true => Reason::PeersNamed,
            false => Reason::PeersClaimed,
        }
    }

    /// Returns whether a source was not asked yet and should be soon. A tracker that is left alone
    /// for a day, as it wishes, must not hold the others up.
    fn waits_for_first_answers(&self, evidence: &Evidence, at: &Circumstances) -> bool {
        let is_first = evidence.empty.is_empty() && evidence.silent.is_empty();
        let is_waiting = is_first || !self.is_tired_of_waiting(at);
        evidence.unasked.has_dht() || !evidence.unasked.is_empty() && is_waiting
    }

    /// Returns whether sources have been asked for so long that one which has never said whether
    /// the swarm is empty will hardly ever say so.
    fn is_tired_of_waiting(&self, at: &Circumstances) -> bool {
        let limit = Duration::from_secs(u64::from(HIDDEN_HOURS) * 3600).max(2 * at.patience);
        let asked = Duration::from_secs(u64::from(self.asked.passed(at.hour)) * 3600);
        asked >= limit
    }

    /// Returns whether the last peer was named so long ago that sources which work would have
    /// shown by now that the swarm lives or is dead. Both doubts of
    /// [`VerdictMemory::why_peers_may_be_hidden`] have passed, and two rounds would have fitted
    /// since. Time in which our network did not work does not count.
    fn is_overdue(&self, at: &Circumstances) -> bool {
        let limit = Duration::from_secs(OVERDUE_HOURS * 3600) + 2 * at.patience;
        let passed = self.peer_hour.passed(at.hour).unwrap_or(0);
        let passed = Duration::from_secs(u64::from(passed) * 3600);
        passed.min(at.now.mono.since(at.network.up_since)) > limit
    }

    /// Decides about a torrent whose sources do not suffice for a judgement. The trackers alone do
    /// not suffice if the DHT is asked too: most peers find each other there.
    fn decide_silence(
        &mut self,
        before: State,
        evidence: &Evidence,
        at: &Circumstances,
    ) -> (State, Reason, Option<Mono>) {
        let now = at.now.mono;
        let has_tracker = evidence.empty.has_tracker() || evidence.silent.has_tracker();
        let reason = match evidence.empty.is_empty() && has_tracker {
            true => Reason::Silence,
            false => Reason::DhtSilent,
        };
        if self.known_at == Second::NEVER {
            self.known_at = Second::at(now);
        }
        self.empty_since = Second::NEVER;
        let silent = Duration::from_secs(self.known_at.age(now).unwrap_or(0).into());
        let silent = silent.min(now.since(at.network.up_since));
        let patience = at.patience.max(at.dead_after);
        match silent >= patience {
            true if before != State::Dead => (State::Unobserved, reason, None),
            true => (before, reason, None),
            false => (before, reason, Some(now.after(patience - silent))),
        }
    }

    /// Decides about a torrent whose sources all say that the swarm is empty.
    fn decide_emptiness(
        &mut self,
        before: State,
        evidence: &Evidence,
        at: &Circumstances,
    ) -> (State, Reason, Option<Mono>) {
        let now = at.now.mono;
        // If the torrent was not judged for long, the machine slept, and the sources that spoke
        // before may have forgotten their peers since.
        let gap = Duration::from_secs(self.known_at.age(now).unwrap_or(0).into());
        let longest = LONGEST_GAP_IN_ROUNDS * at.patience.max(at.dead_after);
        if gap > longest.max(LONGEST_WITHOUT_JUDGEMENT) {
            self.empty_since = Second::NEVER;
        }
        self.known_at = Second::at(now);
        let hidden = self.why_peers_may_be_hidden(evidence, at);
        // A source or a family that comes back has to say it for as long as the others.
        if self.empty_since == Second::NEVER || hidden.is_some() {
            self.empty_since = Second::at(now);
        }
        for (family, since) in Family::ALL.into_iter().zip(at.network.family_since) {
            if let Some(since) = since.filter(|_| self.last_naming.has_family(family)) {
                self.empty_since = self.empty_since.max(Second::at(since));
            }
        }
        let before = match before {
            State::Unobserved => State::Pending,
            state => state,
        };
        let empty = Duration::from_secs(self.empty_since.age(now).unwrap_or(0).into());
        let is_second_round = Second::at(evidence.oldest_empty) > self.empty_since;
        if before == State::Dead {
            (State::Dead, Reason::Empty, None)
        } else if let Some(reason) = hidden {
            (before, reason, None)
        } else if empty < at.dead_after {
            (
                before,
                Reason::EmptyRecently,
                Some(now.after(at.dead_after - empty)),
            )
        } else if !is_second_round {
            (before, Reason::EmptyRecently, None)
        } else {
            (State::Dead, Reason::Empty, None)
        }
    }

    /// Returns why there may be peers, unseen.
    fn why_peers_may_be_hidden(&self, evidence: &Evidence, at: &Circumstances) -> Option<Reason> {
        let passed = self.peer_hour.passed(at.hour).unwrap_or(u16::MAX);
        if passed <= HIDDEN_HOURS && self.last_naming.intersects(evidence.silent) {
            Some(Reason::SourceLost)
        } else if !evidence.unheard.is_empty() && !self.is_tired_of_waiting(at) {
            Some(Reason::EmptyInPart)
        } else {
            None
        }
    }

    /// Returns whether our network has lost a family over which the last peers were named.
    fn has_lost_family(&self, at: &Circumstances) -> bool {
        let is_lost = |family: Family| {
            self.last_naming.has_family(family) && !at.network.working[family.index()]
        };
        let passed = self.peer_hour.passed(at.hour);
        passed.is_some_and(|hours| hours <= LOST_FAMILY_HOURS)
            && Family::ALL.into_iter().any(is_lost)
    }

    /// Adds the conditions, and the risk that they mean for a living torrent.
    fn qualify(
        &mut self,
        state: State,
        evidence: &Evidence,
        at: &Circumstances,
    ) -> (State, Conditions) {
        let is_alive = state == State::Alive;
        let tracked = |holds: Option<bool>| if is_alive { holds } else { Some(false) };
        self.few_since
            .track(tracked(evidence.has_few_peers), at.hour);
        let lacks_seeder = evidence.has_seeder.map(|has| !has);
        self.no_seeder_since.track(tracked(lacks_seeder), at.hour);
        let is_risk = |since: Hour| since.passed(at.hour).is_some_and(|n| n >= RISK_HOURS);
        let (few, no_seeder) = (is_risk(self.few_since), is_risk(self.no_seeder_since));
        // During an outage, and until it is detected, the condition stays as it was.
        let known = evidence.has_no_tracker;
        let known = known.filter(|_| !at.network.is_out && !at.network.names_fail);
        let had_no_tracker = self.conditions.has(Condition::NoTracker);
        let no_tracker = known.unwrap_or(had_no_tracker);
        let conditions = Conditions::default()
            .with(Condition::NoTracker, no_tracker && state != State::Private)
            .with(Condition::NoSeeder, no_seeder)
            .with(Condition::FewPeers, few)
            .with(Condition::OneNetwork, is_alive && evidence.is_one_network);
        match is_alive && (few || no_seeder) {
            true => (State::AtRisk, conditions),
            false => (state, conditions),
        }
    }
}

/// Decides after the only round, in which no source has named a peer and at least one was asked.
fn decide_at_once(evidence: &Evidence) -> (State, Reason) {
    let is_whole = evidence.silent.is_empty() && evidence.unheard.is_empty();
    match (evidence.empty.is_empty(), is_whole) {
        (false, true) => (State::Dead, Reason::EmptyOnce),
        (false, false) => (State::Pending, Reason::EmptyInPart),
        (true, _) => (State::Pending, Reason::SilentOnce),
    }
}
