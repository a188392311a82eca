//! Three incidents from the tracker to the notification: trackers, the daemon, Prometheus with our
//! rules, Alertmanager with our routes, and a receiver.
//!
//! Hours pass in the history only; see [`alert_harness`].

mod country_cliff;
mod history;
mod seed_decline;
mod shortened_waits;

mod alert_harness;
mod cliffs;
mod operator_outage;
mod receiver;
mod server;
mod verdicts;
