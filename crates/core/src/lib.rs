//! The pure core of the daemon: no socket, no clock, no thread. Observations and the time go in,
//! jobs, notices and snapshots come out.
//!
//! | Module | Contents |
//! |---|---|
//! | [`engine`] | the daemon without its sockets: joins the parts below |
//! | [`events`] | events: changes of state, as they are kept |
//! | [`history`] | the daily history of a torrent: one sample per day, for 90 days |
//! | [`roster`] | the torrents, trackers and announces of the configuration, with ids stable over reloads |
//! | [`schedule`] | what is due when: intervals, politeness, back-off |
//! | [`cliff`] | the fall of a country or autonomous system |
//! | [`connectivity`] | whether our own network works, by family |
//! | [`swarm`] | folds observations into the state of torrents and trackers |
//! | [`magnet`] | magnet links: as published, and repaired |
//! | [`needs_seeding`] | which torrents need seeding, and which of them a helper should take |
//! | [`saved`] | values of the saved state as bytes |
//! | [`snapshot`] | the read model: one immutable reading of everything |
//! | [`verdict`] | the state of a torrent: dead, at risk, unobserved, pending, alive or private |

pub mod cliff;
pub mod connectivity;
pub mod engine;
pub mod events;
mod health;
pub mod history;
pub mod magnet;
pub mod needs_seeding;
mod plural;
pub mod roster;
pub mod saved;
pub mod schedule;
pub mod snapshot;
mod source;
pub mod swarm;
pub mod verdict;

pub use engine::Engine;
pub(crate) use health::LONGEST_TRACKER_INTERVAL;
pub use health::{Health, HealthChange};
pub use plural::plural;
pub use source::{PerSource, Source};
