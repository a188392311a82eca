//! A country that falls at the tracker of a torrent, through the whole engine.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::swarm::{Shard, ShardFormat};

const HOUR: u64 = 3600;

/// Returns addresses in a country.
fn addresses(geo: &Geo, country: &str, count: usize) -> Vec<IpAddr> {
    let all = (0u32..).map(|n| IpAddr::from(Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761))));
    let here = all.filter(|ip| address::is_global(*ip) && geo.country(*ip).as_str() == country);
    here.take(count).collect()
}

/// What a tracker answers: peers, or nothing at all.
type Answer<'a> = &'a dyn Fn(u64, &str, Family) -> Option<Peers>;

/// Answers every job at once with these peers until a time in seconds.
fn run(sim: &mut Sim, until: u64, peers: &Peers) -> Snapshot {
    run_with(sim, until, &|_, _, _| Some(peers.clone()))
}

/// Answers every job at once, by time in seconds and tracker, until a time in seconds. Takes a
/// snapshot every five minutes.
fn run_with(sim: &mut Sim, until: u64, answer: Answer<'_>) -> Snapshot {
    loop {
        let mut jobs = Vec::new();
        sim.engine.poll(sim.now.mono, &mut jobs);
        for job in jobs {
            let found = answer(sim.now.mono.0 / 1000, &job.url.label(), job.family);
            let mut observation = report(&job, found.is_some());
            if let (Some(_), Request::Announce { id, .. }) = (&found, &job.request) {
                observation.report = Report::Announce {
                    id: *id,
                    result: Ok(Box::default()),
                };
            }
            if let Report::Announce {
                result: Ok(answer), ..
            } = &mut observation.report
            {
                answer.peers = found.unwrap_or_default();
            }
            sim.engine.absorb(observation, sim.now);
        }
        let next = Mono(sim.now.mono.0 + 60_000);
        if next > Mono(until * 1000) {
            return sim.snapshot();
        }
        if sim.now.mono.0 % 300_000 < 60_000 {
            sim.snapshot();
        }
        sim.step(next);
    }
}

/// Waits until a time in seconds without an answer.
fn wait(sim: &mut Sim, until: u64) -> Snapshot {
    for minute in (0..until / 60).step_by(5) {
        sim.step(Mono(minute * 60_000));
        sim.snapshot();
    }
    sim.snapshot()
}

/// Returns the falls of countries of torrents, each with its ratio in percent.
fn falls(snapshot: &Snapshot) -> Vec<(u32, String, u32)> {
    let rows = snapshot.cliffs.torrents.iter();
    rows.map(|(index, country, ratio)| {
        let percent = (ratio * 100.0).round() as u32;
        (*index, country.as_str().to_owned(), percent)
    })
    .collect()
}

fn list<'a>(addresses: impl IntoIterator<Item = &'a IpAddr>) -> Peers {
    let mut peers = Peers::default();
    addresses.into_iter().for_each(|ip| peers.push(*ip, 6881));
    peers
}

/// Starts another process with what this one has saved, so many seconds after its last moment.
fn restart(sim: Sim, settings: &Settings, later: u64) -> Sim {
    let all = Shard { index: 0, of: 1 };
    let (mut torrents, mut cliffs) = (Vec::new(), Vec::new());
    let mut before = sim;
    before.engine.encode_torrents(all, &mut torrents);
    before.engine.encode_cliffs(all, &mut cliffs);
    let now = Now {
        mono: Mono(0),
        unix: Unix(before.now.unix.0 + later),
    };
    let mut engine = Engine::empty(settings, [4242; 2], Key::new([7; 16]), now);
    engine
        .decode_torrents(&torrents, ShardFormat::LATEST)
        .unwrap();
    engine.decode_cliffs(&cliffs).unwrap();
    engine.reload(settings, now);
    let mut sim = Sim::new(settings);
    (sim.engine, sim.start) = (engine, now.unix);
    sim.step(Mono(0));
    sim
}

#[test]
fn a_country_that_falls_is_shown_for_its_torrent_and_again_after_a_reload() {
    let settings = settings(vec![torrent(1, &[A], Privacy::Public)]);
    let (us, fr) = (
        addresses(&settings.geo, "US", 200),
        addresses(&settings.geo, "FR", 200),
    );
    let list = |us: &[IpAddr]| list(us.iter().chain(&fr));
    let mut sim = Sim::new(&settings);
    let snapshot = run(&mut sim, 26 * HOUR, &list(&us));
    assert_eq!(snapshot.cliffs.torrents, []);
    let snapshot = run(&mut sim, 27 * HOUR, &list(&us[..20]));
    let [(0, country, ratio)] = snapshot.cliffs.torrents[..] else {
        panic!("{:?}", snapshot.cliffs);
    };
    assert_eq!((country.as_str(), ratio), ("US", 0.1));
    // Another torrent takes the place of the first one.
    let mut more = settings.clone();
    more.torrents = vec![
        torrent(0, &[B], Privacy::Public),
        settings.torrents[0].clone(),
    ]
    .into();
    sim.engine.reload(&more, sim.now);
    let snapshot = run(&mut sim, 28 * HOUR, &list(&us[..20]));
    let falls = snapshot.cliffs.torrents.iter();
    assert_eq!(falls.map(|(index, ..)| *index).collect::<Vec<_>>(), [1]);
}

#[test]
fn yesterday_and_a_fall_survive_a_restart() {
    let mut settings = settings(vec![torrent(1, &[A], Privacy::Public)]);
    settings.country_limit = Some(1);
    let (us, fr) = (
        addresses(&settings.geo, "US", 200),
        addresses(&settings.geo, "FR", 200),
    );
    let with = |us: &[IpAddr]| list(us.iter().chain(&fr));
    let mut sim = Sim::new(&settings);
    run(&mut sim, 26 * HOUR, &with(&us));
    for downtime in [60, 5 * HOUR] {
        // Nothing answers for a while after the restart.
        sim = restart(sim, &settings, downtime);
        let snapshot = wait(&mut sim, HOUR / 2);
        assert_eq!(falls(&snapshot), [], "{downtime}: no answer is no fall");
        let snapshot = run(&mut sim, 2 * HOUR, &with(&us));
        assert_eq!(falls(&snapshot), [], "{downtime}");
    }
    // With less than a day of the new process.
    let snapshot = run(&mut sim, 3 * HOUR, &with(&us[..20]));
    assert_eq!(falls(&snapshot), [(0, "US".into(), 10)]);
    for downtime in [60, 9 * HOUR, 60 * HOUR] {
        sim = restart(sim, &settings, downtime);
        let snapshot = wait(&mut sim, HOUR / 2);
        assert_eq!(falls(&snapshot), [(0, "US".into(), 10)], "{downtime}");
        let snapshot = run(&mut sim, 2 * HOUR, &with(&us[..20]));
        assert_eq!(falls(&snapshot), [(0, "US".into(), 10)], "{downtime}");
    }
    let snapshot = run(&mut sim, 3 * HOUR, &with(&us));
    assert_eq!(falls(&snapshot), []);
}

/// One tracker lists the Americans, the other all others. The other comes back in the hour in which
/// the first is lost: there are as many lists as before.
#[test]
fn overlapping_outages_of_two_trackers_are_no_fall() {
    let settings = settings(vec![torrent(1, &[A, B], Privacy::Public)]);
    let (us, fr) = (
        addresses(&settings.geo, "US", 200),
        addresses(&settings.geo, "FR", 200),
    );
    let both: Vec<IpAddr> = fr.iter().chain(&us[..20]).copied().collect();
    let mut sim = Sim::new(&settings);
    for hour in 26..44 {
        let snapshot = run_with(&mut sim, hour * HOUR, &|second, tracker, _| {
            let hour = second / HOUR;
            match A.starts_with(tracker) {
                true => (hour < 34).then(|| list(&us)),
                false => (!(2..34).contains(&hour)).then(|| list(&both)),
            }
        });
        assert_eq!(falls(&snapshot), [], "{hour}");
    }
}

/// The tracker lists the Americans over IPv6 only, which is lost.
#[test]
fn a_lost_family_of_a_tracker_is_no_fall() {
    let settings = settings(vec![torrent(1, &[A], Privacy::Public)]);
    let (us, fr) = (
        addresses(&settings.geo, "US", 200),
        addresses(&settings.geo, "FR", 200),
    );
    let over_ipv4: Vec<IpAddr> = fr.iter().chain(&us[..20]).copied().collect();
    let mut sim = Sim::new(&settings);
    let mut us_peers = Vec::new();
    for hour in 26..34 {
        let snapshot = run_with(&mut sim, hour * HOUR, &|second, _, family| match family {
            Family::Ipv4 => Some(list(&over_ipv4)),
            Family::Ipv6 => (second < 28 * HOUR).then(|| list(&us)),
        });
        assert_eq!(falls(&snapshot), [], "{hour}");
        let windows = snapshot.rows().find_map(|view| view.windows).unwrap();
        let countries = &windows.geo.as_ref().unwrap().countries;
        let here = countries.iter().find(|it| it.country.as_str() == "US");
        us_peers.push(here.map_or(0, |here| here.peers));
    }
    assert_eq!((us_peers[0], us_peers[7]), (200, 20), "{us_peers:?}");
}

#[test]
fn another_database_over_a_restart_is_no_fall() {
    let mut settings = settings(vec![torrent(1, &[A], Privacy::Public)]);
    let (us, fr) = (
        addresses(&settings.geo, "US", 200),
        addresses(&settings.geo, "FR", 200),
    );
    let mut sim = Sim::new(&settings);
    run(&mut sim, 26 * HOUR, &list(us.iter().chain(&fr)));
    // In it, all addresses are in one country.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.mmdb");
    std::fs::write(&path, seedwatch_dev_mmdb::one_country()).unwrap();
    let geo = seedwatch_geo::Settings {
        country_database: Some(path),
        ..Default::default()
    };
    let before = std::mem::replace(&mut settings.geo, Arc::new(Geo::load(&geo).unwrap()));
    let mut sim = restart(sim, &settings, 60);
    let snapshot = run(&mut sim, 8 * HOUR, &list(us.iter().chain(&fr)));
    assert_eq!(falls(&snapshot), []);
    // And back, without a restart.
    settings.geo = before;
    sim.engine.reload(&settings, sim.now);
    let snapshot = run(&mut sim, 16 * HOUR, &list(us.iter().chain(&fr)));
    assert_eq!(falls(&snapshot), []);
}

/// The same country in other torrents tells a country that is cut off from a swarm that lost it.
#[test]
fn a_country_that_most_torrents_lose_is_cut_off() {
    let trackers = [
        A,
        B,
        "udp://c.example:1/announce",
        "udp://d.example:1/announce",
    ];
    let torrents = (1..=4).zip(trackers);
    let torrents = torrents.map(|(n, tracker)| torrent(n, &[tracker], Privacy::Public));
    let settings = settings(torrents.collect());
    let (us, fr) = (
        addresses(&settings.geo, "US", 120),
        addresses(&settings.geo, "FR", 120),
    );
    let mut sim = Sim::new(&settings);
    let run = |sim: &mut Sim, until: u64, fallen: &[&str]| {
        run_with(sim, until * HOUR, &|_, tracker, _| {
            let here = if fallen.iter().any(|url| url.starts_with(tracker)) {
                12
            } else {
                120
            };
            Some(list(us[..here].iter().chain(&fr)))
        })
    };
    run(&mut sim, 26, &[]);
    let snapshot = run(&mut sim, 27, &trackers[..2]);
    assert_eq!(snapshot.cliffs.torrents.len(), 2);
    assert_eq!(snapshot.cliffs.countries, [], "half of the torrents");
    let snapshot = run(&mut sim, 28, &trackers[..3]);
    assert_eq!(snapshot.cliffs.torrents.len(), 3);
    let [(country, ratio)] = snapshot.cliffs.countries[..] else {
        panic!("{:?}", snapshot.cliffs);
    };
    assert_eq!((country.as_str(), (ratio * 100.0).round()), ("US", 10.0));
    // While nothing is known, it stays so.
    let mut sim = restart(sim, &settings, 60);
    let snapshot = wait(&mut sim, HOUR / 2);
    assert_eq!(snapshot.cliffs.countries.len(), 1);
    let snapshot = run(&mut sim, 2, &trackers[..1]);
    assert_eq!(snapshot.cliffs.torrents.len(), 1);
    assert_eq!(snapshot.cliffs.countries, [], "only one swarm has lost it");
}
