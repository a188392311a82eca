//! `seedwatch probe TARGET`: one torrent, all its trackers and the DHT, now, with a trace for people.

mod dht;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::warn;

use super::identity;
use super::probers::{Probers, QUEUE};
use super::trace::{LookedUp, Probed, Summary};
use crate::cli::{Cli, Output, ProbeFlags};
use crate::config::{AnnounceMode, Config};
use crate::geo::Geo;
use crate::observation::{
    AnnounceId, Ask, Family, Health, Job, Lookup, Manner, Observation, Report, Verdict,
};
use crate::probe::resolve::Resolver;
use crate::roster::Roster;
use crate::snapshot::{ConfigRow, Snapshot};
use crate::swarm::Swarms;
use crate::time::Clock;
use crate::torrent::{Privacy, Torrent};
use crate::window::Key;
use dht::{Event, Lookups};

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
    #[error("nobody answered")]
    NoAnswer,
}

/// What ends a probe that failed.
type Failed = Box<dyn std::error::Error>;

/// Probes the target and prints what every tracker and the DHT answer.
///
/// # Errors
/// When the target or the configuration is not valid, or nobody answers.
pub async fn probe(cli: &Cli, flags: &ProbeFlags) -> Result<(), Failed> {
    let mut config = settings(&cli.config_file)?;
    config.torrents = [find(&config, &flags.target)?].into();
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
    let jobs = round.jobs(&config);
    let (out, mut observations) = mpsc::channel(QUEUE);
    let probers = Probers::start(&config, round.identity, &resolver, out)?;
    let text = flags.output == Output::Text;
    let progress = text && io::stderr().is_terminal();
    let mut stdout = io::stdout();
    if text {
        writeln!(stdout, "{} {}", torrent.name, hashes(torrent))?;
    }
    let (mut probed, mut looked_up) = (Vec::new(), Vec::new());
    let all_lookups = lookups.waiting();
    let (mut waiting, mut total) = (jobs.len(), jobs.len());
    probers.submit(jobs);
    while waiting + lookups.waiting() > 0 {
        if progress {
            let missing = waiting + lookups.waiting();
            let all = total + all_lookups;
            eprint!("\r{} of {all} answers in ", all - missing);
        }
        let mut lines: Vec<String> = Vec::new();
        tokio::select! {
            Some(batch) = observations.recv(), if waiting > 0 => {
                for observation in batch {
                    waiting -= 1;
                    let (row, scrape) = round.take(observation, &config);
                    lines.push(row.to_string());
                    probed.push(row);
                    total += scrape.len();
                    waiting += scrape.len();
                    probers.submit(scrape);
                }
            }
            event = lookups.next(), if lookups.waiting() > 0 => {
                let rows = round.look_up(event);
                lines.extend(rows.iter().map(ToString::to_string));
                looked_up.extend(rows);
            }
            else => break,
        }
        if progress {
            eprint!("\r\x1b[K");
        }
        for line in lines.iter().filter(|_| text) {
            writeln!(stdout, "{line}")?;
        }
    }
    observations.close();
    tokio::join!(probers.drain(), lookups.stop());
    let summary = round.summary();
    match flags.output {
        Output::Text => writeln!(stdout, "{summary}")?,
        Output::Json => {
            let result = serde_json::json!({
                "torrent": torrent.name,
                "infohash": torrent.hashes.v1().map(|hash| hash.to_string()),
                "infohash_v2": torrent.hashes.v2().map(|hash| hash.to_string()),
                "probes": probed,
                "lookups": looked_up,
                "summary": summary,
            });
            writeln!(stdout, "{result:#}")?;
        }
    }
    if summary.trackers_online == 0 && summary.dht.is_none() {
        Err(ProbeError::NoAnswer.into())
    } else {
        Ok(())
    }
}

/// The settings to probe with: those of the configuration, or the defaults where there is none.
fn settings(path: &Path) -> Result<Config, Failed> {
    if path.exists() {
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

fn find(config: &Config, target: &str) -> Result<Torrent, Failed> {
    if let Some(torrent) = config
        .torrents
        .iter()
        .find(|torrent| *torrent.name == *target)
    {
        return Ok(torrent.clone());
    }
    let (torrent, warnings) = Config::target(target)?;
    for warning in warnings {
        warn!("{warning}");
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
    identity: crate::observation::Identity,
    roster: Roster,
    swarms: Swarms,
}

impl Round {
    fn new(config: &Config) -> Self {
        let clock = Clock::start();
        let identity = identity::fresh(&config.tracker.peer_id_prefix);
        let mut roster = Roster::default();
        let terms = super::core::terms(config);
        // Nothing is kept: there is nothing to keep a secret of.
        let mut swarms = Swarms::new(terms.clone(), identity.port, Key::new([0; 16]));
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
                stands: true,
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
