//! The HTML pages, for people.

use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use seedwatch_exporter::response::text;
use seedwatch_exporter::{HttpResponse, PageAborted, PageRequest};

use super::State;
use super::answer::{HTML, ReadRequest};
use super::runbook;
use super::status;

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    Status,
    Runbook,
}

impl Endpoint {
    /// Returns the page at a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Status),
            "/runbook" => Some(Self::Runbook),
            _ => None,
        }
    }

    /// Returns the page.
    pub(super) async fn answer(&self, state: &State, request: ReadRequest<'_>) -> HttpResponse {
        match self {
            Self::Status => status(state, request.page),
            Self::Runbook => runbook(state),
        }
    }
}

/// Returns the status page.
fn status(state: &State, request: PageRequest<'_>) -> HttpResponse {
    let snapshot = state.snapshot.load_full();
    let metrics = state.telemetry_path.clone();
    let external_url = state.external_url.clone();
    let mut answer = state.pages.stream(request, HTML, move |sink| {
        status::write(&snapshot, &metrics, external_url.as_ref(), sink).map_err(|_| PageAborted)
    });
    allow_style(&mut answer);
    answer
}

/// Returns the runbook.
fn runbook(state: &State) -> HttpResponse {
    let mut answer = text(StatusCode::OK, runbook::page(state.external_url.as_ref()));
    answer.headers_mut().insert(CONTENT_TYPE, HTML);
    allow_style(&mut answer);
    answer
}

/// Allows a page its style sheet. The server forbids every other answer to load or run anything.
fn allow_style(page: &mut HttpResponse) {
    let fields = page.headers_mut();
    fields.insert(CONTENT_SECURITY_POLICY, status::POLICY.clone());
}
