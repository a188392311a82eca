//! Probers: a job and a deadline in, an observation with its diagnosis out.
//!
//! | File | Speaks |
//! |---|---|
//! | [`canary`] | signs of life of our own network: UDP, TCP, ICMP |
//! | [`dht`] | the mainline DHT |
//! | [`http`] | HTTP and HTTPS trackers |
//! | [`resolve`] | names → addresses of both families, BEP 34, never from public names into private space |
//! | [`udp`] | BEP 15, 41, 7 |
//!
//! [`REGISTRY`] lists the probers of trackers; each implements [`Prober`]. The DHT has a schedule of
//! its own and is not one of them.
//!
//! A prober is built once and shared. Every job ends in exactly one observation, within
//! `job.timeout`, and nothing a tracker does makes a prober panic or wait longer. Jobs go in and
//! observations come out in batches; each prober works in threads of its own. What courtesy still demands when a probe is
//! cut short (a `stopped` after a `started`) is finished in the background within a bounded time.

mod bell;
pub mod canary;
mod datagram;
pub mod dht;
pub mod http;
pub mod prober;
mod registry;
pub mod resolve;
mod shortage;
pub mod udp;

pub use prober::{Prober, ProberContext, ProberError};
pub use registry::{Probers, REGISTRY, StartProber};
