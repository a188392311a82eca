//! The section `lost`: shards of torrents whose history was lost, and when.
//!
//! ```text
//! per loss: Unix time 8 | index of the shard 4 | number of shards 4
//! ```
//!
//! Numbers are big-endian.
//!
//! Without this section, an empty peer list after the next start would turn an unknown month into
//! 0.

use std::io;

use super::{FileError, Store, StoreError};
use seedwatch_clock::Unix;
use seedwatch_core::saved::{append_array, take_array};

/// The name of this section.
const LOST: &str = "lost";
/// The version of this section.
const VERSION: u16 = 1;
/// Most losses kept. The earliest are dropped first.
pub const MAX_LOSSES: usize = 1024;

/// The loss of the history of one shard of torrents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// When the loss was detected.
    pub at: Unix,
    /// The index of the shard, from 0.
    pub index: u32,
    /// The number of shards.
    pub of: u32,
}

impl Store {
    /// Loads the losses of earlier starts; returns none if they cannot be loaded.
    pub fn load_losses(&self) -> Vec<Loss> {
        let loaded = self.load(LOST, VERSION).ok().flatten();
        let losses = loaded.and_then(|(_, payload)| decode(&payload));
        losses.unwrap_or_default()
    }

    /// Saves losses, the last [`MAX_LOSSES`] of them.
    ///
    /// # Errors
    /// [`StoreError::Save`].
    pub fn save_losses(&self, losses: &[Loss]) -> Result<(), StoreError> {
        match losses {
            [] => self.remove_if_there(LOST),
            losses => self.save(LOST, VERSION, &encode(losses)),
        }
    }

    /// Returns the error that the disk of the directory does not answer.
    pub fn hangs(&self) -> StoreError {
        let why = "the disk does not answer";
        self.unusable(io::Error::new(io::ErrorKind::TimedOut, why))
    }

    /// Returns the error that a section is missing.
    pub fn missing(&self, section: &str) -> StoreError {
        StoreError::File {
            path: self.path(section),
            why: FileError::Missing,
            quarantined: None,
        }
    }
}

fn encode(losses: &[Loss]) -> Vec<u8> {
    let first = losses.len().saturating_sub(MAX_LOSSES);
    let mut payload = Vec::new();
    for loss in &losses[first..] {
        append_array(&loss.at.0.to_be_bytes(), &mut payload);
        append_array(&loss.index.to_be_bytes(), &mut payload);
        append_array(&loss.of.to_be_bytes(), &mut payload);
    }
    payload
}

/// Returns `None` if the length is wrong or there are more than [`MAX_LOSSES`].
fn decode(mut payload: &[u8]) -> Option<Vec<Loss>> {
    let mut losses = Vec::new();
    while !payload.is_empty() && losses.len() < MAX_LOSSES {
        losses.push(Loss {
            at: Unix(u64::from_be_bytes(take_array(&mut payload).ok()?)),
            index: u32::from_be_bytes(take_array(&mut payload).ok()?),
            of: u32::from_be_bytes(take_array(&mut payload).ok()?),
        });
    }
    payload.is_empty().then_some(losses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_saved_and_bounded() {
        let loss = |at| Loss {
            at: Unix(at),
            index: 3,
            of: 8,
        };
        assert_eq!(
            decode(&encode(&[loss(1), loss(2)])),
            Some(vec![loss(1), loss(2)])
        );
        assert_eq!(decode(&encode(&[loss(1)])[1..]), None);
        let many: Vec<Loss> = (0..=MAX_LOSSES as u64).map(loss).collect();
        assert_eq!(decode(&encode(&many)).unwrap(), many[1..]);
        let more = [encode(&many), encode(&many[..1])].concat();
        assert_eq!(decode(&more), None);

        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        store.prepare().unwrap();
        assert!(store.load_losses().is_empty());
        store.save_losses(&[]).unwrap();
        store.save_losses(&[loss(1)]).unwrap();
        assert_eq!(store.load_losses(), [loss(1)]);
        store.save_losses(&[]).unwrap();
        assert!(store.load_losses().is_empty());
    }
}
