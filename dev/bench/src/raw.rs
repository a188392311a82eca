//! The limit of this machine: announces as prepared bytes, answers that are not parsed.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, sendmsg,
};

use crate::usage::{Cost, CostMeter};

const WINDOW: usize = 64;
const ANSWER: usize = 2048;
/// Length of the prober's requests, which include the path (BEP 41).
const REQUEST: usize = 98 + 2 + "/announce".len();

/// How requests are passed to the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// One `sendmmsg` per window.
    Many,
    /// One `sendmsg` per window, segmented by the kernel (`UDP_SEGMENT`).
    Segmented,
}

/// Announces `count` times to a tracker that loses nothing, one window at a time.
pub fn announce(to: SocketAddr, count: usize, sending: Sending) -> Cost {
    let SocketAddr::V4(to) = to else {
        unreachable!("loopback is IPv4 here");
    };
    let to = SockaddrIn::from(to);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket2::SockRef::from(&socket)
        .set_recv_buffer_size(4 << 20)
        .expect("a buffer");
    let fd = socket.as_raw_fd();
    let mut requests = [0u8; REQUEST * WINDOW];
    for (at, request) in requests.chunks_exact_mut(REQUEST).enumerate() {
        request[11] = 1;
        request[15] = at as u8;
    }
    let addresses = [Some(to); WINDOW];
    let mut answers = vec![0; WINDOW * ANSWER];
    let mut incoming = MultiHeaders::<SockaddrIn>::preallocate(WINDOW, None);
    let mut outgoing = MultiHeaders::<SockaddrIn>::preallocate(WINDOW, None);
    let since = CostMeter::now();
    for _ in 0..count / WINDOW {
        match sending {
            Sending::Many => {
                let slices: Vec<[IoSlice<'_>; 1]> = requests
                    .chunks_exact(REQUEST)
                    .map(|request| [IoSlice::new(request)])
                    .collect();
                let flags = MsgFlags::empty();
                let sent = sendmmsg(fd, &mut outgoing, &slices, addresses, [], flags);
                assert_eq!(sent.expect("sent").count(), WINDOW);
            }
            Sending::Segmented => {
                sendmsg(
                    fd,
                    &[IoSlice::new(&requests)],
                    &[ControlMessage::UdpGsoSegments(&(REQUEST as u16))],
                    MsgFlags::empty(),
                    Some(&to),
                )
                .expect("sent");
            }
        }
        let mut open = WINDOW;
        while open > 0 {
            let mut slices: Vec<[IoSliceMut<'_>; 1]> = answers
                .chunks_exact_mut(ANSWER)
                .map(|answer| [IoSliceMut::new(answer)])
                .collect();
            let flags = MsgFlags::MSG_WAITFORONE;
            let received = recvmmsg(fd, &mut incoming, &mut slices, flags, None);
            open -= received.expect("received").count();
        }
    }
    since.cost()
}
