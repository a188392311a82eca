//! The UDP prober against real trackers: exact counts, complete lists, and no entry of the prober.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use seedwatch_probers::resolve::Resolver;
use seedwatch_probers::udp::{Settings, UdpProber};
use seedwatch_torrent::Family;
use seedwatch_torrent::{InfoHash, TrackerUrl};
use seedwatch_tracker::{
    AnnounceId, AnnounceResponse, AnnounceStrategy, FailureReason, Identity, Job, Observation,
    Report, Request, TrackerId,
};
use tokio::sync::mpsc;

use crate::rig::netns;
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::{Aquatic, Npm, Opentracker};
use crate::rig::wait;
use crate::rig::wire::{self, Endpoint, Hash};

const OUR_PORT: u16 = 54_321;

/// Returns a URL with the path and query of a private tracker, longer than one option of BEP 41.
fn url(tracker: Endpoint) -> Arc<TrackerUrl> {
    let Endpoint::Udp(address) = tracker else {
        panic!("not a UDP tracker");
    };
    let passkey = "0123456789abcdef".repeat(20);
    let text = format!("udp://{address}/announce.php?passkey={passkey}");
    Arc::new(TrackerUrl::parse(&text).unwrap())
}

fn job(tracker: Endpoint, request: Request) -> Job {
    let Endpoint::Udp(address) = tracker else {
        panic!("not a UDP tracker");
    };
    Job {
        tracker: TrackerId(u32::from(address.port())),
        family: Family::of(&address.ip()),
        url: url(tracker),
        timeout: Duration::from_secs(15),
        request,
    }
}

fn announce(tracker: Endpoint, hash: &Hash, strategy: AnnounceStrategy) -> Job {
    let request = Request::Announce {
        id: AnnounceId(1),
        info_hash: InfoHash(*hash),
        strategy,
    };
    job(tracker, request)
}

/// Runs jobs through a prober and waits for all observations.
fn probe(jobs: Vec<Job>) -> Vec<Observation> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let settings = Settings {
            identity: Identity {
                peer_id: *b"-SW0100-e2e-e2e-e2e-",
                key: 0xfeed,
                ports: [OUR_PORT, OUR_PORT + 1],
            },
            numwant: 200,
            accept: seedwatch_torrent::address::Accept::Any,
        };
        let (out, mut observations) = mpsc::channel(64);
        let prober = UdpProber::start(settings, Resolver::system(), out).unwrap();
        let wanted = jobs.len();
        prober.submit(jobs);
        let mut all = Vec::new();
        while all.len() < wanted {
            let batch = tokio::time::timeout(wait::PATIENCE, observations.recv()).await;
            all.extend(batch.expect("in time").expect("the prober lives"));
        }
        prober.drain().await;
        assert!(
            observations.recv().await.is_none(),
            "one observation per job"
        );
        all
    })
}

fn announced(mut observations: Vec<Observation>) -> AnnounceResponse {
    match observations.remove(0).report {
        Report::Announce {
            result: Ok(announced),
            ..
        } => *announced,
        other => panic!("{other:?}"),
    }
}

fn endpoints(announced: &AnnounceResponse) -> BTreeSet<SocketAddr> {
    let v4 = announced.peers.v4.iter();
    let v4 = v4.map(|peer| SocketAddr::from((peer.ip.to_be_bytes(), peer.port)));
    let v6 = announced.peers.v6.iter();
    let v6 = v6.map(|peer| SocketAddr::from((peer.ip.to_be_bytes(), peer.port)));
    v4.chain(v6)
        .filter(|endpoint| endpoint.port() != OUR_PORT)
        .collect()
}

/// Probes a swarm. Checks that all peers are seen and that the swarm is unchanged afterwards.
fn assert_all_seen_and_no_trace(
    tracker: Endpoint,
    swarm: &Swarm,
    asked: AnnounceStrategy,
    needed: AnnounceStrategy,
) {
    swarm.join(tracker);
    let seen = announced(probe(vec![announce(tracker, &swarm.hash, asked)]));
    assert_eq!(seen.strategy, needed);
    assert_eq!(endpoints(&seen), swarm.endpoints());
    let planted = (swarm.seeders.len(), swarm.leechers.len());
    let counted = (
        seen.counts.seeders.unwrap() as usize,
        seen.counts.leechers.unwrap() as usize,
    );
    assert_eq!(counted, planted, "in the answer, without us");
    assert_eq!(wire::peers(tracker, &swarm.hash), swarm.endpoints());
    let counts = wire::scrape(tracker, &swarm.hash);
    let left = (counts.seeders as usize, counts.leechers as usize);
    assert_eq!(left, planted, "at the tracker, afterwards");
}

#[test]
fn opentracker_needs_started_and_stopped() {
    needs_servers!();
    let (hash, other) = (fresh_hash(), fresh_hash());
    let tracker = Opentracker::start(&[hash, other]);
    let (brief, ghost) = (
        AnnounceStrategy::StartThenStop,
        AnnounceStrategy::StoppedFirst,
    );
    let (small, large) = (Swarm::of(hash, 0, 3, 4), Swarm::of(other, 20, 90, 91));
    assert_all_seen_and_no_trace(tracker.udp(), &small, ghost, brief);
    assert_all_seen_and_no_trace(tracker.udp(), &large, brief, brief);
}

#[test]
fn npm_lists_peers_to_stopped() {
    needs_servers!();
    let tracker = Npm::start();
    for strategy in [
        AnnounceStrategy::StoppedFirst,
        AnnounceStrategy::StartThenStop,
    ] {
        let swarm = Swarm::of(fresh_hash(), 0, 30, 31);
        assert_all_seen_and_no_trace(tracker.udp(), &swarm, strategy, strategy);
    }
}

#[test]
fn aquatic_lists_peers_to_stopped() {
    needs_servers!();
    let tracker = Aquatic::start();
    for strategy in [
        AnnounceStrategy::StoppedFirst,
        AnnounceStrategy::StartThenStop,
    ] {
        let swarm = Swarm::of(fresh_hash(), 0, 90, 91);
        assert_all_seen_and_no_trace(tracker.udp(), &swarm, strategy, strategy);
    }
}

#[test]
fn ipv6_swarms_are_seen_completely() {
    needs_servers!();
    if netns::outside("udp_prober::ipv6_swarms_are_seen_completely") {
        return;
    }
    let tracker = Aquatic::start_on("::1".parse().unwrap());
    let swarm = Swarm::of6(fresh_hash(), 1, 90, 91);
    assert_all_seen_and_no_trace(
        tracker.udp(),
        &swarm,
        AnnounceStrategy::StoppedFirst,
        AnnounceStrategy::StoppedFirst,
    );
}

/// opentracker refuses `started` for such a swarm, and answers `stopped` with zeros.
#[test]
fn opentracker_refuses_an_unlisted_swarm() {
    needs_servers!();
    let tracker = Opentracker::start(&[fresh_hash()]);
    for strategy in [
        AnnounceStrategy::StartThenStop,
        AnnounceStrategy::StoppedFirst,
    ] {
        let unknown = announce(tracker.udp(), &fresh_hash(), strategy);
        let observation = probe(vec![unknown]).remove(0);
        let failed = observation.report.failed().cloned().unwrap();
        assert_eq!(
            failed.reason,
            FailureReason::Rejected,
            "{strategy:?}: {failed}"
        );
    }
}

#[test]
fn scrapes_count_many_swarms_at_once() {
    needs_servers!();
    let hashes: Vec<Hash> = (0..64).map(|_| fresh_hash()).collect();
    let targets: Vec<_> = (0..)
        .map(AnnounceId)
        .zip(hashes.iter().map(|hash| InfoHash(*hash)))
        .collect();
    let (opentracker, aquatic, npm) = (Opentracker::start(&hashes), Aquatic::start(), Npm::start());
    for tracker in [opentracker.udp(), aquatic.udp(), npm.udp()] {
        for (at, hash) in (0..).zip(&hashes[..3]) {
            Swarm::of(*hash, 10 * at, at, 2 * at).join(tracker);
        }
        let scrape = Request::Scrape {
            targets: targets.clone(),
        };
        let Report::Scrape { ids, result } = probe(vec![job(tracker, scrape)]).remove(0).report
        else {
            panic!("not a scrape");
        };
        let result = result.unwrap();
        assert_eq!((ids.len(), result.len()), (64, 64));
        for (at, counts) in (0..).zip(&result[..3]) {
            let counts = counts.unwrap();
            assert_eq!((counts.seeders, counts.leechers), (Some(at), Some(2 * at)));
        }
    }
}

/// With ten percent loss in each direction, a healthy tracker answers for every swarm and keeps no
/// entry.
#[test]
fn packet_loss_loses_no_answers() {
    needs_servers!();
    if netns::outside("udp_prober::packet_loss_loses_no_answers") {
        return;
    }
    let hashes: Vec<Hash> = (0..200).map(|_| fresh_hash()).collect();
    let tracker = Opentracker::start(&hashes);
    let swarms: Vec<Swarm> = (0..)
        .zip(&hashes)
        .map(|(at, hash)| Swarm::of(*hash, 3 * at, 1, 2))
        .collect();
    for swarm in &swarms {
        swarm.join(tracker.udp());
    }
    netns::lose_udp(10);
    let jobs = hashes
        .iter()
        .map(|hash| announce(tracker.udp(), hash, AnnounceStrategy::StoppedFirst));
    let observations = probe(jobs.collect());
    netns::run("nft delete table inet loss");
    let mut requests = 0;
    for observation in observations {
        requests += observation.stats.requests;
        let seen = announced(vec![observation]);
        assert_eq!(endpoints(&seen).len(), 3);
    }
    assert!(
        requests > 600,
        "three requests per swarm, and some lost: {requests}"
    );
    for swarm in &swarms {
        let counts = wire::scrape(tracker.udp(), &swarm.hash);
        assert_eq!((counts.seeders, counts.leechers), (1, 2));
    }
}
