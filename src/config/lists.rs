//! `lists:`: files and URLs whose entries are watched too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use seedwatch_input::file;
use seedwatch_input::yaml::{At, ConfigError, Fault, Report, SourceFile, Text, printable};
use seedwatch_lists::{Fields, Format, Guard, ItemPath, ListFormat, ListUrl, Role};
use seedwatch_torrent::{Torrent, TrackerUrl, check_name};

use super::Accept;
use super::catalogue::Catalogue;
use super::entry::{check_labels, urls};
use super::kinds::absolute;
use super::raw::WrittenList;
use super::section::ConfigFile;
use super::units::{DurationText, parse_duration};

/// Most lists.
pub const MAX_LISTS: usize = 100;

/// The interval of a list that names none.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(3600);

/// The shortest interval: servers of lists are not for us alone.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(300);

/// The shortest interval with `addresses.accept: any`, for labs and tests.
const SHORTEST_IN_LABS: Duration = Duration::from_secs(1);

/// The longest interval.
const LONGEST_INTERVAL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Longest time that a file system may take to open a file.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// The words of `format`.
pub(super) const FORMATS: [(Format, &str); 5] = [
    (Format::Auto, "auto"),
    (Format::Lines, "lines"),
    (Format::Csv, "csv"),
    (Format::Json, "json"),
    (Format::Rss, "rss"),
];

/// The lists of a configuration, and what their torrents are merged with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lists {
    /// The lists. Their names are unique.
    pub all: Vec<Arc<List>>,
    /// The torrents that the configuration itself names, sorted by name.
    pub configured: Arc<[Torrent]>,
    /// The trackers that every public torrent gets.
    pub everywhere: Vec<Arc<TrackerUrl>>,
}

impl Lists {
    /// Checks that the files of lists can be read. [`Config::load`](super::Config::load) does not:
    /// a daemon starts and reloads without them, with the last good copies.
    ///
    /// # Errors
    /// One for each file that cannot be opened.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        let mut report = Report::default();
        for list in &self.all {
            if let ListSource::File(path) = &list.source
                && let Err(why) = check_file(path)
            {
                let mut fault = list.position.clone();
                let is_glob = list.is_glob() && why.kind() == io::ErrorKind::NotFound;
                let hint = if is_glob {
                    "; a glob is not expanded here"
                } else {
                    ""
                };
                fault.message = format!("{}: cannot be read: {why}{hint}", path.display());
                report.fault(fault);
            }
        }
        report.finish().map(drop)
    }
}

/// Opens a file, to see whether it can be read.
fn check_file(path: &Path) -> io::Result<()> {
    let path = path.to_owned();
    let metadata = file::within("list", OPEN_TIMEOUT, move || File::open(path)?.metadata())??;
    match metadata.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(()),
    }
}

/// One list.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// The `list` label: unique, printable, without passkeys.
    pub name: Box<str>,
    /// Where the list is.
    pub source: ListSource,
    /// Where the configuration names the source: an error without a message.
    pub position: Fault,
    /// How the list is written.
    pub format: ListFormat,
    /// The time between two fetches.
    pub interval: Duration,
    /// The collection of its torrents.
    pub collection: Option<Arc<str>>,
    /// The labels of its torrents.
    pub labels: BTreeMap<String, String>,
    /// Trackers added to its torrents.
    pub trackers: Vec<Arc<TrackerUrl>>,
    /// Whether its private torrents may be probed (BEP 27).
    pub private: bool,
}

impl List {
    /// Returns whether the name of the file looks like a glob.
    fn is_glob(&self) -> bool {
        match &self.source {
            ListSource::File(path) => path.to_string_lossy().contains(['*', '?', '[']),
            ListSource::Url(_) => false,
        }
    }

    /// Returns whether `interval` has an effect: a file is looked at often anyway.
    pub(super) fn has_interval(&self) -> bool {
        matches!(self.source, ListSource::Url(_)) || self.interval < Guard::FILE_CHECK
    }
}

/// Where a list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListSource {
    /// A server.
    Url(ListUrl),
    /// A file; the path is absolute.
    File(PathBuf),
}

impl ListSource {
    /// Returns the name of a list that has none: scheme, host and port, or the path.
    fn default_name(&self) -> String {
        match self {
            Self::Url(url) => url.to_string(),
            Self::File(path) => path.to_string_lossy().into_owned(),
        }
    }
}

/// Reads the lists.
pub(super) fn read(
    written: Vec<At<WrittenList<'_>>>,
    file: &ConfigFile<'_>,
    accept: Accept,
    catalogue: &mut Catalogue,
    report: &mut Report,
) -> Vec<Arc<List>> {
    if let Some(list) = written.get(MAX_LISTS) {
        let message = format!("more than {MAX_LISTS} lists");
        report.fault(file.source.fault(list.line, "lists", message));
        return Vec::new();
    }
    let mut lists: Vec<List> = Vec::new();
    for (index, list) in written.into_iter().enumerate() {
        let reader = ListReader {
            source: file.source,
            base: file.base,
            index,
            line: list.line,
            accept,
        };
        let has_name = list.value.name.as_ref().map(|name| name.line);
        if let Some(mut read) = reader.read(list.value, catalogue, report) {
            let is_same = |known: &List| known.source == read.source && known.format == read.format;
            if lists.iter().any(is_same) {
                let message = "the same list is there already: left out";
                report.warn(reader.fault(list.line, "", message));
                continue;
            }
            if lists.iter().any(|known| known.name == read.name) {
                match has_name {
                    Some(line) => {
                        report.fault(reader.fault(line, "name", "another list has this name"))
                    }
                    None => read.name = unique(&read.name, &lists),
                }
            }
            lists.push(read);
        }
    }
    lists.into_iter().map(Arc::new).collect()
}

/// Returns a name with a number that no list has.
fn unique(name: &str, lists: &[List]) -> Box<str> {
    let numbered = (2..).map(|number| format!("{name} ({number})"));
    let mut free = numbered.filter(|name| lists.iter().all(|list| *list.name != **name));
    free.next().unwrap_or_default().into()
}

/// One list while it is read.
struct ListReader<'a> {
    source: &'a SourceFile,
    base: &'a Path,
    index: usize,
    line: u32,
    accept: Accept,
}

impl ListReader<'_> {
    fn fault(&self, line: u32, key: &str, message: impl std::fmt::Display) -> Fault {
        let dot = if key.is_empty() { "" } else { "." };
        let key = format!("lists[{}]{dot}{key}", self.index);
        self.source.fault(line, key, message)
    }

    /// Reads a list. Reports what is wrong with it.
    fn read(
        &self,
        list: WrittenList<'_>,
        catalogue: &mut Catalogue,
        report: &mut Report,
    ) -> Option<List> {
        let before = report.faults();
        let source = report.take(self.source_of(&list));
        let format = self.format(&list, report);
        let interval = self.interval(list.interval.as_ref(), list.file.is_some(), report);
        let name = self.name(list.name.as_ref(), "name", report);
        let collection = self.name(list.collection.as_ref(), "collection", report);
        let labels = check_labels(list.labels.unwrap_or_default(), report, |line, key, why| {
            self.fault(if line == 0 { self.line } else { line }, key, why)
        });
        let key = |n| format!("lists[{}].trackers[{n}]", self.index);
        let trackers = list.trackers.unwrap_or_default();
        let trackers = urls(self.source, &trackers, key, catalogue, report);
        let source = source.filter(|_| report.faults() == before)?;
        let (line, key) = match &list.file {
            Some(file) => (file.line, "file"),
            None => (self.line, "url"),
        };
        Some(List {
            name: name.unwrap_or_else(|| source.default_name()).into(),
            source,
            position: self.fault(line, key, ""),
            format,
            interval,
            collection: collection.map(|name| catalogue.collection(&name)),
            labels,
            trackers,
            private: list.private == Some(true),
        })
    }

    fn source_of(&self, list: &WrittenList<'_>) -> Result<ListSource, Fault> {
        match (&list.url, &list.file) {
            (Some(text), None) => ListUrl::parse(text.expose())
                .map(ListSource::Url)
                .map_err(|error| self.fault(text.line, "url", error)),
            (None, Some(text)) => {
                let name = text.as_str();
                if name.is_empty() || name.contains("://") || name.contains(char::is_control) {
                    let message = "must be the name of a file; a URL belongs under url";
                    return Err(self.fault(text.line, "file", message));
                }
                Ok(ListSource::File(absolute(self.base.join(name))))
            }
            (None, None) => Err(self.fault(self.line, "", "must have one of url, file")),
            (Some(_), Some(_)) => Err(self.fault(self.line, "", "must have only one of url, file")),
        }
    }

    fn format(&self, list: &WrittenList<'_>, report: &mut Report) -> ListFormat {
        let mut format = ListFormat::default();
        if let Some(text) = &list.format {
            let known = FORMATS.iter().find(|(_, word)| *word == text.as_str());
            match known {
                Some((known, _)) => format.format = *known,
                None => {
                    let message = "must be auto, lines, csv, json or rss";
                    report.fault(self.fault(text.line, "format", message));
                }
            }
        }
        if let Some(text) = &list.items {
            format.items = ItemPath::parse(text.as_str());
            if format.items.is_none() {
                let message = "must be keys with dots between them, such as response.docs";
                report.fault(self.fault(text.line, "items", message));
            }
        }
        format.fields = self.fields(list, report);
        if let (Some(text), Format::Lines | Format::Csv | Format::Rss) =
            (&list.items, format.format)
        {
            let message = "has no effect unless format is json or auto";
            report.fault(self.fault(text.line, "items", message));
        }
        format
    }

    fn fields(&self, list: &WrittenList<'_>, report: &mut Report) -> Fields {
        let mut fields = Vec::new();
        let is_lines = list
            .format
            .as_ref()
            .is_some_and(|it| it.as_str() == "lines");
        for (role, text) in list.fields.iter().flatten() {
            let Some(known) = Role::ALL.iter().find(|known| known.as_key() == &*role.0) else {
                let keys: Vec<&str> = Role::ALL.iter().map(|role| role.as_key()).collect();
                let message = format!("unknown key; known here: {}", keys.join(", "));
                let key = format!("fields.{}", printable(&role.0));
                report.fault(self.fault(text.line, &key, message));
                continue;
            };
            let key = format!("fields.{}", known.as_key());
            let name = text.as_str();
            let keys = name.split('.').count();
            if name.is_empty() || name.len() > Fields::MAX_NAME || keys > Fields::MAX_KEYS {
                let message = "must be the name of a field or column";
                report.fault(self.fault(text.line, &key, message));
            } else if is_lines {
                let message = "has no effect with format: lines";
                report.fault(self.fault(text.line, &key, message));
            }
            fields.push((*known, name));
        }
        Fields::new(&fields)
    }

    fn interval(&self, text: Option<&Text<'_>>, is_file: bool, report: &mut Report) -> Duration {
        let Some(text) = text else {
            return DEFAULT_INTERVAL;
        };
        let shortest = match self.accept {
            Accept::Global => SHORTEST_INTERVAL,
            Accept::Any => SHORTEST_IN_LABS,
        };
        let duration = parse_duration(text.as_str());
        if is_file && duration.is_none_or(|it| it >= Guard::FILE_CHECK) {
            let often = DurationText(Guard::FILE_CHECK);
            let message = format!("has no effect with file, which is looked at every {often}");
            report.fault(self.fault(text.line, "interval", message));
            return DEFAULT_INTERVAL;
        }
        let duration = duration.filter(|it| (shortest..=LONGEST_INTERVAL).contains(it));
        duration.unwrap_or_else(|| {
            let (least, most) = (DurationText(shortest), DurationText(LONGEST_INTERVAL));
            let message = format!("must be a duration from {least} to {most}");
            report.fault(self.fault(text.line, "interval", message));
            DEFAULT_INTERVAL
        })
    }

    fn name(&self, text: Option<&Text<'_>>, key: &str, report: &mut Report) -> Option<String> {
        let text = text?;
        let checked = check_name(text.as_str()).map_err(|why| self.fault(text.line, key, why));
        report.take(checked).map(|()| text.as_str().to_owned())
    }
}
