//! Unconnected UDP sockets: batches in, batches out, ICMP errors from the error queue.
//!
//! Unconnected, because answers may come from another address of the host, and because one socket
//! serves all trackers or nodes of a family. `IP_RECVERR` then tells which packet met a closed port.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, recvmsg, sendmmsg,
    setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket as Socket2, Type};

use crate::observation::Family;

/// Receive buffer asked for, in bytes; the kernel grants at most `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 4 << 20;
/// What the kernel grants at least, by default.
const LEAST_BUFFER: usize = 212_992;
/// What an answer of one Ethernet frame takes of the receive buffer, bookkeeping included: a page.
const ANSWER_COST: usize = 4096;
/// Datagrams read in one call.
const RECEIVE_BATCH: usize = 32;
/// Longest datagram read, in bytes: 456 IPv6 peers or 1,369 IPv4 peers of a tracker. The rest is
/// cut off. An odd number of cache lines, so that the heads of a batch do not compete for the same
/// ones.
const DATAGRAM: usize = 129 * 64;
/// Packets sent in one call.
const SEND_BATCH: usize = 64;
/// ICMP errors read at once.
const ERROR_BATCH: usize = 64;
/// Bytes of a returned request that are looked at.
const RETURNED: usize = 64;
/// A pending ICMP error makes one send fail that has nothing to do with it; so a send is tried
/// again, but not for ever.
const SEND_TRIES: usize = 4;

/// Why a packet did not arrive, as the network says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undelivered {
    /// The port is closed: nobody is there.
    Refused,
    /// Host or network cannot be reached, says a router. This may pass (RFC 1122, 4.2.3.9).
    Unreachable,
    /// Our own kernel did not send it: no route, or its firewall forbids it.
    Unsent,
    /// Our own kernel had no memory for it.
    Lost,
}

/// What became of an attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// So many packets are out.
    Packets(usize),
    /// The send buffer is full.
    Full,
    /// Nothing is decided yet: try again at once.
    Again,
    /// The kernel has no memory for the first packet, which is lost, like any packet may be.
    Lost,
    /// The kernel refuses the first packet for good.
    Refused,
}

/// All addresses of this machine, and a port of the kernel's choice.
pub(super) fn any(family: Family) -> SocketAddr {
    match family {
        Family::Ipv4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        Family::Ipv6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    }
}

/// Opens a socket of one family.
///
/// # Errors
/// Those of the kernel: no such family, the port is taken, not an address of this machine.
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

/// A socket with room for batches. It cannot leave its thread: the room holds pointers for the
/// kernel.
pub(super) struct Socket {
    inner: Socket2,
    /// The error queue may hold something.
    errors: bool,
    /// Attempts to send that failed in a row.
    tries: usize,
    buffers: Vec<u8>,
    incoming: MultiHeaders<SockaddrStorage>,
    outgoing: MultiHeaders<SockaddrStorage>,
}

impl Socket {
    /// Makes room for batches.
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

    /// Answers the receive buffer has room for.
    pub(super) fn window(&self) -> usize {
        let granted = self.inner.recv_buffer_size();
        granted.unwrap_or(LEAST_BUFFER) / ANSWER_COST
    }

    /// Reads one batch of datagrams; returns how many. 0 means that there are none.
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
                // Either there is nothing, or the error queue tells more.
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

    /// Whether a batch was as large as batches get, so that there may be more.
    pub(super) fn is_full_batch(&self, read: usize) -> bool {
        read == RECEIVE_BATCH
    }

    /// Whether there may be something for [`Socket::errors`] to read.
    pub(super) fn has_errors(&self) -> bool {
        self.errors
    }

    /// There is something to read for [`Socket::errors`]. A call that sent some packets before
    /// one met the error of an earlier packet says nothing of it; only waiting tells.
    pub(super) fn expect_errors(&mut self) {
        self.errors = true;
    }

    /// Reads ICMP errors: the address written to, what was written, and what became of it.
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

    /// Sends the first packets, at most 64, in one call; returns how many. The result is for
    /// [`Socket::judge`].
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

    /// Tells what an attempt to send some packets came to.
    pub(super) fn judge(&mut self, sent: nix::Result<usize>) -> Sent {
        self.tries += 1;
        let judged = match sent {
            Ok(packets) => Sent::Packets(packets),
            Err(Errno::EAGAIN) => Sent::Full,
            Err(Errno::EINTR) => return Sent::Again,
            Err(Errno::ENOBUFS | Errno::ENOMEM) => Sent::Lost,
            // Perhaps an ICMP error of another packet, which the failed call has taken away.
            Err(_) if self.tries < SEND_TRIES => {
                self.errors = true;
                return Sent::Again;
            }
            Err(_) => Sent::Refused,
        };
        self.tries = 0;
        judged
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
    // Flow label and scope of an answer differ from those of the request.
    from.as_sockaddr_in6()
        .map(|v6| SocketAddr::from((v6.ip(), v6.port())))
}
