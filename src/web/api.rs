//! `/api/v1`: the snapshot as JSON, with the free texts that must not become labels.
//!
//! An unknown value is `null`. Countries are `null` if `metrics.countries` is off. The JSON holds
//! no peer address and no passkey: trackers are named by their label, and the prober removes
//! secrets from the texts of failures.
//!
//! | File | Contents |
//! |---|---|
//! | `torrents`, `collections`, `causes` | the answers |
//! | `values` | values that several answers have |
//! | `error` | why a request is not answered |

mod causes;
mod collections;
pub(super) mod error;
mod torrents;
mod values;

use seedwatch_exporter::HttpResponse;

use self::causes::Causes;
use self::collections::{Collections, collection};
pub(super) use self::torrents::privacy;
use super::State;
use super::answer::{ReadRequest, json, stream_json};
use super::events::{self, Events};
use super::parameters::{Parameters, QueryError};
use super::query::{Sort, TorrentQuery};
use super::route::name_below;
use hyper::header::HeaderMap;

/// What the paths of the API begin with.
pub(super) const ROOT: &str = "/api/";

const TORRENTS: &str = "/api/v1/torrents";
const COLLECTIONS: &str = "/api/v1/collections";
const EVENTS: &str = "/api/v1/events";
const CAUSES: &str = "/api/v1/causes";

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    Torrents,
    Torrent(String),
    Collections,
    Collection(String),
    Events,
    Causes,
}

impl Endpoint {
    /// Returns the endpoint at a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            TORRENTS => Some(Self::Torrents),
            COLLECTIONS => Some(Self::Collections),
            EVENTS => Some(Self::Events),
            CAUSES => Some(Self::Causes),
            _ => name_below(TORRENTS, path)
                .map(Self::Torrent)
                .or_else(|| name_below(COLLECTIONS, path).map(Self::Collection)),
        }
    }

    /// Answers a request; its errors are JSON, too.
    pub(super) async fn answer(&self, state: &State, request: ReadRequest<'_>) -> HttpResponse {
        let answer = match self {
            Self::Torrents => torrents(state, request, Sort::NAME).await,
            Self::Events => events(state, request.query),
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
            Self::Collections => {
                let all = move || (HeaderMap::new(), Collections(snapshot));
                stream_json(state, request, all).await
            }
            Self::Causes => json(&Causes::of(&snapshot)),
            Self::Torrents | Self::Events => error::not_found("no such endpoint"),
        }
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
    let list = move || {
        let list = torrents::TorrentList::of(snapshot, &query.or_sort(sort), &query, &base);
        (list.link_header(), list)
    };
    Ok(stream_json(state, request, list).await)
}

fn events(state: &State, query: &str) -> Result<HttpResponse, QueryError> {
    let snapshot = state.snapshot.load();
    match Events::of(&snapshot, query) {
        Ok(events) => Ok(json(&events)),
        Err(events::EventError::Query(why)) => Err(why),
        Err(events::EventError::NoSuchTorrent) => Ok(error::no_torrent()),
    }
}
