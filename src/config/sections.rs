//! The sections of the configuration: every setting with its default and its limits.
//!
//! A new setting is one field here; `docs/configuration.md` and `config.example.yaml` describe it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use seedwatch_core::verdict::{MIN_EMPTY_TIME, RECOVERED_AFTER};
use seedwatch_torrent::Host;
use seedwatch_torrent::address::Accept;
use seedwatch_tracker::AnnounceStrategy;

use super::kinds::{
    Count, CountOrAll, DurationIn, Hosts, OnePerFamily, OptionalDirectory, OptionalFile,
    OptionalShare, Printable, Rate, Switch, Word, absolute,
};
use super::section::{Kind, SectionReader, section};
use super::units::DurationText;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The words of `tracker.announce`.
const ANNOUNCES: [(Option<AnnounceStrategy>, &str); 3] = [
    (Some(AnnounceStrategy::StoppedFirst), "ghost"),
    (Some(AnnounceStrategy::StartThenStop), "brief"),
    (None, "scrape"),
];

/// The words of `addresses.accept`.
const ACCEPTED: [(Accept, &str); 2] = [(Accept::Global, "global"), (Accept::Any, "any")];

/// Well-known bootstrap nodes of the DHT, most reliable first. The first
/// [`BOOTSTRAP_CONFIRMED`] answered in May 2026.
const BOOTSTRAP: [(&str, u16); 5] = [
    ("dht.libtorrent.org", 25401),
    ("dht.transmissionbt.com", 6881),
    ("router.bt.ouinet.work", 6881),
    ("router.bittorrent.com", 6881),
    ("router.utorrent.com", 6881),
];

/// The number of nodes in [`BOOTSTRAP`] that answered when they were last tried.
const BOOTSTRAP_CONFIRMED: usize = 3;

fn bootstrap() -> impl Iterator<Item = (Host, u16)> {
    let host = |(name, port): (&str, u16)| (Host::Name(name.into()), port);
    BOOTSTRAP.into_iter().map(host)
}

section! {
    /// `probe:`: the interval and the time limits of probes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Probe("probe", written as WrittenProbe, checked by check_probe) {
        /// Time between two probes of a torrent at a tracker, if the tracker does not ask for more.
        pub interval: Duration = 30 * MINUTE, DurationIn(SECOND..=DAY);
        /// Deadline of one probe, name resolution and retransmissions included. Not longer than
        /// `interval`.
        pub timeout: Duration = 15 * SECOND, DurationIn(Duration::from_millis(100)..=MINUTE);
        /// Age at which a value is no longer shown. Longer than `interval`.
        pub stale_after: Duration = 75 * MINUTE, DurationIn(SECOND..=30 * DAY);
        /// For how long every source must say that a swarm is empty before the torrent is dead.
        /// Less than the default is for networks without internet access.
        pub dead_after: Duration = MIN_EMPTY_TIME, DurationIn(SECOND..=MIN_EMPTY_TIME);
        /// For how long a torrent must be well before it leaves the needs-seeding feed.
        pub recovered_after: Duration = RECOVERED_AFTER, DurationIn(SECOND..=30 * DAY);
    }
}

impl WrittenProbe<'_> {
    /// Returns the line of `dead_after`, or 0 if the file does not have it.
    pub(super) fn dead_after_line(&self) -> u32 {
        self.dead_after.as_ref().map_or(0, DurationIn::line)
    }
}

/// Derives the defaults from the interval, and compares the settings with it.
fn check_probe(probe: &mut Probe, reader: &mut SectionReader<'_>) {
    if reader.has("interval") {
        if !reader.has("timeout") {
            probe.timeout = probe.timeout.min(probe.interval);
        }
        if !reader.has("stale_after") {
            probe.stale_after = probe.interval * 5 / 2;
        }
    }
    // Beside a value that is wrong, a comparison with its default would contradict the file.
    if reader.is_faulty() {
        return;
    }
    let interval = DurationText(probe.interval);
    if probe.timeout > probe.interval {
        let message = format!("must not be longer than probe.interval, which is {interval}");
        reader.fault(reader.line("timeout"), "timeout", message);
    }
    if probe.stale_after <= probe.interval {
        let message = format!("must be longer than probe.interval, which is {interval}");
        let line = reader.line("stale_after").max(reader.line("interval"));
        reader.fault(line, "stale_after", message);
    }
}

section! {
    /// `tracker:`: how trackers are asked.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Tracker("tracker", written as WrittenTracker) {
        /// The strategy for trackers about which nothing is known yet; `None` if announces are not
        /// allowed, only scrapes.
        pub announce: Option<AnnounceStrategy> = Some(AnnounceStrategy::StoppedFirst),
            Word<Option<AnnounceStrategy>>(&ANNOUNCES);
        /// Most requests per second to one tracker host, from one per hour to a million per second.
        pub max_rate: f64 = 20.0, Rate(1.0 / 3600.0..=1e6);
        /// Peers asked for in one announce.
        pub numwant: u16 = 200, Count(1..=10_000);
        /// `User-Agent` of HTTP announces.
        pub user_agent: Box<str> = concat!("seedwatch/", env!("CARGO_PKG_VERSION")).into(),
            Printable(1..=200);
        /// First bytes of our peer id. At least eight of its twenty bytes are random.
        pub peer_id_prefix: Box<str> = concat!(
            "-SW",
            env!("CARGO_PKG_VERSION_MAJOR"),
            env!("CARGO_PKG_VERSION_MINOR"),
            env!("CARGO_PKG_VERSION_PATCH"),
            "0-"
        ).into(), Printable(0..=12);
    }
}

section! {
    /// `dht:`: how the mainline DHT is asked.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Dht("dht", written as WrittenDht, checked by check_dht) {
        /// Whether the DHT is asked at all.
        pub enabled: bool = true, Switch();
        /// Socket addresses: at most one per family, at least one if the DHT is enabled. Port 0
        /// stands for any free port.
        pub listen: Vec<SocketAddr> = vec![
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        ], OnePerFamily();
        /// Hosts that are asked for nodes while no node is known.
        pub bootstrap: Vec<(Host, u16)> = bootstrap().collect(), Hosts(16);
        /// Most packets per second, both families together.
        pub max_rate: f64 = 50.0, Rate(1.0..=1e5);
        /// Time in which every torrent is looked up once.
        pub interval: Duration = HOUR, DurationIn(SECOND..=DAY);
        /// Share of the peers at which a lookup stops asking further nodes. `None`: a lookup asks
        /// all of the closest nodes.
        pub recall_target: Option<f64> = None, OptionalShare(0.5..=0.9999);
    }
}

fn check_dht(dht: &mut Dht, reader: &mut SectionReader<'_>) {
    if dht.enabled && dht.listen.is_empty() {
        let message = "must name an address; to leave the DHT alone, write enabled: false";
        reader.fault(reader.line("listen"), "listen", message);
    }
}

impl Dht {
    /// Packets that the lookup of one info-hash in the DHT of one family takes, roughly.
    pub const PACKETS_PER_LOOKUP: f64 = 10.0;

    /// Returns the packets per second that looking up so many info-hashes within the interval
    /// takes, roughly.
    pub fn needed_rate(&self, hashes: usize) -> f64 {
        let packets = (hashes * self.listen.len()) as f64 * Self::PACKETS_PER_LOOKUP;
        packets / self.interval.as_secs_f64()
    }

    /// Returns the time in which so many info-hashes are looked up once, roughly: the interval, or
    /// longer if the rate is too low for it.
    pub fn round(&self, hashes: usize) -> Duration {
        self.interval
            .mul_f64((self.needed_rate(hashes) / self.max_rate).max(1.0))
    }
}

section! {
    /// `addresses:`: which addresses count.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Addresses("addresses", written as WrittenAddresses) {
        /// Which peer addresses count.
        pub(super) accept: Accept = Accept::Global, Word<Accept>(&ACCEPTED);
    }
}

section! {
    /// `geoip:`: databases that replace the embedded one.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(super) struct GeoIp("geoip", written as WrittenGeoIp) {
        /// Replaces the embedded table of countries.
        pub(super) country_database: Option<PathBuf> = None, OptionalFile();
        /// Autonomous systems; without it none are known.
        pub(super) asn_database: Option<PathBuf> = None, OptionalFile();
    }
}

section! {
    /// `network:`: how our own network is judged.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Network("network", written as WrittenNetwork) {
        /// Canaries: hosts that show whether our network works when no tracker answers. By default
        /// the bootstrap nodes that are known to answer.
        pub canaries: Vec<(Host, u16)> = bootstrap().take(BOOTSTRAP_CONFIRMED).collect(),
            Hosts(16);
    }
}

section! {
    /// `state:`: what survives a restart. Nothing does by default, as there is no directory
    /// without a configuration file.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct State("state", written as WrittenState, checked by check_state) {
        /// The state directory; `None` keeps nothing.
        pub path: Option<PathBuf> = None, OptionalDirectory();
        /// Time between two saves.
        pub interval: Duration = 5 * MINUTE, DurationIn(SECOND..=HOUR);
    }
}

/// Names the directory beside the configuration if the file names none.
fn check_state(state: &mut State, reader: &mut SectionReader<'_>) {
    if !reader.has("path") {
        state.path = Some(absolute(reader.base().join("state")));
    }
}

section! {
    /// `metrics:`: switches for large metric families.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Metrics("metrics", written as WrittenMetrics) {
        /// The families by country, up to some 250 series per torrent and more per collection.
        pub countries: bool = true, Switch();
        /// The most countries of a torrent that are exposed, the largest; `None` exposes all.
        pub country_limit: Option<u16> = None, CountOrAll(1..=250);
        /// `seedwatch_announce_*`, one series per torrent and tracker.
        pub per_tracker: bool = true, Switch();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::super::section::Section;
    use super::*;

    fn good(name: &str) -> Config {
        Config::load(&Path::new("tests/config/good").join(name)).unwrap()
    }

    #[test]
    fn the_dht_is_on_unless_it_is_switched_off() {
        let dht = good("interval-only.yaml").dht;
        assert!(dht.enabled);
        let listen: Vec<String> = dht.listen.iter().map(ToString::to_string).collect();
        assert_eq!(listen, ["0.0.0.0:0", "[::]:0"]);
        assert_eq!(dht.bootstrap.len(), 5);
        assert_eq!((dht.max_rate, dht.recall_target), (50.0, None));
        assert_eq!(dht.interval, HOUR);
        let dht = good("no-dht.yaml").dht;
        assert!(!dht.enabled && dht.listen.is_empty());
    }

    #[test]
    fn state_is_kept_beside_the_configuration_by_default() {
        let here = std::env::current_dir().unwrap();
        let path = |name| good(name).state.path;
        let beside = here.join("tests/config/good/state");
        assert_eq!(path("interval-only.yaml"), Some(beside));
        assert_eq!(path("dht.yaml"), None);
        assert_eq!(path("no-dht.yaml"), Some("/var/lib/seedwatch".into()));
        let interval = |name| good(name).state.interval.as_secs();
        assert_eq!((interval("dht.yaml"), interval("no-dht.yaml")), (300, 60));
    }

    /// Checks that both documents name every setting of a section.
    fn check_documents<S: Section>() {
        for document in ["docs/configuration.md", "config.example.yaml"] {
            let text = std::fs::read_to_string(document).unwrap();
            for setting in S::SETTINGS {
                let key = format!("{setting}:");
                let begins =
                    |line: &str| line.trim_start_matches(['#', '[', ' ']).starts_with(&key);
                assert!(text.lines().any(begins), "{}.{key} in {document}", S::KEY);
            }
        }
    }

    #[test]
    fn every_setting_is_documented() {
        check_documents::<Probe>();
        check_documents::<Tracker>();
        check_documents::<Dht>();
        check_documents::<Addresses>();
        check_documents::<GeoIp>();
        check_documents::<Network>();
        check_documents::<State>();
        check_documents::<Metrics>();
    }
}
