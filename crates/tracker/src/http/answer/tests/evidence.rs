//! Responses that are contradictory or ambiguous, and what they prove.

use super::*;

#[test]
fn an_empty_failure_reason_does_not_override_peers() {
    for empty in ["0:", "1: ", "i0e", "le"] {
        let with = |rest: &[u8]| {
            let mut body = format!("d14:failure reason{empty}").into_bytes();
            body.extend_from_slice(rest);
            body.push(b'e');
            body
        };
        let body = with(&[b"5:peers12:", TWO].concat());
        let answer = valid(&body);
        assert_eq!(answer.peers.v4, two(), "{empty}");
        assert!(answer.warning.unwrap().contains("empty failure reason"));
        // Without peers, the key is a rejection (BEP 3).
        assert_eq!(reason(&with(b"5:peers0:")), FailureReason::Rejected);
        assert_eq!(
            reason(&with(b"8:completei0e10:incompletei0e")),
            FailureReason::Rejected
        );
        assert_eq!(
            reason(&with(b"8:completei3e10:incompletei0e")),
            FailureReason::Rejected
        );

        let targets = [(AnnounceId(0), InfoHash([b'a'; 20]))];
        let scrape = |body: &[u8]| scrape(body, None, &url(), &targets);
        let files = with(b"5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1eee");
        assert!(scrape(&files).unwrap().counts[0].is_some());
        assert_eq!(
            scrape(&with(b"5:filesde")).unwrap_err().reason,
            FailureReason::Rejected
        );
    }
    // A reason with text is a rejection, even beside peers.
    let body = [b"d14:failure reason2:no5:peers12:", TWO, b"e"].concat();
    assert_eq!(reason(&body), FailureReason::Rejected);
}

#[test]
fn a_scrape_may_ask_for_an_interval() {
    let targets = [(AnnounceId(0), InfoHash([b'a'; 20]))];
    let interval_of = |flags: &str| {
        let body = format!("d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1eee{flags}e");
        scrape(body.as_bytes(), None, &url(), &targets)
            .unwrap()
            .interval
    };
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!(interval_of(""), None);
    assert_eq!(interval_of("5:flagsde"), None);
    assert_eq!(
        interval_of("5:flagsd20:min_request_intervali900ee"),
        seconds(900)
    );
    assert_eq!(
        interval_of("5:flagsd20:min_request_interval4:1800e"),
        seconds(1800)
    );
    assert_eq!(interval_of("5:flagsd20:min_request_intervali-1ee"), None);
    assert_eq!(
        interval_of("5:flagsd20:min_request_intervali60ee8:intervali120e"),
        seconds(120)
    );
    let body = b"d14:failure reason4:busy5:flagsd20:min_request_intervali900eee";
    let failed = scrape(body, None, &url(), &targets).unwrap_err();
    assert_eq!(failed.interval(), seconds(900));
}

/// Reads an answer over IPv6 with this list in `peers`, followed by `more` keys.
fn read_v6(counts: &str, list: &[u8], more: &str) -> Result<AnnounceResponse, ProbeError> {
    let mut body = format!("d{counts}5:peers").into_bytes();
    body.extend_from_slice(&string(list));
    body.extend_from_slice(format!("{more}e").as_bytes());
    let context = AnnounceContext {
        family: Family::Ipv6,
        ..CONTEXT
    };
    announce(&body, None, &url(), context).map(|reply| reply.announced)
}

#[test]
fn ipv6_entries_in_peers_are_recognised() {
    // Each six bytes of this IPv6 entry may also be an IPv4 entry.
    const ONE: &[u8] = b"\x2a\x01\x04\xf8abcdefghijkl\x1a\xe1";
    let counted = |result: Result<AnnounceResponse, ProbeError>| {
        let peers = result.unwrap().peers;
        (peers.v4.len(), peers.v6.len())
    };
    let two = ONE.repeat(2);
    assert_eq!(counted(read_v6("", &two, "")), (0, 2));
    assert_eq!(counted(read_v6("", &two, "6:peers60:")), (6, 0));
    assert_eq!(counted(read_v4(&two)), (6, 0));
    let mut plain = two.clone();
    plain[4..16].fill(0);
    assert_eq!(counted(read_v6("", &plain, "")), (0, 2));
    assert_eq!(counted(read_v4(&plain)), (0, 2));
    // A single IPv6 entry may be three IPv4 entries. Only the counts can decide.
    let claims = |n: u32| format!("8:completei{n}e10:incompletei0e");
    assert_eq!(counted(read_v6(&claims(1), ONE, "")), (0, 1));
    assert_eq!(counted(read_v6(&claims(3), ONE, "")), (3, 0));
    assert_eq!(
        read_v6("", ONE, "").unwrap_err().reason,
        FailureReason::Malformed
    );
    // Four IPv4 entries are not read as one IPv6 entry with trailing bytes.
    let four = [1, 2, 3, 4, 0x1a, 0xe1].repeat(4);
    assert_eq!(
        valid(&answer_with("peers6", &string(&four))).peers.v4.len(),
        4
    );
}

fn read_v4(list: &[u8]) -> Result<AnnounceResponse, ProbeError> {
    read(&answer_with("peers", &string(list)))
}
