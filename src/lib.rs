//! The daemon seedwatch: watches torrents that it does not download.
//!
//! It asks trackers and the DHT which peers are in a swarm, counts them, and exports the counts to
//! Prometheus. This page is the map of the crate; the libraries that it is built from have maps of
//! their own.
//!
//! # Data flow
//!
//! ```text
//! config → torrent → schedule → probe (http, udp, dht) → observation → swarm → snapshot
//!        → metrics, web
//! ```
//!
//! | Crate | Contents |
//! |---|---|
//! | [`seedwatch_clock`] | points in time, token bucket, round-trip estimator |
//! | [`seedwatch_input`] | bounded reading of what people write, with located errors |
//! | [`seedwatch_geo`] | address → country and autonomous system |
//! | [`seedwatch_torrent`] | bencode, info-hash, magnet link, metainfo, tracker URL, peer addresses |
//! | [`seedwatch_lists`] | torrent lists: formats, guard, saved copies. Pure |
//! | [`seedwatch_distinct`] | distinct counts over sliding windows. Pure |
//! | [`seedwatch_dht`] | the mainline DHT: codec, node table, lookups. Pure |
//! | [`seedwatch_tracker`] | conversations with trackers: announce sessions, UDP, HTTP. Pure |
//! | [`seedwatch_core`] | the engine: roster, schedule, connectivity, swarms, snapshot. Pure |
//! | [`seedwatch_probers`] | threads, sockets and name resolution |
//! | [`seedwatch_exporter`] | the web server of an exporter: TLS, authentication, web configuration |
//!
//! | Module | Contents |
//! |---|---|
//! | [`log`] | log lines |
//! | [`config`] | raw YAML → [`config::Config`] of valid states only |
//! | [`store`] | the state directory: what survives a restart |
//! | [`metrics`] | the catalogue, and the exposition of a snapshot |
//! | [`web`] | endpoints and pages |
//! | [`cli`] | flags |
//! | [`app`] | builds the parts; owns tasks, reload and shutdown |
//!
//! # Dependency rule
//!
//! A crate uses only crates above it, as its manifest says; Cargo holds the rule. A module uses
//! only modules above it. `metrics` and `web` see only the snapshot; only `app` knows all others.
//! `tests/architecture.rs` holds what Cargo cannot express.

pub mod app;
pub mod cli;
pub mod config;
pub mod log;
pub mod metrics;
pub mod store;
pub mod web;
