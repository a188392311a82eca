//! How often a tracker wants to be scraped (BEP 48).

use super::*;

const HOUR: u64 = 60 * MINUTE;

/// When the only swarm was scraped in two days by a tracker that asks for this interval, and how
/// often it was announced.
fn scrapes(pace: Pace, url: &str, asked: u32) -> (Vec<u64>, usize) {
    let mut sim = Sim::new(pace, &torrents(1, url));
    sim.scrape_interval_seconds = asked;
    sim.run(Mono(48 * HOUR), 50, |_, job| answer(job));
    let is_scrape = |(_, ask): &&(Mono, Ask)| matches!(ask, Ask::Scrape { .. });
    let times = sim.sent.iter().filter(is_scrape).map(|(at, _)| at.0);
    (times.collect(), sim.announces().len())
}

fn shortest(times: &[u64]) -> u64 {
    times.windows(2).map(|two| two[1] - two[0]).min().unwrap()
}

#[test]
fn no_scrape_comes_before_the_interval_that_the_tracker_asks_for() {
    const TRACKER: &str = "http://tracker.example/announce";
    let (usual, announces) = scrapes(pace(), TRACKER, 1);
    assert!(shortest(&usual) < HOUR);
    for (asked, at_least) in [(HOUR, HOUR), (2 * HOUR, 2 * HOUR), (1000 * HOUR, 3 * HOUR)] {
        let (times, stay) = scrapes(pace(), TRACKER, (asked / 1000) as u32);
        assert!(shortest(&times) >= at_least, "{asked}: {times:?}");
        assert!(
            times.len() as u64 >= 48 * HOUR / (at_least + HOUR),
            "{asked}: {times:?}"
        );
        assert_eq!(stay, announces, "announces keep their pace");
        let only = Pace {
            scrape_only: true,
            ..pace()
        };
        let (times, _) = scrapes(only, TRACKER, (asked / 1000) as u32);
        assert!(shortest(&times) >= at_least, "{asked}: {times:?}");
        assert!(
            times.len() as u64 >= 48 * HOUR / (at_least + HOUR),
            "{asked}: {times:?}"
        );
    }
    // On this machine our interval alone counts.
    let (times, _) = scrapes(
        pace(),
        "http://127.0.0.1/announce",
        (2 * HOUR / 1000) as u32,
    );
    assert!(shortest(&times) < HOUR, "{times:?}");
}
