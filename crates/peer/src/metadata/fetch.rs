//! Asks one peer for the blocks of the info dictionary, one after the other (BEP 9).

use super::MAX_METADATA;
use crate::frame::{self, id};
use seedwatch_torrent::bencode::Value;

/// Length of all blocks but the last.
const BLOCK: usize = 16 << 10;

/// Most blocks that nobody asked for. Honest peers send none.
const MAX_UNASKED: u8 = 16;

/// Least allocation: small dictionaries grow once.
const STEP: usize = 64 << 10;

/// The kinds of messages.
mod kind {
    pub(super) const REQUEST: i64 = 0;
    pub(super) const DATA: i64 = 1;
    pub(super) const REJECT: i64 = 2;
}

/// The blocks that have arrived. One request is out at a time: some programs drop the second.
#[derive(Debug)]
pub(crate) struct Fetch {
    size: usize,
    bytes: Vec<u8>,
    unasked: u8,
}

/// What a message about metadata means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FetchStep {
    /// A block arrived; the next one is due.
    Request,
    /// All blocks have arrived. They are not verified.
    Complete(Vec<u8>),
    /// The peer does not have the dictionary, or does not give it away.
    Rejected,
    /// The message contradicts the protocol.
    Malformed,
    /// The peer asks for a block, which gets a reject.
    Asked(i64),
    /// Nothing follows.
    Ignored,
}

impl Fetch {
    /// Prepares to fetch a dictionary of a claimed size; returns `None` if it is 0 or too large.
    pub(crate) fn new(size: u64) -> Option<Self> {
        let size = usize::try_from(size).ok()?;
        (1..=MAX_METADATA).contains(&size).then_some(Self {
            size,
            bytes: Vec::new(),
            unasked: 0,
        })
    }

    /// Writes the request for the next block.
    pub(crate) fn write_request(&self, out: &mut Vec<u8>, their_id: u8) {
        let piece = self.next_block();
        let body = format!("d8:msg_typei{}e5:piecei{piece}ee", kind::REQUEST);
        let body = [&[their_id], body.as_bytes()].concat();
        frame::write(out, id::EXTENDED, &body);
    }

    /// Takes a message.
    pub(crate) fn receive(&mut self, body: &[u8]) -> FetchStep {
        let Some(message) = Message::parse(body) else {
            return FetchStep::Malformed;
        };
        match message.kind {
            kind::REQUEST => FetchStep::Asked(message.piece),
            kind::DATA => self.store(&message),
            kind::REJECT if message.piece == self.next_block() => FetchStep::Rejected,
            // Unknown kinds must be ignored (BEP 9).
            _ => FetchStep::Ignored,
        }
    }

    /// Returns the size in bytes that the peer claims.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Returns the number of blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.size.div_ceil(BLOCK)
    }

    /// Returns the bytes that the arrived blocks take.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    fn next_block(&self) -> i64 {
        (self.bytes.len() / BLOCK) as i64
    }

    fn store(&mut self, message: &Message<'_>) -> FetchStep {
        if message.piece != self.next_block() {
            self.unasked = self.unasked.saturating_add(1);
            return match self.unasked < MAX_UNASKED {
                true => FetchStep::Ignored,
                false => FetchStep::Malformed,
            };
        }
        let missing = self.size - self.bytes.len();
        let claimed = message.total_size.is_none_or(|it| it == self.size as i64);
        if message.data.len() != missing.min(BLOCK) || !claimed {
            return FetchStep::Malformed;
        }
        if self.bytes.capacity() - self.bytes.len() < message.data.len() {
            let more = self.bytes.len().max(STEP).min(missing);
            self.bytes.reserve_exact(more);
        }
        self.bytes.extend_from_slice(message.data);
        match self.bytes.len() < self.size {
            true => FetchStep::Request,
            false => FetchStep::Complete(std::mem::take(&mut self.bytes)),
        }
    }
}

/// Writes a reject: we have no metadata to give.
pub(crate) fn write_reject(out: &mut Vec<u8>, their_id: u8, piece: i64) {
    let body = format!("d8:msg_typei{}e5:piecei{piece}ee", kind::REJECT);
    let body = [&[their_id], body.as_bytes()].concat();
    frame::write(out, id::EXTENDED, &body);
}

struct Message<'a> {
    kind: i64,
    piece: i64,
    total_size: Option<i64>,
    data: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a dictionary and the bytes after it.
    fn parse(body: &'a [u8]) -> Option<Self> {
        let (value, data) = Value::parse(body).ok()?;
        let (mut kind, mut piece, mut total_size) = (None, None, None);
        for (key, value) in value.as_dict()?.iter() {
            match key {
                b"msg_type" => kind = value.as_int(),
                b"piece" => piece = value.as_int(),
                b"total_size" => total_size = value.as_int(),
                _ => {}
            }
        }
        Some(Self {
            kind: kind?,
            piece: piece?,
            total_size,
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(piece: usize, total: Option<usize>, block: &[u8]) -> Vec<u8> {
        let total = total.map(|it| format!("10:total_sizei{it}e"));
        let head = format!(
            "d8:msg_typei1e5:piecei{piece}e{}e",
            total.unwrap_or_default()
        );
        [head.as_bytes(), block].concat()
    }

    #[test]
    fn blocks_are_fetched_one_after_the_other() {
        let whole: Vec<u8> = (0..40_000u32).map(|it| it as u8).collect();
        let mut fetch = Fetch::new(40_000).unwrap();
        let mut requests = Vec::new();
        for (piece, block) in whole.chunks(BLOCK).enumerate() {
            fetch.write_request(&mut requests, 3);
            let text = format!("\x03d8:msg_typei0e5:piecei{piece}ee");
            assert!(requests.ends_with(text.as_bytes()));
            // A block again, or one from further on, changes nothing.
            if piece == 1 {
                let again = data(0, Some(40_000), &whole[..BLOCK]);
                assert_eq!(fetch.receive(&again), FetchStep::Ignored);
                let other = data(2, Some(40_000), &whole[2 * BLOCK..]);
                assert_eq!(fetch.receive(&other), FetchStep::Ignored);
            }
            let step = fetch.receive(&data(piece, Some(40_000), block));
            match piece {
                2 => assert_eq!(step, FetchStep::Complete(whole.clone())),
                _ => assert_eq!(step, FetchStep::Request),
            }
        }
    }

    #[test]
    fn sizes_and_blocks_are_bounded() {
        assert!(Fetch::new(0).is_none());
        assert!(Fetch::new(MAX_METADATA as u64 + 1).is_none());
        assert!(Fetch::new(u64::MAX).is_none());
        for (total, length) in [
            (Some(20_000), BLOCK - 1),
            (Some(20_000), BLOCK + 1),
            (Some(20_001), BLOCK),
            (None, 20_000),
        ] {
            let mut fetch = Fetch::new(20_000).unwrap();
            let step = fetch.receive(&data(0, total, &vec![1; length]));
            assert_eq!(step, FetchStep::Malformed, "{total:?} {length}");
            assert_eq!(fetch.memory(), 0);
        }
        let mut fetch = Fetch::new(MAX_METADATA as u64).unwrap();
        assert_eq!(
            fetch.receive(&data(0, None, &[1; BLOCK])),
            FetchStep::Request
        );
        assert!(
            fetch.memory() <= STEP,
            "memory follows the bytes that arrived"
        );
    }

    #[test]
    fn messages_without_an_answer_end_the_fetch() {
        let mut fetch = Fetch::new(100).unwrap();
        assert_eq!(
            fetch.receive(b"d8:msg_typei2e5:piecei1ee"),
            FetchStep::Ignored
        );
        assert_eq!(
            fetch.receive(b"d8:msg_typei9e5:piecei0ee"),
            FetchStep::Ignored
        );
        assert_eq!(
            fetch.receive(b"d8:msg_typei0e5:piecei5ee"),
            FetchStep::Asked(5)
        );
        assert_eq!(
            fetch.receive(b"d8:msg_typei2e5:piecei0ee"),
            FetchStep::Rejected
        );
        for hostile in [&b""[..], b"le", b"d5:piecei0ee", b"d8:msg_type1:1e"] {
            assert_eq!(fetch.receive(hostile), FetchStep::Malformed);
        }
        let mut fetch = Fetch::new(100).unwrap();
        let flood = (0..100).map(|_| fetch.receive(&data(7, None, b"")));
        let end = flood.take_while(|step| *step == FetchStep::Ignored).count();
        assert_eq!(end, usize::from(MAX_UNASKED) - 1);
    }
}
