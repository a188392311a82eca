//! `/torrents/NAME`: one torrent.

mod magnets;
mod sources;
mod trackers;

use std::fmt;

use askama::Template;

use self::magnets::Magnets;
use self::sources::{DhtFacts, SourceRow};
use self::trackers::AnnouncedTracker;
use super::chart::Chart;
use super::countries::{CountryBars, bars};
use super::events::{ShownEvent, of_torrent};
use super::layout::{Address, Layout, Section, Site};
use super::row::ShownState;
use super::torrents::condition_text;
use super::value::{ByteSize, Name, Number, OrUnknown, When};
use crate::web::feeds::file::path_of;
use crate::web::lookup::segment;
use seedwatch_core::snapshot::{Privacy, Snapshot, TorrentView};

/// Events that are shown.
const EVENTS: usize = 20;

/// What `torrent.html` shows.
#[derive(Template)]
#[template(path = "torrent.html")]
struct TorrentPage<'a> {
    layout: Layout<'a>,
    name: Name<'a>,
    state: ShownState,
    since: When,
    conditions: Vec<&'static str>,
    facts: Facts<'a>,
    sources: Vec<SourceRow>,
    chart: Option<Chart>,
    trackers: Vec<AnnouncedTracker<'a>>,
    dht: Option<DhtFacts>,
    countries: CountryBars,
    magnets: Option<Magnets>,
    events: Vec<ShownEvent<'a>>,
    /// The number of all its events.
    all_events: Number,
}

/// What the configuration and its files say about a torrent.
struct Facts<'a> {
    infohash: Option<String>,
    infohash_v2: Option<String>,
    collection: Option<Name<'a>>,
    labels: Vec<(&'a str, &'a str)>,
    size: OrUnknown<ByteSize>,
    privacy: &'static str,
    last_peer_seen: When,
    web_seeds: Vec<String>,
    /// The path of its torrent file without the first slash, if there is one.
    file: Option<String>,
    /// The last segment of its address in the API and of its badge, and the query of its events.
    segment: String,
}

/// Writes the page of the torrent at an index.
pub(super) fn write(
    snapshot: &Snapshot,
    site: &Site,
    index: usize,
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let view = snapshot.row(index).ok_or(fmt::Error)?;
    let name = &*view.torrent.name;
    let address = Address::below(Section::Torrents, name);
    let hash = view.torrent.hashes.wire().next();
    let (events, all_events) = of_torrent(snapshot, hash, EVENTS);
    let conditions = view.verdict.conditions.iter();
    let empty = snapshot.empty_breakdown();
    let breakdown = Snapshot::breakdown(view, &empty).filter(|_| snapshot.config.countries);
    let countries = breakdown.map(|breakdown| &*breakdown.countries);
    let countries = countries.unwrap_or_default().iter();
    let page = TorrentPage {
        layout: Layout::of(snapshot, site, address, name),
        name: Name(name),
        state: ShownState::of(view),
        since: When(snapshot.taken, view.verdict.since.get()),
        conditions: conditions.map(condition_text).collect(),
        facts: facts(snapshot, view),
        sources: sources::rows(snapshot, view),
        chart: Chart::of_torrent(snapshot, view),
        trackers: trackers::rows(snapshot, view),
        dht: DhtFacts::of(snapshot, view),
        countries: bars(countries.map(|row| (row.country, row.peers))),
        magnets: Magnets::of(snapshot, view),
        events,
        all_events,
    };
    page.render_into(to).map_err(|_| fmt::Error)
}

fn facts<'a>(snapshot: &Snapshot, view: TorrentView<'a>) -> Facts<'a> {
    let torrent = view.torrent;
    let labels = torrent.labels().iter();
    let web_seeds = torrent.web_seeds().iter();
    Facts {
        infohash: torrent.hashes.v1().map(|hash| hash.to_string()),
        infohash_v2: torrent.hashes.v2().map(|hash| hash.to_string()),
        collection: torrent.collection().map(|name| Name(name)),
        labels: labels.map(|(name, value)| (&**name, &**value)).collect(),
        size: OrUnknown(torrent.size.map(|size| ByteSize(size.get()))),
        privacy: match torrent.privacy {
            Privacy::Public => "public",
            Privacy::Consented => "private, probed with consent",
            Privacy::LeftAlone => "private, not probed",
        },
        last_peer_seen: When(snapshot.taken, view.last_peer_seen.get()),
        web_seeds: web_seeds.map(ToString::to_string).collect(),
        file: path_of(torrent),
        segment: segment(torrent),
    }
}
