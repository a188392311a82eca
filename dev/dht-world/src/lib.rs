//! An emulated mainline DHT (BEP 5, 32, 33, 42): millions of nodes in one process, with dead nodes,
//! loss, delay and byzantine nodes. It also knows the true peers of each swarm.
//!
//! The model is pure: no socket, no clock. Tests of the engine run it in virtual time;
//! [`WorldServer`] and the program `dhtworld` serve it from a socket. The same settings and calls
//! give the same world.
//!
//! ```
//! use std::net::SocketAddr;
//! use seedwatch_dev_dht_world::{World, WorldSettings};
//!
//! let mut world = World::new(WorldSettings { nodes: 100, ..WorldSettings::default() });
//! world.auto_peers(30);
//! let node = world.bootstrap()[0];
//! let client = SocketAddr::from(([127, 0, 0, 1], 5000));
//! let ping = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
//! let mut answer = Vec::new();
//! let delay_ms = world.answer(node, client, ping, 0, &mut answer);
//! assert_eq!(delay_ms, Some(0));
//! assert!(answer.ends_with(b"1:y1:re"));
//! ```
//!
//! | Module | Contents |
//! |---|---|
//! | `world` | [`World`]: takes a query, gives an answer and its delay |
//! | `settings` | [`WorldSettings`] |
//! | `ids` | sorted node ids; which are alive; which are closest |
//! | `addresses` | the address of each node |
//! | `table` | the nodes that a node knows |
//! | `swarms` | the peers of each swarm, and the nodes that hold them |
//! | `byzantine` | nodes that deviate from the protocol |
//! | `eclipse` | nodes that surround one info-hash to hide its swarm |
//! | `query`, `reply` | reading queries and writing answers |
//! | `stats` | what the world received |
//! | `server` | [`WorldServer`]: the world behind real sockets |
//! | `random` | hashing and pseudo-random numbers |

mod addresses;
mod byzantine;
mod eclipse;
mod ids;
mod query;
mod random;
mod reply;
mod server;
mod settings;
mod stats;
mod swarms;
mod table;
mod world;

pub use eclipse::{AttackStyle, Eclipse};
pub use server::WorldServer;
pub use settings::{Delay, Net, ScrapeStyle, WorldSettings};
pub use stats::Stats;
pub use world::World;
