//! Messages after the handshake: a length, an id and a body (BEP 3), bounded before they are read.

use crate::{MAX_PIECES, PieceCount};

/// Ids of the messages that a visit reads or writes.
pub mod id {
    /// The sender wants pieces (BEP 3).
    pub const INTERESTED: u8 = 2;
    /// The sender does not want pieces (BEP 3).
    pub const NOT_INTERESTED: u8 = 3;
    /// The sender has one more piece (BEP 3).
    pub const HAVE: u8 = 4;
    /// The pieces that the sender has (BEP 3).
    pub const BITFIELD: u8 = 5;
    /// The sender has all pieces (BEP 6).
    pub const HAVE_ALL: u8 = 14;
    /// The sender has no piece (BEP 6).
    pub const HAVE_NONE: u8 = 15;
    /// A message of the extension protocol (BEP 10).
    pub const EXTENDED: u8 = 20;
}

/// Longest bitfield in bytes.
pub(crate) const MAX_BITFIELD: usize = MAX_PIECES.div_ceil(8) as usize;

/// Longest message of the extension protocol. Metadata comes in blocks of 16 KiB (BEP 9), lists of
/// peers take a few kilobytes (BEP 11).
pub(crate) const MAX_EXTENDED: usize = 64 << 10;

/// Longest message that is skipped. The longest of known programs is a block of 128 KiB, which a
/// visit never requests.
const MAX_SKIPPED: usize = (128 << 10) + 9;

/// Most bytes that are allocated before they have arrived.
const STEP: usize = 16 << 10;

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The empty message that keeps a connection open, or one that a visit has no use for.
    Skipped,
    /// A message with its id and body.
    Message(u8, Vec<u8>),
}

/// A message longer or shorter than its id allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongLength;

/// Splits received bytes into messages.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    /// The length and the id.
    header: [u8; 5],
    header_length: usize,
    body: Vec<u8>,
    /// Bytes of the body that are missing, if the header is complete.
    missing: Option<usize>,
    is_skipped: bool,
}

impl FrameReader {
    /// Takes bytes off the input; returns a message when it is complete.
    pub(crate) fn read(
        &mut self,
        input: &mut &[u8],
        count: PieceCount,
    ) -> Result<Option<Frame>, WrongLength> {
        let missing = match self.missing {
            Some(missing) => missing,
            None => match self.read_header(input, count)? {
                Header::Incomplete => return Ok(None),
                Header::KeepAlive => return Ok(Some(Frame::Skipped)),
                Header::Body(length) => length,
            },
        };
        let (part, rest) = input.split_at(input.len().min(missing));
        *input = rest;
        if !self.is_skipped {
            self.store(part, missing);
        }
        let missing = missing - part.len();
        self.missing = (missing > 0).then_some(missing);
        if missing > 0 {
            return Ok(None);
        }
        self.header_length = 0;
        let body = std::mem::take(&mut self.body);
        Ok(Some(match self.is_skipped {
            true => Frame::Skipped,
            false => Frame::Message(self.header[4], body),
        }))
    }

    /// Returns the bytes that the reader holds.
    pub(crate) fn memory(&self) -> usize {
        self.body.capacity()
    }

    fn read_header(&mut self, input: &mut &[u8], count: PieceCount) -> Result<Header, WrongLength> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            self.header[self.header_length] = *byte;
            self.header_length += 1;
            let [a, b, c, d, id] = self.header;
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            match self.header_length {
                4 if length == 0 => {
                    self.header_length = 0;
                    return Ok(Header::KeepAlive);
                }
                5 => {
                    let body = length - 1;
                    self.is_skipped = is_skipped(id, body, count)?;
                    return Ok(Header::Body(body));
                }
                _ => {}
            }
        }
        Ok(Header::Incomplete)
    }

    /// Stores a part of the body. Memory grows with the bytes that arrive, not with the length
    /// that the peer claims.
    fn store(&mut self, part: &[u8], missing: usize) {
        let free = self.body.capacity() - self.body.len();
        if free < part.len() {
            self.body.reserve_exact(missing.min(part.len().max(STEP)));
        }
        self.body.extend_from_slice(part);
    }
}

enum Header {
    Incomplete,
    KeepAlive,
    Body(usize),
}

/// Returns whether a message with this header is skipped, or an error if its length is wrong.
fn is_skipped(id: u8, length: usize, count: PieceCount) -> Result<bool, WrongLength> {
    let (is_skipped, is_valid) = match id {
        id::HAVE => (false, length == 4),
        id::BITFIELD => (false, count.fits_bitfield(length)),
        id::INTERESTED | id::NOT_INTERESTED | id::HAVE_ALL | id::HAVE_NONE => (false, length == 0),
        id::EXTENDED => (false, (1..=MAX_EXTENDED).contains(&length)),
        // Pieces and requests, DHT ports, suggestions, hashes of version 2: nothing to learn.
        _ => (true, length <= MAX_SKIPPED),
    };
    match is_valid {
        true => Ok(is_skipped),
        false => Err(WrongLength),
    }
}

/// Appends a message.
pub fn write(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    // No body of ours comes near 4 GiB.
    out.extend((body.len() as u32 + 1).to_be_bytes());
    out.push(id);
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn frames(input: &[u8], count: PieceCount) -> Result<Vec<Frame>, WrongLength> {
        let (mut reader, mut input) = (FrameReader::default(), input);
        let mut frames = Vec::new();
        while let Some(frame) = reader.read(&mut input, count)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    fn exactly(count: u32) -> PieceCount {
        PieceCount::exactly(NonZeroU32::new(count).unwrap())
    }

    #[test]
    fn messages_are_split() {
        let mut input = vec![0; 4];
        write(&mut input, id::HAVE, &[0, 0, 0, 7]);
        write(&mut input, 7, &[1; 20_000]);
        write(&mut input, id::HAVE_ALL, &[]);
        input.extend([0, 0]);
        let expected = vec![
            Frame::Skipped,
            Frame::Message(id::HAVE, vec![0, 0, 0, 7]),
            Frame::Skipped,
            Frame::Message(id::HAVE_ALL, vec![]),
        ];
        assert_eq!(frames(&input, PieceCount::UNKNOWN), Ok(expected));
    }

    #[test]
    fn lengths_are_checked_before_the_body_arrives() {
        let unknown = PieceCount::UNKNOWN;
        let of = |id: u8, body: usize, count| {
            let length = u32::try_from(body + 1).unwrap().to_be_bytes();
            frames(&[&length[..], &[id]].concat(), count)
        };
        for (id, body, count, is_valid) in [
            (id::HAVE, 4, unknown, true),
            (id::HAVE, 3, unknown, false),
            (id::HAVE, 5, unknown, false),
            (id::BITFIELD, 0, unknown, false),
            (id::BITFIELD, MAX_BITFIELD, unknown, true),
            (id::BITFIELD, MAX_BITFIELD + 1, unknown, false),
            (id::BITFIELD, 2, exactly(9), true),
            (id::BITFIELD, 2, exactly(16), true),
            (id::BITFIELD, 2, exactly(17), false),
            (id::BITFIELD, 2, exactly(8), false),
            (id::HAVE_ALL, 1, unknown, false),
            (id::HAVE_NONE, 1, unknown, false),
            (id::EXTENDED, 0, unknown, false),
            (id::EXTENDED, MAX_EXTENDED, unknown, true),
            (id::EXTENDED, MAX_EXTENDED + 1, unknown, false),
            (7, (128 << 10) + 8, unknown, true),
            (7, 1 << 20, unknown, false),
            (99, u32::MAX as usize - 1, unknown, false),
        ] {
            assert_eq!(of(id, body, count).is_ok(), is_valid, "{id} {body}");
        }
    }

    #[test]
    fn memory_follows_the_bytes_that_arrived() {
        let mut reader = FrameReader::default();
        let length = u32::try_from(MAX_BITFIELD + 1).unwrap().to_be_bytes();
        let input = [&length[..], &[id::BITFIELD, 1, 2, 3]].concat();
        let read = reader.read(&mut &input[..], PieceCount::UNKNOWN);
        assert_eq!(read, Ok(None));
        assert!(reader.memory() <= STEP);
    }
}
