//! Torrents in all states, judged by the real engine in virtual time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_core::Engine;
use seedwatch_core::engine::{DhtSettings, Settings};
use seedwatch_core::schedule::PolitenessPolicy;
use seedwatch_core::snapshot::Snapshot;
use seedwatch_core::verdict::{MIN_EMPTY_TIME, RECOVERED_AFTER};
use seedwatch_dht::{DhtReport, FoundPeers, LookupError, LookupReport, LookupStats};
use seedwatch_distinct::Key;
use seedwatch_geo::Geo;
use seedwatch_torrent::address::Accept;
use seedwatch_torrent::{Details, Family, Hashes, InfoHash, Peers, Privacy, Torrent, TrackerUrl};
use seedwatch_tracker::{
    AnnounceResponse, AnnounceStrategy, Counts, FailureReason, Job, Observation, ProbeError,
    ProbeStats, Report, Request,
};

/// Watched torrents.
pub(super) const TORRENTS: usize = 300;
/// Virtual hours: a condition must hold for a day.
const HOURS: u64 = 27;
const START: u64 = 1_700_000_000;
const COLLECTIONS: [Option<&str>; 3] = [Some("even (\"2\") & more"), None, Some("odd")];
const WORKING: &str = "udp://a.example:1/announce";
const SILENT: &str = "udp://b.example:1/announce";

/// What the sources say about a torrent.
#[derive(Debug, Clone, Copy)]
struct Kind {
    privacy: Privacy,
    trackers: &'static [&'static str],
    /// Peers that a working tracker lists.
    listed: u8,
    /// Seeders that it counts.
    seeders: u32,
    /// Peers that a DHT lookup finds; `None` if it fails.
    found: Option<u8>,
    /// Whether the DHT is asked at all.
    is_looked_up: bool,
    /// Whether all peers are in one prefix.
    is_one_network: bool,
}

const ALIVE: Kind = Kind {
    privacy: Privacy::Public,
    trackers: &[WORKING],
    listed: 40,
    seeders: 9,
    found: Some(20),
    is_looked_up: true,
    is_one_network: false,
};

const KINDS: [Kind; 13] = [
    ALIVE,
    // Dead.
    Kind {
        listed: 0,
        seeders: 0,
        found: Some(0),
        ..ALIVE
    },
    // At risk: few peers.
    Kind {
        listed: 1,
        found: Some(0),
        ..ALIVE
    },
    // At risk: no seeder.
    Kind {
        seeders: 0,
        ..ALIVE
    },
    // Unobserved.
    Kind {
        trackers: &[SILENT],
        found: None,
        ..ALIVE
    },
    // Pending: the DHT is not asked yet.
    Kind {
        listed: 0,
        seeders: 0,
        is_looked_up: false,
        ..ALIVE
    },
    // Private, and private but probed.
    Kind {
        privacy: Privacy::LeftAlone,
        ..ALIVE
    },
    Kind {
        privacy: Privacy::Consented,
        ..ALIVE
    },
    // DHT only: alive and dead.
    Kind {
        trackers: &[],
        ..ALIVE
    },
    Kind {
        trackers: &[],
        found: Some(0),
        ..ALIVE
    },
    // Nothing to ask.
    Kind {
        privacy: Privacy::Consented,
        trackers: &[],
        ..ALIVE
    },
    // Alive without a tracker.
    Kind {
        trackers: &[SILENT],
        ..ALIVE
    },
    // All peers in one prefix.
    Kind {
        is_one_network: true,
        ..ALIVE
    },
];

fn torrent(n: usize) -> Torrent {
    let kind = KINDS[n % KINDS.len()];
    let url = |url: &&str| Arc::new(TrackerUrl::parse(url).unwrap());
    Torrent {
        name: format!("{n:03} [\"C:\\old\"] + & more").into(),
        hashes: Hashes::V1(hash(n)),
        trackers: kind.trackers.iter().map(url).collect(),
        details: Details {
            collection: COLLECTIONS[n % COLLECTIONS.len()].map(Arc::from),
            ..Details::default()
        }
        .boxed(),
        privacy: kind.privacy,
        size: None,
    }
}

fn hash(n: usize) -> InfoHash {
    let mut bytes = [7; 20];
    bytes[..2].copy_from_slice(&(n as u16).to_be_bytes());
    InfoHash(bytes)
}

fn settings(is_scrape_only: bool) -> Settings {
    Settings {
        torrents: (0..TORRENTS).map(torrent).collect(),
        politeness: PolitenessPolicy {
            interval: Duration::from_secs(1800),
            timeout: Duration::from_secs(15),
            max_rate: 1e6,
            scrape_only: is_scrape_only,
            strategy: AnnounceStrategy::StartThenStop,
        },
        stale_after: Duration::from_secs(4500),
        dead_after: MIN_EMPTY_TIME,
        recovered_after: RECOVERED_AFTER,
        accept: Accept::Global,
        geo: Arc::new(Geo::load(&Default::default()).unwrap()),
        dht: DhtSettings {
            enabled: true,
            bootstrap: Vec::new(),
            interval: Duration::from_secs(1800),
            time_per_hash: Duration::from_millis(1),
        },
        canaries: Vec::new(),
        per_tracker: true,
        countries: true,
        country_limit: None,
    }
}

/// Returns what a daemon shows after a day.
pub(super) fn snapshot(is_scrape_only: bool) -> Snapshot {
    let mut now = at(0);
    let settings = settings(is_scrape_only);
    let mut engine = Engine::new(&settings, [4242; 2], Key::new([7; 16]), now);
    let kinds: HashMap<InfoHash, Kind> = (0..TORRENTS)
        .map(|n| (hash(n), KINDS[n % KINDS.len()]))
        .collect();
    for second in (0..HOURS * 3600).step_by(60) {
        now = at(second);
        let mut jobs = Vec::new();
        engine.poll(now.mono, &mut jobs);
        for family in engine.checks_due(now.mono, &mut jobs) {
            engine.check_ended(family, (family == Family::Ipv4).then_some(true), now);
        }
        for job in jobs {
            let observation = answer(&job, &kinds);
            engine.absorb(observation, now);
        }
        if second % 1800 == 60 {
            engine.absorb_dht(lookups(&engine, &kinds), now);
        }
        if second % 600 == 0 {
            engine.snapshot(now);
        }
    }
    engine.snapshot(now)
}

fn at(second: u64) -> Now {
    Now {
        mono: Mono(second * 1000),
        unix: Unix(START + second),
    }
}

/// Returns the answer of a tracker. No tracker has an IPv6 address.
fn answer(job: &Job, kinds: &HashMap<InfoHash, Kind>) -> Observation {
    let is_silent = job.url.label() == "udp://b.example:1";
    let failure = || ProbeError::new(FailureReason::Timeout, "");
    let report = match &job.request {
        request if job.family == Family::Ipv6 => Report::NoAddress { ids: request.ids() },
        request if is_silent => request.failed(failure()),
        Request::Announce { id, info_hash, .. } => Report::Announce {
            id: *id,
            result: Ok(Box::new(list(kinds[info_hash]))),
        },
        Request::Scrape { targets } => Report::Scrape {
            ids: job.request.ids(),
            result: Ok(targets
                .iter()
                .map(|(_, hash)| Some(counts(kinds[hash])))
                .collect()),
        },
    };
    let stats = ProbeStats {
        requests: 1,
        duration: Duration::from_millis(100),
        ..ProbeStats::default()
    };
    Observation {
        tracker: job.tracker,
        family: job.family,
        report,
        stats,
    }
}

fn list(kind: Kind) -> AnnounceResponse {
    AnnounceResponse {
        peers: peers(kind, kind.listed),
        counts: counts(kind),
        strategy: AnnounceStrategy::StartThenStop,
        ..AnnounceResponse::default()
    }
}

fn counts(kind: Kind) -> Counts {
    Counts {
        seeders: Some(kind.seeders),
        leechers: Some(u32::from(kind.listed).saturating_sub(kind.seeders)),
        completed: None,
    }
}

fn peers(kind: Kind, count: u8) -> Peers {
    let mut peers = Peers::default();
    for n in 1..=count {
        let prefix = if kind.is_one_network { 0 } else { n };
        peers.push([81, 2, prefix, n].into(), 6881);
    }
    peers
}

/// Returns the lookups of one round.
fn lookups(engine: &Engine, kinds: &HashMap<InfoHash, Kind>) -> DhtReport {
    let asked = engine.dht_hashes().iter().map(|hash| (*hash, kinds[hash]));
    let lookups = asked.filter(|(_, kind)| kind.is_looked_up);
    let report = |(info_hash, kind): (InfoHash, Kind)| LookupReport {
        info_hash,
        family: Family::Ipv4,
        result: match kind.found {
            Some(found) => Ok(FoundPeers {
                peers: peers(kind, found),
                estimate: None,
            }),
            None => Err(LookupError::Timeout),
        },
        diagnosis: LookupStats::default(),
    };
    DhtReport::Lookups(lookups.map(report).collect())
}
