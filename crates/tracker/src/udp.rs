//! The UDP tracker protocol (BEP 15, 41, 7): packets and a state machine for one address family.

mod codec;
pub mod engine;
#[cfg(fuzzing)]
mod fuzzing;

#[cfg(fuzzing)]
pub use fuzzing::fuzz;

use seedwatch_torrent::address::Accept;

use crate::Identity;

/// How the prober presents itself and what it asks for.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Who we are.
    pub identity: Identity,
    /// Peers asked for.
    pub numwant: u16,
    /// Which addresses a peer can have.
    pub accept: Accept,
}
