//! Leaving no trace: what is asked in which order, and that `stopped` always follows `started`.

use super::server::{Asked, Says, Server, Then};
use super::*;
use seedwatch_tracker::Counts;

/// Behaves like opentracker: counts without a list for `stopped`, a list for `started`.
fn opentracker(asked: &Asked, _: usize) -> Says {
    Says::ok(match asked.event() {
        "started" => [&LIST[..LIST.len() - 1], b"10:tracker id2:t!e"].concat(),
        _ => WITHHELD.to_vec(),
    })
}

async fn brief(asker: &Arc<Asker>, url: &str) -> (Result<Announced, Failed>, Exchange) {
    announced(asker.probe(job(url, Manner::Brief)).await)
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
    let server = Server::saying(EMPTY).await;
    let said = ghost(&asker(), &server.url("/announce")).await.0.unwrap();
    assert_eq!((said.manner, said.counts), (Manner::Ghost, counts(0, 0)));
    assert_eq!(server.events(), ["stopped"]);
}

#[tokio::test]
async fn counts_without_a_list_lead_to_a_brief_announce() {
    let server = Server::start(opentracker).await;
    let asker = asker();
    let (said, exchange) = ghost(&asker, &server.url("/announce")).await;
    let said = said.unwrap();
    assert_eq!((said.peers.len(), said.manner), (1, Manner::Brief));
    assert_eq!(said.counts, counts(1, 0), "those beside the list");
    assert_eq!(server.events(), ["stopped", "started", "stopped"]);
    assert_eq!(exchange.requests, 3);
    let asked = server.asked();
    assert_eq!(asked[2].parameter("numwant"), Some("0"));
    assert_eq!(asked[2].parameter("trackerid"), Some("t%21"));
    assert!(asked.iter().all(|a| a.connection == 0));
    // Once that is known, nothing is asked in vain.
    assert!(brief(&asker, &server.url("/announce")).await.0.is_ok());
    assert_eq!(server.events()[3..], ["started", "stopped"]);
    assert!(asker.farewells().await);
    assert_eq!(server.asked().len(), 5, "nothing was owed");
}

#[tokio::test]
async fn without_counts_an_empty_list_is_not_believed() {
    let server = Server::start(|asked, _| {
        Says::ok(match asked.event() {
            "started" => LIST,
            _ => b"d8:intervali900ee",
        })
    })
    .await;
    let said = ghost(&asker(), &server.url("/announce")).await.0.unwrap();
    assert_eq!((said.peers.len(), said.manner), (1, Manner::Brief));
    assert_eq!(server.events(), ["stopped", "started", "stopped"]);
}

#[tokio::test]
async fn silence_is_no_empty_list() {
    for (body, reason) in [
        ("d8:intervali900ee", Failure::Malformed),
        ("d15:warning message1:xe", Failure::Malformed),
        ("d10:downloadedi7e8:intervali900ee", Failure::Malformed),
        ("d12:failure codei900ee", Failure::Rejected),
    ] {
        for manner in [Manner::Ghost, Manner::Brief] {
            let server = Server::saying(body).await;
            let asker = asker();
            let observation = asker.probe(job(&server.url("/announce"), manner)).await;
            let failed = announced(observation).0.unwrap_err();
            assert_eq!(failed.reason, reason, "{body} {manner:?}");
            let joined = server.events().contains(&"started".to_owned());
            if reason == Failure::Malformed && joined {
                assert_eq!(server.events().last().unwrap(), "stopped");
            }
            assert!(asker.farewells().await);
        }
    }
}

#[tokio::test]
async fn counts_alone_are_an_answer() {
    for (body, withheld) in [
        ("d8:completei1e10:incompletei2e8:intervali900ee", true),
        ("d8:completei0e10:incompletei0e8:intervali900ee", false),
        // Of leechers nothing is said.
        ("d8:completei0e8:intervali900ee", true),
    ] {
        for manner in [Manner::Ghost, Manner::Brief] {
            let server = Server::saying(body).await;
            let observation = asker().probe(job(&server.url("/announce"), manner)).await;
            let said = announced(observation).0.unwrap();
            assert_eq!(said.withheld, withheld, "{body} {manner:?}");
            assert!(said.peers.is_empty() && said.counts.seeders.is_some());
        }
    }
}

#[tokio::test]
async fn host_names_are_withheld_without_joining() {
    const NAMES: &[u8] = b"d8:intervali900e5:peersld2:ip12:peer.example4:porti1eeee";
    let server = Server::saying(NAMES).await;
    let said = ghost(&asker(), &server.url("/announce")).await.0.unwrap();
    assert_eq!((said.withheld, said.manner), (true, Manner::Ghost));
    assert_eq!(server.events(), ["stopped"]);
    assert!(
        brief(&asker(), &server.url("/announce"))
            .await
            .0
            .unwrap()
            .withheld
    );
}

#[tokio::test]
async fn a_list_of_nobody_but_us_is_none() {
    let server = Server::start(|asked, _| {
        Says::ok(match asked.event() {
            "started" => OURS,
            _ => WITHHELD,
        })
    })
    .await;
    let said = ghost(&asker(), &server.url("/announce")).await.0.unwrap();
    assert_eq!((said.peers.len(), said.manner), (0, Manner::Ghost));
    assert_eq!(said.counts, counts(1, 1));
    assert!(said.withheld);
}

#[tokio::test]
async fn an_empty_list_is_withheld_only_where_somebody_is_claimed() {
    let without_counts = b"d8:intervali900e5:peers0:e";
    for (body, manner, withheld) in [
        (WITHHELD, Manner::Ghost, true),
        (EMPTY, Manner::Ghost, false),
        (without_counts, Manner::Ghost, false),
        (LIST, Manner::Ghost, false),
        (WITHHELD, Manner::Brief, true),
        // Nobody but us.
        (EMPTY, Manner::Brief, false),
        (LIST, Manner::Brief, false),
    ] {
        let server = Server::saying(body).await;
        let observation = asker().probe(job(&server.url("/announce"), manner)).await;
        let said = announced(observation).0.unwrap();
        assert_eq!(said.withheld, withheld, "{body:?} {manner:?}");
    }
}

#[tokio::test]
async fn a_list_that_only_joining_brings_is_not_withheld() {
    let server = Server::start(opentracker).await;
    let said = ghost(&asker(), &server.url("/announce")).await.0.unwrap();
    assert!(!said.withheld);
}

#[tokio::test]
async fn counts_are_without_us_though_we_were_counted() {
    let server = Server::start(|asked, _| {
        Says::ok(match asked.event() {
            "started" => OURS,
            _ => b"d8:intervali900ee",
        })
    })
    .await;
    let said = brief(&asker(), &server.url("/announce")).await.0.unwrap();
    assert_eq!(said.counts, counts(1, 1));
    assert_eq!(said.manner, Manner::Brief);
}

#[tokio::test]
async fn stopped_follows_when_started_is_not_answered_in_time() {
    let server = Server::start(|asked, _| match asked.event() {
        "started" => Says::raw("", Then::Hang),
        _ => Says::ok(EMPTY),
    })
    .await;
    let mut job = job(&server.url("/announce"), Manner::Brief);
    job.timeout = Duration::from_secs(3);
    let asker = asker();
    let failed = announced(asker.probe(job).await).0.unwrap_err();
    assert_eq!(failed.reason, Failure::Timeout);
    assert!(asker.farewells().await);
    assert_eq!(server.events(), ["started", "stopped"]);
}

#[tokio::test]
async fn a_list_is_reported_though_the_farewell_hangs() {
    let server = Server::start(|asked, number| match (asked.event(), number) {
        ("stopped", 1) => Says::raw("", Then::Hang),
        _ => Says::ok(LIST),
    })
    .await;
    let mut job = job(&server.url("/announce"), Manner::Brief);
    job.timeout = Duration::from_secs(5);
    let asker = asker();
    let said = announced(asker.probe(job).await).0.unwrap();
    assert_eq!(said.peers.len(), 1);
    assert!(asker.farewells().await);
    assert_eq!(server.events(), ["started", "stopped", "stopped"]);
}

#[tokio::test]
async fn stopped_follows_when_the_probe_is_dropped() {
    let (heard, mut when_heard) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |asked, _| {
        let _ = heard.send(asked.event().to_owned());
        match asked.event() {
            "started" => Says::raw("", Then::Hang),
            _ => Says::ok(EMPTY),
        }
    })
    .await;
    let asker = asker();
    let running = tokio::spawn({
        let (asker, job) = (asker.clone(), job(&server.url("/announce"), Manner::Brief));
        async move { asker.probe(job).await }
    });
    assert_eq!(when_heard.recv().await.as_deref(), Some("started"));
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_eq!(when_heard.recv().await.as_deref(), Some("stopped"));
    assert!(asker.farewells().await);
    let places = asker.shared.farewells.available_permits();
    assert_eq!(places, MAX_FAREWELLS as usize, "nothing leaks");
}

#[tokio::test]
async fn a_refused_started_leaves_nothing_to_take_back() {
    let server = Server::saying("d14:failure reason12:unregisterede").await;
    let asker = asker();
    let failed = brief(&asker, &server.url("/announce")).await.0.unwrap_err();
    assert_eq!(failed.reason, Failure::Rejected);
    assert!(asker.farewells().await);
    assert_eq!(server.events(), ["started"]);
}

#[tokio::test]
async fn draining_does_not_wait_for_ever() {
    let server = Server::start(|_, _| Says::raw("", Then::Hang)).await;
    let mut job = job(&server.url("/announce"), Manner::Brief);
    job.timeout = Duration::from_millis(200);
    let asker = asker();
    asker.probe(job).await;
    let start = Instant::now();
    assert!(!asker.farewells().await);
    assert!(start.elapsed() < FAREWELL_TIMEOUT);
}
