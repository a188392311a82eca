//! The thread of the prober.
//!
//! Jobs of one host stand in line as jobs, not as futures: a few tasks a host take one after the
//! other. A task a job would cost an allocation of some kilobytes each.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::MAX_PER_HOST;
use super::http_client::HttpClient;
use seedwatch_torrent::Family;
use seedwatch_tracker::{Job, Observation, TrackerId};

/// Queues kept before those that are empty are dropped.
const MAX_QUEUES: usize = 4096;
/// Turns of tasks between looks at the sockets; each takes some microseconds, and an exchange about
/// three. With as few as tokio has by itself, answers that came together are handed on in several
/// batches, and each batch wakes the thread that takes it.
const TURNS: u32 = 256;

/// What the worker is told.
pub(super) enum Command {
    /// Questions to ask.
    Jobs(Vec<Job>),
    /// Whom jobs go to from now on.
    Configure(Arc<HttpClient>),
}

/// Probes under way, and what joins them with the rest.
pub(super) struct Worker {
    http_client: Arc<HttpClient>,
    commands: mpsc::UnboundedReceiver<Command>,
    out: mpsc::Sender<Vec<Observation>>,
    queues: HashMap<(TrackerId, Family), Queue>,
    running: JoinSet<()>,
    done: (
        mpsc::UnboundedSender<Observation>,
        mpsc::UnboundedReceiver<Observation>,
    ),
    /// Observations that nobody has taken yet.
    pending: Vec<Observation>,
}

/// The jobs of one host and family. Shared with the tasks that take them.
type Queue = Arc<Mutex<Waiting>>;

#[derive(Default)]
struct Waiting {
    /// Each with the settings it came under.
    jobs: VecDeque<(Arc<HttpClient>, Job)>,
    /// Tasks that take from here; at most [`MAX_PER_HOST`].
    tasks: usize,
}

/// Starts the thread. `end` is told at its end whether all farewells were said.
pub(super) fn start(worker: Worker, end: oneshot::Sender<bool>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(TURNS)
        .build()?;
    std::thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || {
            let all = runtime.block_on(worker.run());
            // Whatever still hangs is left behind.
            runtime.shutdown_background();
            // Nobody may be left to hear it.
            let _ = end.send(all);
        })?;
    Ok(())
}

impl Worker {
    pub(super) fn new(
        http_client: Arc<HttpClient>,
        commands: mpsc::UnboundedReceiver<Command>,
        out: mpsc::Sender<Vec<Observation>>,
    ) -> Self {
        Self {
            http_client,
            commands,
            out,
            queues: HashMap::new(),
            running: JoinSet::new(),
            done: mpsc::unbounded_channel(),
            pending: Vec::new(),
        }
    }

    /// Works until nobody is left to give commands, then takes back what is announced.
    async fn run(mut self) -> bool {
        loop {
            let has_pending = !self.pending.is_empty();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Jobs(jobs)) => self.begin(jobs),
                    Some(Command::Configure(http_client)) => self.http_client = http_client,
                    None => break,
                },
                Some(first) = self.done.1.recv() => self.collect(first),
                // The set keeps what has ended until it is asked for.
                Some(_) = self.running.join_next() => {}
                () = deliver(&self.out, &mut self.pending), if has_pending => {}
            }
        }
        // When this returns, all they held is dropped, and farewells are on their way.
        self.running.shutdown().await;
        self.http_client.background_stops().await
    }

    /// Takes an observation and all others that are there.
    fn collect(&mut self, first: Observation) {
        self.pending.push(first);
        while let Ok(next) = self.done.1.try_recv() {
            self.pending.push(next);
        }
    }

    fn begin(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            let key = (job.tracker, job.family);
            if self.queues.len() >= MAX_QUEUES && !self.queues.contains_key(&key) {
                self.queues.retain(|_, queue| Arc::strong_count(queue) > 1);
            }
            let queue = self.queues.entry(key).or_default();
            let mut waiting = lock(queue);
            waiting.jobs.push_back((self.http_client.clone(), job));
            if waiting.tasks < MAX_PER_HOST {
                waiting.tasks += 1;
                let (queue, done) = (queue.clone(), self.done.0.clone());
                self.running.spawn(work_off(queue, done));
            }
        }
    }
}

/// Answers the jobs of a queue until it is empty.
async fn work_off(queue: Queue, done: mpsc::UnboundedSender<Observation>) {
    while let Some((http_client, job)) = next(&queue) {
        // Nobody is left to hear it only at the very end.
        let _ = done.send(http_client.probe(job).await);
    }
}

/// The next job; without one the task that asks is at its end.
fn next(queue: &Queue) -> Option<(Arc<HttpClient>, Job)> {
    let mut waiting = lock(queue);
    let job = waiting.jobs.pop_front();
    if job.is_none() {
        waiting.tasks -= 1;
    }
    job
}

fn lock(queue: &Queue) -> std::sync::MutexGuard<'_, Waiting> {
    // No code that holds the lock can panic half-way through a change.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands over observations as soon as there is room. Without a receiver they are dropped.
async fn deliver(out: &mpsc::Sender<Vec<Observation>>, pending: &mut Vec<Observation>) {
    let place = out.reserve().await;
    let batch = std::mem::take(pending);
    if let Ok(place) = place {
        place.send(batch);
    }
}
