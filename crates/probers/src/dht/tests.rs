//! The prober against scripted nodes on loopback sockets.

use std::io;
use std::net::UdpSocket;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::time::timeout;

use super::*;
use crate::resolve::Fixed;
use seedwatch_dht::NodeId;
use seedwatch_dht::{DhtStatus, LookupReport};
use seedwatch_torrent::address::Accept;
use seedwatch_torrent::bencode::Value;
use seedwatch_torrent::{Endpoint4, Endpoint6};

const PATIENCE: Duration = Duration::from_secs(30);
const HASH: InfoHash = InfoHash([0x42; 20]);

/// A query and the address that it came from.
type Seen = (SocketAddr, Vec<u8>);

/// A node that knows no other nodes and one peer of every torrent. Dropping it ends its thread.
struct Node {
    contact: Contact,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
}

impl Node {
    fn start(at: &str) -> Self {
        let socket = UdpSocket::bind((at, 0)).unwrap();
        let pause = Some(Duration::from_millis(20));
        socket.set_read_timeout(pause).unwrap();
        let contact = Contact {
            id: NodeId([0x40; 20]),
            address: socket.local_addr().unwrap(),
        };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (log, end) = (Arc::clone(&seen), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !end.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                let query = &buffer[..length];
                log.lock().unwrap().push((from, query.to_vec()));
                let _ = socket.send_to(&answer(contact, query), from);
            }
        });
        Self {
            contact,
            seen,
            stop,
        }
    }

    /// Returns the node as a bootstrap address.
    fn host(&self) -> (Host, u16) {
        let at = self.contact.address;
        (Host::Ip(at.ip()), at.port())
    }

    /// Returns the address of the prober.
    fn prober_address(&self) -> SocketAddr {
        self.seen.lock().unwrap()[0].0
    }

    /// Returns the queries received so far.
    fn queries(&self) -> Vec<Vec<u8>> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|(_, query)| query.clone()).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn answer(node: Contact, query: &[u8]) -> Vec<u8> {
    let (value, _) = Value::parse(query).unwrap();
    let query = value.as_dict().unwrap();
    let text = |key: &[u8]| query.get(key).unwrap().as_bytes().unwrap();
    let mut to = b"d1:rd2:id20:".to_vec();
    to.extend_from_slice(&node.id.0);
    if text(b"q") == b"get_peers" {
        to.extend_from_slice(b"5:token1:x6:valuesl");
        match node.address {
            SocketAddr::V4(_) => to.extend_from_slice(b"6:\xc0\x00\x02\x01\x1a\xe1"),
            SocketAddr::V6(_) => {
                to.extend_from_slice(b"18:\x20\x01\x0d\xb8");
                to.extend_from_slice(&[0; 11]);
                to.extend_from_slice(b"\x01\x1a\xe1");
            }
        }
        to.extend_from_slice(b"e");
    }
    to.extend_from_slice(format!("e1:t{}:", text(b"t").len()).as_bytes());
    to.extend_from_slice(text(b"t"));
    to.extend_from_slice(b"1:y1:re");
    to
}

fn settings(listen: &[&str], bootstrap: Vec<(Host, u16)>) -> Settings {
    Settings {
        listen: listen.iter().map(|at| at.parse().unwrap()).collect(),
        bootstrap,
        engine: seedwatch_dht::Settings {
            max_rate: 1000.0,
            interval: Duration::from_secs(3600),
            recall_target: None,
            require_distinct_subnets: false,
            accept: Accept::Any,
        },
    }
}

struct RunningProber {
    prober: DhtProber,
    reports: mpsc::Receiver<DhtReport>,
}

impl RunningProber {
    fn start(settings: Settings, table: Vec<Contact>) -> Self {
        Self::with(settings, Resolver::fixed(Fixed::default()), table)
    }

    fn with(settings: Settings, resolver: Resolver, table: Vec<Contact>) -> Self {
        let (out, reports) = mpsc::channel(16);
        let prober = DhtProber::start(settings, resolver, table, out).unwrap();
        Self { prober, reports }
    }

    async fn report(&mut self) -> DhtReport {
        let report = timeout(PATIENCE, self.reports.recv()).await;
        report.unwrap().unwrap()
    }

    /// Waits for the next report of lookups.
    async fn lookups(&mut self) -> Vec<LookupReport> {
        loop {
            if let DhtReport::Lookups(lookups) = self.report().await {
                return lookups;
            }
        }
    }

    /// Waits for a status that satisfies `wanted`.
    async fn status(&mut self, wanted: impl Fn(&[Option<DhtStatus>; 2]) -> bool) {
        loop {
            if let DhtReport::Status(status) = self.report().await
                && wanted(&status)
            {
                return;
            }
        }
    }

    /// Repeats the lookup until it succeeds over so many families. The first lookups may end before
    /// the bootstrap does.
    async fn find_peers(&mut self, families: usize) -> Vec<LookupReport> {
        let mut found: Vec<LookupReport> = Vec::new();
        while found.len() < families {
            self.prober.look_up(HASH);
            let ended = self.lookups().await;
            let better = ended.into_iter().filter(|lookup| lookup.result.is_ok());
            for lookup in better {
                if found.iter().all(|known| known.family != lookup.family) {
                    found.push(lookup);
                }
            }
        }
        found.sort_by_key(|lookup| lookup.family);
        found
    }
}

const PEER_4: Endpoint4 = Endpoint4 {
    ip: 0xc000_0201,
    port: 6881,
};
const PEER_6: Endpoint6 = Endpoint6 {
    ip: 0x2001_0db8 << 96 | 1,
    port: 6881,
};

#[tokio::test]
async fn peers_are_found_over_both_families() {
    let nodes = [Node::start("127.0.0.1"), Node::start("::1")];
    let bootstrap = nodes.iter().map(Node::host).collect();
    let settings = settings(&["127.0.0.1:0", "[::1]:0"], bootstrap);
    let mut running = RunningProber::start(settings, Vec::new());
    let found = running.find_peers(2).await;
    let peers: Vec<_> = found
        .iter()
        .map(|lookup| lookup.result.clone().unwrap().peers)
        .collect();
    assert_eq!(peers[0].v4, [PEER_4]);
    assert_eq!(peers[1].v6, [PEER_6]);
    let up = |status: &Option<DhtStatus>| status.is_some_and(|status| status.up == Some(true));
    running.status(|status| status.iter().all(up)).await;
    // Every query is read-only (BEP 43), and none is an announce.
    for query in nodes.iter().flat_map(Node::queries) {
        let text = String::from_utf8_lossy(&query).into_owned();
        assert!(
            text.contains("2:roi1e") && !text.contains("announce"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_host_name_can_be_a_bootstrap_address() {
    let node = Node::start("127.0.0.1");
    let resolver = Resolver::fixed(Fixed {
        hosts: "127.0.0.1 router.test".to_owned(),
        ..Fixed::default()
    });
    let port = node.contact.address.port();
    let name = (Host::Name("router.test".into()), port);
    let nowhere = (Host::Name("nowhere.test".into()), port);
    let settings = settings(&["127.0.0.1:0"], vec![nowhere, name]);
    let mut running = RunningProber::with(settings, resolver, Vec::new());
    let found = running.find_peers(1).await;
    assert_eq!(found[0].family, Family::Ipv4);
    assert_eq!(found[0].diagnosis.answered, 1);
}

#[tokio::test]
async fn the_node_table_outlives_the_prober() {
    let node = Node::start("127.0.0.1");
    let first = settings(&["127.0.0.1:0"], vec![node.host()]);
    let mut running = RunningProber::start(first.clone(), Vec::new());
    running.find_peers(1).await;
    assert_eq!(running.prober.table().await, [node.contact]);
    let table = running.prober.drain().await;
    assert_eq!(table, [node.contact]);

    let without = Settings {
        bootstrap: Vec::new(),
        ..first
    };
    let mut running = RunningProber::start(without, table);
    running.find_peers(1).await;
}

#[tokio::test]
async fn bootstrap_addresses_can_be_configured_later() {
    let node = Node::start("127.0.0.1");
    let mut running = RunningProber::start(settings(&["127.0.0.1:0"], Vec::new()), Vec::new());
    running.prober.look_up(HASH);
    running.status(|status| status[0].is_some()).await;
    assert_eq!(node.queries(), Vec::<Vec<u8>>::new());
    let settings = settings(&["127.0.0.1:0"], vec![node.host()]);
    running.prober.configure(settings);
    running.find_peers(1).await;
}

#[tokio::test]
async fn watched_torrents_are_looked_up() {
    let node = Node::start("127.0.0.1");
    let mut settings = settings(&["127.0.0.1:0"], vec![node.host()]);
    settings.engine.interval = Duration::from_secs(1);
    let mut running = RunningProber::start(settings, Vec::new());
    let hashes: Vec<InfoHash> = (0..2).map(|n| InfoHash([n; 20])).collect();
    running.prober.watch(hashes.clone().into());
    let mut seen = Vec::new();
    while seen.len() < hashes.len() {
        let lookups = running.lookups().await;
        let found = lookups.iter().filter(|lookup| lookup.result.is_ok());
        seen.extend(found.map(|lookup| lookup.info_hash));
        seen.sort();
        seen.dedup();
    }
    assert_eq!(seen, hashes);
}

#[tokio::test]
async fn queries_and_garbage_are_not_answered() {
    let node = Node::start("127.0.0.1");
    let mut running =
        RunningProber::start(settings(&["127.0.0.1:0"], vec![node.host()]), Vec::new());
    running.find_peers(1).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut ping = Vec::new();
    seedwatch_dht::krpc::ping(&mut ping, *b"abcd", &NodeId([9; 20]));
    for datagram in [&ping[..], b"", b"d", b"d1:t4:abcd1:y1:re", &[0; 9000]] {
        stranger.send_to(datagram, node.prober_address()).unwrap();
    }
    // The prober reads the datagrams above before the answers of this lookup.
    running.find_peers(1).await;
    stranger.set_nonblocking(true).unwrap();
    let nothing = stranger.recv(&mut [0; 2048]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(running.prober.table().await, [node.contact]);
}

#[tokio::test]
async fn undeliverable_queries_do_not_stop_the_prober() {
    let node = Node::start("127.0.0.1");
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr();
    // A documentation address (RFC 5737) is unreachable from a loopback address.
    let elsewhere = "192.0.2.9:9".parse();
    let contact = |id, address| Contact {
        id: NodeId([id; 20]),
        address,
    };
    let table = vec![
        contact(0x41, closed.unwrap()),
        contact(0x42, elsewhere.unwrap()),
        node.contact,
    ];
    let mut running = RunningProber::start(settings(&["127.0.0.1:0"], Vec::new()), table);
    running.find_peers(1).await;
    running
        .status(|status| status[0].is_some_and(|status| status.timeouts >= 2))
        .await;
    assert_eq!(running.prober.table().await, [node.contact]);
}

#[tokio::test]
async fn the_worker_survives_a_fault() {
    let node = Node::start("127.0.0.1");
    let mut running =
        RunningProber::start(settings(&["127.0.0.1:0"], vec![node.host()]), Vec::new());
    running.find_peers(1).await;
    running.prober.look_up(HASH);
    running.prober.tell(Command::Fault);
    let lookups = running.lookups().await;
    assert!(lookups.iter().all(|lookup| lookup.info_hash == HASH));
    running.find_peers(1).await;
    assert_eq!(running.prober.drain().await, [node.contact]);
}

#[test]
fn queries_are_never_fragmented() {
    let [socket, _] = open(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let discovery = sockopt::ip_mtu_discover(socket.unwrap());
    assert_eq!(discovery, Ok(sockopt::Ipv4PathMtuDiscovery::PROBE));
}

#[tokio::test]
async fn one_family_may_have_no_socket() {
    // Not an address of this machine (RFC 3849).
    let start = |listen: &[&str]| {
        let (out, _) = mpsc::channel(1);
        let resolver = Resolver::fixed(Fixed::default());
        DhtProber::start(settings(listen, Vec::new()), resolver, Vec::new(), out)
    };
    assert!(start(&["127.0.0.1:0", "[2001:db8::1]:0"]).is_ok());
    assert!(start(&["[2001:db8::1]:0"]).is_err());
    assert!(start(&[]).is_err());
    let mut running = RunningProber::start(settings(&["127.0.0.1:0"], Vec::new()), Vec::new());
    running
        .status(|status| status[0].is_some() && status[1].is_none())
        .await;
}
