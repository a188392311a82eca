//! The table of trackers with failures or warnings.

use std::cmp::Reverse;
use std::fmt::{self, Write};

use super::html::{Escaped, MAX_ROWS, Table};
use seedwatch_core::snapshot::{FailureReason, Remark, Retry, Snapshot, TrackerRow};

const DAY: u64 = 24 * 3600;

/// Returns how many trackers are up over at least one family, down, and unknown.
pub(super) fn health(snapshot: &Snapshot) -> [usize; 3] {
    let mut counts = [0; 3];
    for row in snapshot.trackers.iter().flatten() {
        counts[match row.up {
            up if up.contains(&Some(true)) => 0,
            up if up.contains(&Some(false)) => 1,
            _ => 2,
        }] += 1;
    }
    counts
}

/// Writes the trackers with failures since the start, warnings or rate limits. Trackers that are
/// down come first, then those with the most failures.
pub(super) fn write(snapshot: &Snapshot, to: &mut impl Write) -> fmt::Result {
    let failures = |row: &TrackerRow| row.failures.iter().sum::<u64>();
    let is_down = |row: &TrackerRow| row.up.contains(&Some(false));
    let all = snapshot.trackers.iter().flatten().map(|row| &**row);
    let mut listed: Vec<&TrackerRow> = all
        .filter(|row| is_down(row) || failures(row) > 0 || row.remark.is_some())
        .collect();
    listed.sort_unstable_by_key(|row| (Reverse((is_down(row), failures(row))), &*row.label));
    let columns = [
        "Tracker",
        "IPv4",
        "IPv6",
        "Requests",
        "Failures",
        "Most often",
        "Certificate",
        "What it says",
    ];
    let table = Table::begin(
        to,
        "trackers",
        "Trackers with failures or warnings",
        &columns,
    )?;
    for row in listed.iter().take(MAX_ROWS) {
        write!(to, "<tr><th scope=\"row\">{}</th>", Escaped(&row.label))?;
        for up in row.up {
            to.write_str(match up {
                Some(true) => "<td class=\"good\">up</td>",
                Some(false) => "<td class=\"bad\">down</td>",
                None => "<td></td>",
            })?;
        }
        let worst = FailureReason::ALL
            .into_iter()
            .filter(|reason| row.failures[reason.index()] > 0)
            .max_by_key(|reason| row.failures[reason.index()]);
        write!(
            to,
            "<td>{}</td><td>{}</td><td>{}</td><td>",
            row.requests,
            failures(row),
            worst.map(FailureReason::as_label).unwrap_or_default(),
        )?;
        match row.certificate_expiry.map(|end| end.0) {
            None => {}
            Some(end) if end <= snapshot.taken.0 => to.write_str("expired")?,
            Some(end) => write!(to, "{} days left", (end - snapshot.taken.0) / DAY)?,
        }
        to.write_str("</td><td>")?;
        write_remark(row, to)?;
        to.write_str("</td></tr>\n")?;
    }
    let rows = listed.len().min(MAX_ROWS);
    table.end(to, rows, listed.len() - rows, "./api/v1/torrents")
}

/// Writes the tracker's warning, isolated because it may be written from right to left, or its rate
/// limit.
fn write_remark(row: &TrackerRow, to: &mut impl Write) -> fmt::Result {
    match row.remark.as_deref() {
        None => Ok(()),
        Some(Remark::Warning(text)) => write!(to, "<bdi>{}</bdi>", Escaped(text)),
        Some(Remark::Failed(failed)) => {
            write!(to, "{}", Escaped(failed.to_string()))?;
            match failed.retry {
                Some(Retry::After(wait)) => write!(to, ", asks to wait {} s", wait.as_secs()),
                Some(Retry::Never) | None => Ok(()),
            }
        }
    }
}
