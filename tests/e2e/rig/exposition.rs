//! A parser for the Prometheus text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt;

/// The labels of one series.
pub(crate) type Labels = BTreeMap<String, String>;

/// The result of one scrape.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exposition {
    series: BTreeMap<String, Vec<(Labels, f64)>>,
    text: String,
}

impl Exposition {
    /// Parses a page. Panics if the page is malformed or repeats a series.
    pub(crate) fn parse(text: &str) -> Self {
        let mut series: BTreeMap<String, Vec<(Labels, f64)>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, labels, rest) = split(line);
            let value = rest
                .trim()
                .parse()
                .unwrap_or_else(|_| panic!("no sample value: {line}"));
            let rows = series.entry(name.to_owned()).or_default();
            assert!(
                rows.iter().all(|(seen, _)| *seen != labels),
                "duplicate series: {line}"
            );
            rows.push((labels, value));
        }
        Self {
            series,
            text: text.to_owned(),
        }
    }

    /// Returns the value of one series, selected as in PromQL: `name{label="value",…}`. Labels that
    /// the selector omits may have any value, but at most one series may match.
    pub(crate) fn get(&self, selector: &str) -> Option<f64> {
        let mut found = self.select(selector);
        let first = found.next();
        assert!(found.next().is_none(), "{selector} matches several series");
        first.map(|(_, value)| *value)
    }

    /// Returns every series that the selector matches.
    pub(crate) fn select(&self, selector: &str) -> impl Iterator<Item = &(Labels, f64)> {
        let (name, wanted, _) = split(selector);
        let rows = self.series.get(name).map(Vec::as_slice);
        rows.unwrap_or_default().iter().filter(move |(labels, _)| {
            wanted
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
        })
    }

    /// Returns the names of all metric families that have a series.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.series.keys().map(String::as_str)
    }

    /// Returns the page as received.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Exposition {
    /// Writes the `seedwatch_*` series, without histogram buckets and process metrics.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ours = |line: &&str| line.starts_with("seedwatch_") && !line.contains("_bucket");
        self.text
            .lines()
            .filter(ours)
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Splits `name{labels} rest`.
fn split(line: &str) -> (&str, Labels, &str) {
    let end = line.find(['{', ' ']).unwrap_or(line.len());
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            rest = rest.strip_prefix(',').unwrap_or(rest);
            let (key, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            let (value, after) = unescape(after);
            labels.insert(key.to_owned(), value);
            rest = after;
        }
        rest = &rest[1..];
    }
    (name, labels, rest)
}

/// Returns the label value up to its closing quote, and the rest of the text.
fn unescape(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                other => panic!("unknown escape {other:?} in {text}"),
            },
            '\n' => break,
            c => value.push(c),
        }
    }
    panic!("no closing quote: {text}");
}
