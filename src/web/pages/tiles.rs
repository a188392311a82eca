//! Tiles: numbers that lead to what they count.

use super::chart::{class, word};
use super::urgency::ByUrgency;
use super::value::Number;
use crate::web::query::TorrentQuery;
use seedwatch_core::verdict::State;

/// A tile.
pub(super) struct Tile {
    /// The class in the style sheet.
    pub(super) class: &'static str,
    pub(super) value: String,
    pub(super) text: String,
    pub(super) link: String,
}

/// Returns the tiles of torrents by state. Those of states that every installation has are always
/// there. `root` leads to `/`; `query` selects the torrents that are counted.
pub(super) fn by_state(counts: &ByUrgency, root: &str, query: &TorrentQuery) -> Vec<Tile> {
    let shown = State::ALL.into_iter().filter(|state| {
        counts.count(*state) > 0 || !matches!(state, State::Pending | State::Private)
    });
    let tile = |state: State| {
        let count = counts.count(state);
        let query = query.filtered(|filter| filter.state = Some(state));
        Tile {
            class: if count > 0 { class(state) } else { "other" },
            value: Number::from(count).to_string(),
            text: word(state).to_owned(),
            link: query.link(&format!("{root}torrents")),
        }
    };
    shown.map(tile).collect()
}
