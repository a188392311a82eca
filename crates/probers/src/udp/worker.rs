//! The thread that joins engine, socket, resolver and clock, for one family.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc as async_mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::batch_pacer::BatchPacer;
use super::socket::Socket;
use crate::datagram::READS_PER_TURN;
use crate::prober::DRAIN_TIMEOUT;
use crate::resolve::{Resolved, Resolver};
use crate::waker::Waker;
use seedwatch_clock::LineLimit;
use seedwatch_torrent::Family;
use seedwatch_tracker::udp::Settings;
use seedwatch_tracker::udp::engine::{Engine, NameLookup, Outbox};
use seedwatch_tracker::{Job, Observation, ProbeError};

/// The largest number of running jobs in one family. Other jobs wait, and their timeout runs from
/// their start.
const MAX_ACTIVE: usize = 65_536;
/// The largest number of jobs that wait for the window. More would only grow the working set.
const MAX_UNSENT: usize = 1024;
/// The largest number of jobs started before sending.
const MAX_FED: usize = 2048;
/// With this many observations pending for a slow receiver, no more jobs are started.
const MAX_PENDING: usize = 16_384;
/// The wait if the send buffer is full or the receiver of observations is slow.
const PAUSE: Duration = Duration::from_millis(1);
/// The time to send every `stopped` at shutdown. The rest is for the last observations.
const STOP_TIMEOUT: Duration = DRAIN_TIMEOUT.saturating_sub(Duration::from_millis(100));

/// Limits the log of panics, by [`Family::index`].
static FAULTS: LineLimit<usize> = LineLimit::new();

/// A command for a worker.
#[derive(Debug)]
pub(super) enum Command {
    /// Starts jobs.
    Jobs(Vec<Job>),
    /// Uses these settings for all requests from now on.
    Configure(Settings),
}

/// The connections of a worker to the rest of the daemon.
pub(super) struct WorkerChannels {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) waker: Arc<Waker>,
    pub(super) out: async_mpsc::Sender<Vec<Observation>>,
    pub(super) resolver: Resolver,
    /// The runtime for name lookups.
    pub(super) runtime: Handle,
    /// Dropped when the worker has ended, which signals the end.
    pub(super) _end: oneshot::Sender<()>,
}

type LookupResult = (NameLookup, Result<Resolved, ProbeError>, Duration);

/// The worker of one family.
pub(super) struct Worker {
    family: Family,
    settings: Settings,
    engine: Engine,
    socket: Socket,
    outbox: Outbox,
    pacer: BatchPacer,
    /// Whether the send buffer was full.
    blocked: bool,
    channels: WorkerChannels,
    backlog: std::vec::IntoIter<Job>,
    lookup_results: (mpsc::Sender<LookupResult>, mpsc::Receiver<LookupResult>),
    pending: Vec<Observation>,
}

impl Worker {
    pub(super) fn new(
        family: Family,
        settings: Settings,
        socket: Socket,
        channels: WorkerChannels,
    ) -> Self {
        Self {
            family,
            settings,
            engine: engine(family, settings, &socket),
            socket,
            outbox: Outbox::default(),
            pacer: BatchPacer::new(Instant::now()),
            blocked: false,
            channels,
            backlog: Vec::new().into_iter(),
            lookup_results: mpsc::channel(),
            pending: Vec::new(),
        }
    }

    /// Works until the waker asks it to stop, then sends every `stopped` that is owed.
    pub(super) fn run(mut self) {
        while !self.channels.waker.is_stopped() {
            if !self.round() {
                self.sleep();
            }
        }
        let now = Instant::now();
        self.engine.close(now + STOP_TIMEOUT, now);
        let mut busy = true;
        while self.engine.active() > 0 {
            if !busy {
                self.sleep();
            }
            // Read before the condition: after the last job, nothing would end a wait.
            busy = self.round();
        }
        self.deliver();
        let datagram_stats = self.engine.datagram_stats();
        tracing::debug!(
            family = self.family.as_label(),
            stray = datagram_stats.stray,
            foreign = datagram_stats.foreign,
            "UDP prober stopped"
        );
    }

    /// Runs one turn. Returns whether there may be more to do.
    fn round(&mut self) -> bool {
        self.channels.waker.reset();
        let turn = catch_unwind(AssertUnwindSafe(|| self.turn()));
        let mut busy = turn.unwrap_or_else(|_| self.recover());
        // A full list of observations may have held back jobs.
        busy |= self.pending.len() >= MAX_PENDING && self.deliver();
        busy
    }

    /// Reads, starts jobs and sends, without waiting. Returns whether there may be more to do.
    fn turn(&mut self) -> bool {
        let more_to_read = self.read();
        self.take_lookup_results();
        let more_jobs = self.feed();
        self.send();
        self.look_up();
        self.engine.take_observations(&mut self.pending);
        if !self.pending.is_empty() && self.pending.len() < MAX_PENDING {
            let now = Instant::now();
            if self.pacer.keep(self.pending.len(), now).is_zero() {
                self.pacer.handed(now);
                self.deliver();
            }
        }
        // Sending may have made room for jobs.
        more_to_read || (more_jobs && self.has_room())
    }

    /// Reads datagrams. Returns whether there may be more to read at once. It does not read again
    /// after a partial batch, which saves a system call.
    fn read(&mut self) -> bool {
        let engine = &mut self.engine;
        let mut more = true;
        for turn in 0..READS_PER_TURN {
            let mut now = None;
            let read = self.socket.receive(|from, bytes| {
                let now = *now.get_or_insert_with(Instant::now);
                engine.on_datagram(from, bytes, now);
            });
            if let Some(now) = now.filter(|_| turn == 0) {
                self.pacer.read(now);
            }
            more = self.socket.is_full_batch(read);
            if !more {
                break;
            }
        }
        if self.socket.has_errors() {
            more = true;
            let now = Instant::now();
            self.socket
                .errors(|to, packet, why| engine.on_undelivered(to, packet, why, now));
        }
        more
    }

    /// Starts jobs. Returns whether there may be more to start once there is room.
    fn feed(&mut self) -> bool {
        let now = Instant::now();
        for _ in 0..MAX_FED {
            if !self.has_room() {
                return true;
            }
            if let Some(job) = self.backlog.next() {
                self.engine.submit(job, now);
            } else {
                match self.channels.commands.try_recv() {
                    Ok(Command::Jobs(jobs)) => self.backlog = jobs.into_iter(),
                    Ok(Command::Configure(settings)) => {
                        self.settings = settings;
                        self.engine.configure(settings);
                    }
                    Err(_) => return false,
                }
            }
        }
        true
    }

    /// Returns whether there is room for more jobs.
    fn has_room(&self) -> bool {
        self.engine.active() < MAX_ACTIVE
            && self.engine.unsent() < MAX_UNSENT
            && self.pending.len() < MAX_PENDING
    }

    /// Sends until the engine has nothing more to send or the send buffer is full.
    fn send(&mut self) {
        let now = Instant::now();
        let engine = &mut self.engine;
        loop {
            if self.outbox.is_empty() {
                engine.poll(now, &mut self.outbox);
            }
            if self.outbox.is_empty() {
                self.blocked = false;
                return;
            }
            self.blocked = self.socket.send(&mut self.outbox, |to, packet, why| {
                engine.on_undelivered(to, packet, why, now);
            });
            if self.blocked {
                return;
            }
        }
    }

    /// Starts lookups.
    fn look_up(&mut self) {
        for lookup in self.engine.take_lookups() {
            let resolver = self.channels.resolver.clone();
            let lookup_results = self.lookup_results.0.clone();
            let waker = Arc::clone(&self.channels.waker);
            self.channels.runtime.spawn(async move {
                let resolving = resolver.resolve_within(&lookup.url, lookup.limit);
                let (result, spent) = resolving.await;
                // The worker may have ended.
                let _ = lookup_results.send((lookup, result, spent));
                waker.wake();
            });
        }
    }

    /// Takes the results of lookups.
    fn take_lookup_results(&mut self) {
        while let Ok((lookup, result, spent)) = self.lookup_results.1.try_recv() {
            let took = (!spent.is_zero()).then_some(spent);
            let port = lookup.url.port();
            let addresses = result.and_then(|resolved| resolved.reachable(self.family));
            let with_port = |ip| SocketAddr::new(ip, port);
            let addresses = addresses.map(|ips| ips.into_iter().map(with_port).collect());
            let now = Instant::now();
            self.engine.on_lookup(lookup.tracker, addresses, took, now);
        }
    }

    /// Recovers from a panic: all running jobs end with a failure, and work continues with a new
    /// engine. A datagram that causes a panic must not stop the daemon.
    fn recover(&mut self) -> bool {
        if let Some(suppressed) = FAULTS.admit(self.family.index(), Instant::now()) {
            tracing::error!(
                family = self.family.as_label(),
                suppressed,
                "the UDP prober restarts after an internal error"
            );
        }
        let fresh = engine(self.family, self.settings, &self.socket);
        let broken = std::mem::replace(&mut self.engine, fresh);
        self.pending.append(&mut broken.abort_all(Instant::now()));
        self.outbox = Outbox::default();
        true
    }

    /// Hands over observations if the channel has room.
    fn deliver(&mut self) -> bool {
        if self.pending.is_empty() {
            return true;
        }
        match self
            .channels
            .out
            .try_send(std::mem::take(&mut self.pending))
        {
            Ok(()) | Err(TrySendError::Closed(_)) => true,
            Err(TrySendError::Full(batch)) => {
                self.pending = batch;
                false
            }
        }
    }

    fn sleep(&mut self) {
        let now = Instant::now();
        let due = self.engine.next_timeout();
        let due = due.map(|due| due.saturating_duration_since(now));
        let kept = match self.pending.len() {
            0 => None,
            kept => Some(self.pacer.keep(kept, now).max(PAUSE)),
        };
        let time = match self.blocked {
            true => Some(PAUSE),
            false => due.into_iter().chain(kept).min(),
        };
        let rest = self.pacer.rest(now);
        if !rest.is_zero() && self.engine.unsent() == 0 {
            // Nothing needs to be sent, so answers may accumulate; new jobs use the waker.
            let time = time.map_or(rest, |time| time.min(rest));
            self.channels.waker.wait(&[], Some(time));
            return;
        }
        if self.channels.waker.wait(&[self.socket.as_fd()], time) {
            self.socket.expect_errors();
        }
    }
}

fn engine(family: Family, settings: Settings, socket: &Socket) -> Engine {
    let window = socket.window();
    Engine::new(family, settings, window, rand::random(), Instant::now())
}
