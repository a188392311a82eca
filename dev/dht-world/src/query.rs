//! Reads queries (BEP 5). Anything else gives `None`.

use super::ids::Id;

/// Longest datagram that is read.
const MAX: usize = 1500;
/// Deepest nesting that is followed.
const MAX_DEPTH: u32 = 8;

/// The parts of a query that a node needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Query<'a> {
    pub(super) transaction: &'a [u8],
    pub(super) method: &'a [u8],
    /// Id of the sender.
    pub(super) id: Option<Id>,
    /// `info_hash` or `target`.
    pub(super) target: Option<Id>,
    /// Whether filters are wanted (BEP 33).
    pub(super) scrape: bool,
    /// Whether the sender is read-only (BEP 43).
    pub(super) read_only: bool,
}

pub(super) fn parse(datagram: &[u8]) -> Option<Query<'_>> {
    let mut rest = Reader(datagram.get(..MAX).unwrap_or(datagram));
    let mut query = Query::default();
    let mut is_query = false;
    rest.byte(b'd')?;
    while let Some(key) = rest.key()? {
        match key {
            b"a" => arguments(&mut rest, &mut query)?,
            b"q" => query.method = rest.string()?,
            b"ro" => query.read_only = rest.int()? == 1,
            b"t" => query.transaction = rest.string()?,
            b"y" => is_query = rest.string()? == b"q",
            _ => rest.skip(0)?,
        }
    }
    (is_query && !query.method.is_empty()).then_some(query)
}

fn arguments(rest: &mut Reader<'_>, query: &mut Query<'_>) -> Option<()> {
    rest.byte(b'd')?;
    while let Some(key) = rest.key()? {
        match key {
            b"id" => query.id = rest.string()?.try_into().ok(),
            b"info_hash" | b"target" => query.target = rest.string()?.try_into().ok(),
            b"scrape" => query.scrape = rest.int()? == 1,
            _ => rest.skip(0)?,
        }
    }
    Some(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self, wanted: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[wanted])?;
        Some(())
    }

    /// Returns the next key of a dictionary; `Some(None)` at its end.
    fn key(&mut self) -> Option<Option<&'a [u8]>> {
        if self.byte(b'e').is_some() {
            return Some(None);
        }
        self.string().map(Some)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length: usize = self.number(b':')?.try_into().ok()?;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }

    fn int(&mut self) -> Option<i64> {
        self.byte(b'i')?;
        self.number(b'e')
    }

    fn number(&mut self, end: u8) -> Option<i64> {
        let length = self.0.iter().take(20).position(|byte| *byte == end)?;
        let number = std::str::from_utf8(&self.0[..length]).ok()?.parse().ok()?;
        self.0 = &self.0[length + 1..];
        Some(number)
    }

    fn skip(&mut self, depth: u32) -> Option<()> {
        match self.0.first()? {
            b'i' => self.int().map(|_| ()),
            b'l' | b'd' if depth < MAX_DEPTH => {
                self.0 = &self.0[1..];
                while self.byte(b'e').is_none() {
                    self.skip(depth + 1)?;
                }
                Some(())
            }
            _ => self.string().map(|_| ()),
        }
    }
}
