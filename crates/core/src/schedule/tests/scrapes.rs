//! Tests of the minimum scrape interval of a tracker (BEP 48).

use super::*;

const HOUR: u64 = 60 * MINUTE;

/// Runs one torrent for two days at a tracker that reports this scrape interval in seconds. Returns
/// the times of scrapes in milliseconds, and the number of announces.
fn scrapes(policy: PolitenessPolicy, url: &str, interval_seconds: u32) -> (Vec<u64>, usize) {
    let mut sim = Sim::new(policy, &torrents(1, url));
    sim.scrape_interval_seconds = interval_seconds;
    sim.run(Mono(48 * HOUR), 50, |_, job| answer(job));
    let is_scrape = |(_, request): &&(Mono, Request)| matches!(request, Request::Scrape { .. });
    let times = sim.sent.iter().filter(is_scrape).map(|(at, _)| at.0);
    (times.collect(), sim.announces().len())
}

fn shortest_gap(times: &[u64]) -> u64 {
    times.windows(2).map(|two| two[1] - two[0]).min().unwrap()
}

#[test]
fn scrapes_keep_the_interval_that_the_tracker_requests() {
    const TRACKER: &str = "http://tracker.example/announce";
    let (usual, announces) = scrapes(policy(), TRACKER, 1);
    assert!(shortest_gap(&usual) < HOUR);
    for (asked, at_least) in [(HOUR, HOUR), (2 * HOUR, 2 * HOUR), (1000 * HOUR, 3 * HOUR)] {
        let (times, announces_now) = scrapes(policy(), TRACKER, (asked / 1000) as u32);
        assert!(shortest_gap(&times) >= at_least, "{asked}: {times:?}");
        assert!(
            times.len() as u64 >= 48 * HOUR / (at_least + HOUR),
            "{asked}: {times:?}"
        );
        assert_eq!(
            announces_now, announces,
            "the scrape interval does not affect announces"
        );
        let only = PolitenessPolicy {
            scrape_only: true,
            ..policy()
        };
        let (times, _) = scrapes(only, TRACKER, (asked / 1000) as u32);
        assert!(shortest_gap(&times) >= at_least, "{asked}: {times:?}");
        assert!(
            times.len() as u64 >= 48 * HOUR / (at_least + HOUR),
            "{asked}: {times:?}"
        );
    }
    // On loopback only the configured interval applies.
    let (times, _) = scrapes(
        policy(),
        "http://127.0.0.1/announce",
        (2 * HOUR / 1000) as u32,
    );
    assert!(shortest_gap(&times) < HOUR, "{times:?}");
}
