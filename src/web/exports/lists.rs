//! Plain lists, one entry per line: magnet links, and trackers that work.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use seedwatch_core::magnet;
use seedwatch_core::snapshot::{Privacy, Snapshot, TrackerRow};
use seedwatch_torrent::TrackerUrl;

/// Writes the repaired magnet links of torrents. Private torrents have none.
pub(super) fn write_magnets(
    snapshot: &Snapshot,
    indices: &[usize],
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let rows = indices.iter().filter_map(|index| snapshot.row(*index));
    for repaired in rows.filter_map(|view| magnet::repaired(snapshot, view)) {
        writeln!(to, "{}", repaired.magnet)?;
    }
    Ok(())
}

/// Returns the announce URLs of trackers that answer and are used by a public torrent, the best
/// first: those with valid answers about the most torrents, then those whose probes fail least.
/// A URL of which a part may be a passkey is left out.
pub(super) fn trackers(snapshot: &Snapshot) -> String {
    let mut answered: Vec<u32> = vec![0; snapshot.trackers.len()];
    for view in snapshot.rows() {
        let is_public = view.torrent.privacy == Privacy::Public;
        let valid = view
            .announces
            .iter()
            .filter(|row| row.success == Some(true));
        for announce in valid.filter(|_| is_public) {
            if let Some(count) = answered.get_mut(announce.tracker.0 as usize) {
                *count += 1;
            }
        }
    }
    let urls = public_urls(snapshot);
    let rows = snapshot.trackers.iter().zip(answered);
    let rows = rows.filter_map(|(row, answered)| Some((row.as_deref()?, answered)));
    let working = rows.filter(|(row, answered)| row.up.contains(&Some(true)) && *answered > 0);
    let mut best: Vec<_> = working
        .filter_map(|(row, answered)| {
            let url = urls.get(&*row.label)?;
            Some(((Reverse(answered), failed_per_mille(row), &*row.label), url))
        })
        .collect();
    best.sort_unstable();
    best.iter().map(|(_, url)| format!("{url}\n")).collect()
}

/// Returns the announce URL of each tracker of a public torrent by its label, the shortest if there
/// are several.
fn public_urls(snapshot: &Snapshot) -> HashMap<String, String> {
    // Torrents share their URLs, so few of them are read.
    let mut seen: HashSet<*const TrackerUrl> = HashSet::new();
    let mut urls: HashMap<String, String> = HashMap::new();
    let torrents = snapshot.torrents.iter();
    let public = torrents.filter(|torrent| torrent.privacy == Privacy::Public);
    for url in public.flat_map(|torrent| torrent.trackers.iter()) {
        if !seen.insert(Arc::as_ptr(url)) {
            continue;
        }
        let Some(public) = url.public_url() else {
            continue;
        };
        let known = urls.entry(url.label()).or_insert_with(|| public.clone());
        if (public.len(), &public) < (known.len(), &*known) {
            *known = public;
        }
    }
    urls
}

/// Returns how many of a thousand probes fail.
fn failed_per_mille(row: &TrackerRow) -> u64 {
    let failed: u64 = row.failures.iter().sum();
    failed.saturating_mul(1000) / row.probes.max(1)
}
