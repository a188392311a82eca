//! One torrent that is named on the command line.

use std::borrow::Cow;
use std::path::Path;

use super::Config;
use super::catalogue::Catalogue;
use super::entry::{ListFile, read_list};
use super::raw::Entry;
use seedwatch_input::secret::Secret;
use seedwatch_input::yaml::{At, Report, SourceFile, Str};
use seedwatch_torrent::{Hashes, Magnet, Privacy, Torrent, check_name};

/// Most names suggested for one that is not known.
const MAX_SUGGESTIONS: usize = 3;

/// Longest name that others are compared with, in characters.
const MAX_COMPARED: usize = 64;

/// The kinds of text that name a torrent on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Magnet,
    InfoHash,
    File,
}

impl Config {
    /// Reads a magnet link, an info-hash or the name of a `.torrent` file, by the rules for an
    /// entry of `torrents:` in this configuration. Naming a private torrent is consent to asking
    /// its trackers. Returns the torrent and the warnings, such as trackers left out.
    ///
    /// # Errors
    /// One line that says what is wrong, without passkeys.
    pub fn target(&self, text: &str) -> Result<(Torrent, Vec<String>), String> {
        let kind = if Magnet::is_magnet(text) {
            Kind::Magnet
        } else if Path::new(text).exists() || is_meant_as_file(text) {
            Kind::File
        } else if Hashes::parse(text).is_ok() {
            Kind::InfoHash
        } else {
            return Err(self.unknown(text));
        };
        let (torrent, warnings) = self.read(text, kind, false)?;
        if torrent.privacy == Privacy::LeftAlone {
            return self.read(text, kind, true);
        }
        Ok((torrent, warnings))
    }

    fn read(
        &self,
        text: &str,
        kind: Kind,
        consented: bool,
    ) -> Result<(Torrent, Vec<String>), String> {
        let value = Str(Cow::Borrowed(text));
        let secret = At {
            line: 0,
            value: Secret::new(value.clone()),
        };
        let value = At { line: 0, value };
        let entry = Entry {
            magnet: (kind == Kind::Magnet).then_some(secret),
            file: (kind == Kind::File).then(|| value.clone()),
            infohash: (kind == Kind::InfoHash).then_some(value),
            private: Some(consented),
            ..Entry::default()
        };
        let mut report = Report::default();
        let mut catalogue = Catalogue::new(self.accept);
        let configured = self.torrents.iter().flat_map(|it| it.trackers.iter());
        catalogue.interner.trust(configured.map(|url| &**url));
        let source = SourceFile::new(Path::new(""));
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
        // The messages alone: no file and no line would help here.
        let warnings = report.warnings().map(str::to_owned).collect();
        if let Err(error) = report.finish() {
            return Err(error.faults()[0].message.clone());
        }
        match &*torrents {
            [torrent] => Ok((torrent.clone(), warnings)),
            _ => Err(format!("{} torrents, but one is wanted", torrents.len())),
        }
    }

    /// Explains that a text names no torrent, and suggests similar names.
    fn unknown(&self, text: &str) -> String {
        // A text that cannot be a name may hold a passkey.
        let shown = match check_name(text) {
            Ok(()) => format!("{text:?}"),
            Err(_) => "the target".to_owned(),
        };
        let mut message = format!(
            "{shown} is neither the name of a configured torrent nor an info-hash, a magnet link \
             or a file"
        );
        let names = self.torrents.iter().map(|torrent| &*torrent.name);
        let near: Vec<String> = nearest(text, names)
            .into_iter()
            .map(|name| format!("{name:?}"))
            .collect();
        if !near.is_empty() {
            message.push_str(&format!("; did you mean {}?", near.join(" or ")));
        }
        message
    }
}

/// Returns whether a text that names nothing was meant as the name of a file.
fn is_meant_as_file(text: &str) -> bool {
    text.contains(['/', '*', '?']) || text.ends_with(".torrent")
}

/// Returns the names that differ least from a text, nearest first.
fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let text: Vec<char> = folded(text);
    if text.len() > MAX_COMPARED {
        return Vec::new();
    }
    let mut limit = (text.len() / 3).clamp(1, 3);
    let mut near: Vec<(usize, &str)> = Vec::new();
    for name in names {
        if let Some(distance) = distance(&text, &folded(name), limit) {
            let at = near.partition_point(|(known, _)| *known <= distance);
            near.insert(at, (distance, name));
            near.truncate(MAX_SUGGESTIONS);
            if near.len() == MAX_SUGGESTIONS {
                limit = near[MAX_SUGGESTIONS - 1].0;
            }
        }
    }
    near.into_iter().map(|(_, name)| name).collect()
}

/// Folds case, and the characters that join words.
fn folded(text: &str) -> Vec<char> {
    let chars = text.chars().flat_map(char::to_lowercase);
    chars
        .map(|c| if matches!(c, '_' | ' ' | '.') { '-' } else { c })
        .take(MAX_COMPARED + 4)
        .collect()
}

/// Returns the Levenshtein distance of two texts, if it is at most `limit`.
fn distance(a: &[char], b: &[char], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        let mut least = row[0];
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
            least = least.min(row[j + 1]);
        }
        if least > limit {
            return None;
        }
    }
    row.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["census-1921", "census-1931", "debian 13", "x", "Zürich"];
        for (text, expected) in [
            ("census-192", &["census-1921", "census-1931"][..]),
            ("Census_1921", &["census-1921", "census-1931"]),
            ("Debian-13", &["debian 13"]),
            ("zurich", &["Zürich"]),
            ("y", &["x"]),
            ("something else", &[]),
            (&"c".repeat(500), &[]),
        ] {
            assert_eq!(nearest(text, names.into_iter()), expected, "{text}");
        }
    }
}
