//! Probers: a job and a deadline in, an observation with its diagnosis out.
//!
//! | File | Speaks |
//! |---|---|
//! | [`http`] | HTTP and HTTPS trackers |
//! | [`resolve`] | names → addresses of both families, BEP 34, never from public names into private space |
//!
//! A prober is built once and shared. Its one method is
//! `async fn probe(&self, job: Job) -> Observation`: every job ends in exactly one observation,
//! within `job.timeout`, and nothing a tracker does makes it panic or wait longer. Dropping the
//! future ends the probe; what courtesy still demands then (a `stopped` after a `started`) is
//! finished in the background within a bounded time.

pub mod http;
pub mod resolve;
mod words;
