//! What each tracker says about a torrent.

use crate::web::pages::trackers::{interval, latency, millis};
use crate::web::pages::value::{Name, Number, OrUnknown, When};
use seedwatch_core::snapshot::{AnnounceRow, ProbeError, Retry, Snapshot, TorrentView};

/// The torrent at one tracker.
pub(super) struct AnnouncedTracker<'a> {
    pub(super) label: Name<'a>,
    /// The outcome of the latest probe in words, and its class in the style sheet.
    pub(super) outcome: (&'static str, &'static str),
    /// Why the latest probe failed.
    pub(super) failure: Option<&'a ProbeError>,
    /// How long the tracker asks to wait, in seconds.
    pub(super) wait: Option<Number>,
    /// The warning of the latest answer.
    pub(super) warning: Option<&'a str>,
    pub(super) peers: OrUnknown<Number>,
    pub(super) seeders: OrUnknown<Number>,
    pub(super) leechers: OrUnknown<Number>,
    pub(super) completed: OrUnknown<Number>,
    /// Empty if the tracker has not said.
    pub(super) interval: String,
    /// When the latest probe of the torrent ended.
    pub(super) last: When,
    /// When the tracker may be asked next, about any torrent.
    pub(super) next: When,
    /// Of the latest answered probe of any torrent; empty if there was none.
    pub(super) latency: String,
}

/// Returns the trackers of a torrent in the order of the configuration.
pub(super) fn rows<'a>(snapshot: &'a Snapshot, view: TorrentView<'a>) -> Vec<AnnouncedTracker<'a>> {
    let announces = view.announces.iter();
    announces.filter_map(|row| shown(snapshot, row)).collect()
}

fn shown<'a>(snapshot: &'a Snapshot, row: &'a AnnounceRow) -> Option<AnnouncedTracker<'a>> {
    let tracker = snapshot.tracker(row.tracker)?;
    let failure = row.failure();
    let wait = failure
        .and_then(|failure| failure.retry)
        .map(Retry::seconds);
    Some(AnnouncedTracker {
        label: Name(&tracker.label),
        outcome: match row.success {
            Some(true) => ("answers", "good"),
            Some(false) => ("fails", "bad"),
            None => ("not asked yet", "other"),
        },
        failure,
        wait: wait.map(Number),
        warning: row.warning(),
        peers: Number::known(row.peers),
        seeders: Number::known(row.seeders),
        leechers: Number::known(row.leechers),
        completed: Number::known(row.completed),
        interval: tracker.interval.map(interval).unwrap_or_default(),
        last: When(snapshot.taken, row.last_probe.get()),
        next: When(snapshot.taken, tracker.next_probe),
        latency: latency(tracker).map(millis).unwrap_or_default(),
    })
}
