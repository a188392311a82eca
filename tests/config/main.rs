//! Good configuration files load; each bad one is refused with exactly one message.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

mod collections;
mod geoip;
mod lists;
mod trackers;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use seedwatch::config::{Accept, AnnounceStrategy, Config, Dht, Probe, Tracker};
use seedwatch_input::yaml::ConfigError;
use seedwatch_torrent::{Hashes, Host, InfoHash, Privacy, Torrent};

/// Returns the YAML files of a directory, sorted.
fn yaml_files(directory: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

/// Returns the messages that a file expects, from its comments `# error: …` and `# warning: …`.
fn expected(path: &Path, kind: &str) -> String {
    let prefix = format!("# {kind}: ");
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix))
        .collect();
    lines.join("\n")
}

/// A passkey that bad files contain wherever a URL may have one.
const PASSKEY: &str = "s3cretpasskey";

#[test]
fn bad_files_are_refused_with_their_message() {
    let files = yaml_files("tests/config/bad");
    assert!(files.len() >= 25);
    let mut mismatches = String::new();
    for path in files {
        let message = match Config::load(&path) {
            Ok(_) => "loads".to_owned(),
            Err(error) => error.to_string().replace("tests/config/bad/", ""),
        };
        if message != expected(&path, "error") {
            writeln!(mismatches, "{}\n{message}\n", path.display()).unwrap();
        }
        assert!(!message.contains(PASSKEY), "{message}");
    }
    assert!(mismatches.is_empty(), "{mismatches}");
}

#[test]
fn good_files_load_with_their_warnings() {
    let files = yaml_files("tests/config/good");
    assert!(!files.is_empty());
    let mut mismatches = String::new();
    for path in files {
        let config = Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let warnings = config.warnings.join("\n").replace("tests/config/good/", "");
        if warnings != expected(&path, "warning") {
            writeln!(mismatches, "{}\n{warnings}\n", path.display()).unwrap();
        }
        assert!(!warnings.contains(PASSKEY), "{warnings}");
        // Loading is deterministic.
        assert_eq!(Config::load(&path).unwrap(), config, "{}", path.display());
    }
    assert!(mismatches.is_empty(), "{mismatches}");
}

/// Loads YAML from its own directory.
fn load(yaml: &str) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    fs::write(&path, yaml).unwrap();
    Config::load(&path)
}

/// Returns the first fault as `LINE: KEY: MESSAGE`.
fn error(yaml: &str) -> String {
    let error = load(yaml).unwrap_err();
    let fault = &error.faults()[0];
    format!(
        "{}: {}: {}",
        fault.line.unwrap_or_default(),
        fault.key,
        fault.message
    )
}

fn names(config: &Config) -> Vec<&str> {
    config
        .torrents
        .iter()
        .map(|torrent| &*torrent.name)
        .collect()
}

/// Loads a good file.
fn good(name: &str) -> Config {
    Config::load(&Path::new("tests/config/good").join(name)).unwrap()
}

/// Returns the torrents as `NAME TRACKER TRACKER…`, sorted by name.
fn lines(config: &Config) -> Vec<String> {
    let line = |torrent: &Torrent| {
        let mut line = torrent.name.to_string();
        for url in torrent.trackers.iter() {
            write!(line, " {url}").unwrap();
        }
        line
    };
    config.torrents.iter().map(line).collect()
}

#[test]
fn everything_is_read() {
    let config = good("everything.yaml");
    assert_eq!(
        lines(&config),
        [
            // A version 2 torrent without a name. It is private, so it lacks the common tracker.
            "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e",
            "census 1921 udp://tracker.example:1337 udp://everywhere.example:6969",
            "hybrid udp://tracker.example:6969 http://tracker.example:80 \
             https://second.example:443 udp://everywhere.example:6969",
            "quotes \" and \\ backslashes, 日本語 👩‍🚒 https://second.example:443 \
             http://third.example:8080 udp://everywhere.example:6969",
            "seedwatch-fixture udp://tracker.example:6969 http://tracker.example:80 \
             https://second.example:443 udp://everywhere.example:6969",
            "yes udp://everywhere.example:6969",
        ]
    );
    let labels = config.torrents[1].labels();
    let labels: Vec<_> = labels
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_eq!(
        labels,
        [("kept", "true"), ("team", "archive"), ("year", "1921")]
    );
    assert_eq!(
        config.probe,
        Probe {
            interval: Duration::from_secs(90 * 60),
            timeout: Duration::from_millis(1500),
            stale_after: Duration::from_secs(7 * 24 * 3600),
            dead_after: Duration::from_secs(20 * 60),
            recovered_after: Duration::from_secs(2 * 24 * 3600),
        }
    );
    assert_eq!(
        config.tracker,
        Tracker {
            announce: Some(AnnounceStrategy::StartThenStop),
            max_rate: 10.0,
            numwant: 50,
            user_agent: "archive \"bot\"/1.0".into(),
            peer_id_prefix: "-XX0000-".into(),
        }
    );
    assert_eq!(
        config.dht,
        Dht {
            enabled: false,
            listen: vec!["0.0.0.0:6881".parse().unwrap()],
            bootstrap: vec![
                (Host::Name("dht.example".into()), 6881),
                (Host::Ip("2001:db8::1".parse().unwrap()), 6881),
            ],
            max_rate: 200.0,
            interval: Duration::from_secs(30 * 60),
            recall_target: Some(0.99),
        }
    );
    let state = config.state.path.unwrap();
    assert!(state.is_absolute());
    assert!(state.ends_with("tests/config/good/../kept"));
    let collection = config.torrents[1].collection().unwrap();
    assert_eq!(**collection, *"census \"1921\"");
    assert_eq!(config.accept, Accept::Any);
    assert!(!config.metrics.countries && !config.metrics.per_tracker);
    assert_eq!(config.metrics.country_limit, Some(12));
    let canaries: Vec<String> = config
        .network
        .canaries
        .iter()
        .map(|(host, port)| format!("{host}:{port}"))
        .collect();
    assert_eq!(
        canaries,
        ["dht.example:6881", "192.0.2.1:80", "[2001:db8::1]:6881"]
    );
}

#[test]
fn defaults_follow_the_interval() {
    let probe = good("interval-only.yaml").probe;
    assert_eq!(probe.timeout, Duration::from_secs(10));
    assert_eq!(probe.stale_after, Duration::from_secs(25));
    assert!(good("no-canaries.yaml").network.canaries.is_empty());
}

#[test]
fn duplicates_are_one_torrent() {
    let config = good("duplicates.yaml");
    assert_eq!(
        lines(&config),
        ["chosen udp://a.example:1 http://b.example:80 udp://c.example:3"]
    );
    let labels = config.torrents[0].labels();
    assert_eq!((&*labels["team"], &*labels["year"]), ("a", "1921"));
    let config = good("duplicates-of-hybrids.yaml");
    assert_eq!(
        lines(&config),
        ["hybrid udp://a.example:1 udp://b.example:2 udp://c.example:3"]
    );
    assert!(matches!(config.torrents[0].hashes, Hashes::Hybrid(..)));
}

#[test]
fn names_that_collide_get_the_hash() {
    assert_eq!(
        names(&good("names.yaml")),
        [
            "archive",
            "archive (fedcba98)",
            "debian.iso (01234567)",
            "debian.iso (89abcdef)",
            "twins (0000000000000000000000000000000000000000)",
            "twins (0000000000000000000000000000000000000001)",
        ]
    );
}

#[test]
fn private_torrents_need_consent() {
    let config = good("private.yaml");
    assert_eq!(config.torrents[0].privacy, Privacy::Public);
    assert_eq!(config.torrents[1].privacy, Privacy::LeftAlone);
    assert!(lines(&config)[0].ends_with(" udp://everywhere.example:6969"));
    assert!(lines(&config)[1].ends_with(" http://tracker.example:80"));
    let config = good("private-consented.yaml");
    assert_eq!(config.torrents[0].privacy, Privacy::Consented);
    assert_eq!(
        lines(&config),
        ["seedwatch-fixture http://tracker.example:80"]
    );
}

#[test]
fn a_repeated_tracker_is_left_out() {
    assert_eq!(
        lines(&good("trackers-left-out.yaml"))[0],
        "0123456789abcdef0123456789abcdef01234567 wss://d.example:443 udp://b.example:1"
    );
}

#[test]
fn merge_keys_work() {
    assert_eq!(
        lines(&good("merge-keys.yaml")),
        ["one udp://a.example:1", "two udp://a.example:1"]
    );
}

#[test]
fn a_target_needs_no_configuration() {
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let link = format!("magnet:?xt=urn:btih:{hash}&tr=udp://a.example&tr=udp://b.example:1/x");
    let config = good("empty-list.yaml");
    let (torrent, warnings) = config.target(&link).unwrap();
    assert_eq!((&*torrent.name, torrent.trackers.len()), (hash, 1));
    assert_eq!(torrent.privacy, Privacy::Public);
    assert_eq!(
        warnings,
        ["tracker 1 is left out: the port is missing or not from 1 to 65535"]
    );
    let (torrent, warnings) = config.target("tests/fixtures/private.torrent").unwrap();
    assert_eq!(torrent.privacy, Privacy::Consented);
    assert_eq!(warnings, [""; 0]);
    for (target, expected) in [
        (
            "magnet:?tr=http://t.example/s3cretpasskey",
            "the magnet link has no info-hash (xt=urn:btih:… or xt=urn:btmh:…)",
        ),
        (
            "none.torrent",
            "none.torrent: cannot be read: No such file or directory (os error 2)",
        ),
        ("tests/fixtures/*.torrent", "4 torrents, but one is wanted"),
    ] {
        assert_eq!(config.target(target).unwrap_err(), expected);
    }
}

/// Other YAML readers take these values for numbers or booleans.
#[test]
fn plain_scalars_stay_as_written() {
    let config = load(
        "torrents:\r\n\
         - {infohash: 1111111111111111111111111111111111111111, name: 1.10}\r\n\
         - infohash: 0e11111111111111111111111111111111111111\r\n  name: 007\r\n\
         - infohash: \"DPIIR3URM2QGFT2K6COPTFZA7JXBUMJT\"\r\n  name: no\r\n",
    )
    .unwrap();
    assert_eq!(names(&config), ["007", "1.10", "no"]);
    let yaml = "\u{feff}torrents: []\n";
    assert!(load(yaml).is_ok());
}

#[test]
fn long_links_are_read_in_every_style() {
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let mut link = format!("magnet:?xt=urn:btih:{hash}");
    for n in 0..200 {
        write!(link, "&tr=udp%3A%2F%2Ftracker{n}.example%3A6969%2Fannounce").unwrap();
    }
    for yaml in [
        format!("torrents:\n  - magnet: \"{link}\"\n"),
        format!("torrents:\n  - magnet: '{link}'\n"),
        format!("torrents:\n  - magnet: {link}\n"),
        format!("torrents: [{{magnet: \"{link}\"}}]\n"),
        format!("torrents:\n  - magnet: >-\n      {link}\n"),
    ] {
        let config = load(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        assert_eq!(config.torrents[0].trackers.len(), 64);
        assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
        assert!(config.warnings[0].ends_with("trackers after the first 64 are left out"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Damaged files cause no panic and reveal no passkey.
    #[test]
    fn damaged_files_reveal_no_passkey(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), "[ \n:,&*#'\"!%a0{}\\[\\]-]"),
            1..4,
        ),
    ) {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
        let yaml = fs::read_to_string("tests/config/good/everything.yaml").unwrap();
        let mut chars: Vec<char> = yaml.replace("../../fixtures", fixtures).chars().collect();
        for (at, with) in changes {
            let at = at.index(chars.len());
            chars.splice(at..=at, with.chars());
        }
        let yaml: String = chars.into_iter().collect();
        match load(&yaml) {
            Ok(config) => {
                for warning in config.warnings {
                    prop_assert!(!warning.contains(PASSKEY), "{}", warning);
                }
            }
            Err(error) => prop_assert!(!error.to_string().contains(PASSKEY), "{}", error),
        }
    }
}

#[test]
fn the_example_shows_the_defaults() {
    let example = Config::load(Path::new("config.example.yaml")).unwrap();
    let default = load("torrents: []").unwrap();
    assert_eq!(example.probe, default.probe);
    assert_eq!(example.tracker, default.tracker);
    assert_eq!(example.dht, default.dht);
    assert!(example.state.path.unwrap().ends_with("state"));
    assert_eq!(example.state.interval, default.state.interval);
    assert_eq!(example.accept, default.accept);
    assert_eq!(example.geo, default.geo);
    assert_eq!(example.network, default.network);
    assert_eq!(example.metrics, default.metrics);
    assert_eq!(example.warnings, [""; 0]);
    assert!(example.torrents.len() >= 5);
    assert!(example.torrents.iter().any(|t| t.collection().is_some()));
    assert!(
        example
            .torrents
            .iter()
            .all(|torrent| !torrent.trackers.is_empty())
    );
    // Two defaults change with every release, so the example has them in comments.
    let text = fs::read_to_string("config.example.yaml").unwrap();
    for line in [
        format!("  # user_agent: {}", default.tracker.user_agent),
        format!("  # peer_id_prefix: {}", default.tracker.peer_id_prefix),
    ] {
        assert!(text.lines().any(|known| known == line), "{line}");
    }
    assert_eq!(default.tracker.peer_id_prefix.len(), 8);
}

#[test]
fn the_effective_configuration_loads_again_and_has_no_secrets() {
    for path in yaml_files("tests/config/good") {
        let config = Config::load(&path).unwrap();
        let yaml = config.effective_yaml();
        for secret in [PASSKEY, "0123456789abcdef0123456789abcdef/announce"] {
            assert!(!yaml.contains(secret), "{yaml}");
        }
        if path.ends_with("everything.yaml") {
            assert!(
                yaml.contains("- \"http://third.example:8080/<secret>\"\n"),
                "{yaml}"
            );
            assert!(
                yaml.contains("- \"https://second.example:443/announce\"\n"),
                "{yaml}"
            );
        }
        let again = load(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        assert_eq!(again.probe, config.probe);
        assert_eq!(again.tracker, config.tracker);
        assert_eq!(again.dht, config.dht);
        assert_eq!(again.state, config.state);
        assert_eq!(again.accept, config.accept);
        assert_eq!(again.geo, config.geo);
        assert_eq!(again.network, config.network);
        assert_eq!(again.metrics, config.metrics);
        assert_eq!(names(&again), names(&config));
        for (again, torrent) in again.torrents.iter().zip(config.torrents.iter()) {
            assert_eq!(again.hashes, torrent.hashes);
            assert_eq!(again.collection(), torrent.collection());
            assert_eq!(again.labels(), torrent.labels());
            let labels = |torrent: &seedwatch_torrent::Torrent| -> Vec<String> {
                torrent.trackers.iter().map(|url| url.label()).collect()
            };
            assert_eq!(labels(again), labels(torrent));
            if torrent.privacy != Privacy::LeftAlone {
                assert_eq!(again.privacy, torrent.privacy);
            }
        }
    }
}

#[test]
fn aliases_that_expand_to_too_much_are_refused() {
    let refused = ": : refused: nested too deep, or its aliases unfold to too much";
    // 20,000 aliases of a value of 100 KB.
    let long = "x".repeat(100_000);
    let yaml = format!(
        "torrents: []\ntrackers: [&a {long}{}]\n",
        ", *a".repeat(20_000)
    );
    assert!(error(&yaml).ends_with(refused), "{}", error(&yaml));
    // 100,000 aliases of a torrent with 60 trackers.
    let trackers: Vec<String> = (0..60).map(|n| format!("udp://t{n}.example:1")).collect();
    let hash = "0".repeat(40);
    let yaml = format!(
        "torrents:\n- &e {{infohash: {hash}, trackers: [{}]}}\n{}",
        trackers.join(", "),
        "- *e\n".repeat(100_000)
    );
    assert!(error(&yaml).ends_with(refused), "{}", error(&yaml));
}

/// A legitimate use of aliases.
#[test]
fn one_list_of_trackers_serves_many_torrents() {
    let mut yaml = String::from("torrents:\n");
    for n in 0..20_000u32 {
        let trackers = match n {
            0 => "&t [udp://a.example:1, udp://b.example:2, udp://c.example:3]",
            _ => "*t",
        };
        writeln!(yaml, "  - {{infohash: \"{n:040x}\", trackers: {trackers}}}").unwrap();
    }
    let config = load(&yaml).unwrap();
    assert_eq!(config.torrents.len(), 20_000);
    assert!(
        config
            .torrents
            .iter()
            .all(|torrent| torrent.trackers.len() == 3)
    );
}

#[test]
fn many_torrents_share_their_trackers() {
    const TORRENTS: u32 = 100_000;
    const TRACKERS: u32 = 50;
    // The DHT is disabled because its default rate is too low for so many torrents.
    let mut yaml = String::from("dht: {enabled: false}\ntorrents:\n");
    for n in 0..TORRENTS {
        write!(
            yaml,
            "  - magnet: \"magnet:?xt=urn:btih:{n:040x}&dn=release-{n:06}"
        )
        .unwrap();
        for tracker in [n % TRACKERS, (n + 7) % TRACKERS, (n + 13) % TRACKERS] {
            write!(
                yaml,
                "&tr=udp%3A%2F%2Ftracker{tracker}.example%3A6969%2Fannounce"
            )
            .unwrap();
        }
        yaml.push_str("\"\n");
    }
    let config = load(&yaml).unwrap();
    assert_eq!(config.torrents.len(), TORRENTS as usize);
    assert_eq!(config.warnings, [""; 0]);
    let mut urls: Vec<*const _> = Vec::new();
    for (n, torrent) in config.torrents.iter().enumerate() {
        assert_eq!(*torrent.name, *format!("release-{n:06}"));
        assert_eq!(torrent.trackers.len(), 3);
        urls.extend(torrent.trackers.iter().map(Arc::as_ptr));
    }
    urls.sort_unstable();
    urls.dedup();
    assert_eq!(urls.len(), TRACKERS as usize);
}

#[test]
fn an_invalid_byte_is_reported_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    fs::write(&path, b"torrents: []\n# caf\xe9\n").unwrap();
    let error = Config::load(&path).unwrap_err();
    assert_eq!(error.faults()[0].line, Some(2));
    assert_eq!(error.faults()[0].message, "not UTF-8");
    let error = Config::load(&directory.path().join("none.yaml")).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("none.yaml: cannot be read: No such file or directory (os error 2)")
    );
}

#[test]
fn quotes_do_not_change_what_a_scalar_means() {
    let config = load(
        "state: {path: 5}\nmetrics: {countries: \"false\", country_limit: '7'}\n\
         torrents: [{infohash: 0123456789abcdef0123456789abcdef01234567, name: 5}]\n",
    )
    .unwrap();
    assert_eq!(names(&config), ["5"]);
    assert!(config.state.path.unwrap().ends_with("5"));
    assert!(!config.metrics.countries);
    assert_eq!(config.metrics.country_limit, Some(7));
}

#[test]
fn faults_and_warnings_are_bounded() {
    let error = load(&format!("torrents:\n{}", "  - infohash: x\n".repeat(1000))).unwrap_err();
    assert_eq!(error.faults().len(), ConfigError::MAX_FAULTS);
    let text = error.to_string();
    assert_eq!(text.lines().count(), ConfigError::MAX_FAULTS + 1);
    assert!(
        text.ends_with("\nonly the first 20 errors are shown"),
        "{text}"
    );
    let error = load(&format!("torrents:\n{}", "  - infohash: x\n".repeat(20))).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 20, "all are shown");
    let hash = InfoHash([7; 20]);
    let config = load(&format!(
        "torrents:\n{}",
        format!("  - infohash: \"{hash}\"\n").repeat(1502)
    ))
    .unwrap();
    assert_eq!(config.torrents.len(), 1);
    assert_eq!(config.warnings.len(), 1001);
    assert_eq!(config.warnings[1000], "501 more warnings");
}
