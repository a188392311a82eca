//! `/events`: the latest changes of state.

use std::fmt;

use askama::Template;

use super::changes::{kind_of, words};
use super::chart::{class, word};
use super::layout::{Address, Layout, Section, Site};
use super::paging::{Paging, page_of};
use super::problem::Problem;
use super::value::{Name, Number, When};
use crate::web::events::{Readable, find, resolve};
use crate::web::lookup::segment;
use crate::web::parameters::Parameters;
use seedwatch_core::events::StateEvent;
use seedwatch_core::snapshot::{ChangeKind, Snapshot};
use seedwatch_torrent::InfoHash;

/// Events per page.
const PER_PAGE: usize = 100;

/// The keys of a query.
const KEYS: &[&str] = &["torrent", "change", "page"];

/// Which events to show.
#[derive(Debug)]
pub(super) struct Query {
    /// The name or info-hash of the torrent, as it was given, and its identity.
    torrent: Option<(String, InfoHash)>,
    /// The only kind of change.
    change: Option<ChangeKind>,
    page: usize,
}

impl Query {
    /// Reads a query string.
    pub(super) fn parse(snapshot: &Snapshot, query: &str) -> Result<Self, Problem> {
        let parameters = Parameters::parse(query, KEYS)?;
        let torrent = parameters
            .filled("torrent")
            .map(|text| -> Result<_, Problem> {
                let hash = find(snapshot, text).ok_or(Problem::NoEvents)?;
                Ok((text.to_owned(), hash))
            });
        Ok(Self {
            torrent: torrent.transpose()?,
            change: parameters.filled("change").map(kind_of).transpose()?,
            page: page_of(&parameters)?,
        })
    }
}

/// What `events.html` shows.
#[derive(Template)]
#[template(path = "events.html")]
struct Events<'a> {
    layout: Layout<'a>,
    /// The torrent whose events are shown.
    torrent: Option<Name<'a>>,
    /// What happened to the torrents that are shown, if it is one kind of change.
    change: Option<&'static str>,
    /// The query of the same events as a feed, if they are those of one torrent.
    feed: Option<String>,
    paging: Paging,
    shown: Vec<ShownEvent<'a>>,
}

/// The row of an event.
pub(super) struct ShownEvent<'a> {
    /// `None` if the torrent is not configured any more.
    pub(super) torrent: Option<Name<'a>>,
    /// The last segment of the link to its page; empty without one.
    pub(super) link: String,
    pub(super) infohash: String,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    /// The class of the new state in the style sheet.
    pub(super) class: &'static str,
    /// The reason as a sentence.
    pub(super) reason: &'static str,
    pub(super) at: When,
}

/// Writes the page.
pub(super) fn write(
    snapshot: &Snapshot,
    site: &Site,
    query: &Query,
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let of = query.torrent.as_ref();
    let shown_to_readers = Readable::of(snapshot);
    let wanted = || {
        let latest = snapshot.events.latest(snapshot.taken);
        let latest = latest.filter(|event| shown_to_readers.has(event));
        let latest = latest.filter(move |event| of.is_none_or(|(_, hash)| *hash == event.torrent));
        latest.filter(|event| {
            let kind = ChangeKind::of(event.from, event.to);
            query.change.is_none_or(|wanted| wanted == kind)
        })
    };
    let feed = of.map(|(name, _)| format!("torrent={}", Name(name).segment()));
    let change = query.change.and_then(words);
    let mut others = feed
        .iter()
        .map(|feed| format!("{feed}&"))
        .collect::<String>();
    if let Some(words) = &change {
        others.push_str(&format!("change={}&", words.label));
    }
    let total = wanted().count();
    let paging = Paging::of(query.page, total, PER_PAGE, others);
    let range = paging.range();
    let page: Vec<_> = wanted()
        .skip(range.start)
        .take(range.len())
        .copied()
        .collect();
    let page = Events {
        layout: Layout::of(snapshot, site, Address::of(Section::Events), "events"),
        torrent: of.map(|(name, _)| Name(name)),
        change: change.map(|words| words.verb),
        feed: feed.filter(|_| query.change.is_none()),
        shown: shown(snapshot, &page),
        paging,
    };
    page.render_into(to).map_err(|_| fmt::Error)
}

/// Returns the rows of events.
pub(super) fn shown<'a>(snapshot: &'a Snapshot, events: &[StateEvent]) -> Vec<ShownEvent<'a>> {
    let resolved = resolve(snapshot, events).into_iter();
    let row = |(view, event): (crate::web::events::EventView<'a>, &StateEvent)| ShownEvent {
        torrent: view.torrent.map(Name),
        link: (view.configured).map(segment).unwrap_or_default(),
        infohash: view.infohash,
        from: word(event.from),
        to: word(event.to),
        class: class(event.to),
        reason: view.sentence,
        at: When(snapshot.taken, event.at.get()),
    };
    resolved.zip(events).map(row).collect()
}

/// Returns the latest events of a torrent: at most so many, and the number of all.
pub(super) fn of_torrent<'a>(
    snapshot: &'a Snapshot,
    torrent: Option<InfoHash>,
    most: usize,
) -> (Vec<ShownEvent<'a>>, Number) {
    let latest = snapshot.events.latest(snapshot.taken);
    let own: Vec<_> = latest
        .filter(|event| Some(event.torrent) == torrent)
        .collect();
    let first: Vec<_> = own.iter().take(most).map(|event| **event).collect();
    (shown(snapshot, &first), own.len().into())
}
