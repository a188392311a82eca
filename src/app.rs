//! Builds the parts, owns tasks, reload and shutdown: the only module that knows all others.

pub mod core;
mod dht;
mod identity;
mod probe;
mod probers;
mod run;
mod state;
mod supervisor;
mod trace;

use std::net::IpAddr;

pub use probe::{ProbeCommandError, probe};
pub use probers::StartError;
pub use run::{Parts, run};

/// The addresses of this machine.
fn own_addresses() -> nix::Result<Vec<IpAddr>> {
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address
            .as_sockaddr_in()
            .map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| {
            address
                .as_sockaddr_in6()
                .map(|address| IpAddr::V6(address.ip()))
        })
    };
    Ok(nix::ifaddrs::getifaddrs()?.filter_map(address).collect())
}
