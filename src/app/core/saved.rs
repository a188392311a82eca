//! What must survive a restart, as bytes.

use super::Core;
use seedwatch_clock::{Now, Unix};
use seedwatch_core::schedule;
use seedwatch_core::swarm::Shard;
use seedwatch_distinct::{DecodeError, Format};

impl Core {
    /// Appends what is known of trackers.
    pub fn encode_trackers(&self, now: Now, out: &mut Vec<u8>) {
        self.schedule.encode(&self.roster, now, out);
    }

    /// Takes over what [`Core::encode_trackers`] wrote, for trackers that come from now on.
    ///
    /// # Errors
    /// These bytes are something else; then nothing changed.
    pub fn recall_trackers(&mut self, bytes: &[u8], now: Now) -> Result<(), schedule::Nonsense> {
        self.schedule.recall(bytes, now)
    }

    /// Torrents of which something may be remembered.
    pub fn saved_torrents(&self) -> usize {
        self.swarms.saved_torrents()
    }

    /// Collections of which something may be remembered.
    pub fn saved_collections(&self) -> usize {
        self.swarms.saved_collections()
    }

    /// Appends what a shard of the collections remembers; the first has what all torrents share, too.
    pub fn encode_shared(&self, shard: Shard, out: &mut Vec<u8>) {
        self.swarms.encode_shared(shard, out);
    }

    /// Takes over what [`Core::encode_shared`] wrote, beside what is there. To be done before the first
    /// configuration.
    ///
    /// # Errors
    /// Written with another key, or something else; then nothing changed.
    pub fn decode_shared(&mut self, bytes: &[u8], format: Format) -> Result<(), DecodeError> {
        self.swarms.decode_shared(bytes, format)
    }

    /// Takes over that what was remembered of a shard of the torrents is lost, as found out then.
    pub fn lose(&mut self, at: Unix, shard: Shard) {
        self.swarms.mark_lost(at, shard);
    }

    /// Whoever was seen of any torrent was seen of the whole fleet.
    pub(in crate::app) fn rebuild_all_peers(&mut self) {
        self.swarms.rebuild_all_peers();
    }

    /// Appends what is remembered of a shard of the torrents.
    pub fn encode_torrents(&mut self, shard: Shard, out: &mut Vec<u8>) {
        self.swarms.encode_torrents(&self.roster, shard, out);
    }

    /// Takes over what [`Core::encode_torrents`] wrote, beside what is there. To be done before the first
    /// configuration.
    ///
    /// # Errors
    /// Written with another key, or something else; then nothing changed.
    pub fn decode_torrents(&mut self, bytes: &[u8], format: Format) -> Result<(), DecodeError> {
        self.swarms.decode_torrents(bytes, format)
    }
}
