//! What every prober of trackers is to the daemon.

use std::error::Error;
use std::pin::Pin;

use seedwatch_torrent::TrackerUrl;
use seedwatch_tracker::{Job, Observation};
use tokio::sync::mpsc;

use crate::http::Settings;
use crate::resolve::Resolver;

/// The time that a prober takes to end.
pub type Drained = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Carries out probes of trackers over one protocol, on threads or tasks of its own.
///
/// Every job ends in exactly one observation within `job.timeout`, whatever the tracker does. What
/// politeness demands when a probe is cut short, such as `stopped` after `started`, is finished in
/// the background within a bounded time.
pub trait Prober: Send + Sync {
    /// Returns whether it speaks the protocol of this URL.
    fn speaks(&self, url: &TrackerUrl) -> bool;

    /// Takes jobs whose URLs it speaks, and never blocks.
    fn submit(&self, jobs: Vec<Job>);

    /// Uses these settings for all jobs from now on. Jobs under way end as they began.
    ///
    /// # Errors
    /// The settings are not usable; then nothing has changed.
    fn configure(&mut self, settings: &Settings) -> Result<(), ProberError>;

    /// Takes no more jobs, drops those that left no trace at a tracker, and ends.
    fn drain(self: Box<Self>) -> Drained;
}

/// What a prober is built from.
#[derive(Clone)]
pub struct ProberContext {
    /// How it presents itself, and what it asks for.
    pub settings: Settings,
    /// Names to addresses, shared by all probers.
    pub resolver: Resolver,
    /// Where observations go, in batches and in no particular order. When the receiver is gone, they
    /// are dropped.
    pub observations: mpsc::Sender<Vec<Observation>>,
}

/// Why a prober cannot be built or configured.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the {prober} prober: {source}")]
pub struct ProberError {
    /// What it speaks.
    pub prober: &'static str,
    /// What is wrong.
    pub source: Box<dyn Error + Send + Sync>,
}

impl ProberError {
    /// Returns a function that names the prober of an error.
    pub fn of<E: Error + Send + Sync + 'static>(prober: &'static str) -> impl Fn(E) -> Self {
        move |source| Self {
            prober,
            source: Box::new(source),
        }
    }
}
