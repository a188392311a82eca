//! Torrents and events as Atom feeds (RFC 4287).
//!
//! Ids stay the same: a torrent is known by its info-hash, and its entry is updated when its state
//! changes. Private torrents have no entry, because feeds are passed on and an id is all that it
//! takes to join a swarm. Texts hold no numbers that change with every snapshot, so a feed is the same until a
//! state changes.

use std::fmt::{self, Write as _};

use crate::web::escape::Xml;
use crate::web::events::{EventView, Events};
use crate::web::links::{self, urn};
use crate::web::query::{Selection, TorrentQuery};
use crate::web::timestamp::Timestamp;
use seedwatch_core::magnet;
use seedwatch_core::snapshot::{Privacy, Snapshot, Torrent, TorrentView, Unix};
use seedwatch_core::verdict::{Advice, Condition};

/// What the ids begin with that no address gives (RFC 4151).
const TAG: &str = "tag:seedwatch,2026:";

/// The type that RSS readers of torrent clients take for a torrent.
const TORRENT: &str = "application/x-bittorrent";

/// A feed that is written.
pub(super) struct Feed {
    pub(super) xml: String,
}

/// Where a feed stands, and what it links to.
pub(in crate::web) struct Address {
    /// What local paths without their first slash are appended to.
    pub(in crate::web) root: String,
    /// The path of the feed without its first slash.
    pub(in crate::web) path: &'static str,
    /// Whether the root is absolute.
    pub(in crate::web) is_absolute: bool,
}

impl Address {
    /// Returns the link to a local path without its first slash.
    fn link(&self, path: impl fmt::Display) -> String {
        format!("{}{path}", self.root)
    }

    /// Returns the id of the feed of a query.
    fn id(&self, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        match self.is_absolute {
            true => format!("{}{mark}{query}", self.link(self.path)),
            false => format!("{TAG}{}{mark}{query}", self.path),
        }
    }
}

/// Returns the feed of the public torrents that a query selects. Torrents that were not judged yet
/// have no time of a change, and no entry.
pub(super) fn torrents(
    snapshot: &Snapshot,
    query: &TorrentQuery,
    selection: &Selection,
    address: &Address,
) -> Result<Feed, fmt::Error> {
    let rows = selection.indices.iter();
    let rows = rows.filter_map(|index| snapshot.row(*index));
    let rows = rows.filter(|view| view.torrent.privacy == Privacy::Public);
    let rows = rows.filter_map(|view| Some((view.verdict.since.get()?, view)));
    let rows: Vec<_> = rows.collect();
    let own = query.to_query();
    let mut feed = Feed::begin(
        "seedwatch: torrents",
        &address.id(&own),
        &query.link(&address.link(address.path)),
        rows.iter().map(|(since, _)| *since).max(),
        snapshot,
    )?;
    let [before, next] = selection.neighbours();
    for (relation, page) in [("previous", before), ("next", next)] {
        if let Some(page) = page {
            let link = query.at_page(page).link(&address.link(address.path));
            feed.link(relation, &link)?;
        }
    }
    for (since, view) in rows {
        feed.torrent(snapshot, since, view, address)?;
    }
    feed.end()
}

/// Returns the feed of events. Those without a time have no entry, nor have those of a torrent that
/// is not configured any more: it may have been private.
pub(super) fn events(
    snapshot: &Snapshot,
    events: &Events<'_>,
    query: &str,
    address: &Address,
) -> Result<Feed, fmt::Error> {
    let rows = events.events.iter();
    let rows = rows.filter_map(|event| {
        let torrent = event.configured?;
        let is_public = torrent.privacy == Privacy::Public;
        let at = event.at.filter(|_| is_public)?;
        Some((at, torrent, event))
    });
    let rows: Vec<_> = rows.collect();
    let mark = if query.is_empty() { "" } else { "?" };
    let mut feed = Feed::begin(
        "seedwatch: events",
        &address.id(query),
        &address.link(format_args!("{}{mark}{query}", address.path)),
        rows.iter().map(|(at, ..)| Unix(*at)).max(),
        snapshot,
    )?;
    for (at, torrent, event) in rows {
        let page = torrent_page(torrent, address);
        feed.event(Unix(at), torrent, event, &page)?;
    }
    feed.end()
}

impl Feed {
    /// Begins a feed. Without entries it was updated when the configuration was loaded.
    fn begin(
        title: &str,
        id: &str,
        link: &str,
        updated: Option<Unix>,
        snapshot: &Snapshot,
    ) -> Result<Self, fmt::Error> {
        let updated = updated.unwrap_or(snapshot.config.last_reload_success);
        let mut feed = Self {
            xml: String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"),
        };
        let xml = &mut feed.xml;
        writeln!(
            xml,
            "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"en\">"
        )?;
        writeln!(xml, "<title>{}</title>", Xml(title))?;
        writeln!(xml, "<id>{}</id>", Xml(id))?;
        writeln!(xml, "<updated>{}</updated>", Timestamp(updated))?;
        writeln!(xml, "<author><name>seedwatch</name></author>")?;
        feed.link("self", link)?;
        Ok(feed)
    }

    fn end(mut self) -> Result<Self, fmt::Error> {
        self.xml.push_str("</feed>\n");
        Ok(self)
    }

    fn link(&mut self, relation: &str, to: &str) -> fmt::Result {
        writeln!(self.xml, "<link rel=\"{relation}\" href=\"{}\"/>", Xml(to))
    }

    fn torrent(
        &mut self,
        snapshot: &Snapshot,
        since: Unix,
        view: TorrentView<'_>,
        address: &Address,
    ) -> fmt::Result {
        let verdict = view.verdict;
        let state = words(verdict.state.as_label());
        let title = format!("{}: {state}", view.torrent.name);
        let conditions: Vec<_> = verdict.conditions.iter().map(Condition::as_label).collect();
        self.begin_entry(&urn(&view.torrent.hashes), &title, since)?;
        self.link("alternate", &torrent_page(view.torrent, address))?;
        if let Some(repaired) = magnet::repaired(snapshot, view) {
            let link = Xml(&repaired.magnet);
            writeln!(
                self.xml,
                "<link rel=\"enclosure\" type=\"{TORRENT}\" href=\"{link}\"/>"
            )?;
        }
        for term in [verdict.state.as_label()].iter().chain(&conditions) {
            writeln!(self.xml, "<category term=\"{}\"/>", Xml(term))?;
        }
        let reason = verdict.reason.sentence();
        let advice = Advice::of(verdict).sentence();
        let summary = format!("{reason} {advice}");
        self.end_entry(summary.trim_end())
    }

    fn event(
        &mut self,
        at: Unix,
        torrent: &Torrent,
        event: &EventView<'_>,
        page: &str,
    ) -> fmt::Result {
        let (from, to) = (words(event.from), words(event.to));
        let (name, label) = (&torrent.name, event.to);
        let hash = &event.infohash;
        let id = format!("{TAG}event:{hash}:{}:{label}", at.0);
        self.begin_entry(&id, &format!("{name}: {to}"), at)?;
        self.link("alternate", page)?;
        writeln!(self.xml, "<category term=\"{}\"/>", Xml(label))?;
        let reason = event.sentence;
        self.end_entry(&format!("It was {from} and is {to} now. {reason}"))
    }

    fn begin_entry(&mut self, id: &str, title: &str, updated: Unix) -> fmt::Result {
        writeln!(self.xml, "<entry>")?;
        writeln!(self.xml, "<id>{}</id>", Xml(id))?;
        writeln!(self.xml, "<title>{}</title>", Xml(title))?;
        writeln!(self.xml, "<updated>{}</updated>", Timestamp(updated))
    }

    fn end_entry(&mut self, summary: &str) -> fmt::Result {
        writeln!(self.xml, "<summary>{}</summary>", Xml(summary))?;
        writeln!(self.xml, "</entry>")
    }
}

fn torrent_page(torrent: &Torrent, address: &Address) -> String {
    address.link(links::torrent_page(torrent))
}

/// Returns a label as words.
fn words(label: &str) -> String {
    label.replace('_', " ")
}
