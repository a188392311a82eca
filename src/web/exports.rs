//! The same queries as files: torrents, events and trackers in the formats of other programs.
//!
//! | File | Contents |
//! |---|---|
//! | `csv` | torrents for spreadsheets |
//! | `atom` | torrents and events for feed readers |
//! | `lists` | magnet links and trackers, one per line |

pub(super) mod atom;
mod csv;
mod lists;

use std::fmt;

use hyper::header::{CONTENT_DISPOSITION, HeaderMap, HeaderValue};
use seedwatch_exporter::{HttpResponse, PageAborted, PageWriter};

use self::atom::Feed;
use super::State;
use super::answer::{ReadRequest, stream};
use super::api;
use super::events::{EventError, EventQuery, Events};
use super::parameters::{Parameters, QueryError};
use super::query::{Sort, TorrentQuery};
use super::validators;

const CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
const ATOM: HeaderValue = HeaderValue::from_static("application/atom+xml; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const CSV_NAME: HeaderValue = HeaderValue::from_static("attachment; filename=\"torrents.csv\"");

/// A file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    TorrentsJson,
    TorrentsCsv,
    TorrentsAtom,
    Magnets,
    EventsAtom,
    Trackers,
}

impl Endpoint {
    /// Returns the file at a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/torrents.json" => Some(Self::TorrentsJson),
            "/torrents.csv" => Some(Self::TorrentsCsv),
            "/torrents.atom" => Some(Self::TorrentsAtom),
            "/torrents.magnets.txt" => Some(Self::Magnets),
            "/events.atom" => Some(Self::EventsAtom),
            "/trackers.txt" => Some(Self::Trackers),
            _ => None,
        }
    }

    /// Returns the file. Its errors are those of the API.
    pub(super) async fn answer(self, state: &State, request: ReadRequest<'_>) -> HttpResponse {
        let answer = match self {
            Self::TorrentsJson => api::torrents(state, request, Sort::default()).await,
            Self::TorrentsCsv => torrents_csv(state, request).await,
            Self::TorrentsAtom => torrents_atom(state, request).await,
            Self::Magnets => magnets(state, request).await,
            Self::EventsAtom => events_atom(state, request).await,
            Self::Trackers => trackers(state, request).await,
        };
        answer.unwrap_or_else(|why| api::error::bad_query(&why))
    }
}

async fn torrents_csv(state: &State, request: ReadRequest<'_>) -> Result<HttpResponse, QueryError> {
    let query = TorrentQuery::parse(request.query)?;
    let snapshot = state.snapshot.load_full();
    let mut fields = state.generations.version(&snapshot);
    fields.insert(CONTENT_DISPOSITION, CSV_NAME);
    let table = move || {
        let selection = query.select(&snapshot);
        let write = move |sink: &mut PageWriter| {
            csv::write(&snapshot, &selection.indices, sink).map_err(|_| PageAborted)
        };
        (fields, write)
    };
    Ok(stream(state, request, CSV, table).await)
}

async fn magnets(state: &State, request: ReadRequest<'_>) -> Result<HttpResponse, QueryError> {
    let query = TorrentQuery::parse(request.query)?;
    let snapshot = state.snapshot.load_full();
    let fields = state.generations.version(&snapshot);
    let list = move || {
        let selection = query.select(&snapshot);
        let write = move |sink: &mut PageWriter| {
            lists::write_magnets(&snapshot, &selection.indices, sink).map_err(|_| PageAborted)
        };
        (fields, write)
    };
    Ok(stream(state, request, TEXT, list).await)
}

/// Returns the feed of torrents: one page, the latest changes first unless the query says otherwise
/// in `sort`.
async fn torrents_atom(
    state: &State,
    request: ReadRequest<'_>,
) -> Result<HttpResponse, QueryError> {
    let query = TorrentQuery::parse(request.query)?;
    let snapshot = state.snapshot.load_full();
    let address = state.address("torrents.atom");
    let feed = move || {
        let selection = query.or_sort(Sort::LATEST).paged().select(&snapshot);
        atom::torrents(&snapshot, &query, &selection, &address)
    };
    Ok(stream_feed(state, request, feed).await)
}

async fn events_atom(state: &State, request: ReadRequest<'_>) -> Result<HttpResponse, QueryError> {
    let snapshot = state.snapshot.load_full();
    let query = match EventQuery::read(&snapshot, request.query) {
        Ok(query) => query,
        Err(EventError::Query(why)) => return Err(why),
        Err(EventError::NoSuchTorrent) => return Ok(api::error::no_torrent()),
    };
    let (own, address) = (request.query.to_owned(), state.address("events.atom"));
    let feed = move || atom::events(&snapshot, &Events::of(&snapshot, query), &own, &address);
    Ok(stream_feed(state, request, feed).await)
}

/// Streams a feed, whose version is its content.
async fn stream_feed(
    state: &State,
    request: ReadRequest<'_>,
    make: impl FnOnce() -> Result<Feed, fmt::Error> + Send + 'static,
) -> HttpResponse {
    let prepare = move || {
        let feed = make();
        let fields = feed.as_ref().map_or_else(
            |_| HeaderMap::new(),
            |feed| validators::of_content(&feed.xml),
        );
        let write = move |sink: &mut PageWriter| match feed {
            Ok(feed) => write_whole(&feed.xml, sink),
            Err(_) => Err(PageAborted),
        };
        (fields, write)
    };
    stream(state, request, ATOM, prepare).await
}

async fn trackers(state: &State, request: ReadRequest<'_>) -> Result<HttpResponse, QueryError> {
    Parameters::parse(request.query, &[])?;
    let snapshot = state.snapshot.load_full();
    let list = move || {
        let list = lists::trackers(&snapshot);
        let fields = validators::of_content(&list);
        (fields, move |sink: &mut PageWriter| {
            write_whole(&list, sink)
        })
    };
    Ok(stream(state, request, TEXT, list).await)
}

fn write_whole(text: &str, sink: &mut PageWriter) -> Result<(), PageAborted> {
    fmt::Write::write_str(sink, text).map_err(|_| PageAborted)
}
