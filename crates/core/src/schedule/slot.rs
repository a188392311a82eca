//! The place of one swarm at one tracker over one family.

use super::outcome::Outcome;

/// What is under way for a swarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum UnderWay {
    /// Nothing: it waits in its lane's queue, or is gone.
    #[default]
    Nothing,
    Announce,
    /// A scrape that takes the place of an announce.
    Scrape,
}

/// What the next question must know of the last one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Note {
    /// Nothing.
    #[default]
    None,
    /// It was answered with an empty list.
    Empty,
    /// The same, and another source has named members since.
    Doubted,
    /// It was refused, or answered with what is no answer.
    Refused,
}

/// Where a swarm is: in its lane's queue, under way, or gone.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    live: bool,
    under_way: UnderWay,
    /// A scrape beside announces names it.
    beside: bool,
    /// Announces still to come that no scrape follows.
    unscraped: u8,
    /// Failures in a row.
    failures: u8,
    note: Note,
}

impl Slot {
    /// A swarm that waits in its lane's queue.
    pub(super) fn queued() -> Self {
        Self {
            live: true,
            ..Self::default()
        }
    }

    /// Still in the configuration.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Its own probe is under way.
    pub(super) fn is_probed(&self) -> bool {
        self.under_way != UnderWay::Nothing
    }

    /// Some observation under way names it.
    pub(super) fn is_busy(&self) -> bool {
        self.is_probed() || self.beside
    }

    /// Whether a report ends its own probe; if not, it ends a scrape beside.
    pub(super) fn awaits(&self, scrape: bool) -> bool {
        self.under_way
            == if scrape {
                UnderWay::Scrape
            } else {
                UnderWay::Announce
            }
    }

    /// Leaves the queue.
    pub(super) fn take(&mut self, scrape: bool) {
        self.under_way = if scrape {
            UnderWay::Scrape
        } else {
            UnderWay::Announce
        };
    }

    /// A scrape beside announces names it.
    pub(super) fn is_beside(&self) -> bool {
        self.beside
    }

    /// A scrape beside announces names it, or does no more.
    pub(super) fn set_beside(&mut self, beside: bool) {
        self.beside = beside;
    }

    /// No scrape is to follow the next few announces.
    pub(super) fn skip_scrapes(&mut self, announces: u8) {
        self.unscraped = announces;
    }

    /// Notes an announce. Returns whether a scrape may follow it.
    pub(super) fn may_be_scraped(&mut self) -> bool {
        let may = self.unscraped == 0;
        self.unscraped = self.unscraped.saturating_sub(1);
        may
    }

    /// Comes back without a result.
    pub(super) fn release(&mut self) {
        self.under_way = UnderWay::Nothing;
    }

    /// Comes back with a result; says whether a failure stands.
    pub(super) fn settle(&mut self, outcome: Outcome) -> bool {
        self.release();
        self.failures = match outcome {
            Outcome::Failed => self.failures.saturating_add(1),
            _ => 0,
        };
        outcome != Outcome::Failed || self.failures >= 2
    }

    /// What the next question must know.
    pub(super) fn note(&self) -> Note {
        self.note
    }

    /// Notes what came of an announce.
    pub(super) fn set_note(&mut self, note: Note) {
        self.note = note;
    }

    /// Gone from the configuration.
    pub(super) fn remove(&mut self) {
        self.live = false;
    }
}
