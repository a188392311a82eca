//! A UDP tracker that only answers: the cheapest possible tracker.
//!
//! It runs in its own process (this binary, started again), so that its CPU time is not counted as
//! the client's.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::child::ChildProcess;

/// First argument that makes this binary run a tracker.
const ROLE: &str = "null-tracker";
/// Peers per answer.
pub const PEERS: usize = 100;
const BATCH: usize = 64;
const REQUEST: usize = 2048;
/// Longest answer, in bytes.
pub const ANSWER: usize = 20 + 6 * PEERS;

/// How a tracker handles requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrackerBehaviour {
    /// It answers them.
    Answers,
    /// It loses one in ten, and one answer in ten.
    Loses,
    /// It never answers.
    Silent,
}

impl TrackerBehaviour {
    const ALL: [Self; 3] = [Self::Answers, Self::Loses, Self::Silent];
}

/// Trackers, each at its own address. They stop when this value is dropped.
pub struct NullTracker {
    _process: ChildProcess,
    /// Addresses of the trackers.
    pub addresses: Vec<SocketAddr>,
}

impl NullTracker {
    /// Starts `count` trackers.
    pub fn start(count: u8, behaviour: TrackerBehaviour) -> Self {
        let behaviour = (behaviour as usize).to_string();
        let mut process = ChildProcess::start(ROLE, &[count.to_string(), behaviour]);
        let addresses = process.read(6 * usize::from(count));
        let (addresses, _) = addresses.as_chunks::<6>();
        let addresses = addresses
            .iter()
            .map(|&[a, b, c, d, e, f]| {
                let ip = Ipv4Addr::new(a, b, c, d);
                SocketAddr::from((ip, u16::from_be_bytes([e, f])))
            })
            .collect();
        Self {
            _process: process,
            addresses,
        }
    }
}

/// Runs a tracker if this process was started for that. Must be the first call in `main`.
pub fn run_if_child() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).map(String::as_str) == Some(ROLE) {
        let [count, behaviour] = [2, 3].map(|at| arguments[at].parse::<u8>().expect("a number"));
        serve(count, TrackerBehaviour::ALL[usize::from(behaviour)]);
    }
}

fn serve(count: u8, behaviour: TrackerBehaviour) -> ! {
    let group = behaviour as u8;
    let sockets: Vec<UdpSocket> = (1..=count)
        .map(|n| {
            let ip = Ipv4Addr::new(127, 88, group, n);
            let socket = UdpSocket::bind((ip, 0)).expect("a socket");
            socket.set_nonblocking(true).expect("not blocking");
            socket2::SockRef::from(&socket)
                .set_recv_buffer_size(4 << 20)
                .expect("a buffer");
            socket
        })
        .collect();
    let mut out = std::io::stdout().lock();
    for socket in &sockets {
        let SocketAddr::V4(at) = socket.local_addr().expect("bound") else {
            unreachable!("bound to IPv4");
        };
        out.write_all(&at.ip().octets()).expect("a parent");
        out.write_all(&at.port().to_be_bytes()).expect("a parent");
    }
    out.flush().expect("a parent");
    if behaviour == TrackerBehaviour::Silent {
        // Ends with the parent process, which holds the other end.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    }
    let mut buffers = BatchBuffers::new(behaviour);
    loop {
        let mut watched: Vec<PollFd<'_>> = sockets
            .iter()
            .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
            .collect();
        poll(&mut watched, PollTimeout::NONE).expect("poll");
        let ready: Vec<bool> = watched.iter().map(|fd| fd.any() == Some(true)).collect();
        for (socket, _) in sockets.iter().zip(ready).filter(|(_, ready)| *ready) {
            buffers.answer_all(socket);
        }
    }
}

/// Buffers for batches of requests and answers.
struct BatchBuffers {
    behaviour: TrackerBehaviour,
    rng: SmallRng,
    requests: Vec<u8>,
    answers: Vec<u8>,
    incoming: MultiHeaders<SockaddrIn>,
    outgoing: MultiHeaders<SockaddrIn>,
}

impl BatchBuffers {
    fn new(behaviour: TrackerBehaviour) -> Self {
        Self {
            behaviour,
            rng: SmallRng::seed_from_u64(1),
            requests: vec![0; BATCH * REQUEST],
            answers: vec![0; BATCH * ANSWER],
            incoming: MultiHeaders::preallocate(BATCH, None),
            outgoing: MultiHeaders::preallocate(BATCH, None),
        }
    }

    fn answer_all(&mut self, socket: &UdpSocket) {
        let flags = MsgFlags::MSG_DONTWAIT;
        for _ in 0..16 {
            let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
                .requests
                .chunks_exact_mut(REQUEST)
                .map(|buffer| [IoSliceMut::new(buffer)])
                .collect();
            let fd = socket.as_raw_fd();
            let Ok(received) = recvmmsg(fd, &mut self.incoming, &mut slices, flags, None) else {
                return;
            };
            let mut addresses = Vec::with_capacity(BATCH);
            let mut lengths = Vec::with_capacity(BATCH);
            let mut free = self.answers.chunks_exact_mut(ANSWER);
            let mut count = 0;
            for message in received {
                count += 1;
                let mut lost = || self.rng.random_ratio(1, 10);
                if self.behaviour == TrackerBehaviour::Loses && (lost() || lost()) {
                    continue;
                }
                if let (Some(request), Some(answer)) = (message.iovs().next(), free.next()) {
                    lengths.push(write_answer(request, answer));
                    addresses.push(message.address);
                }
            }
            let slices: Vec<[IoSlice<'_>; 1]> = self
                .answers
                .chunks_exact(ANSWER)
                .zip(&lengths)
                .map(|(answer, length)| [IoSlice::new(&answer[..*length])])
                .collect();
            // A full buffer loses answers, as in reality.
            let _ = sendmmsg(fd, &mut self.outgoing, &slices, &addresses, [], flags);
            if count < BATCH {
                return;
            }
        }
    }
}

/// Writes an answer. Returns its length.
pub fn write_answer(request: &[u8], answer: &mut [u8]) -> usize {
    if request.len() < 16 {
        return 0;
    }
    answer[..4].copy_from_slice(&request[8..12]);
    answer[4..8].copy_from_slice(&request[12..16]);
    match request[11] {
        0 => {
            answer[8..16].copy_from_slice(&[7; 8]);
            16
        }
        1 => {
            for (at, word) in [1800u32, 99, 1].iter().enumerate() {
                answer[8 + 4 * at..12 + 4 * at].copy_from_slice(&word.to_be_bytes());
            }
            // Peers differ between swarms and stay the same within one.
            let seed = u32::from_be_bytes([request[16], request[17], request[18], request[19]]);
            for (at, entry) in (0..).zip(answer[20..].chunks_exact_mut(6)) {
                let mixed = seed.wrapping_add(at).wrapping_mul(2_654_435_761) >> 8;
                let ip = 0x0b00_0000 + (mixed & 0x00ff_ffff);
                entry[..4].copy_from_slice(&ip.to_be_bytes());
                entry[4..].copy_from_slice(&6881u16.to_be_bytes());
            }
            ANSWER
        }
        _ => 8,
    }
}
