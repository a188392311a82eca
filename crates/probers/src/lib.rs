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
//!
//! # Examples
//!
//! A job that no prober of a registry speaks ends in one observation as well:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use seedwatch_probers::http::Settings;
//! use seedwatch_probers::resolve::Resolver;
//! use seedwatch_probers::{ProberContext, Probers};
//! use seedwatch_torrent::address::Accept;
//! use seedwatch_torrent::{Family, InfoHash, TrackerUrl};
//! use seedwatch_tracker::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (out, mut observations) = tokio::sync::mpsc::channel(1);
//! let identity = Identity { peer_id: [b'x'; 20], key: 7, ports: [50_000, 50_001] };
//! let settings = Settings {
//!     identity,
//!     numwant: 200,
//!     accept: Accept::Global,
//!     user_agent: "example".to_owned(),
//!     roots: Vec::new(),
//! };
//! let context = ProberContext { settings, resolver: Resolver::system(), observations: out };
//! let probers = Probers::start(&[], &context).unwrap();
//! probers.submit(vec![Job {
//!     tracker: TrackerId(0),
//!     family: Family::Ipv4,
//!     url: Arc::new(TrackerUrl::parse("udp://tracker.example:1337/announce").unwrap()),
//!     timeout: Duration::from_secs(15),
//!     request: Request::Scrape { targets: vec![(AnnounceId(0), InfoHash([1; 20]))] },
//! }]);
//! let batch = observations.recv().await.unwrap();
//! let error = batch[0].report.failed().unwrap();
//! assert_eq!(error.reason, FailureReason::Unsupported);
//! # }
//! ```

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
