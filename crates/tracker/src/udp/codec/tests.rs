use super::*;
use proptest::prelude::*;

const IDENTITY: Identity = Identity {
    peer_id: *b"-SW0100-abcdefghijkl",
    key: 0x0102_0304,
    ports: [0xabcd, 0xabce],
};

fn announce(url: &str, event: AnnounceEvent) -> Vec<u8> {
    let mut out = Vec::new();
    write_announce(
        &mut out,
        &IDENTITY,
        &Announce {
            connection: 0x1122_3344_5566_7788,
            transaction: 0x99aa_bbcc,
            info_hash: &InfoHash(*b"ABCDEFGHIJKLMNOPQRST"),
            event,
            numwant: 200,
            family: Family::Ipv4,
            url: &TrackerUrl::parse(url).unwrap(),
        },
    );
    out
}

/// The offsets are those of the tables in BEP 15.
#[test]
fn requests_follow_bep_15() {
    let mut connect = Vec::new();
    write_connect(&mut connect, 0x0102_0304);
    assert_eq!(
        connect,
        b"\x00\x00\x04\x17\x27\x10\x19\x80\x00\x00\x00\x00\x01\x02\x03\x04"
    );
    assert_eq!(transaction_of_request(&connect), Some(0x0102_0304));
    assert_eq!(transaction_of_request(&connect[..15]), None);

    let packet = announce("udp://t.example:1", AnnounceEvent::Stopped);
    assert_eq!(packet.len(), 98);
    assert_eq!(
        packet[..8],
        [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]
    );
    assert_eq!(packet[8..12], [0, 0, 0, 1], "action");
    assert_eq!(packet[12..16], [0x99, 0xaa, 0xbb, 0xcc], "transaction");
    assert_eq!(&packet[16..36], b"ABCDEFGHIJKLMNOPQRST");
    assert_eq!(&packet[36..56], b"-SW0100-abcdefghijkl");
    assert_eq!(packet[56..64], [0; 8], "downloaded");
    assert_eq!(packet[64..72], [0, 0, 0, 0, 0x40, 0, 0, 0], "left");
    assert_eq!(packet[72..80], [0; 8], "uploaded");
    assert_eq!(packet[80..84], [0, 0, 0, 3], "event");
    assert_eq!(packet[84..88], [0; 4], "address");
    assert_eq!(packet[88..92], [1, 2, 3, 4], "key");
    assert_eq!(packet[92..96], [0, 0, 0, 200], "numwant");
    assert_eq!(packet[96..98], [0xab, 0xcd], "port");
    assert_eq!(
        announce("udp://t.example:1", AnnounceEvent::Started)[80..84],
        [0, 0, 0, 2]
    );

    let mut scrape = Vec::new();
    let hashes = [InfoHash([1; 20]), InfoHash([2; 20])];
    write_scrape(&mut scrape, 5, 6, hashes.iter());
    assert_eq!(scrape.len(), 56);
    assert_eq!(
        scrape[..16],
        [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 6]
    );
    assert_eq!(scrape[36..], [2; 20]);
}

#[test]
fn path_and_query_travel_as_url_data() {
    assert_eq!(
        announce("udp://t.example:1/", AnnounceEvent::Stopped).len(),
        98
    );
    let packet = announce("udp://t.example:1/announce?k=%20v", AnnounceEvent::Stopped);
    assert_eq!(&packet[98..], b"\x02\x10/announce?k=%20v".as_slice());

    let long = format!("/{}", "a".repeat(599));
    let packet = announce(&format!("udp://t.example:1{long}"), AnnounceEvent::Stopped);
    let mut rest = &packet[98..];
    let mut lengths = Vec::new();
    let mut joined: Vec<u8> = Vec::new();
    while let [2, length, tail @ ..] = rest {
        let (data, next) = tail.split_at(usize::from(*length));
        lengths.push(*length);
        joined.extend(data);
        rest = next;
    }
    assert!(rest.is_empty());
    assert_eq!(lengths, [255, 255, 90]);
    assert_eq!(joined, long.as_bytes());
}

#[test]
fn ipv6_entries_are_read_over_either_family() {
    let mut packet = vec![0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 7, 8, 0, 0, 0, 1, 0, 0, 0, 2];
    packet.extend([
        0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x1a, 0xe1,
    ]);
    let Some(Datagram {
        transaction: 9,
        answer: ResponseBody::Announce(answer),
    }) = parse(&packet)
    else {
        panic!("not an announce");
    };
    assert_eq!(answer.interval(), Some(Duration::from_secs(1800)));
    assert_eq!(answer.counts.leechers, Some(1));
    assert_eq!(answer.counts.seeders, Some(2));
    let v6 = answer.peers(Family::Ipv6, 200);
    assert_eq!((v6.v6.len(), v6.v4.len(), v6.malformed), (1, 0, 0));
    assert_eq!(v6.v6[0].port, 6881);
    assert_eq!(
        answer.peers(Family::Ipv4, 200),
        v6,
        "the bytes are valid as IPv6 only"
    );
}

/// A list of the other family than that of the socket is never read as empty, even if truncated.
#[test]
fn lists_are_read_by_their_content() {
    let v4 =
        |count: u8| -> Vec<u8> { (0..count).flat_map(|n| [81, 2, 3, n, 0x1a, 0xe1]).collect() };
    let v6 = |count: u8| -> Vec<u8> {
        let entry = |n| {
            [
                0x2a, 1, 4, 0xf8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n, 0x1a, 0xe1,
            ]
        };
        (0..count).flat_map(entry).collect()
    };
    let torn = |mut list: Vec<u8>, length: usize| {
        list.truncate(length);
        list
    };
    let (four, six) = (Family::Ipv4, Family::Ipv6);
    for (list, socket, expected) in [
        (v4(0), six, (0, 0, 0)),
        (v4(4), four, (4, 0, 0)),
        (v4(4), six, (4, 0, 0)),
        // These lists are as long as one and two IPv6 entries.
        (v4(3), six, (3, 0, 0)),
        (v4(6), six, (6, 0, 0)),
        (v6(2), six, (0, 2, 0)),
        (v6(1), four, (0, 1, 0)),
        (torn(v4(4), 20), four, (3, 0, 1)),
        (torn(v4(4), 5), four, (0, 0, 1)),
        (torn(v4(4), 20), six, (0, 1, 1)),
        (torn(v4(4), 16), six, (0, 0, 1)),
        (torn(v6(2), 30), six, (0, 1, 1)),
        (torn(v6(2), 12), six, (0, 0, 1)),
    ] {
        let mut packet = vec![0, 0, 0, 1, 0, 0, 0, 9];
        packet.extend([0; 12]);
        packet.extend(&list);
        let Some(ResponseBody::Announce(answer)) = parse(&packet).map(|datagram| datagram.answer)
        else {
            panic!("not an announce");
        };
        let peers = answer.peers(socket, 200);
        let seen = (peers.v4.len(), peers.v6.len(), peers.malformed);
        assert_eq!(seen, expected, "{list:?} over {socket:?}");
    }
}

#[test]
fn absurd_intervals_are_ignored() {
    for (interval, expected) in [
        (0, None),
        (1, Some(1)),
        (0x7fff_ffff, Some(0x7fff_ffff)),
        (0x8000_0000, None),
        (u32::MAX, None),
    ] {
        let mut packet = vec![0, 0, 0, 1, 0, 0, 0, 9];
        packet.extend(u32::to_be_bytes(interval));
        packet.extend([0; 8]);
        let Some(ResponseBody::Announce(answer)) = parse(&packet).map(|datagram| datagram.answer)
        else {
            panic!("not an announce");
        };
        assert_eq!(answer.interval(), expected.map(Duration::from_secs));
    }
}

#[test]
fn errors_about_the_connection_id_are_recognised_in_every_spelling() {
    for text in [
        "Connection ID missmatch.",
        "bad connection ID",
        "connection_id expired",
        "Invalid connectionId",
        "unknown connection",
        "Connection expired",
        "bad connection",
        "no such connection",
        "connect first",
        "please reconnect",
        "invalid conn id",
        "cookie value is expired",
        "unknown session",
    ] {
        assert!(is_about_connection(text.as_bytes()), "{text}");
    }
    for text in [
        "too many connections",
        "connection limit reached",
        "your connection is blocked",
        "Torrent not registered with this tracker",
        "peer not found",
        "",
    ] {
        assert!(!is_about_connection(text.as_bytes()), "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        match parse(&bytes).map(|datagram| datagram.answer) {
            Some(ResponseBody::Announce(answer)) => {
                let peers = answer.peers(Family::Ipv4, 200);
                prop_assert!(bytes.len() >= 20);
                let entry = if peers.v6.is_empty() { 6 } else { 18 };
                prop_assert_eq!(peers.len(), (bytes.len() - 20) / entry);
            }
            Some(ResponseBody::Scrape(answer)) => {
                prop_assert_eq!(answer.entries().count(), (bytes.len() - 8) / 12);
            }
            Some(_) => prop_assert!(bytes.len() >= 8),
            None => prop_assert!(bytes.len() < 8),
        }
    }
}
