//! Submitted jobs: each ends in one observation, and draining sends every `stopped`.

use super::server::{ReceivedRequest, Server, ServerReply, Then};
use super::*;

/// Replies to `stopped` and never to `started`.
fn hangs_on_started(request: &ReceivedRequest, _: usize) -> ServerReply {
    match request.event() {
        "started" => ServerReply::raw("", Then::Hang),
        _ => ServerReply::ok(EMPTY),
    }
}

/// Waits until the server has received so many requests.
async fn wait_for_requests(server: &Server, count: usize) {
    let all = async {
        while server.requests().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), all).await.unwrap();
}

#[tokio::test]
async fn draining_sends_stopped_for_running_probes() {
    let server = Server::start(hangs_on_started).await;
    let (prober, mut observations) = prober();
    prober.submit(vec![job(
        &server.url("/announce"),
        AnnounceStrategy::StartThenStop,
    )]);
    wait_for_requests(&server, 1).await;
    assert!(prober.drain().await);
    // The process ends after draining, so no `stopped` may be left to send.
    assert_eq!(server.events(), ["started", "stopped"]);
    assert!(
        observations.recv().await.is_none(),
        "no observation of an aborted probe"
    );
}

#[tokio::test]
async fn dropping_sends_stopped_for_running_probes() {
    let server = Server::start(hangs_on_started).await;
    let (prober, mut observations) = prober();
    prober.submit(vec![job(
        &server.url("/announce"),
        AnnounceStrategy::StartThenStop,
    )]);
    wait_for_requests(&server, 1).await;
    drop(prober);
    // The channel closes when the thread has ended.
    assert!(observations.recv().await.is_none());
    assert_eq!(server.events(), ["started", "stopped"]);
}

#[tokio::test]
async fn draining_sends_stopped_with_the_earlier_settings() {
    let server = Server::start(hangs_on_started).await;
    let (mut prober, _observations) = prober();
    prober.submit(vec![job(
        &server.url("/announce"),
        AnnounceStrategy::StartThenStop,
    )]);
    wait_for_requests(&server, 1).await;
    let new = Settings {
        user_agent: "other".into(),
        ..settings()
    };
    prober.configure(new).unwrap();
    prober.submit(vec![job(
        &server.url("/announce"),
        AnnounceStrategy::StoppedOnly,
    )]);
    wait_for_requests(&server, 2).await;
    assert!(prober.drain().await);
    let requests = server.requests();
    let by =
        |number: usize| ["seedwatch/test", "other"].map(|by| requests[number].head.contains(by));
    assert_eq!(server.events(), ["started", "stopped", "stopped"]);
    assert_eq!((by(0), by(1)), ([true, false], [false, true]));
    assert_eq!(by(2), [true, false]);
}

#[tokio::test]
async fn every_job_ends_in_one_observation() {
    let server = Server::always(LIST).await;
    let (prober, mut observations) = prober();
    for count in [1, 7, 12] {
        let jobs =
            (0..count).map(|_| job(&server.url("/announce"), AnnounceStrategy::StoppedFirst));
        prober.submit(jobs.collect());
    }
    let mut count = 0;
    while count < 20 {
        for observation in observations.recv().await.unwrap() {
            announce_result(observation).0.unwrap();
            count += 1;
        }
    }
    assert!(prober.drain().await);
    assert!(
        observations.recv().await.is_none(),
        "more observations than jobs"
    );
}

#[tokio::test]
async fn probing_continues_without_a_receiver() {
    let server = Server::always(LIST).await;
    let (prober, observations) = prober();
    drop(observations);
    for count in 1..=3 {
        prober.submit(vec![job(
            &server.url("/announce"),
            AnnounceStrategy::StoppedFirst,
        )]);
        wait_for_requests(&server, count).await;
    }
    assert!(prober.drain().await);
}

#[tokio::test]
async fn a_panic_becomes_an_observation() {
    let server = Server::always(LIST).await;
    let mut job = job(&server.url("/announce"), AnnounceStrategy::StoppedFirst);
    // The deadline overflows, so the prober panics.
    job.timeout = Duration::MAX;
    let (prober, mut observations) = prober();
    prober.submit(vec![job]);
    let batch = observations.recv().await.unwrap();
    let failed = announce_result(batch[0].clone()).0.unwrap_err();
    assert_eq!(failed.reason, FailureReason::Malformed);
    assert!(failed.text.starts_with("the prober failed"), "{failed}");
}

#[tokio::test]
async fn waiting_for_a_slot_does_not_count_against_the_tracker() {
    let server = Server::start(|_, number| match number {
        0..MAX_PER_HOST => ServerReply::raw("", Then::Hang),
        _ => ServerReply::ok("d5:filesdee"),
    })
    .await;
    let (prober, mut observations) = prober();
    let mut job = scrape_job(&server.url("/announce"), &[HASH]);
    job.timeout = Duration::from_secs(5);
    prober.submit(vec![job; 2 * MAX_PER_HOST]);
    let (mut good, mut failures) = (0, Vec::new());
    while good + failures.len() < 2 * MAX_PER_HOST {
        for observation in observations.recv().await.unwrap() {
            match observation.report.failed() {
                None => good += 1,
                Some(failed) => failures.push((failed.reason, observation.stats.requests)),
            }
        }
    }
    assert_eq!(failures, [(FailureReason::Timeout, 1); MAX_PER_HOST]);
    assert_eq!(good, MAX_PER_HOST);
}
