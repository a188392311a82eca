//! The feeds for programs that seed what needs seeding.

use seedwatch_exporter::HttpResponse;

use super::State;
use super::answer::ReadRequest;

/// A feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {}

impl Endpoint {
    /// Returns the feed at a path.
    pub(super) fn of(_path: &str) -> Option<Self> {
        None
    }

    /// Returns the feed.
    pub(super) async fn answer(&self, _state: &State, _request: ReadRequest<'_>) -> HttpResponse {
        match *self {}
    }
}
