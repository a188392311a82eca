//! Who is in a swarm, and with which passkey we ask, stays inside.

use std::time::Duration;

use crate::rig::clients::Torrent;
use crate::rig::daemon::{Daemon, LAB, config, entry};
use crate::rig::scripted::{self, HttpTracker, Truth, UdpTracker, ok};
use crate::rig::swarm::fresh_hash;
use crate::rig::wait;
use crate::rig::wire::hex;

/// Parts of a private tracker's URL.
const PASSKEYS: [&str; 2] = ["0123456789abcdef0123456789abcdef", "tops3cret"];

/// An address that is in a swarm.
const PEER: &str = "127.60.77.88";

fn private(url: &str) -> String {
    url.replace(
        "/announce",
        &format!("/{}/announce?key={}", PASSKEYS[0], PASSKEYS[1]),
    )
}

#[test]
fn neither_peers_nor_passkeys_leave_the_daemon() {
    let truth = Truth::of([format!("{PEER}:6881").parse().unwrap()]);
    let said = truth.clone();
    let udp = UdpTracker::start(move |packet| vec![scripted::honest(packet, &said)]);
    let http = HttpTracker::start(move |_| ok(scripted::body(&truth)));
    let chatty = HttpTracker::start(|_| {
        let text = format!("passkey {} of {PEER} is unknown", PASSKEYS[0]);
        ok(format!("d14:failure reason{}:{text}e", text.len()))
    });
    let broken = HttpTracker::start(|request| {
        let target = &request.target;
        scripted::Reply::raw(format!(
            "HTTP/1.1 302 Found\r\nLocation: http://127.99.0.1:9{target}\r\nContent-Length: 0\r\n\r\n"
        ))
    });
    let unresolved = "http://nowhere.localhost:9/announce".to_owned();
    let urls = [
        udp.endpoint().url(),
        http.endpoint().url(),
        chatty.endpoint().url(),
        broken.endpoint().url(),
        unresolved,
    ]
    .map(|url| private(&url));
    let watched = [entry("secret", &hex(&fresh_hash()), &urls)];
    let flags = ["--log.level", "debug"];
    let daemon = Daemon::start_with(&config(LAB, &watched), &flags);
    daemon.wait_for_values(&[(r#"seedwatch_torrent_peers{family="ipv4"}"#, Some(1.0))]);
    daemon.wait_for("every tracker has spoken", |page| {
        page.select("seedwatch_announce_success").count() == urls.len()
    });
    // The tracker did get the passkey: it was not lost on the way.
    let target = &http.heard()[0].target;
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
    for path in [
        "/metrics",
        "/config",
        "/api/v1/torrents",
        "/api/v1/torrents/secret",
    ] {
        let answer = daemon.get(path);
        assert_eq!(answer.status, 200, "{path}");
        seen.push((path, answer.text()));
    }
    wait::throughout(Duration::from_millis(300), || {});
    seen.push(("log", daemon.log()));
    for (place, text) in seen {
        for secret in PASSKEYS.iter().chain(&[PEER]) {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} in {place}");
        }
    }
}

#[test]
fn a_private_torrent_is_left_alone_unless_its_owner_says_otherwise() {
    let truth = Truth::of([format!("{PEER}:6881").parse().unwrap()]);
    let said = truth.clone();
    let untouched = UdpTracker::start(move |packet| vec![scripted::honest(packet, &said)]);
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
        assert!(untouched.heard().is_empty());
    });
}
