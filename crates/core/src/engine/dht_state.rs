//! What is known about the DHT as a whole.

use std::time::Duration;

use super::is_local_host;
use super::settings::DhtSettings;
use seedwatch_clock::Mono;
use seedwatch_dht::DhtStatus;
use seedwatch_torrent::Family;

/// How long the DHT of a family that is down may send with each check of the canaries.
const TRIAL: Duration = Duration::from_secs(10);

/// What is known about the DHT as a whole.
#[derive(Debug, Default)]
pub(super) struct DhtState {
    pub(super) enabled: bool,
    /// Whether its nodes are on the internet, so that their answers show that our network works.
    pub(super) is_outside: bool,
    /// By [`Family::index`]; `None` without a socket.
    pub(super) status: [Option<DhtStatus>; 2],
    /// Until when a family that is down may send.
    trial_ends: [Mono; 2],
    /// Whether each family was last reported as silent.
    was_silent: [bool; 2],
}

impl DhtState {
    /// Applies new settings.
    pub(super) fn configure(&mut self, settings: &DhtSettings, trust_local: bool) {
        self.enabled = settings.enabled;
        let bootstrap = &settings.bootstrap;
        let is_local =
            !bootstrap.is_empty() && bootstrap.iter().all(|(host, _)| is_local_host(host));
        self.is_outside = trust_local || !is_local;
        if !self.enabled {
            self.status = [None; 2];
            self.was_silent = [false; 2];
        }
    }

    /// Lets a family that is down send for a while.
    pub(super) fn begin_trial(&mut self, family: Family, now: Mono) {
        self.trial_ends[family.index()] = now.after(TRIAL);
    }

    /// Returns whether a family that is down may send.
    pub(super) fn is_on_trial(&self, family: Family, now: Mono) -> bool {
        now < self.trial_ends[family.index()]
    }

    /// Returns the families that fell silent or answer again since the last call, and whether they
    /// answer. Silence that our own network may explain changes nothing.
    pub(super) fn take_changes(&mut self, network_up: [Option<bool>; 2]) -> Vec<(Family, bool)> {
        let shown = self.shown(network_up);
        let mut changes = Vec::new();
        for family in Family::ALL {
            let up = shown[family.index()].and_then(|status| status.up);
            let was_silent = &mut self.was_silent[family.index()];
            if let Some(up) = up.filter(|up| *up == *was_silent) {
                *was_silent = !up;
                changes.push((family, up));
            }
        }
        changes
    }

    /// Returns the status as it is shown; `network_up` says by family whether our network works.
    pub(super) fn shown(&self, network_up: [Option<bool>; 2]) -> [Option<DhtStatus>; 2] {
        [0, 1].map(|family| {
            let status = self.status[family]?;
            Some(DhtStatus {
                // Unless our own network works, it may be the reason for the silence.
                up: status
                    .up
                    .filter(|up| *up || network_up[family] == Some(true)),
                // Our own address is for diagnosis only, and no page shows it.
                external_ip: None,
                ..status
            })
        })
    }
}
