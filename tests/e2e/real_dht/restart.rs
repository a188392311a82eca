//! Saved nodes suffice to enter the DHT.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::settings;
use crate::rig::clients::Torrent;
use crate::rig::daemon::{Daemon, config, entry, settings_with_dht};
use crate::rig::sessions::Plan;
use crate::rig::wait;
use crate::rig::wire::hex;

#[test]
fn saved_nodes_suffice_without_a_bootstrap() {
    needs_servers!();
    let (first, second) = (Torrent::make("first"), Torrent::make("second"));
    let sessions = Plan::default()
        .torrent(&first, 0..2, 2..9)
        .torrent(&second, 9..9, 9..20)
        .start(24);
    let folder = tempfile::tempdir().unwrap();
    let entries = [
        entry("first", &hex(&first.hash), &[]),
        entry("second", &hex(&second.hash), &[]),
    ];
    let seen = |first, second| {
        [
            (r#"seedwatch_torrent_source_peers{torrent="first"}"#, first),
            (
                r#"seedwatch_torrent_source_peers{torrent="second"}"#,
                second,
            ),
        ]
    };
    let all = seen(Some(9.0), Some(11.0));
    let mut daemon = Daemon::start(&config(&settings(&sessions, Some(folder.path())), &entries));
    daemon.wait_for_values(&all);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_for_end(), Some(0));

    let daemon = Daemon::start(&config(
        &settings_with_dht("", Some(folder.path())),
        &entries,
    ));
    daemon.wait_for_values(&all);
    drop(daemon);

    // Without saved nodes and bootstrap addresses, nothing is claimed.
    let daemon = Daemon::start(&config(&settings_with_dht("", None), &entries));
    wait::throughout(Duration::from_secs(4), || {
        let page = daemon.metrics();
        let claims = page.select("seedwatch_torrent_source_peers").count();
        assert_eq!(claims, 0, "{page}");
    });
}
