//! Torrent lists as files and web servers have them: bytes → entries, or why not. Pure.
//!
//! | Module | Contents |
//! |---|---|
//! | `text` | bytes as text: byte order marks, UTF-16, Latin-1 |
//! | `detect` | the format of a text; web pages and walls that came instead of a list |
//! | `lines`, `table`, `json`, `feed` | the formats |
//! | `fields` | which field of an entry holds what |
//! | `draft` | one entry while it is read: its info-hash in any of the forms found in practice |
//! | `entry` | entries, and those that cannot be used |
//! | `failure`, `explain` | why a list as a whole cannot be used |
//! | `guard` | whether a new list is believed, and when the next fetch is due |
//! | `saved` | the last good copy as bytes |
//! | `url` | the URL of a list, whose display hides passkeys |
//!
//! # Examples
//!
//! ```
//! use seedwatch_lists::{ListFailure, ListFormat, SkipReason, parse};
//!
//! let list = "name,infohash\n\
//!             Debian,1bd088ee9166a062cf4af09cf99720fa6e1a3133\n\
//!             Damaged,1bd088ee\n";
//! let list = parse(list.as_bytes(), &ListFormat::default(), None)?;
//! assert_eq!(list.entries[0].name.as_deref(), Some("Debian"));
//! assert_eq!(list.skipped.of(SkipReason::BadHash), 1);
//!
//! let page = parse(b"<!doctype html><p>Not found", &ListFormat::default(), None);
//! assert_eq!(page, Err(ListFailure::Html));
//! # Ok::<(), ListFailure>(())
//! ```

mod detect;
mod draft;
mod entry;
mod explain;
mod failure;
mod feed;
mod fields;
mod guard;
mod json;
mod lines;
mod saved;
mod table;
mod text;
mod url;

pub use detect::is_bot_wall;
pub use entry::{Entry, ParsedList, SkipReason, Skipped, UrlTexts};
pub use explain::explain;
pub use failure::ListFailure;
pub use fields::{Fields, Role};
pub use guard::{Decision, Fetched, Guard, Validators};
pub use json::ItemPath;
pub use saved::{DecodeError, SavedList};
pub use url::{ListUrl, ListUrlError};

use entry::Collector;

/// Most bytes of a list, before and after decompression.
pub const MAX_BYTES: usize = 64 << 20;

/// Most entries of a list, those that cannot be used included.
pub const MAX_ENTRIES: usize = 250_000;

/// Deepest nesting of a JSON document or a feed.
pub const MAX_DEPTH: usize = 64;

/// Most columns of a table that are read.
pub const MAX_COLUMNS: usize = 1024;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Told by the content.
    #[default]
    Auto,
    /// One magnet link or info-hash per line.
    Lines,
    /// A table with a header, separated by commas, tabs, semicolons or bars.
    Csv,
    /// A list in a JSON document.
    Json,
    /// RSS 2.0, Atom or Torznab.
    Rss,
}

/// How a list is written, and where its parts are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFormat {
    /// The format.
    pub format: Format,
    /// The names of the fields.
    pub fields: Fields,
    /// Where the list is in a JSON document.
    pub items: Option<ItemPath>,
}

/// Reads a list. `charset` is the encoding that the server stated.
///
/// # Errors
/// Why the list as a whole cannot be used. A single entry that cannot be used is counted instead.
pub fn parse(
    bytes: &[u8],
    format: &ListFormat,
    charset: Option<&str>,
) -> Result<ParsedList, ListFailure> {
    if bytes.len() > MAX_BYTES {
        return Err(ListFailure::TooLarge);
    }
    let text = text::decode(bytes, charset)?;
    if text.trim().is_empty() {
        return Err(ListFailure::Empty);
    }
    if let Some(page) = detect::web_page(&text) {
        return Err(page);
    }
    if detect::is_markup(&text) && !matches!(format.format, Format::Auto | Format::Rss) {
        return Err(ListFailure::NotAList);
    }
    let fields = &format.fields;
    let mut list = Collector::default();
    let kind = match format.format {
        Format::Auto => detect::format(&text, fields),
        kind => kind,
    };
    match kind {
        Format::Lines | Format::Auto => lines::read(&text, &mut list)?,
        Format::Csv => table::read(&text, fields, &mut list)?,
        Format::Json => json::read(&text, format.items.as_ref(), fields, &mut list)?,
        Format::Rss => feed::read(&text, fields, &mut list)?,
    }
    list.finish()
}

#[cfg(test)]
mod tests;
