//! Addresses on the loopback network. Each tracker and each peer gets its own address. Tests can
//! therefore run in parallel, and peers differ from the daemon, which sends from 127.0.0.1 and ::1.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// Returns an address that no other test uses.
pub(crate) fn host() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = number.to_be_bytes();
    let process = u8::try_from(std::process::id() % 100).unwrap();
    Ipv4Addr::new(127, 100 + process, high, low)
}

/// Returns a port that is free for TCP and UDP, for servers that do not accept port 0. The port
/// lies below the ephemeral range: the kernel assigns it to no other socket before the server
/// binds it.
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

/// Returns the address of the IPv4 peer with this number, within 127.60.0.0/14.
pub(crate) fn peer(number: u32) -> IpAddr {
    assert!(number < 1 << 18);
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 60, 0, 1).to_bits() + number).into()
}

/// Returns the address of the IPv6 peer with this number. Each peer has its own /64. Usable as a
/// source address only in a [network namespace](super::netns).
pub(crate) fn peer6(number: u16) -> IpAddr {
    Ipv6Addr::new(0xfd77, 0, 0, number, 0, 0, 0, 1).into()
}
