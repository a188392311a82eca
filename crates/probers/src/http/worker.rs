//! The thread of the HTTP prober.
//!
//! Each host has a queue of jobs and a few tasks that take jobs from it. One task per job would
//! cost an allocation of some kilobytes each.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::MAX_PER_HOST;
use super::http_client::HttpClient;
use seedwatch_torrent::Family;
use seedwatch_tracker::{Job, Observation, TrackerId};

/// The number of queues kept before empty ones are dropped.
const MAX_QUEUES: usize = 4096;
/// The number of task polls between two polls of the sockets. A poll takes some microseconds, and a
/// request about three polls. With tokio's default, answers that arrive together are handed over in
/// several batches, and each batch wakes the receiving thread.
const TURNS: u32 = 256;

/// A command for the worker.
pub(super) enum Command {
    /// Starts jobs.
    Jobs(Vec<Job>),
    /// Uses this client for all jobs from now on.
    Configure(Arc<HttpClient>),
}

/// The running probes, and the channels to the rest of the daemon.
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
    /// Observations not yet handed over.
    pending: Vec<Observation>,
}

/// The jobs of one host and family, shared with the tasks that take them.
type Queue = Arc<Mutex<Waiting>>;

#[derive(Default)]
struct Waiting {
    /// Each with the client of its settings.
    jobs: VecDeque<(Arc<HttpClient>, Job)>,
    /// The number of tasks that take jobs; at most [`MAX_PER_HOST`].
    tasks: usize,
}

/// Starts the thread. At its end, `end` receives whether every `stopped` was sent.
pub(super) fn start(worker: Worker, end: oneshot::Sender<bool>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(TURNS)
        .build()?;
    std::thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || {
            let all = runtime.block_on(worker.run());
            // Tasks that still hang are abandoned.
            runtime.shutdown_background();
            // The receiver may be gone.
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

    /// Works until the command channel closes, then sends every `stopped` that is owed.
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
                // The set keeps ended tasks until they are joined.
                Some(_) = self.running.join_next() => {}
                () = deliver(&self.out, &mut self.pending), if has_pending => {}
            }
        }
        // This drops all running probes, which sends their `stopped` in the background.
        self.running.shutdown().await;
        self.http_client.background_stops().await
    }

    /// Takes an observation and all others in the channel.
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

/// Carries out the jobs of a queue until it is empty.
async fn work_off(queue: Queue, done: mpsc::UnboundedSender<Observation>) {
    while let Some((http_client, job)) = next(&queue) {
        // The receiver is gone only at shutdown.
        let _ = done.send(http_client.probe(job).await);
    }
}

/// Returns the next job. Without one, the calling task ends.
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

/// Hands over observations as soon as the channel has room. Drops them without a receiver.
async fn deliver(out: &mpsc::Sender<Vec<Observation>>, pending: &mut Vec<Observation>) {
    let permit = out.reserve().await;
    let batch = std::mem::take(pending);
    if let Ok(permit) = permit {
        permit.send(batch);
    }
}
