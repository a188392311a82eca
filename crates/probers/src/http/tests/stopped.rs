//! Trackers whose answer to `stopped` carries no information about the swarm.

use std::sync::{Arc, Mutex};

use super::server::{ReceivedRequest, Server, ServerReply, Then};
use super::*;
use seedwatch_tracker::{Counts, StoppedList};

/// Four peers, three seeders and a leecher.
const STARTED: &[u8] = b"d8:completei3e10:downloadedi9e10:incompletei1e8:intervali1800e5:peers24:\
    \x51\x02\x03\x04\x1a\xe1\x51\x02\x03\x05\x1a\xe1\
    \x51\x02\x03\x06\x1a\xe1\x51\x02\x03\x07\x1a\xe1e";
const ZEROS: &[u8] = b"d8:completei0e10:downloadedi9e10:incompletei0e8:intervali1800e\
    12:min intervali1700e5:peers0:e";
/// A list of 0.0.0.0:0 alone, beside counts that claim three seeders.
const NO_PEERS: &[u8] = b"d8:completei3e10:incompletei1e8:intervali1800e5:peers6:\0\0\0\0\0\0e";
const REFUSAL: &[u8] = b"d14:failure reason27:Stopped peer doesn't exist.8:intervali1800e\
    12:min intervali1800ee";
/// A list of only our entry (port 6999), with a warning.
const ONLY_US: &[u8] = b"d8:intervali3438e12:min intervali3438e5:peers6:\x51\x02\x03\x09\x1b\x57\
    15:warning message22:Torrent not registerede";

/// The reply of a tracker to one event.
#[derive(Debug, Clone, Copy)]
enum Reply {
    Ok(&'static [u8]),
    Status(&'static str, &'static [u8]),
    Reset,
    Hang,
}

impl Reply {
    fn server_reply(self) -> ServerReply {
        match self {
            Reply::Ok(body) => ServerReply::ok(body),
            Reply::Status(status, body) => ServerReply::with(status, "", body),
            Reply::Reset => ServerReply::raw("", Then::Reset),
            Reply::Hang => ServerReply::raw("", Then::Hang),
        }
    }

    /// Reports whether a tracker with this reply to `started` registers no entry.
    fn is_refusal(self) -> bool {
        matches!(self, Reply::Ok(body) if body.starts_with(b"d14:failure"))
    }
}

/// A tracker that registers a peer on `started` and removes it on `stopped`. Its replies are
/// scripted.
struct Model {
    server: Server,
    is_registered: Arc<Mutex<bool>>,
}

impl Model {
    async fn start(stopped: Reply, started: Reply) -> Self {
        let is_registered = Arc::new(Mutex::new(false));
        let entry = is_registered.clone();
        let server = Server::start(move |request: &ReceivedRequest, _| {
            let joins = request.event() == "started";
            *entry.lock().unwrap() = joins && !started.is_refusal();
            let reply = if joins { started } else { stopped };
            reply.server_reply()
        })
        .await;
        Self {
            server,
            is_registered,
        }
    }

    /// Returns the result of a probe once all `stopped` announces have been sent.
    async fn probe(&self, strategy: AnnounceStrategy) -> Result<AnnounceResponse, ProbeError> {
        let http_client = http_client();
        let mut job = job(&self.server.url("/announce"), strategy);
        job.timeout = Duration::from_secs(2);
        let result = announce_result(http_client.probe(job).await).0;
        assert!(http_client.background_stops().await);
        assert!(
            !*self.is_registered.lock().unwrap(),
            "the tracker still has our entry"
        );
        result
    }
}

const STOPPED: [Reply; 9] = [
    Reply::Ok(ZEROS),
    Reply::Ok(NO_PEERS),
    Reply::Ok(b""),
    Reply::Ok(b"<html>"),
    Reply::Ok(REFUSAL),
    Reply::Status("400 Bad Request", b"bad event"),
    Reply::Status("204 No Content", b""),
    Reply::Status("500 Internal Server Error", b""),
    Reply::Reset,
];

#[tokio::test]
async fn started_brings_the_list_that_stopped_does_not() {
    for stopped in STOPPED {
        for strategy in [AnnounceStrategy::StoppedFirst, AnnounceStrategy::Compare] {
            let model = Model::start(stopped, Reply::Ok(STARTED)).await;
            let response = model.probe(strategy).await.unwrap_or_else(|failed| {
                panic!("{stopped:?}: {failed}");
            });
            assert_eq!(
                (response.peers.len(), response.peer_list_withheld),
                (4, false)
            );
            let Counts {
                seeders, leechers, ..
            } = response.counts;
            // The last answer may not show whether the tracker counted us.
            assert!(seeders == Some(3) && leechers <= Some(1), "{stopped:?}");
            let is_lost =
                matches!(stopped, Reply::Reset) && strategy == AnnounceStrategy::StoppedFirst;
            let shown = if is_lost {
                StoppedList::Unknown
            } else {
                StoppedList::Missing
            };
            assert_eq!(response.stopped_list, shown, "{stopped:?}");
            let events = model.server.events();
            assert_eq!(events[..3], ["stopped", "started", "stopped"]);
        }
    }
}

#[tokio::test]
async fn an_unanswered_stopped_leaves_time_for_started() {
    let model = Model::start(Reply::Hang, Reply::Ok(STARTED)).await;
    let http_client = http_client();
    let mut job = job(
        &model.server.url("/announce"),
        AnnounceStrategy::StoppedFirst,
    );
    job.timeout = Duration::from_secs(5);
    let response = announce_result(http_client.probe(job).await).0.unwrap();
    assert_eq!(response.peers.len(), 4);
}

/// For every pair of replies, no zero or failure contradicts the reply to `started`, and no entry
/// remains.
#[tokio::test]
async fn no_pair_of_answers_yields_a_zero_that_started_contradicts() {
    let started = [
        (Reply::Ok(STARTED), Some(4)),
        (Reply::Ok(ZEROS), Some(0)),
        (Reply::Ok(NO_PEERS), None),
        (Reply::Ok(ONLY_US), None),
        (Reply::Ok(b""), None),
        (Reply::Ok(REFUSAL), None),
        (Reply::Status("404 Not Found", b""), None),
        (Reply::Reset, None),
    ];
    for stopped in STOPPED {
        for (started, expected) in started {
            for strategy in [
                AnnounceStrategy::StoppedFirst,
                AnnounceStrategy::StartThenStop,
            ] {
                let model = Model::start(stopped, started).await;
                let result = model.probe(strategy).await;
                let peers = result.ok().filter(|response| !response.peer_list_withheld);
                let peers = peers.map(|response| response.peers.len());
                assert_eq!(peers, expected, "{stopped:?} {started:?} {strategy:?}");
            }
        }
    }
}

/// A tracker that lists only us and sends a warning does not know the torrent.
#[tokio::test]
async fn a_warning_with_only_our_entry_makes_the_list_unknown() {
    for strategy in [
        AnnounceStrategy::StoppedFirst,
        AnnounceStrategy::StoppedOnly,
        AnnounceStrategy::StartThenStop,
    ] {
        let model = Model::start(Reply::Ok(ONLY_US), Reply::Ok(ONLY_US)).await;
        let response = model.probe(strategy).await.unwrap();
        assert!(response.peer_list_withheld, "{strategy:?}");
        assert_eq!(response.warning.as_deref(), Some("Torrent not registered"));
    }
}

#[tokio::test]
async fn a_list_in_answer_to_stopped_ends_the_probe() {
    for strategy in [
        AnnounceStrategy::StoppedFirst,
        AnnounceStrategy::StoppedOnly,
    ] {
        let model = Model::start(Reply::Ok(STARTED), Reply::Ok(STARTED)).await;
        assert_eq!(model.probe(strategy).await.unwrap().peers.len(), 4);
        assert_eq!(model.server.events(), ["stopped"]);
    }
    let model = Model::start(Reply::Ok(ZEROS), Reply::Ok(ZEROS)).await;
    let response = model.probe(AnnounceStrategy::StoppedOnly).await.unwrap();
    assert!(response.peers.is_empty() && !response.peer_list_withheld);
    assert_eq!(model.server.events(), ["stopped"]);
}

#[tokio::test]
async fn a_rate_limit_is_obeyed_for_every_event() {
    let limit = Reply::Status("429 Too Many Requests", b"");
    let model = Model::start(limit, Reply::Ok(STARTED)).await;
    let failed = model
        .probe(AnnounceStrategy::StoppedFirst)
        .await
        .unwrap_err();
    assert_eq!(failed.reason, FailureReason::RateLimited);
    assert_eq!(model.server.events(), ["stopped"]);
}
