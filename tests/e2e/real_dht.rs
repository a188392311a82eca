//! The daemon in a private DHT of real libtorrent nodes, to which real peers announce themselves.

mod bans;
mod found;
mod ipv6;
mod restart;
mod silence;
mod traces;
mod trackers_lost;

use std::path::Path;

use crate::rig::daemon::settings_with_dht;
use crate::rig::sessions::Sessions;

/// Settings that use the DHT of these sessions. Without `state`, nothing is saved.
fn settings(sessions: &Sessions, state: Option<&Path>) -> String {
    settings_with_dht(&sessions.bootstrap(), state)
}
