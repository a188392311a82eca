//! Checks that every metric and label in dashboards and rules exists.

use std::collections::{BTreeMap, BTreeSet};

use seedwatch::metrics::catalogue::{CATALOGUE, Kind, Metric};

use super::boards::{all, queries, rules};
use super::promql::{Expression, read};

type Labels = BTreeSet<String>;

/// Labels that Prometheus adds to every series of a target.
const TARGET_LABELS: [&str; 3] = ["job", "instance", "cluster"];

/// Series of Prometheus, with their labels.
const BUILT_IN: [(&str, &[&str]); 5] = [
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
    (
        "ALERTS_FOR_STATE",
        &[
            "alertname",
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

/// Matchers of labels that a series does not have. They select the sum over all torrents.
const ABSENT_LABELS: [(&str, &str); 2] = [
    ("seedwatch_country_peers", "torrent"),
    ("family:seedwatch_torrent_peers:sum", "torrent"),
];

/// The values of labels that have a fixed set of values.
const LABEL_VALUES: [(&str, &[&str]); 6] = [
    ("window", &["1d", "7d", "30d"]),
    ("family", &["ipv4", "ipv6"]),
    ("source", &["tracker", "dht"]),
    ("phase", &["resolve", "connect", "tls", "response"]),
    (
        "state",
        &[
            "dead",
            "at_risk",
            "unobserved",
            "pending",
            "alive",
            "private",
        ],
    ),
    (
        "condition",
        &["no_tracker", "no_seeder", "few_peers", "one_network"],
    ),
];

/// The labels of each series that a query may use.
struct KnownSeries {
    labels: BTreeMap<String, Labels>,
    counters: BTreeSet<String>,
}

fn with_target_labels(labels: &[&str]) -> Labels {
    labels
        .iter()
        .chain(&TARGET_LABELS)
        .map(|label| (*label).to_owned())
        .collect()
}

impl KnownSeries {
    fn new() -> Self {
        let mut known = Self {
            labels: BTreeMap::new(),
            counters: BTreeSet::new(),
        };
        for (name, labels) in BUILT_IN {
            known
                .labels
                .insert(name.to_owned(), with_target_labels(labels));
        }
        for metric in CATALOGUE {
            known.add(metric);
        }
        // A rule may use series that a rule of another file records.
        let rules = rules();
        let mut unresolved: Vec<_> = rules.iter().filter(|rule| rule.record.is_some()).collect();
        while !unresolved.is_empty() {
            let before = unresolved.len();
            unresolved.retain(|rule| {
                let expression = read(&rule.expr);
                let ready = expression.selectors.iter().all(|s| {
                    known.labels.contains_key(&s.name) || Some(&s.name) == rule.record.as_ref()
                });
                if ready {
                    let mut labels = known.result(&expression);
                    labels.extend(rule.labels.keys().cloned());
                    let name = rule.record.clone().unwrap();
                    known.labels.entry(name).or_default().extend(labels);
                }
                !ready
            });
            let stuck: Vec<_> = unresolved.iter().map(|rule| &rule.record).collect();
            assert!(
                unresolved.len() < before,
                "rules that use unknown series: {stuck:?}"
            );
        }
        known
    }

    fn add(&mut self, metric: &Metric) {
        let labels = with_target_labels(metric.labels);
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

    /// Returns the labels that the result of an expression may have.
    fn result(&self, expression: &Expression) -> Labels {
        if let Some(only) = &expression.grouping {
            return only.clone();
        }
        let mut labels = self.used(expression);
        labels.retain(|label| !expression.without.contains(label));
        labels
    }

    /// Returns the labels of all series in an expression.
    fn used(&self, expression: &Expression) -> Labels {
        let known = |name: &String| self.labels.get(name).into_iter().flatten().cloned();
        let of_series = expression.selectors.iter().flat_map(|s| known(&s.name));
        of_series
            .chain(expression.created.iter().cloned())
            .collect()
    }

    /// Returns what is wrong with an expression.
    fn faults(&self, expr: &str) -> Vec<String> {
        let expression = read(expr);
        let mut faults = Vec::new();
        if expression.selectors.is_empty() {
            faults.push("no series".to_owned());
        }
        for selector in &expression.selectors {
            let name = selector.name.as_str();
            let Some(labels) = self.labels.get(name) else {
                faults.push(format!("no metric {name}"));
                continue;
            };
            for (label, value) in &selector.matchers {
                if !labels.contains(label) && !ABSENT_LABELS.contains(&(name, label)) {
                    faults.push(format!("{name} has no label {label}"));
                }
                let closed = LABEL_VALUES.iter().find(|(of, _)| of == label);
                if let Some((_, values)) = closed
                    && !value.starts_with('$')
                    && !value.split('|').all(|one| values.contains(&one))
                {
                    faults.push(format!("{label} is never {value}"));
                }
            }
            let grows = ["rate", "increase", "resets"]
                .iter()
                .any(|f| selector.functions.contains(&(*f).to_owned()));
            let counts = self.counters.contains(name);
            let filters = selector.functions.is_empty();
            if counts && !grows && !filters {
                faults.push(format!("{name} is a counter: use its rate or increase"));
            }
            if grows && !counts {
                faults.push(format!("{name} is not a counter: it has no rate"));
            }
        }
        let used = self.used(&expression);
        let listed = expression.labels.iter().chain(&expression.without);
        for label in listed.filter(|label| !used.contains(*label)) {
            faults.push(format!("no series has the label {label}"));
        }
        faults
    }
}

#[test]
fn dashboards_use_only_existing_metrics_and_labels() {
    let known = KnownSeries::new();
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
            for label in in_legend.chain(query.value_label.as_deref()) {
                if !labels.contains(label) {
                    found.push(format!("no series has the label {label}"));
                }
            }
            faults.extend(
                found
                    .iter()
                    .map(|fault| format!("{}: {fault}", query.location)),
            );
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// Two instances, or two clusters, may watch different torrents: every series is filtered.
#[test]
fn every_series_of_a_dashboard_is_one_of_the_chosen_instances() {
    for (uid, board) in all() {
        for query in queries(&uid, &board) {
            let is_variable = query.value_label.is_some();
            for selector in read(&query.expr).selectors {
                let has = |label: &str, value: &str| {
                    let matcher = (label.to_owned(), value.to_owned());
                    selector.matchers.contains(&matcher)
                };
                let offered = is_variable && selector.name == "seedwatch_build_info";
                let filtered = has("job", "$job") && has("instance", "$instance");
                assert!(filtered || offered, "{}: {}", query.location, selector.name);
            }
        }
    }
}

#[test]
fn rules_use_only_existing_metrics_and_labels() {
    let known = KnownSeries::new();
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
    let known = KnownSeries::new();
    let cases = [
        ("seedwatch_torrents", None),
        ("seedwatch_torrent", Some("no metric seedwatch_torrent")),
        (
            r#"seedwatch_torrents{torrent="x"}"#,
            Some("seedwatch_torrents has no label torrent"),
        ),
        (
            r#"seedwatch_torrent_peers{family="ipv5"}"#,
            Some("family is never ipv5"),
        ),
        (
            "sum by (tracker) (seedwatch_torrent_peers)",
            Some("no series has the label tracker"),
        ),
        (
            "rate(seedwatch_torrents[5m])",
            Some("seedwatch_torrents is not a counter: it has no rate"),
        ),
        (
            "sum(seedwatch_tracker_requests_total)",
            Some("seedwatch_tracker_requests_total is a counter: use its rate or increase"),
        ),
        ("1 + 1", Some("no series")),
    ];
    for (expr, fault) in cases {
        let expected: Vec<String> = fault.into_iter().map(str::to_owned).collect();
        assert_eq!(known.faults(expr), expected, "{expr}");
    }
}
