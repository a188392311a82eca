//! The pure core of the daemon: no socket, no clock, no thread. Observations and the time go in,
//! jobs and snapshots come out.
//!
//! | Module | Contents |
//! |---|---|
//! | [`roster`] | the torrents, trackers and announces of the configuration, with ids stable over reloads |
//! | [`schedule`] | what is due when: intervals, politeness, back-off |
//! | [`connectivity`] | whether our own network works, per family |
//! | [`swarm`] | folds observations into the state of torrents and trackers |
//! | [`snapshot`] | the read model: one immutable reading of everything |

pub mod connectivity;
mod health;
pub mod roster;
pub mod schedule;
pub mod snapshot;
mod source;
pub mod swarm;

pub use health::{Health, HealthChange};
pub use source::Source;
