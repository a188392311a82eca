//! A DHT node (BEP 5) that knows nobody and remembers what it was asked.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use seedwatch_torrent::bencode::{Dict, Value};

use crate::rig::address;
use crate::rig::wire::Hash;

/// What somebody asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// `get_peers`, `ping` and so on.
    pub(crate) method: String,
    /// Info-hash or id that is looked for.
    pub(crate) target: Option<Hash>,
    /// The asker says that it answers nobody (BEP 43).
    pub(crate) read_only: bool,
}

/// A node on an address of its own; it stops when dropped.
pub(crate) struct DhtNode {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Question>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DhtNode {
    /// Answers under this id.
    pub(crate) fn start(id: Hash) -> Self {
        let socket = UdpSocket::bind((address::host(), 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let timeout = Some(Duration::from_millis(50));
        socket.set_read_timeout(timeout).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (heard, stop) = (Arc::clone(&heard), Arc::clone(&stop));
            move || {
                let mut buffer = [0; 1500];
                while !stop.load(Ordering::Relaxed) {
                    let Ok((length, asker)) = socket.recv_from(&mut buffer) else {
                        continue;
                    };
                    let (question, answer) = read(&buffer[..length], &id);
                    heard.lock().unwrap().push(question);
                    socket.send_to(&answer, asker).unwrap();
                }
            }
        });
        Self {
            address,
            heard,
            stop,
            thread: Some(thread),
        }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every question so far.
    pub(crate) fn heard(&self) -> Vec<Question> {
        self.heard.lock().unwrap().clone()
    }

    /// How often somebody wanted peers of this info-hash.
    pub(crate) fn wanted(&self, hash: &Hash) -> usize {
        let heard = self.heard.lock().unwrap();
        let wanted = heard.iter().filter(|question| {
            question.method == "get_peers" && question.target.as_ref() == Some(hash)
        });
        wanted.count()
    }
}

impl Drop for DhtNode {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let outcome = self.thread.take().map(JoinHandle::join);
        assert!(
            std::thread::panicking() || matches!(outcome, Some(Ok(()))),
            "it was sent what is no question"
        );
    }
}

fn read(datagram: &[u8], id: &Hash) -> (Question, Vec<u8>) {
    let message = Dict::open(datagram).unwrap();
    let text = |key: &[u8]| message.get(key).and_then(|value| value.as_bytes());
    let Some(Value::Dict(arguments)) = message.get(b"a") else {
        panic!("no arguments");
    };
    let target = [&b"info_hash"[..], b"target"]
        .into_iter()
        .find_map(|key| arguments.get(key))
        .map(|target| target.as_bytes().unwrap().try_into().unwrap());
    let question = Question {
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
    (question, answer.concat())
}
