//! Unconnected UDP sockets that read and send in batches, and read ICMP errors from the error
//! queue.
//!
//! The sockets are unconnected, because an answer may come from another address of the host, and
//! because one socket serves all trackers or nodes of a family. `IP_RECVERR` tells which packet met
//! a closed port.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, recvmsg, sendmmsg,
    setsockopt, sockopt,
};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
use socket2::{Domain, Protocol, Socket as Socket2, Type};

use seedwatch_torrent::Family;
use seedwatch_tracker::udp::engine::Undelivered;

/// The requested size of the receive buffer in bytes. The kernel grants at most
/// `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 4 << 20;
/// The smallest receive buffer that kernels grant by default, in bytes.
const LEAST_BUFFER: usize = 212_992;
/// The space that an answer of one Ethernet frame takes in the receive buffer, with bookkeeping:
/// one page.
const ANSWER_COST: usize = 4096;
/// The number of datagrams read in one call.
const RECEIVE_BATCH: usize = 32;
/// The largest number of such batches that a worker reads from one socket before it does something
/// else.
pub(crate) const READS_PER_TURN: usize = 8;
/// The longest datagram read, in bytes: 456 IPv6 or 1,369 IPv4 peers of a tracker. The rest is cut
/// off. It is an odd number of cache lines, so that the heads of a batch do not share cache sets.
const DATAGRAM: usize = 129 * 64;
/// The number of packets sent in one call.
const SEND_BATCH: usize = 64;
/// The largest number of ICMP errors read at once.
const ERROR_BATCH: usize = 64;
/// The number of bytes read of a returned request.
const RETURNED: usize = 64;
/// The largest number of attempts to send. A pending ICMP error of another packet makes one attempt
/// fail.
const SEND_TRIES: usize = 4;

/// The result of an attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// This number of packets was sent.
    Packets(usize),
    /// The send buffer is full.
    Full,
    /// Nothing was sent: try again at once.
    Again,
    /// The kernel has no memory for the first packet, which is lost.
    Lost,
    /// The kernel refuses the first packet permanently.
    Refused,
}

/// Returns the unspecified address with port 0: all addresses, and a port that the kernel chooses.
pub(super) fn any(family: Family) -> SocketAddr {
    match family {
        Family::Ipv4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        Family::Ipv6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    }
}

/// Opens a socket of one family.
///
/// # Errors
/// The kernel does not support the family, the port is taken, or the address is not of this
/// machine.
pub(super) fn open(at: SocketAddr) -> io::Result<Socket2> {
    let domain = Domain::for_address(at);
    let socket = Socket2::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    match at {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?,
    }
    socket.bind(&at.into())?;
    Ok(socket)
}

/// Opens a socket for packets that are never fragmented, such as the queries of the DHT.
///
/// They are shorter than the least path MTU that Linux assumes, 552 bytes. By default the kernel
/// may fragment a packet, and computes an identification for each one and its destination. A packet
/// that is never fragmented needs none (RFC 6864), which saves a tenth of the time to send it.
///
/// # Errors
/// As [`open`].
pub(super) fn open_unfragmented(at: SocketAddr) -> io::Result<Socket2> {
    let socket = open(at)?;
    if at.is_ipv4() {
        // A kernel without this option sends the same packets in more time.
        let _ = set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::PROBE);
    }
    Ok(socket)
}

/// A socket with buffers for batches. It cannot leave its thread, because the buffers hold pointers
/// for the kernel.
pub(super) struct Socket {
    inner: Socket2,
    /// The error queue may hold something.
    errors: bool,
    /// The number of failed attempts to send in a row.
    tries: usize,
    buffers: Vec<u8>,
    incoming: MultiHeaders<SockaddrStorage>,
    outgoing: MultiHeaders<SockaddrStorage>,
}

impl Socket {
    /// Allocates the buffers.
    pub(super) fn new(inner: Socket2) -> Self {
        Self {
            inner,
            errors: false,
            tries: 0,
            buffers: vec![0; RECEIVE_BATCH * DATAGRAM],
            incoming: MultiHeaders::preallocate(RECEIVE_BATCH, None),
            outgoing: MultiHeaders::preallocate(SEND_BATCH, None),
        }
    }

    /// Returns the number of answers that the receive buffer holds.
    pub(super) fn window(&self) -> usize {
        let granted = self.inner.recv_buffer_size();
        granted.unwrap_or(LEAST_BUFFER) / ANSWER_COST
    }

    /// Reads one batch of datagrams. Returns their number; 0 if there are none.
    pub(super) fn receive(&mut self, mut take: impl FnMut(SocketAddr, &[u8])) -> usize {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
            .buffers
            .chunks_exact_mut(DATAGRAM)
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        let fd = self.inner.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let messages = match recvmmsg(fd, &mut self.incoming, &mut slices, flags, None) {
            Ok(messages) => messages,
            Err(error) => {
                // Either there is nothing to read, or the error queue has the reason.
                self.errors |= !matches!(error, Errno::EAGAIN | Errno::EINTR);
                return 0;
            }
        };
        let mut count = 0;
        for message in messages {
            count += 1;
            if let Some(from) = message.address.as_ref().and_then(address)
                && let Some(bytes) = message.iovs().next()
            {
                take(from, bytes);
            }
        }
        count
    }

    /// Returns whether a batch was full, so that there may be more to read.
    pub(super) fn is_full_batch(&self, read: usize) -> bool {
        read == RECEIVE_BATCH
    }

    /// Returns whether [`Socket::errors`] may have something to read.
    pub(super) fn has_errors(&self) -> bool {
        self.errors
    }

    /// Records that [`Socket::errors`] has something to read. A call that sends only some of its
    /// packets hides the error of an earlier packet; only `poll(2)` reports it.
    pub(super) fn expect_errors(&mut self) {
        self.errors = true;
    }

    /// Reads ICMP errors: the destination, the beginning of the packet, and the reason.
    pub(super) fn errors(&mut self, mut take: impl FnMut(SocketAddr, &[u8], Undelivered)) {
        self.errors = false;
        let mut control = nix::cmsg_space!([u8; 128]);
        for _ in 0..ERROR_BATCH {
            let mut returned = [0; RETURNED];
            let mut slices = [IoSliceMut::new(&mut returned)];
            let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
            let fd = self.inner.as_raw_fd();
            let Ok(message) =
                recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut control), flags)
            else {
                return;
            };
            let error = message.cmsgs().ok().and_then(|mut all| {
                all.find_map(|one| match one {
                    ControlMessageOwned::Ipv4RecvErr(error, _) => Some(error.ee_errno),
                    ControlMessageOwned::Ipv6RecvErr(error, _) => Some(error.ee_errno),
                    _ => None,
                })
            });
            let why = match error.map(|number| Errno::from_raw(number as i32)) {
                Some(Errno::ECONNREFUSED) => Undelivered::Refused,
                Some(Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EACCES) => {
                    Undelivered::Unreachable
                }
                _ => continue,
            };
            if let Some(to) = message.address.as_ref().and_then(address) {
                let length = message.bytes.min(RETURNED);
                take(to, &returned[..length], why);
            }
        }
    }

    /// Sends the first packets, at most 64, in one call. The caller passes the result to
    /// [`Socket::classify`].
    pub(super) fn send<'a>(
        &mut self,
        packets: impl Iterator<Item = (SocketAddr, &'a [u8])>,
    ) -> nix::Result<usize> {
        let (addresses, slices): (Vec<_>, Vec<_>) = packets
            .take(SEND_BATCH)
            .map(|(to, packet)| (Some(SockaddrStorage::from(to)), [IoSlice::new(packet)]))
            .unzip();
        let sent = sendmmsg(
            self.inner.as_raw_fd(),
            &mut self.outgoing,
            &slices,
            addresses,
            [],
            MsgFlags::MSG_DONTWAIT,
        )?;
        Ok(sent.count())
    }

    /// Interprets the result of an attempt to send.
    pub(super) fn classify(&mut self, sent: nix::Result<usize>) -> Sent {
        self.tries += 1;
        let outcome = match sent {
            Ok(packets) => Sent::Packets(packets),
            Err(Errno::EAGAIN) => Sent::Full,
            Err(Errno::EINTR) => return Sent::Again,
            Err(Errno::ENOBUFS | Errno::ENOMEM) => Sent::Lost,
            // It may be the ICMP error of another packet, which the failed call has cleared.
            Err(_) if self.tries < SEND_TRIES => {
                self.errors = true;
                return Sent::Again;
            }
            Err(_) => Sent::Refused,
        };
        self.tries = 0;
        outcome
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

fn address(from: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = from.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    // The flow label and scope of an answer differ from those of the request.
    from.as_sockaddr_in6()
        .map(|v6| SocketAddr::from((v6.ip(), v6.port())))
}
