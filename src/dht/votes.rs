//! Our own address, as nodes see it (BEP 42 `ip`): a vote for each network that tells us.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::packed::Net;

/// Latest votes kept.
const KEPT: usize = 32;
/// Votes for one address that make it ours, if they are also most of those kept.
const QUORUM: usize = 5;

/// The latest votes, one a voter's network.
#[derive(Debug, Clone, Default)]
pub(super) struct Votes {
    cast: VecDeque<(Net, IpAddr)>,
    /// As of the latest count.
    winner: Option<IpAddr>,
}

impl Votes {
    /// Takes in what a node says. A network votes once among those kept. Says whether the vote
    /// may have changed anything.
    pub(super) fn cast(&mut self, voter: Net, ours: IpAddr) -> bool {
        self.cast.retain(|(net, _)| *net != voter);
        self.cast.push_back((voter, ours));
        if self.cast.len() > KEPT {
            self.cast.pop_front();
        }
        self.winner != Some(ours)
    }

    /// What most say, if enough do.
    pub(super) fn winner(&mut self) -> Option<IpAddr> {
        let votes_for = |ip: &IpAddr| self.cast.iter().filter(|(_, vote)| vote == ip).count();
        let most = self.cast.iter().map(|(_, ip)| (votes_for(ip), *ip)).max();
        let enough = |(votes, _): &(usize, IpAddr)| *votes >= QUORUM && votes * 2 > self.cast.len();
        self.winner = most.filter(enough).map(|(_, ip)| ip);
        self.winner
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dht::packed::Address;
    use std::net::SocketAddr;

    fn net(n: u8) -> Net {
        Address::from(SocketAddr::from(([10, 0, n, 1], 1))).net()
    }

    #[test]
    fn one_network_cannot_vote_for_all() {
        let (ours, lie) = ([8, 8, 8, 8].into(), [9, 9, 9, 9].into());
        let mut votes = Votes::default();
        (0..20).for_each(|_| assert!(votes.cast(net(1), lie)));
        assert_eq!(votes.winner(), None);
        (2..7).for_each(|n| assert!(votes.cast(net(n), ours)));
        assert_eq!(votes.winner(), Some(ours));
        assert!(!votes.cast(net(8), ours));
    }
}
