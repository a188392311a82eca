//! Submitted jobs: each ends in one observation, and draining forgets none.

use super::server::{Asked, Says, Server, Then};
use super::*;

/// Never answers `started`.
fn hangs_on_started(asked: &Asked, _: usize) -> Says {
    match asked.event() {
        "started" => Says::raw("", Then::Hang),
        _ => Says::ok(EMPTY),
    }
}

/// Waits until so many requests have come.
async fn has_asked(server: &Server, count: usize) {
    let all = async {
        while server.asked().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), all).await.unwrap();
}

#[tokio::test]
async fn draining_takes_back_what_is_under_way() {
    let server = Server::start(hangs_on_started).await;
    let prober = prober();
    let (out, mut observations) = mpsc::channel(1);
    prober.submit(job(&server.url("/announce"), Manner::Brief), out.clone());
    has_asked(&server, 1).await;
    assert!(prober.drain().await);
    // What comes next ends the process: nothing may be left to do.
    assert_eq!(server.events(), ["started", "stopped"]);
    prober.submit(job(&server.url("/announce"), Manner::Brief), out);
    assert!(observations.recv().await.is_none(), "it has stopped");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn draining_takes_back_what_began_under_other_settings() {
    let server = Server::start(hangs_on_started).await;
    let old = prober();
    let (out, _observations) = mpsc::channel(1);
    old.submit(job(&server.url("/announce"), Manner::Brief), out);
    has_asked(&server, 1).await;
    let new = Settings {
        user_agent: "other".into(),
        ..settings()
    };
    let new = old.configured(new, Resolver::fixed(Fixed::default()));
    drop(old);
    assert!(new.unwrap().drain().await);
    assert_eq!(server.events(), ["started", "stopped"]);
    assert!(server.asked()[1].head.contains("seedwatch/test"));
}

#[tokio::test]
async fn every_job_ends_in_one_observation() {
    let server = Server::saying(LIST).await;
    let prober = prober();
    let (out, mut observations) = mpsc::channel(1);
    for _ in 0..20 {
        prober.submit(job(&server.url("/announce"), Manner::Ghost), out.clone());
    }
    drop(out);
    let mut count = 0;
    while let Some(batch) = observations.recv().await {
        for observation in batch {
            announced(observation).0.unwrap();
            count += 1;
        }
    }
    assert_eq!(count, 20);
}

#[tokio::test]
async fn a_fault_of_our_own_is_an_observation_too() {
    let server = Server::saying(LIST).await;
    let mut job = job(&server.url("/announce"), Manner::Ghost);
    // No clock goes so far.
    job.timeout = Duration::MAX;
    let failed = announced(prober().probe(job).await).0.unwrap_err();
    assert_eq!(failed.reason, Failure::Malformed);
    assert!(failed.text.starts_with("the prober failed"), "{failed}");
}

#[tokio::test]
async fn waiting_for_a_place_is_not_held_against_the_tracker() {
    let server = Server::start(|_, number| match number {
        0..MAX_PER_HOST => Says::raw("", Then::Hang),
        _ => Says::ok(LIST),
    })
    .await;
    let prober = prober();
    let (out, mut observations) = mpsc::channel(16);
    for _ in 0..2 * MAX_PER_HOST {
        let mut job = job(&server.url("/announce"), Manner::Ghost);
        job.timeout = Duration::from_millis(500);
        prober.submit(job, out.clone());
    }
    drop(out);
    let (mut good, mut failures) = (0, Vec::new());
    while let Some(batch) = observations.recv().await {
        for observation in batch {
            match announced(observation) {
                (Ok(_), _) => good += 1,
                (Err(failed), exchange) => failures.push((failed.reason, exchange.requests)),
            }
        }
    }
    assert_eq!(failures, [(Failure::Timeout, 1); MAX_PER_HOST]);
    assert_eq!(good, MAX_PER_HOST);
}
