//! Reads the committed dashboards and rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

pub(super) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns every dashboard by its uid.
pub(super) fn all() -> BTreeMap<String, Value> {
    let boards: BTreeMap<String, Value> = files("grafana/dashboards", ".json")
        .into_iter()
        .map(|(name, text)| {
            let board: Value =
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            let uid = board["uid"].as_str().unwrap().to_owned();
            assert_eq!(format!("{uid}.json"), format!("seedwatch-{name}"));
            (uid, board)
        })
        .collect();
    let names = [
        "collection",
        "countries",
        "exporter",
        "overview",
        "torrent",
        "trackers",
    ];
    let uids: Vec<&String> = boards.keys().collect();
    assert_eq!(
        uids,
        names
            .map(|name| format!("seedwatch-{name}"))
            .iter()
            .collect::<Vec<_>>()
    );
    boards
}

/// Returns the panels of a dashboard without the row headings.
pub(super) fn panels(board: &Value) -> Vec<&Value> {
    let all = board["panels"].as_array().unwrap();
    all.iter().filter(|panel| panel["type"] != "row").collect()
}

/// A query of a dashboard.
pub(super) struct Query {
    /// The dashboard and the panel, variable or annotation.
    pub(super) location: String,
    pub(super) expr: String,
    /// The format of the legend; empty for most queries.
    pub(super) legend: String,
    /// The label whose values the query asks for, if it is the query of a variable.
    pub(super) value_label: Option<String>,
}

/// Returns every query of a dashboard: of panels, variables and annotations.
pub(super) fn queries(uid: &str, board: &Value) -> Vec<Query> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut queries = Vec::new();
    for panel in panels(board) {
        for target in panel["targets"].as_array().unwrap() {
            queries.push(Query {
                location: format!(
                    "{uid}: {} {}",
                    text(&panel["title"]),
                    text(&target["refId"])
                ),
                expr: text(&target["expr"]),
                legend: text(&target["legendFormat"]),
                value_label: None,
            });
        }
    }
    for variable in board["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            let query = text(&variable["query"]["query"]);
            let inner = query.strip_prefix("label_values(").unwrap();
            let (expr, label) = inner.strip_suffix(')').unwrap().rsplit_once(", ").unwrap();
            queries.push(Query {
                location: format!("{uid}: ${}", text(&variable["name"])),
                expr: expr.to_owned(),
                legend: String::new(),
                value_label: Some(label.to_owned()),
            });
        }
    }
    for annotation in board["annotations"]["list"].as_array().unwrap() {
        if annotation["builtIn"] != 1 {
            queries.push(Query {
                location: format!("{uid}: annotation {}", text(&annotation["name"])),
                expr: text(&annotation["target"]["expr"]),
                legend: text(&annotation["textFormat"]),
                value_label: None,
            });
        }
    }
    queries
}

/// A recording or alerting rule of Prometheus.
#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    pub(super) record: Option<String>,
    pub(super) alert: Option<String>,
    pub(super) expr: String,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct RuleFile {
    groups: Vec<Group>,
}

/// Returns every rule of `deploy/prometheus`, in order.
pub(super) fn rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    for (name, text) in files("deploy/prometheus", ".rules.yaml") {
        let file: RuleFile =
            serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        rules.extend(file.groups.into_iter().flat_map(|group| group.rules));
    }
    rules
}

fn files(folder: &str, ending: &str) -> BTreeMap<String, String> {
    let found: BTreeMap<String, String> = fs::read_dir(root(folder))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_str().unwrap().ends_with(ending))
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    assert!(!found.is_empty(), "{folder} is empty");
    found
}

#[derive(Deserialize)]
struct PrometheusConfig {
    rule_files: Vec<String>,
}

#[test]
fn prometheus_loads_every_rule_file() {
    let text = fs::read_to_string(root("deploy/prometheus/prometheus.yaml")).unwrap();
    let config: PrometheusConfig = serde_saphyr::from_str(&text).unwrap();
    let loaded: BTreeSet<String> = config.rule_files.into_iter().collect();
    let present: BTreeSet<String> = files("deploy/prometheus", ".rules.yaml")
        .into_keys()
        .collect();
    assert_eq!(loaded, present);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provisioning {
    api_version: u32,
    #[serde(default)]
    providers: Vec<Value>,
    #[serde(default)]
    datasources: Vec<Value>,
}

#[test]
fn provisioning_names_one_folder_and_one_prometheus() {
    let read = |path: &str| -> Provisioning {
        let text = fs::read_to_string(root(path)).unwrap();
        serde_saphyr::from_str(&text).unwrap()
    };
    let boards = read("grafana/provisioning/dashboards/seedwatch.yaml");
    assert_eq!((boards.api_version, boards.providers.len()), (1, 1));
    let provider = &boards.providers[0];
    assert_eq!(provider["type"], "file");
    assert_eq!(provider["options"]["path"], "/etc/grafana/dashboards");
    let sources = read("grafana/provisioning/datasources/seedwatch.yaml");
    assert_eq!((sources.api_version, sources.datasources.len()), (1, 1));
    let source = &sources.datasources[0];
    assert_eq!(source["type"], "prometheus");
    assert_eq!(source["isDefault"], true);
}

#[test]
fn the_dashboards_are_what_the_generator_writes() {
    seedwatch_dev_programs::skip_without!(["python3"]);
    let output = Command::new("python3")
        .arg(root("grafana/build"))
        .arg("--check")
        .output();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
