//! The state of one swarm at one tracker over one family.

use super::outcome::Outcome;
use seedwatch_tracker::Report;

/// The probe that is under way for a swarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum UnderWay {
    /// None: the swarm waits in its tracker's queue, or is no longer configured.
    #[default]
    Nothing,
    Announce,
    /// A scrape in place of an announce.
    Scrape,
}

/// What the next announce must know about the last answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum LastAnswer {
    /// Nothing.
    #[default]
    None,
    /// It was an empty peer list.
    Empty,
    /// It was an empty peer list, and another source has named peers since.
    Contradicted,
    /// It was a refusal, or not valid.
    Refused,
}

impl LastAnswer {
    /// Returns what a report leaves to know.
    pub(super) fn of(report: &Report) -> Self {
        match report {
            Report::Announce {
                result: Ok(answer), ..
            } if answer.peers.is_empty() && !answer.peer_list_withheld => Self::Empty,
            Report::Announce {
                result: Err(failed),
                ..
            } if !failed.reason.is_silence() => Self::Refused,
            _ => Self::None,
        }
    }
}

/// The state of one swarm at one tracker over one family: waiting, under way or removed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ProbeState {
    /// The configuration still names the swarm.
    is_configured: bool,
    under_way: UnderWay,
    /// A count scrape under way names the swarm.
    in_count_scrape: bool,
    /// Announces still to come that no count scrape follows.
    announces_without_scrape: u8,
    /// Failures in a row.
    failures: u8,
    last_answer: LastAnswer,
}

impl ProbeState {
    /// Returns the state of a swarm that waits in its tracker's queue.
    pub(super) fn queued() -> Self {
        Self {
            is_configured: true,
            ..Self::default()
        }
    }

    /// Returns whether the configuration still names the swarm.
    pub(super) fn is_configured(&self) -> bool {
        self.is_configured
    }

    /// Returns whether a probe of the swarm is under way. Count scrapes are none.
    pub(super) fn is_probed(&self) -> bool {
        self.under_way != UnderWay::Nothing
    }

    /// Returns whether an observation that is still to come names the swarm.
    pub(super) fn is_busy(&self) -> bool {
        self.is_probed() || self.in_count_scrape
    }

    /// Returns whether a report ends the swarm's probe; otherwise it ends a count scrape.
    pub(super) fn awaits(&self, is_scrape: bool) -> bool {
        self.under_way == UnderWay::of(is_scrape)
    }

    /// Begins a probe.
    pub(super) fn begin(&mut self, is_scrape: bool) {
        self.under_way = UnderWay::of(is_scrape);
    }

    /// Returns whether a count scrape under way names the swarm.
    pub(super) fn is_in_count_scrape(&self) -> bool {
        self.in_count_scrape
    }

    /// Notes whether a count scrape under way names the swarm.
    pub(super) fn set_in_count_scrape(&mut self, is_named: bool) {
        self.in_count_scrape = is_named;
    }

    /// Lets no count scrape follow the next few announces.
    pub(super) fn skip_scrapes(&mut self, announces: u8) {
        self.announces_without_scrape = announces;
    }

    /// Counts an announce. Returns whether a count scrape may follow it.
    pub(super) fn may_be_scraped(&mut self) -> bool {
        let may = self.announces_without_scrape == 0;
        self.announces_without_scrape = self.announces_without_scrape.saturating_sub(1);
        may
    }

    /// Ends a probe without a result.
    pub(super) fn release(&mut self) {
        self.under_way = UnderWay::Nothing;
    }

    /// Ends a probe. Returns whether its result is confirmed: a first failure is not.
    pub(super) fn record_outcome(&mut self, outcome: Outcome) -> bool {
        self.release();
        self.failures = match outcome {
            Outcome::ProbeError => self.failures.saturating_add(1),
            _ => 0,
        };
        outcome != Outcome::ProbeError || self.failures >= 2
    }

    /// Returns what the next announce must know about the last answer.
    pub(super) fn last_answer(&self) -> LastAnswer {
        self.last_answer
    }

    /// Stores what the next announce must know about this answer.
    pub(super) fn set_last_answer(&mut self, answer: LastAnswer) {
        self.last_answer = answer;
    }

    /// Notes that the configuration no longer names the swarm.
    pub(super) fn remove(&mut self) {
        self.is_configured = false;
    }
}

impl UnderWay {
    fn of(is_scrape: bool) -> Self {
        match is_scrape {
            true => Self::Scrape,
            false => Self::Announce,
        }
    }
}
