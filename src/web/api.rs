//! `/api/v1`: the snapshot as JSON, with the free texts that must not become labels.
//!
//! An unknown value is `null`. Countries are `null` if `metrics.countries` is off. The JSON holds
//! no peer address and no passkey: trackers are named by their label, and the prober removes
//! secrets from the texts of failures.
//!
//! | File | Contents |
//! |---|---|
//! | `torrents`, `collections`, `trackers`, `lists`, `countries`, `causes` | the answers |
//! | `paging` | parts of lists |
//! | `values` | values that several answers have |
//! | `error` | why a request is not answered |

mod causes;
mod collections;
pub(super) mod countries;
pub(super) mod error;
mod lists;
mod paging;
mod torrents;
mod trackers;
mod values;

use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use seedwatch_exporter::HttpResponse;
use seedwatch_exporter::response::text;

use self::causes::Causes;
use self::collections::{Collections, collection};
use self::countries::Countries;
use self::lists::Lists;
use self::paging::PageQuery;
use self::torrents::TorrentList;
pub(super) use self::torrents::privacy;
use self::trackers::Trackers;
use super::State;
use super::answer::{JSON, ReadRequest, json, stream_json};
use super::events::{EventError, EventQuery, Events};
use super::parameters::{Parameters, QueryError};
use super::query::{Sort, TorrentQuery};
use super::route::name_below;

/// What the paths of the API begin with.
pub(super) const ROOT: &str = "/api/";

const TORRENTS: &str = "/api/v1/torrents";
const COLLECTIONS: &str = "/api/v1/collections";
const EVENTS: &str = "/api/v1/events";
const TRACKERS: &str = "/api/v1/trackers";
const LISTS: &str = "/api/v1/lists";
const COUNTRIES: &str = "/api/v1/countries";
/// The document that describes the API.
const OPENAPI: &str = "/api/v1/openapi.json";
const CAUSES: &str = "/api/v1/causes";

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    Torrents,
    Torrent(String),
    Collections,
    Collection(String),
    Trackers,
    Tracker(String),
    Lists,
    Countries,
    Events,
    Causes,
    OpenApi,
}

impl Endpoint {
    /// Returns the endpoint at a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            TORRENTS => Some(Self::Torrents),
            COLLECTIONS => Some(Self::Collections),
            EVENTS => Some(Self::Events),
            TRACKERS => Some(Self::Trackers),
            LISTS => Some(Self::Lists),
            COUNTRIES => Some(Self::Countries),
            CAUSES => Some(Self::Causes),
            OPENAPI => Some(Self::OpenApi),
            _ => name_below(TORRENTS, path)
                .map(Self::Torrent)
                .or_else(|| name_below(COLLECTIONS, path).map(Self::Collection))
                .or_else(|| name_below(TRACKERS, path).map(Self::Tracker)),
        }
    }

    /// Answers a request; its errors are JSON, too.
    pub(super) async fn answer(&self, state: &State, request: ReadRequest<'_>) -> HttpResponse {
        let answer = match self {
            Self::Torrents => torrents(state, request, Sort::NAME).await,
            Self::Events => events(state, request.query),
            Self::Collections | Self::Trackers => self.list(state, request).await,
            _ => match Parameters::parse(request.query, &[]) {
                Ok(_) => Ok(self.answer_without_query(state, request).await),
                Err(error) => Err(error),
            },
        };
        answer.unwrap_or_else(|why| error::bad_query(&why))
    }

    async fn answer_without_query(&self, state: &State, request: ReadRequest<'_>) -> HttpResponse {
        let snapshot = state.snapshot.load_full();
        match self {
            Self::Torrent(name) => {
                let no_peers = snapshot.empty_breakdown();
                let found = torrents::torrent(&snapshot, &no_peers, name);
                found.map_or_else(error::no_torrent, |found| json(&found))
            }
            Self::Collection(name) => {
                let found = collection(&snapshot, name);
                found.map_or_else(error::no_collection, |found| json(&found))
            }
            Self::Tracker(name) => {
                let found = trackers::tracker(&snapshot, name);
                found.map_or_else(error::no_tracker, |found| json(&found))
            }
            Self::Countries => {
                let fields = state.generations.version(&snapshot);
                stream_json(state, request, move || (fields, Countries(snapshot))).await
            }
            Self::Lists => json(&Lists::of(&snapshot)),
            Self::Causes => json(&Causes::of(&snapshot)),
            Self::OpenApi => openapi(),
            Self::Torrents | Self::Events | Self::Collections | Self::Trackers => {
                error::not_found("no such endpoint")
            }
        }
    }

    /// Answers with a list, or with a page of it.
    async fn list(
        &self,
        state: &State,
        request: ReadRequest<'_>,
    ) -> Result<HttpResponse, QueryError> {
        let query = PageQuery::parse(request.query)?;
        let snapshot = state.snapshot.load_full();
        let is_trackers = *self == Self::Trackers;
        let total = match is_trackers {
            true => Trackers::total(&snapshot),
            false => snapshot.collections.len(),
        };
        let page = query.of(total, &state.link_to(request.path));
        let mut fields = state.generations.version(&snapshot);
        page.add_links(&mut fields);
        Ok(match is_trackers {
            true => stream_json(state, request, move || (fields, Trackers(snapshot, page))).await,
            false => {
                stream_json(state, request, move || {
                    (fields, Collections(snapshot, page))
                })
                .await
            }
        })
    }
}

/// Returns the torrents that a query selects. `sort` is the order, unless the query names one.
pub(super) async fn torrents(
    state: &State,
    request: ReadRequest<'_>,
    sort: Sort,
) -> Result<HttpResponse, QueryError> {
    let query = TorrentQuery::parse(request.query)?;
    let snapshot = state.snapshot.load_full();
    let base = state.link_to(request.path);
    let mut fields = state.generations.version(&snapshot);
    let list = move || {
        let list = TorrentList::of(snapshot, &query.or_sort(sort), &query, &base);
        list.add_links(&mut fields);
        (fields, list)
    };
    Ok(stream_json(state, request, list).await)
}

fn events(state: &State, query: &str) -> Result<HttpResponse, QueryError> {
    let snapshot = state.snapshot.load();
    match EventQuery::read(&snapshot, query) {
        Ok(query) => Ok(json(&Events::of(&snapshot, query))),
        Err(EventError::Query(why)) => Err(why),
        Err(EventError::NoSuchTorrent) => Ok(error::no_torrent()),
    }
}

/// Returns the document that describes the API.
fn openapi() -> HttpResponse {
    let mut answer = text(StatusCode::OK, include_str!("openapi.json"));
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}
