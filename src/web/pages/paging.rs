//! Tables over several pages.

use super::value::Number;
use crate::web::parameters::{Parameters, QueryError};

/// The largest number of a page.
const MAX_PAGE: u64 = 1_000_000;

/// One page of a table.
#[derive(Debug, Clone)]
pub(super) struct Paging {
    /// The page, counted from 1.
    pub(super) page: usize,
    /// The number of pages, at least 1.
    pub(super) pages: usize,
    /// All entries of all pages.
    pub(super) total: Number,
    /// The query string of the other pages without their number; ends in `&` unless it is empty.
    pub(super) query: String,
    start: usize,
    end: usize,
}

impl Paging {
    /// Returns a page of so many entries.
    pub(super) fn of(page: usize, total: usize, per_page: usize, query: String) -> Self {
        let pages = total.div_ceil(per_page).max(1);
        let start = (page - 1).saturating_mul(per_page).min(total);
        Self {
            page,
            pages,
            total: total.into(),
            query,
            start,
            end: start.saturating_add(per_page).min(total),
        }
    }

    /// Returns the positions of the entries that the page shows.
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.start..self.end
    }

    /// Returns the part of the entries that the page shows.
    pub(super) fn cut<'a, T>(&self, entries: &'a [T]) -> &'a [T] {
        entries.get(self.range()).unwrap_or_default()
    }

    /// Returns the number of the page before.
    pub(super) fn previous(&self) -> Option<usize> {
        let page = self.page.min(self.pages + 1).checked_sub(1);
        page.filter(|page| *page > 0)
    }

    /// Returns the number of the next page.
    pub(super) fn next(&self) -> Option<usize> {
        (self.page < self.pages).then_some(self.page + 1)
    }
}

/// Returns the number of the page that a query asks for: the first, if it names none.
pub(super) fn page_of(parameters: &Parameters<'_>) -> Result<usize, QueryError> {
    let page = parameters.number("page", 1..=MAX_PAGE)?;
    Ok(page.unwrap_or(1) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cut_their_part() {
        let all: Vec<usize> = (0..250).collect();
        for (page, first, length, previous, next) in [
            (1, Some(0), 100, None, Some(2)),
            (2, Some(100), 100, Some(1), Some(3)),
            (3, Some(200), 50, Some(2), None),
            (4, None, 0, Some(3), None),
            (900, None, 0, Some(3), None),
        ] {
            let paging = Paging::of(page, all.len(), 100, String::new());
            let shown = paging.cut(&all);
            assert_eq!((shown.first().copied(), shown.len()), (first, length));
            assert_eq!((paging.previous(), paging.next()), (previous, next));
        }
        let empty = Paging::of(1, 0, 100, String::new());
        assert_eq!(
            (empty.pages, empty.previous(), empty.next()),
            (1, None, None)
        );
    }
}
