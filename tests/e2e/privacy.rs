//! The daemon reveals neither peers nor passkeys.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::rig::clients::Torrent;
use crate::rig::daemon::{Daemon, LAB, config, entry};
use crate::rig::scripted::{self, HttpTracker, Truth, UdpTracker, ok};
use crate::rig::swarm::fresh_hash;
use crate::rig::wait;
use crate::rig::wire::hex;

/// Secret parts of a private tracker's URL.
const PASSKEYS: [&str; 2] = ["0123456789abcdef0123456789abcdef", "tops3cret"];

/// The address of a peer.
const PEER: &str = "127.60.77.88";

fn private(url: &str) -> String {
    url.replace(
        "/announce",
        &format!("/{}/announce?key={}", PASSKEYS[0], PASSKEYS[1]),
    )
}

/// Addresses that show torrents, trackers or events, of which none shows a secret.
const LISTS: [&str; 11] = [
    "/api/v1/torrents",
    "/api/v1/trackers",
    "/api/v1/countries",
    "/api/v1/lists",
    "/api/v1/causes",
    "/api/v1/events",
    "/torrents.csv",
    "/torrents.atom",
    "/torrents.magnets.txt",
    "/events.atom",
    "/trackers.txt",
];

#[test]
fn neither_peers_nor_passkeys_are_shown_or_logged() {
    let truth = Truth::of([format!("{PEER}:6881").parse().unwrap()]);
    let udp_truth = truth.clone();
    let udp = UdpTracker::start(move |packet| vec![scripted::honest(packet, &udp_truth)]);
    let http = HttpTracker::start(move |_| ok(scripted::body(&truth)));
    let quoting = HttpTracker::start(|_| {
        let text = format!("passkey {} of {PEER} is unknown", PASSKEYS[0]);
        ok(format!("d14:failure reason{}:{text}e", text.len()))
    });
    let broken = HttpTracker::start(|request| {
        let target = &request.target;
        scripted::Reply::raw(format!(
            "HTTP/1.1 302 Found\r\nLocation: http://127.99.0.1:9{target}\r\n\
                 Content-Length: 0\r\n\r\n"
        ))
    });
    let unresolved = "http://nowhere.localhost:9/announce".to_owned();
    let urls = [
        udp.endpoint().url(),
        http.endpoint().url(),
        quoting.endpoint().url(),
        broken.endpoint().url(),
        unresolved,
    ]
    .map(|url| private(&url));
    let watched = [entry("secret", &hex(&fresh_hash()), &urls)];
    let flags = ["--log.level", "debug"];
    let daemon = Daemon::start_with(&config(LAB, &watched), &flags);
    daemon.wait_for_values(&[(r#"seedwatch_torrent_peers{family="ipv4"}"#, Some(1.0))]);
    daemon.wait_for("every tracker has answered", |page| {
        page.select("seedwatch_announce_success").count() == urls.len()
    });
    // The tracker received the passkey, so it was in the URL.
    let target = &http.received()[0].target;
    assert!(
        PASSKEYS.iter().all(|part| target.contains(part)),
        "{target}"
    );

    daemon.write_config(
        "torrents: [{magnet: \"magnet:?tr=http://x/0123456789abcdef0123456789abcdef\"}]",
    );
    let refusal = daemon.reload();
    assert_eq!(refusal.status, 500);
    let mut seen = vec![("reload", refusal.text())];
    let others = [
        "/metrics",
        "/config",
        "/api/v1/torrents/secret",
        "/torrents",
        "/torrents/secret",
        "/trackers",
        "/about",
    ];
    for path in others.into_iter().chain(LISTS) {
        let answer = daemon.get(path);
        assert_eq!(answer.status, 200, "{path}");
        seen.push((path, answer.text()));
    }
    wait::throughout(Duration::from_millis(300), || {});
    seen.push(("log", daemon.log()));
    for (output, text) in seen {
        for secret in PASSKEYS.iter().chain(&[PEER]) {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} in {output}");
        }
    }
}

/// Returns the forms in which an address could appear: as text, and as bytes in both orders.
fn encodings(ip: IpAddr) -> Vec<Vec<u8>> {
    let bytes = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        // A peer is stored as its /64.
        IpAddr::V6(ip) => ip.octets()[..8].to_vec(),
    };
    let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |n, b| n << 8 | u64::from(*b))
            .to_string()
    };
    let text = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let parts: Vec<String> = ip.segments()[..4]
                .iter()
                .map(|s| format!("{s:x}"))
                .collect();
            parts.join(":")
        }
    };
    let texts = [
        text,
        hex(&bytes),
        hex(&reversed),
        number(&bytes),
        number(&reversed),
    ];
    let texts = texts.into_iter().map(String::into_bytes);
    [bytes, reversed].into_iter().chain(texts).collect()
}

#[test]
fn no_peer_address_is_written_or_shown() {
    let folder = tempfile::tempdir().unwrap();
    let v4 = (0..200u32).map(|n| format!("127.61.{}.{}", 33 + n % 7, 17 + n));
    let v6 = (0..40u32).map(|n| format!("fd5a:c3d7:91e{:x}:{:x}::7", n % 16, 0x4b00 + n));
    let swarm: Vec<IpAddr> = v4.chain(v6).map(|ip| ip.parse().unwrap()).collect();
    let truth = Truth::of(swarm.iter().map(|ip| SocketAddr::new(*ip, 6881)));
    let udp_truth = truth.clone();
    let udp = UdpTracker::start(move |packet| vec![scripted::honest(packet, &udp_truth)]);
    let http = HttpTracker::start(move |_| ok(scripted::body(&truth)));
    let urls = [udp.endpoint().url(), http.endpoint().url()];
    let watched =
        [entry("seen", &hex(&fresh_hash()), &urls).replace("{name", "{collection: work, name")];
    let settings = format!(
        "{LAB}state: {{path: \"{}\", interval: 1s}}\n",
        folder.path().display()
    );
    let mut daemon = Daemon::start_with(&config(&settings, &watched), &["--log.level", "debug"]);
    let all = Some(swarm.len() as f64);
    daemon.wait_for_values(&[
        (r#"seedwatch_torrent_unique_peers{window="30d"}"#, all),
        (r#"seedwatch_collection_unique_peers{window="30d"}"#, all),
    ]);
    daemon.wait_for("saved twice", |page| {
        let saved = page.get("seedwatch_state_last_save_timestamp_seconds");
        saved > page.get("seedwatch_torrent_last_success_timestamp_seconds{source=\"tracker\"}")
    });
    let mut seen = Vec::new();
    let others = [
        "/",
        "/torrents",
        "/torrents/seen",
        "/trackers",
        "/countries",
        "/events",
        "/about",
        "/metrics",
        "/config",
        "/api/v1/torrents/seen",
        "/-/healthy",
        "/-/ready",
    ];
    for path in others.into_iter().chain(LISTS) {
        let answer = daemon.get(path);
        assert_eq!(answer.status, 200, "{path}");
        seen.push((path.to_owned(), answer.text().into_bytes()));
    }
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_for_end(), Some(0));
    seen.push(("log".to_owned(), daemon.log().into_bytes()));
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let file = std::fs::read(&path).unwrap();
        bytes += file.len();
        seen.push((path.display().to_string(), file));
    }
    // The file contains all peers, at seven bytes each.
    assert!(bytes > 3 * 7 * swarm.len(), "{bytes}");
    let needles: Vec<_> = swarm
        .iter()
        .flat_map(|ip| encodings(*ip).into_iter().map(move |form| (*ip, form)))
        .collect();
    for (output, text) in &seen {
        for (ip, needle) in &needles {
            let at = text.windows(needle.len()).position(|bytes| bytes == needle);
            assert_eq!(at, None, "{ip} as {needle:?} in {output}");
        }
    }
}

#[test]
fn a_private_torrent_is_probed_only_with_permission() {
    let truth = Truth::of([format!("{PEER}:6881").parse().unwrap()]);
    let udp_truth = truth.clone();
    let untouched = UdpTracker::start(move |packet| vec![scripted::honest(packet, &udp_truth)]);
    let asked = UdpTracker::start(move |packet| vec![scripted::honest(packet, &truth)]);
    let members_only = Torrent::make_private("members-only");
    members_only.announce_at(&[untouched.endpoint()]);
    let consented = Torrent::make_private("consented");
    consented.announce_at(&[asked.endpoint()]);
    let watched = [
        format!("- file: {}\n", members_only.file.display()),
        format!("- {{file: {}, private: true}}\n", consented.file.display()),
    ];
    let daemon = Daemon::start(&config(LAB, &watched));
    daemon.wait_for_values(&[
        (
            r#"seedwatch_torrent_peers{torrent="consented",family="ipv4"}"#,
            Some(1.0),
        ),
        (
            r#"seedwatch_torrent_info{torrent="members-only"}"#,
            Some(1.0),
        ),
        (
            r#"seedwatch_torrent_probe_success{torrent="members-only"}"#,
            None,
        ),
    ]);
    wait::throughout(Duration::from_secs(1), || {
        assert!(untouched.received().is_empty());
    });
}
