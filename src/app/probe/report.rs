//! The result of a probe, as text of at most 80 columns.

use super::fit::{shorten, visible, width, wrap};
use super::rows::{FamilyResult, LookupRow, RequestRow, SourceRow, Summary};
use super::table::{self, Style};
use seedwatch_core::plural;
use seedwatch_core::snapshot::TorrentView;
use seedwatch_core::verdict::{Advice, Condition, State, Verdict};
use seedwatch_torrent::Family;

/// Most columns of a line: the width of a terminal that was not made wider.
pub(super) const COLUMNS: usize = 80;

/// How far lines that belong to the one above are indented.
const INDENT: usize = 2;

/// The result of a probe.
#[derive(Debug)]
pub(super) struct ProbeReport {
    /// The name of the torrent.
    pub(super) name: String,
    /// Its info-hash of version 1, in hexadecimal digits.
    pub(super) infohash: Option<String>,
    /// Its info-hash of version 2, in hexadecimal digits.
    pub(super) infohash_v2: Option<String>,
    /// What the core decided.
    pub(super) verdict: Verdict,
    /// Why, in one sentence.
    pub(super) sentence: String,
    /// The sources, the worst last.
    pub(super) sources: Vec<SourceRow>,
    /// All sources together.
    pub(super) summary: Summary,
    /// The requests to trackers.
    pub(super) requests: Vec<RequestRow>,
    /// The lookups in the DHT.
    pub(super) lookups: Vec<LookupRow>,
}

impl ProbeReport {
    /// Returns what the core says about a torrent, without sources, requests and lookups.
    pub(super) fn new(view: TorrentView<'_>, summary: Summary) -> Self {
        Self {
            name: view.torrent.name.to_string(),
            infohash: view.torrent.hashes.v1().map(|hash| hash.to_string()),
            infohash_v2: view.torrent.hashes.v2().map(|hash| hash.to_string()),
            verdict: view.verdict,
            sentence: view.verdict.sentence(view),
            sources: Vec::new(),
            summary,
            requests: Vec::new(),
            lookups: Vec::new(),
        }
    }

    /// Returns the report for programs.
    pub(super) fn json(&self) -> serde_json::Value {
        let conditions = self.verdict.conditions.iter();
        serde_json::json!({
            "torrent": self.name,
            "infohash": self.infohash,
            "infohash_v2": self.infohash_v2,
            "state": self.verdict.state.as_label(),
            "conditions": conditions.map(Condition::as_label).collect::<Vec<_>>(),
            "reason": {"code": self.verdict.reason.as_label(), "text": self.sentence},
            "advice": Advice::of(self.verdict).as_label(),
            "sources": self.sources,
            "requests": self.requests,
            "lookups": self.lookups,
            "summary": self.summary,
        })
    }

    /// Returns the report as lines of text.
    pub(super) fn text(&self, style: Style) -> String {
        let mut lines = self.verdict_lines(style);
        lines.push(String::new());
        lines.extend(self.title_lines());
        if !self.sources.is_empty() {
            lines.extend(table::lines(&self.sources, style));
        }
        lines.extend(
            Family::ALL
                .into_iter()
                .filter_map(|of| self.absent_line(of)),
        );
        let mut total = self.summary.to_string();
        total.insert_str(0, "Together: ");
        lines.extend(hanging(&total));
        lines.iter().flat_map(|line| [line, "\n"]).collect()
    }

    /// Returns state, reason and advice.
    fn verdict_lines(&self, style: Style) -> Vec<String> {
        let state = self.verdict.state;
        let label = state.as_label();
        let mut lines = hanging(&format!("{label}: {}", self.sentence));
        if let Some(first) = lines.first_mut() {
            let rest = first.split_off(label.len().min(first.len()));
            *first = style.paint(label, color(state)) + &rest;
        }
        lines.extend(hanging(Advice::of(self.verdict).sentence()));
        lines
    }

    /// Returns the name and the info-hashes, on one line if they fit.
    fn title_lines(&self) -> Vec<String> {
        let name = visible(&self.name);
        // A torrent without a name of its own is called after an info-hash.
        let hashes = self.infohash.iter().chain(&self.infohash_v2);
        let hashes: Vec<&String> = hashes.filter(|hash| **hash != self.name).collect();
        let line = [&name].into_iter().chain(hashes.iter().copied());
        let line = line.cloned().collect::<Vec<_>>().join(" ");
        if width(&line) <= COLUMNS {
            return vec![line];
        }
        let hashes = hashes
            .into_iter()
            .map(|hash| format!("{:INDENT$}{hash}", ""));
        [shorten(&name, COLUMNS)]
            .into_iter()
            .chain(hashes)
            .collect()
    }

    /// Returns one line about the sources that have no address of a family.
    fn absent_line(&self, family: Family) -> Option<String> {
        let is_absent = |row: &&SourceRow| row.result(family) == Some(FamilyResult::NoAddress);
        let is_asked = |row: &&SourceRow| row.result(family).is_some();
        let absent: Vec<&SourceRow> = self.sources.iter().filter(is_absent).collect();
        if absent.is_empty() {
            return None;
        }
        let head = format!("{}: no address to reach at", family.name());
        if absent.len() == self.sources.iter().filter(is_asked).count() {
            return Some(format!("{head} any tracker"));
        }
        let names: Vec<&str> = absent.iter().map(|row| &*row.source).collect();
        // As many names as fit the line.
        let mut line = (1..=names.len()).rev().map(|shown| {
            let listed = names[..shown].join(", ");
            match names.len() - shown {
                0 => format!("{head} {listed}"),
                more => format!("{head} {listed} and {more} more"),
            }
        });
        let fitting = line.find(|line| width(line) <= COLUMNS);
        Some(fitting.unwrap_or_else(|| format!("{head} {}", plural(names.len() as u64, "tracker"))))
    }
}

/// Returns the colour of a state, as a parameter of SGR (ECMA-48, 8.3.117).
const fn color(state: State) -> u8 {
    match state {
        State::Alive => table::GREEN,
        State::Dead => table::RED,
        State::AtRisk | State::Unobserved | State::Pending | State::Private => table::YELLOW,
    }
}

/// Returns a text as lines that are indented from the second on.
fn hanging(text: &str) -> Vec<String> {
    let lines = wrap(&visible(text), COLUMNS - INDENT);
    let indent = |(index, line): (usize, String)| match index {
        0 => line,
        _ => format!("{:INDENT$}{line}", ""),
    };
    lines.into_iter().enumerate().map(indent).collect()
}

#[cfg(test)]
mod tests;
