//! `/`: what needs doing.

use std::fmt;

use askama::Template;

use super::changes::{Change, since_yesterday};
use super::layout::{Address, Layout, Section, Site};
use super::row::Rows;
use super::tiles::{Tile, by_state};
use super::trackers::TrackerCounts;
use super::urgency::ByUrgency;
use super::value::{Name, Number};
use crate::web::query::TorrentQuery;
use seedwatch_core::snapshot::{Cause, Snapshot};
use seedwatch_core::verdict::{Condition, Reason, State};

/// Torrents that are shown.
pub(super) const WORST: usize = 50;

/// Causes that are shown.
const CAUSES: usize = 10;

/// Most collections that one can choose from in a list.
pub(super) const CHOICES: usize = 50;

/// What `todo.html` shows.
#[derive(Template)]
#[template(path = "todo.html")]
struct Todo<'a> {
    layout: Layout<'a>,
    total: Number,
    /// The torrents of which nothing is known yet.
    pending: Pending,
    tiles: Vec<Tile>,
    causes: Vec<ShownCause<'a>>,
    more_causes: usize,
    lists: Lists<'a>,
    changes: Vec<Change<'a>>,
    needy: Number,
    rows: Rows<'a>,
    collections: Vec<Name<'a>>,
}

/// A cause, with the torrents that suffer from it.
struct ShownCause<'a> {
    text: String,
    /// What the tracker says; may be empty.
    message: &'a str,
    /// The query of its torrents; `None` if the cause concerns all.
    query: Option<String>,
}

/// Writes the page.
pub(super) fn write(snapshot: &Snapshot, site: &Site, to: &mut impl fmt::Write) -> fmt::Result {
    let counts = ByUrgency::of(snapshot, snapshot.rows().enumerate(), WORST);
    let total = counts.total();
    let title = format!("{} of {total} torrents dead", counts.count(State::Dead));
    let address = Address::of(Section::Todo);
    let layout = Layout::of(snapshot, site, address, title);
    let mut tiles = by_state(&counts, layout.root, &TorrentQuery::default());
    tiles.extend([trackers(snapshot), network(snapshot)]);
    let page = Todo {
        total: total.into(),
        pending: Pending::of(snapshot, &counts),
        tiles,
        causes: snapshot
            .causes
            .iter()
            .take(CAUSES)
            .map(shown_cause)
            .collect(),
        more_causes: snapshot.causes.len().saturating_sub(CAUSES),
        lists: Lists::of(snapshot),
        changes: since_yesterday(snapshot),
        needy: counts.needy().into(),
        rows: Rows::of(snapshot, counts.worst(), layout.root),
        collections: choices(snapshot),
        layout,
    };
    page.render_into(to).map_err(|_| fmt::Error)
}

/// Returns the collections that one can choose from; none if there are too many for a list.
pub(super) fn choices(snapshot: &Snapshot) -> Vec<Name<'_>> {
    match snapshot.collections.len() {
        0..=CHOICES => snapshot
            .collections
            .iter()
            .map(|row| Name(&row.name))
            .collect(),
        _ => Vec::new(),
    }
}

/// The torrents of which nothing is known yet, by why.
struct Pending {
    all: Number,
    /// Whether they are more than half of those that may be asked about.
    are_most: bool,
    /// Of these, not every source was asked.
    unasked: Number,
    /// Sources were asked about these, and all that answered say that there is no peer.
    empty: Number,
    /// Sources were asked about these, and no answer could be used.
    unanswered: Number,
}

impl Pending {
    fn of(snapshot: &Snapshot, counts: &ByUrgency) -> Self {
        let (mut unasked, mut empty, mut unanswered) = (0u32, 0u32, 0u32);
        let verdicts = snapshot.rows().map(|view| view.verdict);
        for verdict in verdicts.filter(|verdict| verdict.state == State::Pending) {
            *match verdict.reason {
                Reason::Unasked => &mut unasked,
                Reason::EmptyRecently | Reason::EmptyInPart => &mut empty,
                _ => &mut unanswered,
            } += 1;
        }
        let all = counts.count(State::Pending);
        let asked = counts.total() - counts.count(State::Private);
        Self {
            all: all.into(),
            are_most: all * 2 > asked,
            unasked: unasked.into(),
            empty: empty.into(),
            unanswered: unanswered.into(),
        }
    }
}

/// The lists of torrents, as far as they are of interest.
struct Lists<'a> {
    all: Number,
    unread: Number,
    /// Some that cannot be fetched, of which an older copy is in use.
    copied: Vec<Name<'a>>,
    /// Some that cannot be fetched, of which there is no copy.
    lost: Vec<Name<'a>>,
}

impl<'a> Lists<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let rows = snapshot.lists.iter();
        let down = |has_copy: bool| {
            let rows = rows.clone().filter(|row| row.is_up == Some(false));
            let rows = rows.filter(move |row| row.entries.is_some() == has_copy);
            rows.take(CAUSES).map(|row| Name(&row.name)).collect()
        };
        let unread = rows.clone().filter(|row| row.is_up.is_none());
        Self {
            all: rows.len().into(),
            unread: unread.count().into(),
            copied: down(true),
            lost: down(false),
        }
    }
}

fn shown_cause(cause: &Cause) -> ShownCause<'_> {
    let query = match cause {
        Cause::TrackerDown { tracker, .. } => {
            let query = TorrentQuery::default().filtered(|filter| {
                filter.tracker = Some(tracker.to_string());
                filter.condition = Some(Condition::NoTracker);
            });
            Some(query.to_query())
        }
        Cause::TrackerRefuses { tracker, .. } => {
            let query = TorrentQuery::default().filtered(|filter| {
                filter.tracker = Some(tracker.to_string());
            });
            Some(query.to_query())
        }
        Cause::Outage | Cause::FamilyLost(_) | Cause::ResolverDown | Cause::DhtSilent => None,
    };
    ShownCause {
        text: cause.sentence(),
        message: cause.message().unwrap_or_default(),
        query,
    }
}

fn trackers(snapshot: &Snapshot) -> Tile {
    let counts = TrackerCounts::of(snapshot);
    let class = match (counts.down, counts.up) {
        // No tracker was asked yet, or there is none.
        (0, 0) => "other",
        (0, _) => "good",
        (_, _) => "bad",
    };
    Tile {
        class,
        value: Number::from(counts.down).to_string(),
        text: format!("trackers down of {}", Number::from(counts.total())),
        link: "./trackers".to_owned(),
    }
}

fn network(snapshot: &Snapshot) -> Tile {
    let up = snapshot.network_up;
    let (class, value) = match (up.contains(&Some(true)), up.contains(&Some(false))) {
        (true, false) => ("good", "up"),
        (true, true) => ("poor", "up in part"),
        (false, true) => ("bad", "down"),
        (false, false) => ("other", "?"),
    };
    let dht = snapshot.dht.as_ref().map(|dht| {
        let mut families = dht.families.iter().flatten();
        let up = families.clone().any(|family| family.up == Some(true));
        match up {
            true => "up",
            false if families.any(|family| family.up == Some(false)) => "down",
            false => "not known yet",
        }
    });
    Tile {
        class,
        value: value.to_owned(),
        text: format!("own network, DHT {}", dht.unwrap_or("off")),
        link: "./about".to_owned(),
    }
}
