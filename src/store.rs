//! The state directory: what survives a restart.
//!
//! One file per section. A new file is written beside the old one, synced and renamed over it, so a
//! crash leaves either file complete. A file that cannot be used is quarantined: it is renamed for
//! inspection, and the daemon continues without it.
//!
//! | Module | Contents |
//! |---|---|
//! | `file` | version, length and checksum around the payload of a section. Pure |
//! | `folder` | writing, reading, quarantine |
//! | `events` | the file of events, which grows by records |
//! | `guard` | opening files: no links, no FIFOs, no files of other users |
//! | `lost` | the section `lost`: shards of the state that were lost, and when. Pure |
//! | `key` | the section `key` |
//! | `ports` | the section `ports`: the ports that we announce, until all announces are withdrawn |
//! | `table` | the section `dht`. Pure |
//!
//! All calls block on the disk, so they must not run on threads of the async runtime.

mod events;
mod file;
mod folder;
mod guard;
mod key;
mod lost;
mod ports;
mod table;

pub use events::{EventFile, LoadedEvents};
pub use file::{FileError, MAX_PAYLOAD};
pub use folder::{MAX_QUARANTINED, Store};
pub use lost::{Loss, MAX_LOSSES};
pub use ports::Ports;
pub use table::MAX_CONTACTS;

use std::io;
use std::path::{Path, PathBuf};

use seedwatch_dht::Contact;

/// The section of known DHT nodes.
const DHT: &str = "dht";

/// An error of the state directory or of a file in it. The text names the files.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be created or written to.
    #[error("the state directory {} cannot be used: {source}", path.display())]
    Folder {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process keeps its state there.
    #[error("the state directory {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A file cannot be used.
    #[error("the state file {} {why}{}", path.display(), fate(why, quarantined.as_ref()))]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        why: FileError,
        /// The new path of the file; `None` if it cannot be moved.
        quarantined: Option<PathBuf>,
    },
    /// The directory holds state that was saved with another key than ours.
    #[error(
        "the state file {} is not the one that was there at the start: no state is saved; restart \
         to use it",
        path.display()
    )]
    OtherKey {
        /// The file of the key.
        path: PathBuf,
    },
    /// A file was not saved. An earlier file under the same name is still there.
    #[error("the state file {} cannot be written: {source}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Returns the end of the message of [`StoreError::File`].
fn fate(why: &FileError, quarantined: Option<&PathBuf>) -> String {
    match quarantined {
        None if matches!(why, FileError::Missing) => String::new(),
        Some(path) => format!("; it was quarantined as {}", path.display()),
        None => "; it cannot be quarantined and will be overwritten".to_owned(),
    }
}

/// Reads the nodes that a running daemon saved last, without changing its directory. Returns no
/// nodes if they cannot be read.
pub fn peek_table(folder: &Path) -> Vec<Contact> {
    let payload = folder::peek(folder, DHT, table::VERSION);
    payload
        .and_then(|payload| table::decode(&payload))
        .unwrap_or_default()
}

/// Reads a section that a running daemon saved last, without changing its directory. Returns `None`
/// if it cannot be read.
pub fn peek(folder: &Path, section: &str, version: u16) -> Option<Vec<u8>> {
    folder::peek(folder, section, version)
}

impl Store {
    /// Loads the nodes saved last, with the error if they cannot be loaded. If no nodes were saved,
    /// returns neither nodes nor an error.
    pub fn load_table(&self) -> (Vec<Contact>, Option<StoreError>) {
        let payload = match self.load(DHT, table::VERSION) {
            Ok(Some((_, payload))) => payload,
            Ok(None) => return (Vec::new(), None),
            Err(error) => return (Vec::new(), Some(error)),
        };
        match table::decode(&payload) {
            Some(contacts) => (contacts, None),
            None => (Vec::new(), Some(self.reject(DHT, FileError::Content))),
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
