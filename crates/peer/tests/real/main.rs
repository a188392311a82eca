//! Visits to real clients over the loopback network.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

mod libtorrent;
mod socket;
mod transmission;
