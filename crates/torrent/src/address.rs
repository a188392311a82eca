//! Which addresses the internet routes.
//!
//! The tables follow the IANA special-purpose registries (RFC 6890 and its successors): an address
//! that is not globally reachable there is not global here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which peer addresses count (`addresses.accept`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accept {
    /// Globally routed addresses.
    #[default]
    Global,
    /// Private and loopback addresses too, for labs and tests.
    Any,
}

impl Accept {
    /// Returns whether a peer can have this IPv4 address.
    #[inline]
    pub fn admits_v4(self, ip: Ipv4Addr) -> bool {
        match self {
            Accept::Global => is_global_v4(ip),
            Accept::Any => !(ip.is_unspecified() | ip.is_multicast() | ip.is_broadcast()),
        }
    }

    /// Returns whether a peer can have this IPv6 address.
    pub fn admits_v6(self, ip: Ipv6Addr) -> bool {
        match self {
            Accept::Global => is_global_v6(ip),
            Accept::Any => !ip.is_unspecified() && !ip.is_multicast(),
        }
    }
}

/// Returns whether the internet routes this address.
pub fn is_global(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_global_v4(ip),
        IpAddr::V6(ip) => is_global_v6(ip),
    }
}

/// By first byte, whether some IPv4 addresses that begin with it are not global.
const MIXED: [bool; 256] = {
    let mut mixed = [false; 256];
    let mut first = 0;
    while first < mixed.len() {
        mixed[first] = matches!(
            first,
            0 | 10 | 100 | 127 | 169 | 172 | 192 | 198 | 203 | 224..
        );
        first += 1;
    }
    mixed
};

/// Returns whether the internet routes this IPv4 address.
#[inline]
pub const fn is_global_v4(ip: Ipv4Addr) -> bool {
    // This runs for every peer of every answer. The table decides nearly all of them.
    !MIXED[ip.octets()[0] as usize] || is_global_among_mixed(ip)
}

const fn is_global_among_mixed(ip: Ipv4Addr) -> bool {
    match ip.octets() {
        // This network, private, loopback, multicast and reserved.
        [0 | 10 | 127 | 224..=255, ..] => false,
        // Shared address space of carriers (RFC 6598).
        [100, b, ..] => b & 0xc0 != 64,
        // Link-local.
        [169, b, ..] => b != 254,
        // Private.
        [172, b, ..] => b & 0xf0 != 16,
        // Private; IETF assignments, documentation, 6to4 relays (deprecated).
        [192, b, c, d] => match (b, c) {
            (168, _) => false,
            (0, 0) => matches!(d, 9 | 10),
            (0, 2) | (88, 99) => false,
            _ => true,
        },
        // Benchmarks, documentation.
        [198, b, c, _] => !(b & 0xfe == 18 || (b == 51 && c == 100)),
        [203, b, c, _] => !(b == 0 && c == 113),
        _ => true,
    }
}

/// Returns whether the internet routes this IPv6 address.
pub const fn is_global_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // IETF assignments: of these only the anycast services, AS112, AMT and ORCHIDv2 are routed.
        [0x2001, b, ..] if b < 0x200 => {
            matches!(b, 1 | 3 | 0x20..=0x3f) || (b == 4 && ip.segments()[2] == 0x112)
        }
        // Documentation.
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // 6to4 is as routable as the IPv4 address in it.
        [0x2002, b, c, ..] => is_global_v4(Ipv4Addr::new(
            (b >> 8) as u8,
            b as u8,
            (c >> 8) as u8,
            c as u8,
        )),
        // NAT64 (RFC 6052) likewise.
        [0x64, 0xff9b, 0, 0, 0, 0, g, h] => is_global_v4(Ipv4Addr::new(
            (g >> 8) as u8,
            g as u8,
            (h >> 8) as u8,
            h as u8,
        )),
        // Global unicast is all that is assigned.
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

/// Returns whether an address is link-local or a cloud metadata service, also if it is embedded in
/// an IPv6 address. Such a service gives credentials of the machine to every local program, so no
/// URL from a file may lead there.
pub fn is_never_contacted(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_never_contacted_v4(ip),
        IpAddr::V6(ip) => {
            is_never_contacted_v6(ip) || embedded_v4(ip).into_iter().any(is_never_contacted_v4)
        }
    }
}

const fn is_never_contacted_v4(ip: Ipv4Addr) -> bool {
    matches!(
        ip.octets(),
        // Link-local (RFC 3927), with the metadata services of most clouds.
        [169, 254, ..]
            // The metadata services of Alibaba, Oracle and Azure.
            | [100, 100, 100, 200]
            | [192, 0, 0, 192]
            | [168, 63, 129, 16]
    )
}

const fn is_never_contacted_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // Link-local.
        [0xfe80..=0xfebf, ..] => true,
        // The metadata services of Amazon and Google.
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => true,
        _ => false,
    }
}

/// Returns the IPv4 addresses that a packet to an IPv6 address may reach.
fn embedded_v4(ip: Ipv6Addr) -> [Ipv4Addr; 2] {
    let joined = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    let nowhere = Ipv4Addr::UNSPECIFIED;
    match ip.segments() {
        // Compatible, mapped and translated addresses (RFC 4291, 7915).
        [0, 0, 0, 0, 0, 0 | 0xffff, g, h] | [0, 0, 0, 0, 0xffff, 0, g, h] => {
            [joined(g, h), nowhere]
        }
        // NAT64 (RFC 6052, 8215).
        [0x64, 0xff9b, 0 | 1, .., g, h] => [joined(g, h), nowhere],
        // 6to4 (RFC 3056).
        [0x2002, b, c, ..] => [joined(b, c), nowhere],
        // Teredo (RFC 4380): server and client, the latter with all bits flipped.
        [0x2001, 0, c, d, _, _, g, h] => [joined(c, d), joined(!g, !h)],
        // ISATAP (RFC 5214).
        [.., 0 | 0x200, 0x5efe, g, h] => [joined(g, h), nowhere],
        _ => [nowhere, nowhere],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_purpose_ranges_are_not_global() {
        for text in [
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2001:0:1::1",
            "2002:a00:1::1",
            "64:ff9b::a00:1",
            "100::1",
            "3fff:1::1",
            "200::1",
            "5f00::1",
        ] {
            assert!(!is_global(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn the_table_includes_every_special_range() {
        for first in (0..=255).filter(|first| !MIXED[usize::from(*first)]) {
            for second in 0..=255 {
                for third in [0, 2, 99, 100, 113, 255] {
                    let ip = Ipv4Addr::new(first, second, third, 0);
                    assert!(is_global_among_mixed(ip), "{ip}");
                }
            }
        }
    }

    #[test]
    fn routed_addresses_are_global() {
        for text in [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.0.0.9",
            "198.17.0.1",
            "198.20.0.1",
            "203.0.112.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2606:4700::1111",
            "2a00::1",
            "2001:4860::8888",
            "2002:808:808::1",
            "64:ff9b::808:808",
        ] {
            assert!(is_global(text.parse().unwrap()), "{text}");
        }
    }
}
