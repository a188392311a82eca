//! Entries by hash, in chunks of one size.
//!
//! With many torrents, sets are nearly all of the memory, and they grow by one entry at a time at
//! different hours. Growing vectors would leave holes of all sizes in the heap, which cost a
//! quarter of the memory on top. Here only the last chunk of a set grows, and its few sizes let the
//! allocator fill each hole again.

use super::entry::Entry;

/// Entries of a chunk: 960 bytes together with the bookkeeping of glibc's allocator.
const CHUNK: usize = 136;
/// Entries by which the last chunk grows.
const GROWTH: usize = 8;

type Chunk = [Entry; CHUNK];

/// Entries in ascending order of their hashes, each hash once. The caller keeps them so.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries {
    #[expect(
        clippy::vec_box,
        reason = "full chunks must not move when the vector grows"
    )]
    full: Vec<Box<Chunk>>,
    /// Fewer entries than a chunk.
    last: Vec<Entry>,
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.full.len() * CHUNK + self.last.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes on the heap.
    pub(super) fn heap(&self) -> usize {
        let entries = self.full.len() * CHUNK + self.last.capacity();
        entries * size_of::<Entry>() + self.full.capacity() * size_of::<Box<Chunk>>()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.chunks().flatten()
    }

    /// Iterates over all entries, many at a time.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &[Entry]> {
        let full = self.full.iter().map(|chunk| chunk.as_slice());
        full.chain(std::iter::once(self.last.as_slice()))
    }

    /// Finds the position of a hash; `Err` is the position at which it may be inserted.
    pub(super) fn search(&self, hash: u64) -> Result<usize, usize> {
        let chunk = self
            .full
            .partition_point(|chunk| chunk[CHUNK - 1].hash() < hash);
        let inside = self.full.get(chunk).map_or(&*self.last, |full| &**full);
        let start = chunk * CHUNK;
        let found = inside.binary_search_by_key(&hash, |entry| entry.hash());
        found.map(|at| start + at).map_err(|at| start + at)
    }

    /// Returns the entry at a position below [`Self::len`].
    pub(super) fn at(&mut self, position: usize) -> &mut Entry {
        match self.full.get_mut(position / CHUNK) {
            Some(chunk) => &mut chunk[position % CHUNK],
            None => &mut self.last[position % CHUNK],
        }
    }

    /// Inserts an entry at a position up to [`Self::len`].
    pub(super) fn insert(&mut self, position: usize, entry: Entry) {
        let (mut position, mut entry) = (position, entry);
        let first = (position / CHUNK).min(self.full.len());
        position -= first * CHUNK;
        for chunk in &mut self.full[first..] {
            let overflow = chunk[CHUNK - 1];
            chunk.copy_within(position..CHUNK - 1, position + 1);
            chunk[position] = entry;
            (position, entry) = (0, overflow);
        }
        self.reserve_one();
        self.last.insert(position, entry);
        self.move_full_chunk();
    }

    /// Reserves memory for one more entry in the last chunk.
    fn reserve_one(&mut self) {
        if self.last.len() == self.last.capacity() {
            self.last.reserve_exact(GROWTH.min(CHUNK - self.last.len()));
        }
    }

    /// Moves the last chunk to the full ones once it is full.
    fn move_full_chunk(&mut self) {
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

    /// Keeps the entries for which `keep` returns true. It may change entries, except their hashes.
    pub(super) fn retain_mut(&mut self, mut keep: impl FnMut(&mut Entry) -> bool) {
        let mut kept = 0;
        for position in 0..self.len() {
            let mut entry = *self.at(position);
            if keep(&mut entry) {
                *self.at(kept) = entry;
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    /// Keeps the first `len` entries.
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
        // The set keeps a copy: shrinking the buffer itself would leave a hole behind it.
        let mut buffer = Vec::with_capacity(CHUNK);
        loop {
            buffer.clear();
            buffer.extend(entries.by_ref().take(CHUNK));
            all.last = buffer.clone();
            if buffer.len() < CHUNK {
                return all;
            }
            all.move_full_chunk();
        }
    }
}
