//! Every name and label in dashboards and rules exists.

use std::collections::{BTreeMap, BTreeSet};

use seedwatch::metrics::catalogue::{CATALOGUE, Kind, Metric};

use super::boards::{all, queries, rules};
use super::promql::{Mentions, read};

type Labels = BTreeSet<String>;

/// What Prometheus adds to every series of a target.
const TARGET: [&str; 2] = ["job", "instance"];

/// Series of Prometheus itself.
const BUILT_IN: [(&str, &[&str]); 4] = [
    ("up", &[]),
    ("scrape_duration_seconds", &[]),
    ("scrape_samples_scraped", &[]),
    (
        "ALERTS",
        &[
            "alertname",
            "alertstate",
            "severity",
            "torrent",
            "collection",
            "tracker",
            "country",
            "family",
            "asn",
            "database",
        ],
    ),
];

/// A label that a series lacks on purpose: a matcher for "no such label" finds the sum of all.
const LACKING: [(&str, &str); 2] = [
    ("country:seedwatch_torrent_country_peers:sum", "torrent"),
    ("family:seedwatch_torrent_peers:sum", "torrent"),
];

/// The values of labels that have few.
const CLOSED: [(&str, &[&str]); 4] = [
    ("window", &["1d", "7d", "30d"]),
    ("family", &["ipv4", "ipv6"]),
    ("source", &["tracker", "dht"]),
    ("phase", &["resolve", "connect", "tls", "response"]),
];

/// The labels of each series that a query may name.
struct Known {
    labels: BTreeMap<String, Labels>,
    counters: BTreeSet<String>,
}

fn owned(labels: &[&str]) -> Labels {
    labels
        .iter()
        .chain(&TARGET)
        .map(|label| (*label).to_owned())
        .collect()
}

impl Known {
    fn new() -> Self {
        let mut known = Self {
            labels: BTreeMap::new(),
            counters: BTreeSet::new(),
        };
        for (name, labels) in BUILT_IN {
            known.labels.insert(name.to_owned(), owned(labels));
        }
        for metric in CATALOGUE {
            known.add(metric);
        }
        // A rule may use what another file records.
        let rules = rules();
        let mut left: Vec<_> = rules.iter().filter(|rule| rule.record.is_some()).collect();
        while !left.is_empty() {
            let before = left.len();
            left.retain(|rule| {
                let mentions = read(&rule.expr);
                let ready = mentions.selectors.iter().all(|s| {
                    known.labels.contains_key(&s.name) || Some(&s.name) == rule.record.as_ref()
                });
                if ready {
                    let mut labels = known.result(&mentions);
                    labels.extend(rule.labels.keys().cloned());
                    let name = rule.record.clone().unwrap();
                    known.labels.entry(name).or_default().extend(labels);
                }
                !ready
            });
            let stuck: Vec<_> = left.iter().map(|rule| &rule.record).collect();
            assert!(
                left.len() < before,
                "rules that use what does not exist: {stuck:?}"
            );
        }
        known
    }

    fn add(&mut self, metric: &Metric) {
        let labels = owned(metric.labels);
        match metric.kind {
            Kind::Histogram => {
                let mut with_bucket = labels.clone();
                with_bucket.insert("le".to_owned());
                self.labels
                    .insert(format!("{}_bucket", metric.name), with_bucket);
                for suffix in ["sum", "count", "bucket"] {
                    let name = format!("{}_{suffix}", metric.name);
                    self.counters.insert(name.clone());
                    self.labels.entry(name).or_insert_with(|| labels.clone());
                }
            }
            Kind::Counter => {
                self.counters.insert(metric.name.to_owned());
                self.labels.insert(metric.name.to_owned(), labels);
            }
            Kind::Gauge => {
                self.labels.insert(metric.name.to_owned(), labels);
            }
        }
    }

    /// Labels that the result of an expression may have.
    fn result(&self, mentions: &Mentions) -> Labels {
        if let Some(only) = &mentions.only {
            return only.clone();
        }
        let mut labels = self.used(mentions);
        labels.retain(|label| !mentions.without.contains(label));
        labels
    }

    /// Labels of all series in an expression.
    fn used(&self, mentions: &Mentions) -> Labels {
        let known = |name: &String| self.labels.get(name).into_iter().flatten().cloned();
        let of_series = mentions.selectors.iter().flat_map(|s| known(&s.name));
        of_series.chain(mentions.made.iter().cloned()).collect()
    }

    /// What is wrong with an expression.
    fn faults(&self, expr: &str) -> Vec<String> {
        let mentions = read(expr);
        let mut faults = Vec::new();
        if mentions.selectors.is_empty() {
            faults.push("no series".to_owned());
        }
        for selector in &mentions.selectors {
            let name = selector.name.as_str();
            let Some(labels) = self.labels.get(name) else {
                faults.push(format!("no metric {name}"));
                continue;
            };
            for (label, value) in &selector.matchers {
                if !labels.contains(label) && !LACKING.contains(&(name, label)) {
                    faults.push(format!("{name} has no label {label}"));
                }
                let closed = CLOSED.iter().find(|(of, _)| of == label);
                if let Some((_, values)) = closed
                    && !value.starts_with('$')
                    && !values.contains(&value.as_str())
                {
                    faults.push(format!("no {label} is {value}"));
                }
            }
            let grows = ["rate", "increase", "resets"]
                .iter()
                .any(|f| selector.inside.contains(&(*f).to_owned()));
            let counts = self.counters.contains(name);
            let filters = selector.inside.is_empty();
            if counts && !grows && !filters {
                faults.push(format!(
                    "{name} is a counter: only its growth means something"
                ));
            }
            if grows && !counts {
                faults.push(format!("{name} is no counter: it has no rate"));
            }
        }
        let used = self.used(&mentions);
        let listed = mentions.labels.iter().chain(&mentions.without);
        for label in listed.filter(|label| !used.contains(*label)) {
            faults.push(format!("no series in it has the label {label}"));
        }
        faults
    }
}

#[test]
fn dashboards_use_only_what_exists() {
    let known = Known::new();
    let mut faults = Vec::new();
    for (uid, board) in all() {
        for query in queries(&uid, &board) {
            let mut found = known.faults(&query.expr);
            let labels = known.used(&read(&query.expr));
            let in_legend = query
                .legend
                .split("{{")
                .skip(1)
                .map(|part| part.split("}}").next().unwrap());
            for label in in_legend.chain(query.wanted.as_deref()) {
                if !labels.contains(label) {
                    found.push(format!("no series in it has the label {label}"));
                }
            }
            faults.extend(
                found
                    .iter()
                    .map(|fault| format!("{}: {fault}", query.place)),
            );
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn rules_use_only_what_exists() {
    let known = Known::new();
    let mut faults = Vec::new();
    for rule in rules() {
        let name = rule.record.or(rule.alert).unwrap();
        let found = known.faults(&rule.expr);
        faults.extend(found.iter().map(|fault| format!("{name}: {fault}")));
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn faults_are_found() {
    let known = Known::new();
    let cases = [
        ("seedwatch_torrents", None),
        ("seedwatch_torrent", Some("no metric seedwatch_torrent")),
        (
            r#"seedwatch_torrents{torrent="x"}"#,
            Some("seedwatch_torrents has no label torrent"),
        ),
        (
            r#"seedwatch_torrent_peers{family="ipv5"}"#,
            Some("no family is ipv5"),
        ),
        (
            "sum by (tracker) (seedwatch_torrent_peers)",
            Some("no series in it has the label tracker"),
        ),
        (
            "rate(seedwatch_torrents[5m])",
            Some("seedwatch_torrents is no counter: it has no rate"),
        ),
        (
            "sum(seedwatch_tracker_requests_total)",
            Some("seedwatch_tracker_requests_total is a counter: only its growth means something"),
        ),
        ("1 + 1", Some("no series")),
    ];
    for (expr, fault) in cases {
        let expected: Vec<String> = fault.into_iter().map(str::to_owned).collect();
        assert_eq!(known.faults(expr), expected, "{expr}");
    }
}
