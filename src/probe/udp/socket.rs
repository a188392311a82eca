//! One unconnected UDP socket: batches in, batches out, ICMP errors from the error queue.
//!
//! Unconnected, because answers may come from another address of the host, and because one socket
//! serves all trackers. `IP_RECVERR` then tells which packet met a closed port.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg,
    recvmsg, sendmmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket as Socket2, Type};

use super::engine::{Outbox, Undelivered};
use crate::observation::Family;

/// Receive buffer asked for, in bytes; the kernel grants at most `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 4 << 20;
/// What the kernel grants at least, by default.
const LEAST_BUFFER: usize = 212_992;
/// What an answer of one Ethernet frame takes of the receive buffer, bookkeeping included: a page.
const ANSWER_COST: usize = 4096;
/// Datagrams read in one call.
const RECEIVE_BATCH: usize = 32;
/// Longest datagram read, in bytes: 456 IPv6 peers or 1,369 IPv4 peers. The rest is cut off and
/// counts as one malformed entry. An odd number of cache lines, so that the heads of a batch do
/// not compete for the same ones.
const DATAGRAM: usize = 129 * 64;
/// Single packets sent in one call.
const SEND_BATCH: usize = 64;
/// ICMP errors read at once.
const ERROR_BATCH: usize = 64;
/// Bytes of a returned request that are looked at.
const RETURNED: usize = 64;
/// A pending ICMP error makes one send fail that has nothing to do with it; so a send is tried
/// again, but not for ever.
const SEND_TRIES: usize = 4;

/// Opens a socket of one family on a port of the kernel's choice.
pub(super) fn open(family: Family) -> io::Result<Socket2> {
    let (domain, any) = match family {
        Family::Ipv4 => (Domain::IPV4, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
        Family::Ipv6 => (Domain::IPV6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))),
    };
    let socket = Socket2::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if family == Family::Ipv6 {
        socket.set_only_v6(true)?;
    }
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    match family {
        Family::Ipv4 => setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?,
        Family::Ipv6 => setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?,
    }
    socket.bind(&any.into())?;
    Ok(socket)
}

/// The socket of one family, with room for batches. It cannot leave its thread: the room holds
/// pointers for the kernel.
pub(super) struct Socket {
    inner: Socket2,
    /// The kernel cuts a run into packets (`UDP_SEGMENT`).
    segments: bool,
    /// The error queue may hold something.
    errors: bool,
    buffers: Vec<u8>,
    incoming: MultiHeaders<SockaddrStorage>,
    outgoing: MultiHeaders<SockaddrStorage>,
}

impl Socket {
    /// Makes room for batches.
    pub(super) fn new(inner: Socket2) -> Self {
        Self {
            inner,
            segments: true,
            errors: false,
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

    /// Sends what `outbox` holds. What the kernel refuses for good goes to `unsent`; what it drops
    /// for want of memory is lost, like any packet. Returns whether the send buffer is full.
    pub(super) fn send(
        &mut self,
        outbox: &mut Outbox,
        mut unsent: impl FnMut(SocketAddr, &[u8]),
    ) -> bool {
        let mut tries = 0;
        while !outbox.is_empty() {
            let segmented = self.segments && outbox.starts_with_segments();
            let sent = if segmented {
                self.send_run(outbox)
            } else {
                self.send_singles(outbox)
            };
            tries += 1;
            match sent {
                Ok(packets) => {
                    outbox.advance(packets);
                    tries = 0;
                }
                Err(Errno::EAGAIN) => return true,
                Err(Errno::EINTR) => {}
                // What a kernel or a network card without segmentation says.
                Err(Errno::EIO | Errno::EINVAL | Errno::EMSGSIZE | Errno::EOPNOTSUPP)
                    if segmented =>
                {
                    self.segments = false;
                }
                Err(Errno::ENOBUFS | Errno::ENOMEM) => outbox.advance(1),
                // Perhaps an ICMP error of another packet, which the failed call has taken away.
                Err(_) if tries < SEND_TRIES => self.errors = true,
                Err(_) => {
                    if let Some(run) = outbox.runs().next() {
                        unsent(run.to, &run.bytes[..run.length]);
                    }
                    outbox.advance(1);
                    tries = 0;
                }
            }
        }
        false
    }

    /// Sends the first run in one call.
    fn send_run(&self, outbox: &Outbox) -> nix::Result<usize> {
        let Some(run) = outbox.runs().next() else {
            return Ok(0);
        };
        let length = run.length as u16; // the engine writes packets far shorter than 64 KiB
        sendmsg(
            self.inner.as_raw_fd(),
            &[IoSlice::new(run.bytes)],
            &[ControlMessage::UdpGsoSegments(&length)],
            MsgFlags::MSG_DONTWAIT,
            Some(&SockaddrStorage::from(run.to)),
        )?;
        Ok(run.each().len())
    }

    /// Sends packets up to the next run that is worth a call of its own.
    fn send_singles(&mut self, outbox: &Outbox) -> nix::Result<usize> {
        let segments = self.segments;
        let (addresses, slices): (Vec<_>, Vec<_>) = outbox
            .runs()
            .take_while(|run| !(segments && run.are_segments()))
            .flat_map(|run| run.each().map(move |packet| (run.to, packet)))
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
