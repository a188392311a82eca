//! Trackers over UDP (BEP 7, 15, 41).
//!
//! One thread and one socket per family. The protocol is the pure engine in
//! [`seedwatch_tracker::udp`]; `socket` talks to the kernel, `worker` joins both, and `batch_pacer`
//! lets a busy worker read in batches.

mod batch_pacer;
mod socket;
mod worker;

use std::io;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::info;

use super::datagram;
use super::resolve::Resolver;
use super::shortage;
use super::waker::Waker;
use crate::http;
use crate::prober::{Drained, Prober, ProberContext, ProberError};
use seedwatch_torrent::Family;
use seedwatch_torrent::{Scheme, TrackerUrl};
pub use seedwatch_tracker::udp::Settings;
use seedwatch_tracker::{Job, Observation, ProbeStats, Report};
use socket::Socket;
use worker::{Command, Worker, WorkerChannels};

/// Probes UDP trackers. Dropping it is like [`UdpProber::drain`] without waiting.
#[derive(Debug)]
pub struct UdpProber {
    /// One per family; `None` if the system does not support the family.
    workers: [Option<Handle>; 2],
    runtime: tokio::runtime::Handle,
    out: mpsc::Sender<Vec<Observation>>,
}

/// The handle of a worker.
#[derive(Debug)]
struct Handle {
    commands: std::sync::mpsc::Sender<Command>,
    waker: Arc<Waker>,
    /// Resolves when the worker has ended.
    ended: Option<oneshot::Receiver<()>>,
}

impl UdpProber {
    /// Opens a socket and starts a thread for each family. Must be called within a tokio runtime,
    /// which is used for name lookups.
    ///
    /// Sends observations to `out` in batches and in any order. If the receiver is slow, fewer jobs
    /// are started; without a receiver, observations are dropped.
    ///
    /// # Errors
    /// No socket can be opened, or this machine lacks descriptors or memory. If the system lacks
    /// one family, its jobs end in [`Report::NoAddress`].
    pub fn start(
        settings: Settings,
        resolver: Resolver,
        out: mpsc::Sender<Vec<Observation>>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Handle::current();
        let start = |family| {
            let socket = datagram::open(datagram::any(family))?;
            let waker = Arc::new(Waker::new()?);
            let (commands, incoming) = std::sync::mpsc::channel();
            let (end, ended) = oneshot::channel();
            let channels = WorkerChannels {
                commands: incoming,
                waker: Arc::clone(&waker),
                out: out.clone(),
                resolver: resolver.clone(),
                runtime: runtime.clone(),
                _end: end,
            };
            // A dedicated thread, so that other work of the daemon does not delay reading.
            std::thread::Builder::new()
                .name(format!("udp-{}", family.as_label()))
                .spawn(move || {
                    let socket = Socket::new(datagram::Socket::new(socket));
                    Worker::new(family, settings, socket, channels).run();
                })?;
            Ok(Handle {
                commands,
                waker,
                ended: Some(ended),
            })
        };
        let workers = match Family::ALL.map(start) {
            [Err(error), Err(_)] => return Err(error),
            // The machine may support the family nevertheless.
            [Err(error), _] | [_, Err(error)] if shortage::is_shortage(&error) => {
                return Err(error);
            }
            workers => workers.map(|worker| {
                worker
                    .inspect_err(|error| info!(%error, "one address family is not available"))
                    .ok()
            }),
        };
        Ok(Self {
            workers,
            runtime,
            out,
        })
    }

    /// Starts jobs. Never blocks. At most 65,536 jobs per family run at once; others wait in order,
    /// and their timeout runs from their start. Each ends in one observation.
    pub fn submit(&self, mut jobs: Vec<Job>) {
        let v6 = jobs.extract_if(.., |job| job.family == Family::Ipv6);
        let v6 = v6.collect();
        for (worker, jobs) in self.workers.iter().zip([jobs, v6]) {
            match worker {
                _ if jobs.is_empty() => {}
                Some(worker) => worker.tell(Command::Jobs(jobs)),
                None => self.decline(jobs),
            }
        }
    }

    /// Reports jobs of a family without a socket.
    fn decline(&self, jobs: Vec<Job>) {
        let observations = jobs.into_iter().map(|job| Observation {
            tracker: job.tracker,
            family: job.family,
            report: Report::NoAddress {
                ids: job.request.ids(),
            },
            stats: ProbeStats::default(),
        });
        let (out, observations) = (self.out.clone(), observations.collect());
        self.runtime.spawn(async move {
            // The receiver may be gone.
            let _ = out.send(observations).await;
        });
    }

    /// Uses these settings for all requests from now on.
    pub fn configure(&self, settings: Settings) {
        for worker in self.workers.iter().flatten() {
            worker.tell(Command::Configure(settings));
        }
    }

    /// Stops. Drops jobs that left no trace without an observation, because a probe cut short says
    /// nothing about its tracker. Sends `stopped` wherever `started` was sent, until the tracker
    /// confirms it or [`DRAIN_TIMEOUT`](crate::prober::DRAIN_TIMEOUT) is over.
    pub async fn drain(mut self) {
        for worker in self.workers.iter().flatten() {
            worker.waker.stop();
        }
        for worker in self.workers.iter_mut().flatten() {
            if let Some(ended) = worker.ended.take() {
                // Nothing is sent: the worker drops its end.
                let _ = ended.await;
            }
        }
    }
}

impl Prober for UdpProber {
    fn speaks(&self, url: &TrackerUrl) -> bool {
        url.scheme() == Scheme::Udp
    }

    fn submit(&self, jobs: Vec<Job>) {
        UdpProber::submit(self, jobs);
    }

    fn configure(&mut self, settings: &http::Settings) -> Result<(), ProberError> {
        UdpProber::configure(self, of_tracker(settings));
        Ok(())
    }

    fn drain(self: Box<Self>) -> Drained {
        Box::pin(UdpProber::drain(*self))
    }
}

/// Starts the prober of the registry.
pub(crate) fn start(context: &ProberContext) -> Result<Box<dyn Prober>, ProberError> {
    let settings = of_tracker(&context.settings);
    let out = context.observations.clone();
    let prober = UdpProber::start(settings, context.resolver.clone(), out);
    Ok(Box::new(prober.map_err(ProberError::of("UDP"))?))
}

fn of_tracker(settings: &http::Settings) -> Settings {
    Settings {
        identity: settings.identity,
        numwant: settings.numwant,
        accept: settings.accept,
    }
}

impl Handle {
    fn tell(&self, command: Command) {
        // A worker lives as long as its handle.
        let _ = self.commands.send(command);
        self.waker.wake();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.waker.stop();
    }
}

#[cfg(test)]
mod tests;
