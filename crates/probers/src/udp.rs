//! Trackers over UDP (BEP 15, 41, 7).
//!
//! One task and one socket a family. `codec` knows packets, `engine` knows the protocol and
//! has neither socket nor clock, `socket` knows the kernel, `worker` joins them. `gather` lets a busy
//! worker read answers in batches.

mod gather;
mod socket;
mod worker;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::info;

use super::bell::Bell;
use super::datagram;
use super::resolve::Resolver;
use super::shortage;
use crate::http;
use crate::prober::{Drained, Prober, ProberContext, ProberError};
use seedwatch_torrent::Family;
use seedwatch_torrent::{Scheme, TrackerUrl};
pub use seedwatch_tracker::udp::Settings;
use seedwatch_tracker::{Exchange, Job, Observation, Report};
use socket::Socket;
use worker::{Command, Ends, Worker};

/// Longest time [`UdpProber::drain`] takes.
pub const DRAIN: Duration = Duration::from_secs(2);

/// Probes UDP trackers. Dropping it is like [`UdpProber::drain`] without waiting.
#[derive(Debug)]
pub struct UdpProber {
    /// One a family; none where the system has no such sockets.
    workers: [Option<Handle>; 2],
    runtime: tokio::runtime::Handle,
    out: mpsc::Sender<Vec<Observation>>,
}

/// A worker, seen from outside.
#[derive(Debug)]
struct Handle {
    commands: std::sync::mpsc::Sender<Command>,
    bell: Arc<Bell>,
    /// Resolves when the worker has ended.
    ended: Option<oneshot::Receiver<()>>,
}

impl UdpProber {
    /// Opens a socket and starts a thread for each family. Must be called within the tokio runtime
    /// in which names are to be looked up.
    ///
    /// Observations come in batches over `out`, in no particular order. When its receiver is slow,
    /// fewer jobs are taken; when it is gone, observations are dropped.
    ///
    /// # Errors
    /// When neither family has a socket, or this machine has no descriptors or memory for one. Where only one has, jobs of the other end in
    /// [`Report::NoAddress`].
    pub fn start(
        settings: Settings,
        resolver: Resolver,
        out: mpsc::Sender<Vec<Observation>>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Handle::current();
        let start = |family| {
            let socket = datagram::open(datagram::any(family))?;
            let bell = Arc::new(Bell::new()?);
            let (commands, incoming) = std::sync::mpsc::channel();
            let (end, ended) = oneshot::channel();
            let ends = Ends {
                commands: incoming,
                bell: Arc::clone(&bell),
                out: out.clone(),
                resolver: resolver.clone(),
                runtime: runtime.clone(),
                _end: end,
            };
            // A thread of its own: what else the daemon does cannot make answers pile up.
            std::thread::Builder::new()
                .name(format!("udp-{}", family.as_label()))
                .spawn(move || {
                    let socket = Socket::new(datagram::Socket::new(socket));
                    Worker::new(family, settings, socket, ends).run();
                })?;
            Ok(Handle {
                commands,
                bell,
                ended: Some(ended),
            })
        };
        let workers = match Family::ALL.map(start) {
            [Err(error), Err(_)] => return Err(error),
            // This machine may well have the family.
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

    /// Takes jobs and never blocks. At most 65,536 of each family are under way at once; others
    /// wait in the order they came, and the time of a job starts when it is taken up. Each ends in
    /// one observation.
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

    /// There is no socket for these.
    fn decline(&self, jobs: Vec<Job>) {
        let observations = jobs.into_iter().map(|job| Observation {
            tracker: job.tracker,
            family: job.family,
            report: Report::NoAddress { ids: job.ask.ids() },
            exchange: Exchange::default(),
        });
        let (out, observations) = (self.out.clone(), observations.collect());
        self.runtime.spawn(async move {
            // Nobody may be left to hear it.
            let _ = out.send(observations).await;
        });
    }

    /// Settings for all questions from now on.
    pub fn configure(&self, settings: Settings) {
        for worker in self.workers.iter().flatten() {
            worker.tell(Command::Configure(settings));
        }
    }

    /// Stops. No more jobs are taken, and those that left no trace are dropped without an
    /// observation: a probe cut short says nothing about its tracker. Every swarm that we said
    /// `started` to gets its `stopped`, until the tracker confirms it or [`DRAIN`] is over.
    pub async fn drain(mut self) {
        for worker in self.workers.iter().flatten() {
            worker.bell.stop();
        }
        for worker in self.workers.iter_mut().flatten() {
            if let Some(ended) = worker.ended.take() {
                // Nothing is ever sent; the worker drops its end.
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
        self.bell.ring();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.bell.stop();
    }
}

#[cfg(test)]
mod tests;
