//! An emulated mainline DHT (BEP 5, 32, 33, 42): millions of nodes in one process, with dead nodes,
//! loss, delay and liars, and the truth beside it.
//!
//! It is a pure model: no socket, no clock, `std` and SHA-1 only. Tests of the engine include it by
//! path and run it in virtual time; the example `dhtworld` puts it behind a socket. The same
//! settings and calls make the same world.
//!
//! ```ignore
//! #[path = "../../tests/world/mod.rs"]
//! mod world;
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
//! | `chance` | hashing and pseudo-random numbers |

#![expect(dead_code, reason = "nobody who includes this needs all of it")]

mod addresses;
mod chance;
mod eclipse;
mod ids;
mod liars;
mod model;
mod query;
mod reply;
mod settings;
mod stats;
mod swarms;
mod table;

#[allow(unused_imports, reason = "nobody who includes this needs all of it")]
pub(crate) use eclipse::{Eclipse, Mask};
#[allow(unused_imports, reason = "nobody who includes this needs all of it")]
pub(crate) use model::World;
#[allow(unused_imports, reason = "nobody who includes this needs all of it")]
pub(crate) use settings::{Delay, Net, ScrapeStyle, WorldSettings};
#[expect(unused_imports, reason = "nobody who includes this needs all of it")]
pub(crate) use stats::Stats;
