//! Tests of batching: waiting probes leave in ticks, and rates stay exact.

use super::*;

const LOCAL: &str = "udp://127.0.0.1:6969/announce";

/// Returns a simulation with more torrents per tracker than the rate allows.
fn overloaded(rate: f64, urls: &[&str]) -> Sim {
    let count = (rate * 2.0).max(8.0) as u32;
    let all = urls.iter().zip(0u8..).flat_map(|(url, n)| {
        torrents(count, url).into_iter().map(move |torrent| {
            let mut hash = torrent.hashes.v1().unwrap();
            hash.0[10] = n;
            Torrent {
                name: format!("{n}-{}", torrent.name).into(),
                hashes: Hashes::V1(hash),
                ..torrent
            }
        })
    });
    let policy = PolitenessPolicy {
        interval: Duration::from_secs(1),
        max_rate: rate,
        ..policy()
    };
    Sim::new(policy, &all.collect::<Vec<_>>())
}

/// Returns the number of requests sent at each time.
fn by_moment(sim: &Sim) -> Vec<(Mono, usize)> {
    let same = |a: &(Mono, Request), b: &(Mono, Request)| a.0 == b.0;
    let moments = sim.sent.chunk_by(same);
    moments.map(|moment| (moment[0].0, moment.len())).collect()
}

#[test]
fn a_host_gets_exactly_its_rate() {
    for (rate, seconds) in [(0.5, 3600), (3.3, 3600), (20.0, 3600), (5000.0, 20)] {
        let mut sim = overloaded(rate, &[LOCAL]);
        sim.run(Mono(seconds * 1000), 30, |_, job| answer(job));
        let (sent, due) = (sim.sent.len() as f64, rate * seconds as f64);
        let burst = (rate / 2.0).max(2.0);
        assert!(sent <= due + burst, "{rate}: {sent} of {due}");
        assert!(sent >= due * 0.99 - 2.0, "{rate}: {sent} of {due}");
    }
}

#[test]
fn a_batch_spends_the_tokens_gained_since_the_last_batch() {
    for (rate, ticks) in [(20.0, 10), (70.0, 2), (130.0, 1), (5000.0, 1)] {
        let mut sim = overloaded(rate, &[LOCAL]);
        sim.run(Mono(20_000), 30, |_, job| answer(job));
        let moments = by_moment(&sim);
        let later = moments.iter().filter(|(at, _)| at.0 > 1_000);
        let most = (rate * (ticks * TICK) as f64 / 1000.0).floor() as usize + 1;
        for (at, count) in later {
            assert_eq!(at.0 % (ticks * TICK), 0, "{rate}");
            assert!(
                *count <= most,
                "{rate}: {count} at {at:?}, at most {most} allowed"
            );
        }
    }
}

#[test]
fn slow_hosts_are_spread_over_the_ticks() {
    let urls: Vec<_> = (1..=30).map(|n| format!("udp://127.0.1.{n}:80")).collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let mut sim = overloaded(20.0, &urls);
    sim.run(Mono(10_000), 33, |_, job| answer(job));
    let later = by_moment(&sim).into_iter();
    let later: Vec<_> = later.filter(|(at, _)| at.0 > 5_000).collect();
    assert!(
        later.len() >= 249,
        "ticks without a batch: {} batches",
        later.len()
    );
    let most = later.iter().map(|(_, count)| *count).max();
    assert!(
        most <= Some(15),
        "three hosts with four packets each expected: {most:?}"
    );
}

#[test]
fn probes_that_become_due_before_a_batch_leave_with_it() {
    let interval = Duration::from_secs(10);
    let mut sim = Sim::new(
        PolitenessPolicy {
            interval,
            ..policy()
        },
        &torrents(60, LOCAL),
    );
    sim.run(Mono(100_000), 33, |_, job| answer(job));
    let announces = |request: &Request| matches!(request, Request::Announce { .. });
    sim.sent
        .retain(|(at, request)| at.0 > 50_000 && announces(request));
    let (sent, moments) = (sim.sent.len(), by_moment(&sim));
    assert!(sent >= 250, "{sent}");
    assert!(
        moments
            .iter()
            .all(|(at, _)| at.0 % (MAX_BATCH_TICKS * TICK) == 0)
    );
}

#[test]
fn http_hosts_send_in_every_tick() {
    let mut sim = overloaded(20.0, &["http://127.0.0.1:6969/announce"]);
    sim.run(Mono(10_000), 30, |_, job| answer(job));
    let later = by_moment(&sim).into_iter().filter(|(at, _)| at.0 > 1_000);
    assert!(later.count() >= 9 * 19);
}

#[test]
fn queues_of_one_host_share_each_tick() {
    let urls = [LOCAL, "udp://127.0.0.1:6970", "udp://127.0.0.1:6971"];
    let mut sim = overloaded(300.0, &urls);
    sim.run(Mono(60_000), 30, |_, job| answer(job));
    let mut counts = HashMap::<_, usize>::new();
    for (_, request) in sim.sent.iter().filter(|(at, _)| at.0 > 1_000) {
        let Request::Announce { info_hash, .. } = request else {
            continue;
        };
        *counts.entry(info_hash.0[10]).or_default() += 1;
    }
    let (least, most) = (
        counts.values().min().unwrap(),
        counts.values().max().unwrap(),
    );
    assert_eq!(counts.len(), 3);
    assert!(most - least <= most / 50, "{counts:?}");
    // Scrapes consume tokens, too.
    let all = sim.sent.iter().filter(|(at, _)| at.0 > 1_000).count();
    assert!(all >= 59 * 297, "{all}");
    assert!(by_moment(&sim).len() <= 61 * 50);
}

#[test]
fn hosts_share_wake_ups() {
    let urls: Vec<_> = (1..=100).map(|n| format!("udp://127.0.1.{n}:80")).collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let mut sim = overloaded(20.0, &urls);
    sim.run(Mono(10_000), 33, |_, job| answer(job));
    assert!(sim.sent.len() > 10 * 1980, "{}", sim.sent.len());
    let later = by_moment(&sim).into_iter().filter(|(at, _)| at.0 > 1_000);
    assert!(later.count() <= 9 * 50 + 1);
}

#[test]
fn probes_within_the_rate_do_not_wait_for_a_tick() {
    let mut sim = Sim::new(policy(), &torrents(3, PUBLIC));
    sim.now = Mono(7);
    let mut jobs = Vec::new();
    sim.schedule.poll(&sim.roster, Mono(7), &mut jobs);
    assert_eq!(jobs.len(), 2, "the first probe of each family");
    let observation = Observation {
        tracker: jobs[0].tracker,
        family: jobs[0].family,
        report: answer(&jobs[0]),
        stats: ProbeStats::default(),
    };
    sim.schedule.finish(&sim.roster, &observation, Mono(33));
    assert!(sim.schedule.next_wake() <= Some(Mono(33)));
    sim.schedule.poll(&sim.roster, Mono(33), &mut jobs);
    assert_eq!(
        jobs.len(),
        4,
        "further probes follow the first answer at once"
    );
}

#[test]
fn a_raised_rate_takes_effect_at_once() {
    let mut sim = overloaded(1.0 / 3600.0, &[LOCAL]);
    sim.run(Mono(60_000), 30, |_, job| answer(job));
    let before = sim.sent.len();
    sim.schedule.policy.max_rate = 20.0;
    sim.configure(&torrents(8, LOCAL));
    sim.run(Mono(62_000), 30, |_, job| answer(job));
    assert!(sim.sent.len() >= before + 8, "{before}, {}", sim.sent.len());
}

#[test]
fn a_probe_that_waits_for_its_tick_is_not_overdue() {
    let interval = Duration::from_secs(2);
    let all = torrents(1, LOCAL);
    let mut sim = Sim::new(
        PolitenessPolicy {
            interval,
            ..policy()
        },
        &all,
    );
    sim.run(Mono(1_000), 5, |_, job| answer(job));
    // The first answer came after 5 ms, so the second probe is due just after a tick.
    assert_eq!(sim.schedule.next_wake(), Some(Mono(2_200)));
    assert_eq!(sim.schedule.overdue(Mono(2_199)).0, 0);
    assert_eq!(sim.schedule.overdue(Mono(2_300)).0, 1);
}

#[test]
fn a_tracker_tells_when_it_may_be_asked_next() {
    let url = "udp://tracker.example:6969/announce";
    let mut sim = Sim::new(policy(), &torrents(1, url));
    let unix = seedwatch_clock::Unix(1_700_000_000);
    let next = |sim: &Sim| {
        let now = Now {
            mono: sim.now,
            unix,
        };
        sim.schedule
            .next_probe(TrackerId(0), now)
            .map(|at| at.0 - unix.0)
    };
    assert_eq!(next(&sim), Some(0), "it was never asked");
    sim.run(Mono(5 * MINUTE), 30, |_, job| answer(job));
    let wait = next(&sim).unwrap();
    assert!((60..=1980).contains(&wait), "{wait}");
    let unknown = Now {
        mono: sim.now,
        unix,
    };
    assert_eq!(sim.schedule.next_probe(TrackerId(7), unknown), None);
}
