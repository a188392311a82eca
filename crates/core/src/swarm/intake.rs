//! Turns the claimed peers of an answer into the peers that count.

use super::filter::PeerFilter;
use super::peer_list::ScratchLists;
use seedwatch_torrent::address::Accept;

/// Turns the claimed peers of an answer into the peers that count.
#[derive(Debug)]
pub(super) struct PeerIntake {
    pub(super) filter: PeerFilter,
    pub(super) scratch: ScratchLists,
}

impl PeerIntake {
    /// Returns an intake that does not know our own addresses yet. `ports` are those that we
    /// announce to trackers, by family.
    pub(super) fn new(accept: Accept, ports: [u16; 2]) -> Self {
        Self {
            filter: PeerFilter::new(accept, ports),
            scratch: ScratchLists::default(),
        }
    }
}
