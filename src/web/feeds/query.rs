//! What a helper asks for, and its name if it does not say one.

use std::ops::RangeInclusive;

use super::Endpoint;
use super::torznab::{self, TorznabQuery};
use crate::web::parameters::{Parameters, QueryError};
use seedwatch_core::needs_seeding::Query;
use seedwatch_core::snapshot::{Snapshot, Unix};

const KEYS: &[&str] = &[
    "max_tb",
    "max_copies",
    "collection",
    "format",
    "client",
    "link",
];

/// The keys of Torznab come first, so that errors name them.
const TORZNAB_KEYS: &[&str] = &[
    "t",
    "apikey",
    "q",
    "cat",
    "limit",
    "offset",
    "extended",
    "max_tb",
    "max_copies",
    "collection",
    "format",
    "client",
    "link",
];

/// Longest value of `max_tb`, in characters.
const MAX_DIGITS: usize = 32;

/// Values of `max_tb`: from a gigabyte to an exabyte.
const TERABYTES: RangeInclusive<f64> = 1e-3..=1e6;

/// Largest value of `max_copies`.
const MAX_COPIES: u64 = 1000;

/// Longest name of a helper, in characters.
const MAX_CLIENT: usize = 64;

const DAY: u64 = 24 * 3600;

/// A query for torrents that need seeding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FeedQuery {
    max_bytes: Option<u64>,
    max_copies: u32,
    collection: Option<String>,
    client: Option<String>,
    pub(super) format: Format,
    pub(super) link: Link,
    pub(super) torznab: TorznabQuery,
}

/// The format of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Our own JSON.
    Json,
    /// The JSON that helper programs read at `/dyn/generate_torrents`.
    Contract,
    /// One magnet link per line.
    Magnet,
    /// One URL per line: of a torrent file, or a magnet link where seedwatch has no file.
    Url,
    Rss,
    Torznab,
}

/// What the link of an RSS item is. The enclosure is the magnet link, unless files are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Magnet,
    /// The page of the torrent, for readers that take a link for a page.
    Page,
    /// A torrent file, as is the enclosure; a magnet link where seedwatch has no file.
    Torrent,
}

impl FeedQuery {
    /// Reads a query string. An empty value counts as missing, because a form sends its empty
    /// fields, too.
    pub(super) fn parse(query: &str, endpoint: &Endpoint) -> Result<Self, QueryError> {
        let keys = match torznab::is_meant(query) {
            true => TORZNAB_KEYS,
            false => KEYS,
        };
        let parameters = Parameters::parse(query, keys)?;
        let max_copies = match parameters.filled("max_copies") {
            Some(_) => parameters.number("max_copies", 0..=MAX_COPIES)?,
            None => None,
        };
        let format = match (parameters.filled("format"), parameters.filled("t")) {
            (None | Some("torznab"), Some(_)) => Format::Torznab,
            (Some(_), Some(_)) => {
                return Err(QueryError::invalid("format", "torznab where t is given"));
            }
            (format, None) => Format::read(format, endpoint)?,
        };
        let client = parameters.filled("client");
        if client.is_some_and(|client| client.chars().count() > MAX_CLIENT) {
            return Err(QueryError::invalid("client", "at most 64 characters long"));
        }
        Ok(Self {
            max_bytes: parameters
                .filled("max_tb")
                .map(read_terabytes)
                .transpose()?,
            max_copies: max_copies.map_or(Query::DEFAULT_MAX_COPIES, |copies| copies as u32),
            collection: parameters.filled("collection").map(str::to_owned),
            client: client.map(str::to_owned),
            format,
            torznab: TorznabQuery::read(&parameters)?,
            link: match parameters.filled("link") {
                None | Some("magnet") => Link::Magnet,
                Some("page") => Link::Page,
                Some("torrent") => Link::Torrent,
                Some(_) => return Err(QueryError::invalid("link", "magnet, torrent or page")),
            },
        })
    }

    /// Returns whether the collection exists that the query names, if it names one.
    pub(super) fn has_collection(&self, snapshot: &Snapshot) -> bool {
        self.collection.as_deref().is_none_or(|name| {
            let known = &snapshot.collections;
            known.binary_search_by(|row| (*row.name).cmp(name)).is_ok()
        })
    }

    /// Returns what is selected. `token` names a helper that does not name itself.
    pub(super) fn selects<'a>(&'a self, token: &'a str) -> Query<'a> {
        Query {
            max_bytes: self.max_bytes,
            max_copies: self.max_copies,
            collection: self.collection.as_deref(),
            client: self.client.as_deref().unwrap_or(token),
        }
    }

    /// Returns the collection that the query names.
    pub(super) fn collection(&self) -> Option<&str> {
        self.collection.as_deref()
    }
}

impl Format {
    fn read(text: Option<&str>, endpoint: &Endpoint) -> Result<Self, QueryError> {
        let json = match endpoint {
            Endpoint::GenerateTorrents => Self::Contract,
            _ => Self::Json,
        };
        match text {
            None | Some("json") => Ok(json),
            Some("magnet") => Ok(Self::Magnet),
            Some("url") => Ok(Self::Url),
            Some("rss") => Ok(Self::Rss),
            Some("torznab") => Ok(Self::Torznab),
            Some(_) => {
                let expected = "json, magnet, url, rss or torznab";
                Err(QueryError::invalid("format", expected))
            }
        }
    }
}

/// Reads a number of terabytes, such as `0.5`, as bytes.
fn read_terabytes(text: &str) -> Result<u64, QueryError> {
    let is_plain = text.len() <= MAX_DIGITS
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let terabytes: Option<f64> = text.parse().ok().filter(|_| is_plain);
    match terabytes.filter(|terabytes| TERABYTES.contains(terabytes)) {
        Some(terabytes) => Ok((terabytes * 1e12) as u64),
        None => {
            let expected = "a number of terabytes from 0.001 to 1000000, such as 0.5";
            Err(QueryError::invalid("max_tb", expected))
        }
    }
}

/// Names helpers that do not name themselves: all of one day get the same part, and those of the
/// next day another one. The names of two daemons differ.
#[derive(Debug)]
pub(in crate::web) struct DailyToken(u64);

impl DailyToken {
    /// Returns a source of random tokens.
    pub(in crate::web) fn random() -> Self {
        Self(rand::random())
    }

    /// Returns the token of a day.
    pub(super) fn of(&self, now: Unix) -> String {
        format!("{:016x} {}", self.0, now.0 / DAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<FeedQuery, String> {
        FeedQuery::parse(query, &Endpoint::NeedsSeeding).map_err(|why| why.to_string())
    }

    #[test]
    fn queries_are_read_strictly() {
        let all = parse("").unwrap();
        let selects = Query {
            max_bytes: None,
            max_copies: 2,
            collection: None,
            client: "token",
        };
        assert_eq!(all.selects("token"), selects);
        assert_eq!((all.format, all.link), (Format::Json, Link::Magnet));
        assert_eq!(
            parse("max_tb=&max_copies=&collection=&format=&client=&link="),
            Ok(all)
        );
        let some =
            parse("max_tb=0.5&max_copies=0&collection=a+b&format=rss&client=nas%2042&link=page");
        let some = some.unwrap();
        let selects = Query {
            max_bytes: Some(500_000_000_000),
            max_copies: 0,
            collection: Some("a b"),
            client: "nas 42",
        };
        assert_eq!(some.selects("token"), selects);
        assert_eq!((some.format, some.link), (Format::Rss, Link::Page));
        let contract = FeedQuery::parse("format=json", &Endpoint::GenerateTorrents).unwrap();
        assert_eq!(contract.format, Format::Contract);
    }

    #[test]
    fn errors_say_what_is_expected() {
        let long = format!("client={}", "a".repeat(65));
        for (query, expected) in [
            (
                "max-tb=1",
                "unknown parameter \"max-tb\"; known are max_tb, max_copies, collection, format, \
                 client and link",
            ),
            (
                "format=json&format=rss",
                "the parameter format is given twice",
            ),
            (
                "format=xml",
                "format must be json, magnet, url, rss or torznab",
            ),
            ("link=file", "link must be magnet, torrent or page"),
            (
                "max_copies=-1",
                "max_copies must be a number from 0 to 1000",
            ),
            (&long, "client must be at most 64 characters long"),
        ] {
            assert_eq!(parse(query).unwrap_err(), expected, "{query}");
        }
        for tb in [
            "0", "-1", "1e3", "inf", "nan", "0x1", "1000001", "1..2", ".", "0.0009",
        ] {
            let error = parse(&format!("max_tb={tb}")).unwrap_err();
            let expected =
                "max_tb must be a number of terabytes from 0.001 to 1000000, such as 0.5";
            assert_eq!(error, expected, "{tb}");
        }
    }

    #[test]
    fn the_token_changes_every_day() {
        let token = DailyToken(7);
        assert_eq!(token.of(Unix(DAY)), token.of(Unix(2 * DAY - 1)));
        assert_ne!(token.of(Unix(DAY)), token.of(Unix(2 * DAY)));
        assert_ne!(token.of(Unix(DAY)), DailyToken(8).of(Unix(DAY)));
    }
}
