//! `/badge/collection/NAME.svg` and `/badge/torrent/NAME.svg`: the state in a picture that other
//! pages can show.

use std::fmt;

use askama::Template;

use super::chart::word;
use super::collection;
use super::value::Number;
use crate::web::lookup;
use seedwatch_core::snapshot::Snapshot;
use seedwatch_core::verdict::State;

/// Longest name that a badge shows, in characters.
const MAX_NAME: usize = 30;

/// What a badge is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Subject {
    Torrent,
    Collection,
}

/// A badge: what it is about, and its state.
pub(super) struct Badge {
    name: String,
    state: String,
    /// The colour behind the state. White text on it has a contrast of at least 4.5.
    color: &'static str,
    /// Whether the torrent or collection is known.
    pub(super) is_known: bool,
}

/// What `badge.html` shows. Lengths are in pixels.
#[derive(Template)]
#[template(path = "badge.html")]
struct Drawing<'a> {
    badge: &'a Badge,
    name_width: usize,
    state_width: usize,
}

const BAD: &str = "#b3261e";
const POOR: &str = "#8a5700";
const GOOD: &str = "#116329";
const OTHER: &str = "#57606a";

/// Returns the badge of a torrent or a collection.
pub(super) fn of(snapshot: &Snapshot, subject: Subject, name: &str) -> Badge {
    let found = match subject {
        Subject::Torrent => torrent_state(snapshot, name),
        Subject::Collection => collection_state(snapshot, name),
    };
    let is_known = found.is_some();
    let (state, color) = found.unwrap_or_else(|| ("not watched".to_owned(), OTHER));
    let mut shown: String = name.chars().take(MAX_NAME).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    Badge {
        name: shown,
        state,
        color,
        is_known,
    }
}

fn torrent_state(snapshot: &Snapshot, name: &str) -> Option<(String, &'static str)> {
    let view = snapshot.row(lookup::find(snapshot, name)?)?;
    let state = view.verdict.state;
    Some((word(state).to_owned(), color(state)))
}

/// Returns the numbers of torrents in the most urgent states of a collection.
fn collection_state(snapshot: &Snapshot, name: &str) -> Option<(String, &'static str)> {
    let row = snapshot
        .collections
        .get(collection::find(snapshot, name)?)?;
    let by_state = snapshot.collections_by_state();
    let counts = by_state.get(&*row.name).copied().unwrap_or_default();
    let count = |state: State| counts[state.index()];
    let worst = [
        State::Dead,
        State::AtRisk,
        State::Unobserved,
        State::Pending,
    ];
    let parts: Vec<_> = worst
        .into_iter()
        .filter(|state| count(*state) > 0)
        .map(|state| format!("{} {}", Number::from(count(state)), word(state)))
        .take(2)
        .collect();
    let most_urgent = worst.into_iter().find(|state| count(*state) > 0);
    Some(match most_urgent {
        Some(state) => (parts.join(", "), color(state)),
        None => (format!("{} alive", Number::from(count(State::Alive))), GOOD),
    })
}

const fn color(state: State) -> &'static str {
    match state {
        State::Dead => BAD,
        State::AtRisk | State::Unobserved => POOR,
        State::Alive => GOOD,
        State::Pending | State::Private => OTHER,
    }
}

impl Badge {
    /// Returns the badge as SVG.
    pub(super) fn draw(&self) -> Result<String, fmt::Error> {
        let drawing = Drawing {
            badge: self,
            name_width: width(&self.name),
            state_width: width(&self.state),
        };
        drawing.render().map_err(|_| fmt::Error)
    }
}

/// Returns the width of a text with its padding. Characters outside Latin are wide.
fn width(text: &str) -> usize {
    let character = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ' ' | '\'' => 4,
        'm' | 'w' | 'M' | 'W' | '…' => 10,
        c if c.is_ascii_uppercase() => 8,
        c if u32::from(c) < 0x250 => 7,
        _ => 12,
    };
    text.chars().map(character).sum::<usize>() + 12
}
