use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use seedwatch_torrent::{Hashes, InfoHash, Privacy, Torrent, TrackerUrl};
use seedwatch_tracker::{
    AnnounceResponse, AnnounceStrategy, Counts, FailureReason, ProbeError, ProbeStats, Request,
    Retry,
};

const MINUTE: u64 = 60_000;

fn policy() -> PolitenessPolicy {
    PolitenessPolicy {
        interval: Duration::from_secs(1800),
        timeout: Duration::from_secs(15),
        max_rate: 20.0,
        scrape_only: false,
        strategy: AnnounceStrategy::StoppedFirst,
    }
}

fn torrents(count: u32, url: &str) -> Vec<Torrent> {
    let url = Arc::new(TrackerUrl::parse(url).unwrap());
    let torrents = (0..count).map(|n| {
        let mut hash = [0; 20];
        hash[..4].copy_from_slice(&n.to_be_bytes());
        hash[18..].copy_from_slice(&(n as u16).wrapping_mul(40_503).to_be_bytes());
        Torrent {
            name: format!("{n:06}").into(),
            hashes: Hashes::V1(InfoHash(hash)),
            trackers: [Arc::clone(&url)].into(),
            details: None,
            privacy: Privacy::Public,
            size: None,
        }
    });
    torrents.collect()
}

/// A simulation of a schedule and its trackers. Trackers have no IPv6 address.
struct Sim {
    roster: Roster,
    schedule: Schedule,
    now: Mono,
    in_flight: BinaryHeap<Reverse<(Mono, u64)>>,
    jobs: HashMap<u64, (Mono, Job)>,
    serial: u64,
    /// The address that all trackers share.
    remote: Option<std::net::IpAddr>,
    /// The minimum interval of scrapes that all trackers report (BEP 48).
    scrape_interval_seconds: u32,
    /// The announces and scrapes sent over IPv4, with their times.
    sent: Vec<(Mono, Request)>,
}

impl Sim {
    fn new(policy: PolitenessPolicy, torrents: &[Torrent]) -> Self {
        let mut sim = Self {
            roster: Roster::default(),
            schedule: Schedule::new(policy),
            now: Mono(0),
            in_flight: BinaryHeap::new(),
            jobs: HashMap::new(),
            serial: 0,
            remote: None,
            scrape_interval_seconds: 0,
            sent: Vec::new(),
        };
        sim.configure(torrents);
        sim
    }

    fn configure(&mut self, torrents: &[Torrent]) {
        let schedule = &self.schedule;
        let changes = self
            .roster
            .update(&torrents.to_vec().into(), |id| schedule.is_busy(id));
        let policy = self.schedule.policy.clone();
        self.schedule
            .update(policy, &self.roster, &changes, self.now);
    }

    /// Runs until a time. Each probe gets the report of `reply`, `rtt` milliseconds after it left.
    fn run(&mut self, until: Mono, rtt: u64, mut reply: impl FnMut(Mono, &Job) -> Report) {
        loop {
            let wake = self.schedule.next_wake();
            let next = self.in_flight.peek().map(|Reverse((at, _))| *at);
            let Some(at) = wake.into_iter().chain(next).min().filter(|at| *at <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(at);
            while let Some(&Reverse((at, serial))) = self.in_flight.peek() {
                if at > self.now {
                    break;
                }
                self.in_flight.pop();
                let (sent, job) = self.jobs.remove(&serial).unwrap();
                let stats = ProbeStats {
                    duration: at.since(sent),
                    remote: self.remote,
                    scrape_interval_seconds: self.scrape_interval_seconds,
                    ..ProbeStats::default()
                };
                let report = reply(self.now, &job);
                let (tracker, family) = (job.tracker, job.family);
                let observation = Observation {
                    tracker,
                    family,
                    report,
                    stats,
                };
                self.schedule.finish(&self.roster, &observation, self.now);
            }
            let mut jobs = Vec::new();
            self.schedule.poll(&self.roster, self.now, &mut jobs);
            for job in jobs {
                if job.family == Family::Ipv4 {
                    self.sent.push((self.now, job.request.clone()));
                }
                self.serial += 1;
                self.in_flight
                    .push(Reverse((Mono(self.now.0 + rtt), self.serial)));
                self.jobs.insert(self.serial, (self.now, job));
            }
        }
    }

    fn announces(&self) -> Vec<Mono> {
        let announces = self
            .sent
            .iter()
            .filter(|(_, request)| matches!(request, Request::Announce { .. }));
        announces.map(|(at, _)| *at).collect()
    }
}

fn ids(job: &Job) -> Vec<AnnounceId> {
    match &job.request {
        Request::Announce { id, .. } => vec![*id],
        Request::Scrape { targets } => targets.iter().map(|(id, _)| *id).collect(),
    }
}

fn answer_with(job: &Job, answer: AnnounceResponse) -> Report {
    if job.family == Family::Ipv6 {
        return Report::NoAddress { ids: ids(job) };
    }
    match &job.request {
        Request::Announce { id, .. } => Report::Announce {
            id: *id,
            result: Ok(Box::new(answer)),
        },
        Request::Scrape { .. } => {
            let ids = ids(job);
            Report::Scrape {
                result: Ok(vec![Some(Counts::default()); ids.len()]),
                ids,
            }
        }
    }
}

fn answer(job: &Job) -> Report {
    answer_with(job, AnnounceResponse::default())
}

fn fail(job: &Job, failed: ProbeError) -> Report {
    if job.family == Family::Ipv6 {
        return Report::NoAddress { ids: ids(job) };
    }
    match &job.request {
        Request::Announce { id, .. } => Report::Announce {
            id: *id,
            result: Err(failed),
        },
        Request::Scrape { .. } => Report::Scrape {
            ids: ids(job),
            result: Err(failed),
        },
    }
}

fn silence(job: &Job) -> Report {
    fail(job, ProbeError::new(FailureReason::Timeout, ""))
}

const PUBLIC: &str = "udp://tracker.example:6969/announce";

#[test]
fn every_torrent_is_probed_once_per_interval_within_the_host_rate() {
    let mut sim = Sim::new(policy(), &torrents(10_000, PUBLIC));
    sim.run(Mono(29 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(sim.announces().len(), 10_000);
    let first_second = sim.sent.iter().filter(|(at, _)| at.0 < 1000).count();
    assert!(
        first_second <= 30,
        "{first_second} requests in the first second"
    );
    let scrapes = sim.sent.len() - 10_000;
    assert!(
        (157..170).contains(&scrapes),
        "{scrapes} scrapes for 10,000 swarms"
    );
}

#[test]
fn probes_repeat_after_the_interval_with_a_tenth_of_jitter() {
    let mut sim = Sim::new(policy(), &torrents(1, PUBLIC));
    sim.run(Mono(100 * MINUTE), 50, |_, job| answer(job));
    let gaps: Vec<_> = sim
        .announces()
        .windows(2)
        .map(|w| w[1].since(w[0]).as_secs())
        .collect();
    assert_eq!(gaps.len(), 3);
    assert!(
        gaps.iter().all(|gap| (1800..1990).contains(gap)),
        "{gaps:?}"
    );
}

#[test]
fn the_interval_of_a_tracker_is_clamped() {
    for (configured, requested, expected) in [
        (60, 0, 300),
        (60, 900, 900),
        (60, 1 << 31, 10_800),
        (7200, 60, 7200),
    ] {
        let interval = Duration::from_secs(configured);
        let mut sim = Sim::new(
            PolitenessPolicy {
                interval,
                ..policy()
            },
            &torrents(1, PUBLIC),
        );
        sim.run(Mono(400 * MINUTE), 50, |_, job| {
            let interval = Some(Duration::from_secs(requested));
            answer_with(
                job,
                AnnounceResponse {
                    interval,
                    ..AnnounceResponse::default()
                },
            )
        });
        let announces = sim.announces();
        let gap = announces[1].since(announces[0]).as_secs();
        assert!(
            (expected..=expected * 11 / 10 + 1).contains(&gap),
            "{configured} {requested}: {gap}"
        );
    }
}

#[test]
fn on_loopback_only_the_configured_interval_applies() {
    let interval = Duration::from_secs(2);
    let mut sim = Sim::new(
        PolitenessPolicy {
            interval,
            ..policy()
        },
        &torrents(1, "udp://127.0.0.1:6969"),
    );
    sim.run(Mono(MINUTE), 5, |_, job| {
        let interval = Some(Duration::from_secs(1800));
        answer_with(
            job,
            AnnounceResponse {
                interval,
                ..AnnounceResponse::default()
            },
        )
    });
    assert!(sim.announces().len() >= 27);
}

#[test]
fn a_silent_tracker_gets_one_probe_per_interval_for_any_number_of_torrents() {
    let mut sim = Sim::new(policy(), &torrents(10_000, PUBLIC));
    sim.run(Mono(6 * 60 * MINUTE), 15_000, |_, job| silence(job));
    let probes = sim.sent.len();
    assert!((6..=10).contains(&probes), "{probes} probes in six hours");
    assert_eq!(
        sim.sent[1].0.since(sim.sent[0].0),
        Duration::from_secs(20),
        "a timeout of 15 s, then a delay of 5 s"
    );
}

#[test]
fn a_lost_probe_is_retried_and_the_tracker_stays_up() {
    let mut sim = Sim::new(policy(), &torrents(1, PUBLIC));
    let mut lost = false;
    sim.run(Mono(MINUTE), 100, |_, job| {
        if job.family == Family::Ipv4 && !std::mem::replace(&mut lost, true) {
            return silence(job);
        }
        answer(job)
    });
    assert_eq!(sim.announces().len(), 2);
    assert_eq!(sim.schedule.queues[0].health(), Health::Up);
}

#[test]
fn all_torrents_of_a_recovered_tracker_are_probed() {
    let mut sim = Sim::new(policy(), &torrents(100, PUBLIC));
    sim.run(Mono(40 * MINUTE), 100, |now, job| {
        if now < Mono(20 * MINUTE) {
            silence(job)
        } else {
            answer(job)
        }
    });
    assert!(sim.announces().len() >= 102);
    assert_eq!(sim.schedule.queues[0].health(), Health::Up);
    assert_eq!(sim.schedule.overdue(sim.now), (0, Duration::ZERO));
}

#[test]
fn the_schedule_obeys_retry_in_and_never() {
    for (retry, within) in [
        (Retry::After(Duration::from_secs(7200)), 120),
        (Retry::Never, 7 * 1440),
    ] {
        let mut sim = Sim::new(policy(), &torrents(1, PUBLIC));
        sim.run(Mono((within - 1) * MINUTE), 100, |_, job| {
            fail(
                job,
                ProbeError::new(FailureReason::Rejected, "later").with_retry(Some(retry)),
            )
        });
        assert_eq!(sim.announces().len(), 1, "{retry:?}");
    }
}

#[test]
fn a_rate_limit_delays_all_torrents_of_the_tracker() {
    let mut sim = Sim::new(policy(), &torrents(1000, PUBLIC));
    let retry = Some(Retry::After(Duration::from_secs(3600)));
    sim.run(Mono(59 * MINUTE), 10, |now, job| {
        if now < Mono(2000) {
            return answer(job);
        }
        fail(
            job,
            ProbeError::new(FailureReason::RateLimited, "").with_retry(retry),
        )
    });
    assert!(
        sim.announces().iter().all(|at| at.0 < 2500),
        "{:?}",
        sim.announces().last()
    );
}

#[test]
fn a_tracker_that_denies_contact_is_not_contacted_for_a_day() {
    let mut sim = Sim::new(policy(), &torrents(500, PUBLIC));
    sim.run(Mono(23 * 60 * MINUTE), 1, |_, job| {
        fail(job, ProbeError::new(FailureReason::Denied, ""))
    });
    assert_eq!(sim.sent.len(), 1);
    assert_eq!(sim.schedule.queues[0].health(), Health::Closed);
}

#[test]
fn scrape_mode_sends_64_hashes_per_scrape_and_never_announces() {
    let mut sim = Sim::new(
        PolitenessPolicy {
            scrape_only: true,
            ..policy()
        },
        &torrents(1000, PUBLIC),
    );
    sim.run(Mono(20 * MINUTE), 50, |_, job| answer(job));
    assert!(sim.announces().is_empty());
    assert!(sim.sent.len() <= 18, "{} scrapes", sim.sent.len());
}

#[test]
fn a_reload_probes_only_new_torrents_at_once() {
    let all = torrents(20, PUBLIC);
    let mut sim = Sim::new(policy(), &all[..10]);
    sim.run(Mono(MINUTE), 50, |_, job| answer(job));
    assert_eq!(sim.announces().len(), 10);
    sim.configure(&all[5..]);
    sim.run(Mono(2 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(sim.announces().len(), 20);
    sim.run(Mono(34 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(
        sim.announces().len(),
        35,
        "the five removed torrents are not probed again"
    );
}

#[test]
fn a_paused_family_sends_nothing_and_its_probes_in_flight_are_discarded() {
    let mut sim = Sim::new(policy(), &torrents(10, PUBLIC));
    let mut jobs = Vec::new();
    sim.schedule.poll(&sim.roster, Mono(0), &mut jobs);
    sim.schedule.pause(Family::Ipv4, true, Mono(15_000));
    for job in jobs {
        let report = silence(&job);
        let stats = ProbeStats::default();
        let (tracker, family) = (job.tracker, job.family);
        sim.schedule.discard(
            &Observation {
                tracker,
                family,
                report,
                stats,
            },
            Mono(15_000),
        );
    }
    sim.now = Mono(15_000);
    sim.run(Mono(30 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(sim.announces().len(), 0);
    assert_eq!(sim.schedule.overdue(sim.now).0, 0);
    sim.schedule.pause(Family::Ipv4, false, sim.now);
    sim.run(Mono(31 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(sim.announces().len(), 10);
}

#[test]
fn trackers_on_one_address_share_one_rate_limit() {
    let mut all = torrents(500, PUBLIC);
    all.extend(
        torrents(500, "udp://other.example:80/announce")
            .into_iter()
            .map(|torrent| Torrent {
                name: format!("other-{}", torrent.name).into(),
                hashes: Hashes::V1(InfoHash(torrent.hashes.v1().unwrap().0.map(|byte| !byte))),
                ..torrent
            }),
    );
    let mut sim = Sim::new(policy(), &all);
    sim.remote = Some("192.0.2.7".parse().unwrap());
    sim.run(Mono(11_000), 10, |_, job| answer(job));
    let after_the_first = sim.sent.iter().filter(|(at, _)| at.0 >= 1_000).count();
    assert!(
        (190..=215).contains(&after_the_first),
        "{after_the_first} requests in ten seconds"
    );
}

#[test]
fn requests_use_the_tracker_url_of_the_last_reload() {
    let urls = ["udp://127.0.0.1:6969/one", "udp://127.0.0.1:6969/two"];
    let interval = Duration::from_secs(60);
    let mut all = torrents(2, urls[0]);
    let mut sim = Sim::new(
        PolitenessPolicy {
            interval,
            ..policy()
        },
        &all,
    );
    sim.run(Mono(5 * MINUTE), 30, |_, job| answer(job));
    all[1].trackers = [Arc::new(TrackerUrl::parse(urls[1]).unwrap())].into();
    sim.configure(&all);
    let mut asked = HashMap::<_, usize>::new();
    sim.run(Mono(15 * MINUTE), 30, |_, job| {
        let hashes: Vec<_> = match &job.request {
            Request::Announce { info_hash, .. } => vec![*info_hash],
            Request::Scrape { targets } => targets.iter().map(|(_, hash)| *hash).collect(),
        };
        for hash in hashes {
            let url = TrackerUrl::parse(urls[usize::from(hash.0[3])]).unwrap();
            assert_eq!(*job.url, url);
            let is_scrape = matches!(job.request, Request::Scrape { .. });
            *asked.entry((hash, is_scrape)).or_default() += 1;
        }
        answer(job)
    });
    assert_eq!(
        asked.len(),
        4,
        "announces and scrapes of both torrents: {asked:?}"
    );
}

mod restart;
mod scrapes;
mod stopped;
mod ticks;
mod troubles;
