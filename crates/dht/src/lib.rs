//! A read-only node of the mainline DHT without sockets or clocks (BEP 5, 32, 33, 42, 43).
//!
//! [`Engine`] takes received datagrams and the current time. It gives datagrams to send and one
//! [`LookupReport`] per lookup. The caller owns the sockets and calls [`Engine::poll`] in time.
//!
//! | Module | Contents |
//! |---|---|
//! | [`engine`] | the engine: our nodes in the DHTs of both families, with one rate limit |
//! | `family_node` | our node in the DHT of one family: polls lookups, receives answers |
//! | `lookup` | one lookup: candidates, queries, answers, its end, detection of eclipse attacks |
//! | `schedule` | which info-hash is looked up when |
//! | `node_table` | all known nodes by id, shared by all lookups |
//! | `transactions`, `timers` | queries in flight and their timeouts |
//! | `rate_limit`, `query_timeout` | how fast to send, and how long to wait |
//! | `binding`, `external_address` | which nodes to trust, and our own address |
//! | `network_size`, `bound_ids` | what an honest neighbourhood of a target looks like |
//! | [`id`] | node ids, the XOR metric, ids bound to addresses (BEP 42) |
//! | [`krpc`] | reading and writing datagrams |
//! | [`bloom`] | counting peers with Bloom filters (BEP 33) |
//! | `keyed`, `packed` | keyed hashes, compact addresses |
//!
//! # Example
//!
//! Looks up one info-hash. A single node answers by hand here; a real caller sends the datagrams
//! from a socket.
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Duration;
//!
//! use seedwatch_clock::Mono;
//! use seedwatch_dht::{Engine, Outbox, Settings};
//! use seedwatch_torrent::{Family, InfoHash, address::Accept};
//!
//! let settings = Settings {
//!     max_rate: 50.0,
//!     interval: Duration::from_secs(3600),
//!     recall_target: None,
//!     require_distinct_subnets: true,
//!     accept: Accept::Any,
//! };
//! let mut now = Mono(0);
//! let mut engine = Engine::new(settings, [1; 32], now);
//! let bootstrap = SocketAddr::from(([127, 0, 0, 1], 6881));
//! engine.open(Family::Ipv4, now);
//! engine.add_bootstrap(Family::Ipv4, &[bootstrap]);
//! engine.look_up(InfoHash([7; 20]), now);
//!
//! let mut out = Outbox::default();
//! let mut queries = 0;
//! let report = loop {
//!     now = engine.poll(now, &mut out);
//!     for (_to, query) in out.iter() {
//!         // A query ends with its transaction id: `1:t4:....1:y1:qe`.
//!         let transaction = &query[query.len() - 11..query.len() - 7];
//!         let mut answer = b"d1:rd2:id20:abcdefghij01234567895:nodes0:e1:t4:".to_vec();
//!         answer.extend_from_slice(transaction);
//!         answer.extend_from_slice(b"1:y1:re");
//!         engine.receive(bootstrap, &answer, now);
//!         queries += 1;
//!     }
//!     out.clear();
//!     if let Some(report) = engine.take_reports().pop() {
//!         break report;
//!     }
//!     assert!(now < Mono(120_000), "the lookup never ended");
//! };
//! assert_eq!(report.info_hash, InfoHash([7; 20]));
//! // One node is too few to say that a swarm is empty.
//! assert!(report.result.is_err() && queries > 1);
//! ```

mod binding;
pub mod bloom;
mod bound_ids;
pub mod engine;
mod external_address;
mod family_node;
pub mod id;
mod keyed;
pub mod krpc;
mod lookup;
mod network_size;
mod node_table;
mod packed;
mod query_timeout;
mod rate_limit;
mod report;
mod schedule;
mod timers;
mod transactions;

pub use bloom::Filter;
pub use engine::{Engine, Outbox, Settings};
pub use family_node::MAX_WANTED;
pub use id::{Distance, NodeId, is_secure_id, secure_id};

pub use report::{
    DhtReport, DhtStatus, FoundPeers, LookupError, LookupReport, LookupStats, SwarmEstimate,
};

use std::net::SocketAddr;

/// The id and the address of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Contact {
    /// Its id. A claim until the node has answered from `address`.
    pub id: NodeId,
    /// Its UDP address.
    pub address: SocketAddr,
}
