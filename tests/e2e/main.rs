//! End-to-end tests: the real binary against real trackers, real clients and a real Prometheus, and
//! against scripted trackers that lie and fail. Nothing leaves the loopback net.
//!
//! `tests/all` installs what they need.

#[cfg(test)]
#[expect(
    dead_code,
    reason = "the rig stands before the tests that need all of it"
)]
mod rig;
#[cfg(test)]
mod udp_prober;
