//! Metadata from peers: fetched, verified, and used to count pieces.

use std::time::Duration;

use crate::meeting::{meet, params, visit};
use seedwatch_dev_peer::{Accepts, Behaviour};
use seedwatch_peer::frame::id::{BITFIELD, EXTENDED, HAVE_ALL, HAVE_NONE};
use seedwatch_peer::handshake::Reserved;
use seedwatch_peer::mse::Method;
use seedwatch_peer::{MAX_METADATA, MetadataResult, Reason, VisitParams};
use seedwatch_torrent::{Hashes, InfoHash, Metainfo};
use sha1::{Digest, Sha1};

/// An info dictionary of so many pieces.
fn info(pieces: usize) -> Vec<u8> {
    let mut info = format!("d4:name1:x12:piece lengthi16384e6:pieces{}:", pieces * 20).into_bytes();
    info.extend((0..pieces * 20).map(|at| (at % 251) as u8));
    info.push(b'e');
    info
}

fn hash(info: &[u8]) -> InfoHash {
    let file = [b"d4:info", info, b"e"].concat();
    Metainfo::parse(&file).unwrap().hashes.v1().unwrap()
}

fn wanting(info: &[u8]) -> VisitParams {
    VisitParams {
        hashes: Hashes::V1(hash(info)),
        info_hash: hash(info),
        fetch_metadata: true,
        ..params()
    }
}

fn peer(info: &[u8]) -> Behaviour {
    Behaviour::new(hash(info))
}

#[test]
fn metadata_of_any_length_is_fetched_and_verified() {
    for pieces in [1, 12, 800, 820, 5_000, 200_000] {
        let info = info(pieces);
        for accepts in [Accepts::Plaintext, Accepts::Required(Method::Rc4)] {
            let behaviour = Behaviour {
                accepts,
                ..peer(&info).says(HAVE_ALL, &[]).offers(info.clone())
            };
            let met = meet(wanting(&info), &behaviour, 10_000);
            let MetadataResult::Verified(metadata) = &met.report.metadata else {
                panic!("{pieces}: {:?}", met.report.metadata);
            };
            assert_eq!(metadata.info(), info);
            assert_eq!(metadata.pieces().get() as usize, pieces);
            assert_eq!(met.report.reason, Reason::HasAll);
            assert_eq!(met.duration, Duration::ZERO);
            assert_eq!(met.report.claims.metadata_size, Some(info.len() as u64));
        }
    }
}

#[test]
fn the_number_of_pieces_decides_what_was_undecided() {
    let info = info(12);
    let seeder = peer(&info).says(BITFIELD, &[0xff, 0xf0]);
    assert_eq!(
        visit(wanting(&info), &seeder).reason,
        Reason::PieceCountUnknown
    );
    let offering = seeder.offers(info.clone());
    assert_eq!(visit(wanting(&info), &offering).reason, Reason::HasAll);
    let partial = peer(&info)
        .says(BITFIELD, &[0xff, 0xe0])
        .offers(info.clone());
    let report = visit(wanting(&info), &partial);
    assert_eq!(report.reason, Reason::LacksPieces);
    assert_eq!(report.pieces.unwrap().len(), Some(11));
    let contradictory = peer(&info).says(BITFIELD, &[0xff; 3]).offers(info.clone());
    let report = visit(wanting(&info), &contradictory);
    assert_eq!(report.reason, Reason::Violation);
    assert!(
        matches!(report.metadata, MetadataResult::Verified(_)),
        "the metadata is right all the same"
    );
}

#[test]
fn a_piece_that_was_lost_makes_all_pieces_partial() {
    let info = info(12);
    let behaviour = peer(&info)
        .says(HAVE_ALL, &[])
        .says(EXTENDED, &[7, 0, 0, 0, 5]);
    let report = visit(wanting(&info), &behaviour.clone().extends("de"));
    assert_eq!(report.reason, Reason::LacksPieces);
    let report = visit(wanting(&info), &behaviour.offers(info.clone()));
    assert_eq!(report.pieces.unwrap().len(), Some(11));
}

#[test]
fn everything_else_has_a_name() {
    let right = info(12);
    let wrong = info(13);
    let say = |text: &str| peer(&right).says(HAVE_NONE, &[]).extends(text);
    let offer = "d1:md11:ut_metadatai3ee13:metadata_sizei300ee";
    let message = |text: &str| say(offer).says(EXTENDED, &[b"\x02", text.as_bytes()].concat());
    let huge = MAX_METADATA + 1;
    let old = Behaviour {
        reserved: Reserved::FAST,
        ..peer(&right).says(HAVE_NONE, &[])
    };
    for (name, behaviour, expected) in [
        ("no extensions", old, MetadataResult::NotOffered),
        (
            "no handshake",
            peer(&right).says(HAVE_NONE, &[]),
            MetadataResult::NotOffered,
        ),
        (
            "no id",
            say("d13:metadata_sizei300ee"),
            MetadataResult::NotOffered,
        ),
        (
            "no size",
            say("d1:md11:ut_metadatai3eee"),
            MetadataResult::NotOffered,
        ),
        (
            "disabled",
            say("d1:md11:ut_metadatai0ee13:metadata_sizei300ee"),
            MetadataResult::NotOffered,
        ),
        (
            "size 0",
            say("d1:md11:ut_metadatai3ee13:metadata_sizei0ee"),
            MetadataResult::BadSize,
        ),
        (
            "too large",
            say(&format!("d1:md11:ut_metadatai3ee13:metadata_sizei{huge}ee")),
            MetadataResult::BadSize,
        ),
        ("silence", say(offer), MetadataResult::Unfinished),
        (
            "reject",
            message("d8:msg_typei2e5:piecei0ee"),
            MetadataResult::Rejected,
        ),
        (
            "short",
            message("d8:msg_typei1e5:piecei0eex"),
            MetadataResult::Malformed,
        ),
        ("no bencode", message("hello"), MetadataResult::Malformed),
        (
            "something else",
            peer(&right).says(HAVE_NONE, &[]).offers(wrong),
            MetadataResult::WrongHash,
        ),
    ] {
        let report = visit(wanting(&right), &behaviour);
        assert_eq!(report.metadata, expected, "{name}");
        assert_eq!(report.reason, Reason::HasNone, "{name}");
    }
    let unusable = b"d4:name1:xe".to_vec();
    let hash = InfoHash(Sha1::digest(&unusable).into());
    let unusable = Behaviour::new(hash).offers(unusable);
    let report = visit(
        VisitParams {
            hashes: Hashes::V1(hash),
            info_hash: hash,
            fetch_metadata: true,
            ..params()
        },
        &unusable,
    );
    assert_eq!(report.metadata, MetadataResult::Unusable);
}

#[test]
fn a_peer_that_wants_metadata_gets_rejects_and_not_many() {
    let right = info(12);
    let ask = b"\x02d8:msg_typei0e5:piecei4ee";
    let offer = "d1:md11:ut_metadatai3ee13:metadata_sizei300ee";
    let mut behaviour = peer(&right).extends(offer);
    for _ in 0..20 {
        behaviour = behaviour.says(EXTENDED, ask);
    }
    let met = meet(wanting(&right), &behaviour, usize::MAX);
    let reject = b"\x03d8:msg_typei2e5:piecei4ee";
    let heard = met.peers[0].heard.iter();
    assert_eq!(heard.filter(|(_, body)| body == reject).count(), 4);
}

#[test]
fn metadata_is_not_fetched_unless_it_is_wanted() {
    let info = info(12);
    let params = VisitParams {
        fetch_metadata: false,
        ..wanting(&info)
    };
    let behaviour = peer(&info).offers(info.clone()).says(BITFIELD, &[0xf0, 0]);
    let met = meet(params, &behaviour, usize::MAX);
    assert_eq!(met.report.metadata, MetadataResult::NotAsked);
    let handshakes = met.peers[0].heard.iter().filter(|(id, _)| *id == EXTENDED);
    assert_eq!(handshakes.count(), 1);
}
