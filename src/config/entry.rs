//! One entry of a `torrents:` list → the torrents it stands for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::catalogue::{Catalogue, Draft, Name, Place};
use super::files;
use super::locate::printable;
use super::raw::{At, Entry, Str, Text};
use super::report::{Fault, Report, Source};
use super::trackers::{Added, add};
use super::{MAX_LABEL_VALUE, MAX_LABELS, MAX_TORRENTS, MAX_TRACKERS};
use crate::torrent::{Hashes, Magnet, Metainfo, Privacy, TrackerUrl, check_name};

/// Labels that `seedwatch_torrent_info` has itself.
const RESERVED_LABELS: [&str; 4] = ["torrent", "infohash", "infohash_v2", "collection"];

/// A YAML file while its list is read.
pub(super) struct ListFile<'a> {
    /// Its name in messages.
    pub(super) source: &'a Source,
    /// Its number in the catalogue.
    pub(super) number: u32,
    /// What its `file:` entries are relative to.
    pub(super) base: &'a Path,
}

/// Reads a list into the catalogue.
pub(super) fn read_list(
    file: &ListFile<'_>,
    entries: Vec<At<Entry<'_>>>,
    catalogue: &mut Catalogue,
    report: &mut Report,
) {
    for (index, entry) in entries.into_iter().enumerate() {
        if report.is_full() {
            return;
        }
        let at = Cursor {
            file,
            line: entry.line,
            index,
        };
        if let Err(fault) = read_entry(&at, entry.value, catalogue, report) {
            report.fault(fault);
        }
    }
}

/// Where reading stands.
struct Cursor<'a> {
    file: &'a ListFile<'a>,
    line: u32,
    index: usize,
}

impl Cursor<'_> {
    /// A fault of the entry (`key` empty) or of one of its keys.
    fn fault(&self, line: u32, key: &str, message: impl std::fmt::Display) -> Fault {
        let dot = if key.is_empty() { "" } else { "." };
        let key = format!("torrents[{}]{dot}{key}", self.index);
        self.file.source.fault(line, key, message)
    }

    fn place(&self, file: Option<&Path>) -> Place {
        Place {
            source: self.file.number,
            line: self.line,
            index: u32::try_from(self.index).unwrap_or(u32::MAX),
            file: file.map(|path| path.to_string_lossy().into()),
        }
    }
}

/// What an entry adds to each of its torrents.
struct Extras {
    name: Option<Box<str>>,
    collection: Option<Arc<str>>,
    labels: BTreeMap<String, String>,
    trackers: Vec<Arc<TrackerUrl>>,
    consented: bool,
}

fn read_entry(
    at: &Cursor<'_>,
    entry: Entry<'_>,
    catalogue: &mut Catalogue,
    report: &mut Report,
) -> Result<(), Fault> {
    let mut extras = Extras {
        name: match &entry.name {
            Some(text) => Some(name(at, text, "name")?.into()),
            None => None,
        },
        collection: match &entry.collection {
            Some(text) => Some(catalogue.collection(name(at, text, "collection")?)),
            None => None,
        },
        labels: labels(at, entry.labels.unwrap_or_default())?,
        trackers: Vec::new(),
        consented: entry.private == Some(true),
    };
    if let Some(texts) = &entry.trackers {
        let key = |n| format!("torrents[{}].trackers[{n}]", at.index);
        extras.trackers = urls(at.file.source, texts, key, catalogue, report)?;
    }
    match (entry.magnet, entry.file, entry.infohash) {
        (Some(text), None, None) => magnet(at, &text, extras, catalogue, report),
        (None, Some(text), None) => torrent_files(at, &text, extras, catalogue, report),
        (None, None, Some(text)) => {
            let hashes = Hashes::parse(text.as_str())
                .map_err(|error| at.fault(text.line, "infohash", error))?;
            let found = Found::bare(hashes);
            push(at, found, extras, None, "infohash", catalogue, report)
        }
        (None, None, None) => Err(at.fault(at.line, "", "must have one of magnet, file, infohash")),
        _ => Err(at.fault(at.line, "", "must have only one of magnet, file, infohash")),
    }
}

/// What a magnet link, a file or a bare hash says about a torrent.
struct Found<'a> {
    hashes: Hashes,
    name: Option<String>,
    trackers: Vec<Cow<'a, str>>,
    private: bool,
}

impl Found<'_> {
    fn bare(hashes: Hashes) -> Self {
        Self {
            hashes,
            name: None,
            trackers: Vec::new(),
            private: false,
        }
    }
}

fn magnet(
    at: &Cursor<'_>,
    text: &Text<'_>,
    extras: Extras,
    catalogue: &mut Catalogue,
    report: &mut Report,
) -> Result<(), Fault> {
    let magnet =
        Magnet::parse(text.as_str()).map_err(|error| at.fault(text.line, "magnet", error))?;
    let found = Found {
        hashes: magnet.hashes,
        name: magnet.name,
        trackers: magnet.trackers,
        private: false,
    };
    push(at, found, extras, None, "magnet", catalogue, report)
}

fn torrent_files(
    at: &Cursor<'_>,
    text: &Text<'_>,
    extras: Extras,
    catalogue: &mut Catalogue,
    report: &mut Report,
) -> Result<(), Fault> {
    let paths = files::resolve(at.file.base, text.as_str())
        .map_err(|error| at.fault(text.line, "file", error))?;
    if extras.name.is_some() && paths.len() > 1 {
        let message = format!("one name, but {} files match", paths.len());
        return Err(at.fault(text.line, "name", message));
    }
    for path in &paths {
        if report.is_full() {
            break;
        }
        let metainfo = match Metainfo::open(path) {
            Ok(metainfo) => metainfo,
            Err(error) => {
                let message = format!("{}: {error}", path.display());
                report.fault(at.fault(text.line, "file", message));
                continue;
            }
        };
        let found = Found {
            hashes: metainfo.hashes,
            name: metainfo.name,
            trackers: metainfo.trackers.into_iter().map(Cow::Owned).collect(),
            private: metainfo.private,
        };
        let extras = Extras {
            name: extras.name.clone(),
            collection: extras.collection.clone(),
            labels: extras.labels.clone(),
            trackers: extras.trackers.clone(),
            ..extras
        };
        push(at, found, extras, Some(path), "file", catalogue, report)?;
    }
    Ok(())
}

/// Trackers written in the entry come first: where two agree in scheme, host and port, the
/// chosen one stays.
fn push(
    at: &Cursor<'_>,
    found: Found<'_>,
    extras: Extras,
    path: Option<&Path>,
    key: &str,
    catalogue: &mut Catalogue,
    report: &mut Report,
) -> Result<(), Fault> {
    if catalogue.len() >= MAX_TORRENTS {
        return Err(at.fault(at.line, "", format!("more than {MAX_TORRENTS} torrents")));
    }
    let warn = |report: &mut Report, message: String| {
        let message = match path {
            Some(path) => format!("{}: {message}", path.display()),
            None => message,
        };
        report.warn(at.fault(at.line, key, message));
    };
    let mut trackers = extras.trackers;
    for (n, text) in found.trackers.iter().enumerate() {
        let url = match catalogue.interner.get(text) {
            Ok(url) => url,
            Err(error) => {
                warn(report, format!("tracker {} is left out: {error}", n + 1));
                continue;
            }
        };
        match add(&mut trackers, &url, MAX_TRACKERS) {
            Added::Yes => {}
            Added::SameTracker => {
                warn(
                    report,
                    format!("a second announce URL of {url} is left out"),
                );
            }
            Added::Full => {
                warn(
                    report,
                    format!("trackers after the first {MAX_TRACKERS} are left out"),
                );
                break;
            }
        }
    }
    trackers.shrink_to_fit();
    let draft = Draft {
        name: match (extras.name, found.name) {
            (Some(name), _) => Name::Chosen(name),
            (None, Some(name)) => Name::Found(name.into()),
            (None, None) => Name::None,
        },
        hashes: found.hashes,
        trackers,
        collection: extras.collection,
        labels: extras.labels,
        privacy: match (extras.consented, found.private) {
            (true, _) => Privacy::Consented,
            (false, true) => Privacy::LeftAlone,
            (false, false) => Privacy::Public,
        },
        place: at.place(path),
    };
    catalogue.add(draft, report);
    Ok(())
}

/// The name of a torrent or a collection: both become label values.
fn name<'a>(at: &Cursor<'_>, text: &'a Text<'_>, key: &str) -> Result<&'a str, Fault> {
    match check_name(text.as_str()) {
        Ok(()) => Ok(text.as_str()),
        Err(error) => Err(at.fault(text.line, key, error)),
    }
}

fn labels(
    at: &Cursor<'_>,
    raw: BTreeMap<Str<'_>, Text<'_>>,
) -> Result<BTreeMap<String, String>, Fault> {
    if raw.len() > MAX_LABELS {
        let message = format!("more than {MAX_LABELS} labels");
        return Err(at.fault(at.line, "labels", message));
    }
    let mut labels = BTreeMap::new();
    for (Str(name), value) in raw {
        let fault =
            |message: &str| at.fault(value.line, &format!("labels.{}", printable(&name)), message);
        if !is_label_name(&name) {
            return Err(fault(
                "not a label name: letters, digits and _, not beginning with a digit",
            ));
        }
        if RESERVED_LABELS.contains(&&*name) || name.starts_with("__") {
            return Err(fault("this label is reserved"));
        }
        if value.as_str().len() > MAX_LABEL_VALUE {
            return Err(fault("the value is longer than 255 bytes"));
        }
        if value.as_str().contains(char::is_control) {
            return Err(fault("the value has a control character"));
        }
        labels.insert(name.into_owned(), value.as_str().to_owned());
    }
    Ok(labels)
}

fn is_label_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_LABEL_VALUE
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A list of announce URLs that somebody wrote himself: here a bad one is a fault, not a warning.
pub(super) fn urls(
    source: &Source,
    texts: &[Text<'_>],
    key: impl Fn(usize) -> String,
    catalogue: &mut Catalogue,
    report: &mut Report,
) -> Result<Vec<Arc<TrackerUrl>>, Fault> {
    let mut list = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let url = catalogue
            .interner
            .get(text.as_str())
            .map_err(|error| source.fault(text.line, key(n), error))?;
        match add(&mut list, &url, MAX_TRACKERS) {
            Added::Yes => {}
            Added::SameTracker => {
                let message = format!("a second announce URL of {url} is left out");
                report.warn(source.fault(text.line, key(n), message));
            }
            Added::Full => {
                let message = format!("more than {MAX_TRACKERS} trackers");
                return Err(source.fault(text.line, key(n), message));
            }
        }
    }
    Ok(list)
}
