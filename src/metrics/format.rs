//! Which text format a scraper gets, from its `Accept` header.

/// A format of the exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The classic Prometheus text format, which every tool reads.
    Text,
}

impl Format {
    /// The `Content-Type`: Prometheus 3 fails a scrape on a wrong one.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The format an `Accept` header ranks first. Text where the header names neither, where it
    /// is missing, and where it is unreadable: a scraper that gets 406 helps nobody.
    ///
    /// At equal weight the format named first wins, as in client_golang.
    pub fn negotiate(accept: &str) -> Self {
        let mut best = (Format::Text, 0);
        for range in preferences(accept) {
            if range.weight > best.1
                && let Some(format) = served(&range)
            {
                best = (format, range.weight);
            }
        }
        best.0
    }
}

/// Whether an `Accept-Encoding` header welcomes gzip (RFC 9110, section 12.5.3).
pub fn accepts_gzip(accept_encoding: &str) -> bool {
    let weight = |coding: &str| {
        preferences(accept_encoding)
            .find(|range| range.value.eq_ignore_ascii_case(coding))
            .map(|range| range.weight)
    };
    weight("gzip")
        .or_else(|| weight("x-gzip"))
        .or_else(|| weight("*"))
        .is_some_and(|weight| weight > 0)
}

/// One item of a header with weights.
struct Range<'a> {
    value: &'a str,
    version: Option<&'a str>,
    /// In thousandths, which is all the precision RFC 9110 allows.
    weight: u16,
}

fn served(range: &Range<'_>) -> Option<Format> {
    let is = |value: &str| range.value.eq_ignore_ascii_case(value);
    if is("application/openmetrics-text") || is("application/*") {
        return matches!(range.version, None | Some("1.0.0")).then_some(Format::OpenMetrics);
    }
    if is("text/plain") || is("text/*") || is("*/*") {
        return matches!(range.version, None | Some("0.0.4")).then_some(Format::Text);
    }
    None
}

fn preferences(header: &str) -> impl Iterator<Item = Range<'_>> {
    unquoted_split(header, ',').filter_map(|item| {
        let mut parts = unquoted_split(item, ';');
        let mut range = Range {
            value: parts.next().filter(|value| !value.is_empty())?,
            version: None,
            weight: 1000,
        };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            if name.trim().eq_ignore_ascii_case("q") {
                range.weight = weight(value)?;
            } else if name.trim().eq_ignore_ascii_case("version") {
                range.version = Some(value);
            }
        }
        Some(range)
    })
}

/// `0`, `1`, `0.123`, `1.000`: anything else makes the item unreadable.
fn weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// Splits at a separator outside quoted strings and trims the pieces.
fn unquoted_split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
    .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ranked_format_wins() {
        for (accept, expected) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html", Format::Text),
            ("text/plain", Format::Text),
            ("text/plain;version=0.0.4", Format::Text),
            ("application/json", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            (
                "Application/OpenMetrics-Text; Version=1.0.0",
                Format::OpenMetrics,
            ),
            (
                "application/openmetrics-text; version=\"1.0.0\"; charset=utf-8",
                Format::OpenMetrics,
            ),
            ("application/openmetrics-text;version=0.0.1", Format::Text),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            (
                "application/openmetrics-text;q=0.5,text/plain",
                Format::Text,
            ),
            (
                "text/plain;q=0.5,application/openmetrics-text;q=0.501",
                Format::OpenMetrics,
            ),
            ("text/plain,application/openmetrics-text", Format::Text),
            (
                "application/openmetrics-text,text/plain",
                Format::OpenMetrics,
            ),
            (
                "*/*;q=0.1, application/openmetrics-text;q=0.2",
                Format::OpenMetrics,
            ),
            (
                "application/openmetrics-text;q=nonsense, text/plain;q=0.1",
                Format::Text,
            ),
            (
                "application/openmetrics-text;q=1.5, text/plain;q=0.1",
                Format::Text,
            ),
            (
                "a=\"x,application/openmetrics-text\",text/plain",
                Format::Text,
            ),
            (";;,,;q=,", Format::Text),
            // Prometheus 2.42, as it asks by default.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                 version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            // Prometheus 3, with protobuf first.
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                 encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;\
                 escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
                 text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            // Prometheus 3 with `scrape_protocols: [PrometheusText0.0.4]`.
            ("text/plain;version=0.0.4;q=0.5,*/*;q=0.4", Format::Text),
        ] {
            assert_eq!(Format::negotiate(accept), expected, "{accept}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_answered(header in "(?s).*|[a-z0-9/*+;=,. \"]*") {
            // OpenMetrics is only for those who name it, or anything of its kind.
            let named = header.to_ascii_lowercase().contains("application/");
            assert!(Format::negotiate(&header) == Format::Text || named);
            accepts_gzip(&header);
        }
    }

    #[test]
    fn gzip_is_used_where_welcome() {
        for (header, expected) in [
            ("", false),
            ("identity", false),
            ("gzip", true),
            ("GZIP;q=0.1, identity", true),
            ("deflate, x-gzip", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000, *", false),
            ("*", true),
            ("*;q=0", false),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", true),
            ("gzipped", false),
        ] {
            assert_eq!(accepts_gzip(header), expected, "{header}");
        }
    }
}
