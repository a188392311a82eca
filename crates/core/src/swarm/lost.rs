//! Shards of the peer history that were lost with files of the state directory.
//!
//! The peers seen before the loss are unknown. Peers counted since then are shown, as for a new
//! torrent. A 0 would claim that the swarm was empty, so it is not shown until the window begins
//! after the loss.

use super::shard::Shard;
use crate::snapshot::UnknownWindows;
use seedwatch_clock::Unix;
use seedwatch_distinct::Window;
use seedwatch_torrent::InfoHash;

/// Windows begin on the hour or on the day, up to so many seconds before their length.
const SLACK: u64 = 24 * 3600;

/// The shards that were lost, and when.
#[derive(Debug, Default)]
pub(super) struct LostShards {
    shards: Vec<(Unix, Shard)>,
    now: Unix,
}

impl LostShards {
    /// Adds a shard that was found lost at this time.
    pub(super) fn add(&mut self, at: Unix, shard: Shard) {
        self.shards.push((at, shard));
    }

    /// Advances the clock.
    pub(super) fn tick(&mut self, now: Unix) {
        self.now = now;
    }

    /// Returns the windows of a torrent that begin before a loss.
    pub(super) fn windows_of(&self, hash: Option<&InfoHash>) -> UnknownWindows {
        self.windows(|shard| hash.is_some_and(|hash| shard.has(hash)))
    }

    /// Returns the windows of all torrents together that begin before a loss.
    pub(super) fn windows_of_any(&self) -> UnknownWindows {
        self.windows(|_| true)
    }

    fn windows(&self, has: impl Fn(Shard) -> bool) -> UnknownWindows {
        let latest = self.shards.iter().filter(|(_, shard)| has(*shard));
        let Some(latest) = latest.map(|(at, _)| at.0).max() else {
            return UnknownWindows::default();
        };
        Window::ALL.map(|window| {
            let length = u64::from(window.hours()) * 3600 + SLACK;
            self.now.0 < latest.saturating_add(length)
        })
    }
}

/// Returns the windows that are unknown in at least one of two sets.
pub(super) fn either(a: UnknownWindows, b: UnknownWindows) -> UnknownWindows {
    std::array::from_fn(|window| a[window] || b[window])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_known_again_once_it_begins_after_the_loss() {
        let hash = |first| InfoHash([first; 20]);
        let mut lost = LostShards::default();
        assert_eq!(lost.windows_of_any(), [false; 3]);
        lost.add(Unix(1000), Shard { index: 1, of: 2 });
        let day = |n: u64| Unix(1000 + n * 24 * 3600);
        for (now, unknown) in [
            (day(0), [true, true, true]),
            (day(2), [false, true, true]),
            (day(8), [false, false, true]),
            (day(31), [false, false, false]),
        ] {
            lost.tick(now);
            assert_eq!(lost.windows_of(Some(&hash(1))), unknown, "{now:?}");
            assert_eq!(lost.windows_of_any(), unknown, "{now:?}");
            let other_shard = lost.windows_of(Some(&hash(2)));
            assert_eq!(other_shard, [false; 3], "{now:?}");
        }
        lost.tick(day(0));
        assert_eq!(lost.windows_of(None), [false; 3]);
    }
}
