//! An eclipse attack: nodes that surround one info-hash to hide its swarm, each in a subnet of its
//! own.

use std::net::SocketAddr;

use super::addresses::Addresses;
use super::ids::Id;
use super::random::{hash, unit};
use super::settings::Net;

/// The first /24 (IPv6: /64) of the attack. Other byzantine clusters use the subnets below.
const FIRST_SUBNET: u8 = 201;

/// How the nodes of an attack answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttackStyle {
    /// With a token and each other, without peers.
    Empty,
    /// With a token and nodes that are closer than honest ones and never answer.
    DeadEnds,
    /// With peers that do not exist.
    Invented,
    /// With neither peers nor nodes.
    Mute,
}

/// An attack on one info-hash.
#[derive(Debug, Clone)]
pub struct Eclipse {
    /// The info-hash whose swarm is hidden.
    pub target: [u8; 20],
    /// Distance of each node from the target, as a share of the key space. At most 54 nodes.
    pub shares: Vec<f64>,
    /// Probability that an honest node knows a given node of the attack. It names those that are
    /// close to the requested id.
    pub known: f64,
    /// How the nodes answer.
    pub style: AttackStyle,
}

impl Eclipse {
    /// Returns the node of the attack in this subnet.
    pub(super) fn member(&self, cluster: u8) -> Option<usize> {
        let member = usize::from(cluster.checked_sub(FIRST_SUBNET)?);
        (member < self.shares.len()).then_some(member)
    }

    /// Returns id and address of a node of the attack.
    pub(super) fn contact(&self, member: usize, addresses: &Addresses) -> (Id, SocketAddr) {
        let id = self.id(self.shares[member], member as u64);
        (id, addresses.of_sybil(FIRST_SUBNET + member as u8, 7))
    }

    /// Returns all nodes of the attack.
    pub(super) fn contacts(&self, addresses: &Addresses) -> Vec<(Id, SocketAddr)> {
        let members = 0..self.shares.len();
        members
            .map(|member| self.contact(member, addresses))
            .collect()
    }

    /// Returns nodes that do not exist, at about the same distance.
    pub(super) fn dead_ends(&self, member: usize, net: Net) -> Vec<(Id, SocketAddr)> {
        let address = |n: u8| -> SocketAddr {
            match net {
                Net::V4 => ([127, 255, member as u8, n + 1], 6881).into(),
                Net::V6 => ([0xfd77, 0, 0, 0, 1, 0, member as u16, n.into()], 6881).into(),
            }
        };
        let share = self.shares.iter().copied().fold(0.0, f64::max);
        let number = |n: u8| 1_000 + member as u64 * 8 + u64::from(n);
        let id = |n: u8| self.id(share * (1.0 + f64::from(n) / 8.0), number(n));
        (0..8).map(|n| (id(n), address(n))).collect()
    }

    /// Returns the nodes of the attack that an honest node knows.
    pub(super) fn known_by(&self, node: usize, addresses: &Addresses) -> Vec<(Id, SocketAddr)> {
        let known = |member: &usize| unit(hash(77, node as u64, *member as u64)) < self.known;
        let members = (0..self.shares.len()).filter(known);
        members
            .map(|member| self.contact(member, addresses))
            .collect()
    }

    /// Returns an id at this distance from the target.
    fn id(&self, share: f64, number: u64) -> Id {
        let mut id = self.target;
        let distance = (share * 2f64.powi(64)) as u64;
        for (byte, turned) in id.iter_mut().zip(distance.to_be_bytes()) {
            *byte ^= turned;
        }
        id[12..].copy_from_slice(&hash(78, number, 0).to_be_bytes());
        id
    }
}
