//! Warnings, failures and rate limits of trackers.

use super::*;
use seedwatch_tracker::Retry;

const SCRAPED: &str = "http://b.example/announce";

fn warned(text: &str) -> AnnounceResponse {
    AnnounceResponse {
        warning: Some(text.into()),
        ..AnnounceResponse::default()
    }
}

impl World {
    fn scrape(&mut self, ids: &[AnnounceId], counts: &[Option<Counts>]) {
        let report = Report::Scrape {
            ids: ids.to_vec(),
            result: Ok(counts.to_vec()),
        };
        self.report(Family::Ipv4, Health::Up, report);
    }

    fn tracker(&self) -> Arc<TrackerRow> {
        let rows = self.swarms.tracker_rows(&self.roster, self.now, |_| None);
        rows[0].clone().unwrap()
    }
}

#[test]
fn a_scrape_answer_without_the_torrent_is_a_failure() {
    let mut world = World::new(&[torrent("t", v1(1), &[SCRAPED])]).without_dht();
    let id = world.announce(0, 0);
    world.scrape(&[id], &[None]);
    let row = world.row(0);
    assert_eq!(row.announces[0].success, Some(false));
    let failed = row.announces[0].failure().unwrap();
    assert_eq!(failed.reason, FailureReason::Rejected);
    assert_eq!(
        (row.peers, row.seeders, row.leechers),
        ([None; 2], None, None)
    );
    assert_eq!(row.probe_success, [None, Some(false)]);
    assert_eq!(world.tracker().up[0], Some(true));
    assert_eq!(world.tracker().failures, [0; FailureReason::ALL.len()]);
    // The tracker may know the torrent later.
    world.scrape(&[id], &[Some(Counts::default())]);
    let row = world.row(0);
    assert_eq!(
        (row.announces[0].success, row.announces[0].failure()),
        (Some(true), None)
    );
}

#[test]
fn a_short_scrape_answer_is_inconclusive_about_the_rest() {
    let torrents = [1, 2, 3].map(|n| torrent(&n.to_string(), v1(n), &[SCRAPED]));
    let mut world = World::new(&torrents).without_dht();
    let ids = [0, 1, 2].map(|index| world.announce(index, 0));
    let known = Some(Counts::default());
    world.scrape(&ids, &[known, known, None]);
    assert_eq!(world.row(2).announces[0].success, None);
    world.scrape(&ids, &[known, None, known]);
    assert_eq!(world.row(1).announces[0].success, Some(false));
}

#[test]
fn a_failed_scrape_beside_announces_fails_no_announce() {
    let mut world = World::new(&[torrent("t", v1(1), &[SCRAPED])]);
    let id = world.announce(0, 0);
    world.list(id, &["1.1.1.1"]);
    let observation = Observation {
        tracker: TrackerId(0),
        family: Family::Ipv4,
        report: Report::Scrape {
            ids: vec![id],
            result: Ok(vec![None]),
        },
        stats: ProbeStats::default(),
    };
    let change = HealthChange {
        health: Health::Up,
        changed: false,
        is_confirmed: false,
    };
    let (roster, now) = (&world.roster, world.now);
    world.swarms.fold(roster, observation, change, now);
    assert_eq!(world.row(0).announces[0].success, Some(true));
}

#[test]
fn a_warning_is_shown_with_its_answer() {
    let mut world = World::new(&[1, 2].map(|n| torrent(&n.to_string(), v1(n), &[SCRAPED])));
    let [first, second] = [0, 1].map(|index| world.announce(index, 0));
    world.answer(first, Family::Ipv4, warned("This tracker closes in May"));
    world.answer(second, Family::Ipv4, warned("This tracker closes in May"));
    let [one, other] = [0, 1].map(|index| world.row(index).announces[0].clone());
    assert_eq!((one.success, one.failure()), (Some(true), None));
    assert_eq!(one.warning(), Some("This tracker closes in May"));
    // Torrents with the same warning share its text.
    assert!(Arc::ptr_eq(&one.problem.unwrap(), &other.problem.unwrap()));
    assert!(world.tracker().problem.is_some());
    world.answer(first, Family::Ipv4, AnnounceResponse::default());
    assert_eq!(world.row(0).announces[0].warning(), None);
    assert!(world.row(1).announces[0].warning().is_some());
    assert!(
        world.tracker().problem.is_some(),
        "the tracker warns about other torrents"
    );
    world.fail(second, Health::Up, FailureReason::Rejected);
    let row = world.row(1);
    assert_eq!(row.announces[0].warning(), None);
    assert_eq!(
        row.announces[0].failure().unwrap().reason,
        FailureReason::Rejected
    );
    world.advance(STALE.as_secs());
    assert_eq!(world.tracker().problem, None);
}

#[test]
fn the_failure_that_took_a_tracker_down_is_shown_at_all_its_torrents() {
    let mut world = World::new(&[1, 2].map(|n| torrent(&n.to_string(), v1(n), &[SCRAPED])));
    let [first, second] = [0, 1].map(|index| world.announce(index, 0));
    world.list(second, &["1.1.1.1"]);
    assert_eq!(world.row(1).announces[0].failure(), None);
    world.fail(first, Health::Down, FailureReason::Refused);
    let [one, other] = [0, 1].map(|index| world.row(index).announces[0].clone());
    for row in [&one, &other] {
        assert_eq!(row.success, Some(false));
        assert_eq!(row.failure().unwrap().reason, FailureReason::Refused);
    }
    // A newer reason replaces the refusal.
    world.fail(second, Health::Up, FailureReason::Rejected);
    let reason = |world: &mut World| {
        let row = world.row(1).announces[0].clone();
        row.failure().map(|failed| failed.reason)
    };
    assert_eq!(reason(&mut world), Some(FailureReason::Rejected));
    world.fail(first, Health::Down, FailureReason::Timeout);
    assert_eq!(reason(&mut world), Some(FailureReason::Timeout));
    world.list(first, &["1.1.1.1"]);
    assert_eq!(reason(&mut world), Some(FailureReason::Rejected));
    world.advance(STALE.as_secs());
    assert_eq!(reason(&mut world), None);
}

/// Only repeated refusals speak against a tracker.
#[test]
fn refusals_in_a_row_are_counted_while_they_are_fresh() {
    let mut world = World::new(&[torrent("t", v1(1), &[SCRAPED])]);
    let id = world.announce(0, 0);
    let refusals = |world: &mut World| world.row(0).announces[0].refusals;
    for expected in 1..=4 {
        world.fail(id, Health::Up, FailureReason::Rejected);
        assert_eq!(refusals(&mut world), expected);
    }
    world.fail(id, Health::Up, FailureReason::Timeout);
    assert_eq!(refusals(&mut world), 0);
    world.fail(id, Health::Up, FailureReason::Rejected);
    world.list(id, &["1.1.1.1"]);
    world.fail(id, Health::Up, FailureReason::Rejected);
    assert_eq!(refusals(&mut world), 1);
    world.advance(STALE.as_secs());
    assert_eq!(refusals(&mut world), 0);
}

#[test]
fn a_rate_limit_is_shown_until_it_is_over() {
    let mut world = World::new(&[torrent("t", v1(1), &[SCRAPED])]);
    let id = world.announce(0, 0);
    let day = Duration::from_secs(86_400);
    let failed =
        ProbeError::new(FailureReason::RateLimited, "HTTP 429").with_retry(Some(Retry::After(day)));
    let result = Err(failed.clone());
    world.report(Family::Ipv4, Health::Up, Report::Announce { id, result });
    world.advance(86_399);
    assert_eq!(
        world.tracker().problem.as_deref(),
        Some(&Problem::Failed(failed))
    );
    world.advance(1);
    assert_eq!(world.tracker().problem, None);
}

/// The tracker states an interval of two hours beside the failure.
#[test]
fn a_failure_is_fresh_until_the_interval_beside_it_is_over() {
    let mut world = World::new(&[torrent("t", v1(1), &[SCRAPED])]);
    let id = world.announce(0, 0);
    let interval = Some(Duration::from_secs(7200));
    let failed =
        ProbeError::new(FailureReason::Rejected, "TORRENT NOT FOUND").with_interval(interval);
    let result = Err(failed);
    world.report(Family::Ipv4, Health::Up, Report::Announce { id, result });
    world.advance(7200 + 600);
    // Answers about other torrents keep the health of the tracker fresh.
    world.swarms.state.latest.trackers[0].set_health(Family::Ipv4, Health::Up, world.now.mono);
    assert_eq!(world.row(0).announces[0].success, Some(false));
    world.advance(3600);
    world.swarms.state.latest.trackers[0].set_health(Family::Ipv4, Health::Up, world.now.mono);
    assert_eq!(world.row(0).announces[0].success, None);
}
