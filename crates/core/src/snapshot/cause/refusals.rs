//! Trackers that refuse torrents: they are up, so that nothing else tells of them.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::Cause;
use crate::snapshot::{Block, Privacy, Snapshot, TrackerRow};

/// Most different messages of one tracker that are counted. Some name each torrent.
const MAX_MESSAGES: usize = 64;

/// What one tracker refuses.
#[derive(Debug, Default)]
struct Refused<'a> {
    torrents: u32,
    messages: HashMap<&'a str, u32>,
}

impl<'a> Refused<'a> {
    fn add(&mut self, message: &'a str) {
        self.torrents += 1;
        if self.messages.len() < MAX_MESSAGES || self.messages.contains_key(message) {
            *self.messages.entry(message).or_default() += 1;
        }
    }

    /// Returns the most frequent message, the first by name of several.
    fn message(&self) -> &'a str {
        let messages = self.messages.iter();
        let most = messages.max_by_key(|(message, count)| (**count, Reverse(**message)));
        most.map_or("", |(message, _)| message)
    }
}

/// Returns the trackers that refuse public torrents, those first that refuse most. One that is down
/// is told of as such.
pub(super) fn of(snapshot: &Snapshot) -> Vec<Cause> {
    let mut refused: HashMap<u32, Refused<'_>> = HashMap::new();
    let blocks = snapshot.blocks.iter().enumerate();
    let blocks = blocks.filter(|(_, block)| block.has_refusals());
    let torrents = blocks.flat_map(|(number, _)| number * Block::SIZE..(number + 1) * Block::SIZE);
    let views = torrents.filter_map(|index| snapshot.row(index));
    for view in views.filter(|view| view.torrent.privacy == Privacy::Public) {
        for announce in view.announces {
            if let Some(refusal) = announce.refusal() {
                let tracker = refused.entry(announce.tracker.0).or_default();
                tracker.add(&refusal.text);
            }
        }
    }
    let rows = refused.into_iter().filter_map(|(id, refused)| {
        let row: &TrackerRow = snapshot.trackers.get(id as usize)?.as_deref()?;
        (!row.is_down()).then_some((Reverse(refused.torrents), &*row.label, refused.message()))
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable();
    let causes = rows.into_iter().take(Cause::MAX);
    causes
        .map(
            |(Reverse(torrents), tracker, message)| Cause::TrackerRefuses {
                tracker: tracker.into(),
                torrents,
                message: message.into(),
            },
        )
        .collect()
}
