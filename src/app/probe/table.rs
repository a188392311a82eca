//! The table of sources: aligned columns, at most 80 of them.

use std::io::IsTerminal;
use std::time::Duration;

use super::fit::{shorten, visible, width, wrap};
use super::report::COLUMNS;
use super::rows::{FamilyResult, SourceRow};
use seedwatch_torrent::Family;

/// Red, as a parameter of SGR (ECMA-48, 8.3.117).
pub(super) const RED: u8 = 31;
/// Green.
pub(super) const GREEN: u8 = 32;
/// Yellow.
pub(super) const YELLOW: u8 = 33;
/// Bold.
const BOLD: u8 = 1;

/// The title of the last column.
const DETAILS: &str = "DETAILS";

/// Columns between two cells.
const GAP: usize = 2;

/// How far details below their row are indented.
const INDENT: usize = 4;

/// Whether the text is in colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    is_colored: bool,
}

impl Style {
    /// Text without colour.
    pub(super) const PLAIN: Self = Self { is_colored: false };
    /// Text in colour.
    #[cfg(test)]
    pub(super) const COLORED: Self = Self { is_colored: true };

    /// Returns the style for an output: colour on terminals only, unless the user wants none
    /// (`NO_COLOR`) or the terminal cannot (`TERM=dumb`).
    pub(super) fn of(output: &impl IsTerminal) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            is_colored: output.is_terminal() && !is_set("NO_COLOR") && !is_dumb,
        }
    }

    /// Returns a text in a colour.
    pub(super) fn paint(self, text: &str, color: u8) -> String {
        match self.is_colored {
            true => format!("\x1b[{color}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// A cell of the table.
#[derive(Debug)]
struct Cell {
    text: String,
    color: Option<u8>,
}

/// Returns the lines of the table, the header first. A family that no source has is left out.
pub(super) fn lines(sources: &[SourceRow], style: Style) -> Vec<String> {
    let families: Vec<Family> = Family::ALL.into_iter().filter(is_used(sources)).collect();
    let header = families.iter().map(|family| family.name());
    let header = ["SOURCE"].into_iter().chain(header);
    let header: Vec<&str> = header.chain(["PEERS", "SEEDERS", "TIME"]).collect();
    let rows = sources.iter().map(|row| cells(row, &families));
    let rows: Vec<Vec<Cell>> = rows.collect();
    let widths = widths(&header, &rows);
    let mut lines = Vec::new();
    let mut head: Vec<Cell> = header
        .into_iter()
        .map(|text| cell(text, Some(BOLD)))
        .collect();
    let used = widths.iter().sum::<usize>() + GAP * (widths.len() - 1);
    let has_details = sources.iter().any(|row| !row.notes.is_empty());
    if has_details && used + GAP + width(DETAILS) <= COLUMNS {
        head.push(cell(DETAILS, Some(BOLD)));
    }
    lines.push(line(&head, &widths, style));
    for (row, source) in rows.iter().zip(sources) {
        let mut text = line(row, &widths, style);
        let details = visible(&source.notes.join("; "));
        if !details.is_empty() && used + GAP + width(&details) <= COLUMNS {
            text.push_str(&format!("{:GAP$}{details}", ""));
            lines.push(text);
            continue;
        }
        lines.push(text);
        // Details that do not fit stand below their row, each note on lines of its own.
        for note in &source.notes {
            let note = wrap(&visible(note), COLUMNS - INDENT);
            lines.extend(note.iter().map(|line| format!("{:INDENT$}{line}", "")));
        }
    }
    lines
}

/// Returns whether a source was asked over a family and has an address of it.
fn is_used(sources: &[SourceRow]) -> impl Fn(&Family) -> bool {
    |family| {
        let mut results = sources.iter().filter_map(|row| row.result(*family));
        results.any(|result| result != FamilyResult::NoAddress)
    }
}

/// Returns the cells of a row, without its details.
fn cells(row: &SourceRow, families: &[Family]) -> Vec<Cell> {
    let mut cells = vec![cell(&visible(&row.source), None)];
    cells.extend(families.iter().map(|family| match row.result(*family) {
        Some(FamilyResult::Answer) => cell("ok", Some(GREEN)),
        Some(FamilyResult::Failure) => cell("fail", Some(RED)),
        Some(FamilyResult::NoAddress) | None => cell("-", None),
    }));
    let counts = [row.peers, row.seeders].into_iter();
    let number = |count: Option<u32>| count.map_or("-".to_owned(), |count| count.to_string());
    cells.extend(counts.map(|count| cell(&number(count), None)));
    cells.push(cell(&row.time.map_or("-".to_owned(), duration), None));
    cells
}

fn cell(text: &str, color: Option<u8>) -> Cell {
    let text = text.to_owned();
    Cell { text, color }
}

/// Returns a duration that takes at most eight columns, up to a day.
fn duration(time: Duration) -> String {
    match time.as_millis() {
        0 => "<1 ms".to_owned(),
        milliseconds @ 1..10_000 => format!("{milliseconds} ms"),
        _ => format!("{} s", time.as_secs()),
    }
}

/// Returns the width of each column but the last, the details. The source gets what is left.
fn widths(header: &[&str], rows: &[Vec<Cell>]) -> Vec<usize> {
    let of_column = |(column, title): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| width(&cell.text)).max();
        widest.unwrap_or(0).max(width(title))
    };
    let mut widths: Vec<usize> = header.iter().enumerate().map(of_column).collect();
    let others: usize = widths[1..].iter().map(|width| width + GAP).sum();
    widths[0] = widths[0].min(COLUMNS.saturating_sub(others));
    widths
}

/// Returns one line of the table: the source and the families to the left, numbers to the right.
fn line(cells: &[Cell], widths: &[usize], style: Style) -> String {
    let mut line = String::new();
    for (column, cell) in cells.iter().enumerate() {
        let room = widths.get(column).copied();
        let text = shorten(&cell.text, room.unwrap_or(COLUMNS));
        let padding = room.map_or(0, |room| room.saturating_sub(width(&text)));
        let is_number = room.is_some() && column + 3 >= widths.len();
        let (before, after) = if is_number {
            (padding, 0)
        } else {
            (0, padding)
        };
        let text = cell
            .color
            .map_or(text.clone(), |color| style.paint(&text, color));
        let gap = if column == 0 { 0 } else { GAP };
        let (before, after) = (gap + before, after);
        line.push_str(&format!("{:before$}{text}{:after$}", "", ""));
    }
    line.truncate(line.trim_end().len());
    line
}
