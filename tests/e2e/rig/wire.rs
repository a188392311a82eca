//! Announces and scrapes of peers and observers, over UDP (BEP 15) and HTTP (BEP 3, 7, 23, 48).
//!
//! This module uses none of the product's probers. The expected values of the tests must not depend
//! on the code under test.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use seedwatch_torrent::bencode::{Dict, Value};

use super::http;

/// An info-hash of 20 bytes.
pub(crate) type Hash = [u8; 20];

/// The protocol and address of a tracker.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Endpoint {
    /// UDP (BEP 15).
    Udp(SocketAddr),
    /// HTTP (BEP 3), at the path `/announce`.
    Http(SocketAddr),
}

impl Endpoint {
    /// Returns the announce URL.
    pub(crate) fn url(&self) -> String {
        match self {
            Endpoint::Udp(address) => format!("udp://{address}/announce"),
            Endpoint::Http(address) => format!("http://{address}/announce"),
        }
    }

    /// Returns the value of the `tracker` label.
    pub(crate) fn label(&self) -> String {
        self.url().trim_end_matches("/announce").to_owned()
    }

    fn address(&self) -> SocketAddr {
        match self {
            Endpoint::Udp(address) | Endpoint::Http(address) => *address,
        }
    }
}

/// The `event` of an announce.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AnnounceEvent {
    Completed = 1,
    Started = 2,
    Stopped = 3,
}

impl AnnounceEvent {
    fn as_str(self) -> &'static str {
        match self {
            AnnounceEvent::Completed => "completed",
            AnnounceEvent::Started => "started",
            AnnounceEvent::Stopped => "stopped",
        }
    }
}

/// The peer that announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) ip: IpAddr,
    pub(crate) port: u16,
    pub(crate) left: u32,
}

impl Peer {
    fn id(&self) -> [u8; 20] {
        let mut id = *b"-RG0001-000000000000";
        let text = format!("{:0>12}", format!("{:x}", fingerprint(self.ip, self.port)));
        id[8..].copy_from_slice(&text.as_bytes()[text.len() - 12..]);
        id
    }
}

fn fingerprint(ip: IpAddr, port: u16) -> u64 {
    let bytes = match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
    .to_bits()
    .to_be_bytes();
    let mut sum = u64::from(port);
    for byte in bytes {
        sum = sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
    }
    sum
}

/// The answer of a tracker to an announce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) seeders: u32,
    pub(crate) leechers: u32,
    pub(crate) peers: BTreeSet<SocketAddr>,
}

/// The counts of a tracker for a swarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) seeders: u32,
    pub(crate) leechers: u32,
    pub(crate) completed: u32,
}

/// Announces a peer and returns the answer.
pub(crate) fn announce(
    tracker: Endpoint,
    hash: &Hash,
    peer: &Peer,
    event: AnnounceEvent,
) -> Answer {
    match tracker {
        Endpoint::Udp(address) => {
            let mut request = Vec::with_capacity(82);
            request.extend(hash);
            request.extend(peer.id());
            request.extend([0; 8]);
            request.extend(u64::from(peer.left).to_be_bytes());
            request.extend([0; 8]);
            request.extend((event as u32).to_be_bytes());
            request.extend([0; 4]);
            request.extend(0x5eed_u32.to_be_bytes());
            request.extend(200_u32.to_be_bytes());
            request.extend(peer.port.to_be_bytes());
            let answer = udp(address, peer.ip, 1, &request);
            Answer {
                leechers: be32(&answer[12..]),
                seeders: be32(&answer[16..]),
                peers: compact(&answer[20..], address.is_ipv6()),
            }
        }
        Endpoint::Http(address) => {
            let body = announce_http(address, hash, peer, event);
            let answer = dict(&body);
            let mut peers = compact(bytes(&answer, b"peers"), false);
            peers.extend(compact(bytes(&answer, b"peers6"), true));
            Answer {
                seeders: number(&answer, b"complete"),
                leechers: number(&answer, b"incomplete"),
                peers,
            }
        }
    }
}

fn announce_http(tracker: SocketAddr, hash: &Hash, peer: &Peer, event: AnnounceEvent) -> Vec<u8> {
    let path = format!(
        "/announce?info_hash={}&peer_id={}&port={}&uploaded=0&downloaded=0&left={}\
         &compact=1&numwant=200&event={}",
        percent(hash),
        percent(&peer.id()),
        peer.port,
        peer.left,
        event.as_str()
    );
    http::get_from(peer.ip, tracker, &path).body
}

/// Returns whether an HTTP tracker accepts an announce for this swarm. Sends `stopped` afterwards.
pub(crate) fn knows_swarm(tracker: SocketAddr, hash: &Hash) -> bool {
    let observer_peer = Peer {
        ip: observer(tracker),
        port: 61_999,
        left: 1,
    };
    let body = announce_http(tracker, hash, &observer_peer, AnnounceEvent::Started);
    if body.is_empty() || body.windows(14).any(|text| text == b"failure reason") {
        return false;
    }
    announce_http(tracker, hash, &observer_peer, AnnounceEvent::Stopped);
    true
}

/// Scrapes a swarm, which does not change it.
pub(crate) fn scrape(tracker: Endpoint, hash: &Hash) -> Counts {
    let source = observer(tracker.address());
    match tracker {
        Endpoint::Udp(address) => {
            let answer = udp(address, source, 2, hash);
            Counts {
                seeders: be32(&answer[8..]),
                completed: be32(&answer[12..]),
                leechers: be32(&answer[16..]),
            }
        }
        Endpoint::Http(address) => {
            let path = format!("/scrape?info_hash={}", percent(hash));
            let body = http::get_from(source, address, &path).body;
            let files = dict(&body).get(b"files").and_then(|v| v.as_dict());
            let files = files.unwrap_or_else(|| panic!("no `files` key: {body:?}"));
            // The request names one swarm, so the key is ignored: the tracker of npm encodes the
            // hash as if it were Latin-1 text.
            let swarm = files.iter().next().and_then(|(_, value)| value.as_dict());
            let Some(swarm) = swarm else {
                return Counts::default();
            };
            Counts {
                seeders: number(&swarm, b"complete"),
                completed: number(&swarm, b"downloaded"),
                leechers: number(&swarm, b"incomplete"),
            }
        }
    }
}

/// Returns the peers that a tracker lists to an observer, which sends `stopped` afterwards. The
/// swarm must be smaller than the tracker's limit of peers per answer.
pub(crate) fn peers(tracker: Endpoint, hash: &Hash) -> BTreeSet<SocketAddr> {
    let observer_peer = Peer {
        ip: observer(tracker.address()),
        port: 61_999,
        left: 1,
    };
    // Sends `started`, because opentracker lists no peers in answers to `stopped`.
    let mut seen = announce(tracker, hash, &observer_peer, AnnounceEvent::Started).peers;
    announce(tracker, hash, &observer_peer, AnnounceEvent::Stopped);
    seen.remove(&SocketAddr::new(observer_peer.ip, observer_peer.port));
    seen
}

/// Returns the source address of the observer, which differs from the daemon and from all peers.
fn observer(tracker: SocketAddr) -> IpAddr {
    match tracker.ip() {
        IpAddr::V4(_) => IpAddr::from([127, 59, 0, 1]),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Connects, sends a request and returns the complete answer, which must have the same action.
fn udp(tracker: SocketAddr, source: IpAddr, action: u32, request: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind((source, 0)).unwrap_or_else(|e| panic!("{source}: {e}"));
    let timeout = Some(Duration::from_millis(1000));
    socket.set_read_timeout(timeout).unwrap();
    socket.connect(tracker).unwrap();
    let connect = [&0x0417_2710_1980_u64.to_be_bytes()[..], &[0; 4], b"conn"].concat();
    let connected = exchange(&socket, &connect, 0, b"conn");
    let packet = [&connected[8..16], &action.to_be_bytes(), b"talk", request].concat();
    exchange(&socket, &packet, action, b"talk")
}

/// Sends a packet until an answer arrives, at most five times.
fn exchange(socket: &UdpSocket, packet: &[u8], action: u32, transaction: &[u8; 4]) -> Vec<u8> {
    let mut buffer = [0; 4096];
    for _ in 0..5 {
        // Ignores errors: the port is closed while a tracker starts.
        let _ = socket.send(packet);
        if let Ok(length) = socket.recv(&mut buffer) {
            let answer = &buffer[..length];
            assert!(
                answer.len() >= 8 && be32(answer) == action && &answer[4..8] == transaction,
                "{}",
                String::from_utf8_lossy(answer)
            );
            return answer.to_vec();
        }
    }
    panic!("no answer from {:?}", socket.peer_addr());
}

/// Returns whether a UDP tracker answers a connect request.
pub(crate) fn answers_udp(tracker: SocketAddr) -> bool {
    let source = observer(tracker);
    let Ok(socket) = UdpSocket::bind((source, 0)) else {
        return false;
    };
    let timeout = Some(Duration::from_millis(200));
    socket.set_read_timeout(timeout).unwrap();
    let connect = [&0x0417_2710_1980_u64.to_be_bytes()[..], &[0; 4], b"conn"].concat();
    socket.connect(tracker).is_ok()
        && socket.send(&connect).is_ok()
        && socket.recv(&mut [0; 64]).is_ok_and(|length| length == 16)
}

fn dict(body: &[u8]) -> Dict<'_> {
    match Value::parse(body) {
        Ok((Value::Dict(dict), _)) if dict.get(b"failure reason").is_none() => dict,
        _ => panic!("refused: {}", String::from_utf8_lossy(body)),
    }
}

fn number(dict: &Dict<'_>, key: &[u8]) -> u32 {
    let value = dict.get(key).and_then(|value| value.as_int());
    u32::try_from(value.unwrap_or(0)).unwrap()
}

fn bytes<'a>(dict: &Dict<'a>, key: &[u8]) -> &'a [u8] {
    let value = dict.get(key).and_then(|value| value.as_bytes());
    value.unwrap_or_default()
}

fn compact(list: &[u8], v6: bool) -> BTreeSet<SocketAddr> {
    let (address, entry) = if v6 { (16, 18) } else { (4, 6) };
    assert_eq!(list.len() % entry, 0, "truncated peer list");
    list.chunks(entry)
        .map(|raw| {
            let ip = match <[u8; 16]>::try_from(&raw[..address]) {
                Ok(ip) => IpAddr::from(ip),
                Err(_) => IpAddr::from(<[u8; 4]>::try_from(&raw[..address]).unwrap()),
            };
            let port = u16::from_be_bytes([raw[address], raw[address + 1]]);
            SocketAddr::new(ip, port)
        })
        .collect()
}

/// Returns every byte as `%xx`.
pub(crate) fn percent(raw: &[u8]) -> String {
    raw.iter().map(|byte| format!("%{byte:02x}")).collect()
}

/// Returns the bytes in lower-case hexadecimal, as in the configuration.
pub(crate) fn hex(raw: &[u8]) -> String {
    raw.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the big-endian number in the first four bytes.
pub(crate) fn be32(raw: &[u8]) -> u32 {
    u32::from_be_bytes(raw[..4].try_into().unwrap())
}
