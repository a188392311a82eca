//! Over IPv6, nodes list at most 25 peers. All peers are found nevertheless.

use super::settings;
use crate::rig::clients::Torrent;
use crate::rig::daemon::{Daemon, config, entry};
use crate::rig::netns;
use crate::rig::sessions::Plan;
use crate::rig::wire::hex;

const PEERS: usize = 90;

#[test]
fn all_peers_are_found_although_lists_are_truncated() {
    needs_servers!();
    if netns::outside("real_dht::ipv6::all_peers_are_found_although_lists_are_truncated") {
        return;
    }
    let torrent = Torrent::make("crowded");
    let sessions = Plan::default()
        .torrent(&torrent, 0..20, 20..PEERS)
        .start6(PEERS + 10);
    let settings = settings(&sessions, None).replace("127.0.0.1:0", "[::1]:0");
    let daemon = Daemon::start(&config(
        &settings,
        &[entry("crowded", &hex(&torrent.hash), &[])],
    ));
    let page = daemon.wait_for("nearly all peers are counted", |page| {
        page.get(r#"seedwatch_torrent_source_peers{source="dht"}"#) >= Some(PEERS as f64 * 0.98)
    });
    let peers = page.get(r#"seedwatch_torrent_peers{family="ipv6"}"#);
    assert!(peers <= Some(PEERS as f64), "{page}");
    daemon.wait_for_values(&[(r#"seedwatch_dht_up{family="ipv6"}"#, Some(1.0))]);
    daemon.wait_for("filters are counted", |page| {
        let near = |name: &str, truth: f64| {
            let count = page.get(&format!("seedwatch_torrent_dht_{name}"));
            count.is_some_and(|count| (count - truth).abs() <= truth * 0.15)
        };
        near("seeders", 20.0) && near("leechers", 70.0)
    });
}
