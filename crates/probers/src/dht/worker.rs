//! The thread that joins engine, sockets, resolver and clock.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Settings;
use super::bootstrap::Bootstrap;
use super::reports::Reports;
use crate::datagram::{READS_PER_TURN, Sent, Socket};
use crate::waker::Waker;
use seedwatch_clock::LineLimit;
use seedwatch_clock::{Clock, Mono};
use seedwatch_dht;
use seedwatch_dht::{Contact, Engine, Outbox};
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;

/// The shortest time between two turns. Packets move in batches, and one wake-up serves them all.
/// Answers wait half of it on average, a tenth of a usual round trip.
const TICK: Duration = Duration::from_millis(10);
/// The shortest tick, for a receive buffer that would fill up within a longer one.
const SHORTEST_TICK: Duration = Duration::from_millis(1);
/// The datagrams of one tick may take one part in this many of the receive buffer.
const BUFFER_PART: usize = 4;
/// Each turn forgets one part in this many of the load of busier turns: the answers to a burst
/// arrive later.
const LOAD_DECAY: usize = 16;
/// The wait if a send buffer is full.
const PAUSE: Duration = Duration::from_millis(1);
/// The wait after a panic, which may repeat at once.
const CALM: Duration = Duration::from_secs(1);

/// Limits the log of panics.
static FAULTS: LineLimit<()> = LineLimit::new();

/// A command for the worker.
pub(super) enum Command {
    /// Sets the info-hashes that are looked up once per interval.
    Watch(Arc<[InfoHash]>),
    /// Looks up one info-hash at once.
    LookUp(InfoHash),
    /// Pauses or resumes a family.
    Pause(Family, bool),
    /// Uses new settings.
    Configure(Box<Settings>),
    /// Requests the nodes worth saving.
    Table(oneshot::Sender<Vec<Contact>>),
    /// Panics, to test the recovery.
    #[cfg(test)]
    Fault,
}

/// The channels between the worker and the rest of the daemon.
pub(super) struct WorkerChannels {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) waker: Arc<Waker>,
    pub(super) bootstrap: Bootstrap,
    pub(super) reports: Reports,
}

/// The worker of both families.
pub(super) struct Worker {
    clock: Clock,
    settings: seedwatch_dht::Settings,
    engine: Engine,
    /// By [`Family::index`].
    sockets: [Option<Socket>; 2],
    outbox: Outbox,
    /// The number of packets in the outbox that each socket has handled.
    done: [usize; 2],
    /// The number of datagrams in the busiest of the latest turns.
    load: usize,
    /// The number of answers that the smallest receive buffer holds.
    window: usize,
    channels: WorkerChannels,
    /// Kept for the new engine after a panic.
    hashes: Arc<[InfoHash]>,
    paused: [bool; 2],
}

impl Worker {
    pub(super) fn new(
        settings: seedwatch_dht::Settings,
        sockets: [Option<Socket>; 2],
        table: &[Contact],
        channels: WorkerChannels,
    ) -> Self {
        let clock = Clock::start();
        let windows = sockets.iter().flatten().map(Socket::window);
        let mut worker = Self {
            settings,
            engine: Engine::new(settings, rand::random(), now(&clock)),
            clock,
            window: windows.min().unwrap_or(1),
            sockets,
            outbox: Outbox::default(),
            done: [0; 2],
            load: 0,
            channels,
            hashes: Arc::from([]),
            paused: [false; 2],
        };
        worker.set_up(table);
        worker
    }

    /// Works until the waker asks it to stop. Returns the nodes worth saving.
    pub(super) fn run(mut self) -> Vec<Contact> {
        while !self.channels.waker.is_stopped() {
            self.channels.waker.reset();
            let turn = catch_unwind(AssertUnwindSafe(|| self.turn()));
            match turn {
                Ok(None) => {}
                Ok(Some(wait)) => self.sleep(wait),
                Err(_) => self.recover(),
            }
        }
        self.engine.nodes_to_save()
    }

    /// Reads, polls the engine and sends, without waiting. Returns the wait until the next turn, or
    /// `None` if there is more to read at once.
    fn turn(&mut self) -> Option<Duration> {
        let (read, is_more) = self.read();
        let now = now(&self.clock);
        self.obey(now);
        let mut wake = self.find_a_way_in(now);
        if self.outbox.is_empty() {
            wake = wake.min(self.engine.poll(now, &mut self.outbox));
        }
        let load = read.max(self.outbox.len());
        self.load = load.max(self.load - self.load.div_ceil(LOAD_DECAY));
        let is_sent = self.send(now);
        self.channels.reports.add(self.engine.take_reports());
        let engine = &self.engine;
        let status = || Family::ALL.map(|family| engine.status(family, now));
        wake = wake.min(self.channels.reports.deliver(now, status));
        match (is_sent, is_more) {
            (false, _) => Some(PAUSE),
            (true, true) => None,
            (true, false) => Some(wake.since(now).max(self.tick())),
        }
    }

    /// Returns the shortest wait until the next turn, so that no receive buffer fills up.
    fn tick(&self) -> Duration {
        let room = (self.window / BUFFER_PART).max(1);
        let tick = TICK.mul_f64(room as f64 / self.load.max(1) as f64);
        tick.clamp(SHORTEST_TICK, TICK)
    }

    /// Reads datagrams. Returns their number, and whether there may be more.
    fn read(&mut self) -> (usize, bool) {
        let engine = &mut self.engine;
        let (mut total, mut is_more) = (0, false);
        for socket in self.sockets.iter_mut().flatten() {
            let now = now(&self.clock);
            for turn in 1..=READS_PER_TURN {
                let read = socket.receive(|from, bytes| engine.receive(from, bytes, now));
                total += read;
                if !socket.is_full_batch(read) {
                    break;
                }
                is_more |= turn == READS_PER_TURN;
            }
            if socket.has_errors() {
                is_more = true;
                socket.errors(|to, _, _| engine.mark_unreachable(to, now));
            }
        }
        (total, is_more)
    }

    /// Carries out the pending commands.
    fn obey(&mut self, now: Mono) {
        while let Ok(command) = self.channels.commands.try_recv() {
            match command {
                Command::Watch(hashes) => {
                    self.hashes = Arc::clone(&hashes);
                    self.engine.watch(hashes, now);
                }
                Command::LookUp(hash) => {
                    let families = self.sockets.iter().flatten().count();
                    self.channels.reports.want(hash, families);
                    self.engine.look_up(hash, now);
                }
                Command::Pause(family, paused) => {
                    self.paused[family.index()] = paused;
                    self.engine.pause(family, paused, now);
                }
                Command::Configure(settings) => {
                    self.settings = settings.engine;
                    self.engine.configure(settings.engine, now);
                    self.channels.bootstrap.configure(settings.bootstrap);
                }
                Command::Table(answer) => {
                    // The receiver may be gone.
                    let _ = answer.send(self.engine.nodes_to_save());
                }
                #[cfg(test)]
                Command::Fault => panic!("as told"),
            }
        }
    }

    /// Resolves bootstrap names for families that need nodes. Returns when to call again at the
    /// latest.
    fn find_a_way_in(&mut self, now: Mono) -> Mono {
        while let Some((family, addresses)) = self.channels.bootstrap.take() {
            self.engine.add_bootstrap(family, &addresses);
        }
        let mut wake = Mono(u64::MAX);
        for family in Family::ALL {
            let open = self.sockets[family.index()].is_some();
            let needed =
                open && !self.paused[family.index()] && self.engine.needs_bootstrap(family, now);
            let next = self.channels.bootstrap.tend(family, needed, now);
            wake = wake.min(next.unwrap_or(wake));
        }
        wake
    }

    /// Sends the packets in the outbox. Returns whether it is empty.
    fn send(&mut self, now: Mono) -> bool {
        let mut all = true;
        let mut refused = Vec::new();
        for family in Family::ALL {
            let Some(socket) = &mut self.sockets[family.index()] else {
                continue;
            };
            let packets: Vec<(SocketAddr, &[u8])> = self
                .outbox
                .iter()
                .filter(|(to, _)| Family::of(&to.ip()) == family)
                .collect();
            let done = &mut self.done[family.index()];
            while *done < packets.len() {
                let sent = socket.send(packets[*done..].iter().copied());
                match socket.classify(sent) {
                    Sent::Packets(count) => *done += count,
                    Sent::Full => {
                        all = false;
                        break;
                    }
                    Sent::Again => {}
                    // Lost, as any packet may be.
                    Sent::Lost => *done += 1,
                    Sent::Refused => {
                        refused.push(packets[*done].0);
                        *done += 1;
                    }
                }
            }
        }
        for to in refused {
            self.engine.mark_unreachable(to, now);
        }
        if all {
            self.outbox.clear();
            self.done = [0; 2];
        }
        all
    }

    /// Recovers from a panic: work continues with a new engine and the same settings. A datagram
    /// that causes a panic must not stop the daemon.
    fn recover(&mut self) {
        if let Some(suppressed) = FAULTS.admit((), Instant::now()) {
            let message = "the DHT prober restarts after an internal error";
            tracing::error!(suppressed, "{message}");
        }
        let table =
            catch_unwind(AssertUnwindSafe(|| self.engine.nodes_to_save())).unwrap_or_default();
        // The sockets are not read: the datagram that caused the panic may still be there.
        self.channels.waker.wait(&[], Some(CALM));
        self.engine = Engine::new(self.settings, rand::random(), now(&self.clock));
        self.outbox = Outbox::default();
        self.done = [0; 2];
        self.set_up(&table);
    }

    /// Configures a new engine.
    fn set_up(&mut self, table: &[Contact]) {
        let now = now(&self.clock);
        for family in Family::ALL {
            if self.sockets[family.index()].is_some() {
                self.engine.open(family, now);
                self.engine.pause(family, self.paused[family.index()], now);
            }
        }
        self.engine.restore(table, now);
        self.engine.watch(Arc::clone(&self.hashes), now);
        for hash in self.channels.reports.wanted() {
            self.engine.look_up(hash, now);
        }
    }

    /// Waits for one tick in any case, then until a datagram arrives or the time is over. The waker
    /// ends both.
    fn sleep(&mut self, wait: Duration) {
        let tick = wait.min(self.tick());
        self.channels.waker.wait(&[], Some(tick));
        let wait = wait.saturating_sub(tick);
        // Also without time left, because it reports ICMP errors.
        let sockets = self.sockets.iter().flatten();
        let watched: Vec<BorrowedFd<'_>> = sockets.map(AsFd::as_fd).collect();
        if self.channels.waker.wait(&watched, Some(wait)) {
            let sockets = self.sockets.iter_mut().flatten();
            sockets.for_each(Socket::expect_errors);
        }
    }
}

fn now(clock: &Clock) -> Mono {
    clock.mono(Instant::now())
}
