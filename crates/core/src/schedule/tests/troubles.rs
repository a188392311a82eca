//! Tests of reloads during probes, bursts of losses, and limits that trackers set.

use std::collections::{HashMap, HashSet};

use super::*;

impl Sim {
    fn poll(&mut self, now: u64) -> Vec<Job> {
        let mut jobs = Vec::new();
        self.schedule.poll(&self.roster, Mono(now), &mut jobs);
        jobs
    }

    fn reload(&mut self, policy: PolitenessPolicy, torrents: &[Torrent], now: u64) {
        let schedule = &self.schedule;
        let changes = self
            .roster
            .update(&torrents.to_vec().into(), |id| schedule.is_busy(id));
        self.schedule
            .update(policy, &self.roster, &changes, Mono(now));
    }

    fn finish(&mut self, job: &Job, report: Report, took: u64, now: u64) -> HealthChange {
        let stats = ProbeStats {
            duration: Duration::from_millis(took),
            ..ProbeStats::default()
        };
        let (tracker, family) = (job.tracker, job.family);
        let observation = Observation {
            tracker,
            family,
            report,
            stats,
        };
        self.schedule.finish(&self.roster, &observation, Mono(now))
    }

    /// Polls every `step` milliseconds and answers all jobs at once, until a job that satisfies
    /// `wanted` leaves. Returns its time and the job.
    fn poll_until(&mut self, from: u64, step: u64, wanted: impl Fn(&Job) -> bool) -> (u64, Job) {
        for now in (from..from + 10_000_000).step_by(step as usize) {
            let mut found = None;
            for job in self.poll(now) {
                if found.is_none() && wanted(&job) {
                    found = Some(job);
                } else {
                    self.finish(&job, answer(&job), 0, now);
                }
            }
            if let Some(job) = found {
                return (now, job);
            }
        }
        panic!("no such job left in 10,000 s");
    }

    fn scrapes(&self) -> Vec<&Vec<(AnnounceId, InfoHash)>> {
        let scrapes = self.sent.iter().filter_map(|(_, request)| match request {
            Request::Scrape { targets } => Some(targets),
            Request::Announce { .. } => None,
        });
        scrapes.collect()
    }
}

fn is_scrape(job: &Job) -> bool {
    job.family == Family::Ipv4 && matches!(job.request, Request::Scrape { .. })
}

fn is_announce(job: &Job) -> bool {
    job.family == Family::Ipv4 && matches!(job.request, Request::Announce { .. })
}

fn scrape_only() -> PolitenessPolicy {
    PolitenessPolicy {
        scrape_only: true,
        ..policy()
    }
}

#[test]
fn a_reload_from_scrape_to_ghost_keeps_probes_in_flight() {
    let list = torrents(3, PUBLIC);
    let mut sim = Sim::new(scrape_only(), &list);
    let jobs = sim.poll(0);
    let scrape = jobs.iter().find(|job| is_scrape(job)).unwrap();
    sim.reload(policy(), &list, 10);
    sim.finish(scrape, answer(scrape), 100, 100);
    sim.now = Mono(100);
    sim.run(Mono(600 * MINUTE), 50, |_, job| answer(job));
    let asked = sim.sent.iter().filter_map(|(_, request)| match request {
        Request::Announce { id, .. } => Some(*id),
        Request::Scrape { .. } => None,
    });
    assert_eq!(asked.collect::<HashSet<_>>().len(), 3);
}

#[test]
fn a_reload_from_ghost_to_scrape_repeats_no_scrape() {
    let list = torrents(2, PUBLIC);
    let mut sim = Sim::new(policy(), &list);
    let (at, scrape) = sim.poll_until(0, 100, is_scrape);
    sim.reload(scrape_only(), &list, at + 10);
    sim.finish(&scrape, answer(&scrape), 100, at + 100);
    sim.now = Mono(at + 100);
    sim.run(Mono(at + 200 * MINUTE), 50, |_, job| answer(job));
    let mut times: HashMap<AnnounceId, u32> = HashMap::new();
    for (id, _) in sim.scrapes().into_iter().flatten() {
        *times.entry(*id).or_default() += 1;
    }
    assert!(
        times.values().all(|times| *times <= 7),
        "{times:?} in 200 minutes"
    );
}

#[test]
fn families_share_the_rate_equally() {
    let mut sim = Sim::new(policy(), &torrents(2000, PUBLIC));
    let mut probes = [0u32; 2];
    sim.run(Mono(MINUTE), 50, |_, job| match &job.request {
        Request::Announce { id, .. } => {
            probes[job.family.index()] += 1;
            Report::Announce {
                id: *id,
                result: Ok(Box::default()),
            }
        }
        Request::Scrape { .. } => {
            let ids = ids(job);
            Report::Scrape {
                result: Ok(vec![Some(Counts::default()); ids.len()]),
                ids,
            }
        }
    });
    assert!(probes[0].abs_diff(probes[1]) < 30, "{probes:?}");
}

#[test]
fn timeouts_do_not_outweigh_answers_to_later_probes() {
    let mut sim = Sim::new(policy(), &torrents(10, PUBLIC));
    sim.run(Mono(50), 20, |_, job| answer(job));
    let (first_at, first) = sim.poll_until(50, 10, is_announce);
    let (second_at, second) = sim.poll_until(first_at + 10, 10, is_announce);
    let (at, third) = sim.poll_until(second_at + 10, 10, is_announce);
    sim.finish(&third, answer(&third), 0, at);
    for (sent, job) in [(first_at, &first), (second_at, &second)] {
        let health_change = sim.finish(job, silence(job), at + 15_000 - sent, at + 15_000);
        assert_eq!(health_change.health, Health::Up);
    }
}

#[test]
fn the_configured_brief_strategy_is_not_stored_for_the_tracker() {
    let list = torrents(1, PUBLIC);
    let mut sim = Sim::new(
        PolitenessPolicy {
            strategy: AnnounceStrategy::StartThenStop,
            ..policy()
        },
        &list,
    );
    let mut brief = AnnounceResponse {
        strategy: AnnounceStrategy::StartThenStop,
        ..AnnounceResponse::default()
    };
    brief.peers.push([81, 2, 3, 4].into(), 6881);
    sim.run(Mono(1000), 20, |_, job| answer_with(job, brief.clone()));
    sim.reload(policy(), &list, 1000);
    sim.run(Mono(40 * MINUTE), 20, |_, job| answer(job));
    let strategies = sim.sent.iter().filter_map(|(_, request)| match request {
        Request::Announce { strategy, .. } => Some(*strategy),
        Request::Scrape { .. } => None,
    });
    assert_eq!(
        strategies.collect::<Vec<_>>(),
        [AnnounceStrategy::StartThenStop, AnnounceStrategy::Compare]
    );
}

#[test]
fn failures_of_probes_in_flight_do_not_shorten_retry_after() {
    let mut sim = Sim::new(policy(), &torrents(4, "http://tracker.example/announce"));
    sim.run(Mono(20), 5, |_, job| answer(job));
    let (a, limited) = sim.poll_until(20, 1000, is_announce);
    let (b, second) = sim.poll_until(a + 1000, 1000, is_announce);
    let (c, third) = sim.poll_until(b + 1000, 1000, is_announce);
    let day = Some(Retry::After(Duration::from_secs(86_400)));
    let error = ProbeError::new(FailureReason::RateLimited, "").with_retry(day);
    sim.finish(&limited, fail(&limited, error), c - a, c);
    for (sent, job) in [(b, &second), (c, &third)] {
        sim.finish(
            job,
            fail(job, ProbeError::new(FailureReason::Reset, "")),
            c + 1000 - sent,
            c + 1000,
        );
    }
    sim.sent.clear();
    sim.now = Mono(c + 1000);
    sim.run(Mono(c + 20 * 60 * MINUTE), 5, |_, job| answer(job));
    assert_eq!(sim.sent.len(), 0);
}

#[test]
fn the_interval_of_a_tracker_applies_while_it_is_down() {
    let mut sim = Sim::new(policy(), &torrents(1, PUBLIC));
    let interval = Some(Duration::from_secs(7200));
    let slow = AnnounceResponse {
        interval,
        ..AnnounceResponse::default()
    };
    sim.run(Mono(1000), 20, |_, job| answer_with(job, slow.clone()));
    sim.run(Mono(140 * MINUTE), 20, |_, job| silence(job));
    let asked = sim.announces();
    sim.run(
        Mono(asked[asked.len() - 1].0 + 119 * MINUTE),
        20,
        |_, job| silence(job),
    );
    assert_eq!(sim.announces(), asked);
}

#[test]
fn ids_of_a_scrape_in_flight_are_not_reused() {
    let mut sim = Sim::new(policy(), &torrents(2, PUBLIC));
    let (at, scrape) = sim.poll_until(0, 100, is_scrape);
    sim.reload(policy(), &[], at + 1);
    sim.reload(policy(), &torrents(9, "udp://other.example:1")[5..], at + 2);
    assert!(
        ids(&scrape)
            .into_iter()
            .all(|id| sim.roster.announce(id).is_none())
    );
}

#[test]
fn an_unknown_torrent_does_not_stop_scrapes() {
    let mut sim = Sim::new(policy(), &torrents(3, "http://tracker.example/announce"));
    sim.run(Mono(300 * MINUTE), 50, |_, job| {
        let mut report = answer(job);
        if let Report::Scrape {
            result: Ok(counts), ..
        } = &mut report
        {
            // The first torrent of each scrape is unknown.
            if let Some(first) = counts.first_mut() {
                *first = None;
            }
        }
        report
    });
    assert!(
        sim.scrapes().len() > 6,
        "{} scrapes in five hours",
        sim.scrapes().len()
    );
}

#[test]
fn scrapes_adapt_to_a_tracker_that_answers_fifty_hashes() {
    let mut sim = Sim::new(scrape_only(), &torrents(500, PUBLIC));
    let mut answered = HashSet::new();
    sim.run(Mono(20 * MINUTE), 50, |_, job| {
        let mut report = answer(job);
        if let Report::Scrape {
            ids,
            result: Ok(counts),
        } = &mut report
        {
            counts.iter_mut().skip(50).for_each(|counts| *counts = None);
            answered.extend(ids.iter().take(50).copied());
        }
        report
    });
    assert_eq!(answered.len(), 500);
    let scrapes = sim.scrapes();
    assert!(scrapes.len() <= 20, "{} scrapes", scrapes.len());
    assert!(scrapes.last().is_some_and(|targets| targets.len() <= 50));
}

#[test]
fn scrapes_stay_within_the_limit_and_cover_all_swarms() {
    let mut sim = Sim::new(
        PolitenessPolicy {
            max_rate: 10_000.0,
            ..policy()
        },
        &torrents(300, PUBLIC),
    );
    sim.run(Mono(600_000), 100, |_, job| answer(job));
    let scrapes = sim.scrapes();
    assert!(
        scrapes
            .iter()
            .all(|targets| targets.len() <= Request::MAX_SCRAPE)
    );
    let asked: HashSet<_> = scrapes.into_iter().flatten().map(|(id, _)| *id).collect();
    assert_eq!(asked.len(), 300);
}

#[test]
fn families_take_turns_with_the_brief_strategy() {
    let mut sim = Sim::new(
        PolitenessPolicy {
            strategy: AnnounceStrategy::StartThenStop,
            ..policy()
        },
        &torrents(1, PUBLIC),
    );
    let first = sim.poll(0);
    assert_eq!(
        first.len(),
        1,
        "the other family waits, because its probe is of the same swarm"
    );
    assert!(sim.poll(100).is_empty());
    sim.finish(&first[0], answer(&first[0]), 100, 100);
    let again = sim.schedule.next_wake().unwrap();
    assert!(again <= Mono(250 + MAX_BATCH_TICKS * TICK), "{again:?}");
    let second = sim.poll(again.0);
    assert!(second.iter().any(|job| job.family != first[0].family));
}

#[test]
fn a_paused_family_may_send_one_trial_probe() {
    let mut sim = Sim::new(policy(), &torrents(10, PUBLIC));
    sim.schedule.pause(Family::Ipv4, true, Mono(0));
    assert!(sim.poll(1000).iter().all(|job| job.family == Family::Ipv6));
    let mut jobs = Vec::new();
    sim.schedule
        .send_trial(Family::Ipv4, &sim.roster, Mono(2000), &mut jobs);
    assert_eq!(jobs.len(), 1);
}

#[test]
fn a_url_without_scrape_does_not_close_its_tracker() {
    let mut all = torrents(1, "http://tracker.example/no-scrape");
    all.extend(
        torrents(3, "http://tracker.example/announce")
            .into_iter()
            .skip(1),
    );
    let mut sim = Sim::new(scrape_only(), &all);
    sim.run(Mono(100 * MINUTE), 50, |_, job| {
        if job.url.secret_path_and_query() == "/no-scrape" {
            return fail(job, ProbeError::new(FailureReason::Unsupported, ""));
        }
        answer(job)
    });
    let asked = sim.scrapes().into_iter().flatten().count();
    assert!(
        (7..=9).contains(&asked),
        "{asked} hashes scraped: one hash once, two hashes about four times"
    );
}

#[test]
fn the_interval_of_a_failure_applies_to_its_torrent() {
    let interval = Duration::from_secs(300);
    for (asked, expected) in [(7200, 7200), (60, 300), (1 << 31, 10_800)] {
        let list = torrents(2, "http://tracker.example/announce");
        let mut sim = Sim::new(
            PolitenessPolicy {
                interval,
                ..policy()
            },
            &list,
        );
        sim.run(Mono(400 * MINUTE), 50, |_, job| match &job.request {
            Request::Announce { id, .. } if id.0 == 0 => {
                let asked = Some(Duration::from_secs(asked));
                let failed = ProbeError::new(FailureReason::Rejected, "TORRENT NOT FOUND");
                fail(job, failed.with_interval(asked))
            }
            _ => answer(job),
        });
        let of = |wanted: u32| {
            let asked = sim.sent.iter().filter(
                |(_, request)| matches!(request, Request::Announce { id, .. } if id.0 == wanted),
            );
            asked.map(|(at, _)| *at).collect::<Vec<_>>()
        };
        let gap = |times: &[Mono]| times[1].since(times[0]).as_secs();
        let refused = gap(&of(0));
        assert!(
            (expected..=expected * 11 / 10 + 1).contains(&refused),
            "{asked}: {refused}"
        );
        assert!(
            (300..=331).contains(&gap(&of(1))),
            "the other torrent keeps the configured interval"
        );
    }
}

#[test]
fn the_interval_of_a_rate_limit_applies_to_the_tracker() {
    let interval = Duration::from_secs(300);
    let list = torrents(1, "http://tracker.example/announce");
    let mut sim = Sim::new(
        PolitenessPolicy {
            interval,
            ..policy()
        },
        &list,
    );
    let asked = Some(Duration::from_secs(3600));
    sim.run(Mono(100 * MINUTE), 50, |_, job| {
        fail(
            job,
            ProbeError::new(FailureReason::RateLimited, "").with_interval(asked),
        )
    });
    let asked = sim.announces();
    assert!(asked[1].since(asked[0]).as_secs() >= 3600, "{asked:?}");
}

#[test]
fn swarms_missing_from_a_scrape_are_scraped_separately() {
    // The tracker knows only the first torrent.
    let mut sim = Sim::new(
        scrape_only(),
        &torrents(3, "http://tracker.example/announce"),
    );
    sim.run(Mono(100 * MINUTE), 50, |_, job| {
        let mut report = answer(job);
        if let Report::Scrape {
            ids,
            result: Ok(counts),
        } = &mut report
        {
            for (id, counts) in ids.iter().zip(counts) {
                *counts = counts.filter(|_| id.0 == 0);
            }
        }
        report
    });
    let left_out = sim.scrapes();
    let alone = |targets: &&&Vec<(AnnounceId, InfoHash)>| targets.iter().all(|(id, _)| id.0 != 0);
    assert!(left_out.iter().filter(alone).count() > 0);
    assert!(left_out.len() < 20, "{} scrapes", left_out.len());
}
