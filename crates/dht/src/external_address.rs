//! Our external address as nodes report it (BEP 42, key `ip`), with one vote per network.
//!
//! The address determines our node id and is shown for diagnosis. Nothing else uses it, since any
//! node may report a wrong one.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::packed::Subnet;
use seedwatch_clock::Mono;

/// Votes that are kept.
const KEPT: usize = 32;
/// Votes that an address needs to win. It also needs most of the votes that are kept.
const QUORUM: usize = 5;
/// Age at which a vote expires. Nodes answer at least every ten minutes.
const MAX_AGE: Duration = Duration::from_secs(2 * 3600);

/// The latest votes, one per network of a voter.
#[derive(Debug, Clone, Default)]
pub(super) struct ExternalAddressVotes {
    cast: VecDeque<Vote>,
    /// Winner of the latest count.
    winner: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy)]
struct Vote {
    voter: Subnet,
    ours: IpAddr,
    at: Mono,
}

impl ExternalAddressVotes {
    /// Records a vote, replacing an earlier one of the same network. Returns whether the winner may
    /// have changed.
    pub(super) fn cast(&mut self, voter: Subnet, ours: IpAddr, now: Mono) -> bool {
        self.cast.retain(|vote| vote.voter != voter);
        let at = now;
        self.cast.push_back(Vote { voter, ours, at });
        if self.cast.len() > KEPT {
            self.cast.pop_front();
        }
        self.winner != Some(ours)
    }

    /// Returns the address that most votes name, if there are enough.
    pub(super) fn winner(&mut self, now: Mono) -> Option<IpAddr> {
        self.cast.retain(|vote| now.since(vote.at) <= MAX_AGE);
        let votes_for = |ip: &IpAddr| self.cast.iter().filter(|vote| vote.ours == *ip).count();
        let counts = self
            .cast
            .iter()
            .map(|vote| (votes_for(&vote.ours), vote.ours));
        let enough = |(votes, _): &(usize, IpAddr)| *votes >= QUORUM && votes * 2 > self.cast.len();
        self.winner = counts.max().filter(enough).map(|(_, ip)| ip);
        self.winner
    }

    /// Returns whether a vote for the winner has not expired.
    pub(super) fn is_fresh(&self, now: Mono) -> bool {
        let is_fresh =
            |vote: &Vote| self.winner == Some(vote.ours) && now.since(vote.at) <= MAX_AGE;
        self.cast.iter().any(is_fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::PackedAddress;
    use std::net::SocketAddr;

    const NOW: Mono = Mono(0);

    fn subnet(n: u8) -> Subnet {
        PackedAddress::from(SocketAddr::from(([10, 0, n, 1], 1))).site()
    }

    #[test]
    fn one_network_has_one_vote() {
        let (ours, lie) = ([8, 8, 8, 8].into(), [9, 9, 9, 9].into());
        let mut votes = ExternalAddressVotes::default();
        (0..20).for_each(|_| assert!(votes.cast(subnet(1), lie, NOW)));
        assert_eq!(votes.winner(NOW), None);
        (2..7).for_each(|n| assert!(votes.cast(subnet(n), ours, NOW)));
        assert_eq!(votes.winner(NOW), Some(ours));
        assert!(!votes.cast(subnet(8), ours, NOW));
    }

    #[test]
    fn subnets_of_one_ipv6_site_have_one_vote() {
        let (ours, lie) = (
            "2001:db8::1".parse().unwrap(),
            "2001:db8::2".parse().unwrap(),
        );
        let site = |text: String| {
            let ip: IpAddr = text.parse().unwrap();
            PackedAddress::from(SocketAddr::new(ip, 1)).site()
        };
        let mut votes = ExternalAddressVotes::default();
        for n in 0..30 {
            votes.cast(site(format!("2a00:1:1:{n:x}::1")), lie, NOW);
        }
        for n in 2..7 {
            votes.cast(site(format!("2a00:1:{n:x}::1")), ours, NOW);
        }
        assert_eq!(votes.winner(NOW), Some(ours));
    }

    #[test]
    fn expired_votes_do_not_count() {
        let (before, after) = ([8, 8, 8, 8].into(), [9, 9, 9, 9].into());
        let mut votes = ExternalAddressVotes::default();
        (0..20).for_each(|n| assert!(votes.cast(subnet(n), before, NOW)));
        assert_eq!(votes.winner(NOW), Some(before));
        let later = NOW.after(MAX_AGE).after(Duration::from_millis(1));
        assert!(votes.is_fresh(NOW) && !votes.is_fresh(later));
        (20..24).for_each(|n| assert!(votes.cast(subnet(n), after, later)));
        assert_eq!(votes.winner(later), None, "too few");
        votes.cast(subnet(24), after, later);
        assert_eq!(votes.winner(later), Some(after));
    }
}
