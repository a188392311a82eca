//! The UDP tracker protocol (BEP 7, 15, 41): packets, and a state machine for one address family.

mod codec;
pub mod engine;
#[cfg(fuzzing)]
mod fuzzing;

#[cfg(fuzzing)]
pub use fuzzing::fuzz;

use seedwatch_torrent::address::Accept;

use crate::Identity;

/// How the prober presents itself to trackers, and what it requests.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The identity that trackers see.
    pub identity: Identity,
    /// The number of peers requested.
    pub numwant: u16,
    /// The addresses that a peer can have.
    pub accept: Accept,
}
