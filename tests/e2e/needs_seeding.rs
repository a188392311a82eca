//! Real programs seed what the feed names, without a human; and a repaired magnet link finds peers
//! where the published one finds none.

use std::net::IpAddr;

use serde_json::Value;

use crate::rig::clients::{Libtorrent, Torrent};
use crate::rig::daemon::{Daemon, LAB, config};
use crate::rig::helpers::{FlexGet, QBittorrent};
use crate::rig::process::Process;
use crate::rig::trackers::Npm;
use crate::rig::wire::{Endpoint, hex};
use crate::rig::{address, wait};

const FEED: &str = "/api/v1/needs-seeding";

fn source() -> IpAddr {
    address::host().into()
}

/// Returns the feed, of which all values are known.
fn feed(daemon: &Daemon) -> Value {
    let answer = daemon.get(FEED);
    assert_eq!(answer.status, 200);
    serde_json::from_slice(&answer.body).unwrap()
}

/// Waits until the first entry of the feed satisfies `wanted`, or the feed is empty (`null`).
fn wait_for_first(daemon: &Daemon, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait::until(what, wait::PATIENCE, || {
        let first = feed(daemon)["torrents"][0].clone();
        wanted(&first).then_some(first)
    })
}

/// Returns a free address for the daemon, which must know its own one to name torrent files.
fn own_address() -> String {
    let host = address::host();
    format!("{host}:{}", address::free_port(host))
}

/// Starts a Python client of `tests/clients`.
fn client(script: &str, arguments: &[&str]) -> Process {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
    let program = format!("{folder}/{script}.py");
    let source = source().to_string();
    let command = ["/usr/bin/python3", &program, &source];
    Process::start(script, &[&command[..], arguments].concat())
}

fn settings(recovered_after: &str) -> String {
    let recovered = format!("stale_after: 6s, recovered_after: {recovered_after}");
    LAB.replace("stale_after: 6s", &recovered)
}

#[test]
fn helpers_seed_what_the_feed_names_until_it_is_well() {
    needs_helpers!();
    let torrent = Torrent::make("census-1921");
    let tracker = Npm::start();
    torrent.announce_at(&[tracker.http()]);
    let _first = Libtorrent::join_all(&torrent, &[tracker.http()], &[source()], &[]);
    let entry = format!(
        "- {{file: \"{}\", collection: census}}\n",
        torrent.file.display()
    );
    let address = own_address();
    let external = format!("http://{address}");
    let flags = [
        "--web.listen-address",
        &address,
        "--web.external-url",
        &external,
    ];
    let watched = config(&settings("1h"), std::slice::from_ref(&entry));
    let daemon = Daemon::start_with(&watched, &flags);
    let first = wait_for_first(&daemon, "one seeder", |first| first["copies"] == 1);
    assert_eq!(
        (&first["state"], &first["recovering"]),
        (&"alive".into(), &false.into())
    );
    let needy_since = &first["needy_since"];

    let url = |path: &str| format!("{external}{path}");
    let contract = url("/dyn/generate_torrents?max_tb=0.1&format=json&client=script");
    let folder = torrent.folder();
    let mut script = client("generate_torrents", &[&contract, folder.to_str().unwrap()]);
    script.wait_for_line(&format!("seeding {}", hex(&torrent.hash)));
    wait_for_first(&daemon, "two seeders", |first| first["copies"] == 2);

    // A Torznab client finds it by its name, and finds no other.
    for (name, found) in [
        ("census-1921", "Accepted: 1"),
        ("census-1931", "Accepted: 0"),
    ] {
        let log = FlexGet::search(&url(FEED), name);
        assert!(log.contains(found), "{log}");
    }

    // Transmission takes no peer of the loopback network, which could send it the metadata.
    let rss = url(&format!("{FEED}?format=rss&client=flexget&link=torrent"));
    let flexget = FlexGet::follow(&rss, folder, source());
    let log = flexget.run();
    assert!(log.contains("Accepted: 1"), "{log}");
    let recovering = wait_for_first(&daemon, "three seeders", |first| first["copies"] == 3);
    assert_eq!(&recovering["needy_since"], needy_since);

    // It is well, but not yet for long enough, so qBittorrent takes it too.
    let rss = url(&format!("{FEED}?format=rss&client=qbittorrent&max_tb=0.1"));
    let qbittorrent = QBittorrent::follow(&rss, "census", folder, source());
    assert_eq!(qbittorrent.wait_until_seeding(), hex(&torrent.hash));
    let last = wait_for_first(&daemon, "four seeders", |first| first["copies"] == 4);
    assert_eq!(
        (&last["recovering"], &last["needy_since"]),
        (&true.into(), needy_since)
    );

    // Nothing is fetched twice.
    let log = flexget.run();
    assert!(!log.contains("Accepted: 1"), "{log}");

    daemon.write_config(&config(&settings("1s"), &[entry]));
    assert_eq!(daemon.reload().status, 200);
    wait_for_first(&daemon, "the feed is empty", Value::is_null);
    assert_eq!(feed(&daemon)["needy"], 0);
    let torrents = qbittorrent.torrents().unwrap();
    assert_eq!(
        (torrents.len(), &torrents[0]["downloaded"]),
        (1, &0.into()),
        "{torrents:?}"
    );
}

/// No peer has the metadata of a dead torrent, so a magnet link would not do.
#[test]
fn a_dead_torrent_is_seeded_again_from_its_torrent_file() {
    needs_servers!();
    let torrent = Torrent::make("census-1911");
    let tracker = Npm::start();
    torrent.announce_at(&[tracker.http()]);
    let address = own_address();
    let external = format!("http://{address}");
    let flags = [
        "--web.listen-address",
        &address,
        "--web.external-url",
        &external,
    ];
    let settings = LAB.replace("stale_after: 6s", "stale_after: 6s, dead_after: 3s");
    let entry = format!("- {{file: \"{}\"}}\n", torrent.file.display());
    let daemon = Daemon::start_with(&config(&settings, &[entry]), &flags);
    wait_for_first(&daemon, "a dead torrent", |first| first["state"] == "dead");
    let contract = format!("{external}/dyn/generate_torrents");
    let folder = torrent.folder().to_str().unwrap();
    let mut script = client("generate_torrents", &[&contract, folder]);
    script.wait_for_line(&format!("seeding {}", hex(&torrent.hash)));
    let first = wait_for_first(&daemon, "one seeder", |first| first["copies"] == 1);
    assert_eq!(first["state"], "alive");
    let file = daemon.get("/torrent-files/census-1911.torrent");
    assert_eq!(file.status, 200);
    let url = tracker.http().url();
    assert!(
        file.body
            .windows(url.len())
            .any(|part| part == url.as_bytes())
    );
}

#[test]
fn a_repaired_link_finds_peers_where_the_published_one_finds_none() {
    needs_servers!();
    let torrent = Torrent::make("census-1931");
    let tracker = Npm::start();
    let dead = address::host();
    let dead = Endpoint::Http((dead, address::free_port(dead)).into());
    torrent.announce_at(&[dead]);
    let _seeder = Libtorrent::join_all(&torrent, &[tracker.http()], &[source()], &[]);
    let published = format!(
        "magnet:?xt=urn:btih:{}&dn=census-1931&tr={}",
        hex(&torrent.hash),
        dead.url()
    );
    let settings = format!("{LAB}trackers: [\"{}\"]\n", tracker.http().url());
    let entry = format!("- {{magnet: \"{published}\"}}\n");
    let daemon = Daemon::start(&config(&settings, &[entry]));
    let difference = |first: &Value| first["difference"].as_array().cloned().unwrap_or_default();
    let first = wait_for_first(&daemon, "a repaired link", |first| {
        difference(first).len() == 2
    });
    let added = format!(
        "{} is added: it lists 1 peer, of which no other source lists 1.",
        tracker.http().label()
    );
    let left_out = format!(
        "{} is left out: it gives no valid answer (refused).",
        dead.label()
    );
    assert_eq!(difference(&first), [added, left_out]);
    client("open_magnet", &[&published]).wait_for_line("no peer");
    let repaired = first["magnet"].as_str().unwrap();
    client("open_magnet", &[repaired]).wait_for_line("metadata");
}
