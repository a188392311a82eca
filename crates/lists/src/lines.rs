//! Lists with one torrent per line: a magnet link, or an info-hash with an optional name.

use crate::ListFailure;
use crate::draft::Draft;
use crate::entry::Collector;

/// Reads a list. Empty lines, and lines that begin with `#`, are comments.
///
/// # Errors
/// The list ends in the middle of a line, or is too large.
pub(crate) fn read(text: &str, list: &mut Collector) -> Result<(), ListFailure> {
    let mut unusable = 0;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        unusable = list.unusable();
        let mut draft = Draft::default();
        draft.offer_line(line);
        list.push(draft)?;
    }
    // A last line without an end that is no torrent was cut, unless no line is a torrent.
    let is_cut = !text.is_empty() && !text.ends_with('\n') && text.lines().nth(1).is_some();
    match is_cut && list.unusable() > unusable && list.has_entries() {
        true => Err(ListFailure::Truncated),
        false => Ok(()),
    }
}
