//! `seedwatch probe TARGET`: one torrent, all its trackers and the DHT, now, with a trace for people.

mod dht;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::warn;

use super::identity;
use super::probers::{self, QUEUE};
use super::trace::{LookedUp, Probed, Summary};
use crate::cli::{Cli, Output, ProbeFlags};
use crate::config::{AnnounceMode, Config};
use dht::{Event, Lookups};
use seedwatch_clock::Clock;
use seedwatch_core::roster::Roster;
use seedwatch_core::snapshot::{ConfigRow, Snapshot};
use seedwatch_core::swarm::Swarms;
use seedwatch_core::{Health, Verdict};
use seedwatch_dht::Lookup;
use seedwatch_distinct::Key;
use seedwatch_geo::Geo;
use seedwatch_probers::Probers;
use seedwatch_probers::resolve::Resolver;
use seedwatch_torrent::Family;
use seedwatch_torrent::{Hashes, Privacy, Torrent};
use seedwatch_tracker::{AnnounceId, Ask, Job, Manner, Observation, Report};

/// Why a probe could not be made, or had nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The torrent is private and nobody consented.
    #[error("the torrent is private: write `private: true` on its entry in the configuration")]
    Private,
    /// Nobody to ask.
    #[error("the torrent has no tracker, and the DHT is not to be asked about it")]
    Nobody,
    /// Everything was tried.
    #[error("no tracker and no DHT lookup gave a valid answer")]
    NoAnswer,
    /// Trackers answered, but not with this torrent.
    #[error("a tracker answered, but no source has peers or counts of this torrent")]
    Refused,
}

/// What ends a probe that failed.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Probes the target and prints what every tracker and the DHT answer. Cut short by `told_to_end`, or
/// with nobody left to read, it still takes back what is announced.
///
/// # Errors
/// When the target or the configuration is not valid, or nobody answers.
pub async fn probe(
    cli: &Cli,
    flags: &ProbeFlags,
    told_to_end: impl Future<Output = ()>,
) -> Result<(), Failed> {
    tokio::pin!(told_to_end);
    // Files may hang.
    let (path, target) = (cli.config_file.clone(), flags.target.clone());
    let reading = tokio::task::spawn_blocking(move || read(&path, &target));
    let config = tokio::select! {
        read = reading => read??,
        () = &mut told_to_end => return Ok(()),
    };
    let torrent = &config.torrents[0];
    if torrent.privacy == Privacy::LeftAlone {
        return Err(ProbeError::Private.into());
    }
    let resolver = Resolver::system();
    let mut lookups = Lookups::start(&config, torrent, &resolver).await?;
    if torrent.trackers.is_empty() && lookups.waiting() == 0 {
        return Err(ProbeError::Nobody.into());
    }
    let mut round = Round::new(&config);
    let (out, mut observations) = mpsc::channel(QUEUE);
    let settings = probers::settings(&config, round.identity, probers::roots()?);
    let probers = probers::start(settings, &resolver, out)?;
    let mut trace = Trace::new(flags.output);
    let asking = async {
        trace.say(&format!("{} {}", torrent.name, hashes(torrent)))?;
        let asked = (&config, &probers);
        trace
            .follow(&mut round, asked, &mut observations, &mut lookups)
            .await
    };
    let whole = tokio::select! {
        followed = asking => followed.map(|()| true),
        () = &mut told_to_end => Ok(false),
    };
    // However it ended, nothing of ours stays at a tracker.
    observations.close();
    tokio::join!(probers.drain(), lookups.stop());
    let summary = round.summary();
    let shown = whole.and_then(|whole| match whole {
        true => trace.conclude(torrent, &summary).map(|()| true),
        false => Ok(false),
    });
    match shown {
        Ok(true) if summary.trackers_online == 0 && summary.dht.is_none() => {
            Err(match round.is_answered {
                true => ProbeError::Refused.into(),
                false => ProbeError::NoAnswer.into(),
            })
        }
        // Whoever reads no further has seen enough.
        Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => Err(failed.into()),
        _ => Ok(()),
    }
}

/// What is printed, and when.
struct Trace {
    text: bool,
    stdout: io::Stdout,
    /// For whoever watches: how many answers are in.
    progress: bool,
    probed: Vec<Probed>,
    looked_up: Vec<LookedUp>,
}

impl Trace {
    fn new(output: Output) -> Self {
        let text = output == Output::Text;
        Self {
            text,
            stdout: io::stdout(),
            progress: text && io::stderr().is_terminal(),
            probed: Vec::new(),
            looked_up: Vec::new(),
        }
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        if self.text {
            writeln!(self.stdout, "{line}")?;
        }
        Ok(())
    }

    /// Asks every tracker, and prints what comes until all is in.
    async fn follow(
        &mut self,
        round: &mut Round,
        (config, probers): (&Config, &Probers),
        observations: &mut mpsc::Receiver<Vec<Observation>>,
        lookups: &mut Lookups,
    ) -> io::Result<()> {
        let jobs = round.jobs(config);
        let (mut waiting, mut total) = (jobs.len(), jobs.len() + lookups.waiting());
        probers.submit(jobs);
        while waiting + lookups.waiting() > 0 {
            if self.progress {
                let missing = waiting + lookups.waiting();
                eprint!("\r{} of {total} answers in ", total - missing);
            }
            let mut lines: Vec<String> = Vec::new();
            tokio::select! {
                Some(batch) = observations.recv(), if waiting > 0 => {
                    for observation in batch {
                        waiting -= 1;
                        let (row, scrape) = round.take(observation, config);
                        lines.push(row.to_string());
                        self.probed.push(row);
                        total += scrape.len();
                        waiting += scrape.len();
                        probers.submit(scrape);
                    }
                }
                event = lookups.next(), if lookups.waiting() > 0 => {
                    let rows = round.look_up(event);
                    lines.extend(rows.iter().map(ToString::to_string));
                    self.looked_up.extend(rows);
                }
                else => break,
            }
            if self.progress {
                eprint!("\r\x1b[K");
            }
            for line in lines {
                self.say(&line)?;
            }
        }
        Ok(())
    }

    /// Prints what comes of it all.
    fn conclude(&mut self, torrent: &Torrent, summary: &Summary) -> io::Result<()> {
        if self.text {
            return writeln!(self.stdout, "{summary}");
        }
        let result = serde_json::json!({
            "torrent": torrent.name,
            "infohash": torrent.hashes.v1().map(|hash| hash.to_string()),
            "infohash_v2": torrent.hashes.v2().map(|hash| hash.to_string()),
            "probes": self.probed,
            "lookups": self.looked_up,
            "summary": summary,
        });
        writeln!(self.stdout, "{result:#}")
    }
}

/// The settings to probe with: those of the configuration, or the defaults where none was named and
/// there is none.
fn settings(path: &Path) -> Result<Config, Failed> {
    let none = path == Path::new(Cli::CONFIG_FILE) && matches!(path.try_exists(), Ok(false));
    if !none {
        return Ok(Config::load(path)?);
    }
    Ok(Config {
        torrents: Arc::from([]),
        probe: Default::default(),
        tracker: Default::default(),
        dht: Default::default(),
        accept: Default::default(),
        geo: Arc::new(Geo::load(&Default::default())?),
        network: Default::default(),
        state: Default::default(),
        metrics: Default::default(),
        warnings: Vec::new(),
    })
}

/// The configuration with the target as its only torrent.
fn read(path: &Path, target: &str) -> Result<Config, Failed> {
    let mut config = settings(path)?;
    config.torrents = [find(&config, target)?].into();
    Ok(config)
}

fn find(config: &Config, target: &str) -> Result<Torrent, Failed> {
    let by_name = |torrent: &&Torrent| *torrent.name == *target;
    let by_hash = |torrent: &&Torrent| {
        let wanted = Hashes::parse(target).ok();
        let mut wanted = wanted.iter().flat_map(Hashes::wire);
        wanted.any(|hash| torrent.hashes.wire().any(|other| other == hash))
    };
    let torrents = &config.torrents;
    let listed = torrents.iter().find(by_name);
    if let Some(torrent) = listed.or_else(|| torrents.iter().find(by_hash)) {
        return Ok(torrent.clone());
    }
    let (mut torrent, warnings) = config.target(target)?;
    for warning in warnings {
        warn!("{warning}");
    }
    // A magnet link cannot say that its torrent is private, but the configuration may.
    let same = |listed: &&Torrent| {
        let mut hashes = listed.hashes.wire();
        hashes.any(|hash| torrent.hashes.wire().any(|other| other == hash))
    };
    if torrent.privacy == Privacy::Public
        && let Some(listed) = config.torrents.iter().find(same)
    {
        torrent.privacy = listed.privacy;
    }
    Ok(torrent)
}

fn hashes(torrent: &Torrent) -> String {
    let v1 = torrent.hashes.v1().map(|hash| hash.to_string());
    let v2 = torrent.hashes.v2().map(|hash| hash.to_string());
    v1.into_iter().chain(v2).collect::<Vec<_>>().join(" ")
}

/// One torrent at all its trackers over both families.
struct Round {
    clock: Clock,
    identity: seedwatch_tracker::Identity,
    roster: Roster,
    swarms: Swarms,
    /// A tracker is up, whatever it says.
    is_answered: bool,
}

impl Round {
    fn new(config: &Config) -> Self {
        let clock = Clock::start();
        let identity = identity::fresh(&config.tracker.peer_id_prefix);
        let mut roster = Roster::default();
        let terms = super::core::terms(config);
        // Nothing is kept: there is nothing to keep a secret of.
        let mut swarms = Swarms::new(terms.clone(), identity.ports, Key::new([0; 16]));
        let changes = roster.update(&config.torrents, |_| false);
        swarms.update(terms, &roster, &changes, clock.now());
        roster.plan_sweep(config.dht.enabled);
        swarms.update_lookups(config.probe.stale_after, &roster);
        swarms.set_local_addresses(&super::own_addresses().unwrap_or_default());
        Self {
            clock,
            identity,
            roster,
            swarms,
            is_answered: false,
        }
    }

    /// An announce for each hash, per tracker and family.
    fn jobs(&self, config: &Config) -> Vec<Job> {
        let announces = self.roster.announces_of(0);
        let families = Family::ALL.into_iter();
        families
            .flat_map(|f| {
                announces
                    .iter()
                    .filter_map(move |id| self.job(*id, f, config))
            })
            .collect()
    }

    fn job(&self, id: AnnounceId, family: Family, config: &Config) -> Option<Job> {
        let announce = self.roster.announce(id)?;
        let info_hash = self.roster.info_hash(announce)?;
        let ask = match config.tracker.announce {
            AnnounceMode::Ghost => Ask::Announce {
                id,
                info_hash,
                manner: Manner::Ghost,
            },
            AnnounceMode::Brief => Ask::Announce {
                id,
                info_hash,
                manner: Manner::Brief,
            },
            AnnounceMode::Scrape => Ask::Scrape {
                targets: vec![(id, info_hash)],
            },
        };
        Some(Job {
            tracker: announce.tracker,
            family,
            url: Arc::clone(self.roster.url(announce)?),
            timeout: config.probe.timeout,
            ask,
        })
    }

    /// Folds an observation and makes a line of it. After an announce that was answered, when no
    /// entry of ours is left to be counted, a scrape tells how often the torrent was completed.
    fn take(&mut self, observation: Observation, config: &Config) -> (Probed, Vec<Job>) {
        let tracker = self.roster.trackers()[observation.tracker.0 as usize].as_ref();
        let label = tracker.map(|url| url.label()).unwrap_or_default();
        let row = Probed::new(label, &observation);
        let scrape = self.scrape_after(&observation, config);
        let answered = observation.report.failed().is_none()
            && !matches!(observation.report, Report::NoAddress { .. });
        let failed = observation.report.failed();
        self.is_answered |= answered || failed.is_some_and(|it| it.reason.is_refusal());
        let is_probe =
            !observation.report.is_scrape() || config.tracker.announce == AnnounceMode::Scrape;
        // A scrape that fails says nothing of an announce that did not.
        if answered || !observation.report.is_scrape() {
            let health = if answered {
                Health::Up
            } else {
                Health::Unknown
            };
            let verdict = Verdict {
                health,
                changed: true,
                stands: is_probe,
            };
            self.swarms
                .fold(&self.roster, observation, verdict, self.clock.now());
        }
        (row, scrape.into_iter().collect())
    }

    /// Takes in what happened to lookups and makes lines of it.
    fn look_up(&mut self, event: Event) -> Vec<LookedUp> {
        match event {
            Event::Ended(lookups) => {
                let row = |lookup: &Lookup| {
                    let now = self.clock.now();
                    self.swarms.fold_lookup(&self.roster, lookup, now);
                    LookedUp::new(lookup)
                };
                lookups.iter().map(row).collect()
            }
            Event::Late(late) => {
                let row = |(hash, family)| LookedUp::unfinished(hash, family);
                late.into_iter().map(row).collect()
            }
            Event::Status(status) => {
                let known = status.iter().flatten();
                let external = known.filter_map(|status| status.external_ip);
                self.swarms.set_external_addresses(external);
                Vec::new()
            }
        }
    }

    fn scrape_after(&self, observation: &Observation, config: &Config) -> Option<Job> {
        let Report::Announce { id, result: Ok(_) } = &observation.report else {
            return None;
        };
        let mut job = self.job(*id, observation.family, config)?;
        let info_hash = self.roster.info_hash(self.roster.announce(*id)?)?;
        job.ask = Ask::Scrape {
            targets: vec![(*id, info_hash)],
        };
        Some(job)
    }

    fn summary(&mut self) -> Summary {
        let now = self.clock.now();
        let picture = Snapshot {
            torrents: Arc::clone(self.roster.torrents()),
            blocks: self.swarms.blocks(&self.roster, now),
            config: ConfigRow::default(),
            ..Snapshot::default()
        };
        Summary::new(&picture, self.swarms.rejected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_torrent_that_the_configuration_calls_private_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let entry = format!("torrents: [{{name: it, infohash: {hash}, private: true}}]");
        std::fs::write(&file, entry).unwrap();
        let config = Config::load(&file).unwrap();
        let magnet = format!("magnet:?xt=urn:btih:{hash}&tr=udp://t.example:1");
        for (target, privacy) in [
            ("it", Privacy::Consented),
            (&magnet, Privacy::Consented),
            (&magnet.replace("0123", "3210"), Privacy::Public),
        ] {
            assert_eq!(find(&config, target).unwrap().privacy, privacy, "{target}");
        }
    }
}
