//! Which torrents to show, in which order: one query for pages, API and feeds.
//!
//! ```text
//! state=dead&condition=no_tracker&collection=NAME&tracker=udp://host:port&label=team=archive
//!     &q=debian&sort=-size&page=2&limit=100
//! ```
//!
//! The same query string works at `/torrents`, at `/api/v1/torrents` and at every other address
//! that lists torrents. [`TorrentQuery::parse`] reads it strictly; the display of a query is its
//! canonical form, for links.
//!
//! | File | Contents |
//! |---|---|
//! | `filter` | which torrents match |
//! | `search` | texts and info-hashes that are searched for |
//! | `sort` | the orders, and the selection of one page |

mod filter;
mod search;
mod sort;

#[cfg(test)]
mod tests;

use std::fmt::{self, Display};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub use self::filter::{Filter, LabelFilter};
pub use self::search::Search;
pub(super) use self::sort::rank;
pub use self::sort::{Sort, SortKey};
use super::parameters::{Parameters, QueryError};
use seedwatch_core::snapshot::Snapshot;

/// The characters to percent-encode in a value: all but the unreserved ones, and some that a query
/// may hold (RFC 3986, section 3.4), so that the URL of a tracker stays readable.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'/');

/// The largest number of a page.
const MAX_PAGE: u64 = 1_000_000;

/// Which torrents to show.
///
/// ```
/// use seedwatch::web::TorrentQuery;
/// use seedwatch_core::snapshot::Snapshot;
///
/// let query = TorrentQuery::parse("limit=20&q=census+1921&state=at_risk").unwrap();
/// assert_eq!(query.to_query(), "state=at_risk&q=census%201921&limit=20");
/// assert_eq!(query.at_page(2).link("./torrents"), format!("./torrents?{}", query.at_page(2)));
/// assert_eq!(query.select(&Snapshot::default()).total, 0);
/// let error = TorrentQuery::parse("state=gone").unwrap_err();
/// assert_eq!((error.code(), error.key()), ("invalid_parameter", "state"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TorrentQuery {
    /// The torrents that match.
    pub filter: Filter,
    /// The order; `None` is that of the reader, which is [`Sort::default`] for most.
    pub sort: Option<Sort>,
    /// The page, counted from 1. Without a page and a limit, the query asks for all torrents.
    pub page: Option<usize>,
    /// Torrents per page; `None` is [`TorrentQuery::PAGE_SIZE`].
    pub limit: Option<usize>,
}

/// The torrents that a query selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// How many torrents match, on all pages.
    pub total: usize,
    /// The number of the page, counted from 1. It may be behind the last one, and is empty then.
    pub page: usize,
    /// The number of pages, at least 1.
    pub pages: usize,
    /// The indices of the torrents of the page in [`Snapshot::torrents`], in order.
    pub indices: Vec<usize>,
}

impl Selection {
    /// Returns the numbers of the pages before and after this one. That before a page behind the
    /// last one is the last one.
    pub fn neighbours(&self) -> [Option<usize>; 2] {
        let before = self.page.saturating_sub(1).min(self.pages);
        let next = self.page.saturating_add(1);
        [
            (before > 0).then_some(before),
            (next <= self.pages).then_some(next),
        ]
    }
}

impl TorrentQuery {
    /// The keys of the query string, in the order of the canonical form.
    pub const KEYS: &[&str] = &[
        "state",
        "condition",
        "collection",
        "tracker",
        "label",
        "q",
        "sort",
        "page",
        "limit",
    ];

    /// Torrents per page, unless the query says otherwise.
    pub const PAGE_SIZE: usize = 100;

    /// Most torrents per page. A query without page and limit has no pages.
    pub const MAX_LIMIT: usize = 1000;

    /// Reads a query string. An empty filter or order counts as missing, because a form sends its
    /// empty fields, too.
    ///
    /// # Errors
    ///
    /// The first key that is unknown or given twice, or the first value that cannot be read.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let parameters = Parameters::parse(query, Self::KEYS)?;
        let page = parameters.number("page", 1..=MAX_PAGE)?;
        let limit = parameters.number("limit", 1..=Self::MAX_LIMIT as u64)?;
        Ok(Self {
            filter: Filter::read(&parameters)?,
            sort: parameters.filled("sort").map(Sort::parse).transpose()?,
            page: page.map(|page| page as usize),
            limit: limit.map(|limit| limit as usize),
        })
    }

    /// Returns the canonical query string, without `?`. It is empty for the default query.
    pub fn to_query(&self) -> String {
        self.to_string()
    }

    /// Returns a link to the torrents of the query at a path.
    pub fn link(&self, path: &str) -> String {
        match self.to_query() {
            query if query.is_empty() => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }

    /// Returns the query for another page.
    #[must_use]
    pub fn at_page(&self, page: usize) -> Self {
        Self {
            page: Some(page),
            ..self.clone()
        }
    }

    /// Returns the query for one page: the first, if it names none.
    #[must_use]
    pub fn paged(&self) -> Self {
        self.at_page(self.page.unwrap_or(1))
    }

    /// Returns the query in another order, from its first page on.
    #[must_use]
    pub fn sorted(&self, sort: Option<Sort>) -> Self {
        Self {
            sort,
            page: None,
            ..self.clone()
        }
    }

    /// Returns the query with another filter, from its first page on.
    #[must_use]
    pub fn filtered(&self, change: impl FnOnce(&mut Filter)) -> Self {
        let mut query = Self {
            page: None,
            ..self.clone()
        };
        change(&mut query.filter);
        query
    }

    /// Returns the query with this order, unless it has one.
    #[must_use]
    pub fn or_sort(&self, sort: Sort) -> Self {
        Self {
            sort: self.sort.or(Some(sort)),
            ..self.clone()
        }
    }

    /// Returns the torrents that match, and which of them the page shows. Passes over the torrents
    /// once, and sorts only those of the page.
    pub fn select(&self, snapshot: &Snapshot) -> Selection {
        let sort = self.sort.unwrap_or_default();
        let matcher = self.filter.matcher(snapshot);
        let rows = snapshot.rows().enumerate();
        let matching = rows.filter(|(_, view)| matcher.matches(*view));
        let mut found: Vec<_> = matching
            .map(|(index, view)| sort.position(index, view))
            .collect();
        let total = found.len();
        let (page, size) = self.page_and_size(total);
        let start = (page - 1).saturating_mul(size).min(total);
        let end = start.saturating_add(size).min(total);
        Selection {
            total,
            page,
            pages: total.div_ceil(size).max(1),
            indices: sort::part(&mut found, start, end),
        }
    }

    /// Returns the number of the page and the torrents per page.
    fn page_and_size(&self, total: usize) -> (usize, usize) {
        let size = match (self.page, self.limit) {
            (None, None) => total,
            (_, limit) => limit.unwrap_or(Self::PAGE_SIZE),
        };
        (self.page.unwrap_or(1).max(1), size.max(1))
    }
}

impl Display for TorrentQuery {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = &self.filter;
        let mut parameters = Written { to, is_first: true };
        parameters.add("state", filter.state.map(|state| state.as_label()))?;
        let condition = filter.condition.map(|condition| condition.as_label());
        parameters.add("condition", condition)?;
        parameters.add("collection", filter.collection.as_deref())?;
        parameters.add("tracker", filter.tracker.as_deref())?;
        parameters.add("label", filter.label.as_ref())?;
        parameters.add("q", filter.q.as_ref())?;
        parameters.add("sort", self.sort)?;
        parameters.add("page", self.page)?;
        parameters.add("limit", self.limit)
    }
}

/// A query string that is being written.
struct Written<'a, 'b> {
    to: &'a mut fmt::Formatter<'b>,
    is_first: bool,
}

impl Written<'_, '_> {
    /// Adds a parameter, if it has a value.
    fn add(&mut self, key: &str, value: Option<impl Display>) -> fmt::Result {
        let Some(value) = value else {
            return Ok(());
        };
        if !self.is_first {
            self.to.write_str("&")?;
        }
        self.is_first = false;
        let value = value.to_string();
        write!(self.to, "{key}={}", utf8_percent_encode(&value, VALUE))
    }
}
