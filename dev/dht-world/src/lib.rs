//! An emulated mainline DHT (BEP 5, 32, 33, 42): millions of nodes in one process, with dead nodes,
//! loss, delay and liars, and the truth beside it.
//!
//! The model is pure: no socket, no clock. Tests of the engine run it in virtual time; [`Shell`] and
//! the program `dhtworld` put it behind a socket. The same settings and calls make the same world.
//!
//! ```ignore
//! use seedwatch_dev_dht_world::{World, WorldSettings};
//!
//! let mut world = World::new(WorldSettings { dead: 0.25, ..WorldSettings::default() });
//! world.auto_peers(300);
//! let mut answer = Vec::new();
//! let delay_ms = world.answer(node, asker, &query, now_ms, &mut answer);
//! ```
//!
//! | File | What lives there |
//! |---|---|
//! | `model` | [`World`]: a query in, an answer and its delay out |
//! | `settings` | [`WorldSettings`] |
//! | `ids` | node ids, sorted; who is alive; who is closest |
//! | `addresses` | which node lives where |
//! | `table` | what a node knows of the others |
//! | `swarms` | who announced what; which node holds it |
//! | `liars` | nodes that lie, and how |
//! | `eclipse` | nodes that surround one info-hash to hide its swarm |
//! | `query`, `reply` | the wire |
//! | `stats` | what the world saw of the asker |
//! | `shell` | [`Shell`]: the world behind real sockets |
//! | `chance` | hashing and pseudo-random numbers |

mod addresses;
mod chance;
mod eclipse;
mod ids;
mod liars;
mod model;
mod query;
mod reply;
mod settings;
mod shell;
mod stats;
mod swarms;
mod table;

pub use eclipse::{Eclipse, Mask};
pub use model::World;
pub use settings::{Delay, Net, ScrapeStyle, WorldSettings};
pub use shell::Shell;
pub use stats::Stats;
