//! All probers of trackers: jobs go in, observations come out of one channel.

use seedwatch_torrent::TrackerUrl;
use seedwatch_tracker::{Exchange, Failed, Failure, Job, Observation};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::http::{self, Settings};
use crate::prober::{Prober, ProberContext, ProberError};
use crate::udp;

/// Starts a prober. Called within the tokio runtime.
pub type StartProber = fn(&ProberContext) -> Result<Box<dyn Prober>, ProberError>;

/// The probers of the daemon, one line each.
pub const REGISTRY: &[StartProber] = &[udp::start, http::start];

/// The running probers.
pub struct Probers {
    probers: Vec<Box<dyn Prober>>,
    observations: mpsc::Sender<Vec<Observation>>,
    runtime: Handle,
}

impl Probers {
    /// Starts every prober of a registry. Must be called within the tokio runtime.
    ///
    /// # Errors
    /// The first prober that cannot be built.
    pub fn start(registry: &[StartProber], context: &ProberContext) -> Result<Self, ProberError> {
        let probers = registry.iter().map(|start| start(context));
        Ok(Self {
            probers: probers.collect::<Result<_, _>>()?,
            observations: context.observations.clone(),
            runtime: Handle::current(),
        })
    }

    /// Uses these settings for all jobs from now on.
    ///
    /// # Errors
    /// A prober that cannot use them; those before it use them already.
    pub fn configure(&mut self, settings: &Settings) -> Result<(), ProberError> {
        self.probers
            .iter_mut()
            .try_for_each(|prober| prober.configure(settings))
    }

    /// Hands each job to the first prober that speaks its protocol, and never blocks. Each ends in
    /// one observation.
    pub fn submit(&self, mut jobs: Vec<Job>) {
        let overlay = jobs.extract_if(.., |job| job.url.is_overlay());
        self.decline(overlay, |_| "an overlay network");
        for prober in &self.probers {
            if jobs.is_empty() {
                return;
            }
            let its = jobs.extract_if(.., |job| prober.speaks(&job.url));
            let its: Vec<Job> = its.collect();
            if !its.is_empty() {
                prober.submit(its);
            }
        }
        self.decline(jobs.into_iter(), |url| url.scheme().as_str());
    }

    /// Reports jobs that no prober can carry out.
    fn decline(&self, jobs: impl Iterator<Item = Job>, what: fn(&TrackerUrl) -> &str) {
        let declined = |job: Job| Observation {
            tracker: job.tracker,
            family: job.family,
            report: job
                .ask
                .failed(Failed::new(Failure::Unsupported, what(&job.url))),
            exchange: Exchange::default(),
        };
        let observations: Vec<Observation> = jobs.map(declined).collect();
        if observations.is_empty() {
            return;
        }
        let out = self.observations.clone();
        self.runtime.spawn(async move {
            // The receiver may be gone at shutdown.
            let _ = out.send(observations).await;
        });
    }

    /// Ends all probers. Every `started` gets its `stopped`; takes two seconds at most.
    pub async fn drain(self) {
        let mut ending = JoinSet::new();
        for prober in self.probers {
            ending.spawn(prober.drain());
        }
        ending.join_all().await;
    }
}
