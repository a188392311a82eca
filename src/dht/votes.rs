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
}

impl Votes {
    /// Takes in what a node says. A network votes once among those kept.
    pub(super) fn cast(&mut self, voter: Net, ours: IpAddr) {
        self.cast.retain(|(net, _)| *net != voter);
        self.cast.push_back((voter, ours));
        if self.cast.len() > KEPT {
            self.cast.pop_front();
        }
    }

    /// What most say, if enough do.
    pub(super) fn winner(&self) -> Option<IpAddr> {
        let votes_for = |ip: &IpAddr| self.cast.iter().filter(|(_, vote)| vote == ip).count();
        let (_, ip) = self.cast.iter().max_by_key(|(_, ip)| votes_for(ip))?;
        let votes = votes_for(ip);
        (votes >= QUORUM && votes * 2 > self.cast.len()).then_some(*ip)
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
        (0..20).for_each(|_| votes.cast(net(1), lie));
        assert_eq!(votes.winner(), None);
        (2..7).for_each(|n| votes.cast(net(n), ours));
        assert_eq!(votes.winner(), Some(ours));
    }
}
