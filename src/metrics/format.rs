//! Content negotiation: the text format of a metrics page, from the `Accept` header.

use seedwatch_exporter::negotiation::{Preference, preferences};

/// A format of the exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The classic Prometheus text format, which every tool reads.
    Text,
}

impl Format {
    /// Returns the `Content-Type`. Prometheus 3 fails a scrape if it is wrong.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Returns the format that an `Accept` header ranks first. At equal weight, the format named
    /// first wins, as in client_golang.
    ///
    /// Returns [`Format::Text`] if the header names neither format, is missing or is malformed:
    /// a scraper can use any page better than status 406.
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

fn served(range: &Preference<'_>) -> Option<Format> {
    let is = |value: &str| range.value.eq_ignore_ascii_case(value);
    if is("application/openmetrics-text") || is("application/*") {
        return matches!(range.version, None | Some("1.0.0")).then_some(Format::OpenMetrics);
    }
    if is("text/plain") || is("text/*") || is("*/*") {
        return matches!(range.version, None | Some("0.0.4")).then_some(Format::Text);
    }
    None
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
            // The default of Prometheus 2.42.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                 version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            // Prometheus 3, which prefers protobuf.
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
            // Only a header that names OpenMetrics or `application/*` selects it.
            let named = header.to_ascii_lowercase().contains("application/");
            assert!(Format::negotiate(&header) == Format::Text || named);
        }
    }
}
