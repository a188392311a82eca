//! No DHT node receives the info-hash of a private torrent. While the DHT is disabled, no node
//! receives anything.

use std::time::Duration;

use crate::rig::daemon::{Daemon, LAB, config, entry, settings_with_dht};
use crate::rig::exposition::Exposition;
use crate::rig::scripted::DhtNode;
use crate::rig::sessions::Plan;
use crate::rig::swarm::fresh_hash;
use crate::rig::wait;
use crate::rig::wire::hex;

#[test]
fn private_torrents_are_never_looked_up() {
    needs_servers!();
    // This node is the closest to both info-hashes, so every lookup of them queries it.
    let (private, public) = (fresh_hash(), fresh_hash());
    let mut id = private;
    id[19] ^= 1;
    let node = DhtNode::start(id);
    let sessions = Plan::default().start(12);
    let bootstrap = format!("{}, \"{}\"", sessions.bootstrap(), node.address());
    let settings = settings_with_dht(&bootstrap, None);
    let entries = [
        entry("public", &hex(&public), &[]),
        format!(
            "- {{name: private, infohash: \"{}\", private: true}}\n",
            hex(&private)
        ),
    ];
    let daemon = Daemon::start(&config(&settings, &entries));
    wait::until("three rounds", wait::PATIENCE, || {
        (node.lookups_of(&public) >= 3).then_some(())
    });
    let asked = |page: &Exposition, torrent| {
        let labels = format!("{{torrent=\"{torrent}\",source=\"dht\"}}");
        page.get(&format!("seedwatch_torrent_probe_success{labels}"))
    };
    let page = daemon.wait_for("the public torrent was found", |page| {
        asked(page, "public") == Some(1.0)
    });
    assert_eq!(asked(&page, "private"), None);
    let received = node.received();
    assert_eq!(node.lookups_of(&private), 0, "{received:?}");
    assert!(received.iter().all(|query| query.read_only), "{received:?}");
    let known = ["ping", "find_node", "get_peers"];
    let mut methods = received.iter().map(|query| query.method.as_str());
    assert!(
        methods.all(|method| known.contains(&method)),
        "{received:?}"
    );
}

#[test]
fn no_node_is_queried_while_the_dht_is_disabled() {
    let node = DhtNode::start(fresh_hash());
    let bootstrap = format!(
        "dht: {{enabled: false, bootstrap: [\"{}\"]}}",
        node.address()
    );
    let settings = LAB.replace("dht: {enabled: false}", &bootstrap);
    let daemon = Daemon::start(&config(
        &settings,
        &[entry("one", &hex(&fresh_hash()), &[])],
    ));
    wait::throughout(Duration::from_secs(3), || {
        let page = daemon.metrics();
        let of_dht = |text: &str| page.text().contains(text);
        assert!(!of_dht("_dht_") && !of_dht("source=\"dht\""), "{page}");
    });
    assert_eq!(node.received(), []);

    // Once the DHT is enabled, the torrent is looked up.
    let settings = settings_with_dht(&format!("\"{}\"", node.address()), None);
    daemon.write_config(&config(
        &settings,
        &[entry("one", &hex(&fresh_hash()), &[])],
    ));
    assert_eq!(daemon.reload().status, 200);
    wait::until("the node is queried", wait::PATIENCE, || {
        (!node.received().is_empty()).then_some(())
    });
}
