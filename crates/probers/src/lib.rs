//! Probers: they carry out jobs with sockets and threads, and return observations.
//!
//! | Module | Contents |
//! |---|---|
//! | [`canary`] | tests of our own connectivity: UDP, TCP, ICMP |
//! | [`dht`] | the prober of the mainline DHT |
//! | [`http`] | the prober of HTTP and HTTPS trackers |
//! | [`resolve`] | name resolution: both families, BEP 34, no public name into private space |
//! | [`udp`] | the prober of UDP trackers |
//!
//! [`REGISTRY`] lists the probers of trackers; each implements [`Prober`]. The DHT has its own
//! schedule and is not one of them.
//!
//! A prober is built once and shared. Every job ends in exactly one observation within
//! `job.timeout`, whatever the tracker does. Jobs and observations move in batches; each prober has
//! its own threads. If a probe is cut short after `started`, the prober sends `stopped` in the
//! background within a bounded time.

pub mod canary;
mod datagram;
pub mod dht;
pub mod http;
pub mod prober;
mod registry;
pub mod resolve;
mod shortage;
pub mod udp;
mod waker;

pub use prober::{Prober, ProberContext, ProberError};
pub use registry::{Probers, REGISTRY, StartProber};
