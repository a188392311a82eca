//! Announce URLs: which texts become one tracker, several trackers, a warning or an error.

use std::fs;

use seedwatch::config::Config;

use super::{error, lines, load};

const HASH: &str = "abababababababababababababababababababab";

/// Returns a metainfo file with this `announce`. Its info dictionary has these keys before
/// `pieces`.
fn metainfo(announce: &str, info: &str) -> Vec<u8> {
    let mut bytes = format!(
        "d8:announce{}:{announce}4:infod6:lengthi16384e{info}12:piece lengthi16384e6:pieces20:",
        announce.len()
    )
    .into_bytes();
    bytes.extend([1; 20]);
    bytes.extend(b"ee");
    bytes
}

/// Loads a configuration with such a file as its only torrent.
fn load_file(announce: &str, info: &str, settings: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.torrent"), metainfo(announce, info)).unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(
        &path,
        format!("torrents: [{{file: x.torrent}}]\n{settings}"),
    )
    .unwrap();
    Config::load(&path).unwrap()
}

/// Returns the announce URLs with their secret parts.
fn full_urls(config: &Config) -> Vec<String> {
    let trackers = config.torrents.iter().flat_map(|it| it.trackers.iter());
    trackers
        .map(|url| format!("{url}{}", url.secret_path_and_query()))
        .collect()
}

fn load_magnet(rest: &str, settings: &str) -> Config {
    load(&format!(
        "torrents: [{{magnet: \"magnet:?xt=urn:btih:{HASH}{rest}\"}}]\n{settings}"
    ))
    .unwrap()
}

/// Returns the index of the published tier of each tracker, by its host.
fn tiers(config: &Config) -> Vec<(String, Option<usize>)> {
    let trackers = &config.torrents[0].trackers;
    let urls = trackers.iter().enumerate();
    urls.map(|(at, url)| (url.host().to_string(), trackers.tier(at)))
        .collect()
}

#[test]
fn published_tiers_are_kept_beside_trackers_of_the_configuration() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1.torrent");
    let config = load(&format!(
        "trackers: [\"udp://ours.example:1/announce\", \"http://tracker.example/announce\"]\n\
         torrents: [{{file: \"{fixture}\", trackers: [\"udp://first.example:1/announce\"]}}]\n"
    ));
    let expected = [
        ("first.example", None),
        ("tracker.example", Some(0)),
        ("tracker.example", Some(1)),
        ("second.example", Some(1)),
        ("ours.example", None),
    ];
    let config = config.unwrap();
    assert_eq!(
        tiers(&config),
        expected.map(|(host, tier)| (host.into(), tier))
    );
    assert!(config.torrents[0].file().is_some());
    let magnet = load_magnet("&tr=udp://a.example:1&tr=udp://b.example:1", "");
    let expected = [("a.example", Some(0)), ("b.example", Some(1))];
    assert_eq!(
        tiers(&magnet),
        expected.map(|(host, tier)| (host.into(), tier))
    );
}

#[test]
fn web_seeds_are_kept_and_bad_ones_are_warned_about_without_quoting_them() {
    let seeds = "&ws=https://w.example/KEY/&ws=ftp://w.example/KEY&ws=https://w.example/KEY/";
    let config = load_magnet(seeds, "");
    let kept = config.torrents[0].web_seeds();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].public_url(), Some("https://w.example/KEY/"));
    assert_eq!(
        config.warnings.len(),
        1,
        "a second copy is no fault: {:?}",
        config.warnings
    );
    assert!(config.warnings[0].ends_with("web seed 2 is left out: scheme must be http or https"));
    let many: String = (0..20)
        .map(|n| format!("&ws=https://w{n}.example/"))
        .collect();
    let config = load_magnet(&many, "");
    assert_eq!(config.torrents[0].web_seeds().len(), 16);
    assert!(config.warnings[0].ends_with("web seeds after the first 16 are left out"));
}

const BOTH: [&str; 2] = [
    "http://t1.example:8001/KEY1/announce",
    "http://t2.example:8002/KEY2/announce",
];

#[test]
fn two_urls_in_one_string_of_a_file_are_two_trackers() {
    for between in ["\n", ", ", ",", ";", "|", " ", "\t", "\r\n"] {
        let config = load_file(&BOTH.join(between), "4:name1:n", "");
        assert_eq!(full_urls(&config), BOTH, "{between:?}");
        assert!(
            config.warnings[0]
                .ends_with("x.torrent: tracker 1 is 2 URLs in one: each is read apart")
        );
    }
}

#[test]
fn an_invalid_tracker_of_a_file_is_left_out_with_a_warning() {
    for (announce, expected) in [
        (
            "http://t1.example:8001/KEY1/announce (backup)",
            "tracker 1 is left out: it has white space or a control character inside",
        ),
        (
            "http://http://t1.example/announce",
            "tracker 1 is left out: a second URL begins inside it",
        ),
        (
            "http://t1.example/announcehttp://t2.example/KEY2/announce",
            "tracker 1 is left out: a second URL begins inside it",
        ),
        (
            "http://t1..example/announce",
            "tracker 1 is left out: the host is neither a valid name nor an address",
        ),
        (
            "udp://t1.example:0/announce",
            "tracker 1 is left out: the port is missing or not from 1 to 65535",
        ),
    ] {
        let config = load_file(announce, "4:name1:n", "");
        assert!(full_urls(&config).is_empty(), "{announce}");
        assert!(
            config.warnings[0].ends_with(expected),
            "{:?}",
            config.warnings
        );
        assert!(!config.warnings.join("\n").contains("KEY"));
    }
}

#[test]
fn two_urls_in_one_item_of_the_configuration_are_an_error() {
    let block = format!(
        "torrents:\n  - infohash: \"{HASH}\"\n    trackers:\n      - |\n        {}\n        {}\n",
        BOTH[0], BOTH[1]
    );
    assert_eq!(
        error(&block),
        "5: torrents[0].trackers[0]: several URLs in one: write each as an item of its own"
    );
    let comma = format!(
        "trackers: [\"{}\"]\ntorrents: [{{infohash: \"{HASH}\"}}]",
        BOTH.join(",")
    );
    assert_eq!(
        error(&comma),
        "1: trackers[0]: several URLs in one: write each as an item of its own"
    );
    let twice = format!("trackers: [\"http://http://t/\"]\ntorrents: [{{infohash: \"{HASH}\"}}]");
    assert_eq!(
        error(&twice),
        "1: trackers[0]: a second URL begins inside it"
    );
    // A block scalar ends with a line break.
    let one = block.replace(&format!("        {}\n", BOTH[1]), "");
    assert_eq!(full_urls(&load(&one).unwrap()), BOTH[..1]);
}

#[test]
fn two_urls_in_one_parameter_of_a_link_are_two_trackers() {
    let config = load_magnet(
        "&tr=http%3A%2F%2Ft1.example%3A8001%2FKEY1%2Fannounce%0A\
         http%3A%2F%2Ft2.example%3A8002%2FKEY2%2Fannounce",
        "",
    );
    assert_eq!(full_urls(&config), BOTH);
}

#[test]
fn links_from_folded_lines_and_web_pages_keep_their_trackers() {
    let folded = "torrents:\n  - magnet: >-\n      \
         magnet:?xt=urn:btih:c9a1c9a1c9a1c9a1c9a1c9a1c9a1c9a1c9a1c9a1&dn=x&\n      \
         tr=udp%3A%2F%2Ft.example%3A1337%2Fannounce\n";
    assert_eq!(lines(&load(folded).unwrap()), ["x udp://t.example:1337"]);
    let config = load_magnet(
        "&#38;dn=n&#38;tr=udp%3A%2F%2Ft.example%3A1337%2Fannounce",
        "",
    );
    assert_eq!(lines(&config), ["n udp://t.example:1337"]);
    let config = load_magnet(
        "&dn=n&tracker=udp://t.example:1337&tr.x=udp://t.example:1",
        "",
    );
    assert!(
        config.warnings[0].ends_with("parameters left out as unknown: tracker, tr.x"),
        "{:?}",
        config.warnings
    );
}

#[test]
fn the_error_for_a_long_version_1_hash_explains_version_2() {
    let link = format!("magnet:?xt=urn:btih:{}", "5e".repeat(32));
    assert_eq!(
        error(&format!("torrents: [{{magnet: \"{link}\"}}]")),
        "1: torrents[0].magnet: a version 1 info-hash (urn:btih) has 40 hexadecimal or 32 base32 \
         characters, not 64; version 2 is written urn:btmh:1220 and 64 hexadecimal characters"
    );
}

#[test]
fn the_first_of_two_equal_keys_counts() {
    for (info, expected) in [
        ("4:name5:first4:name6:second", "first"),
        (
            "10:name.utf-85:first10:name.utf-86:second4:name1:n",
            "first",
        ),
        ("4:namei1e4:name6:second10:name.utf-81:u", "u"),
        ("4:name5:first7:privatei0e7:privatei1e", "first"),
    ] {
        let config = load_file("udp://t.example:1337", info, "");
        assert_eq!(lines(&config), [format!("{expected} udp://t.example:1337")]);
    }
}

const LOCAL: [&str; 12] = [
    "udp://127.0.0.1:80/announce",
    "udp://localhost:80/announce",
    "udp://10.0.0.1:80/announce",
    "udp://192.168.1.1:80/announce",
    "udp://100.64.0.1:80/announce",
    "udp://2130706433:80/announce",
    "udp://0x7f.1:80/announce",
    "udp://[::1]:80/announce",
    "udp://[fd00::1]:80/announce",
    "udp://[::ffff:127.0.0.1]:80/announce",
    "udp://tracker:80/announce",
    "udp://nas.local:80/announce",
];

#[test]
fn local_trackers_of_files_and_links_are_left_out_with_a_warning() {
    for url in LOCAL {
        for config in [
            load_file(url, "4:name1:n", ""),
            load_magnet(&format!("&dn=n&tr={url}"), ""),
        ] {
            assert!(full_urls(&config).is_empty(), "{url}");
            let warning = &config.warnings[0];
            assert!(
                warning.contains("it is in a local network; to use it, write it under trackers"),
                "{url}: {warning}"
            );
        }
        let lab = load_file(url, "4:name1:n", "addresses: {accept: any}");
        assert_eq!(full_urls(&lab).len(), 1, "{url}");
        let written = load(&format!(
            "torrents: [{{infohash: \"{HASH}\", trackers: [\"{url}\"]}}]"
        ));
        assert_eq!(full_urls(&written.unwrap()).len(), 1, "{url}");
    }
}

#[test]
fn an_untrusted_local_http_tracker_must_end_in_announce() {
    let any = "addresses: {accept: any}";
    for (url, is_used) in [
        ("http://127.0.0.1/announce", true),
        ("http://127.0.0.1/KEY/announce?a=1", true),
        ("http://127.0.0.1/admin", false),
        ("http://127.0.0.1/admin?x=/announce", false),
        ("https://router.lan/", false),
        ("udp://127.0.0.1:80/admin", true),
        ("http://t.example/admin", true),
    ] {
        let config = load_magnet(&format!("&tr={url}"), any);
        assert_eq!(full_urls(&config).len(), usize::from(is_used), "{url}");
    }
    // Another path at a tracker that the configuration names is still untrusted.
    let named = "trackers: [\"http://10.0.0.1:80/KEY/announce\"]";
    let own = "http://10.0.0.1:80/KEY/announce";
    for (url, expected) in [
        ("http://10.0.0.1/announce", "http://10.0.0.1:80/announce"),
        ("http://10.0.0.1/admin", own),
        ("http://10.0.0.2/announce", own),
    ] {
        let config = load_magnet(&format!("&tr={url}"), named);
        assert_eq!(full_urls(&config), [expected], "{url}");
    }
}

#[test]
fn a_tracker_that_the_configuration_also_names_is_trusted() {
    let link = format!("magnet:?xt=urn:btih:{HASH}&tr=udp://10.0.0.1:80");
    let config = load(&format!(
        "torrents:\n- {{magnet: \"{link}\"}}\n\
         - {{infohash: {}, trackers: [\"udp://10.0.0.1:80\"]}}",
        "c".repeat(40)
    ))
    .unwrap();
    assert_eq!(
        full_urls(&config),
        ["udp://10.0.0.1:80/", "udp://10.0.0.1:80/"]
    );
    assert!(
        config
            .torrents
            .iter()
            .all(|it| it.trackers[0].may_be_local())
    );
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    // The same holds for two entries of one torrent.
    let config = load(&format!(
        "torrents:\n- {{magnet: \"{link}\"}}\n\
         - {{infohash: {HASH}, trackers: [\"udp://10.0.0.1:80\"]}}"
    ))
    .unwrap();
    assert_eq!(full_urls(&config), ["udp://10.0.0.1:80/"]);
    assert!(config.torrents[0].trackers[0].may_be_local());
    assert_eq!(
        config.warnings.len(),
        1,
        "only the merge is reported: {:?}",
        config.warnings
    );
}

#[test]
fn link_local_and_metadata_addresses_are_refused_everywhere() {
    for host in [
        "169.254.169.254",
        "0xa9fea9fe",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "metadata.google.internal",
    ] {
        let url = format!("http://{host}/announce");
        let why = "link-local and cloud metadata addresses are never contacted";
        let any = "addresses: {accept: any}";
        let config = load_file(&url, "4:name1:n", any);
        assert!(config.warnings[0].ends_with(&format!("tracker 1 is left out: {why}")));
        assert_eq!(
            error(&format!("trackers: [\"{url}\"]\ntorrents: []\n{any}")),
            format!("1: trackers[0]: {why}")
        );
        assert_eq!(
            error(&format!(
                "network: {{canaries: [\"{host}:80\"]}}\ntorrents: []"
            )),
            format!("1: network.canaries[0]: {why}")
        );
    }
}

#[test]
fn every_error_of_a_file_is_reported_in_one_run() {
    let yaml = format!(
        "probes: {{interval: 1s}}\n\
         probe: {{interval: [1], stale_after: 1m}}\n\
         torrents:\n\
         - infohash: {HASH}\n  tracker: udp://t.example:1\n  name: ''\n  \
           trackers: [x, udp://t.example]\n  labels: {{1a: x, torrent: y}}\n\
         - magnet: [1]\n\
         - infohash: 12\n"
    );
    let faults = load(&yaml).unwrap_err();
    let faults: Vec<String> = faults
        .faults()
        .iter()
        .map(|fault| format!("{} {}", fault.line.unwrap_or_default(), fault.key))
        .collect();
    assert_eq!(
        faults,
        [
            "1 probes",
            "2 probe.interval",
            "5 torrents[0].tracker",
            "6 torrents[0].name",
            "7 torrents[0].trackers[0]",
            "7 torrents[0].trackers[1]",
            "8 torrents[0].labels.1a",
            "8 torrents[0].labels.torrent",
            "9 torrents[1].magnet",
            "10 torrents[2].infohash",
        ]
    );
}

#[test]
fn a_wrong_interval_is_not_compared_with_its_default() {
    let yaml = "torrents: []\nprobe: {interval: 48h, stale_after: 20m}";
    assert_eq!(load(yaml).unwrap_err().faults().len(), 1);
}

#[test]
fn ten_thousand_includes_are_read_and_one_more_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, "include: [\"lists/*.yaml\"]").unwrap();
    fs::create_dir(folder.path().join("lists")).unwrap();
    let list = |n: usize| folder.path().join(format!("lists/{n}.yaml"));
    for n in 0..seedwatch::config::MAX_INCLUDES {
        fs::write(list(n), "torrents: []").unwrap();
    }
    assert!(Config::load(&path).is_ok());
    fs::write(list(seedwatch::config::MAX_INCLUDES), "torrents: []").unwrap();
    let error = Config::load(&path).unwrap_err();
    assert!(
        error.to_string().ends_with("more than 10000 files"),
        "{error}"
    );
}

#[test]
fn an_unknown_target_is_not_reported_as_a_file_error() {
    let config = load(&format!(
        "torrents: [{{infohash: {HASH}, name: census-1921}}]"
    ))
    .unwrap();
    assert_eq!(
        config.target("census-1291").unwrap_err(),
        "\"census-1291\" is neither the name of a configured torrent nor an info-hash, a magnet \
         link or a file; did you mean \"census-1921\"?"
    );
    assert_eq!(
        config.target("x\ny").unwrap_err(),
        "the target is neither the name of a configured torrent nor an info-hash, a magnet link \
         or a file"
    );
    let (torrent, _) = config.target(&"c".repeat(40)).unwrap();
    assert_eq!(&*torrent.name, "c".repeat(40));
}

/// The section of a setting, its last value within a limit, and the first one beyond.
const LIMITS: [(&str, &str, &str); 15] = [
    ("tracker", "numwant: 10000", "numwant: 10001"),
    ("tracker", "numwant: 1", "numwant: 0"),
    ("tracker", "max_rate: 1/h", "max_rate: 0/h"),
    ("tracker", "max_rate: 1000000/s", "max_rate: 1000001/s"),
    ("probe", "interval: 24h", "interval: 24h1ms"),
    ("probe", "interval: 1s", "interval: 999ms"),
    ("probe", "timeout: 60s", "timeout: 60s1ms"),
    ("probe", "timeout: 100ms", "timeout: 99ms"),
    ("probe", "stale_after: 30d", "stale_after: 30d1ms"),
    ("probe", "stale_after: 30m1ms", "stale_after: 30m"),
    ("dht", "max_rate: 1/s", "max_rate: 59/m"),
    ("dht", "max_rate: 100000/s", "max_rate: 100001/s"),
    ("dht", "recall_target: 0.9999", "recall_target: 0.99991"),
    ("dht", "recall_target: 0.5", "recall_target: 0.49"),
    ("state", "interval: 1h", "interval: 1h1ms"),
];

/// Checks that `yaml` makes a configuration from a good setting, and exactly one error from a bad
/// one.
fn assert_limit(yaml: impl Fn(&str) -> String, good: &str, bad: &str) {
    assert!(load(&yaml(good)).is_ok(), "{good}");
    assert_eq!(load(&yaml(bad)).unwrap_err().faults().len(), 1, "{bad}");
}

fn long(length: usize) -> String {
    "x".repeat(length)
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(", ")
}

#[test]
fn limits_of_sections_include_their_ends() {
    let within = |section: &str, key: &str| format!("torrents: []\n{section}: {{{key}}}");
    for (section, good, bad) in LIMITS {
        assert_limit(|key| within(section, key), good, bad);
    }
    let user_agent = |length| format!("user_agent: {}", long(length));
    let prefix = |length| format!("peer_id_prefix: {}", long(length));
    let hosts = |count| format!("canaries: [{}]", list(count, |_| "a.example:1".to_owned()));
    for (section, good, bad) in [
        ("tracker", user_agent(200), user_agent(201)),
        ("tracker", prefix(12), prefix(13)),
        ("network", hosts(16), hosts(17)),
    ] {
        assert_limit(|key| within(section, key), &good, &bad);
    }
}

#[test]
fn limits_of_torrents_include_their_ends() {
    let within = |key: &str| format!("torrents: [{{infohash: \"{HASH}\", {key}}}]");
    let trackers = |count| {
        let urls = list(count, |n| format!("udp://t{n}.example:1"));
        format!("trackers: [{urls}]")
    };
    let labels = |count| format!("labels: {{{}}}", list(count, |n| format!("l{n}: x")));
    let label = |length| format!("labels: {{a: {}}}", long(length));
    let name = |length| format!("name: {}", long(length));
    let collection = |length| format!("collection: {}", long(length));
    for (good, bad) in [
        (trackers(64), trackers(65)),
        (labels(32), labels(33)),
        (label(255), label(256)),
        (name(255), name(256)),
        (collection(255), collection(256)),
    ] {
        assert_limit(within, &good, &bad);
    }
    let url = |length: usize| format!("&tr=http://t.example/{}", long(length - 17));
    assert_eq!(full_urls(&load_magnet(&url(2048), "")).len(), 1);
    assert!(full_urls(&load_magnet(&url(2049), "")).is_empty());
}
