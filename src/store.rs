//! The state directory: what survives a restart.
//!
//! One file a section, written beside the old one, synced and renamed over it: whatever happens at
//! whatever moment, the file is the old one or the new one, whole. What cannot be used is put aside
//! for somebody to look at, and the daemon goes on without it.
//!
//! | File | What lives there |
//! |---|---|
//! | `file` | version, length and checksum around the payload of a section. Pure |
//! | `folder` | writing, reading and putting aside |
//! | `guard` | opening files: no links, no FIFOs, no files of other users |
//! | `lost` | the section `lost`: parts of the state that were lost, and when. Pure |
//! | `key` | the section `key` |
//! | `table` | the section `dht`. Pure |
//!
//! All calls block on the disk: not for the threads of the runtime.

mod file;
mod folder;
mod guard;
mod key;
mod lost;
mod table;

pub use file::{Bad, MAX_PAYLOAD};
pub use folder::{MAX_ASIDE, Store};
pub use lost::{Loss, MAX_LOSSES};
pub use table::MAX_CONTACTS;

use std::io;
use std::path::{Path, PathBuf};

use seedwatch_dht::Contact;

/// The section of known DHT nodes.
const DHT: &str = "dht";

/// What is wrong with the state directory or a file in it. The text names the files.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made or written to.
    #[error("the state directory {} cannot be used: {source}", path.display())]
    Folder {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process keeps its state there.
    #[error("the state directory {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A file that is of no use to us.
    #[error("the state file {} {why}{}", path.display(), fate(why, aside.as_ref()))]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: Bad,
        /// Where it is now; `None` if it cannot be moved.
        aside: Option<PathBuf>,
    },
    /// The directory holds what was saved with another key than ours.
    #[error(
        "the state file {} is not the one that was there at the start: nothing is written beside it, restart to use it",
        path.display()
    )]
    OtherKey {
        /// The file of the key.
        path: PathBuf,
    },
    /// A file that was not saved; the one before it, if any, is still there.
    #[error("the state file {} cannot be written: {source}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn fate(why: &Bad, aside: Option<&PathBuf>) -> String {
    match aside {
        None if matches!(why, Bad::Missing) => String::new(),
        Some(aside) => format!("; it was put aside as {}", aside.display()),
        None => "; it cannot be put aside and will be overwritten".to_owned(),
    }
}

/// The nodes that a running daemon saved last, for somebody who only looks: its directory stays as
/// it is. None if there are none of use.
pub fn peek_table(folder: &Path) -> Vec<Contact> {
    let payload = folder::peek(folder, DHT, table::VERSION);
    payload
        .and_then(|payload| table::decode(&payload))
        .unwrap_or_default()
}

impl Store {
    /// The nodes saved last, and what was wrong if they cannot be had. None were saved: no nodes
    /// and no error.
    pub fn load_table(&self) -> (Vec<Contact>, Option<StoreError>) {
        let payload = match self.load(DHT, table::VERSION) {
            Ok(Some((_, payload))) => payload,
            Ok(None) => return (Vec::new(), None),
            Err(error) => return (Vec::new(), Some(error)),
        };
        match table::decode(&payload) {
            Some(contacts) => (contacts, None),
            None => (Vec::new(), Some(self.reject(DHT, Bad::Content))),
        }
    }

    /// Saves nodes, the first [`MAX_CONTACTS`] of them.
    ///
    /// # Errors
    /// [`StoreError::Save`].
    pub fn save_table(&self, contacts: &[Contact]) -> Result<(), StoreError> {
        self.save(DHT, table::VERSION, &table::encode(contacts))
    }
}

#[cfg(test)]
mod tests;
