//! The section `ports`: the ports that the running process announces to trackers.
//!
//! ```text
//! port over IPv4 2 | port over IPv6 2
//! ```
//!
//! Numbers are big-endian. The section holds no address. It is removed at a clean end, after all
//! announces were withdrawn. If a process finds it, its predecessor was killed and may have left
//! entries at trackers.

use super::{FileError, Store, StoreError};
use seedwatch_torrent::Family;

/// The name of this section.
const PORTS: &str = "ports";
/// The version of this section.
const VERSION: u16 = 1;

/// Ports by [`Family::index`].
pub type Ports = [u16; Family::ALL.len()];

impl Store {
    /// Loads the ports of a process that was killed; `None` if none was.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn load_ports(&self) -> Result<Option<Ports>, StoreError> {
        let Some((_, payload)) = self.load(PORTS, VERSION)? else {
            return Ok(None);
        };
        match decode(&payload) {
            Some(ports) => Ok(Some(ports)),
            None => Err(self.reject(PORTS, FileError::Content)),
        }
    }

    /// Saves ports before they are announced.
    ///
    /// # Errors
    /// [`StoreError::Save`].
    pub fn save_ports(&self, ports: Ports) -> Result<(), StoreError> {
        let [v4, v6] = ports.map(u16::to_be_bytes);
        self.save(PORTS, VERSION, &[v4, v6].concat())
    }

    /// Forgets the ports after all announces were withdrawn.
    ///
    /// # Errors
    /// [`StoreError::Save`].
    pub fn forget_ports(&self) -> Result<(), StoreError> {
        self.remove_if_there(PORTS)
    }
}

/// Returns `None` if the length is wrong or a port is 0.
fn decode(payload: &[u8]) -> Option<Ports> {
    let &[a, b, c, d] = payload else { return None };
    let ports = [[a, b], [c, d]].map(u16::from_be_bytes);
    (!ports.contains(&0)).then_some(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_there_until_they_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        store.prepare().unwrap();
        assert_eq!(store.load_ports().unwrap(), None);
        store.save_ports([20_000, 30_001]).unwrap();
        assert_eq!(store.load_ports().unwrap(), Some([20_000, 30_001]));
        store.forget_ports().unwrap();
        store.forget_ports().unwrap();
        assert_eq!(store.load_ports().unwrap(), None);
        for payload in [&[1, 2, 3][..], &[0, 0, 1, 2], &[1; 5]] {
            store.save(PORTS, VERSION, payload).unwrap();
            assert!(store.load_ports().is_err(), "{payload:?}");
            assert_eq!(store.load_ports().unwrap(), None, "quarantined");
        }
    }
}
