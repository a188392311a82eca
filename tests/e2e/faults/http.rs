//! Failures and unusual answers over HTTP and HTTPS (BEP 3, 23, 31).

use std::net::TcpListener;
use std::time::Duration;

use super::Expected::{Failure, Peers};
use super::{Case, assert_all_cases, over_http, three_peers};
use crate::rig::daemon::{Daemon, LAB, config, entry};
use crate::rig::scripted::{self, HttpTracker, Reply, UdpTracker, ok};
use crate::rig::swarm::fresh_hash;
use crate::rig::wire::{Endpoint, hex};
use crate::rig::{address, certificate};

#[test]
fn http_failures_have_reasons() {
    let closed = TcpListener::bind((address::host(), 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = Case::of(
        "closed",
        Endpoint::Http(closed).url(),
        Failure("refused", 0.0),
        (),
    );
    let plain = HttpTracker::start(|_| ok("de"));
    let url = format!("https://{}/announce", plain.address());
    let no_tls = Case::of("no-tls", url, Failure("tls", 0.0), plain);
    let status = |line: &'static str| {
        move |_: &scripted::Request| {
            Reply::raw(format!("HTTP/1.1 {line}\r\nContent-Length: 3\r\n\r\nno!"))
        }
    };
    assert_all_cases(&[
        refused,
        no_tls,
        over_http("html", Failure("not_bencode", 0.0), |_| {
            ok("<html>parked</html>")
        }),
        over_http("nothing", Failure("not_bencode", 0.0), |_| ok("")),
        over_http(
            "not-found",
            Failure("http_status", 0.0),
            status("404 Not Found"),
        ),
        over_http(
            "broken",
            Failure("http_status", 0.0),
            status("503 Service Unavailable"),
        ),
        over_http(
            "busy",
            Failure("rate_limited", 1.0),
            status("429 Too Many Requests"),
        ),
        over_http("refuses", Failure("rejected", 1.0), |_| {
            ok("d14:failure reason12:unregisterede")
        }),
        over_http("hangs-up", Failure("reset", 0.0), |_| Reply::raw("")),
        over_http("silent", Failure("timeout", 0.0), |_| Reply {
            after: Duration::from_secs(12),
            ..ok(scripted::body(&three_peers()))
        }),
        over_http("wrong-type", Failure("malformed", 0.0), |_| {
            ok("d8:intervali60e5:peersi5ee")
        }),
        over_http("no-http", Failure("not_bencode", 0.0), |_| {
            Reply::raw("d8:intervali60e5:peers0:e")
        }),
        over_http("endless", Failure("malformed", 0.0), |_| {
            let padding = vec![b'x'; 2 << 20];
            ok([b"d8:intervali60e3:pad2097152:", &padding[..], b"5:peers0:e"].concat())
        }),
        over_http(
            "redirects-for-ever",
            Failure("http_status", 0.0),
            |request| {
                let target = &request.target;
                Reply::raw(format!(
                    "HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
                ))
            },
        ),
    ]);
}

#[test]
fn unusual_http_answers_are_understood() {
    fn list() -> Vec<u8> {
        scripted::body(&three_peers())
    }
    assert_all_cases(&[
        over_http("trailing", Peers(3.0), |_| {
            ok([&list()[..], b"6:peers60:e\r\n"].concat())
        }),
        over_http("no-one", Peers(0.0), |_| ok("d8:intervali60e5:peers0:e")),
        over_http("stray-end", Peers(0.0), |_| {
            ok("d8:intervali60e5:peers0:ee")
        }),
        over_http("cut-off", Peers(3.0), |_| {
            let whole = list();
            // The dictionary ends inside `peers6`, after the list.
            ok(&whole[..whole.len() - 4])
        }),
        over_http("dictionaries", Peers(2.0), |_| {
            ok("d8:intervali60e5:peersl\
                 d2:ip10:127.60.1.17:peer id20:xxxxxxxxxxxxxxxxxxxx4:porti1ee\
                 d2:ip10:127.60.1.24:porti2ee\
                 d2:ip12:host.example4:porti3eeee")
        }),
        over_http("old-http", Peers(3.0), |_| {
            Reply::raw([b"HTTP/1.0 200 OK\r\n\r\n", &list()[..]].concat())
        }),
        over_http("lying-gzip", Peers(3.0), |_| {
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n";
            Reply::raw([head.as_bytes(), &list()].concat())
        }),
        over_http("redirects-once", Peers(3.0), |request| {
            if request.target.starts_with("/moved") {
                return ok(list());
            }
            let query = request
                .target
                .split_once('?')
                .map_or("", |(_, query)| query);
            Reply::raw(format!(
                "HTTP/1.1 301 Moved\r\nLocation: /moved?{query}\r\nContent-Length: 0\r\n\r\n"
            ))
        }),
        over_http("string-interval", Peers(3.0), |_| {
            let text = String::from_utf8_lossy(&list()).contains("1800");
            assert!(text);
            let compact = list();
            let at = compact.windows(7).position(|w| w == b"i1800e5").unwrap();
            ok([&compact[..at], b"4:1800", &compact[at + 6..]].concat())
        }),
    ]);
}

#[test]
fn an_expired_certificate_still_reports_its_expiry() {
    let (tls, end) = certificate::expired();
    let tracker = HttpTracker::start_tls(tls, |_| ok(scripted::body(&three_peers())));
    let honest = UdpTracker::start(|packet| vec![scripted::honest(packet, &three_peers())]);
    let url = format!("https://{}/announce", tracker.address());
    let watched = [
        entry("expired", &hex(&fresh_hash()), &[url]),
        entry("honest", &hex(&fresh_hash()), &[honest.endpoint().url()]),
    ];
    let daemon = Daemon::start(&config(LAB, &watched));
    daemon.wait_for_values(&[
        (
            "seedwatch_tracker_tls_certificate_expiry_timestamp_seconds",
            Some(end as f64),
        ),
        (
            r#"seedwatch_announce_success{torrent="expired"}"#,
            Some(0.0),
        ),
        (
            r#"seedwatch_torrent_peers{torrent="expired",family="ipv4"}"#,
            None,
        ),
    ]);
    let page = daemon.metrics();
    let tls = r#"seedwatch_tracker_failures_total{reason="tls",tracker="https://"#;
    let selector = format!("{tls}{}\"}}", tracker.address());
    assert!(page.get(&selector) >= Some(1.0), "{page}");
}
