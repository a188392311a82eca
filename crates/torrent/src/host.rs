//! The host of a tracker: a name or an address, and the networks it can lead to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::address::{is_global, is_never_contacted};
use seedwatch_input::host::is_in_local_zone;

/// Longest name, in bytes (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;
/// Longest label of a name, in bytes (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

/// Names of cloud metadata services.
const METADATA: [&str; 3] = [
    "metadata.google.internal",
    "metadata.goog",
    "instance-data.ec2.internal",
];

/// The host of a tracker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name in lower case, IDNA-encoded, without a trailing dot.
    Name(Box<str>),
    /// A literal address.
    Ip(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

impl Host {
    /// Converts a parsed host; returns `None` if the name is not valid.
    pub(super) fn of(host: url::Host<&str>) -> Option<Self> {
        Some(match host {
            url::Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                is_possible(name).then(|| Host::Name(name.into()))?
            }
            url::Host::Ipv4(ip) => Host::Ip(IpAddr::V4(ip)),
            url::Host::Ipv6(ip) => Host::Ip(IpAddr::V6(ip)),
        })
    }

    /// Returns whether the host can only be in the local network: its address is not routed, its
    /// name has a single label, or the public DNS does not serve its zone. Overlay networks are not
    /// local.
    pub fn is_local(&self) -> bool {
        match self {
            Host::Name(name) => !name.contains('.') || is_in_local_zone(name),
            Host::Ip(ip) => !is_global(*ip) && !self.is_overlay(),
        }
    }

    /// Returns whether the host is a link-local address or a cloud metadata service, which hands
    /// out credentials. No configuration permits contacting it.
    pub fn is_never_contacted(&self) -> bool {
        match self {
            Host::Name(name) => METADATA.contains(&&**name),
            Host::Ip(ip) => is_never_contacted(*ip),
        }
    }

    /// Returns whether the host is in an overlay network that the internet does not reach.
    pub(super) fn is_overlay(&self) -> bool {
        match self {
            Host::Name(name) => [".i2p", ".onion", ".loki"]
                .iter()
                .any(|zone| name.ends_with(zone)),
            Host::Ip(IpAddr::V4(_)) => false,
            Host::Ip(IpAddr::V6(ip)) => is_yggdrasil(ip),
        }
    }
}

/// Returns whether a name has the form of RFC 1123, section 2.1. Underscores are tolerated because
/// names in local networks have them.
fn is_possible(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= MAX_NAME
        && name.split('.').all(is_label)
        && !last.bytes().all(|b| b.is_ascii_digit())
}

/// Returns whether an address belongs to Yggdrasil (0200::/7).
fn is_yggdrasil(ip: &Ipv6Addr) -> bool {
    ip.segments()[0] & 0xfe00 == 0x0200
}

#[cfg(test)]
mod tests {
    use crate::{TrackerUrl, TrackerUrlError};

    fn rejection(host: &str) -> Option<TrackerUrlError> {
        TrackerUrl::parse(&format!("http://{host}/announce")).err()
    }

    #[test]
    fn invalid_host_names_are_rejected() {
        let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        for host in [
            "t..example",
            ".t.example",
            "t.example..",
            "-t.example",
            "t-.example",
            "t.123",
            "1.2.3.4.5",
            "256.1.1.1",
            "[::g]",
            "a,b.example",
            "t$.example",
            &format!("{}.example", "a".repeat(64)),
            &format!("{longest}b"),
        ] {
            assert_eq!(rejection(host), Some(TrackerUrlError::HostName), "{host}");
        }
        for host in [
            "t.example.",
            "my_tracker",
            "xn--bcher-kva.example",
            "bücher.example",
            &longest,
        ] {
            assert_eq!(rejection(host), None, "{host}");
        }
    }

    #[test]
    fn metadata_and_link_local_addresses_are_rejected_in_every_notation() {
        for host in [
            "169.254.169.254",
            "169.254.1.1",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "0xa9.0xfe.43518",
            "169.254.43518",
            "１６９.254.169.254",
            "169%2E254%2E169%2E254",
            "[::ffff:169.254.169.254]",
            "[::169.254.169.254]",
            "[::ffff:0:a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[64:ff9b:1::169.254.169.254]",
            "[2002:a9fe:a9fe::1]",
            "[2001:0:a9fe:a9fe::1]",
            "[2001::5601:5601]",
            "[fe80::1]",
            "[febf::1]",
            "[fd00:ec2::254]",
            "[fd20:ce::254]",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "metadata.google.internal",
            "METADATA.google.internal.",
        ] {
            assert_eq!(
                rejection(host),
                Some(TrackerUrlError::NeverContacted),
                "{host}"
            );
        }
    }

    #[test]
    fn local_and_public_hosts_are_distinguished() {
        let host = |text: &str| TrackerUrl::parse(&format!("udp://{text}:80")).unwrap();
        for text in [
            "localhost",
            "tracker",
            "nas.lan",
            "nas.local",
            "a.b.localhost",
            "t.internal",
            "t.home.arpa",
            "127.1",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "100.64.0.1",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[fc00::1]",
            "[fd12::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:a00:1::1]",
            "017700000001",
        ] {
            assert!(host(text).host().is_local(), "{text}");
        }
        for text in [
            "t.example",
            "1.1.1.1",
            "[2606:4700::1]",
            "local.example",
            "t.i2p",
        ] {
            assert!(!host(text).host().is_local(), "{text}");
        }
    }
}
