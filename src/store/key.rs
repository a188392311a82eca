//! The section `key`: the secret that peers are hashed with. It is written once, at the first
//! start.

use super::{FileError, Store, StoreError};
use seedwatch_distinct::Key;

/// The name of this section.
const KEY: &str = "key";
/// The version of this section.
const VERSION: u16 = 1;

impl Store {
    /// Loads the key of this directory; returns `None` if it has none yet.
    ///
    /// # Errors
    /// [`StoreError::File`] if there is a key file that cannot be used. It has been quarantined.
    pub fn load_key(&self) -> Result<Option<Key>, StoreError> {
        let Some((_, payload)) = self.load(KEY, VERSION)? else {
            return Ok(None);
        };
        match <[u8; 16]>::try_from(payload) {
            Ok(secret) => Ok(Some(Key::new(secret))),
            Err(_) => Err(self.reject(KEY, FileError::Content)),
        }
    }

    /// Ensures that the key of this directory is ours, because other sections are useless without
    /// their key. Saves our key if there is none.
    ///
    /// # Errors
    /// [`StoreError::OtherKey`] if the directory has another key: it was mounted after the start,
    /// or another installation uses it. Its sections must not be overwritten. [`StoreError::Save`]
    /// if the key cannot be saved.
    pub fn claim(&self, key: &Key) -> Result<(), StoreError> {
        match self.load_key() {
            Ok(Some(found)) if found == *key => Ok(()),
            Ok(Some(_)) => Err(StoreError::OtherKey {
                path: self.path(KEY),
            }),
            // A damaged key file has been quarantined and is replaced.
            Ok(None) | Err(_) => self.save(KEY, VERSION, key.secret()),
        }
    }
}
