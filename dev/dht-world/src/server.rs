//! The emulated DHT behind real sockets.
//!
//! One UDP socket on the wildcard address receives for every address of 127.0.0.0/8, or of
//! fd77::/16 after `ip -6 route add local fd77::/16 dev lo`, or of the public ranges. `IP_PKTINFO`
//! tells the queried node and sets the source of the answer. It must run in its own network
//! namespace, so that the wildcard covers no real interface. It also binds to `lo`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg,
    sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Net, World};

/// Requested receive buffer, in bytes.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Datagrams per system call.
const BATCH: usize = 64;
/// Longest datagram that is read, in bytes. No query is longer.
const DATAGRAM: usize = 1536;
/// Batches that are read before due answers are sent.
const BATCHES: usize = 8;

/// Pause after each turn with queries.
const TICK: Duration = Duration::from_millis(1);

/// A world and its sockets.
pub struct WorldServer {
    world: World,
    socket: Socket,
    control: UdpSocket,
    began: Instant,
    waiting: BinaryHeap<Reverse<PendingAnswer>>,
    /// Keeps answers that are due at the same time in order.
    count: u64,
    answer: Vec<u8>,
}

/// An answer that is not due yet.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct PendingAnswer {
    due: Duration,
    count: u64,
    node: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl WorldServer {
    /// Opens the sockets: all nodes at `port`, and the control socket at 127.0.0.1, one port above.
    pub fn open(mut world: World, port: u16) -> io::Result<Self> {
        world.set_port(port);
        let (domain, any) = match world.family() {
            Net::V4 => (
                Domain::IPV4,
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            ),
            Net::V6 => (
                Domain::IPV6,
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
            ),
        };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        setsockopt(&socket, sockopt::BindToDevice, &"lo".into())?;
        setsockopt(&socket, sockopt::IpFreebind, &true)?;
        match world.family() {
            Net::V4 => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            Net::V6 => {
                socket.set_only_v6(true)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            }
        }
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_send_buffer_size(RECEIVE_BUFFER)?;
        socket.bind(&any.into())?;
        let control = UdpSocket::bind((Ipv4Addr::LOCALHOST, port + 1))?;
        control.set_nonblocking(true)?;
        Ok(Self {
            world,
            socket,
            control,
            began: Instant::now(),
            waiting: BinaryHeap::new(),
            count: 0,
            answer: Vec::new(),
        })
    }

    /// Returns bootstrap addresses.
    pub fn bootstrap(&self) -> Vec<SocketAddr> {
        self.world.bootstrap()
    }

    /// Answers queries until `stop` becomes readable or its other end is closed.
    pub fn serve(&mut self, stop: &impl AsFd) -> io::Result<()> {
        let mut buffers = vec![0; BATCH * DATAGRAM];
        let space = match self.world.family() {
            Net::V4 => nix::cmsg_space!(libc::in_pktinfo),
            Net::V6 => nix::cmsg_space!(libc::in6_pktinfo),
        };
        let mut headers = MultiHeaders::preallocate(BATCH, Some(space));
        loop {
            let timeout = self.timeout();
            let mut polled = [
                PollFd::new(stop.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.control.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut polled, timeout) {
                Err(Errno::EINTR) => continue,
                result => result?,
            };
            let [stop, control, socket] = polled.map(|one| one.any() == Some(true));
            if stop {
                return Ok(());
            }
            if control {
                self.answer_control()?;
            }
            if socket {
                for _ in 0..BATCHES {
                    if self.receive(&mut buffers, &mut headers)? < BATCH {
                        break;
                    }
                }
            }
            self.send_due()?;
            if socket {
                // A client on this machine pays for each query that wakes this process. Queries
                // that arrive during the pause wake nothing.
                std::thread::sleep(TICK);
            }
        }
    }

    fn timeout(&self) -> PollTimeout {
        let Some(Reverse(first)) = self.waiting.peek() else {
            return PollTimeout::NONE;
        };
        let left = first.due.saturating_sub(self.began.elapsed());
        let millis = left.as_micros().div_ceil(1000);
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
    }

    /// Reads and answers one batch of queries. Returns their number.
    fn receive(
        &mut self,
        buffers: &mut [u8],
        headers: &mut MultiHeaders<SockaddrStorage>,
    ) -> io::Result<usize> {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = buffers
            .chunks_exact_mut(DATAGRAM)
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let received = match recvmmsg(self.socket.as_raw_fd(), headers, &mut slices, flags, None) {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let now = self.began.elapsed();
        let mut count = 0;
        for message in received {
            count += 1;
            let from = message.address.as_ref().and_then(address);
            let node = message.cmsgs().ok().and_then(|mut all| all.find_map(asked));
            let (Some(from), Some(node), Some(query)) = (from, node, message.iovs().next()) else {
                continue;
            };
            let node = SocketAddr::new(node, self.world.port());
            let now_ms = now.as_millis() as u64;
            let Some(delay) = self
                .world
                .answer(node, from, query, now_ms, &mut self.answer)
            else {
                continue;
            };
            if delay == 0 {
                send(&self.socket, node, from, &self.answer)?;
                continue;
            }
            self.count += 1;
            self.waiting.push(Reverse(PendingAnswer {
                due: now + Duration::from_millis(delay),
                count: self.count,
                node,
                to: from,
                bytes: self.answer.clone(),
            }));
        }
        Ok(count)
    }

    fn send_due(&mut self) -> io::Result<()> {
        let now = self.began.elapsed();
        while let Some(Reverse(first)) = self.waiting.peek()
            && first.due <= now
        {
            send(&self.socket, first.node, first.to, &first.bytes)?;
            self.waiting.pop();
        }
        Ok(())
    }

    /// Answers `STAT` and `RESET` with one line of JSON. `RESET` also resets the counts.
    fn answer_control(&mut self) -> io::Result<()> {
        let mut request = [0; 16];
        let (length, from) = match self.control.recv_from(&mut request) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            result => result?,
        };
        let reset = match request[..length].trim_ascii() {
            b"STAT" => false,
            b"RESET" => true,
            _ => return Ok(()),
        };
        let line = json(&self.world)? + "\n";
        if reset {
            self.world.reset_stats();
        }
        self.control.send_to(line.as_bytes(), from)?;
        Ok(())
    }
}

/// Formats the counts of the world. Adds the datagrams that were lost because the receive buffer of
/// a socket in this network namespace was full; the settings did not ask for these losses.
fn json(world: &World) -> io::Result<String> {
    let stats = world.stats();
    let overflows = overflows(world.family())?;
    Ok(format!(
        "{{\"queries\":{},\"lost\":{},\"dead\":{},\"sybils\":{},\"malformed\":{},\"nodes\":{},\
         \"max_to_one\":{},\"max_to_one_in_10s\":{},\"announces\":{},\"without_ro\":{},\
         \"scrapes\":{},\"overflows\":{overflows}}}",
        stats.queries,
        stats.lost,
        stats.dead,
        stats.sybils,
        stats.malformed,
        stats.nodes,
        stats.max_to_one,
        stats.max_to_one_in_10s,
        stats.announces,
        stats.without_ro,
        stats.scrapes,
    ))
}

fn overflows(net: Net) -> io::Result<u64> {
    let found = match net {
        Net::V4 => {
            let text = std::fs::read_to_string("/proc/net/snmp")?;
            let mut lines = text.lines().filter(|line| line.starts_with("Udp: "));
            let names = lines.next().unwrap_or_default().split(' ');
            let numbers = lines.next().unwrap_or_default().split(' ');
            let mut both = names.zip(numbers);
            let errors = both.find(|(name, _)| *name == "RcvbufErrors");
            errors.and_then(|(_, number)| number.parse().ok())
        }
        Net::V6 => {
            let text = std::fs::read_to_string("/proc/net/snmp6")?;
            let mut lines = text.lines();
            let errors = lines.find_map(|line| line.strip_prefix("Udp6RcvbufErrors"));
            errors.and_then(|number| number.trim().parse().ok())
        }
    };
    found.ok_or_else(|| io::Error::other("no RcvbufErrors"))
}

/// Returns the node that a datagram was sent to.
fn asked(control: ControlMessageOwned) -> Option<IpAddr> {
    match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
        }
        _ => None,
    }
}

fn address(from: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = from.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    from.as_sockaddr_in6()
        .map(|v6| SocketAddr::from((v6.ip(), v6.port())))
}

/// Sends a datagram from the address of a node.
fn send(socket: &Socket, node: SocketAddr, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
    let bytes = [IoSlice::new(bytes)];
    let fd = socket.as_raw_fd();
    let (to, flags) = (SockaddrStorage::from(to), MsgFlags::empty());
    let sent = match node {
        SocketAddr::V4(node) => {
            let source = libc::in_addr {
                s_addr: u32::from_ne_bytes(node.ip().octets()),
            };
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: source,
                ipi_addr: source,
            };
            sendmsg(
                fd,
                &bytes,
                &[ControlMessage::Ipv4PacketInfo(&info)],
                flags,
                Some(&to),
            )
        }
        SocketAddr::V6(node) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: node.ip().octets(),
                },
                ipi6_ifindex: 0,
            };
            sendmsg(
                fd,
                &bytes,
                &[ControlMessage::Ipv6PacketInfo(&info)],
                flags,
                Some(&to),
            )
        }
    };
    match sent {
        // The kernel is out of memory: the datagram is lost like any other.
        Ok(_) | Err(Errno::ENOBUFS | Errno::ENOMEM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
