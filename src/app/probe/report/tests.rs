//! The report as people see it, in 80 columns.

use std::time::Duration;

use super::*;
use FamilyResult::{Answer, Failure, NoAddress};
use seedwatch_core::verdict::Reason;

/// A row without notes.
fn row(source: &str, families: [Option<FamilyResult>; 2], counts: [Option<u32>; 2]) -> SourceRow {
    let [ipv4, ipv6] = families;
    let [peers, seeders] = counts;
    SourceRow {
        source: source.to_owned(),
        ipv4,
        ipv6,
        peers,
        seeders,
        time: Some(Duration::from_millis(23)),
        notes: Vec::new(),
    }
}

fn noted(row: SourceRow, notes: &[&str]) -> SourceRow {
    let notes = notes.iter().map(|note| (*note).to_owned()).collect();
    SourceRow { notes, ..row }
}

fn report(state: State, reason: Reason, sentence: &str, sources: Vec<SourceRow>) -> ProbeReport {
    let mut sources = sources;
    sources.sort_by_cached_key(SourceRow::badness);
    ProbeReport {
        name: "census-1921".to_owned(),
        infohash: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        infohash_v2: None,
        verdict: Verdict {
            state,
            reason,
            ..Verdict::default()
        },
        sentence: sentence.to_owned(),
        sources,
        summary: Summary::default(),
        requests: Vec::new(),
        lookups: Vec::new(),
    }
}

/// A torrent at five trackers and in the DHT.
fn alive() -> ProbeReport {
    let sources = vec![
        noted(
            row(
                "udp://gone.example:1337",
                [Some(Failure), Some(NoAddress)],
                [None; 2],
            ),
            &["dns: the name server says that the name does not exist"],
        ),
        row(
            "http://a.example:8000",
            [Some(Answer), Some(NoAddress)],
            [Some(3), Some(1)],
        ),
        noted(
            row(
                "https://b.example",
                [Some(Answer), Some(Failure)],
                [Some(12), Some(5)],
            ),
            &["IPv6: timeout"],
        ),
        row(
            "udp://empty.example:80",
            [Some(Answer), Some(Answer)],
            [Some(0), Some(0)],
        ),
        noted(
            row("DHT", [Some(Answer), Some(Failure)], [Some(9), Some(4)]),
            &[
                "IPv4 01234567: 9 peers named, filters say 4 seeders, 7 leechers; 5 hops, 31 nodes \
                 asked, 22 answered, 8 named peers, 40 queries, closest shares 23 bits",
                "IPv6 01234567: no DHT node answered",
            ],
        ),
    ];
    let mut report = report(
        State::Alive,
        Reason::PeersNamed,
        "15 peers; 3 of 4 trackers give valid answers and the DHT answers.",
        sources,
    );
    report.summary.peers.insert("ipv4", Some(14));
    report.summary.peers.insert("ipv6", Some(1));
    report.summary.seeders = Some(5);
    report.summary.rejected.insert("bogon", 2);
    report
}

#[test]
fn the_verdict_comes_first_and_the_worst_source_last() {
    let expected = "\
alive: 15 peers; 3 of 4 trackers give valid answers and the DHT answers.

census-1921 0123456789abcdef0123456789abcdef01234567
SOURCE                   IPv4  IPv6  PEERS  SEEDERS   TIME  DETAILS
https://b.example        ok    fail     12        5  23 ms  IPv6: timeout
DHT                      ok    fail      9        4  23 ms
    IPv4 01234567: 9 peers named, filters say 4 seeders, 7 leechers; 5 hops, 31
    nodes asked, 22 answered, 8 named peers, 40 queries, closest shares 23 bits
    IPv6 01234567: no DHT node answered
http://a.example:8000    ok    -         3        1  23 ms
udp://empty.example:80   ok    ok        0        0  23 ms
udp://gone.example:1337  fail  -         -        -  23 ms
    dns: the name server says that the name does not exist
IPv6: no address to reach at http://a.example:8000, udp://gone.example:1337
Together: 15 distinct peers (14 over IPv4, 1 over IPv6); largest claim 5
  seeders; not counted: 2 bogon
";
    assert_eq!(alive().text(Style::PLAIN), expected);
}

#[test]
fn colour_changes_no_column() {
    let colored = alive().text(Style::COLORED);
    assert!(
        colored.starts_with("\x1b[32malive\x1b[0m: 15 peers"),
        "{colored:?}"
    );
    assert!(colored.contains("\x1b[32mok\x1b[0m    \x1b[31mfail\x1b[0m     12"));
    let mut plain = colored;
    for code in [0, 1, 31, 32, 33] {
        plain = plain.replace(&format!("\x1b[{code}m"), "");
    }
    assert_eq!(plain, alive().text(Style::PLAIN));
    assert!(!plain.contains('\x1b'));
}

#[test]
fn a_family_that_no_source_has_is_one_line() {
    let sources = vec![row(
        "http://a.example",
        [Some(Answer), Some(NoAddress)],
        [Some(0); 2],
    )];
    let sentence = "Every source that may be asked has answered, and none lists a peer; the \
                    tracker gives a valid answer.";
    let dead = report(State::Dead, Reason::EmptyOnce, sentence, sources);
    let expected = "\
dead: Every source that may be asked has answered, and none lists a peer; the
  tracker gives a valid answer.
Seed it again.

census-1921 0123456789abcdef0123456789abcdef01234567
SOURCE            IPv4  PEERS  SEEDERS   TIME
http://a.example  ok        0        0  23 ms
IPv6: no address to reach at any tracker
Together: peers unknown
";
    assert_eq!(dead.text(Style::PLAIN), expected);
}

#[test]
fn no_line_is_wider_than_80_columns() {
    let long = |head: &str| format!("{head}://{}.example:65535", "long-label.".repeat(22));
    let wide = "漢字".repeat(60);
    let widest = [Some(u32::MAX); 2];
    let slow = Some(Duration::from_secs(86_399));
    let mut sources = Vec::new();
    for (index, scheme) in ["udp", "http", "https"].into_iter().enumerate() {
        let row = row(&long(scheme), [Some(Failure), Some(NoAddress)], widest);
        let notes = [
            &*wide,
            "x".repeat(200).leak(),
            "rejected: \x1b[2Jnot\u{202e}here",
        ];
        sources.push(noted(SourceRow { time: slow, ..row }, &notes[index..]));
    }
    sources.push(row("DHT", [Some(Answer), Some(Failure)], widest));
    let mut report = report(State::Pending, Reason::EmptyInPart, &wide, sources);
    report.name = "n".repeat(255);
    report.infohash_v2 = Some("ab".repeat(32));
    report.summary.rejected.insert("malformed", u64::MAX);
    report.summary.rejected.insert("bogon", u64::MAX);
    let text = report.text(Style::PLAIN);
    for line in text.lines() {
        assert!(width(line) <= COLUMNS, "{} columns: {line:?}", width(line));
        assert_eq!(line.trim_end(), line, "no white space at the end");
    }
    assert!(
        !text.contains(['\x1b', '\u{202e}']),
        "nothing moves the cursor: {text:?}"
    );
    let tracker = text.lines().find(|line| line.starts_with("udp://"));
    let tracker = tracker.expect("a shortened tracker");
    assert!(
        tracker.contains("…") && tracker.contains("example:65535"),
        "{tracker}"
    );
    assert!(text.contains("Probe it again later"), "{text}");
    // Columns stay aligned.
    let rows = text.lines().filter(|line| line.contains("86399 s"));
    let ends: Vec<usize> = rows.filter_map(|line| line.find("86399 s")).collect();
    assert_eq!(ends.len(), 3);
}

#[test]
fn programs_get_the_verdict_and_a_row_per_source() {
    let json = alive().json();
    assert_eq!(json["state"], "alive");
    assert_eq!(json["conditions"], serde_json::json!([]));
    assert_eq!(json["reason"]["code"], "peers_named");
    assert_eq!(json["advice"], "nothing");
    let expected = serde_json::json!({
        "source": "https://b.example",
        "ipv4": "answer",
        "ipv6": "failure",
        "peers": 12,
        "seeders": 5,
        "milliseconds": 23.0,
        "notes": ["IPv6: timeout"],
    });
    assert_eq!(json["sources"][0], expected);
}
