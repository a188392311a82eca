//! Builds the parts, and owns tasks, reload and shutdown. It is the only module that uses all
//! others.

mod dht;
mod engine_settings;
mod identity;
mod lists;
mod probe;
mod probers;
mod run;
mod state;
mod supervisor;

use std::net::IpAddr;

pub use engine_settings::engine_settings;
pub use probe::{ProbeOutcome, describe, probe};
pub use probers::StartError;
pub use run::{Parts, run};

/// Returns the addresses of this machine's network interfaces.
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
