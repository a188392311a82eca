//! Our own addresses: never counted as peers.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::observation::TrackerId;

/// Addresses that are ours: those of this machine, and those that trackers and the nodes of the DHT
/// see us come from.
#[derive(Debug, Default)]
pub struct OwnAddresses {
    local: Vec<IpAddr>,
    /// As most nodes of the DHT see us (BEP 42).
    external: Vec<IpAddr>,
    /// The latest claim of each tracker (BEP 24, or our own entry in its list).
    claims: HashMap<(TrackerId, bool), IpAddr>,
    /// What counts, v4 as host-order numbers, for the inner loop.
    v4: Vec<u32>,
    /// One bit for the lowest six bits of each of these: rules out most other addresses at once.
    endings4: u64,
    /// What counts, as /64 prefixes.
    v6: Vec<u64>,
}

impl OwnAddresses {
    /// Most claims kept.
    const MAX_CLAIMS: usize = 4096;

    /// Sets what the system lists.
    pub fn set_local(&mut self, addresses: &[IpAddr]) {
        self.local = addresses.iter().map(IpAddr::to_canonical).collect();
        self.rebuild();
    }

    /// Sets what most nodes of the DHT say.
    pub fn set_external(&mut self, addresses: impl Iterator<Item = IpAddr>) {
        let external: Vec<IpAddr> = addresses.map(|ip| ip.to_canonical()).collect();
        if external != self.external {
            self.external = external;
            self.rebuild();
        }
    }

    /// A tracker says that we come from `ip`. One tracker alone could have a peer left out by
    /// naming it, so where several trackers speak, two must agree.
    pub fn claim(&mut self, tracker: TrackerId, ip: IpAddr) {
        let ip = ip.to_canonical();
        let key = (tracker, ip.is_ipv6());
        if self.claims.get(&key) == Some(&ip)
            || (self.claims.len() >= Self::MAX_CLAIMS && !self.claims.contains_key(&key))
        {
            return;
        }
        self.claims.insert(key, ip);
        self.rebuild();
    }

    /// Forgets what trackers said that are gone from the configuration.
    pub fn retain(&mut self, is_there: impl Fn(TrackerId) -> bool) {
        let before = self.claims.len();
        self.claims.retain(|(tracker, _), _| is_there(*tracker));
        if self.claims.len() != before {
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        let mut votes: HashMap<IpAddr, usize> = HashMap::new();
        for ip in self.claims.values() {
            *votes.entry(*ip).or_default() += 1;
        }
        let speakers = |v6| self.claims.keys().filter(|(_, is_v6)| *is_v6 == v6).count();
        let needed = [speakers(false).min(2), speakers(true).min(2)];
        let claimed = votes
            .into_iter()
            .filter(|(ip, votes)| *votes >= needed[usize::from(ip.is_ipv6())])
            .map(|(ip, _)| ip);
        self.v4.clear();
        self.v6.clear();
        let known = self.local.iter().chain(&self.external);
        for ip in known.copied().chain(claimed) {
            match ip {
                IpAddr::V4(ip) => self.v4.push(ip.to_bits()),
                IpAddr::V6(ip) => self.v6.push((ip.to_bits() >> 64) as u64),
            }
        }
        self.v4.sort_unstable();
        self.v4.dedup();
        self.endings4 = self.v4.iter().fold(0, |bits, ip| bits | ending(*ip));
        self.v6.sort_unstable();
        self.v6.dedup();
    }

    /// Perhaps an IPv4 address of ours, and surely none where this says no.
    #[inline]
    pub(super) fn may_contain4(&self, ip: u32) -> bool {
        self.endings4 & ending(ip) != 0
    }

    /// An IPv4 address of ours.
    pub fn contains4(&self, ip: u32) -> bool {
        self.v4.contains(&ip)
    }

    /// A /64 of ours.
    pub fn contains6(&self, prefix: u64) -> bool {
        self.v6.contains(&prefix)
    }
}

#[inline]
fn ending(ip: u32) -> u64 {
    1 << (ip % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_single_tracker_is_believed_until_others_speak() {
        let mut own = OwnAddresses::default();
        own.claim(TrackerId(0), ip("198.51.100.7"));
        assert!(own.contains4(0xC633_6407));
        own.claim(TrackerId(1), ip("203.0.113.9"));
        assert!(!own.contains4(0xC633_6407));
        own.claim(TrackerId(2), ip("203.0.113.9"));
        assert!(own.contains4(0xCB00_7109));
        assert!(!own.contains4(0xC633_6407));
    }

    #[test]
    fn local_addresses_always_count_and_ipv6_by_prefix() {
        let mut own = OwnAddresses::default();
        own.set_local(&[ip("::ffff:192.0.2.1"), ip("2001:db8:1:2:3::4")]);
        assert!(own.contains4(0xC000_0201));
        assert!(own.contains6(0x2001_0db8_0001_0002));
    }
    #[test]
    fn what_the_dht_says_replaces_what_it_said_before() {
        let mut own = OwnAddresses::default();
        own.set_external([ip("198.51.100.7"), ip("2001:db8:1:2::9")].into_iter());
        assert!(own.contains4(0xC633_6407) && own.contains6(0x2001_0db8_0001_0002));
        own.set_external([ip("203.0.113.9")].into_iter());
        assert!(own.contains4(0xCB00_7109));
        assert!(!own.contains4(0xC633_6407) && !own.contains6(0x2001_0db8_0001_0002));
    }
}
