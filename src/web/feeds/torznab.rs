//! What a Torznab client asks for beside the parameters of the feed.
//!
//! Prowlarr, Sonarr and autobrr first ask for the capabilities (`t=caps`), without any parameter of
//! ours; so `t` alone stands for `format=torznab`. Then they search (`t=search`).

use crate::web::parameters::{Parameters, QueryError};
use crate::web::query::Search;
use seedwatch_core::needs_seeding::MAX_ENTRIES;
use seedwatch_torrent::Torrent;

/// The category of all entries: "Other". What a torrent holds is not known.
pub(super) const CATEGORY: u32 = 8000;

/// Longest list of categories, in characters.
const MAX_CATEGORIES: usize = 1000;

/// Largest values of `limit` and `offset`.
const MAX_NUMBER: u64 = 1_000_000;

/// What a Torznab client asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TorznabQuery {
    /// Whether the client asks what it may ask for.
    pub(super) wants_capabilities: bool,
    search: Option<Search>,
    /// Whether the client asks for other categories only.
    is_elsewhere: bool,
    offset: usize,
    limit: Option<usize>,
}

/// Returns whether a query string is one of a Torznab client.
pub(super) fn is_meant(query: &str) -> bool {
    query
        .split('&')
        .any(|part| part == "format=torznab" || part.starts_with("t="))
}

impl TorznabQuery {
    /// Reads the parameters. `apikey` and `extended` are ignored.
    pub(super) fn read(parameters: &Parameters<'_>) -> Result<Self, QueryError> {
        let wants_capabilities = match parameters.filled("t") {
            Some("caps") => true,
            None | Some("search" | "tvsearch" | "movie" | "music" | "book") => false,
            Some(_) => {
                let expected = "caps, search, tvsearch, movie, music or book";
                return Err(QueryError::invalid("t", expected));
            }
        };
        let number = |key| match parameters.filled(key) {
            Some(_) => parameters.number(key, 0..=MAX_NUMBER),
            None => Ok(None),
        };
        Ok(Self {
            wants_capabilities,
            search: Search::parse(parameters.filled("q").unwrap_or_default())?,
            is_elsewhere: match parameters.filled("cat") {
                Some(list) => !names_category(list)?,
                None => false,
            },
            offset: number("offset")?.unwrap_or(0) as usize,
            limit: number("limit")?.map(|limit| limit as usize),
        })
    }

    /// Returns whether the client wants to see a torrent.
    pub(super) fn finds(&self, torrent: &Torrent) -> bool {
        let mut search = self.search.iter();
        !self.is_elsewhere && search.all(|search| search.finds(torrent))
    }

    /// Returns the part of the torrents that it finds.
    pub(super) fn cut<I: Iterator>(&self, found: I) -> impl Iterator<Item = I::Item> {
        found
            .skip(self.offset)
            .take(self.limit.unwrap_or(MAX_ENTRIES))
    }
}

/// Returns whether a list of categories names ours. Those of a site are above 100,000.
fn names_category(list: &str) -> Result<bool, QueryError> {
    let mut numbers = list.split(',').map(|number| number.trim().parse::<u32>());
    let is_list = list.len() <= MAX_CATEGORIES && numbers.clone().all(|number| number.is_ok());
    match is_list {
        true => Ok(numbers.any(|number| number == Ok(CATEGORY))),
        false => Err(QueryError::invalid(
            "cat",
            "numbers with commas between them",
        )),
    }
}

/// Returns what a client may ask for.
pub(super) fn capabilities() -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<caps>\n<server title=\"seedwatch\"/>\n",
    );
    xml.push_str(&format!(
        "<limits max=\"{MAX_ENTRIES}\" default=\"{MAX_ENTRIES}\"/>\n<searching>\n"
    ));
    for (name, is_available) in [
        ("search", "yes"),
        ("tv-search", "no"),
        ("movie-search", "no"),
        ("music-search", "no"),
        ("book-search", "no"),
    ] {
        xml.push_str(&format!(
            "<{name} available=\"{is_available}\" supportedParams=\"q\"/>\n"
        ));
    }
    xml.push_str(&format!(
        "</searching>\n<categories>\n<category id=\"{CATEGORY}\" name=\"Other\"/>\n\
         </categories>\n</caps>\n"
    ));
    xml
}
