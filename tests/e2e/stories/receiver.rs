//! A webhook that records every notification.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// An alert that fires for every build older than four months. It is not part of an incident.
const BUILD_AGE_ALERT: &str = "SeedwatchGeoipOutdated";

/// A firing alert in a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Notification {
    /// The receiver of `alertmanager.yaml`: the last part of the URL.
    pub(super) receiver: String,
    /// Alert name and subject; see [`subject`].
    pub(super) alert: String,
}

/// A running webhook. Its thread ends with the test.
pub(super) struct Receiver {
    address: SocketAddr,
    notified: Arc<Mutex<Vec<Notification>>>,
}

impl Receiver {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let notified = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&notified);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                std::thread::spawn(move || read_messages(&stream, &log));
            }
        });
        Self { address, notified }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns all notifications in order, including repetitions.
    pub(super) fn notified(&self) -> Vec<Notification> {
        self.notified.lock().unwrap().clone()
    }

    /// Forgets all notifications.
    pub(super) fn forget(&self) {
        self.notified.lock().unwrap().clear();
    }
}

/// Returns the name of an alert and its subject: the labels of the swarm, the tracker or the
/// family.
pub(super) fn subject(labels: &Value) -> String {
    let about = ["collection", "torrent", "tracker", "country", "family"];
    let mut words = vec![labels["alertname"].as_str().unwrap()];
    words.extend(about.iter().filter_map(|label| labels[label].as_str()));
    words.join(" ")
}

/// Reads the messages of one connection, each an HTTP request.
fn read_messages(stream: &TcpStream, log: &Mutex<Vec<Notification>>) {
    let mut input = BufReader::new(stream);
    while let Some((path, body)) = request(&mut input) {
        let message: Value = serde_json::from_slice(&body).unwrap();
        let alerts = message["alerts"].as_array().unwrap();
        let firing = alerts.iter().filter(|alert| alert["status"] == "firing");
        let notified = firing.map(|alert| Notification {
            receiver: path.trim_start_matches('/').to_owned(),
            alert: subject(&alert["labels"]),
        });
        let notified = notified.filter(|notified| notified.alert != BUILD_AGE_ALERT);
        log.lock().unwrap().extend(notified);
        let mut output = stream;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        if output.write_all(answer).is_err() {
            return;
        }
    }
}

/// Returns path and body of the next request; `None` after the client has closed the connection.
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
