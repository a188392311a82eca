//! Lists as tables: CSV and TSV with a header (RFC 4180).

use std::borrow::Cow;

use csv::{ReaderBuilder, StringRecord};

use seedwatch_torrent::Magnet;

use crate::draft::{Draft, parse_hash};
use crate::entry::Collector;
use crate::fields::{Fields, IDENTIFYING, Role};
use crate::{ListFailure, MAX_COLUMNS};

/// The characters that may separate columns.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// Returns whether the first line is the header of a table with a column that names torrents.
pub(crate) fn is_header(text: &str, fields: &Fields) -> bool {
    let header = first_record(text);
    header.is_some_and(|header| header.len() > 1 && columns(&header, fields).is_some())
}

/// Returns the first record of a table.
pub(crate) fn first_record(text: &str) -> Option<StringRecord> {
    let mut record = StringRecord::new();
    let read = reader(text).read_record(&mut record);
    read.unwrap_or(false).then_some(record)
}

/// Reads a table. Without a header that names torrents, each cell is taken for what it looks like.
///
/// # Errors
/// The table ends in the middle, or is too large.
pub(crate) fn read(text: &str, fields: &Fields, list: &mut Collector) -> Result<(), ListFailure> {
    let mut reader = reader(text);
    let mut record = StringRecord::new();
    let mut header: Option<Option<Columns>> = None;
    let (mut width, mut last) = (0, None);
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(_) => return Err(ListFailure::NotAList),
        }
        if is_blank(&record) {
            continue;
        }
        let columns = match &header {
            Some(columns) => columns,
            None => {
                width = record.len();
                let columns = columns(&record, fields);
                let is_header = columns.is_some();
                let columns = header.insert(columns);
                if is_header {
                    continue;
                }
                &*columns
            }
        };
        let before = list.unusable();
        list.push(match columns {
            Some(columns) => by_column(&record, columns),
            None => by_content(&record),
        })?;
        last = Some(Last {
            is_unusable: list.unusable() > before,
            is_narrow: record.len() < width,
            has_newline: record
                .iter()
                .next_back()
                .is_some_and(|cell| cell.contains('\n')),
        });
    }
    // A table without any info-hash is another kind of table, not one that was cut.
    let has_hashes = list.has_entries() || header.flatten().is_some();
    match has_hashes && last.is_some_and(|last| last.is_cut(text)) {
        true => Err(ListFailure::Truncated),
        false => Ok(()),
    }
}

/// What the last record of a table looks like.
struct Last {
    is_unusable: bool,
    is_narrow: bool,
    has_newline: bool,
}

impl Last {
    /// Returns whether the table ends within this record: the line does not end, and the record is
    /// not whole; or a quoted cell goes on to the end of the text.
    fn is_cut(&self, text: &str) -> bool {
        let ends_within_quotes = || text.bytes().filter(|b| *b == b'"').count() % 2 == 1;
        (!text.ends_with('\n') && (self.is_unusable || self.is_narrow))
            || (self.has_newline && ends_within_quotes())
    }
}

/// The columns of a table that hold something.
type Columns = Vec<(usize, Role, u8)>;

fn reader(text: &str) -> csv::Reader<&[u8]> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .delimiter(delimiter(text))
        .from_reader(text.as_bytes())
}

/// Returns the separator that the first line has most of.
fn delimiter(text: &str) -> u8 {
    let mut lines = text.lines();
    let first = lines.find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let first = first.unwrap_or_default();
    let count = |delimiter: u8| first.bytes().filter(|b| *b == delimiter).count();
    let most = DELIMITERS.into_iter().rev().max_by_key(|it| count(*it));
    most.unwrap_or(b',')
}

/// Returns the columns that a header names, or `None` if none of them names torrents.
fn columns(header: &StringRecord, fields: &Fields) -> Option<Columns> {
    let named = header.iter().take(MAX_COLUMNS).enumerate();
    let named = named.filter_map(|(n, cell)| {
        let (role, rank) = fields.role(cell.trim())?;
        Some((n, role, rank))
    });
    let columns: Columns = named.collect();
    let names_torrents = |(_, role, _): &(usize, Role, u8)| IDENTIFYING.contains(role);
    columns.iter().any(names_torrents).then_some(columns)
}

fn is_blank(record: &StringRecord) -> bool {
    record.iter().all(|cell| cell.trim().is_empty())
}

fn by_column<'a>(record: &'a StringRecord, columns: &Columns) -> Draft<'a> {
    let mut draft = Draft::default();
    for (n, role, rank) in columns {
        if let Some(cell) = record.get(*n) {
            draft.offer(*role, *rank, Cow::Borrowed(cell));
        }
    }
    draft
}

fn by_content(record: &StringRecord) -> Draft<'_> {
    let mut draft = Draft::default();
    for cell in record.iter().take(MAX_COLUMNS) {
        let role = if Magnet::is_magnet(cell) {
            Role::Magnet
        } else if parse_hash(cell).is_ok() {
            Role::InfoHash
        } else if cell.trim().bytes().all(|b| b.is_ascii_digit()) || cell.contains("://") {
            continue;
        } else {
            Role::Name
        };
        draft.offer(role, 0, Cow::Borrowed(cell));
    }
    draft
}
