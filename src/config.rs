//! The configuration: raw YAML shape → [`Config`] of valid states only.
//!
//! Everything is checked before anything is used, and without the network: [`Config::load`] gives
//! a configuration in which every torrent can be probed as it stands, or every fault with file,
//! line and key. `CONFIGURATION.md` documents the keys.

mod catalogue;
mod effective;
mod entry;
mod files;
mod locate;
mod names;
mod raw;
mod report;
mod settings;
mod trackers;
mod units;
mod yaml;

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use crate::address::Accept;
pub(crate) use raw::At;
pub(crate) use report::Source;
pub use report::{ConfigError, Fault};
pub(crate) use yaml::{parse as parse_yaml, read as read_yaml};

use crate::torrent::{Host, Torrent};
use catalogue::Catalogue;
use entry::{ListFile, read_list};
use report::Report;

/// Most entries in all lists together.
pub const MAX_TORRENTS: usize = 1_000_000;

/// Most trackers of one torrent, and of the list for all.
pub const MAX_TRACKERS: usize = 64;

/// Most user labels of one torrent.
pub const MAX_LABELS: usize = 32;

/// Longest name and longest value of a user label, in bytes.
pub const MAX_LABEL_VALUE: usize = 255;

/// Most included files.
pub const MAX_INCLUDES: usize = 10_000;

/// A configuration in which everything is valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Watched torrents, sorted by name; names and hashes are unique. Shared with the state and
    /// every snapshot.
    pub torrents: Arc<[Torrent]>,
    /// How often and how long.
    pub probe: Probe,
    /// How trackers are asked.
    pub tracker: Tracker,
    /// Which peer addresses count.
    pub accept: Accept,
    /// How our own network is judged.
    pub network: Network,
    /// Which of the big metric families are exposed.
    pub metrics: Metrics,
    /// What is not wrong but worth a log line: merged duplicates, trackers dropped.
    pub warnings: Vec<String>,
}

/// `probe:`, how often and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Time between two probes of a torrent at a tracker, if the tracker does not ask for more.
    pub interval: Duration,
    /// Deadline of one probe, name resolution and retransmissions included.
    pub timeout: Duration,
    /// Age at which a value is no longer shown.
    pub stale_after: Duration,
}

impl Probe {
    /// Bounds of `interval`.
    pub const INTERVAL: RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    /// Bounds of `timeout`, which is not longer than `interval` either.
    pub const TIMEOUT: RangeInclusive<Duration> =
        Duration::from_millis(100)..=Duration::from_secs(60);
    /// Bounds of `stale_after`, which is longer than `interval` too.
    pub const STALE_AFTER: RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3600);
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30 * 60),
            timeout: Duration::from_secs(15),
            stale_after: Duration::from_secs(75 * 60),
        }
    }
}

/// `tracker:`, how trackers are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracker {
    /// `ghost`, `brief` or `scrape`.
    pub announce: AnnounceMode,
    /// Most requests a second to one tracker host.
    pub max_rate: f64,
    /// Peers asked for.
    pub numwant: u16,
    /// `User-Agent` of HTTP announces.
    pub user_agent: Box<str>,
    /// First bytes of our peer id, at most 12.
    pub peer_id_prefix: Box<str>,
}

impl Tracker {
    /// Bounds of `max_rate`, in requests a second: one an hour to a million a second.
    pub const MAX_RATE: RangeInclusive<f64> = (1.0 / 3600.0)..=1e6;
    /// Bounds of `numwant`.
    pub const NUMWANT: RangeInclusive<u16> = 1..=10_000;
    /// Lengths of `user_agent`.
    pub const USER_AGENT: RangeInclusive<usize> = 1..=200;
    /// Lengths of `peer_id_prefix`: eight of the twenty bytes are always random.
    pub const PEER_ID_PREFIX: RangeInclusive<usize> = 0..=12;
}

impl Default for Tracker {
    fn default() -> Self {
        Self {
            announce: AnnounceMode::Ghost,
            max_rate: 20.0,
            numwant: 200,
            user_agent: concat!("seedwatch/", env!("CARGO_PKG_VERSION")).into(),
            peer_id_prefix: concat!(
                "-SW",
                env!("CARGO_PKG_VERSION_MAJOR"),
                env!("CARGO_PKG_VERSION_MINOR"),
                env!("CARGO_PKG_VERSION_PATCH"),
                "0-"
            )
            .into(),
        }
    }
}

/// How a swarm is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnnounceMode {
    /// `stopped` first; `started` and `stopped` where a tracker gives no list otherwise.
    #[default]
    Ghost,
    /// Always `started`, then `stopped`.
    Brief,
    /// Never announce: counts only.
    Scrape,
}

/// `network:`, how our own network is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Hosts that are asked for a sign of life when no tracker gives one.
    pub canaries: Vec<(Host, u16)>,
}

impl Network {
    /// Most canaries.
    pub const MAX_CANARIES: usize = 16;
}

/// The DHT bootstrap nodes that were known to answer in May 2026.
impl Default for Network {
    fn default() -> Self {
        let host = |name: &str, port| (Host::Name(name.into()), port);
        Self {
            canaries: vec![
                host("dht.libtorrent.org", 25401),
                host("dht.transmissionbt.com", 6881),
                host("router.bt.ouinet.work", 6881),
            ],
        }
    }
}

/// `metrics:`, the switches of the big families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metrics {
    /// `seedwatch_announce_*`, one series a torrent and tracker.
    pub per_tracker: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { per_tracker: true }
    }
}

impl Config {
    /// Reads a configuration and all files it names.
    ///
    /// # Errors
    /// Everything that is wrong in any of the files, up to [`ConfigError::MAX_FAULTS`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let source = Source::new(path);
        let text = yaml::read(&source, path)?;
        let root: raw::Root<'_> = yaml::parse(&source, &text)?;
        let mut report = Report::default();
        let mut catalogue = Catalogue::default();
        if root.torrents.is_none() && root.include.is_none() {
            report.fault(source.fault(1, "torrents", "the key is missing"));
        }
        let settings = |report: &mut Report| {
            (
                settings::probe(root.probe.unwrap_or_default(), &source, report),
                settings::tracker(root.tracker.unwrap_or_default(), &source, report),
                settings::accept(root.addresses.unwrap_or_default(), &source, report),
                settings::network(root.network.unwrap_or_default(), &source, report),
                settings::metrics(&root.metrics.unwrap_or_default()),
            )
        };
        let (probe, tracker, accept, network, metrics) = settings(&mut report);
        let everywhere = entry::urls(
            &source,
            &root.trackers.unwrap_or_default(),
            |n| format!("trackers[{n}]"),
            &mut catalogue,
            &mut report,
        );
        let everywhere = report.take(everywhere).unwrap_or_default();
        let file = ListFile {
            source: &source,
            number: catalogue.add_source(&source),
            base: path.parent().unwrap_or(Path::new("")),
        };
        read_list(
            &file,
            root.torrents.unwrap_or_default(),
            &mut catalogue,
            &mut report,
        );
        let includes = root.include.unwrap_or_default();
        read_includes(path, &file, &includes, &mut catalogue, &mut report);
        drop(includes);
        drop(text);
        let torrents = catalogue.finish(&everywhere, &mut report);
        if torrents.is_empty() {
            report.warn(source.fault(1, "torrents", "there is no torrent to watch"));
        }
        Ok(Self {
            torrents,
            probe,
            tracker,
            accept,
            network,
            metrics,
            warnings: report.finish()?,
        })
    }

    /// The configuration as it is in effect, as YAML: defaults filled in, files and links
    /// resolved, duplicates merged. What could be a passkey is shown as `<secret>`.
    pub fn effective_yaml(&self) -> String {
        effective::write(self)
    }
}

/// Reads the files that `include:` names, each once.
fn read_includes(
    main: &Path,
    from: &ListFile<'_>,
    includes: &[raw::Text<'_>],
    catalogue: &mut Catalogue,
    report: &mut Report,
) {
    let mut seen: HashSet<PathBuf> = main.canonicalize().into_iter().collect();
    for (n, text) in includes.iter().enumerate() {
        let name = text.as_str();
        let fault = |message: String| {
            let key = format!("include[{n}]");
            from.source.fault(text.line, key, message)
        };
        let paths = match files::resolve(from.base, name) {
            Ok(paths) => paths,
            // The directory of lists may be empty today.
            Err(files::GlobError::Nothing) => {
                report.warn(fault(format!("{name}: matches no file")));
                continue;
            }
            Err(error) => {
                report.fault(fault(format!("{name}: {error}")));
                continue;
            }
        };
        for path in paths {
            if report.is_full() {
                return;
            }
            // A path that has no canonical form is not readable: the fault comes with reading.
            if path
                .canonicalize()
                .is_ok_and(|canonical| !seen.insert(canonical))
            {
                let message = format!("{}: already read, left out", path.display());
                report.warn(fault(message));
                continue;
            }
            if seen.len() > MAX_INCLUDES {
                report.fault(fault(format!("more than {MAX_INCLUDES} files")));
                return;
            }
            let source = Source::new(&path);
            let text = match yaml::read(&source, &path) {
                Ok(text) => text,
                Err(error) => {
                    report.fault(fault(format!("{}: {}", path.display(), error.message)));
                    continue;
                }
            };
            let Some(list) = report.take(yaml::parse::<raw::List<'_>>(&source, &text)) else {
                continue;
            };
            let Some(entries) = list.torrents else {
                report.fault(source.fault(1, "torrents", "the key is missing"));
                continue;
            };
            let file = ListFile {
                source: &source,
                number: catalogue.add_source(&source),
                base: path.parent().unwrap_or(Path::new("")),
            };
            read_list(&file, entries, catalogue, report);
        }
    }
}
