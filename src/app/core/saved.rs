//! What must survive a restart, as bytes.

use super::Core;
use seedwatch_clock::{Now, Unix};
use seedwatch_core::schedule;
use seedwatch_core::swarm::Part;
use seedwatch_distinct::{Layout, Nonsense};

impl Core {
    /// Appends what is known of trackers.
    pub fn encode_trackers(&self, now: Now, out: &mut Vec<u8>) {
        self.schedule.encode(&self.roster, now, out);
    }

    /// Takes over what [`Core::encode_trackers`] wrote, for trackers that come from now on.
    ///
    /// # Errors
    /// These bytes are something else; then nothing changed.
    pub fn recall_trackers(&mut self, bytes: &[u8], now: Now) -> Result<(), schedule::DecodeError> {
        self.schedule.restore(bytes, now)
    }

    /// Torrents of which something may be remembered.
    pub fn remembered(&self) -> usize {
        self.swarms.remembered()
    }

    /// Collections of which something may be remembered.
    pub fn collections_remembered(&self) -> usize {
        self.swarms.collections_remembered()
    }

    /// Appends what a part of the collections remembers; the first has what all torrents share, too.
    pub fn encode_shared(&self, part: Part, out: &mut Vec<u8>) {
        self.swarms.encode_shared(part, out);
    }

    /// Takes over what [`Core::encode_shared`] wrote, beside what is there. To be done before the first
    /// configuration.
    ///
    /// # Errors
    /// Written with another key, or something else; then nothing changed.
    pub fn decode_shared(&mut self, bytes: &[u8], layout: Layout) -> Result<(), Nonsense> {
        self.swarms.decode_shared(bytes, layout)
    }

    /// Takes over that what was remembered of a part of the torrents is lost, as found out then.
    pub fn lose(&mut self, at: Unix, part: Part) {
        self.swarms.lose(at, part);
    }

    /// Whoever was seen of any torrent was seen of the whole fleet.
    pub(in crate::app) fn recall_fleet(&mut self) {
        self.swarms.recall_fleet();
    }

    /// Appends what is remembered of a part of the torrents.
    pub fn encode_torrents(&mut self, part: Part, out: &mut Vec<u8>) {
        self.swarms.encode_torrents(&self.roster, part, out);
    }

    /// Takes over what [`Core::encode_torrents`] wrote, beside what is there. To be done before the first
    /// configuration.
    ///
    /// # Errors
    /// Written with another key, or something else; then nothing changed.
    pub fn decode_torrents(&mut self, bytes: &[u8], layout: Layout) -> Result<(), Nonsense> {
        self.swarms.decode_torrents(bytes, layout)
    }
}
