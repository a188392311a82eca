//! The mainline DHT, without sockets or clocks (BEP 5, 32, 33, 42, 43).
//!
//! | File | What lives there |
//! |---|---|
//! | [`id`] | node ids, the XOR metric, ids bound to addresses (BEP 42) |
//! | [`bloom`] | counting peers by bloom filters (BEP 33) |
//! | [`krpc`] | reading and writing datagrams |

pub mod bloom;
pub mod id;
pub mod krpc;

pub use bloom::Filter;
pub use id::{Distance, NodeId, is_secure, secure};

use std::net::SocketAddr;

/// A node: who it says it is, and where it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Contact {
    /// As claimed, until it has answered from `address`.
    pub id: NodeId,
    /// Where it is asked.
    pub address: SocketAddr,
}
