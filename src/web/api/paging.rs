//! Pages of lists that have no other query.

use std::ops::Range;

use hyper::header::{HeaderMap, HeaderValue, LINK};
use serde::ser::SerializeStruct;

use crate::web::parameters::{Parameters, QueryError};
use crate::web::query::TorrentQuery;

/// The largest number of a page.
const MAX_PAGE: u64 = 1_000_000;

/// Which part of a list is asked for: all of it without a page and a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageQuery {
    page: Option<usize>,
    limit: Option<usize>,
}

impl PageQuery {
    /// Reads a query string.
    pub(super) fn parse(text: &str) -> Result<Self, QueryError> {
        let parameters = Parameters::parse(text, &["page", "limit"])?;
        let page = parameters.number("page", 1..=MAX_PAGE)?;
        let limit = parameters.number("limit", 1..=TorrentQuery::MAX_LIMIT as u64)?;
        Ok(Self {
            page: page.map(|page| page as usize),
            limit: limit.map(|limit| limit as usize),
        })
    }

    /// Returns the part of a list of so many rows. `base` is the address of the list.
    pub(super) fn of(self, total: usize, base: &str) -> Page {
        let size = match (self.page, self.limit) {
            (None, None) => total.max(1),
            (_, limit) => limit.unwrap_or(TorrentQuery::PAGE_SIZE),
        };
        let page = self.page.unwrap_or(1);
        let pages = total.div_ceil(size).max(1);
        let start = (page - 1).saturating_mul(size).min(total);
        let link = |page: usize| format!("{base}?page={page}&limit={size}");
        Page {
            total,
            page,
            pages,
            rows: start..start.saturating_add(size).min(total),
            prev: (page > 1).then(|| link((page - 1).min(pages))),
            next: (page < pages).then(|| link(page + 1)),
        }
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    total: usize,
    /// The number of the page, counted from 1. It may be behind the last one, and is empty then.
    page: usize,
    /// The number of pages, at least 1.
    pages: usize,
    /// The rows of the page.
    pub(super) rows: Range<usize>,
    prev: Option<String>,
    next: Option<String>,
}

impl Page {
    /// The number of fields that [`Page::serialize`] writes.
    pub(super) const FIELDS: usize = 5;

    /// Writes what an answer says about its page.
    pub(super) fn serialize<O: SerializeStruct>(&self, to: &mut O) -> Result<(), O::Error> {
        to.serialize_field("total", &self.total)?;
        to.serialize_field("page", &self.page)?;
        to.serialize_field("pages", &self.pages)?;
        to.serialize_field("prev", &self.prev)?;
        to.serialize_field("next", &self.next)
    }

    /// Adds the links to other pages as a header field (RFC 8288).
    pub(super) fn add_links(&self, fields: &mut HeaderMap) {
        add_links(fields, self.prev.as_deref(), self.next.as_deref());
    }
}

/// Adds the links to the pages before and after an answer as a header field (RFC 8288).
pub(super) fn add_links(fields: &mut HeaderMap, prev: Option<&str>, next: Option<&str>) {
    for (link, relation) in [(next, "next"), (prev, "prev")] {
        let Some(link) = link else { continue };
        if let Ok(field) = HeaderValue::try_from(format!("<{link}>; rel=\"{relation}\"")) {
            fields.append(LINK, field);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str, total: usize) -> Page {
        PageQuery::parse(query).unwrap().of(total, "trackers")
    }

    #[test]
    fn a_list_has_one_page_unless_one_is_asked_for() {
        assert_eq!(page("", 1234).rows, 0..1234);
        assert_eq!((page("", 0).pages, page("", 0).rows), (1, 0..0));
        assert_eq!(page("page=2", 150).rows, 100..150);
        let middle = page("page=2&limit=10", 25);
        assert_eq!((middle.rows, middle.pages), (10..20, 3));
        assert_eq!(middle.prev.as_deref(), Some("trackers?page=1&limit=10"));
        assert_eq!(middle.next.as_deref(), Some("trackers?page=3&limit=10"));
        let behind = page("page=9&limit=10", 25);
        assert_eq!((behind.rows, behind.next), (25..25, None));
        assert_eq!(behind.prev.as_deref(), Some("trackers?page=3&limit=10"));
    }

    #[test]
    fn queries_are_read_strictly() {
        for query in [
            "page=0",
            "limit=0",
            "limit=1001",
            "sort=name",
            "page=1&page=1",
            "page=",
        ] {
            PageQuery::parse(query).unwrap_err();
        }
    }
}
