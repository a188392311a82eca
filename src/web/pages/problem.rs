//! What is shown in place of a page that cannot be.

use askama::Template;
use hyper::StatusCode;

use super::layout::{Address, Layout, Section};
use super::route::Write;
use crate::web::parameters::QueryError;

/// Why a page cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// The query cannot be read.
    Query(QueryError),
    /// Nothing has the name: a torrent, a collection or a tracker.
    NoSuch(&'static str),
    /// The query asks for the events of a torrent that is not known.
    NoEvents,
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// What `problem.html` shows.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    layout: Layout<'a>,
    title: &'static str,
    text: String,
}

impl Problem {
    /// Returns the status of the answer.
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::NoSuch(_) | Self::NoEvents => StatusCode::NOT_FOUND,
        }
    }

    /// Returns the page that says what is wrong.
    pub(super) fn page(self) -> Write {
        // What has no name is looked for one folder below a section.
        let (title, text, address) = match self {
            Self::Query(error) => (
                "This address cannot be read",
                format!("In it, {error}."),
                Address::of(Section::Torrents),
            ),
            Self::NoSuch(what) => (
                "Not found",
                format!("There is no {what} of this name."),
                Address::below(Section::Torrents, ""),
            ),
            Self::NoEvents => (
                "Not found",
                "There is no torrent of this name or info-hash.".to_owned(),
                Address::of(Section::Events),
            ),
        };
        Box::new(move |snapshot, site, to| {
            let mut layout = Layout::of(snapshot, site, address, title);
            layout.canonical = None;
            let page = ProblemPage {
                layout,
                title,
                text,
            };
            page.render_into(to).map_err(|_| std::fmt::Error)
        })
    }
}
