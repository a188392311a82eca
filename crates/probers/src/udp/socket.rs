//! The socket of the UDP prober, which sends packets of one length to one address in one call.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};

use crate::datagram::{self, Sent};
use crate::shortage;
use seedwatch_tracker::udp::engine::{NO_BUFFERS, Outbox, Undelivered};

/// The number of runs sent in one call.
const RUN_BATCH: usize = 64;

/// A [`datagram::Socket`] that sends runs.
pub(super) struct Socket {
    inner: datagram::Socket,
    outgoing: MultiHeaders<SockaddrStorage>,
    /// Whether the kernel splits a run into packets (`UDP_SEGMENT`).
    segments: bool,
}

impl Socket {
    pub(super) fn new(inner: datagram::Socket) -> Self {
        Self {
            inner,
            outgoing: MultiHeaders::preallocate(RUN_BATCH, Some(nix::cmsg_space!(u16))),
            segments: true,
        }
    }

    /// Sends the packets in `outbox`. Passes packets that the kernel refuses, or drops for lack of
    /// memory, to `unsent`. Returns whether the send buffer is full.
    pub(super) fn send(
        &mut self,
        outbox: &mut Outbox,
        mut unsent: impl FnMut(SocketAddr, &[u8], Undelivered),
    ) -> bool {
        while !outbox.is_empty() {
            let segmented = self.segments && outbox.starts_with_segments();
            let sent = if segmented {
                self.send_runs(outbox)
            } else {
                self.send_singles(outbox)
            };
            if segmented
                && let Err(Errno::EIO | Errno::EINVAL | Errno::EMSGSIZE | Errno::EOPNOTSUPP) = sent
            {
                // The error of a kernel or network card without segmentation.
                self.segments = false;
                continue;
            }
            let why = match self.inner.classify(sent) {
                Sent::Packets(packets) => {
                    outbox.advance(packets);
                    continue;
                }
                Sent::Full => return true,
                Sent::Again => continue,
                Sent::Lost => {
                    shortage::log(NO_BUFFERS);
                    Undelivered::Lost
                }
                Sent::Refused => Undelivered::Unsent,
            };
            if let Some(run) = outbox.runs().next() {
                unsent(run.to, &run.bytes[..run.length], why);
            }
            outbox.advance(1);
        }
        false
    }

    /// Sends the first runs whose packets have one length in one call, because the call has one
    /// segment length for all of them.
    fn send_runs(&mut self, outbox: &Outbox) -> nix::Result<usize> {
        let Some(first) = outbox.runs().next() else {
            return Ok(0);
        };
        let length = first.length as u16; // the engine writes packets far shorter than 64 KiB
        let alike = || {
            let runs = outbox.runs().take(RUN_BATCH);
            runs.take_while(|run| run.length == first.length)
        };
        let (addresses, slices): (Vec<_>, Vec<_>) = alike()
            .map(|run| {
                let to = SockaddrStorage::from(run.to);
                (Some(to), [IoSlice::new(run.bytes)])
            })
            .unzip();
        let sent = sendmmsg(
            self.inner.as_fd().as_raw_fd(),
            &mut self.outgoing,
            &slices,
            addresses,
            [ControlMessage::UdpGsoSegments(&length)],
            MsgFlags::MSG_DONTWAIT,
        )?;
        Ok(alike().take(sent.count()).map(|run| run.each().len()).sum())
    }

    /// Sends single packets up to the next run.
    fn send_singles(&mut self, outbox: &Outbox) -> nix::Result<usize> {
        let segments = self.segments;
        let packets = outbox
            .runs()
            .take_while(|run| !(segments && run.are_segments()))
            .flat_map(|run| run.each().map(move |packet| (run.to, packet)));
        self.inner.send(packets)
    }
}

impl Deref for Socket {
    type Target = datagram::Socket;

    fn deref(&self) -> &datagram::Socket {
        &self.inner
    }
}

impl DerefMut for Socket {
    fn deref_mut(&mut self) -> &mut datagram::Socket {
        &mut self.inner
    }
}
