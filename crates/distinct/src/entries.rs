//! Entries by hash, in chunks of one size.
//!
//! A fleet of many torrents holds little else, and its sets grow by one entry at a time, each at
//! hours of its own. Growing vectors leave holes of all sizes behind: they took a quarter more memory than
//! what was in them. Only the last chunk of a set grows here, and holes of its few sizes fill again.

use super::entry::Entry;

/// Entries of a chunk: with what the allocator of glibc notes down, 960 bytes.
const CHUNK: usize = 136;
/// How much the last one grows at once.
const GROWTH: usize = 8;

type Chunk = [Entry; CHUNK];

/// Entries in the order of their hashes, each hash once: whoever puts one in sees to that.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries {
    #[expect(clippy::vec_box, reason = "so that they stay where they are")]
    full: Vec<Box<Chunk>>,
    /// Less than a chunk.
    last: Vec<Entry>,
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.full.len() * CHUNK + self.last.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory outside of this.
    pub(super) fn heap(&self) -> usize {
        let entries = self.full.len() * CHUNK + self.last.capacity();
        entries * size_of::<Entry>() + self.full.capacity() * size_of::<Box<Chunk>>()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.chunks().flatten()
    }

    /// All entries, many at a time.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &[Entry]> {
        let full = self.full.iter().map(|chunk| chunk.as_slice());
        full.chain(std::iter::once(self.last.as_slice()))
    }

    /// The place of a hash, or the one where it belongs.
    pub(super) fn search(&self, hash: u64) -> Result<usize, usize> {
        let chunk = self
            .full
            .partition_point(|chunk| chunk[CHUNK - 1].hash() < hash);
        let inside = self.full.get(chunk).map_or(&*self.last, |full| &**full);
        let start = chunk * CHUNK;
        let found = inside.binary_search_by_key(&hash, |entry| entry.hash());
        found.map(|at| start + at).map_err(|at| start + at)
    }

    /// The entry at a place below [`Self::len`].
    pub(super) fn at(&mut self, place: usize) -> &mut Entry {
        match self.full.get_mut(place / CHUNK) {
            Some(chunk) => &mut chunk[place % CHUNK],
            None => &mut self.last[place % CHUNK],
        }
    }

    /// Puts an entry at a place up to [`Self::len`].
    pub(super) fn insert(&mut self, place: usize, entry: Entry) {
        let (mut place, mut entry) = (place, entry);
        let first = (place / CHUNK).min(self.full.len());
        place -= first * CHUNK;
        for chunk in &mut self.full[first..] {
            let over = chunk[CHUNK - 1];
            chunk.copy_within(place..CHUNK - 1, place + 1);
            chunk[place] = entry;
            (place, entry) = (0, over);
        }
        self.room();
        self.last.insert(place, entry);
        self.seal();
    }

    /// Room for one more in the last chunk.
    fn room(&mut self) {
        if self.last.len() == self.last.capacity() {
            self.last.reserve_exact(GROWTH.min(CHUNK - self.last.len()));
        }
    }

    /// The last chunk may be full.
    fn seal(&mut self) {
        match std::mem::take(&mut self.last).try_into() {
            Ok(chunk) => {
                if self.full.len() == self.full.capacity() {
                    self.full.reserve_exact(1 + self.full.len() / GROWTH);
                }
                self.full.push(chunk);
            }
            Err(not_full) => self.last = not_full,
        }
    }

    /// Keeps the entries that the function says yes to. It may change them, but for their hashes.
    pub(super) fn retain_mut(&mut self, mut keep: impl FnMut(&mut Entry) -> bool) {
        let mut kept = 0;
        for place in 0..self.len() {
            let mut entry = *self.at(place);
            if keep(&mut entry) {
                *self.at(kept) = entry;
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    /// Keeps that many from the front.
    pub(super) fn truncate(&mut self, len: usize) {
        if let Some(chunk) = self.full.get(len / CHUNK) {
            self.last = chunk[..len % CHUNK].to_vec();
            self.full.truncate(len / CHUNK);
            self.full.shrink_to_fit();
        } else {
            self.last.truncate(len - self.full.len() * CHUNK);
        }
        if self.last.capacity() >= self.last.len() + GROWTH {
            self.last.shrink_to_fit();
        }
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<T: IntoIterator<Item = Entry>>(entries: T) -> Self {
        let mut entries = entries.into_iter();
        let mut all = Self::default();
        // What is kept is a copy: to shrink the last one would leave a hole behind.
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            chunk.clear();
            chunk.extend(entries.by_ref().take(CHUNK));
            all.last = chunk.clone();
            if chunk.len() < CHUNK {
                return all;
            }
            all.seal();
        }
    }
}
