//! One entry of a `torrents:` list → the torrents that it stands for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::catalogue::{Catalogue, Draft, EntryLocation, Name};
use super::files;
use super::raw::Entry;
use super::trackers::{Added, Interner, TrackerDraft, UrlOrigin, add};
use super::{MAX_LABEL_VALUE, MAX_LABELS, MAX_TORRENTS, MAX_TRACKERS};
use seedwatch_input::yaml::{At, Fault, Report, SecretText, SourceFile, Str, Text, printable};
use seedwatch_torrent::{
    ClaimedSize, Hashes, Magnet, Metainfo, Privacy, Tier, TrackerUrl, WebSeed, WebSeedKind,
    check_name, split_urls,
};

/// Labels that `seedwatch_torrent_info` always has.
const RESERVED_LABELS: [&str; 4] = ["torrent", "infohash", "infohash_v2", "collection"];

/// A YAML file while its list is read.
pub(super) struct ListFile<'a> {
    /// Its name in messages.
    pub(super) source: &'a SourceFile,
    /// Its number in the catalogue.
    pub(super) number: u32,
    /// Its directory, which `file:` entries are relative to.
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
        let at = EntryReader {
            file,
            line: entry.line,
            index,
        };
        if let Err(fault) = read_entry(&at, entry.value, catalogue, report) {
            report.fault(fault);
        }
    }
}

/// One entry while it is read.
struct EntryReader<'a> {
    file: &'a ListFile<'a>,
    line: u32,
    index: usize,
}

impl EntryReader<'_> {
    /// Returns a fault of the entry (`key` empty) or of one of its keys.
    fn fault(&self, line: u32, key: &str, message: impl std::fmt::Display) -> Fault {
        let dot = if key.is_empty() { "" } else { "." };
        let key = format!("torrents[{}]{dot}{key}", self.index);
        self.file.source.fault(line, key, message)
    }

    fn location(&self, file: Option<&Path>) -> EntryLocation {
        EntryLocation {
            source: self.file.number,
            line: self.line,
            index: u32::try_from(self.index).unwrap_or(u32::MAX),
            file: file.map(|path| path.to_string_lossy().into()),
        }
    }
}

/// The settings of an entry, which each of its torrents gets.
struct EntrySettings {
    /// Something in the entry is wrong: the rest is checked, but makes no torrent.
    is_faulty: bool,
    name: Option<Box<str>>,
    collection: Option<Arc<str>>,
    labels: BTreeMap<String, String>,
    trackers: Vec<Arc<TrackerUrl>>,
    consented: bool,
}

fn read_entry(
    at: &EntryReader<'_>,
    entry: Entry<'_>,
    catalogue: &mut Catalogue,
    report: &mut Report,
) -> Result<(), Fault> {
    let before = report.faults();
    let mut read_name = |text: &Option<Text<'_>>, key: &str| {
        let text = text.as_ref()?;
        report.take(name(at, text, key)).map(str::to_owned)
    };
    let (name, collection) = (
        read_name(&entry.name, "name"),
        read_name(&entry.collection, "collection"),
    );
    let key = |n| format!("torrents[{}].trackers[{n}]", at.index);
    let settings = EntrySettings {
        name: name.map(Into::into),
        collection: collection.map(|name| catalogue.collection(&name)),
        labels: labels(at, entry.labels.unwrap_or_default(), report),
        trackers: urls(
            at.file.source,
            entry.trackers.as_deref().unwrap_or_default(),
            key,
            catalogue,
            report,
        ),
        consented: entry.private == Some(true),
        is_faulty: report.faults() > before,
    };
    match (entry.magnet, entry.file, entry.infohash) {
        (Some(text), None, None) => magnet(at, &text, settings, catalogue, report),
        (None, Some(text), None) => torrent_files(at, &text, settings, catalogue, report),
        (None, None, Some(text)) => {
            let hashes = Hashes::parse(text.as_str())
                .map_err(|error| at.fault(text.line, "infohash", error))?;
            let parsed = ParsedTorrent::bare(hashes);
            push(at, parsed, settings, None, "infohash", catalogue, report)
        }
        (None, None, None) => Err(at.fault(at.line, "", "must have one of magnet, file, infohash")),
        _ => Err(at.fault(at.line, "", "must have only one of magnet, file, infohash")),
    }
}

/// What a magnet link, a metainfo file or a bare info-hash says about a torrent.
struct ParsedTorrent<'a> {
    hashes: Hashes,
    name: Option<String>,
    /// Announce URLs with their tiers.
    trackers: Vec<(Cow<'a, str>, Tier)>,
    web_seeds: Vec<(Cow<'a, str>, WebSeedKind)>,
    private: bool,
    size: ClaimedSize,
}

impl ParsedTorrent<'_> {
    fn bare(hashes: Hashes) -> Self {
        Self {
            hashes,
            name: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            private: false,
            size: Ok(None),
        }
    }
}

fn magnet(
    at: &EntryReader<'_>,
    text: &SecretText<'_>,
    settings: EntrySettings,
    catalogue: &mut Catalogue,
    report: &mut Report,
) -> Result<(), Fault> {
    let magnet =
        Magnet::parse(text.expose()).map_err(|error| at.fault(text.line, "magnet", error))?;
    if !magnet.unread.is_empty() {
        let message = format!(
            "parameters left out as unknown: {}",
            magnet.unread.join(", ")
        );
        report.warn(at.fault(text.line, "magnet", message));
    }
    let parsed = ParsedTorrent {
        hashes: magnet.hashes,
        name: magnet.name,
        // Clients take each tracker of a magnet link for a tier of its own.
        trackers: (magnet.trackers.into_iter().zip(0..))
            .map(|(url, tier)| (url, Tier::of(tier)))
            .collect(),
        web_seeds: (magnet.web_seeds.into_iter())
            .map(|url| (url, WebSeedKind::Files))
            .collect(),
        private: false,
        size: magnet.size,
    };
    push(at, parsed, settings, None, "magnet", catalogue, report)
}

fn torrent_files(
    at: &EntryReader<'_>,
    text: &Text<'_>,
    settings: EntrySettings,
    catalogue: &mut Catalogue,
    report: &mut Report,
) -> Result<(), Fault> {
    let paths = files::matching(at.file.base, text.as_str())
        .map_err(|error| at.fault(text.line, "file", error))?;
    if settings.name.is_some() && paths.len() > 1 {
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
        let parsed = ParsedTorrent {
            hashes: metainfo.hashes,
            name: metainfo.name,
            trackers: (metainfo.trackers.into_iter().map(Cow::Owned))
                .zip(metainfo.tiers)
                .collect(),
            web_seeds: (metainfo.web_seeds.into_iter())
                .map(|(url, kind)| (Cow::Owned(url), kind))
                .collect(),
            private: metainfo.private,
            size: metainfo.size,
        };
        let settings = EntrySettings {
            name: settings.name.clone(),
            collection: settings.collection.clone(),
            labels: settings.labels.clone(),
            trackers: settings.trackers.clone(),
            ..settings
        };
        push(at, parsed, settings, Some(path), "file", catalogue, report)?;
    }
    Ok(())
}

/// Adds one torrent to the catalogue. Trackers written in the entry come first: of two URLs with
/// the same scheme, host and port, the one in the entry is kept.
fn push(
    at: &EntryReader<'_>,
    parsed: ParsedTorrent<'_>,
    settings: EntrySettings,
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
    let mut trackers = TrackerDraft::configured(settings.trackers);
    let mut interner = std::mem::take(&mut catalogue.interner);
    add_parsed_trackers(&parsed.trackers, &mut trackers, &mut interner, |message| {
        warn(report, message);
    });
    let web_seeds = web_seeds(&parsed.web_seeds, &mut interner, |message| {
        warn(report, message);
    });
    catalogue.interner = interner;
    let size = parsed.size.unwrap_or_else(|error| {
        warn(report, format!("its size is taken for unknown: {error}"));
        None
    });
    if settings.is_faulty {
        return Ok(());
    }
    trackers.shrink();
    let draft = Draft {
        name: match (settings.name, parsed.name) {
            (Some(name), _) => Name::Configured(name),
            (None, Some(name)) => Name::Display(name.into()),
            (None, None) => Name::None,
        },
        hashes: parsed.hashes,
        trackers,
        web_seeds,
        file: path.map(Into::into),
        collection: settings.collection,
        labels: settings.labels,
        privacy: match (settings.consented, parsed.private) {
            (true, _) => Privacy::Consented,
            (false, true) => Privacy::LeftAlone,
            (false, false) => Privacy::Public,
        },
        size,
        location: at.location(path),
    };
    catalogue.add(draft, report);
    Ok(())
}

/// Adds the trackers that a metainfo file or magnet link names. A text with several URLs is split
/// if their boundaries are certain.
fn add_parsed_trackers(
    texts: &[(Cow<'_, str>, Tier)],
    trackers: &mut TrackerDraft,
    interner: &mut Interner,
    mut warn: impl FnMut(String),
) {
    for (n, (text, tier)) in (1..).zip(texts) {
        let whole = interner.get(text, UrlOrigin::Metainfo);
        let is_several = whole.is_err() && split_urls(text).nth(1).is_some();
        let parts = split_urls(text).take(if is_several {
            Metainfo::MAX_TRACKERS
        } else {
            0
        });
        let parts: Vec<_> = parts
            .map(|part| interner.get(part, UrlOrigin::Metainfo))
            .collect();
        if is_several {
            warn(format!(
                "tracker {n} is {} URLs in one: each is read apart",
                parts.len()
            ));
        }
        let read = if is_several { parts } else { vec![whole] };
        for result in read {
            let added = match &result {
                Ok(url) => trackers.add(url, *tier),
                Err(error) => {
                    let part = if is_several { "a part of " } else { "" };
                    warn(format!("{part}tracker {n} is left out: {error}"));
                    continue;
                }
            };
            match (added, &result) {
                (Added::SameTracker, Ok(url)) => {
                    warn(format!("a second announce URL of {url} is left out"));
                }
                (Added::Full, _) => {
                    warn(format!(
                        "trackers after the first {MAX_TRACKERS} are left out"
                    ));
                    return;
                }
                _ => {}
            }
        }
    }
}

/// Reads the web seeds that a metainfo file or magnet link names.
fn web_seeds(
    texts: &[(Cow<'_, str>, WebSeedKind)],
    interner: &mut Interner,
    mut warn: impl FnMut(String),
) -> Vec<Arc<WebSeed>> {
    let mut seeds = Vec::new();
    for (n, (text, kind)) in (1..).zip(texts) {
        match interner.web_seed(text, *kind) {
            Ok(seed) if seeds.contains(&seed) => {}
            Ok(_) if seeds.len() >= WebSeed::MAX => {
                let most = WebSeed::MAX;
                warn(format!("web seeds after the first {most} are left out"));
                break;
            }
            Ok(seed) => seeds.push(seed),
            Err(error) => warn(format!("web seed {n} is left out: {error}")),
        }
    }
    seeds
}

/// Reads the name of a torrent or a collection: both become label values.
fn name<'a>(at: &EntryReader<'_>, text: &'a Text<'_>, key: &str) -> Result<&'a str, Fault> {
    match check_name(text.as_str()) {
        Ok(()) => Ok(text.as_str()),
        Err(error) => Err(at.fault(text.line, key, error)),
    }
}

fn labels(
    at: &EntryReader<'_>,
    raw: BTreeMap<Str<'_>, Text<'_>>,
    report: &mut Report,
) -> BTreeMap<String, String> {
    check_labels(raw, report, |line, key, message| {
        at.fault(if line == 0 { at.line } else { line }, key, message)
    })
}

/// Reads the labels of an entry. `fault` makes a fault of a line, a key and what is wrong; line 0
/// stands for that of the entry.
pub(super) fn check_labels(
    raw: BTreeMap<Str<'_>, Text<'_>>,
    report: &mut Report,
    fault: impl Fn(u32, &str, &str) -> Fault,
) -> BTreeMap<String, String> {
    if raw.len() > MAX_LABELS {
        let message = format!("more than {MAX_LABELS} labels");
        report.fault(fault(0, "labels", &message));
        return BTreeMap::new();
    }
    let mut labels = BTreeMap::new();
    for (Str(name), value) in raw {
        match check_label(&name, value.as_str()) {
            Ok(()) => {
                labels.insert(name.into_owned(), value.as_str().to_owned());
            }
            Err(message) => {
                let key = format!("labels.{}", printable(&name));
                report.fault(fault(value.line, &key, message));
            }
        }
    }
    labels
}

fn check_label(name: &str, value: &str) -> Result<(), &'static str> {
    if !is_label_name(name) {
        Err("not a label name: letters, digits and _, not beginning with a digit")
    } else if RESERVED_LABELS.contains(&name) || name.starts_with("__") {
        Err("this label is reserved")
    } else if value.len() > MAX_LABEL_VALUE {
        Err("the value is longer than 255 bytes")
    } else if value.contains(char::is_control) {
        Err("the value has a control character")
    } else {
        Ok(())
    }
}

fn is_label_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_LABEL_VALUE
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Reads a list of announce URLs in the configuration. A bad one is a fault, not a warning.
pub(super) fn urls(
    source: &SourceFile,
    texts: &[SecretText<'_>],
    key: impl Fn(usize) -> String,
    catalogue: &mut Catalogue,
    report: &mut Report,
) -> Vec<Arc<TrackerUrl>> {
    let mut list = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let fault = |message: String| source.fault(text.line, key(n), message);
        let read = catalogue
            .interner
            .get(text.expose(), UrlOrigin::Configuration);
        let url = match read {
            Ok(url) => url,
            Err(error) => {
                let mut urls = split_urls(text.expose()).filter(|part| part.contains("://"));
                report.fault(fault(match urls.nth(1) {
                    Some(_) => "several URLs in one: write each as an item of its own".to_owned(),
                    None => error.to_string(),
                }));
                continue;
            }
        };
        match add(&mut list, &url, MAX_TRACKERS) {
            Added::Yes => {}
            Added::SameTracker => {
                report.warn(fault(format!("a second announce URL of {url} is left out")));
            }
            Added::Full => {
                report.fault(fault(format!("more than {MAX_TRACKERS} trackers")));
                break;
            }
        }
    }
    list
}
