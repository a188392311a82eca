//! The same queries as files: torrents and events in the formats of other programs.

use seedwatch_exporter::HttpResponse;

use super::State;
use super::answer::ReadRequest;
use super::api;
use super::query::Sort;

/// A file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    TorrentsJson,
}

impl Endpoint {
    /// Returns the file at a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/torrents.json" => Some(Self::TorrentsJson),
            _ => None,
        }
    }

    /// Returns the file.
    pub(super) async fn answer(self, state: &State, request: ReadRequest<'_>) -> HttpResponse {
        let answer = match self {
            Self::TorrentsJson => api::torrents(state, request, Sort::default()).await,
        };
        answer.unwrap_or_else(|why| api::error::bad_query(&why))
    }
}
