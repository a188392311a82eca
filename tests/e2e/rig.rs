//! The rig: real trackers, clients and Prometheus, scripted trackers that lie, and the real daemon.

pub(crate) mod address;
pub(crate) mod certificate;
pub(crate) mod clients;
pub(crate) mod daemon;
pub(crate) mod dht;
pub(crate) mod exposition;
pub(crate) mod helpers;
pub(crate) mod http;
pub(crate) mod krpc;
pub(crate) mod netns;
pub(crate) mod nginx;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod scripted;
pub(crate) mod sessions;
pub(crate) mod swarm;
pub(crate) mod tools;
pub(crate) mod trackers;
pub(crate) mod wait;
pub(crate) mod wire;

mod selftest;
