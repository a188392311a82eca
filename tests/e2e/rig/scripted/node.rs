//! A DHT node (BEP 5) with an empty routing table that records the queries it receives.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use seedwatch_torrent::bencode::{Dict, Value};

use crate::rig::address;
use crate::rig::wire::Hash;

/// A query that the node received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// The method, such as `get_peers` or `ping`.
    pub(crate) method: String,
    /// The info-hash or node id that the query names.
    pub(crate) target: Option<Hash>,
    /// Whether the sender declares itself read-only (BEP 43).
    pub(crate) read_only: bool,
}

/// A node on its own address, which stops when dropped.
pub(crate) struct DhtNode {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Query>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DhtNode {
    /// Starts a node with this id.
    pub(crate) fn start(id: Hash) -> Self {
        let socket = UdpSocket::bind((address::host(), 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let timeout = Some(Duration::from_millis(50));
        socket.set_read_timeout(timeout).unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (received, stop) = (Arc::clone(&received), Arc::clone(&stop));
            move || {
                let mut buffer = [0; 1500];
                while !stop.load(Ordering::Relaxed) {
                    let Ok((length, sender)) = socket.recv_from(&mut buffer) else {
                        continue;
                    };
                    let (query, answer) = read(&buffer[..length], &id);
                    received.lock().unwrap().push(query);
                    socket.send_to(&answer, sender).unwrap();
                }
            }
        });
        Self {
            address,
            received,
            stop,
            thread: Some(thread),
        }
    }

    /// Returns the address of the node.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns every query so far.
    pub(crate) fn received(&self) -> Vec<Query> {
        self.received.lock().unwrap().clone()
    }

    /// Returns the number of `get_peers` queries for this info-hash.
    pub(crate) fn lookups_of(&self, hash: &Hash) -> usize {
        let received = self.received.lock().unwrap();
        let matching = received
            .iter()
            .filter(|query| query.method == "get_peers" && query.target.as_ref() == Some(hash));
        matching.count()
    }
}

impl Drop for DhtNode {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let outcome = self.thread.take().map(JoinHandle::join);
        assert!(
            std::thread::panicking() || matches!(outcome, Some(Ok(()))),
            "the node received a malformed query"
        );
    }
}

fn read(datagram: &[u8], id: &Hash) -> (Query, Vec<u8>) {
    let message = Dict::open(datagram).unwrap();
    let text = |key: &[u8]| message.get(key).and_then(|value| value.as_bytes());
    let Some(Value::Dict(arguments)) = message.get(b"a") else {
        panic!("no arguments");
    };
    let target = [&b"info_hash"[..], b"target"]
        .into_iter()
        .find_map(|key| arguments.get(key))
        .map(|target| target.as_bytes().unwrap().try_into().unwrap());
    let query = Query {
        method: String::from_utf8(text(b"q").unwrap().to_vec()).unwrap(),
        target,
        read_only: message.get(b"ro").and_then(|value| value.as_int()) == Some(1),
    };
    let transaction = text(b"t").unwrap();
    let length = transaction.len().to_string();
    let answer = [
        b"d1:rd2:id20:",
        &id[..],
        b"5:nodes0:5:token2:xye1:t",
        length.as_bytes(),
        b":",
        transaction,
        b"1:y1:re",
    ];
    (query, answer.concat())
}
