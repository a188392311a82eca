//! Who is told: a webhook that remembers every message.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// True of every build that is older than four months, and no part of any story.
const AGE: &str = "SeedwatchGeoipOutdated";

/// One firing alert in one message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Told {
    /// The receiver of `alertmanager.yaml`: the last part of its address.
    pub(super) receiver: String,
    /// `Alert what`, see [`subject`].
    pub(super) alert: String,
}

/// A running webhook. Its thread ends with the test.
pub(super) struct Receiver {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Receiver {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                std::thread::spawn(move || hear(&stream, &log));
            }
        });
        Self { address, told }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything so far, as it came; what is repeated comes again.
    pub(super) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// Forgets what came so far.
    pub(super) fn forget(&self) {
        self.told.lock().unwrap().clear();
    }
}

/// The name of an alert and what it is about: the labels of the swarm, the tracker or the family.
pub(super) fn subject(labels: &Value) -> String {
    let about = ["collection", "torrent", "tracker", "country", "family"];
    let mut words = vec![labels["alertname"].as_str().unwrap()];
    words.extend(about.iter().filter_map(|label| labels[label].as_str()));
    words.join(" ")
}

/// Messages of one connection, each an HTTP request.
fn hear(stream: &TcpStream, log: &Mutex<Vec<Told>>) {
    let mut input = BufReader::new(stream);
    while let Some((path, body)) = request(&mut input) {
        let message: Value = serde_json::from_slice(&body).unwrap();
        let alerts = message["alerts"].as_array().unwrap();
        let firing = alerts.iter().filter(|alert| alert["status"] == "firing");
        let told = firing.map(|alert| Told {
            receiver: path.trim_start_matches('/').to_owned(),
            alert: subject(&alert["labels"]),
        });
        let told = told.filter(|told| told.alert != AGE);
        log.lock().unwrap().extend(told);
        let mut output = stream;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        if output.write_all(answer).is_err() {
            return;
        }
    }
}

/// Path and body of the next request; nothing when the client has gone.
fn request(input: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line == "\r\n" {
            break;
        }
        head.push(line.to_lowercase());
    }
    let path = head.first()?.split(' ').nth(1)?.to_owned();
    let length = head
        .iter()
        .find_map(|line| line.strip_prefix("content-length:"))?;
    let mut body = vec![0; length.trim().parse().ok()?];
    input.read_exact(&mut body).ok()?;
    Some((path, body))
}
