//! One state per torrent, everywhere.
//!
//! A day of 300 torrents in all states and with all conditions is simulated. Then the status page,
//! the API, the metrics, `probe` and the dashboards must say the same about each of them, and the
//! same sums.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

mod readers;
mod world;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use arc_swap::ArcSwap;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use readers::{Counts, States};
use seedwatch::web::State as Service;
use seedwatch_core::snapshot::{Snapshot, TorrentView};
use seedwatch_core::verdict::{Condition, State};
use seedwatch_dev_programs::skip_without;
use seedwatch_dev_web::{Server, ask};
use tokio::sync::mpsc;
use world::TORRENTS;

fn serve(snapshot: Snapshot) -> Server<Service> {
    let (reload, _) = mpsc::channel(1);
    let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
    let state = Service::new(snapshot, reload, "/metrics".to_owned(), 40);
    Server::start(Arc::new(state))
}

async fn get(server: &Server<Service>, path: &str) -> String {
    let answer = ask(server, &format!("GET {path}"), "").await;
    assert_eq!(answer.status, 200, "{path}");
    answer.text().to_owned()
}

/// Returns what the verdicts say, as people read it.
fn truth(snapshot: &Snapshot) -> States {
    let rows = snapshot.rows();
    let word = |state: State| state.as_label().replace('_', " ");
    rows.map(|view| (view.torrent.name.to_string(), word(view.verdict.state)))
        .collect()
}

/// Counts states over all torrents, and by collection.
fn count(states: &States, snapshot: &Snapshot) -> Counts {
    let mut counts = Counts::new();
    for view in snapshot.rows() {
        let state = &states[&*view.torrent.name];
        let collection = view.torrent.collection().map(|name| name.to_string());
        *counts.entry((None, state.clone())).or_default() += 1;
        if collection.is_some() {
            *counts.entry((collection, state.clone())).or_default() += 1;
        }
    }
    counts
}

fn same(what: &str, found: &States, expected: &States) {
    for (torrent, state) in expected {
        assert_eq!(found.get(torrent), Some(state), "{what}: {torrent}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// Reads all pages of a table of torrents, of which `expected` are as many as there must be.
async fn pages(server: &Server<Service>, path: &str, expected: &States) -> States {
    let mut all = States::new();
    let mark = if path.contains('?') { '&' } else { '?' };
    for page in 1..=expected.len().div_ceil(100) {
        let html = get(server, &format!("{path}{mark}page={page}")).await;
        all.extend(readers::page(&html));
    }
    all
}

/// Holds the pages, the API, the metrics and `probe` against the verdicts.
async fn check(snapshot: &Snapshot) -> (Server<Service>, States, Counts) {
    let states = truth(snapshot);
    let counts = count(&states, snapshot);
    let server = serve(snapshot.clone());

    let (first, about) = (get(&server, "/").await, get(&server, "/about").await);
    same("page", &pages(&server, "/torrents", &states).await, &states);
    for collection in snapshot.collections.iter().map(|row| &row.name) {
        let of = |view: TorrentView<'_>| view.torrent.collection() == Some(collection);
        let own = snapshot.rows().filter(|view| of(*view));
        let own: States = own
            .map(|view| view.torrent.name.to_string())
            .map(|name| (name.clone(), states[&name].clone()))
            .collect();
        let segment = utf8_percent_encode(collection, NON_ALPHANUMERIC);
        let path = format!("/torrents?collection={segment}");
        same("collection", &pages(&server, &path, &own).await, &own);
    }
    for view in snapshot.rows() {
        let name = &*view.torrent.name;
        let path = format!("/torrents/{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
        let state = readers::own_page(&get(&server, &path).await);
        assert_eq!(state, states[name], "{name}");
    }
    same(
        "API",
        &readers::api(&get(&server, "/api/v1/torrents").await),
        &states,
    );
    let metrics = get(&server, "/metrics").await;
    same("metric", &readers::metric(&metrics), &states);
    for view in snapshot.rows() {
        let state = readers::probe(&seedwatch::app::describe(view));
        assert_eq!(state, states[&*view.torrent.name], "probe");
    }

    for state in State::ALL.map(|state| state.as_label().replace('_', " ")) {
        let expected = counts.get(&(None, state.clone())).copied().unwrap_or(0);
        assert_eq!(readers::summary(&about, &state), expected, "about: {state}");
        assert_eq!(readers::tile(&first, &state), expected, "tile: {state}");
    }
    let sums = readers::sums(&metrics);
    let known: Counts = sums.into_iter().filter(|(_, sum)| *sum > 0).collect();
    assert_eq!(known, counts);
    (server, states, counts)
}

#[tokio::test]
async fn every_reader_gives_the_same_state_and_the_same_sums() {
    let snapshot = world::snapshot(false);
    for state in State::ALL {
        let count = snapshot.torrents_by_state()[state.index()];
        assert!(count >= 20, "{}: {count}", state.as_label());
    }
    for condition in Condition::ALL {
        let has = |view: seedwatch_core::snapshot::TorrentView<'_>| {
            view.verdict.conditions.has(condition)
        };
        assert!(snapshot.rows().any(has), "{}", condition.as_label());
    }
    let (server, states, counts) = check(&snapshot).await;

    skip_without!(["python3", "prometheus"]);
    let found = dashboards(&server).await;
    let panels = found.states.len();
    assert!(
        panels >= TORRENTS,
        "one panel per torrent at least: {panels}"
    );
    let mut seen = BTreeMap::new();
    for (panel, shown) in &found.states {
        for (torrent, state) in shown {
            assert_eq!(state, &states[torrent], "{panel}: {torrent}");
            *seen.entry(torrent).or_insert(0) += 1;
        }
    }
    assert!(
        seen.len() == TORRENTS && seen.values().all(|count| *count >= 2),
        "{seen:?}"
    );
    assert!(found.counts.len() >= 10, "{:?}", found.counts);
    for (panel, state, collection, number) in found.counts {
        let key = (collection, state);
        let expected = counts.get(&key).copied().unwrap_or(0);
        assert_eq!(number, expected, "{panel}: {key:?}");
    }
}

#[tokio::test]
async fn a_daemon_that_only_scrapes_gives_one_state_too() {
    let snapshot = world::snapshot(true);
    check(&snapshot).await;
    let states: Vec<_> = truth(&snapshot).into_values().collect();
    for state in ["dead", "alive", "unobserved", "pending", "private"] {
        assert!(states.iter().any(|it| it == state), "{state}");
    }
}

/// Asks the dashboards, through a Prometheus that scrapes the server.
async fn dashboards(server: &Server<Service>) -> readers::Found {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/one_state/queries");
    let mut command = Command::new("python3");
    command.args([script, &server.address.to_string(), &TORRENTS.to_string()]);
    let asked = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = asked.await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}
