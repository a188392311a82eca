//! When our network was lost and came back, for the verdicts.

use crate::verdict::NetworkState;
use seedwatch_clock::Mono;
use seedwatch_torrent::Family;

/// Follows the losses of our network.
#[derive(Debug, Default)]
pub(super) struct NetworkMonitor {
    is_down: [bool; 2],
    was_out: bool,
    up_since: Mono,
    family_since: [Option<Mono>; 2],
    names_fail: bool,
}

impl NetworkMonitor {
    /// Records a change of a family. `up` is by [`Family::index`].
    pub(super) fn record(
        &mut self,
        family: Family,
        is_down: bool,
        up: [Option<bool>; 2],
        now: Mono,
    ) {
        let was_down = std::mem::replace(&mut self.is_down[family.index()], is_down);
        if was_down && !is_down {
            self.family_since[family.index()] = Some(now);
        }
        let is_out = is_out(up);
        if std::mem::replace(&mut self.was_out, is_out) && !is_out {
            self.up_since = now;
        }
    }

    /// Records a change of our resolver.
    pub(super) fn record_resolver(&mut self, works: bool, now: Mono) {
        self.names_fail = !works;
        if works {
            self.up_since = now;
        }
    }

    /// Returns the state of the network.
    pub(super) fn state(&self, up: [Option<bool>; 2]) -> NetworkState {
        NetworkState {
            is_out: is_out(up),
            names_fail: self.names_fail,
            working: up.map(|up| up == Some(true)),
            up_since: self.up_since,
            family_since: self.family_since,
        }
    }
}

/// Returns whether one family fails and none works.
fn is_out(up: [Option<bool>; 2]) -> bool {
    up.contains(&Some(false)) && !up.contains(&Some(true))
}
