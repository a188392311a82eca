//! Announce and scrape responses as real trackers send them, and malformed ones.

mod evidence;

use proptest::prelude::*;

use super::*;
use seedwatch_torrent::{Endpoint4, Endpoint6};

const CONTEXT: AnnounceContext = AnnounceContext {
    family: Family::Ipv4,
    limit: 200,
};

fn url() -> TrackerUrl {
    TrackerUrl::parse("http://t.example/announce?passkey=secret1").unwrap()
}

fn read(body: &[u8]) -> Result<AnnounceResponse, ProbeError> {
    announce(body, None, &url(), CONTEXT).map(|reply| reply.announced)
}

fn valid(body: &[u8]) -> AnnounceResponse {
    read(body).unwrap_or_else(|failed| panic!("{}: {failed}", body.escape_ascii()))
}

fn reason(body: &[u8]) -> FailureReason {
    read(body)
        .expect_err(&body.escape_ascii().to_string())
        .reason
}

/// Two IPv4 peers, 1.2.3.4:4567 and 2.3.4.5:5678, in network order.
const TWO: &[u8] = b"\x01\x02\x03\x04\x11\xd7\x02\x03\x04\x05\x16\x2e";

fn two() -> Vec<Endpoint4> {
    vec![
        Endpoint4 {
            ip: 0x0102_0304,
            port: 4567,
        },
        Endpoint4 {
            ip: 0x0203_0405,
            port: 5678,
        },
    ]
}

fn answer_with(key: &str, value: &[u8]) -> Vec<u8> {
    let mut body = format!("d8:intervali1800e{}:{key}", key.len()).into_bytes();
    body.extend_from_slice(value);
    body.push(b'e');
    body
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut text = format!("{}:", bytes.len()).into_bytes();
    text.extend_from_slice(bytes);
    text
}

#[test]
fn every_field_is_read() {
    let mut body = b"d8:completei3e10:downloadedi7e11:external ip4:\x09\x08\x07\x06\
        10:incompletei2e8:intervali1800e12:min intervali60e5:peers12:"
        .to_vec();
    body.extend_from_slice(TWO);
    body.extend_from_slice(b"6:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1");
    body.extend_from_slice(b"10:tracker id3:abc15:warning message5:helloe");
    let reply = announce(&body, None, &url(), CONTEXT).unwrap();
    assert_eq!(reply.tracker_id.as_deref(), Some(&b"abc"[..]));
    let response = reply.announced;
    assert_eq!(response.peers.v4, two());
    let ip = "2001:db8::1".parse::<Ipv6Addr>().unwrap().to_bits();
    assert_eq!(response.peers.v6, [Endpoint6 { ip, port: 6881 }]);
    assert_eq!(response.peers.malformed, 0);
    let counts = Counts {
        seeders: Some(3),
        leechers: Some(2),
        completed: Some(7),
    };
    assert_eq!(response.counts, counts);
    // `min interval` is shorter here and is not used.
    assert_eq!(response.interval, Some(Duration::from_secs(1800)));
    assert_eq!(response.external_ip, Some("9.8.7.6".parse().unwrap()));
    assert_eq!(response.warning.as_deref(), Some("hello"));
}

#[test]
fn warnings_hide_secrets() {
    let body = b"d5:peers0:15:warning message27:secret1 of 192.0.2.1 is bad";
    let warning = valid(&[body, &b"e"[..]].concat()).warning;
    assert_eq!(warning.as_deref(), Some("<secret> of <address> is bad"));
    assert_eq!(valid(b"d5:peers0:15:warning message0:e").warning, None);
}

#[test]
fn peer_lists_are_read_in_every_shape() {
    let dicts = b"ld2:ip7:1.2.3.44:porti4567eed2:ip7:2.3.4.54:porti5678eee";
    let mapped = b"ld2:ip14:::ffff:1.2.3.47:peer id2:xx4:porti4567eed2:ip9:[2.3.4.5]4:port4:5678ee";
    let php = b"d1:0d2:ip7:1.2.3.44:porti4567ee1:2d2:ip7:2.3.4.54:porti5678eee";
    let mut packed = b"l".to_vec();
    packed.extend_from_slice(&string(&TWO[..6]));
    packed.extend_from_slice(&string(&TWO[6..]));
    packed.push(b'e');
    for list in [&string(TWO)[..], dicts, mapped, php, &packed] {
        let peers = valid(&answer_with("peers", list)).peers;
        assert_eq!(
            (peers.v4, peers.malformed),
            (two(), 0),
            "{}",
            list.escape_ascii()
        );
    }
}

#[test]
fn unreadable_entries_are_counted_and_the_others_kept() {
    for (list, readable, malformed) in [
        // Host names are legal (BEP 3), but seedwatch does not resolve them.
        (
            &b"ld2:ip9:localhost4:porti1eed2:ip7:1.2.3.44:porti1eee"[..],
            1,
            1,
        ),
        (
            b"ld2:ip7:1.2.3.44:porti1eed2:ip7:1.2.3.44:porti65536eed2:ip7:1.2.3.44:porti-1eee",
            1,
            2,
        ),
        (b"ld2:ip7:1.2.3.4ed4:porti1eei5e3:abcle6:123456e", 1, 5),
        (b"7:\x01\x02\x03\x04\x11\xd7\x02", 1, 1),
        (b"i0e", 0, 0),
        (b"0:", 0, 0),
        (b"le", 0, 0),
        (b"de", 0, 0),
        // The reader keeps port 0; a later filter drops it.
        (b"6:\x01\x02\x03\x04\0\0", 1, 0),
    ] {
        let peers = valid(&answer_with("peers", list)).peers;
        let found = (peers.len(), peers.malformed);
        assert_eq!(found, (readable, malformed), "{}", list.escape_ascii());
    }
}

#[test]
fn an_unreadable_list_is_malformed() {
    for list in [
        &b"i5e"[..],
        b"3:abc",
        b"ld2:ip7:1.2.3.44:porti65536eee",
        // These strings are not host names.
        b"ld2:ip9:1.2.3.4564:porti1eee",
        b"ld2:ip0:4:porti1eee",
        b"ld2:ip9:localhost4:porti65536eee",
    ] {
        for key in ["peers", "peers6"] {
            assert_eq!(reason(&answer_with(key, list)), FailureReason::Malformed);
        }
    }
    // The other list is readable and empty.
    assert!(valid(b"d5:peers0:6:peers63:abce").peers.is_empty());
}

#[test]
fn a_list_of_host_names_is_withheld() {
    let names = b"ld2:ip16:peer.example.org4:porti1eed2:ip9:localhost4:porti2eee";
    let response = valid(&answer_with("peers", names));
    let found = (
        response.peers.len(),
        response.peers.malformed,
        response.peer_list_withheld,
    );
    assert_eq!(found, (0, 2, true));
    // The empty list of the other family does not make the host names an empty swarm.
    let response = valid(b"d5:peersld2:ip9:localhost4:porti1eee6:peers60:e");
    assert!(response.peer_list_withheld);
    let response = valid(b"d5:peersld2:ip9:localhost4:porti1eed2:ip7:1.2.3.44:porti1eeee");
    assert_eq!(
        (response.peers.len(), response.peer_list_withheld),
        (1, false)
    );
}

#[test]
fn a_malformed_peers6_does_not_affect_peers() {
    // Such values crashed a client (rakshasa/libtorrent#129); AniRena sends one.
    for (value, malformed) in [(&b"i1e"[..], 1), (b"6:\0\0\0\0\0\0", 1), (b"i1", 0)] {
        let mut body = b"d8:intervali60e5:peers12:".to_vec();
        body.extend_from_slice(TWO);
        body.extend_from_slice(b"6:peers6");
        body.extend_from_slice(value);
        body.push(b'e');
        let peers = valid(&body).peers;
        assert_eq!(peers.v4, two());
        assert!(peers.malformed >= malformed);
    }
}

#[test]
fn peers_may_be_missing() {
    let v6 = [&[0x26; 16][..], &[0x1a, 0xe1]].concat();
    let response = valid(&answer_with("peers6", &string(&v6)));
    assert_eq!((response.peers.v4.len(), response.peers.v6.len()), (0, 1));
    let response = valid(b"d8:completei0e10:incompletei0e8:intervali60ee");
    assert!(response.peers.is_empty());
    // Some trackers answer `stopped` with no more than this. The reply says whether it has a list.
    for (body, has_list) in [
        (&b"d8:intervali60ee"[..], false),
        (b"d15:warning message1:xe", false),
        (b"d8:completei0ee", false),
        (b"d5:peers0:e", true),
        (b"d6:peers60:e", true),
    ] {
        let reply = announce(body, None, &url(), CONTEXT).unwrap();
        assert_eq!(reply.has_list, has_list, "{}", body.escape_ascii());
    }
}

#[test]
fn trailing_keys_are_read() {
    // sukebei sends a second peers6 after the final `e` (synapse#117).
    let v6 = string(&[&[0x26; 16][..], &[0x1a, 0xe1]].concat());
    let mut body = answer_with("peers", &string(TWO));
    body.extend_from_slice(b"6:peers6");
    body.extend_from_slice(&v6);
    body.push(b'e');
    let peers = valid(&body).peers;
    assert_eq!((peers.v4.len(), peers.v6.len()), (2, 1));
    // A stray `e` or garbage after an empty list is ignored.
    for tail in [&b""[..], b"e", b"\r\n", b"<!-- 0.01 s -->", b"3:ab"] {
        let body = [b"d8:intervali60e5:peers0:e", tail].concat();
        assert!(valid(&body).peers.is_empty());
    }
}

#[test]
fn numbers_may_be_text_and_absurd_ones_are_dropped() {
    let response = valid(b"d8:complete2:125:peers0:8:interval4:18005:other1:xe");
    assert_eq!(response.counts.seeders, Some(12));
    assert_eq!(response.interval, Some(Duration::from_secs(1800)));
    let response = valid(
        b"d8:completei-1e10:downloadedi9223372036854775807e10:incompletei100000001e\
          8:intervali0e5:peers0:e",
    );
    assert_eq!(response.counts, Counts::default());
    assert!(
        response.has_absurd_counts,
        "the empty list beside absurd counts proves nothing"
    );
    assert_eq!(response.interval, None);
    // A counter below zero does not invalidate the other values.
    let mut body = b"d8:completei2e10:downloadedi18446744073709551615e\
        10:incompletei99999999999999999999999e8:intervali1800e5:peers12:"
        .to_vec();
    body.extend_from_slice(TWO);
    body.push(b'e');
    let response = valid(&body);
    let counts = Counts {
        seeders: Some(2),
        ..Counts::default()
    };
    assert_eq!((response.peers.v4, response.counts), (two(), counts));
}

#[test]
fn a_truncated_list_yields_its_whole_entries() {
    let body = answer_with("peers", &string(&TWO.repeat(100)));
    for cut in [body.len() - 1, body.len() - 2, body.len() / 2, 30 + 6] {
        let peers = valid(&body[..cut]).peers;
        assert_eq!(peers.v4.len(), (cut - 29).min(1200) / 6, "{cut}");
        assert!(peers.malformed > 0);
    }
    let dicts = b"d5:peersld2:ip7:1.2.3.44:porti4567eed2:ip7:2.3.4";
    assert_eq!(valid(dicts).peers.v4, two()[..1]);
}

#[test]
fn a_truncated_answer_without_a_list_is_malformed() {
    for body in [
        &b"d"[..],
        b"d8:completei0e10:incomple",
        b"d8:intervali60e5:peers",
        b"d8:intervali60e5:peersl",
    ] {
        assert_eq!(reason(body), FailureReason::Malformed);
    }
    let cut = ProbeError::new(FailureReason::Reset, "the connection was cut");
    let failed = announce(b"d8:completei0e", Some(cut.clone()), &url(), CONTEXT).unwrap_err();
    assert_eq!(failed, cut);
}

#[test]
fn bodies_without_bencode_are_told_apart() {
    for (body, expected) in [
        (&b""[..], "an empty answer"),
        (b"  \r\n", "an empty answer"),
        (b"\n<!DOCTYPE html><html>", "HTML instead of bencode"),
        (b"{\"error\": 1}", "JSON instead of bencode"),
        (b"OK", "not bencode"),
        (b"5:hello", "not bencode"),
    ] {
        let failed = read(body).unwrap_err();
        assert_eq!(
            (failed.reason, &*failed.text),
            (FailureReason::NotBencode, expected)
        );
    }
    for body in [&b"dog food"[..], b"de", b"d1:xi1ee", b"di1ei2ee"] {
        assert_eq!(
            reason(body),
            FailureReason::Malformed,
            "{}",
            body.escape_ascii()
        );
    }
    // PHP scripts may send a byte order mark or a blank line first.
    assert_eq!(valid(b"\xef\xbb\xbf\n d8:intervali60ee").peers.len(), 0);
}

#[test]
fn a_failure_reason_is_a_rejection_despite_other_keys() {
    let failed = read(b"d14:failure reason22:unregistered: secret1!5:peers0:e").unwrap_err();
    assert_eq!(failed.reason, FailureReason::Rejected);
    assert_eq!(&*failed.text, "unregistered: <secret>!");
    // A real answer (trackerslist#166): its last letter is the end of the dictionary.
    let failed = read(b"d14:failure reason14:Missing uploade").unwrap_err();
    assert_eq!(&*failed.text, "Missing upload");
    let failed = read(b"d14:failure reason20:Missing uploade").unwrap_err();
    assert_eq!(failed.reason, FailureReason::Rejected);
    assert_eq!(reason(b"d14:failure reasoni5ee"), FailureReason::Rejected);
    let failed = read(b"d12:failure codei900e8:intervali60e8:retry ini2ee").unwrap_err();
    let retry = Some(Retry::After(Duration::from_secs(120)));
    assert_eq!(
        (failed.reason, failed.retry),
        (FailureReason::Rejected, retry)
    );
    // A failure code beside peers or counts is not a rejection.
    assert!(read(b"d12:failure codei0e5:peers0:e").is_ok());
    assert!(read(b"d12:failure codei0e8:completei0e10:incompletei0ee").is_ok());
}

#[test]
fn retry_in_is_minutes_in_any_spelling_or_never() {
    let longest = Some(Retry::After(Duration::from_secs(60 * 60 * 24 * 365)));
    for (value, expected) in [
        ("i30e", Some(Retry::After(Duration::from_secs(1800)))),
        ("2:30", Some(Retry::After(Duration::from_secs(1800)))),
        ("5:never", Some(Retry::Never)),
        ("20:18446744073709551616", longest),
        ("i18446744073709551616e", longest),
        ("i0e", None),
        ("i-5e", None),
        ("le", None),
    ] {
        let body = format!("d14:failure reason4:busy8:retry in{value}e");
        let failed = read(body.as_bytes()).unwrap_err();
        assert_eq!(
            (failed.reason, failed.retry),
            (FailureReason::Rejected, expected)
        );
    }
}

#[test]
fn scrape_entries_are_matched_by_hash() {
    let targets: Vec<_> = (0..3u8)
        .map(|n| (AnnounceId(n.into()), InfoHash([n; 20])))
        .collect();
    let scrape = |body: &[u8]| scrape(body, None, &url(), &targets).map(|it| it.counts);
    let entry = |n: u8, counts: &str| {
        let mut entry = string(&[n; 20]);
        entry.extend_from_slice(format!("d{counts}e").as_bytes());
        entry
    };
    let files = |entries: &[Vec<u8>]| {
        let mut body = b"d5:filesd".to_vec();
        body.extend(entries.concat());
        body.extend_from_slice(b"e5:flagsd20:min_request_intervali900eee");
        body
    };
    let found = scrape(&files(&[
        // A key that is not a hash (torrust#42), and a hash that was not requested.
        string(&[b'x'; 50]),
        b"de".to_vec(),
        entry(9, "8:completei9e"),
        entry(2, "8:completei1e10:downloadedi-5e10:incomplete1:4"),
        entry(0, ""),
    ]))
    .unwrap();
    let counts = Counts {
        seeders: Some(1),
        leechers: Some(4),
        completed: None,
    };
    assert_eq!(found, [None, None, Some(counts)]);
    // A response without entries is valid, as a dictionary and as a list.
    for body in [&b"d5:filesdee"[..], b"d5:fileslee"] {
        assert_eq!(scrape(body).unwrap(), [None; 3]);
    }
    // The response is truncated after the first entry.
    let whole = files(&[entry(0, "8:completei1e"), entry(1, "8:completei2e")]);
    let found = scrape(&whole[..60]).unwrap();
    assert_eq!(found[0].unwrap().seeders, Some(1));
    let refused = scrape(b"d5:filesde14:failure reason2:noe").unwrap_err();
    assert_eq!(refused.reason, FailureReason::Rejected);
    for (body, reason) in [
        (&b"d5:filesd"[..], FailureReason::Malformed),
        (b"d8:intervali60ee", FailureReason::Malformed),
        (b"<html>", FailureReason::NotBencode),
    ] {
        assert_eq!(scrape(body).unwrap_err().reason, reason);
    }
}

#[test]
fn an_error_page_may_state_a_refusal() {
    let body = b"d14:failure reason6:bannedd";
    assert_eq!(&*stated_refusal(body, &url()).unwrap().text, "banned");
    assert_eq!(stated_refusal(b"<html>", &url()), None);
    assert_eq!(stated_refusal(b"d8:intervali60ee", &url()), None);
}

/// Generates bodies close enough to a response to reach every branch of the reader.
fn almost_response() -> impl Strategy<Value = Vec<u8>> {
    let key = prop::sample::select(vec![
        "peers",
        "peers6",
        "complete",
        "incomplete",
        "downloaded",
        "interval",
        "external ip",
        "tracker id",
        "failure reason",
        "retry in",
        "files",
        "ip",
        "port",
        "",
    ]);
    let leaf = prop_oneof![
        any::<i64>().prop_map(|n| format!("i{n}e").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| string(&bytes)),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    let value = leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8)
                .prop_map(|items| { [b"l".to_vec(), items.concat(), b"e".to_vec()].concat() }),
            prop::collection::vec((key.clone(), inner), 0..8).prop_map(|entries| {
                let mut dict = b"d".to_vec();
                for (key, value) in entries {
                    dict.extend(string(key.as_bytes()));
                    dict.extend(value);
                }
                dict.push(b'e');
                dict
            }),
        ]
    });
    (value, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(mut body, at, cut)| {
        if cut && !body.is_empty() {
            body.truncate(at.index(body.len()));
        }
        body
    })
}

proptest! {
    #[test]
    fn the_reader_never_panics(body in almost_response()) {
        let targets = [(AnnounceId(0), InfoHash([0; 20]))];
        let _ = announce(&body, None, &url(), CONTEXT);
        let _ = scrape(&body, None, &url(), &targets);
        let _ = stated_refusal(&body, &url());
    }

    #[test]
    fn the_reader_never_panics_on_random_bytes(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = announce(&[b"d5:peers", &body[..]].concat(), None, &url(), CONTEXT);
        let _ = announce(&body, None, &url(), CONTEXT);
    }

    #[test]
    fn a_truncated_list_is_never_longer_or_silent(count in 0..50usize, cut in 0..400usize) {
        let body = answer_with("peers", &string(&[7; 6].repeat(count)));
        let cut = cut.min(body.len());
        if let Ok(response) = read(&body[..cut]) {
            prop_assert!(response.peers.len() <= count);
            prop_assert!(cut == body.len() || response.peers.malformed > 0);
        }
    }
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn the_longer_interval_counts() {
    let both = b"d8:completei0e10:incompletei0e8:intervali300e12:min intervali3600e5:peers0:e";
    assert_eq!(valid(both).interval, seconds(3600));
    assert_eq!(
        valid(b"d8:intervali900e12:min intervali60e5:peers0:e").interval,
        seconds(900)
    );
    assert_eq!(
        valid(b"d12:min interval4:18005:peers0:e").interval,
        seconds(1800)
    );
    assert_eq!(
        valid(b"d12:min intervali-5e8:intervali0e5:peers0:e").interval,
        None
    );
}

#[test]
fn intervals_beside_a_failure_are_kept() {
    let refused = |body: &[u8]| read(body).unwrap_err();
    let failed =
        refused(b"d14:failure reason17:TORRENT NOT FOUND8:intervali7200e12:min intervali7200ee");
    assert_eq!((failed.interval(), failed.retry), (seconds(7200), None));
    let failed = refused(b"d14:failure reason4:gone12:min intervali600e8:retry in2:10e");
    let retry = Some(Retry::After(Duration::from_secs(600)));
    assert_eq!((failed.interval(), failed.retry), (seconds(600), retry));
    let failed = refused(b"d12:failure codei100e8:intervali600ee");
    assert_eq!(failed.interval(), seconds(600));
    // A scrape is rejected with the same keys.
    let body = b"d14:failure reason4:gone12:min intervali600ee";
    let failed = scrape(body, None, &url(), &[]).unwrap_err();
    assert_eq!(failed.interval(), seconds(600));
}

#[test]
fn impossible_counters_are_unknown_in_announces_and_scrapes() {
    for (count, expected) in [
        ("i-1e", None),
        ("i4294967295e", None),
        ("i2147483648e", None),
        ("i18446744073709551615e", None),
        ("10:4294967290", None),
        ("2:-1", None),
        ("20:18446744073709551615", None),
        ("1:x", None),
        ("0:", None),
        ("le", None),
        ("i7e", Some(7)),
        ("3: 7 ", Some(7)),
        ("2:07", Some(7)),
    ] {
        let keys = [
            ("complete", "i3e"),
            ("downloaded", count),
            ("incomplete", count),
        ];
        let entry: String = keys
            .iter()
            .map(|(key, value)| format!("{}:{key}{value}", key.len()))
            .collect();
        let answer = valid(format!("d{entry}5:peers0:e").as_bytes());
        let expected = Counts {
            seeders: Some(3),
            leechers: expected,
            completed: expected,
        };
        assert_eq!(answer.counts, expected, "{count}");
        let mut body = b"d5:filesd20:".to_vec();
        body.extend_from_slice(&[b'h'; 20]);
        body.extend_from_slice(format!("d{entry}eee").as_bytes());
        let targets = [(AnnounceId(0), InfoHash([b'h'; 20]))];
        let found = scrape(&body, None, &url(), &targets).unwrap();
        assert_eq!(found.counts, [Some(expected)], "{count}");
    }
}
