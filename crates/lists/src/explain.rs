//! What exactly is wrong with a list that cannot be used, as a sentence for the user.

use serde::de::IgnoredAny;

use crate::fields::{Fields, IDENTIFYING};
use crate::{Format, ListFailure, ListFormat, detect, table, text};

/// Most columns that are named.
const MAX_NAMED: usize = 20;

/// Longest column that is named, in characters.
const MAX_COLUMN: usize = 40;

/// Most digits of a column that is named: a passkey has more.
const MAX_DIGITS: usize = 8;

/// Returns what is wrong with a list that [`parse`](crate::parse) refused, if more is known than
/// the failure. The sentence has no passkey: of the list it holds names of columns only.
pub fn explain(
    bytes: &[u8],
    format: &ListFormat,
    charset: Option<&str>,
    failure: ListFailure,
) -> Option<String> {
    if !matches!(failure, ListFailure::NotAList | ListFailure::NoHashes) {
        return None;
    }
    let text = text::decode(bytes, charset).ok()?;
    let written = detect::format(&text, &format.fields);
    match (written, format.format) {
        (Format::Rss, Format::Lines | Format::Csv | Format::Json) => {
            Some("XML: set `format` to rss or auto".to_owned())
        }
        (Format::Json, Format::Lines | Format::Csv | Format::Rss) => {
            Some("JSON: set `format` to json or auto".to_owned())
        }
        (Format::Json, _) if failure == ListFailure::NotAList => Some(json(&text, format)),
        (Format::Lines | Format::Csv, Format::Auto | Format::Csv) => columns(&text, &format.fields),
        _ => None,
    }
}

fn json(text: &str, format: &ListFormat) -> String {
    match (serde_json::from_str::<IgnoredAny>(text), &format.items) {
        (Err(error), _) => format!(
            "no valid JSON at line {}, column {}",
            error.line(),
            error.column()
        ),
        (Ok(_), None) => "no list at the top level; set `items`".to_owned(),
        (Ok(_), Some(items)) => format!("no list at `items`: {items}"),
    }
}

/// Returns the columns of a table without info-hashes, and those that would name them. Returns
/// `None` if the text has one column.
fn columns(text: &str, fields: &Fields) -> Option<String> {
    let header = table::first_record(text)?;
    if header.len() < 2 {
        return None;
    }
    let mut found: Vec<&str> = header.iter().take(MAX_NAMED).map(printable).collect();
    if header.len() > MAX_NAMED {
        found.push("...");
    }
    let known = fields.names().iter();
    let known = known.filter(|name| IDENTIFYING.contains(&name.role));
    let known: Vec<String> = known.map(|name| name.path.join(".")).collect();
    Some(format!(
        "no column has info-hashes: found {}; known are {}; set `fields`",
        found.join(", "),
        known.join(", ")
    ))
}

/// Returns the name of a column, or `?` for a text that may be something else: a table without a
/// header begins with an entry, whose link may have a passkey.
fn printable(cell: &str) -> &str {
    let cell = cell.trim();
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '(' | ')');
    let digits = cell.bytes().filter(u8::is_ascii_digit).count();
    let is_name = !cell.is_empty()
        && cell.chars().nth(MAX_COLUMN).is_none()
        && digits <= MAX_DIGITS
        && cell.chars().all(is_plain);
    if is_name { cell } else { "?" }
}
