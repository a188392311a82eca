//! What strangers may read with `--web.public`.

use std::sync::Arc;

use super::super::{Server, state};
use super::*;
use seedwatch_core::events::{EventHistory, StateEvent};
use seedwatch_core::snapshot::{Privacy, Unix};
use seedwatch_core::verdict::{Reason, State};

#[tokio::test]
async fn strangers_read_pages_and_find_no_controls() {
    let (state, mut reloads) = state(sample::snapshot(), 40);
    let state = Arc::into_inner(state).unwrap().with_public(true);
    state.show(sample::snapshot());
    let server = Server::start(Arc::new(state));
    for (path, status) in PAGES {
        let status = match path {
            "/torrents/private" => 404,
            _ => status,
        };
        let answer = ask(&server, &format!("GET {path}"), "").await;
        assert_eq!(answer.status, status, "{path}");
        for hidden in ["metrics", "config"] {
            let link = format!("/{hidden}\"");
            assert!(!answer.text().contains(&link), "{path}: {hidden}");
        }
    }
    for request in [
        "GET /metrics",
        "HEAD /metrics",
        "POST /metrics",
        "GET /config",
        "GET /-/reload",
        "POST /-/reload",
    ] {
        let answer = ask(&server, request, "").await;
        assert_eq!(answer.status, 404, "{request}");
    }
    for request in ["GET /-/healthy", "GET /api/v1/torrents", "GET /runbook"] {
        assert_eq!(ask(&server, request, "").await.status, 200, "{request}");
    }
    assert!(reloads.try_recv().is_err());
}

/// Returns a snapshot with two private torrents, one of which was probed and died, and with events
/// of both and of one that is gone.
fn with_secrets() -> Snapshot {
    let mut snapshot = sample::snapshot();
    let mut torrents = snapshot.torrents.to_vec();
    for (at, name) in [(1, "empty-hush"), (3, "private-hush")] {
        torrents[at].name = name.into();
        torrents[at].privacy = match at {
            1 => Privacy::Consented,
            _ => Privacy::LeftAlone,
        };
    }
    snapshot.torrents = torrents.into();
    let event = |id| StateEvent {
        torrent: InfoHash([id; 20]),
        from: State::Alive,
        to: State::Dead,
        reason: Reason::Empty,
        at: Unix(snapshot.taken.0 - 3600).into(),
    };
    snapshot.events = Arc::new(EventHistory::of([1, 2, 9, 0x0f].map(event)));
    snapshot
}

const SECRETS: [&str; 4] = [
    "hush",
    "0101010101010101010101010101010101010101",
    "0202020202020202020202020202020202020202",
    "0909090909090909090909090909090909090909",
];

const FEEDS: [&str; 2] = ["/torrents.atom", "/events.atom"];

#[tokio::test]
async fn strangers_learn_of_no_private_torrent() {
    let (state, _) = state(Snapshot::default(), 40);
    let state = Arc::into_inner(state).unwrap().with_public(true);
    state.show(with_secrets());
    let server = Server::start(Arc::new(state));
    let others = [
        "/torrents.json",
        "/torrents.csv",
        "/torrents.magnets.txt",
        "/trackers.txt",
        "/torrents?sort=-peers",
        "/trackers/https%3A%2F%2Ftracker2.example%3A443",
        "/api/v1/torrents",
        "/api/v1/torrents?q=0101010",
        "/api/v1/events",
        "/api/v1/collections",
        "/api/v1/collections/census",
        "/api/v1/trackers",
        "/api/v1/causes",
        "/api/v1/needs-seeding",
        "/api/v1/needs-seeding?format=rss",
        "/dyn/generate_torrents",
    ];
    let pages = PAGES.iter().map(|(path, _)| *path);
    for path in pages.chain(others).chain(FEEDS) {
        let answer = ask(&server, &format!("GET {path}"), "").await;
        for secret in SECRETS {
            assert!(!answer.text().contains(secret), "{path}: {secret}");
        }
    }
    // Whoever guesses learns nothing.
    for path in [
        "torrents",
        "events?torrent=",
        "badge/torrent",
        "api/v1/torrents",
    ] {
        for guess in [
            "empty-hush",
            "private-hush",
            SECRETS[1],
            SECRETS[2],
            SECRETS[3],
        ] {
            let path = match path {
                "events?torrent=" => format!("/events?torrent={guess}"),
                "badge/torrent" => format!("/badge/torrent/{guess}.svg"),
                _ => format!("/{path}/{guess}"),
            };
            let answer = ask(&server, &format!("GET {path}"), "").await;
            assert_eq!(answer.status, 404, "{path}");
            let path = format!("/api/v1/events?torrent={guess}");
            assert_eq!(ask(&server, &format!("GET {path}"), "").await.status, 404);
        }
    }
    let events = ask(&server, "GET /events.atom", "").await;
    assert_eq!(events.text().matches("<entry>").count(), 1);
}

#[tokio::test]
async fn operators_see_private_torrents_but_feeds_do_not() {
    let server = serve(with_secrets());
    for path in FEEDS {
        let answer = ask(&server, &format!("GET {path}"), "").await;
        for secret in SECRETS {
            assert!(!answer.text().contains(secret), "{path}: {secret}");
        }
        assert!(answer.text().contains("<entry>"), "{path}");
    }
    for path in ["/torrents.csv", "/torrents.json", "/torrents/empty-hush"] {
        let answer = ask(&server, &format!("GET {path}"), "").await;
        assert!(answer.text().contains(SECRETS[1]), "{path}");
    }
    let events = ask(&server, "GET /api/v1/events", "").await;
    for secret in &SECRETS[1..] {
        assert!(events.text().contains(secret), "{secret}");
    }
}
