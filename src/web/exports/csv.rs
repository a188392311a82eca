//! Torrents as CSV (RFC 4180), for spreadsheets.
//!
//! A spreadsheet takes a cell for a formula that begins with `=`, `+`, `-`, `@`, a tab or a
//! carriage return; some also for one in full width. Names come from strangers, so such a text has an apostrophe in front, which
//! spreadsheets hide.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU64;

use crate::web::api;
use crate::web::timestamp::Timestamp;
use seedwatch_core::snapshot::{Count, GeoBreakdown, Snapshot, TorrentView, UnixOption32, Window};
use seedwatch_core::verdict::{Advice, Condition};

/// What makes a spreadsheet take a text for a formula.
const FORMULA: [char; 11] = [
    '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
];

/// A torrent, and where its peers are.
struct Row<'a> {
    view: TorrentView<'a>,
    breakdown: Option<&'a GeoBreakdown>,
}

/// A value. What is unknown is an empty cell.
enum Cell<'a> {
    Text(Cow<'a, str>),
    Number(Option<u64>),
    Time(UnixOption32),
}

/// The name of a column, and its value.
type Column = (&'static str, for<'a> fn(&Row<'a>) -> Cell<'a>);

/// The columns. They are named like the fields of `/api/v1/torrents`.
const COLUMNS: [Column; 25] = [
    ("name", |row| text(&row.view.torrent.name)),
    ("state", |row| text(row.view.verdict.state.as_label())),
    ("state_since", |row| Cell::Time(row.view.verdict.since)),
    ("conditions", |row| {
        let conditions = row.view.verdict.conditions.iter();
        let labels: Vec<_> = conditions.map(Condition::as_label).collect();
        Cell::Text(labels.join(" ").into())
    }),
    ("reason", |row| text(row.view.verdict.reason.as_label())),
    ("advice", |row| {
        text(Advice::of(row.view.verdict).as_label())
    }),
    ("infohash", |row| {
        let hash = row.view.torrent.hashes.v1();
        optional(hash.map(|hash| hash.to_string()))
    }),
    ("infohash_v2", |row| {
        let hash = row.view.torrent.hashes.v2();
        optional(hash.map(|hash| hash.to_string()))
    }),
    ("privacy", |row| {
        text(api::privacy(row.view.torrent.privacy))
    }),
    ("collection", |row| {
        text(row.view.torrent.collection().map_or("", |name| &**name))
    }),
    ("size_bytes", |row| {
        Cell::Number(row.view.torrent.size.map(NonZeroU64::get))
    }),
    ("peers_ipv4", |row| number(row.view.peers[0])),
    ("peers_ipv6", |row| number(row.view.peers[1])),
    ("unique_peers_1d", |row| unique(row, Window::Day)),
    ("unique_peers_7d", |row| unique(row, Window::Week)),
    ("unique_peers_30d", |row| unique(row, Window::Month)),
    ("prefixes", |row| {
        Cell::Number(row.breakdown.map(|breakdown| breakdown.prefixes.into()))
    }),
    ("autonomous_systems", |row| {
        let systems = row.breakdown.and_then(|breakdown| breakdown.systems);
        Cell::Number(systems.map(|systems| systems.distinct.into()))
    }),
    ("seeders", |row| number(row.view.seeders)),
    ("leechers", |row| number(row.view.leechers)),
    ("dht_seeders", |row| number(row.view.dht_seeders)),
    ("dht_leechers", |row| number(row.view.dht_leechers)),
    ("trackers", |row| {
        Cell::Number(Some(row.view.torrent.trackers.len() as u64))
    }),
    ("trackers_online", |row| number(row.view.trackers_online)),
    ("last_peer_seen", |row| Cell::Time(row.view.last_peer_seen)),
];

fn text(text: &str) -> Cell<'_> {
    Cell::Text(Cow::Borrowed(text))
}

fn optional(text: Option<String>) -> Cell<'static> {
    Cell::Text(text.unwrap_or_default().into())
}

fn number(count: Count) -> Cell<'static> {
    Cell::Number(count.get().map(u64::from))
}

fn unique(row: &Row<'_>, window: Window) -> Cell<'static> {
    number(row.view.unique(row.view.windows)[window.index()])
}

/// Writes a line with the names of the columns, and one per torrent. Times are in UTC (RFC 3339).
pub(super) fn write(
    snapshot: &Snapshot,
    indices: &[usize],
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let empty = snapshot.empty_breakdown();
    for (position, (name, _)) in COLUMNS.iter().enumerate() {
        let comma = if position == 0 { "" } else { "," };
        write!(to, "{comma}{name}")?;
    }
    to.write_str("\r\n")?;
    for view in indices.iter().filter_map(|index| snapshot.row(*index)) {
        let row = Row {
            view,
            breakdown: Snapshot::breakdown(view, &empty),
        };
        for (position, (_, cell)) in COLUMNS.iter().enumerate() {
            if position > 0 {
                to.write_char(',')?;
            }
            cell(&row).write(to)?;
        }
        to.write_str("\r\n")?;
    }
    Ok(())
}

impl Cell<'_> {
    fn write(&self, to: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::Number(None) => Ok(()),
            Self::Number(Some(number)) => write!(to, "{number}"),
            Self::Time(at) => at
                .get()
                .map_or(Ok(()), |at| write!(to, "{}", Timestamp(at))),
            Self::Text(text) => write_text(text, to),
        }
    }
}

fn write_text(text: &str, to: &mut impl fmt::Write) -> fmt::Result {
    let apostrophe = if text.starts_with(FORMULA) { "'" } else { "" };
    if !text.contains(['"', ',', '\r', '\n']) {
        return write!(to, "{apostrophe}{text}");
    }
    write!(to, "\"{apostrophe}")?;
    for (position, part) in text.split('"').enumerate() {
        let quote = if position == 0 { "" } else { "\"\"" };
        write!(to, "{quote}{part}")?;
    }
    to.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::sample;

    fn written(text: &str) -> String {
        let mut cell = String::new();
        write_text(text, &mut cell).unwrap();
        cell
    }

    #[test]
    fn cells_are_quoted_where_they_must_be_and_no_text_is_a_formula() {
        for (text, expected) in [
            ("plain; text", "plain; text"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"a\"", "\"say \"\"a\"\"\""),
            ("\"", "\"\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            (
                "=HYPERLINK(\"a\",\"b\")",
                "\"'=HYPERLINK(\"\"a\"\",\"\"b\"\")\"",
            ),
            ("＝1+1", "'＝1+1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠SUM(A1)", "'＠SUM(A1)"),
            ("\n=1", "\"'\n=1\""),
            ("a=1", "a=1"),
            ("ａ＝1", "ａ＝1"),
            ("日本", "日本"),
        ] {
            assert_eq!(written(text), expected);
        }
    }

    #[test]
    fn every_torrent_is_a_line_of_values() {
        let snapshot = sample::snapshot();
        let mut table = String::new();
        write(&snapshot, &[0, 1, 2], &mut table).unwrap();
        let name = "\"a \"\"quoted\"\" \\ name\nof two lines\"";
        let hash = "0f".repeat(20);
        let v2 = "c4".repeat(32);
        let since = "2026-09-21T14:05:00Z";
        let seen = "2026-09-21T14:14:50Z";
        let alive = format!(
            "{name},alive,{since},one_network,peers_named,nothing,{hash},{v2},public,census,\
             4700000000,40,2,61,240,700,38,12,30,9,12,6,2,1,{seen}\r\n"
        );
        let (head, rows) = table.split_once("\r\n").unwrap();
        assert_eq!(head.split(',').count(), COLUMNS.len());
        assert!(rows.starts_with(&alive), "{rows}");
        let new = rows.lines().last().unwrap();
        let v2 = "ab".repeat(32);
        let expected = format!("new,pending,,,unasked,wait,,{v2},public,,,,,,,,,,,,,,1,,");
        assert_eq!(new, expected);
    }
}
