//! seedwatch watches torrents it does not download.
//!
//! It asks trackers and the DHT who is in a swarm, counts what it hears honestly and hands the counts to
//! Prometheus. This page is the map of the crate.
//!
//! # Data flow
//!
//! ```text
//! config → torrent → schedule → probe (http, udp, dht) → observation → swarm → snapshot → metrics → web
//! ```
//!
//! | Module | What lives there |
//! |---|---|
//! | [`time`] | one reading of both clocks, passed in everywhere |
//! | [`text`] | characters that a reader does not see |
//! | [`address`] | which addresses the internet routes |
//! | [`file`](mod@file) | whole files, within limits of size and time |
//! | [`geo`] | address → country and autonomous system |
//! | [`bencode`] | bounded decoding of what the network sends |
//! | [`torrent`] | info-hash, magnet link, metainfo file, tracker URL |
//! | [`observation`] | what a probe is asked and what it reports, [`observation::Failure`] |
//! | [`dht`] | the mainline DHT: codec, tables, lookups. Pure |
//! | [`config`] | raw YAML → [`config::Config`] of valid states only |
//! | [`roster`] | who is watched where; ids that are stable over reloads |
//! | [`schedule`] | what is due when: jitter, politeness, back-off. Pure |
//! | [`probe`] | one prober a file: a job and a deadline in, an observation out |
//! | [`window`] | distinct peers over a day, a week and a month. Pure |
//! | [`swarm`] | folds observations into the state of torrents and trackers. Pure |
//! | [`store`] | the state directory: what survives a restart |
//! | [`snapshot`] | one immutable picture, swapped in whole |
//! | [`metrics`] | the catalogue and snapshot → exposition |
//! | [`log`] | log lines |
//! | [`web`] | endpoints, TLS, authentication |
//! | [`cli`] | flags |
//! | [`app`] | builds the parts, owns tasks, reload and shutdown |
//!
//! # Dependency rule
//!
//! A module uses only modules above it in the table plus the leaves (`time`, `text`, `log`,
//! `address`, `file`, `geo`, `bencode`, `observation`). `schedule` and `swarm` never import `probe`;
//! `metrics` sees only `snapshot`; only `app` knows all others. `tests/architecture.rs` holds the
//! rule.

pub mod address;
pub mod app;
pub mod bencode;
pub mod cli;
pub mod config;
pub mod dht;
pub mod file;
pub mod geo;
pub mod log;
pub mod metrics;
pub mod observation;
pub mod probe;
pub mod roster;
pub mod schedule;
pub mod snapshot;
pub mod store;
pub mod swarm;
pub mod text;
pub mod time;
pub mod torrent;
pub mod web;
pub mod window;
