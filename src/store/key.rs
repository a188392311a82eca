//! The section `key`: the secret that peers are hashed with. Written once, at the first start.

use super::{Bad, Store, StoreError};
use seedwatch_distinct::Key;

/// Its name.
const KEY: &str = "key";
/// Version of this section.
const VERSION: u16 = 1;

impl Store {
    /// The key of this directory; `None` if it has none yet.
    ///
    /// # Errors
    /// [`StoreError::Bad`]: there is one, and it is of no use. It has been put aside.
    pub fn load_key(&self) -> Result<Option<Key>, StoreError> {
        let Some((_, payload)) = self.load(KEY, VERSION)? else {
            return Ok(None);
        };
        match <[u8; 16]>::try_from(payload) {
            Ok(secret) => Ok(Some(Key::new(secret))),
            Err(_) => Err(self.reject(KEY, Bad::Content)),
        }
    }

    /// Sees to it that the key of this directory is ours: without it, nothing that is saved beside
    /// it is of use.
    ///
    /// # Errors
    /// [`StoreError::OtherKey`], for what another key was used for must not be overwritten: the
    /// directory came too late, or somebody else uses it. [`StoreError::Save`].
    pub fn claim(&self, key: &Key) -> Result<(), StoreError> {
        match self.load_key() {
            Ok(Some(found)) if found == *key => Ok(()),
            Ok(Some(_)) => Err(StoreError::OtherKey {
                path: self.path(KEY),
            }),
            // A damaged one does not stand in the way of the same, whole.
            Ok(None) | Err(_) => self.save(KEY, VERSION, key.secret()),
        }
    }
}
