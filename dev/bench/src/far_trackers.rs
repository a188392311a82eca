//! UDP trackers on many hosts, each with a delay, in their own process.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::child::ChildProcess;
use crate::null_tracker::{ANSWER, write_answer};

/// First argument that makes this binary run these trackers.
const ROLE: &str = "far-trackers";
/// Longest sleep while answers are delayed.
const STEP: Duration = Duration::from_micros(200);
/// Second byte of their addresses.
const NETWORK: u8 = 89;

/// Trackers, each at its own address. They stop when this value is dropped.
pub(crate) struct FarTrackers {
    process: ChildProcess,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl FarTrackers {
    /// Starts `count` trackers whose answers take between `far[0]` and `far[1]`.
    pub(crate) fn start(count: u8, far: [Duration; 2]) -> Self {
        let [near, far] = far.map(|time| time.as_millis().to_string());
        let mut process = ChildProcess::start(ROLE, &[count.to_string(), near, far]);
        let ports = process.read(2 * usize::from(count));
        let (ports, _) = ports.as_chunks::<2>();
        let addresses = (1..=count)
            .zip(ports)
            .map(|(n, port)| (Ipv4Addr::new(127, NETWORK, 0, n), u16::from_be_bytes(*port)).into())
            .collect();
        Self { process, addresses }
    }

    /// Returns the number of announces answered so far.
    pub(crate) fn announces(&mut self) -> u64 {
        self.process.write(&[0]);
        let count = self.process.read(8).try_into();
        u64::from_be_bytes(count.expect("eight bytes"))
    }
}

/// Runs the trackers if this process was started for that. Must be the first call in `main`.
pub fn run_if_child() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).map(String::as_str) == Some(ROLE) {
        let [count, near, far] = [2, 3, 4].map(|at| arguments[at].parse().expect("a number"));
        serve(count as u8, [near, far]);
    }
}

struct Late {
    socket: usize,
    to: SocketAddr,
    answer: Vec<u8>,
}

/// Opens a socket for each tracker and reports its port to the parent process.
fn bind(count: u8, output: &mut impl Write) -> Vec<UdpSocket> {
    (1..=count)
        .map(|n| {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, NETWORK, 0, n), 0)).expect("a socket");
            socket.set_nonblocking(true).expect("not blocking");
            let port = socket.local_addr().expect("bound").port();
            output.write_all(&port.to_be_bytes()).expect("a parent");
            socket
        })
        .collect()
}

fn serve(count: u8, far: [u64; 2]) -> ! {
    let mut output = std::io::stdout().lock();
    let sockets = bind(count, &mut output);
    output.flush().expect("a parent");
    let input = std::io::stdin();
    let (mut late, mut serial, mut announces) = (BTreeMap::new(), 0u64, 0u64);
    loop {
        let mut watched: Vec<PollFd<'_>> = std::iter::once(input.as_fd())
            .chain(sockets.iter().map(UdpSocket::as_fd))
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        let timeout = match late.is_empty() {
            true => PollTimeout::NONE,
            false => {
                std::thread::sleep(STEP);
                PollTimeout::ZERO
            }
        };
        poll(&mut watched, timeout).expect("poll");
        let ready: Vec<bool> = watched.iter().map(|fd| fd.any() == Some(true)).collect();
        if ready[0] {
            if input.lock().read(&mut [0]).unwrap_or(0) == 0 {
                std::process::exit(0);
            }
            output
                .write_all(&announces.to_be_bytes())
                .expect("a parent");
            output.flush().expect("a parent");
        }
        let now = Instant::now();
        for at in (0..sockets.len()).filter(|at| ready[at + 1]) {
            let mut request = [0; 2048];
            while let Ok((length, to)) = sockets[at].recv_from(&mut request) {
                let mut answer = vec![0; ANSWER];
                let written = write_answer(&request[..length], &mut answer);
                answer.truncate(written);
                announces += u64::from(length > 16 && request[11] == 1);
                if far[1] == 0 {
                    let _ = sockets[at].send_to(&answer, to);
                    continue;
                }
                serial += 1;
                let wait = far[0] * 1000 + serial * 7919 % ((far[1] - far[0]) * 1000);
                let socket = at;
                late.insert(
                    (now + Duration::from_micros(wait), serial),
                    Late { socket, to, answer },
                );
            }
        }
        while let Some(first) = late.first_entry()
            && first.key().0 <= now
        {
            let Late { socket, to, answer } = first.remove();
            let _ = sockets[socket].send_to(&answer, to);
        }
    }
}
