//! Parts of the past that were lost with files of the state directory.
//!
//! The peers seen before the loss are not known. Peers counted since then are shown, as for a new
//! torrent. A 0 would say that the swarm was empty, so it is not shown until the window lies behind
//! the loss.

use super::saved::Shard;
use seedwatch_clock::Unix;
use seedwatch_distinct::Window;
use seedwatch_torrent::InfoHash;

/// Windows begin on the hour or on the day, up to so many seconds before their length.
const SLACK: u64 = 24 * 3600;

/// By [`Window::index`], whether a part of the window is not known.
pub(super) type UnknownWindows = [bool; Window::ALL.len()];

/// What was lost, and when.
#[derive(Debug, Default)]
pub(super) struct Lost {
    shards: Vec<(Unix, Shard)>,
    now: Unix,
}

impl Lost {
    pub(super) fn add(&mut self, at: Unix, shard: Shard) {
        self.shards.push((at, shard));
    }

    /// Advances the clock.
    pub(super) fn tick(&mut self, now: Unix) {
        self.now = now;
    }

    /// Returns the windows of a torrent that reach back beyond a loss.
    pub(super) fn of(&self, hash: Option<&InfoHash>) -> UnknownWindows {
        self.unknown(|shard| hash.is_some_and(|hash| shard.has(hash)))
    }

    /// The same of all torrents together.
    pub(super) fn of_any(&self) -> UnknownWindows {
        self.unknown(|_| true)
    }

    fn unknown(&self, has: impl Fn(Shard) -> bool) -> UnknownWindows {
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

/// Either of both.
pub(super) fn or(a: UnknownWindows, b: UnknownWindows) -> UnknownWindows {
    std::array::from_fn(|window| a[window] || b[window])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_known_again_once_it_lies_behind_the_loss() {
        let hash = |first| InfoHash([first; 20]);
        let mut lost = Lost::default();
        assert_eq!(lost.of_any(), [false; 3]);
        lost.add(Unix(1000), Shard { index: 1, of: 2 });
        let day = |n: u64| Unix(1000 + n * 24 * 3600);
        for (now, unknown) in [
            (day(0), [true, true, true]),
            (day(2), [false, true, true]),
            (day(8), [false, false, true]),
            (day(31), [false, false, false]),
        ] {
            lost.tick(now);
            assert_eq!(lost.of(Some(&hash(1))), unknown, "{now:?}");
            assert_eq!(lost.of_any(), unknown, "{now:?}");
            assert_eq!(lost.of(Some(&hash(2))), [false; 3], "the other shard");
        }
        lost.tick(day(0));
        assert_eq!(lost.of(None), [false; 3]);
    }
}
