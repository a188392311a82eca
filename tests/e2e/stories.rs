//! The three stories that seedwatch must tell right, from the tracker to the message: trackers, the
//! daemon, Prometheus with our rules, Alertmanager with our routes, and someone who is told.
//!
//! Hours pass without being waited for, see [`stage`].

mod country;
mod fades;
mod history;
mod hurry;

mod raid;
mod receiver;
mod server;
mod stage;
