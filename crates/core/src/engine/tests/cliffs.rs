//! A country that falls at the tracker of a torrent, through the whole engine.

use std::net::{IpAddr, Ipv4Addr};

use super::*;

const HOUR: u64 = 3600;

/// Returns addresses in a country.
fn addresses(geo: &Geo, country: &str, count: usize) -> Vec<IpAddr> {
    let all = (0u32..).map(|n| IpAddr::from(Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761))));
    let here = all.filter(|ip| address::is_global(*ip) && geo.country(*ip).as_str() == country);
    here.take(count).collect()
}

/// Answers every job at once with these peers until a time in seconds.
fn run(sim: &mut Sim, until: u64, peers: &Peers) -> Snapshot {
    loop {
        let mut jobs = Vec::new();
        sim.engine.poll(sim.now.mono, &mut jobs);
        for job in jobs {
            let mut observation = report(&job, true);
            if let Report::Announce {
                result: Ok(answer), ..
            } = &mut observation.report
            {
                answer.peers = peers.clone();
            }
            sim.engine.absorb(observation, sim.now);
        }
        let snapshot = sim.snapshot();
        let next = Mono(sim.now.mono.0 + 60_000);
        if next > Mono(until * 1000) {
            return snapshot;
        }
        sim.step(next);
    }
}

#[test]
fn a_country_that_falls_is_shown_for_its_torrent_and_again_after_a_reload() {
    let settings = settings(vec![torrent(1, &[A], Privacy::Public)]);
    let (us, fr) = (
        addresses(&settings.geo, "US", 200),
        addresses(&settings.geo, "FR", 200),
    );
    let list = |us: &[IpAddr]| {
        let mut peers = Peers::default();
        us.iter().chain(&fr).for_each(|ip| peers.push(*ip, 6881));
        peers
    };
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
