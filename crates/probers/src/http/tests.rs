//! The prober against scripted servers on loopback.

mod answers;
mod broken;
mod downloads;
mod hostile;
mod kept_connections;
mod redirects;
mod secure;
mod server;
mod stopped;
mod strategy;
mod worker;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use tokio::time::timeout;

use super::http_client::Origin;
use super::*;
use crate::resolve::Fixed;
use seedwatch_torrent::Family;
use seedwatch_torrent::address::is_global;
use seedwatch_torrent::{InfoHash, TrackerUrl};
use seedwatch_tracker::{
    AnnounceId, AnnounceResponse, AnnounceStrategy, FailureReason, ProbeError, ProbeStats, Report,
    Request, TrackerId,
};
use server::Server;

/// One IPv4 peer, 1.2.3.4:4567.
const LIST: &[u8] =
    b"d8:completei1e10:incompletei0e8:intervali900e5:peers6:\x01\x02\x03\x04\x11\xd7e";
/// An empty list beside counts that claim peers.
const WITHHELD: &[u8] = b"d8:completei1e10:incompletei1e8:intervali900e5:peers0:e";
/// An empty swarm.
const EMPTY: &[u8] = b"d8:completei0e10:incompletei0e8:intervali900e5:peers0:e";
/// A peer list with only our entry (port 6999), beside counts.
const ONLY_OUR_ENTRY: &[u8] = b"d8:completei1e10:incompletei2e5:peers6:\x7f\0\0\x01\x1b\x57e";

const HASH: InfoHash = InfoHash(*b"\x00 +&=%?#/az09-._~\xff\"<");

fn identity() -> Identity {
    Identity {
        peer_id: *b"-SW0001-abcdefghijkl",
        key: 0x0123_4567,
        ports: [6999, 6998],
    }
}

fn settings() -> Settings {
    Settings {
        identity: identity(),
        numwant: 200,
        accept: seedwatch_torrent::address::Accept::Any,
        user_agent: "seedwatch/test".into(),
        roots: Vec::new(),
    }
}

fn resolver() -> Resolver {
    Resolver::fixed(Fixed::default())
}

/// Returns a client that probes in the runtime of the test.
fn http_client() -> Arc<HttpClient> {
    client_with_trusted_host(settings(), resolver())
}

/// Returns a client that trusts the host of [`job`] after a small response, and so keeps
/// connections to it.
fn client_with_trusted_host(settings: Settings, resolver: Resolver) -> Arc<HttpClient> {
    let http_client = HttpClient::new(settings, resolver).unwrap();
    for family in Family::ALL {
        let slots = http_client.shared.hosts.get(TrackerId(1), family);
        slots.trust.exchange().answered(0);
    }
    Arc::new(http_client)
}

/// Starts a prober with its thread, and returns the receiver of its observations.
fn prober() -> (HttpProber, mpsc::Receiver<Vec<Observation>>) {
    let (out, observations) = mpsc::channel(1);
    let prober = HttpProber::start(settings(), resolver(), out);
    (prober.unwrap(), observations)
}

fn job(url: &str, strategy: AnnounceStrategy) -> Job {
    Job {
        tracker: TrackerId(1),
        family: Family::Ipv4,
        url: Arc::new(TrackerUrl::parse(url).unwrap()),
        timeout: Duration::from_secs(10),
        request: Request::Announce {
            id: AnnounceId(2),
            info_hash: HASH,
            strategy,
        },
    }
}

fn scrape_job(url: &str, hashes: &[InfoHash]) -> Job {
    let targets = hashes.iter().zip(10..).map(|(h, id)| (AnnounceId(id), *h));
    Job {
        request: Request::Scrape {
            targets: targets.collect(),
        },
        ..job(url, AnnounceStrategy::StoppedFirst)
    }
}

/// Announces to a tracker that has shown its lists.
async fn announce_stopped_only(
    http_client: &Arc<HttpClient>,
    url: &str,
) -> (Result<AnnounceResponse, ProbeError>, ProbeStats) {
    announce_result(
        http_client
            .probe(job(url, AnnounceStrategy::StoppedOnly))
            .await,
    )
}

fn announce_result(observation: Observation) -> (Result<AnnounceResponse, ProbeError>, ProbeStats) {
    assert_eq!(observation.tracker, TrackerId(1));
    let Report::Announce { id, result } = observation.report else {
        panic!("{:?}", observation.report);
    };
    assert_eq!(id, AnnounceId(2));
    (result.map(|response| *response), observation.stats)
}

/// Announces with a new HTTP client and returns the failure.
async fn failure_of(url: &str) -> ProbeError {
    let (result, _) = announce_stopped_only(&http_client(), url).await;
    let failed = result.expect_err(url);
    for secret in ["announce", "127.0", "localhost", "info_hash", "secret"] {
        assert!(!failed.text.contains(secret), "{failed}");
    }
    failed
}

#[tokio::test]
async fn an_announce_sends_every_parameter_and_keeps_the_url_bytes() {
    let server = Server::always(LIST).await;
    let (response, stats) =
        announce_stopped_only(&http_client(), &server.url("/announce?passkey=s%20x")).await;
    let response = response.unwrap();
    assert_eq!(response.peers.v4.len(), 1);
    assert_eq!(response.strategy, AnnounceStrategy::StoppedFirst);
    assert_eq!(response.interval, Some(Duration::from_secs(900)));
    let requests = server.requests();
    assert_eq!((requests.len(), stats.requests), (1, 1));
    let request = &requests[0];
    for (name, value) in [
        ("passkey", "s%20x"),
        ("info_hash", "%00%20%2B%26%3D%25%3F%23%2Faz09-._~%FF%22%3C"),
        ("peer_id", "-SW0001-abcdefghijkl"),
        ("port", "6999"),
        ("key", "01234567"),
        ("compact", "1"),
        ("numwant", "200"),
        ("event", "stopped"),
    ] {
        assert_eq!(request.parameter(name), Some(value), "{name}");
    }
    assert_ne!(request.parameter("left"), Some("0"));
    assert!(
        request
            .head
            .starts_with("GET /announce?passkey=s%20x&info_hash=%00%20")
    );
    assert!(request.head.contains("user-agent: seedwatch/test\r\n"));
}

#[tokio::test]
async fn torrents_of_a_host_share_its_connections() {
    let server = Server::always(LIST).await;
    let http_client = http_client();
    let (first, fresh) = announce_stopped_only(&http_client, &server.url("/announce")).await;
    let (second, kept) = announce_stopped_only(&http_client, &server.url("/announce?x=1")).await;
    assert!(first.is_ok() && second.is_ok());
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.connection == 0)
    );
    assert!(fresh.phases.connect.is_some() && fresh.phases.response.is_some());
    assert_eq!((kept.phases.connect, kept.phases.tls), (None, None));
    assert!(kept.phases.response.is_some());
}

#[tokio::test]
async fn a_host_gets_few_connections_at_once() {
    let server = Server::always(LIST).await;
    let http_client = http_client();
    let mut probes = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let (http_client, job) = (
            http_client.clone(),
            job(&server.url("/announce"), AnnounceStrategy::StoppedFirst),
        );
        probes.spawn(async move { http_client.probe(job).await });
    }
    while let Some(observation) = probes.join_next().await {
        announce_result(observation.unwrap()).0.unwrap();
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 60);
    assert!(
        requests
            .iter()
            .all(|request| request.connection < 2 * MAX_PER_HOST)
    );
}

#[tokio::test]
async fn families_use_separate_connections() {
    let server = Server::start_on("::1", None, |_, _| server::ServerReply::ok(LIST)).await;
    let http_client = http_client();
    let mut v6 = job(&server.url("/announce"), AnnounceStrategy::StoppedFirst);
    v6.family = Family::Ipv6;
    assert!(
        announce_result(http_client.probe(v6.clone()).await)
            .0
            .is_ok()
    );
    let mut v4 = v6;
    v4.family = Family::Ipv4;
    let observation = http_client.probe(v4).await;
    assert!(matches!(observation.report, Report::NoAddress { ids } if ids == [AnnounceId(2)]));
    assert_eq!(observation.stats.requests, 0);
    // A host name resolves to the addresses of the probed family only.
    let port = server.address.port();
    let by_name = format!("http://localhost:{port}/announce");
    let mut v6 = job(&by_name, AnnounceStrategy::StoppedFirst);
    v6.family = Family::Ipv6;
    assert!(announce_result(http_client.probe(v6).await).0.is_ok());
    assert_eq!(failure_of(&by_name).await.reason, FailureReason::Refused);
}

#[tokio::test]
async fn a_scrape_requests_all_hashes_at_once() {
    let server = Server::start(|request, _| {
        assert!(
            request
                .target
                .starts_with("/x/scrape?passkey=s&info_hash=%00%20")
        );
        assert_eq!(request.target.matches("info_hash=").count(), 3);
        let mut body = b"d5:filesd20:".to_vec();
        body.extend_from_slice(&[b'a'; 20]);
        body.extend_from_slice(b"d8:completei5e10:downloadedi7e10:incompletei6eeee");
        server::ServerReply::ok(body)
    })
    .await;
    let hashes = [HASH, InfoHash([b'a'; 20]), InfoHash([b'b'; 20])];
    let url = server.url("/x/announce?passkey=s");
    let observation = http_client().probe(scrape_job(&url, &hashes)).await;
    let Report::Scrape { ids, result } = observation.report else {
        panic!("{:?}", observation.report);
    };
    assert_eq!(ids, [10, 11, 12].map(AnnounceId));
    let found = result.unwrap();
    assert_eq!((found[0], found[2]), (None, None));
    let counts = found[1].unwrap();
    let counts = (counts.seeders, counts.leechers, counts.completed);
    assert_eq!(counts, (Some(5), Some(6), Some(7)));
}

#[tokio::test]
async fn unsupported_requests_are_not_sent() {
    let http_client = http_client();
    let no_scrape = scrape_job("http://127.0.0.1:1/a", &[HASH]);
    let udp = job("udp://127.0.0.1:1/announce", AnnounceStrategy::StoppedFirst);
    let overlay = job(
        "http://tracker.i2p/announce",
        AnnounceStrategy::StoppedFirst,
    );
    for job in [no_scrape, udp, overlay] {
        let observation = http_client.probe(job).await;
        let failed = observation.report.failed().expect("a failure");
        assert_eq!(failed.reason, FailureReason::Unsupported);
        assert_eq!(observation.stats.requests, 0);
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_blocked_host() {
    let resolver = Resolver::fixed(Fixed {
        hosts: "0.0.0.0 blocked.example\n".into(),
        routable: vec![Ipv4Addr::LOCALHOST.into()],
        ..Fixed::default()
    });
    let http_client = client_with_trusted_host(settings(), resolver);
    let (result, stats) =
        announce_stopped_only(&http_client, "http://blocked.example/announce").await;
    assert_eq!(result.unwrap_err().reason, FailureReason::Dns);
    assert_eq!(stats.requests, 0);
}

#[test]
fn an_invalid_user_agent_is_rejected() {
    let settings = Settings {
        user_agent: "two\nlines".into(),
        ..settings()
    };
    let refused = HttpClient::new(settings, resolver());
    assert!(matches!(refused, Err(SetupError::Client(_))));
}
