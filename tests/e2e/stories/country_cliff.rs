//! A country disappears from a collection. On 23 September 2021 a collection of 253 torrents in 275
//! files had 135,000 peers in the USA, and 22,000 the day after. Russia kept 98 %, India 65 %. Only
//! the USA may be reported.
//!
//! All numbers are scaled down by ten, since the lists of the trackers must be generated: addresses
//! all over each country, each the address of a peer of two torrents. One torrent stands out, as
//! one did then: it fell from 14,000 to 2,000 in the USA.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use seedwatch_geo::{Geo, Settings};
use seedwatch_torrent::address::is_global;
use sha1::{Digest, Sha1};

use super::alert_harness::{AlertHarness, DAY, HOUR};
use super::cliffs;
use crate::rig::daemon::Daemon;
use crate::rig::scripted::{HttpTracker, Reply, Request, Truth, body, ok};
use crate::rig::wire::percent;

const FILES: usize = 275;
const TORRENTS: usize = 253;
/// Countries with their peers yesterday and today.
const COUNTRIES: [(&str, usize, usize); 4] = [
    ("US", 13_500, 2_200),
    ("RU", 6_000, 5_880),
    ("IN", 4_000, 2_600),
    ("FR", 1_500, 1_500),
];
/// The torrent with the largest drop, and its additional peers in the USA: 200 that stay, and 1200
/// that leave.
const LARGEST_DROP: usize = 100;
const EXTRA_PEERS: std::ops::Range<usize> = 2_000..3_400;

/// A probe every few seconds of all torrents. No list may become stale before the next, which may
/// take long on a loaded machine.
const SETTINGS: &str = "addresses: {accept: any}\nnetwork: {canaries: []}\ndht: {enabled: false}\n\
     state: {path: \"\"}\ntracker: {max_rate: 1000/s, numwant: 2000}\n\
     probe: {interval: 10s, timeout: 10s, stale_after: 10m}\n";

#[test]
fn a_country_cliff_notifies_once_per_collection() {
    needs_servers!();
    let fallen = Arc::new(AtomicBool::new(false));
    let swarms = Arc::new(swarms());
    let tracker = |_| {
        let (fallen, swarms) = (Arc::clone(&fallen), Arc::clone(&swarms));
        HttpTracker::start(move |request| answer(request, &swarms, fallen.load(Ordering::Relaxed)))
    };
    let trackers = [0, 1].map(tracker);
    let folder = tempfile::tempdir().unwrap();
    for number in 0..FILES {
        // The files beyond the torrents are the first torrents again, with another tracker.
        let tracker = &trackers[number / TORRENTS].endpoint().url();
        write(folder.path(), number, tracker);
    }
    let config = format!(
        "{SETTINGS}torrents:\n- {{file: \"{}/*.torrent\", collection: object}}\n",
        folder.path().display()
    );
    let mut harness = AlertHarness::new();
    let daemon = harness.daemon(&config);

    wait_for_counts(&daemon, |(_, yesterday, _)| yesterday);
    let page = daemon.metrics();
    let torrents = page.get("seedwatch_collection_torrents");
    assert_eq!(torrents, Some(TORRENTS as f64), "{page}");
    harness.record(DAY + 4 * HOUR);

    fallen.store(true, Ordering::Relaxed);
    wait_for_counts(&daemon, |(_, _, today)| today);
    let later = daemon.metrics();
    harness.set_cliffs(cliffs::between(&page.to_string(), &later.to_string()));
    harness.record(HOUR / 3);
    let collection_alert = ("warnings", "CollectionCountryCliff object US");
    let before = harness.wait_for_alert(collection_alert.0, collection_alert.1);
    assert_eq!(before, [collection_alert.1.to_owned()].into());
    // Notified once for the collection, not for each torrent.
    let largest_drop = format!("TorrentCountryCliff object {} US", name(LARGEST_DROP));
    let inhibited = harness.wait_for_inhibited(&largest_drop);
    let is_torrent_in_usa =
        |alert: &String| alert.starts_with("TorrentCountryCliff") && alert.ends_with(" US");
    assert!(inhibited.iter().all(is_torrent_in_usa), "{inhibited:?}");
    harness.expect_alerts(&[collection_alert]);
}

/// Waits until the collection has exactly these peers per country.
fn wait_for_counts(daemon: &Daemon, count: impl Fn((&'static str, usize, usize)) -> usize) {
    let limit = Duration::from_secs(240);
    daemon.wait_within("peers of the countries", limit, |page| {
        COUNTRIES.iter().all(|country| {
            let series = format!(
                "seedwatch_collection_country_peers{{collection=\"object\",country=\"{}\"}}",
                country.0
            );
            page.get(&series) == Some(count(*country) as f64)
        })
    });
}

/// Returns the peers of each torrent: yesterday's and today's list.
fn swarms() -> HashMap<String, [Vec<SocketAddr>; 2]> {
    let mut lists = vec![[Vec::new(), Vec::new()]; TORRENTS];
    let geo = Geo::load(&Settings::default()).unwrap();
    let mut taken = COUNTRIES.map(|_| 0);
    // A walk over all addresses in steps that reach each once.
    for step in 0_u32.. {
        let ip = IpAddr::from(Ipv4Addr::from_bits(step.wrapping_mul(2_654_435_761)));
        let country = geo.country(ip);
        let known = |(code, ..): &(&str, usize, usize)| *code == country.as_str();
        let Some(at) = COUNTRIES.iter().position(known).filter(|_| is_global(ip)) else {
            continue;
        };
        let (code, yesterday, today) = COUNTRIES[at];
        let number = taken[at];
        if number == yesterday {
            if taken
                .iter()
                .zip(COUNTRIES)
                .all(|(taken_here, (_, all, _))| *taken_here == all)
            {
                break;
            }
            continue;
        }
        taken[at] += 1;
        let mut torrents = vec![number % TORRENTS, (number * 7 + 3) % TORRENTS];
        if code == "US" && EXTRA_PEERS.contains(&number) {
            torrents.push(LARGEST_DROP);
        }
        torrents.sort_unstable();
        torrents.dedup();
        for torrent in torrents {
            lists[torrent][0].push(SocketAddr::new(ip, 51_413));
            if number < today {
                lists[torrent][1].push(SocketAddr::new(ip, 51_413));
            }
        }
    }
    lists
        .into_iter()
        .enumerate()
        .map(|(number, lists)| (percent(&Sha1::digest(info(number))), lists))
        .collect()
}

fn answer(
    request: &Request,
    swarms: &HashMap<String, [Vec<SocketAddr>; 2]>,
    fallen: bool,
) -> Reply {
    let hash = request.parameter("info_hash").map(unescaped);
    let lists = hash.and_then(|hash| swarms.get(&percent(&hash)));
    let Some(lists) = lists else {
        return ok("d14:failure reason15:unknown torrente");
    };
    let list = &lists[usize::from(fallen)];
    let seeders = u32::try_from(list.len() / 2).unwrap();
    let truth = Truth::of(list.iter().copied());
    ok(body(&Truth {
        seeders,
        leechers: truth.leechers - seeders,
        ..truth
    }))
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut raw = Vec::new();
    while let Some(byte) = bytes.next() {
        raw.push(if byte == b'%' {
            let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
            u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
        } else {
            byte
        });
    }
    raw
}

/// Writes a metainfo file.
fn write(folder: &Path, number: usize, tracker: &str) {
    let mut file = format!("d8:announce{}:{tracker}4:info", tracker.len()).into_bytes();
    file.extend(info(number % TORRENTS));
    file.push(b'e');
    std::fs::write(folder.join(format!("{number}.torrent")), file).unwrap();
}

fn info(number: usize) -> Vec<u8> {
    let name = name(number);
    format!(
        "d6:lengthi16384e4:name{}:{name}12:piece lengthi16384e6:pieces20:{number:020}e",
        name.len()
    )
    .into_bytes()
}

fn name(number: usize) -> String {
    format!("part {number:03}")
}
