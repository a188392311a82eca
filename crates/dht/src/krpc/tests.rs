use proptest::prelude::*;

use super::*;
use seedwatch_torrent::bencode::Value;

const ID: &[u8; 20] = b"abcdefghij0123456789";

/// Encodes a bencoded string.
fn string(bytes: &[u8]) -> Vec<u8> {
    [format!("{}:", bytes.len()).as_bytes(), bytes].concat()
}

/// Encodes a response with further entries in its body after the id, and at the top level.
fn answer(top: &[u8], body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [b"d", top, b"1:rd2:id20:", ID, &body, b"e1:t2:aa1:y1:re"].concat()
}

fn response(datagram: &[u8]) -> Response<'_> {
    match parse(datagram) {
        Ok(Message::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

/// A response with every known key.
fn full() -> Vec<u8> {
    let values: Vec<u8> = (0..30u8)
        .flat_map(|last| string(&[192, 0, 2, last, 0x1a, 0xe1]))
        .collect();
    answer(
        b"2:ip6:\xcb\x00\x71\x07\x1a\xe1",
        &[
            b"4:BFpe",
            &string(&[1; 256]),
            b"4:BFsd",
            &string(&[2; 256]),
            b"5:nodes",
            &string(&[7; 8 * NODE_4]),
            b"6:nodes6",
            &string(&[8; 2 * NODE_6]),
            b"5:token3:tok6:valuesl",
            &values,
            b"e",
        ],
    )
}

#[test]
fn a_complete_response_is_read() {
    let datagram = full();
    let response = response(&datagram);
    assert_eq!(response.transaction, b"aa");
    assert_eq!(response.id, NodeId(*ID));
    assert_eq!(contacts4(response.nodes).count(), 8);
    assert_eq!(contacts6(response.nodes6).count(), 2);
    assert_eq!(response.values.clone().count(), 30);
    assert_eq!(
        response.values.clone().last(),
        Some(&[192, 0, 2, 29, 0x1a, 0xe1][..])
    );
    assert_eq!(response.leechers, Some(&[1; 256]));
    assert_eq!(response.seeders, Some(&[2; 256]));
    assert_eq!(response.external, Some("203.0.113.7:6881".parse().unwrap()));
}

#[test]
fn the_examples_of_bep_5_are_read() {
    let found = b"d1:rd2:id20:0123456789abcdefghij5:nodes9:def456...e1:t2:aa1:y1:re";
    assert_eq!(response(found).id, NodeId(*b"0123456789abcdefghij"));
    let peers = b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth\
                  6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re";
    let values: Vec<&[u8]> = response(peers).values.collect();
    assert_eq!(values, [b"axje.u", b"idhtnm"]);
    let error = b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee";
    let Ok(Message::Error(error)) = parse(error) else {
        panic!();
    };
    assert_eq!(error.code, ErrorCode::Generic201);
    assert_eq!(error.text, b"A Generic Error Ocurred");
    let query = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
    let Ok(Message::Query(query)) = parse(query) else {
        panic!();
    };
    assert_eq!(
        (query.transaction, query.method),
        (&b"aa"[..], &b"ping"[..])
    );
}

#[test]
fn queries_match_bep_5_and_are_read_only() {
    let (own, target) = (NodeId(*ID), NodeId(*b"mnopqrstuvwxyz123456"));
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut to = b"before".to_vec();
        write(&mut to);
        String::from_utf8(to.split_off(6)).unwrap()
    };
    let transaction = *b"wxyz";
    assert_eq!(
        written(&|to| ping(to, transaction, &own)),
        "d1:ad2:id20:abcdefghij0123456789e1:q4:ping2:roi1e1:t4:wxyz1:y1:qe"
    );
    assert_eq!(
        written(&|to| find_node(to, transaction, &own, &target)),
        "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e\
         1:q9:find_node2:roi1e1:t4:wxyz1:y1:qe"
    );
    assert_eq!(
        written(&|to| get_peers(to, transaction, &own, &target, false)),
        "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e\
         1:q9:get_peers2:roi1e1:t4:wxyz1:y1:qe"
    );
    assert_eq!(
        written(&|to| get_peers(to, transaction, &own, &target, true)),
        "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456\
         6:scrapei1ee1:q9:get_peers2:roi1e1:t4:wxyz1:y1:qe"
    );
}

#[test]
fn error_codes_are_typed() {
    let code = |body: &str| {
        let datagram = format!("d1:e{body}1:t1:a1:y1:ee");
        match parse(datagram.as_bytes()) {
            Ok(Message::Error(error)) => (error.code, error.text.to_vec()),
            other => panic!("{other:?}"),
        }
    };
    for (number, expected) in [
        (201, ErrorCode::Generic201),
        (202, ErrorCode::Server202),
        (203, ErrorCode::Protocol203),
        (204, ErrorCode::MethodUnknown204),
        (305, ErrorCode::Other(305)),
        (-1, ErrorCode::Other(-1)),
    ] {
        assert_eq!(code(&format!("li{number}e2:noe")), (expected, b"no".into()));
    }
    assert_eq!(code("l2:noi203ee"), (ErrorCode::Protocol203, b"no".into()));
    assert_eq!(code("li202ee"), (ErrorCode::Server202, vec![]));
    assert_eq!(code("2:no"), (ErrorCode::Other(0), b"no".into()));
    assert_eq!(code("d4:codei201ee"), (ErrorCode::Other(0), vec![]));
    assert_eq!(code("le"), (ErrorCode::Other(0), vec![]));
}

#[test]
fn a_parse_error_states_its_cause() {
    let why = |datagram: &[u8]| parse(datagram).unwrap_err();
    assert_eq!(why(b""), ParseError::NotDictionary);
    assert_eq!(why(b"li1ee"), ParseError::NotDictionary);
    assert_eq!(why(b"de"), ParseError::NoTransaction);
    assert_eq!(why(b"d1:ti1e1:y1:re"), ParseError::NoTransaction);
    assert_eq!(why(b"d1:t1:ae"), ParseError::NoKind);
    assert_eq!(why(b"d1:t1:a1:y1:xe"), ParseError::NoKind);
    assert_eq!(why(b"d1:t1:a1:y1:re"), ParseError::NoId);
    assert_eq!(
        why(b"d1:rd2:id19:abcdefghij012345678e1:t1:a1:y1:re"),
        ParseError::NoId
    );
    assert_eq!(why(b"d1:r2:id1:t1:a1:y1:re"), ParseError::NoId);
    assert_eq!(why(&[b'd'; MAX_DATAGRAM + 1]), ParseError::TooLong);
    // Nested too deeply, and truncated.
    assert_eq!(why(&[b'd'; MAX_DATAGRAM]), ParseError::NoTransaction);
}

#[test]
fn entries_of_a_wrong_type_are_ignored() {
    let datagram = answer(
        b"2:ip3:abc",
        &[b"4:BFpe3:abc4:BFsdi1e5:nodesle6:nodes6d1:a1:be3:new1:x6:valuesd1:a1:be"],
    );
    let response = response(&datagram);
    assert_eq!((response.nodes, response.nodes6), (&[][..], &[][..]));
    assert_eq!((response.seeders, response.leechers), (None, None));
    assert_eq!(response.values.count(), 0);
    assert_eq!(response.external, None);
}

#[test]
fn whole_nodes_are_read_from_a_truncated_list() {
    let node = |last: u8| [&ID[..], &[192, 0, 2, last, 0x1a, 0xe1]].concat();
    let nodes = [node(1), node(2), vec![0; 25]].concat();
    let datagram = answer(b"", &[b"5:nodes", &string(&nodes)]);
    let nodes = response(&datagram).nodes;
    assert_eq!(nodes.len(), 2 * NODE_4);
    let expected =
        ["192.0.2.1:6881", "192.0.2.2:6881"].map(|at| (NodeId(*ID), at.parse().unwrap()));
    assert_eq!(contacts4(nodes).collect::<Vec<_>>(), expected);

    let ip: Ipv6Addr = "2001:db8::1".parse().unwrap();
    let nodes = [&ID[..], &ip.octets(), &[0x1a, 0xe1], &[0; 37]].concat();
    let datagram = answer(b"", &[b"6:nodes6", &string(&nodes)]);
    let expected = [(NodeId(*ID), "[2001:db8::1]:6881".parse().unwrap())];
    assert_eq!(
        contacts6(response(&datagram).nodes6).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn values_come_in_three_forms() {
    let values = |raw: &[u8]| -> Vec<Vec<u8>> {
        let datagram = answer(b"", &[b"6:values", raw]);
        response(&datagram).values.map(<[u8]>::to_vec).collect()
    };
    let (four, six) = (vec![4; 6], vec![6; 18]);
    let list = [
        b"l",
        &string(&four)[..],
        &string(&six),
        b"i5ele3:abc0:",
        &string(&four),
        b"e",
    ];
    // Strings that are not peers are returned too.
    let given = [four.clone(), six, b"abc".to_vec(), four.clone()];
    assert_eq!(values(&list.concat()), given);
    // One string with many peers, alone or in a list.
    let many = string(&[4; 26]);
    assert_eq!(values(&many), vec![four.clone(); 4]);
    let many = string(&[4; 24]);
    assert_eq!(values(&[b"l", &many[..], b"e"].concat()), vec![four; 4]);
    assert_eq!(values(b"0:"), Vec::<Vec<u8>>::new());
    assert_eq!(values(b"le"), Vec::<Vec<u8>>::new());
}

#[test]
fn values_are_bounded() {
    let most = string(&[4; 6]).repeat(MAX_VALUES);
    let datagram = answer(b"", &[b"6:valuesl", &most, b"e"]);
    assert_eq!(response(&datagram).values.count(), MAX_VALUES);
    let all = string(&[4; 6 * (MAX_VALUES + 1)]);
    let datagram = answer(b"", &[b"6:values", &all]);
    assert_eq!(response(&datagram).values.count(), MAX_VALUES);
}

#[test]
fn the_external_address_is_read_with_and_without_port() {
    let external = |bytes: &[u8]| {
        let top = [b"2:ip", &string(bytes)[..]].concat();
        response(&answer(&top, &[])).external
    };
    let at = |text: &str| Some(text.parse().unwrap());
    let six: [u8; 16] = "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets();
    let mapped: [u8; 16] = "::ffff:192.0.2.1".parse::<Ipv6Addr>().unwrap().octets();
    assert_eq!(external(&[192, 0, 2, 1, 0x1a, 0xe1]), at("192.0.2.1:6881"));
    assert_eq!(external(&[192, 0, 2, 1]), at("192.0.2.1:0"));
    assert_eq!(
        external(&[&six[..], &[0x1a, 0xe1]].concat()),
        at("[2001:db8::1]:6881")
    );
    assert_eq!(external(&six), at("[2001:db8::1]:0"));
    assert_eq!(
        external(&[&mapped[..], &[0, 1]].concat()),
        at("192.0.2.1:1")
    );
    assert_eq!(external(&[0; 5]), None);
}

/// Reads all parts of a datagram.
fn read(datagram: &[u8]) {
    if let Ok(Message::Response(response)) = parse(datagram) {
        assert!(response.nodes.len().is_multiple_of(NODE_4));
        assert!(response.nodes6.len().is_multiple_of(NODE_6));
        contacts4(response.nodes).for_each(drop);
        contacts6(response.nodes6).for_each(drop);
        let values: Vec<_> = response.values.collect();
        assert!(values.len() <= MAX_VALUES);
        assert!(values.iter().all(|value| [6, 18].contains(&value.len())));
    }
}

#[test]
fn truncated_datagrams_do_not_panic() {
    let whole = full();
    for end in 0..whole.len() {
        read(&whole[..end]);
    }
}

proptest! {
    #[test]
    fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        read(&bytes);
    }

    #[test]
    fn random_bencode_does_not_panic(
        text in "d(1:[terqy]|2:i[dp]|5:nodes|6:values|[0-9]{1,3}:|i-?[0-9]{1,21}e|[delz]){0,60}",
    ) {
        read(text.as_bytes());
    }

    #[test]
    fn corrupted_responses_do_not_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut datagram = full();
        for (at, byte) in changes {
            let at = at.index(datagram.len());
            datagram[at] = byte;
        }
        read(&datagram);
    }

    #[test]
    fn our_queries_parse(transaction: [u8; 4], own: [u8; 20], target: [u8; 20], scrape: bool) {
        let mut datagram = Vec::new();
        get_peers(&mut datagram, transaction, &NodeId(own), &NodeId(target), scrape);
        let (value, rest) = Value::parse(&datagram).unwrap();
        prop_assert_eq!(rest, b"");
        let top = value.as_dict().unwrap();
        prop_assert_eq!(top.get(b"ro").and_then(|ro| ro.as_int()), Some(1));
        let a = top.get(b"a").and_then(|a| a.as_dict()).unwrap();
        let bytes = |key: &[u8]| a.get(key).and_then(|value| value.as_bytes());
        prop_assert_eq!(bytes(b"id"), Some(&own[..]));
        prop_assert_eq!(bytes(b"info_hash"), Some(&target[..]));
        prop_assert_eq!(a.get(b"scrape").is_some(), scrape);
        prop_assert_eq!(a.get(b"want"), None);
        let Ok(Message::Query(query)) = parse(&datagram) else {
            return Err(TestCaseError::fail("not a query"));
        };
        prop_assert_eq!(query.transaction, transaction);
        prop_assert_eq!(query.method, b"get_peers");
    }

    #[test]
    fn responses_parse(
        transaction in prop::collection::vec(any::<u8>(), 0..20),
        id: [u8; 20],
        nodes in prop::collection::vec((any::<[u8; 20]>(), any::<std::net::SocketAddrV4>()), 0..20),
        peers in prop::collection::vec(any::<[u8; 6]>(), 0..50),
    ) {
        let compact: Vec<u8> = nodes
            .iter()
            .flat_map(|(id, at)| [&id[..], &at.ip().octets(), &at.port().to_be_bytes()].concat())
            .collect();
        let values: Vec<u8> = peers.iter().flat_map(|peer| string(peer)).collect();
        let datagram = [
            &b"d1:rd2:id"[..], &string(&id), b"5:nodes", &string(&compact), b"6:valuesl", &values,
            b"ee1:t", &string(&transaction), b"1:y1:re",
        ].concat();
        let response = response(&datagram);
        prop_assert_eq!(response.transaction, transaction);
        prop_assert_eq!(response.id, NodeId(id));
        let read: Vec<_> = contacts4(response.nodes).map(|(id, at)| (id.0, at)).collect();
        prop_assert_eq!(read, nodes);
        prop_assert!(response.values.eq(peers.iter().map(|peer| &peer[..])));
    }
}
