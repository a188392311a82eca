//! The DHT in the daemon, with an emulated DHT: as a second source beside a tracker, and as the
//! only source.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::rig::daemon::{BINARY, Daemon, LAB, config, entry, settings_with_dht};
use crate::rig::dht::DhtWorld;
use crate::rig::exposition::Exposition;
use crate::rig::scripted::{self, Truth, UdpTracker};
use crate::rig::swarm::fresh_hash;
use crate::rig::wire::{Hash, hex};
use crate::rig::{address, netns, wait};
use seedwatch_dev_dht_world::{Delay, Net, WorldSettings};

/// Peers of every info-hash in the emulated DHT; a quarter are seeders.
const PEERS: usize = 12;
const PORT: u16 = 6881;

fn world() -> DhtWorld {
    world_of(Net::V4, PORT)
}

fn world_of(family: Net, port: u16) -> DhtWorld {
    let settings = WorldSettings {
        family,
        nodes: 2_000,
        dead: 0.2,
        delay: Delay::Uniform {
            min_ms: 2.0,
            max_ms: 10.0,
        },
        ..WorldSettings::default()
    };
    DhtWorld::start(&settings, PEERS, port)
}

/// Settings that use the emulated DHT; `state` is the state directory.
fn settings(bootstrap: &str, state: &Path) -> String {
    settings_with_dht(bootstrap, Some(state))
}

fn bootstrap(world: &DhtWorld) -> String {
    let quoted = world.bootstrap().iter().map(|node| format!("\"{node}\""));
    quoted.collect::<Vec<_>>().join(", ")
}

/// Returns an info-hash far from those of other numbers, so that swarms differ.
fn hash(number: u8) -> Hash {
    let mut hash = fresh_hash();
    hash[0] = number;
    hash
}

fn addresses(world: &DhtWorld, hash: Hash) -> BTreeSet<IpAddr> {
    world.peers_of(hash).iter().map(|peer| peer.ip()).collect()
}

#[test]
fn peers_are_found_in_the_dht_with_and_without_trackers() {
    needs_servers!();
    if netns::outside("dht::peers_are_found_in_the_dht_with_and_without_trackers") {
        return;
    }
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let (both, lonely, private) = (hash(1), hash(90), hash(200));
    // The DHT also knows two of its five peers.
    let others = (0..3).map(|number| SocketAddr::new(address::peer(number), 6881));
    let known = world.peers_of(both).into_iter().take(2);
    let truth = Truth::of(known.chain(others));
    let tracker = UdpTracker::start(move |packet| vec![scripted::honest(packet, &truth)]);
    let in_dht = addresses(&world, lonely).len() as f64;
    let in_dht_of_both = addresses(&world, both).len() as f64;
    let entries = [
        entry("both", &hex(&both), &[tracker.endpoint().url()]),
        entry("lonely", &hex(&lonely), &[]),
        format!(
            "- {{name: private, infohash: \"{}\", private: true}}\n",
            hex(&private)
        ),
    ];
    let with_dht = config(&settings(&bootstrap(&world), folder.path()), &entries);
    let daemon = Daemon::start(&with_dht);
    let expected = expected_counts(in_dht, in_dht_of_both);
    daemon.wait_for_values(&expected);
    let page = daemon.wait_for("filters are counted", counts_by_filters);
    assert!(page.get("seedwatch_dht_lookup_queries_count") >= Some(2.0));
    assert_eq!(page.select("seedwatch_dht_up").count(), 1, "{page}");

    // A reload without the DHT removes all its series; a further reload restores them.
    let without = LAB.to_owned() + "state: {path: \"\"}\n";
    daemon.write_config(&config(&without, &entries));
    assert_eq!(daemon.reload().status, 200);
    let page = daemon.metrics();
    assert!(page.names().all(|name| !name.contains("_dht_")), "{page}");
    let of_dht = r#"source="dht""#;
    assert!(!page.text().contains(of_dht), "{page}");
    daemon.write_config(&with_dht);
    assert_eq!(daemon.reload().status, 200);
    daemon.wait_for_values(&expected);

    let state = std::fs::read(folder.path().join("dht.state")).unwrap();
    assert_no_peer(&addresses(&world, lonely), &daemon.log(), &state);
    assert!(!state.windows(20).any(|bytes| bytes == lonely));
}

/// Returns what is expected of the torrents `lonely` and `both`, which have so many peers in the
/// DHT. The tracker of `both` lists three others.
fn expected_counts(lonely: f64, both: f64) -> [(&'static str, Option<f64>); 10] {
    [
        (
            r#"seedwatch_torrent_source_peers{torrent="lonely",source="dht"}"#,
            Some(lonely),
        ),
        (
            r#"seedwatch_torrent_peers{torrent="lonely",family="ipv4"}"#,
            Some(lonely),
        ),
        (
            r#"seedwatch_torrent_source_peers{torrent="both",source="dht"}"#,
            Some(both),
        ),
        (
            r#"seedwatch_torrent_source_peers{torrent="both",source="tracker"}"#,
            Some(5.0),
        ),
        (
            r#"seedwatch_torrent_peers{torrent="both",family="ipv4"}"#,
            Some(both + 3.0),
        ),
        (
            r#"seedwatch_torrent_probe_success{torrent="lonely",source="dht"}"#,
            Some(1.0),
        ),
        (
            r#"seedwatch_torrent_probe_success{torrent="private",source="dht"}"#,
            None,
        ),
        (r#"seedwatch_dht_up{family="ipv4"}"#, Some(1.0)),
        (r#"seedwatch_dht_nodes{family="ipv6"}"#, None),
        (r#"seedwatch_network_up{family="ipv4"}"#, Some(1.0)),
    ]
}

/// Returns whether filters have counted the three seeders and nine leechers of `lonely`.
fn counts_by_filters(page: &Exposition) -> bool {
    let counted = |name| {
        page.get(&format!(
            "seedwatch_torrent_dht_{name}{{torrent=\"lonely\"}}"
        ))
    };
    let counts = counted("seeders").zip(counted("leechers"));
    counts.is_some_and(|(seeders, leechers)| {
        (seeders - 3.0).abs() <= 1.0 && (leechers - 9.0).abs() <= 1.0
    })
}

/// Checks that neither the log nor the state contains a peer.
fn assert_no_peer(peers: &BTreeSet<IpAddr>, log: &str, state: &[u8]) {
    for peer in peers {
        assert!(!log.contains(&peer.to_string()), "{log}");
        let IpAddr::V4(ip) = peer else { continue };
        let known = state.windows(4).any(|bytes| bytes == ip.octets());
        assert!(!known, "a peer is in the state");
    }
}

#[test]
fn both_families_and_both_hashes_of_a_hybrid_are_looked_up() {
    needs_servers!();
    if netns::outside("dht::both_families_and_both_hashes_of_a_hybrid_are_looked_up") {
        return;
    }
    let worlds = [world(), world_of(Net::V6, PORT + 2)];
    let folder = tempfile::tempdir().unwrap();
    let [v1, v2] = [hash(1), hash(200)];
    let magnet = format!(
        "magnet:?xt=urn:btih:{}&xt=urn:btmh:1220{}{}&dn=hybrid",
        hex(&v1),
        hex(&v2),
        "0".repeat(24)
    );
    let entries = [format!("- {{magnet: \"{magnet}\"}}\n")];
    let bootstraps = worlds.each_ref().map(bootstrap).join(", ");
    let lab = settings(&bootstraps, folder.path());
    let lab = lab.replace("\"127.0.0.1:0\"", "\"127.0.0.1:0\", \"[::1]:0\"");
    let daemon = Daemon::start(&config(&lab, &entries));
    let nets = |world: &DhtWorld, bytes: usize| {
        let both = addresses(world, v1).into_iter().chain(addresses(world, v2));
        let nets = both.map(|ip| match ip {
            IpAddr::V4(ip) => ip.octets()[..bytes].to_vec(),
            IpAddr::V6(ip) => ip.octets()[..bytes].to_vec(),
        });
        nets.collect::<BTreeSet<_>>().len() as f64
    };
    let (in_v4, in_v6) = (nets(&worlds[0], 4), nets(&worlds[1], 8));
    assert!(in_v4 > PEERS as f64 && in_v6 > PEERS as f64);
    daemon.wait_for_values(&[
        (r#"seedwatch_torrent_peers{family="ipv4"}"#, Some(in_v4)),
        (r#"seedwatch_torrent_peers{family="ipv6"}"#, Some(in_v6)),
        (
            r#"seedwatch_torrent_source_peers{source="dht"}"#,
            Some(in_v4 + in_v6),
        ),
        (r#"seedwatch_dht_up{family="ipv4"}"#, Some(1.0)),
        (r#"seedwatch_dht_up{family="ipv6"}"#, Some(1.0)),
    ]);
}

#[test]
fn a_reload_changes_the_sockets_or_nothing() {
    needs_servers!();
    if netns::outside("dht::a_reload_changes_the_sockets_or_nothing") {
        return;
    }
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (hash(1), hash(200));
    let lab = settings(&bootstrap(&world), folder.path());
    let listen = |addresses: &str| lab.replace("\"127.0.0.1:0\"", addresses);
    let one = entry("first", &hex(&first), &[]);
    let two = [one.clone(), entry("second", &hex(&second), &[])];
    let daemon = Daemon::start(&config(&lab, &[one]));
    let of_first = (
        r#"seedwatch_torrent_peers{torrent="first",family="ipv4"}"#,
        Some(PEERS as f64),
    );
    let of_second = (
        r#"seedwatch_torrent_peers{torrent="second",family="ipv4"}"#,
        Some(PEERS as f64),
    );
    daemon.wait_for_values(&[of_first]);
    for addresses in ["\"127.0.0.1:7000\"", "\"127.0.0.1:7000\", \"[::1]:0\""] {
        daemon.write_config(&config(&listen(addresses), &two));
        assert_eq!(daemon.reload().status, 200);
        assert_eq!(
            daemon.metrics().get(of_first.0),
            of_first.1,
            "the value is kept"
        );
        daemon.wait_for_values(&[of_second]);
    }
    let families = |page: &Exposition| page.select("seedwatch_dht_nodes").count() == 2;
    daemon.wait_for("both families", families);
    // The port of the emulated DHT is taken.
    let taken = format!("\"127.0.0.1:{PORT}\"");
    daemon.write_config(&config(&listen(&taken), &[]));
    let answer = daemon.reload();
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert!(answer.text().contains(&format!("127.0.0.1:{PORT}")));
    let queries = world.count("queries");
    wait::until("queries continue", wait::PATIENCE, || {
        (world.count("queries") > queries).then_some(())
    });
    assert_eq!(daemon.metrics().get(of_first.0), of_first.1);
}

#[test]
fn saved_nodes_replace_the_bootstrap() {
    needs_servers!();
    if netns::outside("dht::saved_nodes_replace_the_bootstrap") {
        return;
    }
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let hash = hash(1);
    let peers = addresses(&world, hash).len() as f64;
    let entries = [entry("lonely", &hex(&hash), &[])];
    let seen = [("seedwatch_torrent_peers", Some(peers))];
    let mut daemon = Daemon::start(&config(&settings(&bootstrap(&world), &state), &entries));
    daemon.wait_for_values(&seen);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_for_end(), Some(0));
    let mode = std::fs::metadata(state.join("dht.state"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let daemon = Daemon::start(&config(&settings("", &state), &entries));
    daemon.wait_for_values(&seen);

    // A directory that cannot be created is reported and does not stop the daemon.
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let daemon = Daemon::start(&config(&settings(&bootstrap(&world), &file), &entries));
    daemon.wait_for_values(&seen);
    daemon.wait_for_log("the state is not saved");
}

#[test]
fn an_outage_of_our_network_is_not_a_failure_of_the_dht() {
    needs_servers!();
    if netns::outside("dht::an_outage_of_our_network_is_not_a_failure_of_the_dht") {
        return;
    }
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let hash = hash(1);
    let peers = Some(addresses(&world, hash).len() as f64);
    let entries = [entry("lonely", &hex(&hash), &[])];
    let daemon = Daemon::start(&config(
        &settings(&bootstrap(&world), folder.path()),
        &entries,
    ));
    let (network, seen) = (
        r#"seedwatch_network_up{family="ipv4"}"#,
        "seedwatch_torrent_peers",
    );
    daemon.wait_for_values(&[(seen, peers), (network, Some(1.0))]);
    netns::cut();
    let assert_no_failure_is_counted = |page: &Exposition| {
        let success = page.get("seedwatch_torrent_probe_success");
        assert_ne!(success, Some(0.0), "{page}");
        assert_ne!(page.get(seen), Some(0.0), "{page}");
    };
    daemon.wait_within("the outage is seen", wait::PATIENCE, |page| {
        assert_no_failure_is_counted(page);
        page.get(network) == Some(0.0) && page.get(seen).is_none()
    });
    wait::throughout(Duration::from_secs(2), || {
        assert_no_failure_is_counted(&daemon.metrics())
    });
    netns::restore();
    daemon.wait_within("the outage is over", wait::PATIENCE, |page| {
        assert_no_failure_is_counted(page);
        page.get(network) == Some(1.0) && page.get(seen) == peers
    });
}

#[test]
fn a_probe_prints_the_lookup() {
    needs_servers!();
    if netns::outside("dht::a_probe_prints_the_lookup") {
        return;
    }
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let run = |settings: &str, arguments: &[&str]| {
        std::fs::write(&file, config(settings, &[])).unwrap();
        let output = Command::new(BINARY)
            .args(["--config.file", file.to_str().unwrap(), "probe"])
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text)
    };
    let with_dht = settings(&bootstrap(&world), &folder.path().join("state"));
    let hash = hash(1);
    let magnet = format!("magnet:?xt=urn:btih:{}", hex(&hash));
    let (code, trace) = run(&with_dht, &[&magnet]);
    assert_eq!(code, Some(0), "{trace}");
    assert!(trace.starts_with("alive: "), "{trace}");
    let row = trace.lines().find(|line| line.starts_with("DHT "));
    let cells: Vec<&str> = row.unwrap().split_whitespace().collect();
    assert_eq!(cells[1..3], ["ok", &PEERS.to_string()], "{trace}");
    let line = format!("IPv4 {}: {PEERS} peers named", &hex(&hash)[..8]);
    assert!(trace.contains(&line), "{trace}");
    for word in [
        "filters say",
        "hops",
        "nodes asked",
        "queries",
        "bits",
        "ms",
    ] {
        assert!(trace.contains(word), "{word}: {trace}");
    }
    let (code, trace) = run(&with_dht, &[&magnet, "--output", "json"]);
    assert_eq!(code, Some(0), "{trace}");
    let json: serde_json::Value = serde_json::from_str(&trace).unwrap();
    let lookup = &json["lookups"][0];
    assert_eq!(lookup["result"], "answer", "{trace}");
    assert_eq!(lookup["peers"], PEERS, "{trace}");
    assert!(lookup["hops"].as_u64() >= Some(1), "{trace}");
    assert_eq!(json["summary"]["dht"]["peers"], PEERS, "{trace}");
    for peer in addresses(&world, hash) {
        assert!(!trace.contains(&peer.to_string()), "{trace}");
    }

    let (code, trace) = run(LAB, &[&magnet]);
    assert_eq!(code, Some(4), "{trace}");
    assert!(
        trace.starts_with("unobserved: There is nothing to ask"),
        "{trace}"
    );
    let private = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/private.torrent"
    );
    let before = world.count("queries");
    let (_, trace) = run(&with_dht, &[private]);
    assert!(!trace.contains("DHT "), "{trace}");
    assert_eq!(world.count("queries"), before, "private: never the DHT");
}

#[test]
fn a_dht_that_never_answers_is_a_cause_and_one_line_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    // Its bootstrap node receives and never answers.
    let node = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let node = format!("\"{}\"", node.local_addr().unwrap());
    let settings = settings(&node, folder.path());
    // The answers of a tracker show that our network works.
    let tracker = UdpTracker::start(|packet| vec![scripted::honest(packet, &Truth::of([]))]);
    let entries = [
        entry("tracked", &hex(&hash(1)), &[tracker.endpoint().url()]),
        entry("lonely", &hex(&hash(90)), &[]),
    ];
    let config = config(&settings, &entries);
    let daemon = Daemon::start(&config);
    daemon.wait_for_values(&[(r#"seedwatch_dht_up{family="ipv4"}"#, Some(0.0))]);
    let line = "no DHT node answers: check outgoing UDP and dht.bootstrap";
    daemon.wait_for_log(line);
    let causes: serde_json::Value =
        serde_json::from_slice(&daemon.get("/api/v1/causes").body).unwrap();
    assert_eq!(causes["causes"][0]["kind"], "dht_silent", "{causes}");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(daemon.log().matches(line).count(), 1);

    let file = folder.path().join("config.yaml");
    std::fs::write(&file, &config).unwrap();
    let output = Command::new(BINARY)
        .args(["--config.file", file.to_str().unwrap(), "probe", "lonely"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let row = text.lines().find(|line| line.starts_with("DHT ")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[1..5], ["fail", "-", "-", "-"], "{text}");
    assert!(text.contains("no DHT node answered"), "{text}");
}
