//! A prober outside the crate, as in `docs/adding-a-prober.md`.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

use std::sync::Arc;
use std::time::Duration;

use seedwatch_probers::http::Settings;
use seedwatch_probers::prober::Drained;
use seedwatch_probers::resolve::Resolver;
use seedwatch_probers::{Prober, ProberContext, ProberError, Probers, REGISTRY, StartProber};
use seedwatch_torrent::address::Accept;
use seedwatch_torrent::{Family, InfoHash, Peers, Scheme, TrackerUrl};
use seedwatch_tracker::{
    AnnounceId, AnnounceResponse, AnnounceStrategy, FailureReason, Identity, Job, Observation,
    ProbeStats, Report, Request, TrackerId,
};
use tokio::sync::mpsc;

/// Answers every announce over WebSocket with one peer, without a network.
struct ToyProber {
    observations: mpsc::Sender<Vec<Observation>>,
}

/// Starts the prober; this function is its line in a registry.
fn start(context: &ProberContext) -> Result<Box<dyn Prober>, ProberError> {
    Ok(Box::new(ToyProber {
        observations: context.observations.clone(),
    }))
}

impl Prober for ToyProber {
    fn speaks(&self, url: &TrackerUrl) -> bool {
        matches!(url.scheme(), Scheme::Ws | Scheme::Wss)
    }

    fn submit(&self, jobs: Vec<Job>) {
        let batch = jobs.into_iter().map(answer).collect();
        let observations = self.observations.clone();
        tokio::spawn(async move { observations.send(batch).await });
    }

    fn configure(&mut self, _: &Settings) -> Result<(), ProberError> {
        Ok(())
    }

    fn drain(self: Box<Self>) -> Drained {
        Box::pin(async {})
    }
}

fn answer(job: Job) -> Observation {
    let Request::Announce { id, .. } = job.request else {
        unreachable!("the test asks for announces only");
    };
    let mut peers = Peers::default();
    peers.push("192.0.2.1".parse().unwrap(), 6881);
    let response = AnnounceResponse {
        peers,
        ..AnnounceResponse::default()
    };
    Observation {
        tracker: job.tracker,
        family: job.family,
        report: Report::Announce {
            id,
            result: Ok(Box::new(response)),
        },
        stats: ProbeStats::default(),
    }
}

fn context(observations: mpsc::Sender<Vec<Observation>>) -> ProberContext {
    ProberContext {
        settings: Settings {
            identity: Identity {
                peer_id: *b"-SW0100-abcdefghijkl",
                key: 7,
                ports: [50_000, 50_001],
            },
            numwant: 200,
            accept: Accept::Any,
            user_agent: "toy".to_owned(),
            roots: Vec::new(),
        },
        resolver: Resolver::system(),
        observations,
    }
}

fn job() -> Job {
    Job {
        tracker: TrackerId(0),
        family: Family::Ipv4,
        url: Arc::new(TrackerUrl::parse("ws://tracker.example/announce").unwrap()),
        timeout: Duration::from_secs(1),
        request: Request::Announce {
            id: AnnounceId(0),
            info_hash: InfoHash([1; 20]),
            strategy: AnnounceStrategy::StoppedFirst,
        },
    }
}

#[tokio::test]
async fn one_line_in_the_registry_is_enough() {
    let (out, mut observations) = mpsc::channel(1);
    let registry: Vec<StartProber> = REGISTRY
        .iter()
        .copied()
        .chain([start as StartProber])
        .collect();
    let probers = Probers::start(&registry, &context(out)).unwrap();
    probers.submit(vec![job()]);
    let batch = observations.recv().await.unwrap();
    let Report::Announce {
        result: Ok(response),
        ..
    } = &batch[0].report
    else {
        panic!("{batch:?}");
    };
    assert_eq!(response.peers.len(), 1);
    probers.drain().await;
}

#[tokio::test]
async fn a_job_that_no_prober_speaks_is_reported() {
    let (out, mut observations) = mpsc::channel(1);
    let probers = Probers::start(REGISTRY, &context(out)).unwrap();
    probers.submit(vec![job()]);
    let batch = observations.recv().await.unwrap();
    assert_eq!(
        batch[0].report.failed().unwrap().reason,
        FailureReason::Unsupported
    );
    probers.drain().await;
}
