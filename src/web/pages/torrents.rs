//! `/torrents`: the torrents that a query selects.

use std::fmt;

use askama::Template;

use super::chart::word;
use super::layout::{Address, Layout, Section, Site};
use super::paging::Paging;
use super::row::Rows;
use super::todo::choices;
use super::value::Name;
use crate::web::query::{Filter, Sort, SortKey, TorrentQuery};
use seedwatch_core::snapshot::Snapshot;
use seedwatch_core::verdict::{Condition, State};

/// What `torrents.html` shows.
#[derive(Template)]
#[template(path = "torrents.html")]
struct Torrents<'a> {
    layout: Layout<'a>,
    paging: Paging,
    rows: Rows<'a>,
    wanted: &'a Filter,
    states: Vec<Choice>,
    conditions: Vec<Choice>,
    orders: Vec<Choice>,
    collections: Vec<Name<'a>>,
    heads: Heads,
    /// The query of the same torrents as files.
    query: String,
}

/// An option of a form.
struct Choice {
    value: String,
    text: &'static str,
    is_chosen: bool,
}

/// The heads of columns by which one can sort.
struct Heads {
    name: Head,
    state: Head,
    peers: Head,
}

/// The head of a column.
struct Head {
    /// The value of `aria-sort`, if the table is sorted by the column.
    sorted: Option<&'static str>,
    link: String,
}

/// Writes the page.
pub(super) fn write(
    snapshot: &Snapshot,
    site: &Site,
    query: &TorrentQuery,
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let found = query.select(snapshot);
    let address = Address::of(Section::Torrents);
    let search = query
        .filter
        .q
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut layout = Layout::of(snapshot, site, address, "torrents");
    layout.search = &search;
    let unpaged = TorrentQuery {
        page: None,
        ..query.clone()
    };
    let mut others = unpaged.to_query();
    if !others.is_empty() {
        others.push('&');
    }
    let page = Torrents {
        paging: Paging::of(
            found.page,
            found.total,
            query.limit.unwrap_or(TorrentQuery::PAGE_SIZE),
            others,
        ),
        rows: Rows::of(snapshot, found.indices, layout.root),
        wanted: &query.filter,
        states: states(query),
        conditions: conditions(query),
        orders: orders(query),
        collections: choices(snapshot),
        heads: Heads {
            name: head(query, SortKey::Name),
            state: head(query, SortKey::Urgency),
            peers: head(query, SortKey::Peers),
        },
        query: TorrentQuery {
            limit: None,
            ..unpaged
        }
        .link(""),
        layout,
    };
    page.render_into(to).map_err(|_| fmt::Error)
}

fn states(query: &TorrentQuery) -> Vec<Choice> {
    let choice = |state: State| Choice {
        value: state.as_label().to_owned(),
        text: word(state),
        is_chosen: query.filter.state == Some(state),
    };
    State::ALL.into_iter().map(choice).collect()
}

fn conditions(query: &TorrentQuery) -> Vec<Choice> {
    let choice = |condition: Condition| Choice {
        value: condition.as_label().to_owned(),
        text: condition_text(condition),
        is_chosen: query.filter.condition == Some(condition),
    };
    Condition::ALL.into_iter().map(choice).collect()
}

/// Returns a condition as people read it.
pub(super) const fn condition_text(condition: Condition) -> &'static str {
    match condition {
        Condition::NoTracker => "no tracker answers",
        Condition::NoSeeder => "no seeder for a day",
        Condition::FewPeers => "few peers for a day",
        Condition::OneNetwork => "all peers in one network",
    }
}

fn orders(query: &TorrentQuery) -> Vec<Choice> {
    let orders = [
        (SortKey::Urgency, false, "worst first"),
        (SortKey::Peers, false, "fewest peers first"),
        (SortKey::Peers, true, "most peers first"),
        (SortKey::Seeders, false, "fewest seeders first"),
        (SortKey::Size, true, "largest first"),
        (SortKey::Since, true, "latest change first"),
        (SortKey::Name, false, "by name"),
    ];
    let chosen = query.sort.unwrap_or_default();
    let choice = |(key, reversed, text)| {
        let sort = Sort { key, reversed };
        Choice {
            value: sort.to_string(),
            text,
            is_chosen: sort == chosen,
        }
    };
    let mut choices: Vec<_> = orders.into_iter().map(choice).collect();
    if !choices.iter().any(|choice| choice.is_chosen) {
        // The form must not change an order that only a link can ask for.
        choices.push(Choice {
            value: chosen.to_string(),
            text: "as now",
            is_chosen: true,
        });
    }
    choices
}

/// Returns the head of a column. Its link reverses the order if the table is sorted by it.
fn head(query: &TorrentQuery, key: SortKey) -> Head {
    let now = query.sort.unwrap_or_default();
    let is_sorted = now.key == key;
    let reversed = is_sorted && !now.reversed;
    Head {
        sorted: is_sorted.then_some(if now.reversed {
            "descending"
        } else {
            "ascending"
        }),
        link: query.sorted(Some(Sort { key, reversed })).link(""),
    }
}
