//! What the daemon will say of a torrent once enough time has passed.
//!
//! The daemon of an incident lives for seconds, and its clock is the real one: it calls a torrent
//! dead after 90 minutes, and at risk after a day. Only the history of Prometheus is stretched. So
//! Prometheus scrapes the daemon through this relay, which puts the later state and conditions of a
//! torrent in place of the present ones, and adds later falls of countries. Everything else on the
//! page is the daemon's, and a story
//! checks first that the daemon waits for nothing but time. That it decides so, with clocks that
//! jump, is tested in `crates/core/src/verdict`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::rig::http;

/// The metrics that tell what the daemon says.
const STATE: &str = "seedwatch_torrent_state";
const CONDITION: &str = "seedwatch_torrent_condition";

/// What the daemon will say later.
#[derive(Clone, Default)]
struct Later {
    /// The state of each torrent that has one, and its conditions.
    states: BTreeMap<&'static str, (&'static str, &'static [&'static str])>,
    /// Series of falls of countries, one per line.
    cliffs: String,
}

/// A running relay. Its thread ends with the test.
pub(super) struct Verdicts {
    address: SocketAddr,
    later: Arc<Mutex<Later>>,
}

impl Verdicts {
    /// Starts a relay of the pages of the daemon at this address.
    pub(super) fn start(daemon: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let later = Arc::new(Mutex::new(Later::default()));
        let shared = Arc::clone(&later);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let later = shared.lock().unwrap().clone();
                std::thread::spawn(move || relay(&stream, daemon, &later));
            }
        });
        Self { address, later }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, the page says this of a torrent.
    pub(super) fn set(
        &self,
        torrent: &'static str,
        state: &'static str,
        conditions: &'static [&'static str],
    ) {
        let mut later = self.later.lock().unwrap();
        later.states.insert(torrent, (state, conditions));
    }

    /// From now on, the page has these series of falls.
    pub(super) fn set_cliffs(&self, cliffs: String) {
        self.later.lock().unwrap().cliffs = cliffs;
    }
}

/// Answers one request. While the daemon does not answer, the connection just ends.
fn relay(mut stream: &TcpStream, daemon: SocketAddr, later: &Later) {
    let head = BufReader::new(stream).lines().map_while(Result::ok);
    if head.take_while(|line| !line.is_empty()).count() == 0 {
        return;
    }
    let Ok(answer) = http::request(daemon, "GET", "/metrics", &[]) else {
        return;
    };
    let page = rewritten(&answer.text(), later);
    let head = format!(
        "HTTP/1.1 {} \r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        answer.status,
        page.len()
    );
    // An error means that Prometheus has ended.
    let _ = stream.write_all((head + &page).as_bytes());
}

fn rewritten(page: &str, later: &Later) -> String {
    let is_replaced = |line: &&str| {
        later.states.keys().any(|torrent| {
            [STATE, CONDITION]
                .iter()
                .any(|metric| line.starts_with(&format!("{metric}{{torrent=\"{torrent}\",")))
        })
    };
    let mut text = String::new();
    for line in page.lines().filter(|line| !is_replaced(line)) {
        text += line;
        text.push('\n');
    }
    for (torrent, (state, conditions)) in &later.states {
        text += &format!("{STATE}{{torrent=\"{torrent}\",state=\"{state}\"}} 1\n");
        for condition in *conditions {
            text += &format!("{CONDITION}{{torrent=\"{torrent}\",condition=\"{condition}\"}} 1\n");
        }
    }
    text + &later.cliffs
}

#[test]
fn the_present_state_is_replaced_and_nothing_else() {
    let page = "seedwatch_torrent_condition{torrent=\"a\",condition=\"no_tracker\"} 1\n\
                seedwatch_torrent_peers{torrent=\"a\",family=\"ipv4\"} 0\n\
                seedwatch_torrent_state{torrent=\"a\",state=\"alive\"} 1\n\
                seedwatch_torrent_state{torrent=\"ab\",state=\"alive\"} 1\n";
    let later = Later {
        states: [("a", ("at_risk", &["few_peers"][..]))].into(),
        cliffs: "seedwatch_as_cliff{asn=\"AS1\"} 0.1\n".to_owned(),
    };
    let expected = "seedwatch_torrent_peers{torrent=\"a\",family=\"ipv4\"} 0\n\
                    seedwatch_torrent_state{torrent=\"ab\",state=\"alive\"} 1\n\
                    seedwatch_torrent_state{torrent=\"a\",state=\"at_risk\"} 1\n\
                    seedwatch_torrent_condition{torrent=\"a\",condition=\"few_peers\"} 1\n\
                    seedwatch_as_cliff{asn=\"AS1\"} 0.1\n";
    assert_eq!(rewritten(page, &later), expected);
}
