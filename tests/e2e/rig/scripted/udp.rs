//! A UDP tracker (BEP 15) that follows a script.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Truth;
use crate::rig::address;
use crate::rig::wire::{Endpoint, Hash, be32};

/// The request that a packet contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UdpRequest {
    Connect,
    Announce { hash: Hash, event: u32, left: u64 },
    Scrape(Vec<Hash>),
    Unreadable,
}

/// A packet from a client.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) request: UdpRequest,
    pub(crate) transaction: [u8; 4],
    /// The complete datagram.
    pub(crate) raw: Vec<u8>,
}

/// A tracker on its own address, which stops when dropped.
pub(crate) struct UdpTracker {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Packet>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl UdpTracker {
    /// Starts a tracker that answers each packet with the datagrams that the script returns.
    pub(crate) fn start(mut script: impl FnMut(&Packet) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        Self::start_with(move |packet, client, socket| {
            for answer in script(packet) {
                socket.send_to(&answer, client).unwrap();
            }
        })
    }

    /// Starts a tracker whose script gets the socket, to answer later or from another address.
    pub(crate) fn start_with(
        mut script: impl FnMut(&Packet, SocketAddr, &UdpSocket) + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind((address::host(), 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let timeout = Some(Duration::from_millis(50));
        socket.set_read_timeout(timeout).unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (received, stop) = (Arc::clone(&received), Arc::clone(&stop));
            move || {
                let mut buffer = [0; 4096];
                while !stop.load(Ordering::Relaxed) {
                    let Ok((length, client)) = socket.recv_from(&mut buffer) else {
                        continue;
                    };
                    let packet = read(&buffer[..length]);
                    received.lock().unwrap().push(packet.clone());
                    script(&packet, client, &socket);
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

    /// Returns the endpoint of the tracker.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::Udp(self.address)
    }

    /// Returns every packet so far.
    pub(crate) fn received(&self) -> Vec<Packet> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for UdpTracker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the script of {} panicked", self.address);
        }
    }
}

fn read(raw: &[u8]) -> Packet {
    let hash = |at: usize| Hash::try_from(&raw[at..at + 20]).unwrap();
    let request = match raw.get(8..12).map(be32) {
        Some(0) if raw.len() >= 16 => UdpRequest::Connect,
        Some(1) if raw.len() >= 98 => UdpRequest::Announce {
            hash: hash(16),
            event: be32(&raw[80..]),
            left: u64::from_be_bytes(raw[64..72].try_into().unwrap()),
        },
        Some(2) if raw.len() >= 36 => {
            UdpRequest::Scrape((16..raw.len() - 19).step_by(20).map(hash).collect())
        }
        _ => UdpRequest::Unreadable,
    };
    let transaction = raw.get(12..16).and_then(|id| id.try_into().ok());
    Packet {
        request,
        transaction: transaction.unwrap_or_default(),
        raw: raw.to_vec(),
    }
}

/// Returns the answer of an honest tracker.
pub(crate) fn honest(packet: &Packet, truth: &Truth) -> Vec<u8> {
    let action = packet.raw.get(8..12).unwrap_or_default();
    let mut answer = [action, &packet.transaction].concat();
    match &packet.request {
        UdpRequest::Connect => answer.extend(b"conn-id!"),
        UdpRequest::Announce { .. } => {
            for number in [truth.interval, truth.leechers, truth.seeders] {
                answer.extend(number.to_be_bytes());
            }
            answer.extend(truth.compact(false));
        }
        UdpRequest::Scrape(swarms) => {
            for _ in swarms {
                for number in [truth.seeders, 0, truth.leechers] {
                    answer.extend(number.to_be_bytes());
                }
            }
        }
        UdpRequest::Unreadable => return refusal(packet, "unreadable"),
    }
    answer
}

/// Returns an error packet (BEP 15, action 3).
pub(crate) fn refusal(packet: &Packet, text: &str) -> Vec<u8> {
    [&3_u32.to_be_bytes(), &packet.transaction, text.as_bytes()].concat()
}
