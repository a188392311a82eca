//! Address families.

use std::net::IpAddr;

/// An address family. Families are probed separately: a dual-stack host that works over one family
/// only must not look healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Both families, in label order.
    pub const ALL: [Family; 2] = [Family::Ipv4, Family::Ipv6];

    /// Returns the value of the `family` label.
    pub const fn as_label(self) -> &'static str {
        match self {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        }
    }

    /// Returns the name for people.
    ///
    /// ```
    /// assert_eq!(seedwatch_torrent::Family::Ipv6.name(), "IPv6");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        }
    }

    /// Returns the family of an address.
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// Returns the position in [`Family::ALL`], for arrays with one element per family.
    pub const fn index(self) -> usize {
        self as usize
    }
}
