//! The interface of all probers of trackers.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use seedwatch_torrent::TrackerUrl;
use seedwatch_tracker::{Job, Observation};
use tokio::sync::mpsc;

use crate::http::Settings;
use crate::resolve::Resolver;

/// The longest time that a prober takes to end.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Resolves when a prober has ended.
pub type Drained = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Carries out probes of trackers over one protocol, on threads or tasks of its own.
///
/// Every job ends in exactly one observation within `job.timeout`, whatever the tracker does. If a
/// probe is cut short after `started`, the prober sends `stopped` in the background within a
/// bounded time.
pub trait Prober: Send + Sync {
    /// Returns whether the prober speaks the protocol of this URL.
    fn speaks(&self, url: &TrackerUrl) -> bool;

    /// Starts jobs whose protocol it speaks. Never blocks.
    fn submit(&self, jobs: Vec<Job>);

    /// Uses these settings for all jobs from now on. Running jobs keep their settings.
    ///
    /// # Errors
    /// The settings are not usable. The old ones stay in use.
    fn configure(&mut self, settings: &Settings) -> Result<(), ProberError>;

    /// Takes no more jobs, drops those that left no trace at a tracker, and ends within
    /// [`DRAIN_TIMEOUT`].
    fn drain(self: Box<Self>) -> Drained;
}

/// What a prober is built from.
#[derive(Clone)]
pub struct ProberContext {
    /// How the prober presents itself, and what it requests.
    pub settings: Settings,
    /// The resolver, shared by all probers.
    pub resolver: Resolver,
    /// Takes observations in batches and in any order. Without a receiver they are dropped.
    pub observations: mpsc::Sender<Vec<Observation>>,
}

/// Why a prober cannot be built or configured.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the {prober} prober: {source}")]
pub struct ProberError {
    /// The protocol of the prober.
    pub prober: &'static str,
    /// The cause.
    pub source: Box<dyn Error + Send + Sync>,
}

impl ProberError {
    /// Returns a function that adds the name of the prober to an error.
    pub fn of<E: Error + Send + Sync + 'static>(prober: &'static str) -> impl Fn(E) -> Self {
        move |source| Self {
            prober,
            source: Box::new(source),
        }
    }
}
