//! What the messages of a peer say about its pieces, and what may be concluded from them.

use crate::piece_count::{Contradiction, PieceCount};
use crate::piece_set::{Completeness, PieceSet};
use crate::report::Reason;

/// Most single pieces that a super-seeder names during a visit. libtorrent names two at once, and
/// another one only after others have spread one of those.
const FEW: u32 = 8;

/// What the peer said about all of its pieces, from the least to the most telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Summary {
    /// Nothing.
    Nothing,
    /// It has none: have-none, or a bitfield of zeros.
    None,
    /// It has some: a bitfield.
    Some,
    /// It has all: have-all.
    All,
}

/// How the conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The peer had time to say what it has.
    Settled,
    /// The peer closed the connection before.
    Closed,
}

/// The pieces of the peer as far as they are known.
#[derive(Debug)]
pub(crate) struct PieceState {
    summary: Summary,
    /// How many pieces were named one by one.
    singles: u32,
    /// Whether the peer wants pieces and need not say that it has none.
    is_interested: bool,
    pub(crate) set: PieceSet,
}

impl PieceState {
    pub(crate) fn new(count: PieceCount) -> Self {
        Self {
            summary: Summary::Nothing,
            singles: 0,
            is_interested: false,
            set: PieceSet::none(count),
        }
    }

    pub(crate) fn have_all(&mut self) {
        self.summary = Summary::All;
        self.set.add_all();
    }

    pub(crate) fn have_none(&mut self) {
        self.summary = self.summary.max(Summary::None);
    }

    pub(crate) fn bitfield(&mut self, bits: Vec<u8>) -> Result<(), Contradiction> {
        let has_pieces = self.set.add_bitfield(bits)?;
        let said = match has_pieces {
            true => Summary::Some,
            false => Summary::None,
        };
        self.summary = self.summary.max(said);
        Ok(())
    }

    /// Returns whether the piece is new.
    pub(crate) fn have(&mut self, piece: u32) -> Result<bool, Contradiction> {
        let is_new = self.set.add(piece)?;
        self.singles = self.singles.saturating_add(is_new.into());
        Ok(is_new)
    }

    /// Returns whether the peer had claimed the piece.
    pub(crate) fn dont_have(&mut self, piece: u32) -> Result<bool, Contradiction> {
        self.set.remove(piece)
    }

    /// Notes whether a peer without BEP 6 is interested. It may leave out the bitfield if it has
    /// nothing (BEP 3), as rtorrent does. A seeder in disguise leaves it out too, and wants
    /// nothing.
    pub(crate) fn interest(&mut self, is_interested: bool) {
        self.is_interested = is_interested;
    }

    /// Returns whether the peer said anything about its pieces.
    pub(crate) fn is_known(&self) -> bool {
        self.summary != Summary::Nothing || self.singles > 0 || self.is_interested
    }

    /// Returns whether the peer said something about all of its pieces.
    pub(crate) fn has_summary(&self) -> bool {
        self.summary != Summary::Nothing
    }

    /// Returns whether the peer said that it has nothing, and named no piece.
    pub(crate) fn says_nothing_only(&self) -> bool {
        let is_silent = self.summary == Summary::Nothing && self.is_interested;
        (self.summary == Summary::None || is_silent) && self.singles == 0
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.set.completeness() == Completeness::Complete
    }

    /// Returns the reason for the outcome of the visit.
    pub(crate) fn judge(&self, ending: Ending, is_upload_only: bool) -> Reason {
        if self.is_complete() {
            return Reason::HasAll;
        }
        match (ending, self.summary, self.singles) {
            (Ending::Closed, Summary::Nothing, 0) => Reason::ClosedBeforePieces,
            (Ending::Closed, _, _) => Reason::ClosedUnsettled,
            (_, Summary::Nothing, 0) if self.is_interested => Reason::HasNone,
            (_, Summary::Nothing, 0) => Reason::NoPieceState,
            // A super-seeder has nothing by its own account and wants nothing. Neither does a
            // downloader whose user has deselected all files.
            (_, Summary::None, 0) if is_upload_only => Reason::PossibleSuperSeed,
            (_, Summary::None, 0) => Reason::HasNone,
            (_, Summary::Nothing | Summary::None, 1..=FEW) => Reason::PossibleSuperSeed,
            _ => match self.set.completeness() {
                Completeness::Undecided => Reason::PieceCountUnknown,
                _ => Reason::LacksPieces,
            },
        }
    }
}
