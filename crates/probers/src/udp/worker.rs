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

use super::gather::Gather;
use super::socket::Socket;
use crate::bell::Bell;
use crate::resolve::{Resolved, Resolver};
use seedwatch_clock::LineLimit;
use seedwatch_torrent::Family;
use seedwatch_tracker::udp::Settings;
use seedwatch_tracker::udp::engine::{Engine, Lookup, Outbox, Random};
use seedwatch_tracker::{Failed, Job, Observation};

/// Most jobs under way at once in one family. What is submitted beyond waits its turn, and its
/// time starts when it gets it.
const MAX_ACTIVE: usize = 65_536;
/// Jobs that may stand in line for the window; more would only grow the working set.
const MAX_UNSENT: usize = 1024;
/// Jobs taken before it is the turn of the senders.
const MAX_FED: usize = 2048;
/// Observations that wait for a slow receiver before no more jobs are taken.
const MAX_PENDING: usize = 16_384;
/// Batches of datagrams read before it is the turn of the senders.
const READS_A_TURN: usize = 8;
/// Time to wait when the send buffer is full, or the receiver of observations behind.
const PAUSE: Duration = Duration::from_millis(1);
/// Time to take back what we announced, when the prober shuts down.
const FAREWELL: Duration = Duration::from_millis(1900);

/// Faults of our own, by [`Family::index`].
static FAULTS: LineLimit<usize> = LineLimit::new();

/// What a worker is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Questions to ask.
    Jobs(Vec<Job>),
    /// Settings for all questions from now on.
    Configure(Settings),
}

/// What connects a worker with the rest.
pub(super) struct Ends {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) bell: Arc<Bell>,
    pub(super) out: async_mpsc::Sender<Vec<Observation>>,
    pub(super) resolver: Resolver,
    /// The runtime in which names are looked up.
    pub(super) runtime: Handle,
    /// Dropped at the end, which tells that it is reached.
    pub(super) _end: oneshot::Sender<()>,
}

type Looked = (Lookup, Result<Resolved, Failed>, Duration);

/// One family.
pub(super) struct Worker {
    family: Family,
    settings: Settings,
    engine: Engine,
    socket: Socket,
    outbox: Outbox,
    gather: Gather,
    /// The send buffer was full.
    blocked: bool,
    ends: Ends,
    backlog: std::vec::IntoIter<Job>,
    looked: (mpsc::Sender<Looked>, mpsc::Receiver<Looked>),
    pending: Vec<Observation>,
}

impl Worker {
    pub(super) fn new(family: Family, settings: Settings, socket: Socket, ends: Ends) -> Self {
        Self {
            family,
            settings,
            engine: engine(family, settings, &socket),
            socket,
            outbox: Outbox::default(),
            gather: Gather::new(Instant::now()),
            blocked: false,
            ends,
            backlog: Vec::new().into_iter(),
            looked: mpsc::channel(),
            pending: Vec::new(),
        }
    }

    /// Works until the bell says stop, then takes back what is announced.
    pub(super) fn run(mut self) {
        while !self.ends.bell.is_stopped() {
            if !self.round() {
                self.sleep();
            }
        }
        let now = Instant::now();
        self.engine.close(now + FAREWELL, now);
        let mut busy = true;
        while self.engine.active() > 0 {
            if !busy {
                self.sleep();
            }
            // The last one may end in it: then there is nothing left to wake up for.
            busy = self.round();
        }
        self.deliver();
        let oddities = self.engine.oddities();
        tracing::debug!(
            family = self.family.as_label(),
            stray = oddities.stray,
            foreign = oddities.foreign,
            "UDP prober stopped"
        );
    }

    /// One turn. Returns whether there may be more to do.
    fn round(&mut self) -> bool {
        self.ends.bell.hear();
        let turn = catch_unwind(AssertUnwindSafe(|| self.turn()));
        let mut busy = turn.unwrap_or_else(|_| self.recover());
        // Jobs may have been held back for want of room.
        busy |= self.pending.len() >= MAX_PENDING && self.deliver();
        busy
    }

    /// Reads, feeds and sends without waiting. Returns whether there may be more to do.
    fn turn(&mut self) -> bool {
        let more_to_read = self.read();
        self.take_looked();
        let more_jobs = self.feed();
        self.send();
        self.look_up();
        self.engine.take_observations(&mut self.pending);
        if !self.pending.is_empty() && self.pending.len() < MAX_PENDING {
            let now = Instant::now();
            if self.gather.keep(self.pending.len(), now).is_zero() {
                self.gather.handed(now);
                self.deliver();
            }
        }
        // What was sent may have made room for jobs.
        more_to_read || (more_jobs && self.is_hungry())
    }

    /// Reads datagrams; returns whether there may be more to read at once. After a batch that is not
    /// full there are none, so that a call to find none is spared.
    fn read(&mut self) -> bool {
        let engine = &mut self.engine;
        let mut more = true;
        for turn in 0..READS_A_TURN {
            let mut now = None;
            let read = self.socket.receive(|from, bytes| {
                let now = *now.get_or_insert_with(Instant::now);
                engine.on_datagram(from, bytes, now);
            });
            if let Some(now) = now.filter(|_| turn == 0) {
                self.gather.read(now);
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

    /// Takes jobs; returns whether there may be more to take once there is room.
    fn feed(&mut self) -> bool {
        let now = Instant::now();
        for _ in 0..MAX_FED {
            if !self.is_hungry() {
                return true;
            }
            if let Some(job) = self.backlog.next() {
                self.engine.submit(job, now);
            } else {
                match self.ends.commands.try_recv() {
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

    /// Whether more jobs are welcome.
    fn is_hungry(&self) -> bool {
        self.engine.active() < MAX_ACTIVE
            && self.engine.unsent() < MAX_UNSENT
            && self.pending.len() < MAX_PENDING
    }

    /// Sends until the engine has nothing more to send, or the send buffer is full.
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
            let resolver = self.ends.resolver.clone();
            let looked = self.looked.0.clone();
            let bell = Arc::clone(&self.ends.bell);
            self.ends.runtime.spawn(async move {
                let resolving = resolver.resolve_within(&lookup.url, lookup.limit);
                let (result, spent) = resolving.await;
                // The worker may be gone.
                let _ = looked.send((lookup, result, spent));
                bell.ring();
            });
        }
    }

    /// Takes the results of lookups.
    fn take_looked(&mut self) {
        while let Ok((lookup, result, spent)) = self.looked.1.try_recv() {
            let took = (!spent.is_zero()).then_some(spent);
            let port = lookup.url.port();
            let addresses = result.map(|resolved| {
                let ips = resolved.of(self.family).into_iter();
                ips.map(|ip| SocketAddr::new(ip, port)).collect()
            });
            let now = Instant::now();
            self.engine.on_lookup(lookup.tracker, addresses, took, now);
        }
    }

    /// A fault of our own, met in some datagram, must not stop the daemon: all jobs under way end
    /// with a failure, and work goes on with a new engine.
    fn recover(&mut self) -> bool {
        if let Some(suppressed) = FAULTS.admit(self.family.index(), Instant::now()) {
            tracing::error!(
                family = self.family.as_label(),
                suppressed,
                "the UDP prober met a fault of its own and restarts"
            );
        }
        let fresh = engine(self.family, self.settings, &self.socket);
        let broken = std::mem::replace(&mut self.engine, fresh);
        self.pending.append(&mut broken.wreck(Instant::now()));
        self.outbox = Outbox::default();
        true
    }

    /// Hands over observations, if there is room for them.
    fn deliver(&mut self) -> bool {
        if self.pending.is_empty() {
            return true;
        }
        match self.ends.out.try_send(std::mem::take(&mut self.pending)) {
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
            kept => Some(self.gather.keep(kept, now).max(PAUSE)),
        };
        let time = match self.blocked {
            true => Some(PAUSE),
            false => due.into_iter().chain(kept).min(),
        };
        let rest = self.gather.rest(now);
        if !rest.is_zero() && self.engine.unsent() == 0 {
            // Nothing waits for an answer to be sent: answers may gather, but jobs wake us.
            let time = time.map_or(rest, |time| time.min(rest));
            self.ends.bell.sleep(&[], Some(time));
            return;
        }
        if self.ends.bell.sleep(&[self.socket.as_fd()], time) {
            self.socket.expect_errors();
        }
    }
}

fn engine(family: Family, settings: Settings, socket: &Socket) -> Engine {
    let window = socket.window();
    Engine::new(family, settings, window, Random::from_os(), Instant::now())
}
