//! Query strings, read strictly: known keys only, each at most once.
//!
//! A key that an endpoint does not know must not pass for a filter that all entries meet, and of
//! two values one would be ignored. So both are errors, which name the key and what is expected.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use percent_encoding::percent_decode_str;

/// Longest part of an unknown key that an error quotes, in characters.
const MAX_QUOTED: usize = 40;

/// Why a query string is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// The endpoint does not know a key.
    Unknown {
        /// The key, cut at 40 characters.
        key: String,
        /// The keys that it knows.
        known: &'static [&'static str],
    },
    /// A key is given twice.
    Repeated {
        /// The key.
        key: &'static str,
    },
    /// The value of a key cannot be read.
    Invalid {
        /// The key.
        key: &'static str,
        /// The values that can be read, as the end of a sentence that begins with "must be".
        expected: Cow<'static, str>,
    },
}

impl QueryError {
    /// Returns the error of a value that cannot be read. `expected` ends "KEY must be".
    pub(super) fn invalid(key: &'static str, expected: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid {
            key,
            expected: expected.into(),
        }
    }

    /// Returns the code of the error in the API, which stays the same when the sentence changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown_parameter",
            Self::Repeated { .. } => "repeated_parameter",
            Self::Invalid { .. } => "invalid_parameter",
        }
    }

    /// Returns the key that is wrong.
    pub fn key(&self) -> &str {
        match self {
            Self::Unknown { key, .. } => key,
            Self::Repeated { key } | Self::Invalid { key, .. } => key,
        }
    }

    /// Returns the keys that the endpoint knows, if the error is that it does not know one.
    pub const fn known(&self) -> Option<&'static [&'static str]> {
        match self {
            Self::Unknown { known, .. } => Some(known),
            Self::Repeated { .. } | Self::Invalid { .. } => None,
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { key, known: [] } => {
                write!(to, "unknown parameter \"{key}\": this address takes none")
            }
            Self::Unknown { key, known } => {
                let known = listed(known, "and");
                write!(to, "unknown parameter \"{key}\"; known are {known}")
            }
            Self::Repeated { key } => write!(to, "the parameter {key} is given twice"),
            Self::Invalid { key, expected } => write!(to, "{key} must be {expected}"),
        }
    }
}

impl std::error::Error for QueryError {}

/// Returns words as a list: `a, b and c`. `last` is the word before the last one.
pub(super) fn listed(words: &[&str], last: &str) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// The parameters of a request, decoded as a form encodes them: `+` is a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameters<'a>(Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Parameters<'a> {
    /// Reads a query string. Empty parts, as in `a=1&&b=2`, are skipped.
    pub(super) fn parse(
        query: &'a str,
        known: &'static [&'static str],
    ) -> Result<Self, QueryError> {
        let mut found: Vec<(&'static str, Cow<'a, str>)> = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let key = known_key(key, known)?;
            if found.iter().any(|(other, _)| *other == key) {
                return Err(QueryError::Repeated { key });
            }
            let value = decode(value).ok_or_else(|| QueryError::invalid(key, "UTF-8"))?;
            found.push((key, value));
        }
        Ok(Self(found))
    }

    /// Returns the value of a key, which may be empty.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == key);
        found.map(|(_, value)| &**value)
    }

    /// Returns the value of a key unless it is empty: a form sends its empty fields, too.
    pub(super) fn filled(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|value| !value.is_empty())
    }

    /// Returns the number that a key has as its value: digits only, within a range.
    pub(super) fn number(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, QueryError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse().ok().filter(|_| digits);
        match number.filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (first, last) = (range.start(), range.end());
                let expected = format!("a number from {first} to {last}");
                Err(QueryError::invalid(key, expected))
            }
        }
    }
}

/// Returns the known key that a text is.
fn known_key(text: &str, known: &'static [&'static str]) -> Result<&'static str, QueryError> {
    let bytes = percent_decode_str(text).collect::<Vec<u8>>();
    let found = known.iter().find(|key| key.as_bytes() == bytes);
    found.copied().ok_or_else(|| {
        let key = String::from_utf8_lossy(&bytes);
        let key = key.chars().take(MAX_QUOTED).collect();
        QueryError::Unknown { key, known }
    })
}

/// Decodes a value; returns `None` if it is not UTF-8. A `%` without two digits stands for itself.
fn decode(value: &str) -> Option<Cow<'_, str>> {
    if !value.contains('+') {
        return percent_decode_str(value).decode_utf8().ok();
    }
    let spaced = value.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["name", "limit"];

    fn error(query: &str) -> QueryError {
        Parameters::parse(query, KNOWN).unwrap_err()
    }

    #[test]
    fn values_are_decoded_as_a_form_encodes_them() {
        for (query, expected) in [
            ("name=a+b", "a b"),
            ("name=a%2Bb", "a+b"),
            ("name=%e2%82%ac", "€"),
            ("name=a=b=c", "a=b=c"),
            ("n%61me=a", "a"),
            ("&&name=a&", "a"),
            ("name=100%", "100%"),
            ("name=", ""),
            ("name", ""),
        ] {
            let parameters = Parameters::parse(query, KNOWN).unwrap();
            assert_eq!(parameters.get("name"), Some(expected), "{query}");
            assert_eq!(parameters.get("limit"), None, "{query}");
            assert_eq!(parameters.filled("name").is_none(), expected.is_empty());
        }
    }

    #[test]
    fn errors_name_the_key_and_what_is_expected() {
        let unknown = error("Name=a");
        assert_eq!(unknown.code(), "unknown_parameter");
        assert_eq!((unknown.key(), unknown.known()), ("Name", Some(KNOWN)));
        assert_eq!(
            unknown.to_string(),
            "unknown parameter \"Name\"; known are name and limit"
        );
        let repeated = error("name=a&name=a");
        assert_eq!(repeated.code(), "repeated_parameter");
        assert_eq!(repeated.to_string(), "the parameter name is given twice");
        let invalid = error("name=%ff");
        assert_eq!(invalid.code(), "invalid_parameter");
        assert_eq!(invalid.to_string(), "name must be UTF-8");
        let none = Parameters::parse("a", &[]).unwrap_err();
        assert_eq!(
            none.to_string(),
            "unknown parameter \"a\": this address takes none"
        );
    }

    #[test]
    fn a_long_key_is_quoted_in_part() {
        let long = format!("{}=1", "é".repeat(1000));
        assert_eq!(error(&long).key(), "é".repeat(40));
        assert_eq!(error("%ff%fe=1").key(), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn numbers_are_digits_within_a_range() {
        let number = |query: &'static str| {
            let parameters = Parameters::parse(query, KNOWN).unwrap();
            parameters.number("limit", 1..=1000)
        };
        assert_eq!(number("limit=1"), Ok(Some(1)));
        assert_eq!(number("limit=1000"), Ok(Some(1000)));
        assert_eq!(number("name=a"), Ok(None));
        for query in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=%2B1",
            "limit=1.5",
            "limit=1e2",
            "limit=",
            "limit",
            "limit=99999999999999999999",
        ] {
            let error = number(query).unwrap_err().to_string();
            assert_eq!(error, "limit must be a number from 1 to 1000", "{query}");
        }
    }
}
