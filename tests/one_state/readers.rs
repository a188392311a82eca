//! What readers of the daemon say, each read as its users do.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The state of each torrent, as people read it (`at risk`).
pub(super) type States = BTreeMap<String, String>;

/// Numbers of torrents, by collection (`None`: all torrents) and state.
pub(super) type Counts = BTreeMap<(Option<String>, String), u64>;

/// What the dashboards show.
#[derive(Deserialize)]
pub(super) struct Found {
    /// Panels, and the states that each shows.
    pub(super) states: Vec<(String, States)>,
    /// Panels, and the number of torrents that each shows for a state and a collection.
    pub(super) counts: Vec<(String, String, Option<String>, u64)>,
}

/// Reads a table of torrents.
pub(super) fn page(html: &str) -> States {
    let table = between(html, "<table class=\"torrents\">", "</table>");
    let rows = table.split("<tr><th scope=\"row\">").skip(1);
    rows.map(|row| {
        let name = unescape(between(row, "<bdi>", "</bdi>"));
        let cell = between(row, "<td class=\"", "</td>");
        (name, cell.split_once('>').unwrap().1.to_owned())
    })
    .collect()
}

/// Reads the state of the torrent that a page is about.
pub(super) fn own_page(html: &str) -> String {
    let state = between(html, "<p><strong class=\"", "</strong>");
    state.split_once('>').unwrap().1.to_owned()
}

/// Reads the number of torrents in a state in the summary of the page about the daemon.
pub(super) fn summary(html: &str, state: &str) -> u64 {
    let counts = between(html, "<dt>Torrents</dt><dd>", "</dd>");
    let mut counts = counts.split(',').map(str::trim);
    let found = counts.find_map(|count| count.strip_suffix(state)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("no {state}"))
}

/// Reads the number of torrents in a state from its tile. A state without torrents may have none.
pub(super) fn tile(html: &str, state: &str) -> u64 {
    let Some((before, _)) = html.split_once(&format!("</b> <span>{state}</span>")) else {
        return 0;
    };
    let (_, count) = before.rsplit_once("<b>").unwrap();
    count.replace(',', "").parse().unwrap()
}

/// Reads `/api/v1/torrents`.
pub(super) fn api(json: &str) -> States {
    let root: Value = serde_json::from_str(json).unwrap();
    let torrents = root["torrents"].as_array().unwrap().iter();
    torrents
        .map(|torrent| {
            let text = |key: &str| torrent[key].as_str().unwrap().to_owned();
            (text("name"), text("state").replace('_', " "))
        })
        .collect()
}

/// Reads `seedwatch_torrent_state`. A torrent must have one series.
pub(super) fn metric(page: &str) -> States {
    let mut states = States::new();
    for (labels, value) in samples(page, "seedwatch_torrent_state") {
        assert_eq!(value, 1);
        let state = labels["state"].replace('_', " ");
        let before = states.insert(labels["torrent"].clone(), state);
        assert_eq!(before, None, "two states: {labels:?}");
    }
    states
}

/// Reads the first word that `seedwatch probe` prints.
pub(super) fn probe(text: &str) -> String {
    text.split_once(": ").unwrap().0.replace('_', " ")
}

/// Reads the numbers of torrents by state, of all and of each collection.
pub(super) fn sums(page: &str) -> Counts {
    let all = samples(page, "seedwatch_torrents_by_state");
    let collections = samples(page, "seedwatch_collection_torrents_by_state");
    all.chain(collections)
        .map(|(labels, value)| {
            let state = labels["state"].replace('_', " ");
            ((labels.get("collection").cloned(), state), value)
        })
        .collect()
}

/// Returns the samples of a metric: their labels and values.
fn samples<'a>(
    page: &'a str,
    metric: &'a str,
) -> impl Iterator<Item = (BTreeMap<String, String>, u64)> + 'a {
    page.lines().filter_map(move |line| {
        let labels = line.strip_prefix(metric)?.strip_prefix('{')?;
        let (labels, value) = labels.rsplit_once("} ")?;
        Some((self::labels(labels), value.parse().unwrap()))
    })
}

/// Reads labels of the exposition format, whose values escape quotes and backslashes.
fn labels(text: &str) -> BTreeMap<String, String> {
    let (mut labels, mut rest) = (BTreeMap::new(), text);
    while let Some((name, after)) = rest.split_once("=\"") {
        let (mut value, mut chars) = (String::new(), after.chars());
        while let Some(c) = chars.next().filter(|c| *c != '"') {
            value.push(if c == '\\' { chars.next().unwrap() } else { c });
        }
        labels.insert(name.trim_start_matches(',').to_owned(), value);
        rest = chars.as_str();
    }
    labels
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, after) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("no {start}"));
    after
        .split_once(end)
        .unwrap_or_else(|| panic!("no {end}"))
        .0
}

fn unescape(html: &str) -> String {
    let html = html.replace("&#34;", "\"").replace("&quot;", "\"");
    html.replace("&#38;", "&").replace("&amp;", "&")
}
