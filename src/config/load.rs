//! The configuration file and the files that it includes → [`Config`].

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::entry::{self, ListFile, read_list};
use super::section::ConfigFile;
use super::sections::Addresses;
use super::units::{DurationText, write_rate};
use super::{Accept, Config, Dht, Lists, MAX_INCLUDES, Probe, files, geoip, lists, raw};
use seedwatch_input::yaml;
use seedwatch_input::yaml::{ConfigError, Fault, Report, SourceFile, Text};
use seedwatch_torrent::{Privacy, Torrent, TrackerUrl};

impl Config {
    /// Reads a configuration and all files that it names.
    ///
    /// # Errors
    /// Everything that is wrong in any of the files, up to [`ConfigError::MAX_FAULTS`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let source = SourceFile::new(path);
        let text = yaml::read(&source, path)?;
        let mut report = Report::default();
        let mut repaired = None;
        let check = |text: &str| yaml::parse_shape::<raw::Root<'_>>(&source, text).map(drop);
        let root = yaml::read_borrowed(&source, &text, &mut repaired, check, &mut report);
        let Some(mut root): Option<raw::Root<'_>> = root else {
            return Err(report.into_error());
        };
        let is_empty = root.torrents.is_none() && root.include.is_none() && root.lists.is_none();
        if is_empty && !report.lacks("include") && !report.lacks("lists") {
            let message = "the key is missing; include or lists would do, too";
            report.fault(source.fault(1, "torrents", message));
        }
        let file = ConfigFile {
            source: &source,
            base: path.parent().unwrap_or(Path::new("")),
        };
        let mut config = read_sections(&mut root, &file, &mut report)?;
        let mut catalogue = Catalogue::new(config.accept);
        let lists = root.lists.take().unwrap_or_default();
        let lists = lists::read(lists, &file, config.accept, &mut catalogue, &mut report);
        let everywhere = read_torrents(path, root, &file, &mut catalogue, &mut report);
        // Half of the memory at the peak: it is freed before the torrents are built.
        drop((text, repaired));
        config.torrents = catalogue.finish(&everywhere, config.dht.enabled, &mut report);
        config.lists = Lists {
            all: lists,
            configured: Arc::clone(&config.torrents),
            everywhere,
        };
        if config.torrents.is_empty() && config.lists.all.is_empty() {
            report.warn(source.fault(1, "torrents", "there is no torrent to watch"));
        }
        if let Some(message) = too_slow(&config.dht, &config.torrents) {
            report.warn(source.fault(0, "dht.max_rate", message));
        }
        config.warnings = report.finish()?;
        Ok(config)
    }
}

/// Reads all sections of settings into a configuration without torrents.
fn read_sections(
    root: &mut raw::Root<'_>,
    file: &ConfigFile<'_>,
    report: &mut Report,
) -> Result<Config, Fault> {
    let addresses: Addresses = file.section(root.addresses.take(), report);
    let line = root
        .probe
        .as_ref()
        .map_or(0, |probe| probe.dead_after_line());
    let probe: Probe = file.section(root.probe.take(), report);
    if probe.dead_after < Probe::default().dead_after && addresses.accept == Accept::Global {
        // Trackers keep a departed peer for up to an hour, and a restarted one knows no peer.
        let message = "less than 1h30m needs addresses.accept: any";
        report.fault(file.source.fault(line, "probe.dead_after", message));
    }
    Ok(Config {
        torrents: Arc::new([]),
        lists: Lists::default(),
        probe,
        tracker: file.section(root.tracker.take(), report),
        dht: file.section(root.dht.take(), report),
        accept: addresses.accept,
        network: file.section(root.network.take(), report),
        geo: geoip::load(root.geoip.take(), file, report)?,
        state: file.section(root.state.take(), report),
        metrics: file.section(root.metrics.take(), report),
        warnings: Vec::new(),
    })
}

/// Reads the torrents of the main file and of the files that it includes. Returns the trackers that
/// every public torrent gets.
fn read_torrents(
    path: &Path,
    root: raw::Root<'_>,
    file: &ConfigFile<'_>,
    catalogue: &mut Catalogue,
    report: &mut Report,
) -> Vec<Arc<TrackerUrl>> {
    let everywhere = entry::urls(
        file.source,
        &root.trackers.unwrap_or_default(),
        |n| format!("trackers[{n}]"),
        catalogue,
        report,
    );
    let list = ListFile {
        source: file.source,
        number: catalogue.add_source(file.source),
        base: file.base,
    };
    read_list(&list, root.torrents.unwrap_or_default(), catalogue, report);
    let mut includes = Includes {
        file,
        seen: path.canonicalize().into_iter().collect(),
        count: 0,
        catalogue,
        report,
    };
    for (n, pattern) in root.include.unwrap_or_default().iter().enumerate() {
        includes.read_matches(n, pattern);
    }
    everywhere
}

/// Says why the DHT cannot be asked about all torrents within the interval, if it cannot.
fn too_slow(dht: &Dht, torrents: &[Torrent]) -> Option<String> {
    if !dht.enabled {
        return None;
    }
    let public = torrents.iter().filter(|t| t.privacy == Privacy::Public);
    let hashes: usize = public.map(|torrent| torrent.hashes.wire().count()).sum();
    let needed = dht.needed_rate(hashes);
    (needed > dht.max_rate).then(|| {
        format!(
            "{} is too slow to look up {hashes} info-hashes within {}: about {} would do",
            write_rate(dht.max_rate),
            DurationText(dht.interval),
            write_rate(needed.ceil())
        )
    })
}

/// The files of `include:` while they are read, each once.
struct Includes<'a> {
    /// The file that has `include:`.
    file: &'a ConfigFile<'a>,
    /// Canonical paths of the files read.
    seen: HashSet<PathBuf>,
    /// How many files were included.
    count: usize,
    catalogue: &'a mut Catalogue,
    report: &'a mut Report,
}

impl Includes<'_> {
    /// Reads the files that item `n` of `include:` names.
    fn read_matches(&mut self, n: usize, pattern: &Text<'_>) {
        let source = self.file.source;
        let fault = |message: String| source.fault(pattern.line, format!("include[{n}]"), message);
        let paths = match files::matching(self.file.base, pattern.as_str()) {
            Ok(paths) => paths,
            // The directory of lists may be empty for now.
            Err(error @ files::GlobError::NoMatch(_)) => {
                return self.report.warn(fault(error.to_string()));
            }
            Err(error) => return self.report.fault(fault(error.to_string())),
        };
        for path in paths {
            if self.report.is_full() || self.count > MAX_INCLUDES {
                return;
            }
            // A path without a canonical form is not readable: reading it reports the fault.
            let canonical = path.canonicalize().ok();
            if canonical.is_some_and(|canonical| !self.seen.insert(canonical)) {
                let message = format!("{}: already read, left out", path.display());
                self.report.warn(fault(message));
                continue;
            }
            self.count += 1;
            if self.count > MAX_INCLUDES {
                let message = format!("more than {MAX_INCLUDES} files");
                return self.report.fault(fault(message));
            }
            if let Err(unreadable) = self.read_file(&path) {
                let message = format!("{}: {}", path.display(), unreadable.message);
                self.report.fault(fault(message));
            }
        }
    }

    /// Reads one included file. Reports what is wrong in it.
    ///
    /// # Errors
    /// The file cannot be read at all: the fault belongs to `include:`.
    fn read_file(&mut self, path: &Path) -> Result<(), Fault> {
        let source = SourceFile::new(path);
        let text = yaml::read(&source, path)?;
        let mut repaired = None;
        let check = |text: &str| yaml::parse_shape::<raw::List<'_>>(&source, text).map(drop);
        let list = yaml::read_borrowed(&source, &text, &mut repaired, check, self.report);
        let Some(list): Option<raw::List<'_>> = list else {
            return Ok(());
        };
        let Some(entries) = list.torrents else {
            let missing = source.fault(1, "torrents", "the key is missing");
            self.report.fault(missing);
            return Ok(());
        };
        let file = ListFile {
            source: &source,
            number: self.catalogue.add_source(&source),
            base: path.parent().unwrap_or(Path::new("")),
        };
        read_list(&file, entries, self.catalogue, self.report);
        Ok(())
    }
}
