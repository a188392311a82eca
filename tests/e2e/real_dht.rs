//! The daemon in a private DHT of real libtorrent nodes, to which real peers announce themselves.

mod bans;
mod found;
mod ipv6;
mod restart;
mod silence;
mod traces;
mod trackers_lost;

use std::path::Path;

use crate::rig::daemon::LAB;
use crate::rig::sessions::Sessions;

/// Settings that use the DHT of these sessions. Without `state`, nothing is saved.
fn settings(sessions: &Sessions, state: Option<&Path>) -> String {
    with_bootstrap(&sessions.bootstrap(), state)
}

fn with_bootstrap(bootstrap: &str, state: Option<&Path>) -> String {
    let dht = format!(
        "dht: {{listen: [\"127.0.0.1:0\"], bootstrap: [{bootstrap}], max_rate: 5000/s, \
         interval: 3s}}\nstate: {{path: \"{}\"}}",
        state.unwrap_or(Path::new("")).display()
    );
    LAB.replace("dht: {enabled: false}", &dht)
}
