//! One torrent named on the command line, outside of any configuration.

use std::borrow::Cow;
use std::path::Path;

use super::Config;
use super::catalogue::Catalogue;
use super::entry::{ListFile, read_list};
use super::raw::{At, Entry, Str};
use super::report::{Report, Source};
use crate::torrent::{Magnet, Privacy, Torrent};

impl Config {
    /// Reads a magnet link or the name of a `.torrent` file by the rules of an entry of
    /// `torrents:`. To name a private torrent is to consent to asking its trackers. With the
    /// torrent come the warnings: trackers left out.
    ///
    /// # Errors
    /// One line that says what is wrong, without passkeys.
    pub fn target(text: &str) -> Result<(Torrent, Vec<String>), String> {
        let (torrent, warnings) = read(text, false)?;
        if torrent.privacy == Privacy::LeftAlone {
            return read(text, true);
        }
        Ok((torrent, warnings))
    }
}

fn read(text: &str, consented: bool) -> Result<(Torrent, Vec<String>), String> {
    let value = Some(At {
        line: 0,
        value: Str(Cow::Borrowed(text)),
    });
    let is_magnet = Magnet::is_magnet(text);
    let entry = Entry {
        magnet: value.clone().filter(|_| is_magnet),
        file: value.filter(|_| !is_magnet),
        private: Some(consented),
        ..Entry::default()
    };
    let mut report = Report::default();
    let mut catalogue = Catalogue::default();
    let source = Source::new(Path::new(""));
    let file = ListFile {
        number: catalogue.add_source(&source),
        source: &source,
        base: Path::new(""),
    };
    let entries = vec![At {
        line: 0,
        value: entry,
    }];
    read_list(&file, entries, &mut catalogue, &mut report);
    let torrents = catalogue.finish(&[], true, &mut report);
    // There is no file and no line to name.
    let warnings = report.warnings().map(str::to_owned).collect();
    if let Err(error) = report.finish() {
        return Err(error.faults()[0].message.clone());
    }
    match &*torrents {
        [torrent] => Ok((torrent.clone(), warnings)),
        _ => Err(format!("{} torrents, but one is wanted", torrents.len())),
    }
}
