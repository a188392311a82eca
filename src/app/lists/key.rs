//! What lists and their copies are told apart by.

use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};

use crate::config::{List, ListSource};

/// What a list is told apart by: its name, and all that its entries depend on. A list of the same
/// name takes over the copy of another source, so that a new API key in a URL loses no torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ListKey {
    /// A hash of the name.
    name: u64,
    /// A hash of where the list is and how it is read.
    source: u64,
}

impl ListKey {
    /// Returns the key of a list.
    pub(super) fn of(list: &List) -> Self {
        let mut text = match &list.source {
            ListSource::Url(url) => format!("url {}\n", url.secret_url()),
            ListSource::File(path) => format!("file {}\n", path.display()),
        };
        let format = &list.format;
        // Writing to a `String` does not fail.
        let _ = write!(text, "{:?}\n{:?}\n", format.format, format.items);
        for (role, name) in format.fields.given() {
            let _ = writeln!(text, "{} {name}", role.as_key());
        }
        Self {
            name: hash(&list.name),
            source: hash(&text),
        }
    }

    /// Reads what [`fmt::Display`] writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, source) = text.split_once('-')?;
        let key = Self {
            name: u64::from_str_radix(name, 16).ok()?,
            source: u64::from_str_radix(source, 16).ok()?,
        };
        (key.to_string() == text).then_some(key)
    }

    /// Returns whether both lists have the same source and are read the same way.
    pub(super) fn has_source_of(self, other: Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Display for ListKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.name, self.source)
    }
}

fn hash(text: &str) -> u64 {
    let hash = Sha256::digest(text);
    let first = hash.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first)
}

/// Returns for each wanted list the index of the known one that it continues: that of the same
/// source, else that of the same name. Each known list is continued once.
pub(super) fn continued(wanted: &[ListKey], known: &[ListKey]) -> Vec<Option<usize>> {
    let mut found = vec![None; wanted.len()];
    let mut is_taken = vec![false; known.len()];
    let rules: [fn(&ListKey, &ListKey) -> bool; 3] = [
        |a, b| a == b,
        |a, b| a.source == b.source,
        |a, b| a.name == b.name,
    ];
    for is_match in rules {
        for (key, found) in wanted.iter().zip(&mut found) {
            if found.is_none() {
                let mut free = (0..known.len()).filter(|n| !is_taken[*n]);
                *found = free.find(|n| is_match(key, &known[*n]));
                if let Some(n) = *found {
                    is_taken[n] = true;
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[(u64, u64)]) -> Vec<ListKey> {
        let keys = keys.iter().copied();
        keys.map(|(name, source)| ListKey { name, source })
            .collect()
    }

    #[test]
    fn lists_continue_those_of_their_source_before_those_of_their_name() {
        for (wanted, known, expected) in [
            (vec![(1, 1)], vec![(2, 1), (1, 1)], vec![Some(1)]),
            // Another key in the URL.
            (vec![(1, 9)], vec![(2, 2), (1, 1)], vec![Some(1)]),
            // Exchanged names.
            (
                vec![(2, 1), (1, 2)],
                vec![(1, 1), (2, 2)],
                vec![Some(0), Some(1)],
            ),
            // The first of two lists without names left, and the second got its name.
            (vec![(1, 2)], vec![(1, 1), (2, 2)], vec![Some(1)]),
            (vec![(1, 8), (1, 9)], vec![(1, 1)], vec![Some(0), None]),
            (vec![(3, 3)], vec![(1, 1)], vec![None]),
        ] {
            assert_eq!(continued(&keys(&wanted), &keys(&known)), expected);
        }
    }

    #[test]
    fn keys_are_read_as_written() {
        let key = keys(&[(7, u64::MAX)])[0];
        assert_eq!(ListKey::parse(&key.to_string()), Some(key));
        for text in ["", "7", "7-8", "+000000000000007-ffffffffffffffff"] {
            assert_eq!(ListKey::parse(text), None, "{text}");
        }
    }
}
