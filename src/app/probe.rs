//! `seedwatch probe TARGET`: probes one torrent at all its trackers and in the DHT, and prints what
//! the core decides and what they answer.
//!
//! | File | Contents |
//! |---|---|
//! | `target` | the torrent to probe |
//! | `session`, `lookups` | the requests, and what their answers add up to |
//! | `rows` | what each source and each request says |
//! | `report`, `table`, `fit` | the result as text and as JSON. Pure |
//! | `printer` | standard output, and the progress on a terminal |

mod fit;
mod lookups;
mod printer;
mod report;
mod rows;
mod session;
mod table;
mod target;

use std::io;

use tokio::sync::mpsc;

use super::probers::{self, QUEUE};
use crate::cli::{Cli, ProbeFlags};
use crate::config::Config;
use lookups::DhtLookups;
use printer::Progress;
use report::ProbeReport;
use rows::Summary;
use seedwatch_core::snapshot::TorrentView;
use seedwatch_core::verdict::State;
use seedwatch_probers::Probers;
use seedwatch_probers::resolve::Resolver;
use seedwatch_tracker::Observation;
use session::Session;
use table::Style;

/// An error that ends the probe.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a script learns from the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// A source lists a peer or counts one.
    Alive,
    /// Every source has answered, and none lists a peer.
    Dead,
    /// Neither is certain; or the torrent must not be probed, or the probe was ended early.
    Unknown,
}

impl ProbeOutcome {
    /// Returns the outcome that a state stands for.
    pub const fn of(state: State) -> Self {
        match state {
            State::Alive | State::AtRisk => Self::Alive,
            State::Dead => Self::Dead,
            State::Unobserved | State::Pending | State::Private => Self::Unknown,
        }
    }

    /// Returns the exit code. 1 and 2 are taken: the start failed, and wrong usage.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Alive => 0,
            Self::Dead => 3,
            Self::Unknown => 4,
        }
    }
}

/// Probes the target and prints the result. If `shutdown` ends it early, it prints nothing, and
/// still withdraws what it announced.
///
/// # Errors
/// If the target or the configuration is not valid, a prober cannot start, or standard output
/// cannot be written.
pub async fn probe(
    cli: &Cli,
    flags: &ProbeFlags,
    shutdown: impl Future<Output = ()>,
) -> Result<ProbeOutcome, BoxError> {
    tokio::pin!(shutdown);
    // Reading may hang, for example on a pipe without a writer.
    let (path, target) = (cli.config_file.clone(), flags.target.clone());
    let reading = tokio::task::spawn_blocking(move || target::read(&path, &target));
    let config = tokio::select! {
        read = reading => read??,
        () = &mut shutdown => return Ok(ProbeOutcome::Unknown),
    };
    let resolver = Resolver::system();
    let mut lookups = DhtLookups::start(&config, &config.torrents[0], &resolver).await?;
    let mut session = Session::new(&config);
    let (out, mut observations) = mpsc::channel(QUEUE);
    let settings = probers::settings(&config, session.identity, probers::roots()?);
    let probers = probers::start(settings, &resolver, out)?;
    let progress = Progress::new(flags.output);
    let asking = Asking {
        config: &config,
        probers: &probers,
        progress: &progress,
    };
    let is_complete = tokio::select! {
        () = asking.follow(&mut session, &mut observations, &mut lookups) => true,
        () = &mut shutdown => false,
    };
    // The probers withdraw every announce, however the probe ended.
    observations.close();
    tokio::join!(probers.drain(), lookups.stop());
    drop(progress);
    let Some(report) = session.conclude().filter(|_| is_complete) else {
        tracing::warn!("the probe was ended before all answers were in");
        return Ok(ProbeOutcome::Unknown);
    };
    match printer::print(&report, flags.output) {
        // A reader that closed the pipe, such as `head`, is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ProbeOutcome::of(report.verdict.state)),
    }
}

/// Returns what `probe` prints about a torrent of a snapshot: state, reason and numbers, with no
/// request and no colour.
pub fn describe(view: TorrentView<'_>) -> String {
    let summary = Summary::new(view, Default::default());
    ProbeReport::new(view, summary).text(Style::PLAIN)
}

/// A probe under way.
struct Asking<'a> {
    config: &'a Config,
    probers: &'a Probers,
    progress: &'a Progress,
}

impl Asking<'_> {
    /// Asks every tracker, and waits until all answers and lookups are in.
    async fn follow(
        &self,
        session: &mut Session,
        observations: &mut mpsc::Receiver<Vec<Observation>>,
        lookups: &mut DhtLookups,
    ) {
        let jobs = session.jobs(self.config);
        let (mut waiting, mut total) = (jobs.len(), jobs.len() + lookups.waiting());
        self.probers.submit(jobs);
        while waiting + lookups.waiting() > 0 {
            let missing = waiting + lookups.waiting();
            self.progress.show(total - missing, total);
            tokio::select! {
                Some(batch) = observations.recv(), if waiting > 0 => {
                    for observation in batch {
                        waiting -= 1;
                        let scrape = session.absorb(observation, self.config);
                        let more: Vec<_> = scrape.into_iter().collect();
                        total += more.len();
                        waiting += more.len();
                        self.probers.submit(more);
                    }
                }
                event = lookups.next(), if lookups.waiting() > 0 => session.absorb_lookups(event),
                else => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_an_exit_code() {
        let codes = State::ALL.map(|state| ProbeOutcome::of(state).exit_code());
        assert_eq!(codes, [3, 0, 4, 4, 0, 4]);
    }
}
