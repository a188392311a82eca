//! End-to-end tests: the real binary against real trackers, real clients and a real Prometheus, and
//! against scripted trackers that misbehave. Nothing leaves the loopback network.
//!
//! `tests/all` installs what they need. Without it, the tests that need real servers are skipped.

/// Returns from the test if a server is missing, and prints that it was skipped.
#[cfg(test)]
macro_rules! needs_servers {
    () => {
        seedwatch_dev_programs::skip_without!(crate::rig::tools::SERVERS)
    };
}

/// Returns from the test if a program that seeds what a feed names is missing.
#[cfg(test)]
macro_rules! needs_helpers {
    () => {
        needs_servers!();
        seedwatch_dev_programs::skip_without!(crate::rig::tools::HELPERS)
    };
}

#[cfg(test)]
mod api;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod descriptors;
#[cfg(test)]
mod dht;
#[cfg(test)]
mod dht_large;
#[cfg(test)]
mod dht_world;
#[cfg(test)]
mod events;
#[cfg(test)]
mod example;
#[cfg(test)]
mod exposition;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod hangs;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod loss;
#[cfg(test)]
mod names;
#[cfg(test)]
mod needs_seeding;
#[cfg(test)]
mod offline;
#[cfg(test)]
mod page;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod real_dht;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod state;
#[cfg(test)]
mod stopped;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod supervised;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod tracker_messages;
#[cfg(test)]
mod trackers;
#[cfg(test)]
mod udp_prober;
