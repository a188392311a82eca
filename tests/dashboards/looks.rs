//! Checks what a viewer sees: colours that can be read and told apart, and tables that fit.

use std::collections::BTreeSet;

use serde_json::Value;

use super::boards::{all, panels};

/// Colours of the states: dead, at risk, unobserved, alive, pending, private.
const STATES: [&str; 6] = [
    "#C04A00", "#FFAA33", "#A8528F", "#00825F", "#C3C9D2", "#5B616D",
];

/// Backgrounds of panels in Grafana's dark and light theme.
const BACKGROUNDS: [&str; 2] = ["#181B1F", "#FFFFFF"];

/// The first ten colours that Grafana gives to series without a fixed colour, dark and light.
const PALETTES: [[&str; 10]; 2] = [
    [
        "#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C", "#5794F2", "#B877D9", "#705DA0",
        "#37872D", "#FADE2A",
    ],
    [
        "#56A64B", "#E0B400", "#5794F2", "#FA6400", "#E02F44", "#3274D9", "#A352CC", "#705DA0",
        "#19730E", "#F2CC0C",
    ],
];

/// The width of the room inside a panel in a window of 1,400 pixels, per column of the grid, and
/// what margins take of it.
const COLUMN: f64 = 1376.0 / 24.0;
const MARGINS: f64 = 24.0;

/// The width that Grafana gives a column of a table that has none.
const COLUMN_WIDTH: f64 = 150.0;

fn channels(color: &str) -> [f64; 3] {
    assert!(color.len() == 7 && color.starts_with('#'), "{color}");
    [1, 3, 5].map(|at| f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()))
}

/// Returns the channels of a colour without the gamma of sRGB, from 0 to 1.
fn linear(color: &str) -> [f64; 3] {
    channels(color).map(|value| {
        let value = value / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    })
}

/// Returns the contrast ratio of WCAG 2.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |color| {
        let [red, green, blue] = linear(color);
        0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05
    };
    let (one, other) = (luminance(one), luminance(other));
    one.max(other) / one.min(other)
}

/// Returns a colour in CIE L*a*b* of white D65.
fn lab(color: &str) -> [f64; 3] {
    let [red, green, blue] = linear(color);
    let curve = |value: f64| {
        if value > 0.008_856 {
            value.cbrt()
        } else {
            7.787 * value + 16.0 / 116.0
        }
    };
    let x = curve((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505);
    let y = curve(0.2126 * red + 0.7152 * green + 0.0722 * blue);
    let z = curve((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.0888);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// Returns how different two colours look: CIE76; about 2 is just noticeable.
fn difference(one: &str, other: &str) -> f64 {
    let (one, other) = (lab(one), lab(other));
    let squares = one.iter().zip(other).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

/// Returns the colour in which Grafana writes on a filled cell or figure.
fn ink(fill: &str) -> &'static str {
    let [red, green, blue] = channels(fill);
    if 0.299 * red + 0.587 * green + 0.114 * blue > 180.0 {
        "#202226"
    } else {
        "#F7F8FA"
    }
}

/// Calls `visit` with every colour of the mappings and thresholds in a JSON value.
fn fills(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| fills(item, visit)),
        Value::Object(fields) => {
            for (key, field) in fields {
                match field.as_str() {
                    Some(color) if key == "color" => visit(color),
                    _ => fills(field, visit),
                }
            }
        }
        _ => {}
    }
}

/// Grafana chooses white or black by brightness alone: on a colour of middle brightness, such as
/// orange, neither can be read.
#[test]
fn text_on_filled_cells_and_figures_can_be_read() {
    let mut seen = BTreeSet::new();
    for (uid, board) in all() {
        for panel in panels(&board) {
            fills(&panel["fieldConfig"], &mut |color| {
                if !color.starts_with('#') {
                    assert!(
                        ["transparent", "text", "blue"].contains(&color),
                        "{uid}: {color}"
                    );
                    return;
                }
                let found = contrast(color, ink(color));
                assert!(
                    found >= 4.5,
                    "{uid}: {}: {color}: {found:.2}",
                    panel["title"]
                );
                seen.insert(color.to_owned());
            });
        }
    }
    for color in STATES {
        assert!(seen.contains(color), "{color}");
    }
}

/// What is good or bad fills its cell or figure: as a colour of text it would be too pale on one of
/// the two backgrounds.
#[test]
fn no_text_has_the_color_of_a_state() {
    for (uid, board) in all() {
        for panel in panels(&board) {
            let location = format!("{uid}: {}", panel["title"]);
            let text = panel["fieldConfig"].to_string();
            assert!(!text.contains("color-text"), "{location}");
            let judges = STATES.iter().any(|color| text.contains(color));
            if panel["type"] == "stat" && judges {
                assert_eq!(
                    panel["options"]["colorMode"], "background_solid",
                    "{location}"
                );
            }
        }
    }
}

#[test]
fn states_look_unlike_series_and_each_other() {
    for (at, state) in STATES.iter().enumerate() {
        for series in PALETTES.as_flattened() {
            let found = difference(state, series);
            assert!(found >= 20.0, "{state}, {series}: {found:.1}");
        }
        for other in &STATES[at + 1..] {
            let found = difference(state, other);
            assert!(found >= 25.0, "{state}, {other}: {found:.1}");
        }
    }
}

#[test]
fn lines_stand_out_on_both_backgrounds_and_are_no_states() {
    let mut lines = BTreeSet::new();
    for (uid, board) in all() {
        for panel in panels(&board) {
            if panel["type"] != "timeseries" || panel["title"] == "Torrents that are not alive" {
                continue;
            }
            for item in panel["fieldConfig"]["overrides"].as_array().unwrap() {
                for property in item["properties"].as_array().unwrap() {
                    let Some(color) = property["value"]["fixedColor"].as_str() else {
                        continue;
                    };
                    for background in BACKGROUNDS {
                        let found = contrast(color, background);
                        assert!(
                            found >= 3.0,
                            "{uid}: {}: {color}: {found:.2}",
                            panel["title"]
                        );
                    }
                    lines.insert(color.to_owned());
                }
            }
        }
    }
    for line in &lines {
        for state in STATES {
            let found = difference(line, state);
            assert!(found >= 20.0, "{line}, {state}: {found:.1}");
        }
        for other in lines.iter().filter(|other| *other != line) {
            let found = difference(line, other);
            assert!(found >= 25.0, "{line}, {other}: {found:.1}");
        }
    }
    assert_eq!(lines.len(), 4, "{lines:?}");
}

/// Returns the least width of a column of a table.
fn width(panel: &Value, heading: &str) -> f64 {
    let mut least = panel["fieldConfig"]["defaults"]["custom"]["minWidth"].as_f64();
    let mut fixed = None;
    for item in panel["fieldConfig"]["overrides"].as_array().unwrap() {
        if item["matcher"]["options"] != heading {
            continue;
        }
        for property in item["properties"].as_array().unwrap() {
            match property["id"].as_str().unwrap() {
                "custom.width" => fixed = property["value"].as_f64(),
                "custom.minWidth" => least = property["value"].as_f64(),
                _ => {}
            }
        }
    }
    fixed.or(least).unwrap_or(COLUMN_WIDTH)
}

/// A table that is wider than its panel hides its last columns.
#[test]
fn tables_fit_into_a_window_of_1400_pixels() {
    let mut tables = 0;
    for (uid, board) in all() {
        for panel in panels(&board) {
            if panel["type"] != "table" {
                continue;
            }
            let steps = panel["transformations"].as_array().unwrap();
            let organize = steps.iter().find(|step| step["id"] == "organize").unwrap();
            let renamed = organize["options"]["renameByName"].as_object().unwrap();
            let headings: BTreeSet<&str> = renamed
                .values()
                .map(|name| name.as_str().unwrap())
                .collect();
            let needed: f64 = headings.iter().map(|heading| width(panel, heading)).sum();
            let room = COLUMN * panel["gridPos"]["w"].as_f64().unwrap() - MARGINS;
            assert!(
                needed <= room,
                "{uid}: {}: {needed} in {room}",
                panel["title"]
            );
            tables += 1;
        }
    }
    assert!(tables >= 13, "{tables}");
}

/// One figure per instance is too small to read if there are two; a table has a row for each.
#[test]
fn no_figure_is_repeated_for_each_instance() {
    for (uid, board) in all() {
        for panel in panels(&board) {
            if panel["type"] == "stat" {
                let legends = panel["targets"].to_string();
                assert!(
                    !legends.contains("{{instance}}"),
                    "{uid}: {}",
                    panel["title"]
                );
            }
        }
    }
}
