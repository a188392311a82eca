//! BEP 34: tracker preferences, by which an operator allows or forbids contact in DNS.

use crate::{FailureReason, ProbeError};
use seedwatch_torrent::{Scheme, TrackerUrl};

/// The largest number of ports read from one host's records (BEP 34).
const MAX_PORTS: usize = 10;

/// The tracker preferences of one host, from all its TXT records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TrackerPreference {
    /// The host has no record of BEP 34.
    #[default]
    None,
    /// Only these ports may be used. If empty, the host forbids all contact.
    Only(Vec<(Transport, u16)>),
}

/// The transport of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// UDP (BEP 15).
    Udp,
    /// TCP: HTTP and HTTPS.
    Tcp,
}

impl TrackerPreference {
    /// Reads TXT records. Ignores records of other kinds (SPF, verifications) and merges several of
    /// BEP 34.
    pub fn read<'a>(records: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut ports: Option<Vec<_>> = None;
        for record in records {
            let mut words = record.split(|&b| b == b' ').filter(|w| !w.is_empty());
            if words.next() != Some(b"BITTORRENT") {
                continue;
            }
            let ports = ports.get_or_insert_default();
            for port in words.filter_map(read_port) {
                if ports.len() < MAX_PORTS {
                    ports.push(port);
                }
            }
        }
        ports.map_or(TrackerPreference::None, TrackerPreference::Only)
    }

    /// Checks that the tracker may be contacted as its URL says.
    ///
    /// # Errors
    /// [`FailureReason::Denied`] if the host's records do not list the port.
    pub fn check(&self, url: &TrackerUrl) -> Result<(), ProbeError> {
        let TrackerPreference::Only(ports) = self else {
            return Ok(());
        };
        let transport = match url.scheme() {
            Scheme::Udp => Transport::Udp,
            Scheme::Http | Scheme::Https | Scheme::Ws | Scheme::Wss => Transport::Tcp,
        };
        if ports.contains(&(transport, url.port())) {
            return Ok(());
        }
        let text = if ports.is_empty() {
            "the host's DNS record says that it runs no tracker (BEP 34)"
        } else {
            "the host's DNS record does not list this protocol and port (BEP 34)"
        };
        Err(ProbeError::new(FailureReason::Denied, text))
    }
}

/// Reads a word such as `UDP:1337`. Ignores words that a later version of the BEP may define.
fn read_port(word: &[u8]) -> Option<(Transport, u16)> {
    let (transport, port) = std::str::from_utf8(word).ok()?.split_once(':')?;
    let transport = match transport {
        "UDP" => Transport::Udp,
        "TCP" => Transport::Tcp,
        _ => return None,
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some((transport, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(records: &[&str]) -> TrackerPreference {
        TrackerPreference::read(records.iter().map(|r| r.as_bytes()))
    }

    fn permits(statement: &TrackerPreference, url: &str) -> bool {
        statement.check(&TrackerUrl::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn a_bare_bittorrent_record_denies_everything() {
        let deny = read(&["v=spf1 -all", "BITTORRENT"]);
        assert_eq!(deny, TrackerPreference::Only(vec![]));
        let failed = deny
            .check(&TrackerUrl::parse("udp://t.example:1/").unwrap())
            .unwrap_err();
        assert_eq!(failed.reason, FailureReason::Denied);
    }

    #[test]
    fn listed_ports_are_all_that_is_permitted() {
        let some = read(&["BITTORRENT UDP:1337  TCP:80 FUTURE:1 TCP:x", "other"]);
        assert!(permits(&some, "udp://t.example:1337/announce"));
        assert!(permits(&some, "http://t.example/announce"));
        assert!(!permits(&some, "https://t.example/announce"));
        assert!(!permits(&some, "udp://t.example:80/announce"));
    }

    #[test]
    fn several_records_add_up_and_others_are_ignored() {
        let both = read(&["BITTORRENT UDP:1", "BITTORRENT TCP:2"]);
        assert!(permits(&both, "udp://t.example:1") && permits(&both, "http://t.example:2"));
        for foreign in ["bittorrent UDP:1", "BITTORRENTS", "", "google-site=x"] {
            assert_eq!(read(&[foreign]), TrackerPreference::None, "{foreign}");
        }
    }

    #[test]
    fn at_most_ten_ports_are_read() {
        let many: Vec<String> = (1..=20).map(|port| format!("UDP:{port}")).collect();
        let statement = read(&[&format!("BITTORRENT {}", many.join(" "))]);
        assert!(permits(&statement, "udp://t.example:10"));
        assert!(!permits(&statement, "udp://t.example:11"));
    }
}
