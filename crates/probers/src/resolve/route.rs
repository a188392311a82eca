//! Whether the kernel has a route, asked without sending a packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::shortage;

/// Whether a packet to this address could leave this machine. Connecting a UDP socket makes the
/// kernel look up the route and a source address, and sends nothing.
pub(super) fn exists(ip: IpAddr) -> bool {
    let from: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // Any port but 0, which some systems refuse.
    let connected =
        UdpSocket::bind((from, 0)).and_then(|socket| socket.connect(SocketAddr::new(ip, 9)));
    // Without a socket to ask with, the route is unknown. The probe will tell.
    connected.map_or_else(|error| shortage::is_shortage(&error), |()| true)
}

/// Whether this machine has a default route of any family. Addresses of documentation (RFC 5737,
/// RFC 3849) follow the default route like every address that nothing special is known of.
pub(super) fn to_internet() -> bool {
    exists(Ipv4Addr::new(192, 0, 2, 1).into())
        || exists(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
}
