//! Checks that dashboards follow the schema of Grafana 11 to 13, and our own rules of layout.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::boards::{all, panels};

/// Types of panels that every Grafana has.
const KINDS: [&str; 9] = [
    "bargauge",
    "geomap",
    "heatmap",
    "row",
    "stat",
    "state-timeline",
    "table",
    "text",
    "timeseries",
];

/// Variables that Grafana sets.
const BUILT_IN: [&str; 7] = [
    "__range",
    "__interval",
    "__rate_interval",
    "__data",
    "__value",
    "__field",
    "__url_time_range",
];

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn variables(board: &Value) -> Vec<&str> {
    let list = board["templating"]["list"].as_array().unwrap();
    list.iter().map(|variable| text(variable, "name")).collect()
}

/// Calls `visit` with the path and value of every string in a JSON value.
fn strings(value: &Value, path: &str, visit: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(found) => visit(path, found),
        Value::Array(items) => items.iter().for_each(|item| strings(item, path, visit)),
        Value::Object(fields) => {
            for (key, field) in fields {
                strings(field, key, visit);
            }
        }
        _ => {}
    }
}

#[test]
fn dashboards_can_be_provisioned() {
    for (uid, board) in all() {
        assert_eq!(board["id"], Value::Null, "{uid}");
        assert_eq!(board["schemaVersion"], 39, "{uid}");
        assert_eq!(board["editable"], false, "{uid}");
        assert_eq!(board["graphTooltip"], 1, "{uid}");
        assert_eq!(board["tags"], json!(["seedwatch"]), "{uid}");
        assert!(
            board.get("__inputs").is_none() && board.get("__requires").is_none(),
            "{uid}"
        );
        assert!(!text(&board, "title").is_empty() && !text(&board, "description").is_empty());
        let list = board["templating"]["list"].as_array().unwrap();
        let sources: Vec<&str> = list
            .iter()
            .filter(|variable| variable["type"] == "datasource")
            .map(|variable| text(variable, "name"))
            .collect();
        assert_eq!(sources, ["datasource"], "{uid}");
        // The label that tells clusters apart has any name.
        let filters = list.iter().find(|variable| variable["type"] == "adhoc");
        assert_eq!(filters.map(|found| text(found, "name")), Some("filters"));
    }
}

#[test]
fn every_query_goes_to_the_chosen_data_source() {
    let chosen = json!({"type": "prometheus", "uid": "${datasource}"});
    for (uid, board) in all() {
        for panel in panels(&board) {
            assert_eq!(panel["datasource"], chosen, "{uid}: {}", panel["title"]);
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"], chosen, "{uid}: {}", panel["title"]);
            }
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            if variable["type"] == "query" {
                assert_eq!(
                    variable["datasource"], chosen,
                    "{uid}: {}",
                    variable["name"]
                );
            }
        }
        for annotation in board["annotations"]["list"].as_array().unwrap() {
            if annotation["builtIn"] != 1 {
                assert_eq!(
                    annotation["datasource"], chosen,
                    "{uid}: {}",
                    annotation["name"]
                );
            }
        }
    }
}

#[test]
fn every_panel_has_a_description_a_unit_and_a_text_for_no_data() {
    for (uid, board) in all() {
        let mut titles = BTreeSet::new();
        for panel in panels(&board) {
            let location = format!("{uid}: {}", panel["title"]);
            assert!(KINDS.contains(&text(panel, "type")), "{location}");
            assert!(titles.insert(text(panel, "title")), "{location} twice");
            assert!(
                text(panel, "description").len() > 5,
                "{location}: no description"
            );
            let field = &panel["fieldConfig"]["defaults"];
            assert!(!text(field, "unit").is_empty(), "{location}: no unit");
            assert!(
                text(field, "noValue").ends_with(['.', '?']),
                "{location}: noValue does not say why the panel is empty"
            );
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{location}: no query");
            let ids: BTreeSet<&str> = targets.iter().map(|target| text(target, "refId")).collect();
            assert_eq!(ids.len(), targets.len(), "{location}");
        }
    }
}

#[test]
fn panels_fill_the_grid_without_overlap() {
    for (uid, board) in all() {
        let mut ids = BTreeSet::new();
        let mut cells = BTreeMap::new();
        for panel in board["panels"].as_array().unwrap() {
            assert!(
                ids.insert(panel["id"].as_u64().unwrap()),
                "{uid}: {}",
                panel["id"]
            );
            let side = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            let (left, top) = (side("x"), side("y"));
            assert!(left + side("w") <= 24, "{uid}: {}", panel["title"]);
            for x in left..left + side("w") {
                for y in top..top + side("h") {
                    let before = cells.insert((x, y), text(panel, "title"));
                    assert_eq!(before, None, "{uid}: {}", panel["title"]);
                }
            }
        }
        let bottom = cells.keys().map(|(_, y)| y + 1).max().unwrap();
        assert_eq!(cells.len() as u64, bottom * 24, "{uid}: the grid has holes");
    }
}

#[test]
fn variables_exist_where_they_are_used() {
    for (uid, board) in all() {
        let known = variables(&board);
        let mut unused: BTreeSet<&str> = known.iter().copied().collect();
        // Grafana adds these to every query by itself.
        unused.remove("filters");
        strings(&board, "", &mut |key, found| {
            for after in found.split('$').skip(1) {
                let part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
                let name: String = after
                    .trim_start_matches('{')
                    .chars()
                    .take_while(part)
                    .collect();
                let exists = known.contains(&name.as_str()) || BUILT_IN.contains(&name.as_str());
                assert!(exists || key == "value", "{uid}: ${name} in {found}");
                unused.remove(name.as_str());
            }
        });
        assert!(unused.is_empty(), "{uid}: {unused:?} unused");
    }
}

#[test]
fn rates_use_intervals_that_grafana_computes() {
    for (uid, board) in all() {
        strings(&board, "", &mut |key, found| {
            for (function, _) in found
                .match_indices("rate(")
                .chain(found.match_indices("increase("))
            {
                let range = found[function..]
                    .split(['[', ']'])
                    .nth(1)
                    .unwrap_or_default();
                let computed = ["$__rate_interval", "$__range"].contains(&range);
                assert!(key != "expr" || computed, "{uid}: {found}");
            }
        });
    }
}

#[test]
fn links_lead_to_dashboards_and_keep_variables_and_time() {
    let boards = all();
    let mut drilled = BTreeSet::new();
    let mut pages = 0;
    for (uid, board) in &boards {
        let links = board["links"].as_array().unwrap();
        let others = links.iter().filter(|link| link["type"] == "dashboards");
        for link in others.clone() {
            assert_eq!(link["tags"], json!(["seedwatch"]), "{uid}");
            assert_eq!(
                (&link["includeVars"], &link["keepTime"]),
                (&json!(true), &json!(true)),
                "{uid}"
            );
        }
        assert_eq!(others.count(), 1, "{uid}");
        for span in ["now-24h", "now-7d", "now-30d", "now-1y"] {
            let url = format!("/d/{uid}?from={span}&to=now");
            let link = links.iter().find(|link| link["url"] == url.as_str());
            assert_eq!(link.unwrap()["includeVars"], true, "{uid}: {span}");
            let quick = board["timepicker"]["quick_ranges"].as_array().unwrap();
            assert!(
                quick.iter().any(|range| range["from"] == span),
                "{uid}: {span}"
            );
        }
        strings(board, "", &mut |key, url| {
            let Some((target, query)) = url
                .strip_prefix("/d/")
                .and_then(|rest| rest.split_once('?'))
            else {
                let at_daemon = url.starts_with("http://${__value.raw}/api/v1/torrents/");
                pages += usize::from(at_daemon);
                assert!(key != "url" || url.is_empty() || at_daemon, "{uid}: {url}");
                return;
            };
            let target_board = boards
                .get(target)
                .unwrap_or_else(|| panic!("{uid}: no {target}"));
            for variable in query.split("var-").skip(1) {
                let name = variable.split('=').next().unwrap();
                assert!(variables(target_board).contains(&name), "{uid}: {url}");
                for carried in ["datasource", "job", "instance", "filters"] {
                    assert!(
                        query.contains(&format!("${{{carried}:queryparam}}")),
                        "{uid}: {url}"
                    );
                }
                assert!(query.ends_with("${__url_time_range}"), "{uid}: {url}");
                drilled.insert((target.to_owned(), name.to_owned()));
            }
        });
    }
    let expected = ["collection", "torrent"].map(|n| (format!("seedwatch-{n}"), n.to_owned()));
    let expected: BTreeSet<_> = expected
        .into_iter()
        .chain([("seedwatch-trackers".to_owned(), "tracker".to_owned())])
        .collect();
    assert_eq!(drilled, expected);
    assert_eq!(pages, 3, "links to the page of a torrent at seedwatch");
}

/// What is good or bad has the colours of states, which people with any colour vision can tell
/// apart.
#[test]
fn states_have_colors_of_their_own() {
    for (uid, board) in all() {
        for panel in panels(&board) {
            strings(panel, "", &mut |key, found| {
                let grafanas = ["green", "red", "orange", "yellow", "purple"].contains(&found);
                assert!(
                    !key.to_lowercase().contains("color") || !grafanas,
                    "{uid}: {}",
                    panel["title"]
                );
            });
        }
    }
}

/// Trackers are asked a few times per hour: rates per second would be thousandths.
#[test]
fn rates_of_probes_are_per_hour() {
    let mut found = 0;
    for (uid, board) in all() {
        for panel in panels(&board) {
            for target in panel["targets"].as_array().unwrap() {
                let expr = text(target, "expr");
                let probes = [
                    "tracker_requests",
                    "tracker_failures",
                    "peers_rejected",
                    "state_save_failures",
                ];
                if expr.contains("rate(") && probes.iter().any(|name| expr.contains(name)) {
                    let unit = text(&panel["fieldConfig"]["defaults"], "unit");
                    assert_eq!(unit, "suffix: / h", "{uid}: {}", panel["title"]);
                    assert!(expr.starts_with("3600 * "), "{uid}: {}", panel["title"]);
                    found += 1;
                }
            }
        }
    }
    assert_eq!(found, 4);
}
