//! What honest peers say, and the outcome that follows.

use std::time::Duration;

use crate::meeting::{HASH, Meeting, meet, params, visit, with_pieces};
use seedwatch_clock::Mono;
use seedwatch_dev_peer::{Accepts, Behaviour, ScriptedPeer};
use seedwatch_peer::Reason::*;
use seedwatch_peer::frame::id::{BITFIELD, HAVE, HAVE_ALL, HAVE_NONE, INTERESTED, NOT_INTERESTED};
use seedwatch_peer::handshake::Reserved;
use seedwatch_peer::{CompleteAgo, ConnectError, Encryption, Outcome, Reason, Visit, VisitParams};
use seedwatch_torrent::{Hashes, InfoHash, InfoHashV2};

fn peer() -> Behaviour {
    Behaviour::new(HASH)
}

/// A peer without BEP 6 and BEP 10.
fn old() -> Behaviour {
    Behaviour {
        reserved: Reserved::default(),
        ..peer()
    }
}

fn haves(pieces: impl IntoIterator<Item = u32>, behaviour: Behaviour) -> Behaviour {
    let say = |peer: Behaviour, piece: u32| peer.says(HAVE, &piece.to_be_bytes());
    pieces.into_iter().fold(behaviour, say)
}

const LIBTORRENT: &str = "d12:complete_agoi60e1:md11:lt_donthavei7e11:upload_onlyi3e\
                          11:ut_metadatai2ee4:reqqi500e1:v18:libtorrent/2.0.8.0e";
const UPLOAD_ONLY: &str = "d1:md11:upload_onlyi3ee11:upload_onlyi1e1:v18:libtorrent/2.0.8.0e";
const LOST: &[u8] = &[7, 0, 0, 0, 5];

/// Visits each peer.
fn check(params: &VisitParams, cases: &[(&str, Behaviour, Reason)]) {
    for (name, behaviour, expected) in cases {
        let report = visit(params.clone(), behaviour);
        assert_eq!(report.reason, *expected, "{name}");
    }
}

#[test]
fn complete_peers_and_partial_ones() {
    let cases = [
        (
            "libtorrent seeds",
            peer().extends(UPLOAD_ONLY).says(HAVE_ALL, &[]),
            HasAll,
        ),
        (
            "have-all before the extension handshake",
            peer().says(HAVE_ALL, &[]).extends(UPLOAD_ONLY),
            HasAll,
        ),
        (
            "rtorrent seeds: a bitfield, no BEP 6",
            old().says(BITFIELD, &[0xff, 0xc0]),
            HasAll,
        ),
        ("spare bits", old().says(BITFIELD, &[0xff, 0xff]), HasAll),
        (
            "libtorrent downloads",
            peer().extends(LIBTORRENT).says(BITFIELD, &[0xf0, 0x40]),
            LacksPieces,
        ),
        (
            "a partial seed wants no more and is not complete",
            peer().extends(UPLOAD_ONLY).says(BITFIELD, &[0xff, 0x80]),
            LacksPieces,
        ),
        (
            "a lazy bitfield of a seeder",
            haves([2, 9], old().says(BITFIELD, &[0xdf, 0x80])),
            HasAll,
        ),
        (
            "a downloader that completes a piece meanwhile",
            haves([2], old().says(BITFIELD, &[0xdf, 0x80])),
            LacksPieces,
        ),
        ("all pieces named one by one", haves(0..10, old()), HasAll),
        (
            "nearly all pieces named one by one",
            haves(0..9, old()),
            LacksPieces,
        ),
    ];
    check(&with_pieces(10), &cases);
}

#[test]
fn empty_peers_and_those_that_only_look_so() {
    let cases = [
        (
            "libtorrent has just begun",
            peer().extends(LIBTORRENT).says(HAVE_NONE, &[]),
            HasNone,
        ),
        (
            "a bitfield of zeros",
            old().says(BITFIELD, &[0, 0]),
            HasNone,
        ),
        (
            "libtorrent super-seeds: nothing, and two pieces",
            haves([3, 7], peer().extends(LIBTORRENT).says(HAVE_NONE, &[])),
            PossibleSuperSeed,
        ),
        (
            "a super-seeder without BEP 6",
            haves([3], old()),
            PossibleSuperSeed,
        ),
        (
            "a super-seeder that sends zeros first",
            haves([3], old().says(BITFIELD, &[0, 0])),
            PossibleSuperSeed,
        ),
        (
            "nothing, and no wish for more",
            peer().extends(UPLOAD_ONLY).says(HAVE_NONE, &[]),
            PossibleSuperSeed,
        ),
        (
            "rtorrent has nothing: keep-alives and interest",
            Behaviour {
                messages: vec![0; 8],
                ..old()
            }
            .says(INTERESTED, &[]),
            HasNone,
        ),
        (
            "rtorrent seeds initially: keep-alives and a piece",
            haves(
                [0],
                Behaviour {
                    messages: vec![0; 8],
                    ..old()
                },
            ),
            PossibleSuperSeed,
        ),
        (
            "a peer with BEP 6 must say that it has nothing",
            peer().says(INTERESTED, &[]),
            NoPieceState,
        ),
        (
            "interest that ends",
            old().says(INTERESTED, &[]).says(NOT_INTERESTED, &[]),
            NoPieceState,
        ),
        (
            "a keep-alive: nothing to conclude",
            Behaviour {
                messages: vec![0; 4],
                ..old()
            },
            NoPieceState,
        ),
        (
            "libtorrent without metadata, or checking files",
            peer().extends(LIBTORRENT),
            NoPieceState,
        ),
    ];
    check(&with_pieces(10), &cases);
}

#[test]
fn messages_that_name_no_piece() {
    let cases = [
        (
            "an allowed-fast piece is not one that the peer has",
            peer().says(HAVE_NONE, &[]).says(17, &[0, 0, 0, 3]),
            HasNone,
        ),
        (
            "a suggested piece, a port, an unchoke and an unknown message",
            peer()
                .says(HAVE_NONE, &[])
                .says(13, &[0, 0, 0, 3])
                .says(9, &[1, 2])
                .says(1, &[])
                .says(77, b"?"),
            HasNone,
        ),
        (
            "a piece is lost (BEP 54)",
            peer().says(BITFIELD, &[0xf8, 0x00]).says(20, LOST),
            LacksPieces,
        ),
    ];
    check(&with_pieces(10), &cases);
}

#[test]
fn outcomes_without_metadata() {
    let cases = [
        ("have-all", peer().says(HAVE_ALL, &[]), HasAll),
        (
            "ones up to the last bit",
            old().says(BITFIELD, &[0xff; 2]),
            HasAll,
        ),
        (
            "ones and a few zeros: a seeder, or one that lacks the end",
            old().says(BITFIELD, &[0xff, 0xf0]),
            PieceCountUnknown,
        ),
        (
            "the same from a partial seed or a seeder",
            peer().extends(UPLOAD_ONLY).says(BITFIELD, &[0xff, 0xf0]),
            PieceCountUnknown,
        ),
        ("a hole", old().says(BITFIELD, &[0xef, 0xf0]), LacksPieces),
        (
            "a hole that is filled",
            haves([3], old().says(BITFIELD, &[0xef, 0xf0])),
            PieceCountUnknown,
        ),
        (
            "the last byte is empty: its first piece exists and is missing",
            old().says(BITFIELD, &[0xff, 0x00]),
            LacksPieces,
        ),
        (
            "nine pieces from the first, one by one",
            haves(0..9, old()),
            PieceCountUnknown,
        ),
        ("nine pieces with a hole", haves(1..10, old()), LacksPieces),
        ("none", peer().says(HAVE_NONE, &[]), HasNone),
    ];
    check(&params(), &cases);
}

#[test]
fn connections_that_fail() {
    for (error, reason, outcome) in [
        (ConnectError::Timeout, Reason::Timeout, Outcome::Unreachable),
        (ConnectError::NoRoute, Reason::NoRoute, Outcome::Unreachable),
        (
            ConnectError::Refused,
            Reason::ConnectionRefused,
            Outcome::Refused,
        ),
    ] {
        let mut visit = Visit::new(params(), [0; 32]);
        visit.connect_failed(error);
        let report = visit.into_report().unwrap();
        assert_eq!((report.reason, report.outcome()), (reason, outcome));
        assert_eq!(report.pieces, None);
    }
}

#[test]
fn a_peer_that_closes_without_a_byte_is_asked_once_more() {
    let mut visit = Visit::new(params(), [0; 32]);
    visit.connected(Mono(0));
    visit.closed(Mono(10));
    assert!(visit.needs_connection() && visit.report().is_none());
    let mut other = Visit::new(params(), [0; 32]);
    other.connected(Mono(0));
    other.closed(Mono(10));

    visit.connected(Mono(20));
    assert!(
        !visit.take_output().starts_with(b"\x13BitTorrent"),
        "encrypted"
    );
    visit.closed(Mono(30));
    assert_eq!(visit.report().unwrap().reason, Reason::ClosedAtOnce);
    assert_eq!(visit.report().unwrap().outcome(), Outcome::Closed);

    other.connect_failed(ConnectError::Refused);
    assert_eq!(other.report().unwrap().reason, Reason::ClosedAtOnce);

    let mut plain = Visit::new(
        VisitParams {
            encryption: Encryption::Disable,
            ..params()
        },
        [0; 32],
    );
    plain.connected(Mono(0));
    plain.closed(Mono(10));
    assert_eq!(plain.report().unwrap().reason, Reason::ClosedAtOnce);
}

#[test]
fn a_peer_that_closes_later_is_judged_by_what_it_said() {
    for (name, behaviour, expected) in [
        ("nothing", peer(), ClosedBeforePieces),
        ("all", peer().says(HAVE_ALL, &[]), HasAll),
        (
            "nothing to give",
            peer().says(HAVE_NONE, &[]),
            ClosedUnsettled,
        ),
        ("some", peer().says(BITFIELD, &[0xf0]), ClosedUnsettled),
        ("a few", haves([1], peer()), ClosedUnsettled),
    ] {
        let mut peer = ScriptedPeer::new(behaviour, [1; 32]);
        let mut visit = Visit::new(with_pieces(8), [0; 32]);
        visit.connected(Mono(0));
        peer.receive(&visit.take_output());
        visit.receive(&peer.take_output(), Mono(10));
        visit.closed(Mono(20));
        let report = visit.into_report().unwrap();
        assert_eq!(report.reason, expected, "{name}");
        assert_eq!(report.pieces.is_some(), name != "nothing", "{name}");
    }
    let mut visit = Visit::new(with_pieces(8), [0; 32]);
    visit.connected(Mono(0));
    visit.receive(b"\x13BitTorrent protocol", Mono(10));
    visit.closed(Mono(20));
    assert_eq!(visit.report().unwrap().reason, ClosedInHandshake);
}

#[test]
fn silence_is_told_from_slowness() {
    let mut silent = Visit::new(params(), [0; 32]);
    silent.connected(Mono(5_000));
    assert_eq!(silent.next_timeout(), Some(Mono(15_000)));
    silent.poll(Mono(14_999));
    assert_eq!(silent.report(), None);
    silent.poll(Mono(15_000));
    assert_eq!(silent.report().unwrap().reason, Reason::Silent);
    assert_eq!(silent.next_timeout(), None);

    let mut slow = Visit::new(params(), [0; 32]);
    slow.connected(Mono(0));
    for (at, byte) in (0..).zip(b"\x13BitTorrent") {
        slow.receive(&[*byte], Mono(at * 1_000));
    }
    assert_eq!(slow.report().unwrap().reason, Reason::HandshakeTimeout);
}

#[test]
fn visits_end_as_soon_as_possible() {
    let took = |behaviour: &Behaviour| -> Duration {
        let Meeting { duration, .. } = meet(with_pieces(8), behaviour, usize::MAX);
        duration
    };
    assert_eq!(took(&peer().says(HAVE_ALL, &[])), Duration::ZERO);
    assert_eq!(took(&peer().says(BITFIELD, &[0xff])), Duration::ZERO);
    let quiet = Duration::from_millis(2_500);
    assert_eq!(took(&peer().says(BITFIELD, &[0xf0])), quiet);
    assert_eq!(took(&haves([1], peer().says(HAVE_NONE, &[]))), quiet);
    let nothing = Duration::from_secs(13);
    assert_eq!(took(&peer().says(HAVE_NONE, &[])), nothing);
    assert_eq!(took(&peer().says(BITFIELD, &[0])), nothing);
    let settle = Duration::from_secs(10);
    assert_eq!(took(&peer()), settle);
    assert_eq!(took(&haves([1], peer())), settle);
}

/// As libtorrent 2.0 does when it super-seeds and the connection came from the other side.
#[test]
fn a_super_seeder_that_takes_ten_seconds_is_not_empty() {
    let mut peer = ScriptedPeer::new(peer().says(HAVE_NONE, &[]), [1; 32]);
    let mut visit = Visit::new(with_pieces(16), [0; 32]);
    visit.connected(Mono(0));
    peer.receive(&visit.take_output());
    visit.receive(&peer.take_output(), Mono(0));
    visit.poll(Mono(10_190));
    visit.receive(&[0, 0, 0, 5, HAVE, 0, 0, 0, 11], Mono(10_190));
    assert_eq!(visit.report().unwrap().reason, Reason::PossibleSuperSeed);
}

#[test]
fn news_extend_a_visit_up_to_a_limit() {
    let mut peer = ScriptedPeer::new(peer().says(BITFIELD, &[0; 2]), [1; 32]);
    let mut visit = Visit::new(with_pieces(16), [0; 32]);
    visit.connected(Mono(0));
    peer.receive(&visit.take_output());
    visit.receive(&peer.take_output(), Mono(0));
    for piece in 0..4 {
        let now = Mono(2_400 * (u64::from(piece) + 1));
        let mut have = Vec::new();
        seedwatch_peer::frame::write(&mut have, HAVE, &u32::to_be_bytes(piece));
        // The same piece twice is no news.
        visit.receive(&have, now);
        visit.receive(&have, Mono(now.0 + 1));
        assert_eq!(
            visit.next_timeout(),
            Some(Mono((now.0 + 2_500).min(10_000)))
        );
    }
    visit.poll(Mono(10_000));
    assert_eq!(visit.report().unwrap().reason, Reason::PossibleSuperSeed);
}

#[test]
fn claims_are_reported() {
    let report = visit(
        params(),
        &peer().extends(LIBTORRENT).says(BITFIELD, &[0x40]),
    );
    let minute = CompleteAgo::Ago(Duration::from_secs(60));
    assert_eq!(report.claims.complete_ago, Some(minute));
    assert_eq!(report.claims.client.as_deref(), Some("libtorrent/2.0.8.0"));
    assert_eq!(report.info_hash, Some(HASH));
    assert_eq!(report.encryption, None);
    assert!(report.pieces.unwrap().contains(1));
}

#[test]
fn a_hybrid_may_answer_with_its_version_2_hash() {
    let v2 = InfoHashV2([9; 32]);
    let mut params = params();
    params.hashes = Hashes::of(Some(HASH), Some(v2)).unwrap();
    let upgraded = Behaviour {
        answer_hash: v2.truncated(),
        ..peer().says(HAVE_ALL, &[])
    };
    let met = meet(params.clone(), &upgraded, usize::MAX);
    assert_eq!(met.report.reason, Reason::HasAll);
    assert_eq!(met.report.info_hash, Some(v2.truncated()));
    let ours = met.peers[0].handshake().unwrap();
    assert!(ours.reserved.has(Reserved::V2));

    // Not the other way round, and not with the hash of another torrent.
    let other = Behaviour {
        answer_hash: InfoHash([1; 20]),
        ..upgraded.clone()
    };
    assert_eq!(visit(params.clone(), &other).outcome(), Outcome::WrongHash);
    params.info_hash = v2.truncated();
    let downgraded = Behaviour {
        info_hash: v2.truncated(),
        answer_hash: HASH,
        ..peer()
    };
    assert_eq!(visit(params, &downgraded).outcome(), Outcome::WrongHash);
    // Without the version 2 hash, it is not invited.
    let met = meet(crate::meeting::params(), &upgraded, usize::MAX);
    assert_eq!(met.report.outcome(), Outcome::WrongHash);
    assert!(!met.peers[0].handshake().unwrap().reserved.has(Reserved::V2));
}

#[test]
fn a_visit_says_that_it_has_nothing_and_wants_nothing() {
    let behaviour = peer().extends(LIBTORRENT).says(BITFIELD, &[0xf0]);
    for accepts in [
        Accepts::Plaintext,
        Accepts::Required(seedwatch_peer::mse::Method::Rc4),
    ] {
        let behaviour = Behaviour {
            accepts,
            ..behaviour.clone()
        };
        let met = meet(params(), &behaviour, usize::MAX);
        let heard = &met.peers.last().unwrap().heard;
        let ids: Vec<u8> = heard.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [HAVE_NONE, 20, 3]);
        assert_eq!(heard[1].1, b"\0d1:md11:lt_donthavei7ee1:v13:seedwatch/0.1e");
    }
    let met = meet(params(), &old().says(BITFIELD, &[0xf0]), usize::MAX);
    let ids: Vec<u8> = met.peers[0].heard.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [3], "a peer without BEP 6 and BEP 10");
}
