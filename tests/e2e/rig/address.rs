//! Addresses on the loopback net. Trackers and peers each get one of their own, so that tests can
//! run side by side and peers can be told from the daemon, which speaks from 127.0.0.1 and ::1.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// An address that no other test uses.
pub(crate) fn host() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = number.to_be_bytes();
    let process = u8::try_from(std::process::id() % 100).unwrap();
    Ipv4Addr::new(127, 100 + process, high, low)
}

/// A port that is free for TCP and UDP, for servers that cannot be given port 0. It lies below the
/// ports that the kernel hands out, so that nobody is given it before the server has bound it.
pub(crate) fn free_port(host: impl Into<IpAddr>) -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let host = host.into();
    for _ in 0..1000 {
        let number =
            NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id().wrapping_mul(97) % 18_000;
        let port = 12_000 + u16::try_from(number % 18_000).unwrap();
        if TcpListener::bind((host, port)).is_ok() && UdpSocket::bind((host, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on {host}");
}

/// Where the peer of this number lives, within 127.60.0.0/14.
pub(crate) fn peer(number: u32) -> IpAddr {
    assert!(number < 1 << 18);
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 60, 0, 1).to_bits() + number).into()
}

/// Where the IPv6 peer of this number lives: each in a /64 of its own. Usable as a source in a
/// [network namespace](super::netns) only.
pub(crate) fn peer6(number: u16) -> IpAddr {
    Ipv6Addr::new(0xfd77, 0, 0, number, 0, 0, 0, 1).into()
}
