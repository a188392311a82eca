//! Which page a path names, and how it is answered.

use std::fmt;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
};
use seedwatch_exporter::response::text;
use seedwatch_exporter::{HttpResponse, PageAborted, PageRequest, PageWriter};

use super::badge::Subject;
use super::layout::Site;
use super::problem::Problem;
use super::{
    POLICY, POLICY_WITHOUT_FORM, about, badge, collection, collections, countries, events, paging,
    todo, torrent, torrents, tracker, trackers,
};
use crate::web::State;
use crate::web::answer::{HTML, ReadRequest};
use crate::web::lookup;
use crate::web::parameters::{Parameters, QueryError};
use crate::web::query::TorrentQuery;
use crate::web::route::name_below;
use crate::web::runbook;
use seedwatch_core::snapshot::Snapshot;

/// Whether other sites may show an answer.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const SVG: HeaderValue = HeaderValue::from_static("image/svg+xml");

/// What is made for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) enum Endpoint {
    Page(Page),
    Runbook,
    Badge(Subject, String),
}

/// A page within the layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) enum Page {
    Todo,
    Torrents,
    Torrent(String),
    Collections,
    Collection(String),
    Trackers,
    Tracker(String),
    Countries,
    Events,
    About,
}

impl Endpoint {
    /// Returns what stands at a path.
    pub(in crate::web) fn of(path: &str) -> Option<Self> {
        let badge = |list| name_below(list, path.strip_suffix(".svg")?);
        if path == "/runbook" {
            Some(Self::Runbook)
        } else if let Some(page) = Page::of(path) {
            Some(Self::Page(page))
        } else if let Some(name) = badge("/badge/torrent") {
            Some(Self::Badge(Subject::Torrent, name))
        } else {
            let name = badge("/badge/collection")?;
            Some(Self::Badge(Subject::Collection, name))
        }
    }

    /// Returns the page, or one that says why there is none.
    pub(in crate::web) async fn answer(
        &self,
        state: &State,
        request: ReadRequest<'_>,
    ) -> HttpResponse {
        match self {
            Self::Page(page) => page.answer(state, request),
            Self::Runbook => runbook(state),
            Self::Badge(subject, name) => drawing(&state.snapshot.load(), *subject, name),
        }
    }
}

impl Page {
    fn of(path: &str) -> Option<Self> {
        let page = match path {
            "/" => Self::Todo,
            "/torrents" => Self::Torrents,
            "/collections" => Self::Collections,
            "/trackers" => Self::Trackers,
            "/countries" => Self::Countries,
            "/events" => Self::Events,
            "/about" => Self::About,
            _ => return Self::below(path),
        };
        Some(page)
    }

    fn below(path: &str) -> Option<Self> {
        let below = |list| name_below(list, path);
        if let Some(name) = below("/torrents") {
            Some(Self::Torrent(name))
        } else if let Some(name) = below("/collections") {
            Some(Self::Collection(name))
        } else {
            below("/trackers").map(Self::Tracker)
        }
    }

    fn answer(&self, state: &State, request: ReadRequest<'_>) -> HttpResponse {
        let snapshot = state.snapshot.load_full();
        let (status, page) = match self.find(&snapshot, request.query) {
            Ok(page) => (StatusCode::OK, page),
            Err(problem) => (problem.status(), problem.page()),
        };
        let mut answer = stream(state, request.page, snapshot, page);
        // The answer may also be that too many pages are being sent.
        if answer.status() == StatusCode::OK {
            *answer.status_mut() = status;
        }
        answer
    }

    /// Finds what a page shows.
    fn find(&self, snapshot: &Snapshot, query: &str) -> Result<Write, Problem> {
        let plain = || Parameters::parse(query, &[]).map(drop);
        Ok(match self {
            Self::Todo => {
                plain()?;
                Box::new(todo::write)
            }
            Self::Torrents => {
                let query = TorrentQuery::parse(query)?.paged();
                Box::new(move |s, site, to| torrents::write(s, site, &query, to))
            }
            Self::Torrent(name) => {
                plain()?;
                let index = lookup::find(snapshot, name).ok_or(Problem::NoSuch("torrent"))?;
                Box::new(move |s, site, to| torrent::write(s, site, index, to))
            }
            Self::Collections => {
                let page = page_number(query)?;
                Box::new(move |s, site, to| collections::write(s, site, page, to))
            }
            Self::Collection(name) => {
                plain()?;
                let index = collection::find(snapshot, name);
                let index = index.ok_or(Problem::NoSuch("collection"))?;
                Box::new(move |s, site, to| collection::write(s, site, index, to))
            }
            Self::Trackers => {
                let page = page_number(query)?;
                Box::new(move |s, site, to| trackers::write(s, site, page, to))
            }
            Self::Tracker(label) => {
                plain()?;
                let id = tracker::find(snapshot, label).ok_or(Problem::NoSuch("tracker"))?;
                Box::new(move |s, site, to| tracker::write(s, site, id, to))
            }
            Self::Countries => {
                plain()?;
                Box::new(countries::write)
            }
            Self::Events => {
                let query = events::Query::parse(snapshot, query)?;
                Box::new(move |s, site, to| events::write(s, site, &query, to))
            }
            Self::About => {
                plain()?;
                Box::new(about::write)
            }
        })
    }
}

/// Writes a page.
pub(super) type Write =
    Box<dyn FnOnce(&Snapshot, &Site, &mut PageWriter) -> fmt::Result + Send + 'static>;

/// Returns the number of the page of a table that takes no other parameter.
fn page_number(query: &str) -> Result<usize, QueryError> {
    paging::page_of(&Parameters::parse(query, &["page"])?)
}

fn stream(
    state: &State,
    request: PageRequest<'_>,
    snapshot: Arc<Snapshot>,
    page: Write,
) -> HttpResponse {
    let site = state.site();
    let mut answer = state.pages.stream(request, HTML, move |sink| {
        page(&snapshot, &site, sink).map_err(|_| PageAborted)
    });
    allow_style(&mut answer, POLICY.clone());
    answer
}

/// Returns the runbook, which has no search.
fn runbook(state: &State) -> HttpResponse {
    let mut answer = text(StatusCode::OK, runbook::page(state.external_url.as_ref()));
    answer.headers_mut().insert(CONTENT_TYPE, HTML);
    allow_style(&mut answer, POLICY_WITHOUT_FORM.clone());
    answer
}

/// Returns a badge. Other sites show it, so an unknown name is a badge, too.
fn drawing(snapshot: &Snapshot, subject: Subject, name: &str) -> HttpResponse {
    let badge = badge::of(snapshot, subject, name);
    let status = match badge.is_known {
        true => StatusCode::OK,
        false => StatusCode::NOT_FOUND,
    };
    let mut answer = match badge.draw() {
        Ok(drawing) => text(status, drawing),
        Err(_) => return text(StatusCode::INTERNAL_SERVER_ERROR, "Not representable\n"),
    };
    let fields = answer.headers_mut();
    fields.insert(CONTENT_TYPE, SVG);
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    fields.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    answer
}

/// Allows a page its style sheet. The server forbids every other answer to load or run anything.
fn allow_style(page: &mut HttpResponse, policy: HeaderValue) {
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_pages() {
        let page = |page| Some(Endpoint::Page(page));
        let torrent = |name: &str| page(Page::Torrent(name.to_owned()));
        let badge = |subject, name: &str| Some(Endpoint::Badge(subject, name.to_owned()));
        for (path, expected) in [
            ("/", page(Page::Todo)),
            ("/torrents", page(Page::Torrents)),
            ("/torrents/a%2Fb", torrent("a/b")),
            ("/torrents/a.svg", torrent("a.svg")),
            ("/torrents/", None),
            ("/torrents/a/b", None),
            (
                "/trackers/udp%3A%2F%2Ft.example%3A1",
                page(Page::Tracker("udp://t.example:1".to_owned())),
            ),
            (
                "/badge/collection/a%20b.svg",
                badge(Subject::Collection, "a b"),
            ),
            ("/badge/torrent/a.svg.svg", badge(Subject::Torrent, "a.svg")),
            ("/badge/torrent/a", None),
            ("/badge/torrent/.svg", None),
            ("/badge/tracker/a.svg", None),
            ("/index.html", None),
        ] {
            assert_eq!(Endpoint::of(path), expected, "{path}");
        }
    }
}
