//! The prober against scripted trackers on loopback sockets.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use seedwatch_torrent::{InfoHash, TrackerUrl};
use seedwatch_tracker::Identity;
use seedwatch_tracker::{AnnounceId, AnnounceStrategy, FailureReason, Request, TrackerId};

const PATIENCE: Duration = Duration::from_secs(30);

fn settings() -> Settings {
    Settings {
        identity: Identity {
            peer_id: *b"-SW0100-abcdefghijkl",
            key: 7,
            ports: [50_000, 50_001],
        },
        numwant: 200,
        accept: seedwatch_torrent::address::Accept::Any,
    }
}

/// A tracker with one thread. Its `answer` takes a request and returns the datagrams to send back.
struct Tracker {
    at: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
}

impl Tracker {
    fn start(at: &str, answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind((at, 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let at = socket.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (log, end) = (Arc::clone(&seen), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !end.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                log.lock().unwrap().push(buffer[..length].to_vec());
                for packet in answer(&buffer[..length]) {
                    let _ = socket.send_to(&packet, from);
                }
            }
        });
        Self { at, seen, stop }
    }

    /// Returns the events of the announces received so far, in order.
    fn events(&self) -> Vec<u8> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|packet| packet[11] == 1)
            .map(|packet| packet[83])
            .collect()
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn reply(request: &[u8], action: u8, body: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, action], &request[12..16], body].concat()
}

/// Answers a connect, or an announce with one seeder, one leecher and `list`.
fn answer(request: &[u8], list: &[u8]) -> Vec<u8> {
    match request[11] {
        0 => reply(request, 0, &[9; 8]),
        _ => reply(
            request,
            1,
            &[&[0, 0, 7, 8, 0, 0, 0, 1, 0, 0, 0, 1], list].concat(),
        ),
    }
}

fn job(n: u32, at: SocketAddr, timeout: Duration) -> Job {
    Job {
        tracker: TrackerId(u32::from(at.port())),
        family: Family::of(&at.ip()),
        url: Arc::new(TrackerUrl::parse(&format!("udp://{at}/announce")).unwrap()),
        timeout,
        request: Request::Announce {
            id: AnnounceId(n),
            info_hash: InfoHash([n as u8; 20]),
            strategy: AnnounceStrategy::StoppedOnly,
        },
    }
}

struct Harness {
    prober: UdpProber,
    observations: mpsc::Receiver<Vec<Observation>>,
}

impl Harness {
    fn start() -> Self {
        let (out, observations) = mpsc::channel(4);
        let prober = UdpProber::start(settings(), Resolver::system(), out).unwrap();
        Self {
            prober,
            observations,
        }
    }

    async fn collect(&mut self, count: usize) -> Vec<Observation> {
        let mut all = Vec::new();
        while all.len() < count {
            let batch = tokio::time::timeout(PATIENCE, self.observations.recv())
                .await
                .expect("an observation in time")
                .expect("the prober runs");
            all.extend(batch);
        }
        assert_eq!(all.len(), count);
        all
    }
}

fn result_of(observation: &Observation) -> Result<usize, FailureReason> {
    match &observation.report {
        Report::Announce {
            result: Ok(announced),
            ..
        } => Ok(announced.peers.len()),
        Report::Announce {
            result: Err(failed),
            ..
        } => Err(failed.reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn many_torrents_over_both_families() {
    let v4 = Tracker::start("127.0.0.2", |request| vec![answer(request, &[1; 12])]);
    let v6 = Tracker::start("::1", |request| {
        vec![answer(request, &[0x2a, 1].repeat(27))]
    });
    let mut harness = Harness::start();
    let jobs = (0..2000).map(|n| job(n, if n % 4 == 0 { v6.at } else { v4.at }, PATIENCE));
    harness.prober.submit(jobs.collect());
    for observation in harness.collect(2000).await {
        let expected = match observation.family {
            Family::Ipv4 => 2,
            Family::Ipv6 => 3,
        };
        assert_eq!(result_of(&observation), Ok(expected));
        assert!(observation.stats.requests >= 1);
    }
    assert!(v4.events().iter().all(|event| *event == 3));
    harness.prober.drain().await;
}

#[tokio::test]
async fn lost_packets_and_garbage_do_not_fail_probes() {
    let turn = Mutex::new(0);
    let tracker = Tracker::start("127.0.0.3", move |request| {
        let mut turn = turn.lock().unwrap();
        *turn += 1;
        let good = answer(request, &[1; 6]);
        match *turn % 4 {
            0 => vec![],
            1 => vec![vec![], vec![1; 3], good.clone(), good],
            2 => vec![reply(&[7; 16], 1, &[0; 12]), good],
            _ => vec![good],
        }
    });
    let mut harness = Harness::start();
    let jobs = (0..200).map(|n| job(n, tracker.at, Duration::from_secs(6)));
    harness.prober.submit(jobs.collect());
    let observations = harness.collect(200).await;
    assert!(observations.iter().all(|o| result_of(o) == Ok(1)));
    let requests: u32 = observations.iter().map(|o| o.stats.requests).sum();
    assert!(requests > 201, "{requests}");
}

#[tokio::test]
async fn a_closed_port_is_refused_without_waiting() {
    for host in ["127.0.0.4", "::1"] {
        let closed = UdpSocket::bind((host, 0)).unwrap().local_addr().unwrap();
        let silent = UdpSocket::bind((host, 0)).unwrap();
        let mut harness = Harness::start();
        harness.prober.submit(vec![
            job(1, silent.local_addr().unwrap(), Duration::from_secs(1)),
            job(2, closed, PATIENCE),
        ]);
        let observations = harness.collect(2).await;
        assert_eq!(result_of(&observations[0]), Err(FailureReason::Refused));
        assert_eq!(observations[0].stats.requests, 1);
        assert_eq!(result_of(&observations[1]), Err(FailureReason::Timeout));
    }
}

#[tokio::test]
async fn scrapes_and_rejections_are_reported() {
    let tracker = Tracker::start("127.0.0.5", |request| {
        vec![match request[11] {
            0 => reply(request, 0, &[9; 8]),
            1 => reply(request, 3, b"not here"),
            _ => reply(request, 2, &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]),
        }]
    });
    let mut harness = Harness::start();
    let mut scrape = job(1, tracker.at, PATIENCE);
    scrape.request = Request::Scrape {
        targets: vec![
            (AnnounceId(1), InfoHash([1; 20])),
            (AnnounceId(2), InfoHash([2; 20])),
        ],
    };
    harness
        .prober
        .submit(vec![scrape, job(2, tracker.at, PATIENCE)]);
    for observation in harness.collect(2).await {
        match observation.report {
            Report::Scrape { ids, result } => {
                assert_eq!(ids, [AnnounceId(1), AnnounceId(2)]);
                let result = result.unwrap();
                assert_eq!(result[0].unwrap().completed, Some(2));
                assert_eq!(result[1], None);
            }
            _ => assert_eq!(result_of(&observation), Err(FailureReason::Rejected)),
        }
    }
}

/// A dropped prober still sends `stopped` for what it announced.
#[tokio::test]
async fn draining_and_dropping_send_stopped() {
    for drain in [true, false] {
        let started = Arc::new(tokio::sync::Notify::new());
        let notify = Arc::clone(&started);
        let tracker = Tracker::start("127.0.0.6", move |request| match request {
            // `started` is never answered.
            [.., 1, _, _, _, _] if request.len() == 16 => vec![],
            _ if request[11] == 1 && request[83] == 2 => {
                notify.notify_one();
                vec![]
            }
            _ => vec![answer(request, &[])],
        });
        let harness = Harness::start();
        let mut brief = job(1, tracker.at, PATIENCE);
        brief.request = Request::Announce {
            id: AnnounceId(1),
            info_hash: InfoHash([1; 20]),
            strategy: AnnounceStrategy::StartThenStop,
        };
        harness.prober.submit(vec![brief]);
        tokio::time::timeout(PATIENCE, started.notified())
            .await
            .expect("the prober sends `started`");
        if drain {
            tokio::time::timeout(PATIENCE, harness.prober.drain())
                .await
                .expect("draining is bounded");
        } else {
            drop(harness.prober);
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tracker.events().last() != Some(&3) {
            assert!(
                tokio::time::Instant::now() < deadline,
                "no `stopped` arrived"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// While the test does not receive observations, jobs wait and none is lost.
#[tokio::test]
async fn a_slow_receiver_loses_nothing() {
    let tracker = Tracker::start("127.0.0.7", |request| vec![answer(request, &[1; 6])]);
    let mut harness = Harness::start();
    for chunk in 0..50 {
        let jobs = (0..100).map(|n| job(chunk * 100 + n, tracker.at, PATIENCE));
        harness.prober.submit(jobs.collect());
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let observations = harness.collect(5000).await;
    assert!(observations.iter().all(|o| result_of(o) == Ok(1)));
}
