//! Files → [`Config`].

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::catalogue::Catalogue;
use super::entry::{self, ListFile, read_list};
use super::units::{Written, write_rate};
use super::{Config, Dht, MAX_INCLUDES, files, geoip, raw, settings};
use seedwatch_input::yaml;
use seedwatch_input::yaml::{ConfigError, Report, Source};
use seedwatch_input::yaml::{ShapeError, repair};
use seedwatch_torrent::{Privacy, Torrent};

impl Config {
    /// Reads a configuration and all files it names.
    ///
    /// # Errors
    /// Everything that is wrong in any of the files, up to [`ConfigError::MAX_FAULTS`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let source = Source::new(path);
        let text = yaml::read(&source, path)?;
        let mut report = Report::default();
        let check = |text: &str| yaml::parse_shape::<raw::Root<'_>>(&source, text).map(drop);
        let blanked;
        let root = match yaml::parse_shape::<raw::Root<'_>>(&source, &text) {
            Ok(root) => root,
            Err(first) => {
                blanked = without_errors(&text, first, check, &mut report);
                let Some(text) = &blanked else {
                    return Err(report.into_error());
                };
                yaml::parse(&source, text)?
            }
        };
        if root.torrents.is_none() && root.include.is_none() {
            report.fault(source.fault(1, "torrents", "the key is missing"));
        }
        let probe = settings::probe(root.probe.unwrap_or_default(), &source, &mut report);
        let tracker = settings::tracker(root.tracker.unwrap_or_default(), &source, &mut report);
        let dht = settings::dht(root.dht.unwrap_or_default(), &source, &mut report);
        let accept = settings::accept(root.addresses.unwrap_or_default(), &source, &mut report);
        let mut catalogue = Catalogue::new(accept);
        let network = settings::network(root.network.unwrap_or_default(), &source, &mut report);
        let base = path.parent().unwrap_or(Path::new(""));
        let geo = geoip::load(root.geoip.unwrap_or_default(), base, &source, &mut report)?;
        let state = root.state.unwrap_or_default();
        let state = settings::state(state, base, &source, &mut report);
        let metrics = settings::metrics(&root.metrics.unwrap_or_default());
        let everywhere = entry::urls(
            &source,
            &root.trackers.unwrap_or_default(),
            |n| format!("trackers[{n}]"),
            &mut catalogue,
            &mut report,
        );
        let file = ListFile {
            source: &source,
            number: catalogue.add_source(&source),
            base,
        };
        let entries = root.torrents.unwrap_or_default();
        read_list(&file, entries, &mut catalogue, &mut report);
        let includes = root.include.unwrap_or_default();
        read_includes(path, &file, &includes, &mut catalogue, &mut report);
        // Half of the memory at the peak: let it go before the rest is built.
        drop(includes);
        drop(text);
        let torrents = catalogue.finish(&everywhere, dht.enabled, &mut report);
        if torrents.is_empty() {
            report.warn(source.fault(1, "torrents", "there is no torrent to watch"));
        }
        if let Some(message) = too_slow(&dht, &torrents) {
            report.warn(source.fault(0, "dht.max_rate", message));
        }
        Ok(Self {
            torrents,
            probe,
            tracker,
            dht,
            accept,
            geo,
            network,
            state,
            metrics,
            warnings: report.finish()?,
        })
    }
}

/// Notes the errors of a file, and returns what can be read without them.
fn without_errors(
    text: &str,
    first: ShapeError,
    check: impl Fn(&str) -> Result<(), ShapeError>,
    report: &mut Report,
) -> Option<String> {
    let repaired = repair(text, first, check);
    report.blanked(repaired.faults);
    repaired.text
}

/// Why the DHT cannot be asked about all torrents within the interval, if so.
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
            Written(dht.interval),
            write_rate(needed.ceil())
        )
    })
}

/// Reads the files that `include:` names, each once.
fn read_includes(
    main: &Path,
    from: &ListFile<'_>,
    includes: &[seedwatch_input::yaml::Text<'_>],
    catalogue: &mut Catalogue,
    report: &mut Report,
) {
    let mut seen: HashSet<PathBuf> = main.canonicalize().into_iter().collect();
    let mut count = 0;
    for (n, text) in includes.iter().enumerate() {
        let fault = |message: String| {
            let key = format!("include[{n}]");
            from.source.fault(text.line, key, message)
        };
        let paths = match files::resolve(from.base, text.as_str()) {
            Ok(paths) => paths,
            Err(error) => {
                // The directory of lists may be empty today.
                if matches!(error, files::GlobError::Nothing(_)) {
                    report.warn(fault(error.to_string()));
                } else {
                    report.fault(fault(error.to_string()));
                }
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
            count += 1;
            if count > MAX_INCLUDES {
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
            let check = |text: &str| yaml::parse_shape::<raw::List<'_>>(&source, text).map(drop);
            let blanked;
            let list = match yaml::parse_shape::<raw::List<'_>>(&source, &text) {
                Ok(list) => Some(list),
                Err(first) => {
                    blanked = without_errors(&text, first, check, report);
                    blanked
                        .as_ref()
                        .and_then(|text| report.take(yaml::parse(&source, text)))
                }
            };
            let Some(list) = list else { continue };
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
