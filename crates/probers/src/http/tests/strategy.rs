//! The order of the announces; `stopped` always follows `started`.

use super::server::{ReceivedRequest, Server, ServerReply, Then};
use super::*;
use seedwatch_tracker::Counts;

/// Replies as opentracker does: counts without a list to `stopped`, and a list to `started`.
fn opentracker(request: &ReceivedRequest, _: usize) -> ServerReply {
    ServerReply::ok(match request.event() {
        "started" => [&LIST[..LIST.len() - 1], b"10:tracker id2:t!e"].concat(),
        _ => WITHHELD.to_vec(),
    })
}

async fn announce_start_then_stop(
    http_client: &Arc<HttpClient>,
    url: &str,
) -> (Result<AnnounceResponse, ProbeError>, ProbeStats) {
    announce_result(
        http_client
            .probe(job(url, AnnounceStrategy::StartThenStop))
            .await,
    )
}

fn counts(seeders: u32, leechers: u32) -> Counts {
    Counts {
        seeders: Some(seeders),
        leechers: Some(leechers),
        completed: None,
    }
}

#[tokio::test]
async fn an_empty_swarm_is_believed() {
    let server = Server::always(EMPTY).await;
    let response = announce_stopped_only(&http_client(), &server.url("/announce"))
        .await
        .0
        .unwrap();
    assert_eq!(
        (response.strategy, response.counts),
        (AnnounceStrategy::StoppedFirst, counts(0, 0))
    );
    assert_eq!(server.events(), ["stopped"]);
}

#[tokio::test]
async fn counts_without_a_list_lead_to_started() {
    let server = Server::start(opentracker).await;
    let http_client = http_client();
    let (response, stats) = announce_stopped_only(&http_client, &server.url("/announce")).await;
    let response = response.unwrap();
    assert_eq!(
        (response.peers.len(), response.strategy),
        (1, AnnounceStrategy::StartThenStop)
    );
    assert_eq!(
        response.counts,
        counts(1, 0),
        "the counts beside the list, without us"
    );
    assert_eq!(server.events(), ["stopped", "started", "stopped"]);
    assert_eq!(stats.requests, 3);
    let requests = server.requests();
    assert_eq!(requests[2].parameter("numwant"), Some("0"));
    assert_eq!(requests[2].parameter("trackerid"), Some("t%21"));
    assert!(requests.iter().all(|a| a.connection == 0));
    // The known strategy skips the first `stopped`.
    assert!(
        announce_start_then_stop(&http_client, &server.url("/announce"))
            .await
            .0
            .is_ok()
    );
    assert_eq!(server.events()[3..], ["started", "stopped"]);
    assert!(http_client.background_stops().await);
    assert_eq!(server.requests().len(), 5, "no further `stopped` is sent");
}

#[tokio::test]
async fn without_counts_an_empty_list_is_not_believed() {
    let server = Server::start(|request, _| {
        ServerReply::ok(match request.event() {
            "started" => LIST,
            _ => b"d8:intervali900ee",
        })
    })
    .await;
    let response = announce_stopped_only(&http_client(), &server.url("/announce"))
        .await
        .0
        .unwrap();
    assert_eq!(
        (response.peers.len(), response.strategy),
        (1, AnnounceStrategy::StartThenStop)
    );
    assert_eq!(server.events(), ["stopped", "started", "stopped"]);
}

#[tokio::test]
async fn a_response_without_a_list_is_not_an_empty_list() {
    for (body, reason) in [
        ("d8:intervali900ee", FailureReason::Malformed),
        ("d15:warning message1:xe", FailureReason::Malformed),
        (
            "d10:downloadedi7e8:intervali900ee",
            FailureReason::Malformed,
        ),
        ("d12:failure codei900ee", FailureReason::Rejected),
    ] {
        for strategy in [
            AnnounceStrategy::StoppedFirst,
            AnnounceStrategy::StartThenStop,
        ] {
            let server = Server::always(body).await;
            let http_client = http_client();
            let observation = http_client
                .probe(job(&server.url("/announce"), strategy))
                .await;
            let failed = announce_result(observation).0.unwrap_err();
            assert_eq!(failed.reason, reason, "{body} {strategy:?}");
            let joined = server.events().contains(&"started".to_owned());
            if reason == FailureReason::Malformed && joined {
                assert_eq!(server.events().last().unwrap(), "stopped");
            }
            assert!(http_client.background_stops().await);
        }
    }
}

#[tokio::test]
async fn counts_alone_are_an_answer() {
    for (body, withheld) in [
        ("d8:completei1e10:incompletei2e8:intervali900ee", true),
        ("d8:completei0e10:incompletei0e8:intervali900ee", false),
        // The number of leechers is missing.
        ("d8:completei0e8:intervali900ee", true),
    ] {
        for strategy in [
            AnnounceStrategy::StoppedFirst,
            AnnounceStrategy::StartThenStop,
        ] {
            let server = Server::always(body).await;
            let observation = http_client()
                .probe(job(&server.url("/announce"), strategy))
                .await;
            let response = announce_result(observation).0.unwrap();
            assert_eq!(response.peer_list_withheld, withheld, "{body} {strategy:?}");
            assert!(response.peers.is_empty() && response.counts.seeders.is_some());
        }
    }
}

#[tokio::test]
async fn host_names_are_withheld_without_started() {
    const NAMES: &[u8] = b"d8:intervali900e5:peersld2:ip12:peer.example4:porti1eeee";
    let server = Server::always(NAMES).await;
    let response = announce_stopped_only(&http_client(), &server.url("/announce"))
        .await
        .0
        .unwrap();
    assert_eq!(
        (response.peer_list_withheld, response.strategy),
        (true, AnnounceStrategy::StoppedFirst)
    );
    assert_eq!(server.events(), ["stopped"]);
    assert!(
        announce_start_then_stop(&http_client(), &server.url("/announce"))
            .await
            .0
            .unwrap()
            .peer_list_withheld
    );
}

#[tokio::test]
async fn a_list_of_only_our_entry_is_withheld() {
    let server = Server::start(|request, _| {
        ServerReply::ok(match request.event() {
            "started" => ONLY_OUR_ENTRY,
            _ => WITHHELD,
        })
    })
    .await;
    let response = announce_stopped_only(&http_client(), &server.url("/announce"))
        .await
        .0
        .unwrap();
    assert_eq!(
        (response.peers.len(), response.strategy),
        (0, AnnounceStrategy::StoppedFirst)
    );
    assert_eq!(response.counts, counts(1, 1));
    assert!(response.peer_list_withheld);
}

#[tokio::test]
async fn an_empty_list_is_withheld_only_if_the_counts_claim_peers() {
    let without_counts = b"d8:intervali900e5:peers0:e";
    for (body, strategy, withheld) in [
        (WITHHELD, AnnounceStrategy::StoppedFirst, true),
        (EMPTY, AnnounceStrategy::StoppedFirst, false),
        (without_counts, AnnounceStrategy::StoppedFirst, false),
        (LIST, AnnounceStrategy::StoppedFirst, false),
        (WITHHELD, AnnounceStrategy::StartThenStop, true),
        // The swarm has no peer except us.
        (EMPTY, AnnounceStrategy::StartThenStop, false),
        (LIST, AnnounceStrategy::StartThenStop, false),
    ] {
        let server = Server::always(body).await;
        let observation = http_client()
            .probe(job(&server.url("/announce"), strategy))
            .await;
        let response = announce_result(observation).0.unwrap();
        assert_eq!(
            response.peer_list_withheld, withheld,
            "{body:?} {strategy:?}"
        );
    }
}

#[tokio::test]
async fn a_list_that_only_started_brings_is_not_withheld() {
    let server = Server::start(opentracker).await;
    let response = announce_stopped_only(&http_client(), &server.url("/announce"))
        .await
        .0
        .unwrap();
    assert!(!response.peer_list_withheld);
}

#[tokio::test]
async fn counts_exclude_us() {
    let server = Server::start(|request, _| {
        ServerReply::ok(match request.event() {
            "started" => ONLY_OUR_ENTRY,
            _ => b"d8:intervali900ee",
        })
    })
    .await;
    let response = announce_start_then_stop(&http_client(), &server.url("/announce"))
        .await
        .0
        .unwrap();
    assert_eq!(response.counts, counts(1, 1));
    assert_eq!(response.strategy, AnnounceStrategy::StartThenStop);
}

#[tokio::test]
async fn stopped_follows_when_started_is_not_answered_in_time() {
    let server = Server::start(|request, _| match request.event() {
        "started" => ServerReply::raw("", Then::Hang),
        _ => ServerReply::ok(EMPTY),
    })
    .await;
    let mut job = job(&server.url("/announce"), AnnounceStrategy::StartThenStop);
    job.timeout = Duration::from_secs(3);
    let http_client = http_client();
    let failed = announce_result(http_client.probe(job).await).0.unwrap_err();
    assert_eq!(failed.reason, FailureReason::Timeout);
    assert!(http_client.background_stops().await);
    assert_eq!(server.events(), ["started", "stopped"]);
}

#[tokio::test]
async fn a_list_is_reported_if_stopped_hangs() {
    let server = Server::start(|request, number| match (request.event(), number) {
        ("stopped", 1) => ServerReply::raw("", Then::Hang),
        _ => ServerReply::ok(LIST),
    })
    .await;
    let mut job = job(&server.url("/announce"), AnnounceStrategy::StartThenStop);
    job.timeout = Duration::from_secs(5);
    let http_client = http_client();
    let response = announce_result(http_client.probe(job).await).0.unwrap();
    assert_eq!(response.peers.len(), 1);
    assert!(http_client.background_stops().await);
    assert_eq!(server.events(), ["started", "stopped", "stopped"]);
}

#[tokio::test]
async fn stopped_follows_when_the_probe_is_dropped() {
    let (events, mut received_events) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |request, _| {
        let _ = events.send(request.event().to_owned());
        match request.event() {
            "started" => ServerReply::raw("", Then::Hang),
            _ => ServerReply::ok(EMPTY),
        }
    })
    .await;
    let http_client = http_client();
    let running = tokio::spawn({
        let (http_client, job) = (
            http_client.clone(),
            job(&server.url("/announce"), AnnounceStrategy::StartThenStop),
        );
        async move { http_client.probe(job).await }
    });
    assert_eq!(received_events.recv().await.as_deref(), Some("started"));
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_eq!(received_events.recv().await.as_deref(), Some("stopped"));
    assert!(http_client.background_stops().await);
    let permits = http_client.shared.background_stops.available_permits();
    assert_eq!(
        permits, MAX_BACKGROUND_STOPS as usize,
        "a permit of a background `stopped` leaks"
    );
}

#[tokio::test]
async fn a_rejected_started_needs_no_stopped() {
    let server = Server::always("d14:failure reason12:unregisterede").await;
    let http_client = http_client();
    let failed = announce_start_then_stop(&http_client, &server.url("/announce"))
        .await
        .0
        .unwrap_err();
    assert_eq!(failed.reason, FailureReason::Rejected);
    assert!(http_client.background_stops().await);
    assert_eq!(server.events(), ["started"]);
}

#[tokio::test]
async fn draining_is_bounded() {
    let server = Server::start(|_, _| ServerReply::raw("", Then::Hang)).await;
    let mut job = job(&server.url("/announce"), AnnounceStrategy::StartThenStop);
    job.timeout = Duration::from_millis(200);
    let http_client = http_client();
    http_client.probe(job).await;
    let start = Instant::now();
    assert!(!http_client.background_stops().await);
    assert!(start.elapsed() < STOP_TIMEOUT);
}
