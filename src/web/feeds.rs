//! The feeds for programs that seed what needs seeding.
//!
//! | Address | Answer |
//! |---|---|
//! | `GET /api/v1/needs-seeding` | what a helper should seed, in five formats |
//! | `GET /dyn/generate_torrents` | the same, as helper programs of book archives read it |
//! | `GET /torrent-files/NAME.torrent` | the torrent file, if the configuration names one |
//!
//! The version of an answer is its content, so that a helper that asks again learns that nothing
//! has changed.
//!
//! | File | Contents |
//! |---|---|
//! | `query` | the parameters |
//! | `items` | what an entry shows in every format |
//! | `json`, `rss` | the formats |
//! | `torznab` | what Torznab clients ask for besides |
//! | `file` | torrent files |

pub(super) mod file;
mod items;
mod json;
mod query;
mod rss;
mod torznab;

use std::fmt::Write as _;

use hyper::header::HeaderValue;
use seedwatch_exporter::{HttpResponse, PageAborted, PageWriter};

use self::items::Item;
pub(super) use self::query::DailyToken;
use self::query::{FeedQuery, Format};
use super::State;
use super::answer::{JSON, ReadRequest, stream};
use super::api;
use super::parameters::Parameters;
use super::validators;
use seedwatch_core::needs_seeding::Selection;
use seedwatch_core::snapshot::Snapshot;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const XML: HeaderValue = HeaderValue::from_static("application/xml; charset=utf-8");
const RSS: HeaderValue = HeaderValue::from_static("application/rss+xml; charset=utf-8");

/// A feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    NeedsSeeding,
    GenerateTorrents,
    /// The torrent file of a torrent.
    File(String),
}

impl Endpoint {
    /// Returns the feed at a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            // Torznab clients append `/api` to the address that they are given.
            "/api/v1/needs-seeding" | "/api/v1/needs-seeding/api" => Some(Self::NeedsSeeding),
            "/dyn/generate_torrents" => Some(Self::GenerateTorrents),
            path => file::name_at(path).map(Self::File),
        }
    }

    /// Returns the feed. Its errors are those of the API.
    pub(super) async fn answer(self, state: &State, request: ReadRequest<'_>) -> HttpResponse {
        if let Self::File(name) = &self {
            return match Parameters::parse(request.query, &[]) {
                Ok(_) => file::answer(state, name).await,
                Err(why) => api::error::bad_query(&why),
            };
        }
        let query = match FeedQuery::parse(request.query, &self) {
            Ok(query) => query,
            Err(why) => return api::error::bad_query(&why),
        };
        let snapshot = state.snapshot.load_full();
        if !query.has_collection(&snapshot) {
            return api::error::no_collection();
        }
        let content_type = match query.format {
            _ if query.torznab.wants_capabilities => XML,
            Format::Json | Format::Contract => JSON,
            Format::Magnet | Format::Url => TEXT,
            Format::Rss | Format::Torznab => RSS,
        };
        let token = state.daily_token.of(snapshot.taken);
        let root = state.external_url.as_ref().map(|url| format!("{url}/"));
        let prepare = move || {
            let selection = Selection::of(&snapshot, &query.selects(&token));
            let body = write(&snapshot, &query, &selection, root.as_deref());
            let fields = validators::of_content(&body);
            let write = move |sink: &mut PageWriter| sink.write_str(&body).map_err(|_| PageAborted);
            (fields, write)
        };
        stream(state, request, content_type, prepare).await
    }
}

/// Returns the feed in the format of the query. Addresses in it begin with `root`; there are none
/// if it is not known, because a client cannot resolve a relative address.
fn write(
    snapshot: &Snapshot,
    query: &FeedQuery,
    selection: &Selection<'_>,
    root: Option<&str>,
) -> String {
    if query.torznab.wants_capabilities {
        return torznab::capabilities();
    }
    let items = selection.entries.iter();
    let items = items.filter(|entry| query.torznab.finds(entry.view.torrent));
    let items = query.torznab.cut(items);
    let items = items.filter_map(|entry| Item::of(snapshot, entry, root));
    match query.format {
        Format::Json => json::own(snapshot, selection, items),
        Format::Contract => json::contract(items),
        Format::Magnet => items.map(|item| item.magnet + "\n").collect(),
        Format::Url => items.map(|item| item.url() + "\n").collect(),
        Format::Rss | Format::Torznab => rss::write(query, selection, items, root),
    }
}
