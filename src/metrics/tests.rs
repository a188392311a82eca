mod reach;
pub(crate) mod sample;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::catalogue::{CATALOGUE, Kind, Metric, PREFIX, Size};
use super::{Format, Process};
use sample::Sample;
use seedwatch_core::snapshot::{Snapshot, TrackerId};
use seedwatch_torrent::{Hashes, InfoHash};

const PROCESS: Process = Process {
    cpu_seconds: Some(1.75),
    max_fds: Some(1024),
    open_fds: Some(20),
    resident_memory_bytes: Some(5_242_880),
    start_time_seconds: Some(1_789_999_999.25),
    threads: Some(9),
    virtual_memory_bytes: Some(104_857_600),
};

fn page(format: Format, snapshot: Snapshot) -> String {
    let mut page = String::new();
    super::write(format, Arc::new(snapshot), PROCESS, &mut page).unwrap();
    page
}

fn text(snapshot: Snapshot) -> String {
    page(Format::Text, snapshot)
}

fn samples(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter(|line| !line.starts_with('#'))
}

/// Returns the samples of one metric, without its name.
fn of<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    samples(page)
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(['{', ' ']))
        .collect()
}

fn one_torrent(sample: Sample) -> Snapshot {
    sample::snapshot().with_torrents([sample.parts()])
}

fn unknown() -> Sample {
    sample::sample("t", Hashes::V1(InfoHash([1; 20])), &[0])
}

#[test]
fn golden_pages() {
    for (format, file) in [
        (Format::OpenMetrics, "page.openmetrics"),
        (Format::Text, "page.text"),
    ] {
        let path = format!("{}/src/metrics/golden/{file}", env!("CARGO_MANIFEST_DIR"));
        let page = page(format, sample::snapshot());
        if std::env::var_os("BLESS").is_some() {
            let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
            let page = page.replace(&version, "version=\"{VERSION}\"");
            std::fs::write(&path, page).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        assert!(
            golden.replace("{VERSION}", env!("CARGO_PKG_VERSION")) == page,
            "{file} differs; look at `BLESS=1 cargo test golden_pages` and git diff"
        );
    }
}

#[test]
fn the_page_matches_the_catalogue() {
    let page = text(sample::snapshot());
    let declared: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    let expected: Vec<String> = CATALOGUE
        .iter()
        .map(|metric| format!("{} {}", metric.name, metric.kind.as_str()))
        .collect();
    assert_eq!(declared, expected);
    for Metric { name, help, .. } in CATALOGUE {
        assert!(page.contains(&format!("# HELP {name} {help}\n")), "{name}");
    }
    assert!(
        CATALOGUE
            .windows(2)
            .all(|pair| pair[0].family() < pair[1].family())
    );
}

#[test]
fn labels_match_the_catalogue() {
    for line in samples(&text(sample::snapshot())) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let metric = CATALOGUE
            .iter()
            .find(|metric| {
                let suffix = name.strip_prefix(metric.name);
                suffix.is_some_and(|suffix| match metric.kind {
                    Kind::Histogram => ["_bucket", "_sum", "_count"].contains(&suffix),
                    Kind::Gauge | Kind::Counter => suffix.is_empty(),
                })
            })
            .unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        let mut allowed: BTreeSet<&str> = metric.labels.iter().copied().collect();
        match metric.kind {
            Kind::Histogram => drop(allowed.insert("le")),
            Kind::Gauge | Kind::Counter => {}
        }
        if name.ends_with("torrent_info") {
            allowed.insert("team");
        }
        let found: BTreeSet<&str> = labels
            .split("\",")
            .filter_map(|label| Some(label.trim_end_matches('}').split_once("=\"")?.0))
            .collect();
        assert!(found.is_subset(&allowed), "{line}");
        assert!(!labels.contains("=\"\""), "{line}");
    }
}

#[test]
fn the_catalogue_keeps_the_conventions() {
    for Metric {
        name,
        kind,
        labels,
        help,
        ..
    } in CATALOGUE
    {
        assert!(
            name.starts_with(PREFIX) || name.starts_with("process_"),
            "{name}"
        );
        assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
        assert!(
            help.ends_with('.') && !help.contains(['\n', '\\', '|']),
            "{name}"
        );
        // These names clash with labels that Prometheus adds to a target.
        for reserved in ["job", "instance", "type", "region", "service", "owner"] {
            assert!(!labels.contains(&reserved), "{name}");
        }
    }
}

#[test]
fn series_stay_within_their_budget() {
    let snapshot = sample::snapshot();
    let size = Size {
        torrents: 4,
        pairs: snapshot.rows().map(|row| row.announces.len() as u64).sum(),
        trackers: 2,
        collections: 2,
        torrent_countries: 4,
        collection_countries: 4,
        lists: 2,
    };
    let page = text(snapshot);
    for metric in CATALOGUE {
        let found = samples(&page)
            .filter(|line| {
                let name = line.split(['{', ' ']).next().unwrap_or_default();
                name == metric.name
                    || metric.kind == Kind::Histogram && name.starts_with(metric.name)
            })
            .count() as u64;
        let budget = metric.budget.series(size);
        assert!(
            found >= 1 && found <= budget,
            "{} has {found}, may have {budget}",
            metric.name
        );
    }
}

#[test]
fn promtool_accepts_the_page() {
    seedwatch_dev_programs::skip_without!(["promtool"]);
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing: apt-get install prometheus");
    let page = text(sample::snapshot());
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(page.as_bytes()).unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn unknown_is_absent() {
    let page = text(one_torrent(unknown()));
    let about: Vec<&str> = samples(&page)
        .filter(|line| line.contains("torrent=\"t\""))
        .map(|line| line.split('{').next().unwrap())
        .collect();
    assert_eq!(
        about,
        [
            "seedwatch_torrent_info",
            "seedwatch_torrent_state",
            "seedwatch_torrent_trackers"
        ]
    );
    // The page does not declare a metric without samples.
    assert!(!page.contains("seedwatch_torrent_peers"));
}

#[test]
fn an_empty_swarm_is_zero() {
    let mut it = unknown();
    it.row.peers = [Some(0).into(), None.into()];
    it.row.seeders = Some(0).into();
    it.row.trackers_online = Some(0).into();
    it.row.probe_success = [None, Some(false)].into();
    it.announces[0].success = Some(false);
    it.announces[0].peers = Some(0).into();
    let page = text(one_torrent(it));
    for (name, expected) in [
        ("torrent_peers", "torrent=\"t\",family=\"ipv4\"} 0"),
        ("torrent_seeders", "torrent=\"t\"} 0"),
        ("torrent_trackers_online", "torrent=\"t\"} 0"),
        (
            "torrent_probe_success",
            "torrent=\"t\",source=\"tracker\"} 0",
        ),
        (
            "announce_success",
            "torrent=\"t\",tracker=\"udp://tracker.example:1337\"} 0",
        ),
        (
            "announce_peers",
            "torrent=\"t\",tracker=\"udp://tracker.example:1337\"} 0",
        ),
    ] {
        assert_eq!(of(&page, &format!("{PREFIX}{name}")), [expected], "{name}");
    }
    assert_eq!(of(&page, "seedwatch_torrent_leechers"), Vec::<&str>::new());
}

#[test]
fn failures_start_at_zero_for_every_reason() {
    let mut snapshot = sample::snapshot();
    snapshot.trackers.truncate(1);
    let page = text(snapshot);
    let failures = of(&page, "seedwatch_tracker_failures_total");
    assert_eq!(failures.len(), 13);
    assert!(failures.is_sorted());
    assert_eq!(
        failures.iter().filter(|line| line.ends_with("} 0")).count(),
        12
    );
}

#[test]
fn the_large_family_can_be_switched_off() {
    let mut snapshot = sample::snapshot();
    snapshot.config.per_tracker = false;
    assert!(!text(snapshot).contains("seedwatch_announce_"));
}

#[test]
fn a_removed_tracker_leaves_no_series() {
    let mut it = unknown();
    it.announces = [0, 1, 2, 99]
        .map(|id| seedwatch_core::snapshot::AnnounceRow {
            peers: Some(id).into(),
            ..sample::announce(TrackerId(id))
        })
        .into();
    let page = text(one_torrent(it));
    assert_eq!(
        of(&page, "seedwatch_announce_peers"),
        [
            "torrent=\"t\",tracker=\"https://secure.example:443\"} 2",
            "torrent=\"t\",tracker=\"udp://tracker.example:1337\"} 0",
        ]
    );
}

#[test]
fn label_values_are_escaped() {
    for format in [Format::OpenMetrics, Format::Text] {
        let page = page(format, sample::snapshot());
        assert!(page.contains(r#"{torrent="a \"quoted\" \\ name\nof two lines"} 30"#));
    }
}

#[test]
fn no_secret_and_no_marker_value_is_shown() {
    let page = text(sample::snapshot());
    for never in ["passkey", "/announce", "unregistered", "NaN", " -1"] {
        assert!(!page.contains(never), "{never}");
    }
}

#[test]
fn an_empty_snapshot_yields_a_page() {
    let page = text(Snapshot::default());
    assert_eq!(of(&page, "seedwatch_torrents"), ["0"]);
    assert_eq!(of(&page, "seedwatch_build_info").len(), 1);
    assert_eq!(of(&page, "seedwatch_config_last_reload_successful"), ["0"]);
    assert!(!page.contains("reload_success_timestamp"));
    assert!(!page.contains("network_up"));
}

#[test]
fn a_failing_writer_ends_the_page() {
    struct Full(usize);
    impl std::fmt::Write for Full {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    let snapshot = Arc::new(sample::snapshot());
    assert!(super::write(Format::Text, snapshot, PROCESS, &mut Full(500)).is_err());
}

#[test]
fn without_the_dht_its_metrics_are_absent() {
    let mut snapshot = sample::snapshot();
    snapshot.dht = None;
    let page = text(snapshot);
    assert!(!page.contains("seedwatch_dht_"));
    for name in ["probe_duration_seconds_count", "probes_in_flight"] {
        let series = of(&page, &format!("{PREFIX}{name}"));
        assert_eq!(series.len(), 1, "{name}");
        assert!(series[0].starts_with("source=\"tracker\"}"), "{name}");
    }
}

#[test]
fn state_metrics_are_absent_without_a_state_directory() {
    let mut snapshot = sample::snapshot();
    let names = [
        "seedwatch_state_last_save_timestamp_seconds",
        "seedwatch_state_save_failures_total",
    ];
    snapshot.state = Some(seedwatch_core::snapshot::StateRow::default());
    let page = text(snapshot.clone());
    assert_eq!(names.map(|name| of(&page, name)), [vec![], vec!["0"]]);
    snapshot.state = None;
    let page = text(snapshot);
    assert!(names.iter().all(|name| of(&page, name).is_empty()));
}
