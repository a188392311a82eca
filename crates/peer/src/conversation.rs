//! The conversation after any key exchange: handshake, piece state, extensions, metadata.

use crate::extension::{
    ExtensionHandshake, HANDSHAKE_ID, OUR_DONT_HAVE_ID, OUR_METADATA_ID, PeerClaims, our_handshake,
};
use crate::frame::{self, Frame, FrameReader, id};
use crate::handshake::{Handshake, HandshakeError, HandshakeReader, Reserved};
use crate::metadata::{Fetch, FetchStep, Metadata, MetadataError, write_reject};
use crate::piece_count::PieceCount;
use crate::piece_state::PieceState;
use crate::report::{MetadataResult, Reason};
use crate::visit::VisitParams;
use seedwatch_clock::Mono;
use seedwatch_torrent::InfoHash;

/// Most bytes that are received after the handshake, without metadata. Enough for the longest
/// bitfield and for 80,000 single pieces.
pub const MAX_RECEIVED: usize = 1 << 20;

/// Bytes around a block of metadata: the length, the ids and the dictionary.
const BLOCK_OVERHEAD: usize = 128;

/// Most rejects that are written. A peer that asks more often gets no answer.
const MAX_REJECTS: u8 = 4;

/// Messages in both directions.
#[derive(Debug)]
pub(crate) struct Conversation {
    handshake: HandshakeReader,
    /// The peer's handshake, when it is complete.
    peer: Option<Handshake>,
    frames: FrameReader,
    /// Bytes that may still be received.
    budget: usize,
    pub(crate) pieces: PieceState,
    pub(crate) claims: PeerClaims,
    metadata: MetadataStage,
    rejects: u8,
    /// When the handshake was completed.
    pub(crate) greeted: Option<Mono>,
    /// When the peer last said something new about its pieces.
    pub(crate) changed: Option<Mono>,
}

/// How far the request for metadata is.
#[derive(Debug)]
enum MetadataStage {
    /// The peer may still offer it.
    Awaited,
    /// Blocks are arriving; the peer reads requests under this id.
    Running(Box<Fetch>, u8),
    Ended(MetadataResult),
}

impl Conversation {
    pub(crate) fn new(params: &VisitParams) -> Self {
        let count = params.pieces.map(PieceCount::exactly);
        let metadata = match params.fetch_metadata {
            true => MetadataStage::Awaited,
            false => MetadataStage::Ended(MetadataResult::NotAsked),
        };
        Self {
            handshake: HandshakeReader::new(),
            peer: None,
            frames: FrameReader::default(),
            budget: MAX_RECEIVED,
            pieces: PieceState::new(count.unwrap_or(PieceCount::UNKNOWN)),
            claims: PeerClaims::default(),
            metadata,
            rejects: 0,
            greeted: None,
            changed: None,
        }
    }

    /// Takes received bytes, and writes answers to `out`. Stops with the message after which
    /// nothing more is wanted, so that the result does not depend on how the bytes were split.
    pub(crate) fn receive(
        &mut self,
        mut input: &[u8],
        now: Mono,
        params: &VisitParams,
        out: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        if self.peer.is_none() {
            let accept = |hash| params.accepts(hash);
            let Some(peer) = self.handshake.read(&mut input, accept).map_err(reason)? else {
                return Ok(());
            };
            self.greet(peer, now, params, out)?;
        }
        while !input.is_empty() && !self.is_over(now, params) {
            let before = input.len();
            let allowed = before.min(self.budget);
            let (mut part, rest) = input.split_at(allowed);
            let count = self.pieces.set.count();
            let frame = self.frames.read(&mut part, count);
            let used = allowed - part.len();
            self.budget -= used;
            input = &input[used..];
            match frame.map_err(|_| Reason::Violation)? {
                Some(Frame::Message(id, body)) => self.message(id, body, now, params, out)?,
                Some(Frame::Skipped) => {}
                None if !rest.is_empty() => return Err(Reason::Flood),
                None => {}
            }
        }
        Ok(())
    }

    /// Returns whether a byte has arrived.
    pub(crate) fn has_begun(&self) -> bool {
        self.handshake.has_begun()
    }

    /// Returns the hash of the peer's handshake.
    pub(crate) fn info_hash(&self) -> Option<InfoHash> {
        self.peer.map(|peer| peer.info_hash)
    }

    /// Returns whether metadata is wanted and may still come.
    pub(crate) fn awaits_metadata(&self) -> bool {
        !matches!(self.metadata, MetadataStage::Ended(_))
    }

    /// Returns whether metadata is arriving.
    pub(crate) fn fetches_metadata(&self) -> bool {
        matches!(self.metadata, MetadataStage::Running(..))
    }

    /// Returns whether nothing more is to be learnt, or the time is over.
    pub(crate) fn is_over(&self, now: Mono, params: &VisitParams) -> bool {
        let is_late = params.timing.end(self).is_some_and(|end| end <= now);
        is_late || (self.pieces.is_complete() && !self.awaits_metadata())
    }

    /// Ends the request for metadata; returns what became of it.
    pub(crate) fn take_metadata(&mut self) -> MetadataResult {
        let ended = MetadataStage::Ended(MetadataResult::NotAsked);
        match std::mem::replace(&mut self.metadata, ended) {
            MetadataStage::Awaited if self.peer.is_none() => MetadataResult::NotAsked,
            MetadataStage::Awaited => MetadataResult::NotOffered,
            MetadataStage::Running(..) => MetadataResult::Unfinished,
            MetadataStage::Ended(result) => result,
        }
    }

    /// Returns the bytes that the conversation holds.
    pub(crate) fn memory(&self) -> usize {
        let metadata = match &self.metadata {
            MetadataStage::Running(fetch, _) => fetch.memory(),
            MetadataStage::Ended(MetadataResult::Verified(metadata)) => metadata.memory(),
            _ => 0,
        };
        let client = self.claims.client.as_ref().map_or(0, |name| name.len());
        self.frames.memory() + self.pieces.set.memory() + metadata + client
    }

    /// Answers the handshake. BEP 6 puts the piece state first; peers without it expect nothing of
    /// a peer that has nothing (BEP 3).
    fn greet(
        &mut self,
        peer: Handshake,
        now: Mono,
        params: &VisitParams,
        out: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        if peer.peer_id == params.peer_id {
            return Err(Reason::OwnPeerId);
        }
        self.greeted = Some(now);
        self.peer = Some(peer);
        if peer.reserved.has(Reserved::FAST) {
            frame::write(out, id::HAVE_NONE, &[]);
        }
        if peer.reserved.has(Reserved::EXTENSIONS) {
            let body = our_handshake(params.client_name(), self.awaits_metadata());
            frame::write(out, id::EXTENDED, &body);
        } else if self.awaits_metadata() {
            self.metadata = MetadataStage::Ended(MetadataResult::NotOffered);
        }
        frame::write(out, id::NOT_INTERESTED, &[]);
        Ok(())
    }

    fn message(
        &mut self,
        id: u8,
        body: Vec<u8>,
        now: Mono,
        params: &VisitParams,
        out: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        let is_new = match id {
            id::HAVE => {
                let piece = number(&body).ok_or(Reason::Violation)?;
                self.pieces.have(piece).map_err(|_| Reason::Violation)?
            }
            id::BITFIELD => {
                self.pieces.bitfield(body).map_err(|_| Reason::Violation)?;
                true
            }
            id::HAVE_ALL => {
                self.pieces.have_all();
                true
            }
            id::HAVE_NONE => {
                self.pieces.have_none();
                true
            }
            id::INTERESTED | id::NOT_INTERESTED => {
                let has_fast = self.peer.is_some_and(|it| it.reserved.has(Reserved::FAST));
                self.pieces.interest(id == id::INTERESTED && !has_fast);
                false
            }
            id::EXTENDED => self.extended(&body, params, out)?,
            _ => false,
        };
        if is_new {
            self.changed = Some(now);
        }
        Ok(())
    }

    /// Takes a message of the extension protocol; returns whether it changes the pieces.
    fn extended(
        &mut self,
        body: &[u8],
        params: &VisitParams,
        out: &mut Vec<u8>,
    ) -> Result<bool, Reason> {
        match body.split_first() {
            Some((&HANDSHAKE_ID, body)) => {
                self.extension_handshake(body, out)?;
                Ok(false)
            }
            Some((&OUR_DONT_HAVE_ID, body)) => {
                let piece = number(body).ok_or(Reason::Violation)?;
                self.pieces.dont_have(piece).map_err(|_| Reason::Violation)
            }
            Some((&OUR_METADATA_ID, body)) => {
                self.metadata_message(body, params, out)?;
                Ok(false)
            }
            // An id that we did not announce.
            _ => Ok(false),
        }
    }

    fn extension_handshake(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
        let read = ExtensionHandshake::parse(body).ok_or(Reason::Violation)?;
        self.claims.update(read.claims);
        if !matches!(self.metadata, MetadataStage::Awaited) {
            return Ok(());
        }
        let size = self.claims.metadata_size;
        self.metadata = match (read.metadata_id, size) {
            (None | Some(0), _) | (_, None) => MetadataStage::Ended(MetadataResult::NotOffered),
            (Some(their_id), Some(size)) => match Fetch::new(size) {
                None => MetadataStage::Ended(MetadataResult::BadSize),
                Some(fetch) => {
                    self.budget += fetch.size() + fetch.blocks() * BLOCK_OVERHEAD;
                    fetch.write_request(out, their_id);
                    MetadataStage::Running(Box::new(fetch), their_id)
                }
            },
        };
        Ok(())
    }

    fn metadata_message(
        &mut self,
        body: &[u8],
        params: &VisitParams,
        out: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        let MetadataStage::Running(fetch, their_id) = &mut self.metadata else {
            return Ok(());
        };
        let result = match fetch.receive(body) {
            FetchStep::Ignored => return Ok(()),
            FetchStep::Request => {
                fetch.write_request(out, *their_id);
                return Ok(());
            }
            FetchStep::Asked(piece) => {
                if self.rejects < MAX_REJECTS {
                    self.rejects += 1;
                    write_reject(out, *their_id, piece);
                }
                return Ok(());
            }
            FetchStep::Rejected => MetadataResult::Rejected,
            FetchStep::Malformed => MetadataResult::Malformed,
            FetchStep::Complete(info) => match Metadata::verify(info, &params.hashes) {
                Ok(metadata) => MetadataResult::Verified(metadata),
                Err(MetadataError::WrongHash) => MetadataResult::WrongHash,
                Err(MetadataError::NoPieces) => MetadataResult::Unusable,
            },
        };
        let pieces = match &result {
            MetadataResult::Verified(metadata) => Some(metadata.pieces()),
            _ => None,
        };
        self.metadata = MetadataStage::Ended(result);
        // The metadata is right: a peer whose pieces contradict it is wrong.
        pieces.map_or(Ok(()), |pieces| {
            let count = PieceCount::exactly(pieces);
            let met = self.pieces.set.set_count(count);
            met.map_err(|_| Reason::Violation)
        })
    }
}

fn reason(error: HandshakeError) -> Reason {
    match error {
        HandshakeError::OtherProtocol => Reason::NotBitTorrent,
        HandshakeError::OtherHash => Reason::OtherHash,
    }
}

/// Reads the number of a piece.
fn number(body: &[u8]) -> Option<u32> {
    body.try_into().ok().map(u32::from_be_bytes)
}
