//! The mainline DHT, without sockets or clocks (BEP 5, 32, 33, 42, 43).
//!
//! | File | What lives there |
//! |---|---|
//! | [`id`] | node ids, the XOR metric, ids bound to addresses (BEP 42) |
//! | [`bloom`] | counting peers by bloom filters (BEP 33) |
//! | [`krpc`] | reading and writing datagrams |
//! | `walk` | one lookup: whom it asks, what it hears, when it is over, whom it doubts |
//! | `sweep` | which info-hash is looked up when |
//! | `cache` | every node known, by id, shared by all lookups |
//! | `binding`, `votes` | whom to believe, and who we are |
//! | `pace`, `rtt`, `transactions` | how fast, how long to wait, who was asked what |
//! | `timers` | what is due when |
//! | `keyed` | the hash of tables that nodes have a say in |
//! | `size` | how many nodes there are |
//! | `node` | all that for one family |
//! | [`engine`] | both families behind one door |

mod binding;
pub mod bloom;
mod cache;
pub mod engine;
pub mod id;
mod keyed;
pub mod krpc;
mod node;
mod pace;
mod packed;
mod random;
mod report;
mod rtt;
mod size;
mod sweep;
mod timers;
mod transactions;
mod votes;
mod walk;

pub use bloom::Filter;
pub use engine::{Engine, Outbox, Settings};
pub use id::{Distance, NodeId, is_secure, secure};

pub use report::{DhtReport, DhtStatus, Diagnosis, Estimate, Found, Lookup, LookupError};

use std::net::SocketAddr;

/// A node: who it says it is, and where it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Contact {
    /// As claimed, until it has answered from `address`.
    pub id: NodeId,
    /// Where it is asked.
    pub address: SocketAddr,
}
