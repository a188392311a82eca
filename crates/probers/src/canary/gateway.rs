//! The default gateway, from the routing table of Linux.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use seedwatch_torrent::Family;

/// The largest number of bytes read of a routing table. The default route is near its beginning.
const MAX_TABLE: u64 = 256 << 10;
/// `RTF_GATEWAY`.
const VIA_GATEWAY: u32 = 2;

/// A router on the local network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gateway {
    pub(super) ip: IpAddr,
    /// The interface index of a link-local address, else 0.
    pub(super) scope: u32,
}

/// Returns the default gateway of a family; `None` if there is none or the system is not Linux.
pub(super) fn default(family: Family) -> Option<Gateway> {
    match family {
        Family::Ipv4 => {
            let ip = parse4(&read("/proc/net/route")?)?;
            Some(Gateway {
                ip: ip.into(),
                scope: 0,
            })
        }
        Family::Ipv6 => {
            let table = read("/proc/net/ipv6_route")?;
            let (ip, interface) = parse6(&table)?;
            let scope = if ip.is_unicast_link_local() {
                // Interface names of the kernel have no slash.
                let index = read(&format!("/sys/class/net/{interface}/ifindex"))?;
                index.trim().parse().ok()?
            } else {
                0
            };
            Some(Gateway {
                ip: ip.into(),
                scope,
            })
        }
    }
}

fn read(path: &str) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(MAX_TABLE).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Reads `/proc/net/route`: interface, destination, gateway, flags, …, metric, mask. Addresses are
/// in the byte order of this machine.
fn parse4(table: &str) -> Option<Ipv4Addr> {
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [_, destination, gateway, flags, _, _, metric, mask, ..] = *fields else {
                return None;
            };
            let is_default = destination == "00000000" && mask == "00000000";
            let via = u32::from_str_radix(flags, 16).ok()? & VIA_GATEWAY != 0;
            let ip = u32::from_str_radix(gateway, 16).ok()?.to_ne_bytes();
            let metric: u32 = metric.parse().ok()?;
            (is_default && via).then_some((metric, Ipv4Addr::from(ip)))
        })
        .min()
        .map(|(_, ip)| ip)
}

/// Reads `/proc/net/ipv6_route`: destination, its length, source, its length, next hop, metric, …,
/// …, flags, interface.
fn parse6(table: &str) -> Option<(Ipv6Addr, &str)> {
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [destination, "00", _, _, hop, metric, _, _, flags, interface] = *fields else {
                return None;
            };
            let is_default = destination.bytes().all(|b| b == b'0');
            let via = u32::from_str_radix(flags, 16).ok()? & VIA_GATEWAY != 0;
            let ip = Ipv6Addr::from_bits(u128::from_str_radix(hop, 16).ok()?);
            let metric = u32::from_str_radix(metric, 16).ok()?;
            (is_default && via).then_some((metric, ip, interface))
        })
        .min()
        .map(|(_, ip, interface)| (ip, interface))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_with_the_least_metric_wins() {
        let gateway = |last: u8| u32::from_ne_bytes([192, 0, 2, last]);
        let (slow, fast) = (gateway(1), gateway(2));
        let table = format!(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
             wlan0\t00000000\t{slow:08X}\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
             eth0\t00000000\t{fast:08X}\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n\
             eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        );
        assert_eq!(parse4(&table), Some(Ipv4Addr::new(192, 0, 2, 2)));
        assert_eq!(parse4("Iface\tDestination\n"), None);
    }

    #[test]
    fn the_ipv6_default_route_is_found() {
        let zero = "0".repeat(32);
        let table = format!(
            "fe800000000000000000000000000000 40 {zero} 00 {zero} 00000100 1 0 00000001 eth0\n\
             {zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 1 0 00200200 lo\n"
        );
        let expected = ("fe80::1".parse().unwrap(), "eth0");
        assert_eq!(parse6(&table), Some(expected));
        assert_eq!(parse6("nonsense"), None);
    }
}
