//! Peers that break the protocol or never stop.

use crate::meeting::{HASH, OUR_ID, params, visit, with_pieces};
use seedwatch_clock::Mono;
use seedwatch_dev_peer::{Behaviour, ScriptedPeer};
use seedwatch_peer::frame::id::{BITFIELD, EXTENDED, HAVE, HAVE_NONE};
use seedwatch_peer::{Encryption, MAX_METADATA, MAX_PIECES, Outcome, Reason, Visit, VisitParams};
use seedwatch_torrent::InfoHash;

fn peer() -> Behaviour {
    Behaviour::new(HASH)
}

/// A message with a length of its own.
fn raw(length: u32, id: u8, body: &[u8]) -> Behaviour {
    let messages = [&length.to_be_bytes()[..], &[id], body].concat();
    Behaviour { messages, ..peer() }
}

#[test]
fn violations_discard_what_the_peer_said() {
    let absent = 10u32.to_be_bytes();
    let most = MAX_PIECES.to_be_bytes();
    for (name, behaviour) in [
        ("a short bitfield", peer().says(BITFIELD, &[0xff])),
        ("a long bitfield", peer().says(BITFIELD, &[0xff; 3])),
        ("an empty bitfield", peer().says(BITFIELD, &[])),
        ("a huge bitfield", raw(1 << 20, BITFIELD, &[0; 100])),
        ("a frame of 4 GiB", raw(u32::MAX, 99, &[])),
        ("a piece that does not exist", peer().says(HAVE, &absent)),
        ("a piece far away", peer().says(HAVE, &most)),
        ("the last number", peer().says(HAVE, &[0xff; 4])),
        ("half a number", peer().says(HAVE, &[0; 3])),
        ("have-none with a body", peer().says(HAVE_NONE, &[0])),
        (
            "a lost piece that does not exist",
            peer().says(EXTENDED, &[7, 0, 0, 0, 10]),
        ),
        ("a lost piece without number", peer().says(EXTENDED, &[7])),
        (
            "an extension message without id",
            peer().says(EXTENDED, &[]),
        ),
        (
            "an extension handshake that is no bencode",
            peer().extends("hello"),
        ),
        ("an extension handshake that is cut", peer().extends("d1:v")),
        ("a list", peer().extends("le")),
        ("deep nesting", peer().extends(&"l".repeat(10_000))),
        ("a long extension message", raw(70_000, EXTENDED, &[0; 100])),
    ] {
        let report = visit(with_pieces(10), &behaviour.says(BITFIELD, &[0xf0, 0]));
        assert_eq!(report.reason, Reason::Violation, "{name}");
        assert_eq!(report.outcome(), Outcome::Unknown, "{name}");
        assert_eq!(report.pieces, None, "{name}");
    }
    let two_lengths = peer().says(BITFIELD, &[0xf0]).says(BITFIELD, &[0xf0; 2]);
    assert_eq!(visit(params(), &two_lengths).reason, Reason::Violation);
    let beyond = peer().says(BITFIELD, &[0xf0]).says(HAVE, &[0, 0, 0, 8]);
    assert_eq!(visit(params(), &beyond).reason, Reason::Violation);
    let most = peer().says(HAVE, &MAX_PIECES.to_be_bytes());
    assert_eq!(visit(params(), &most).reason, Reason::Violation);
}

#[test]
fn floods_end_a_visit() {
    let frames = |frame: &[u8]| Behaviour {
        messages: frame.repeat(1_100_000 / frame.len()),
        ..peer()
    };
    let have = [0, 0, 0, 5, HAVE, 0, 0, 0, 1];
    let mut extension = vec![0, 0, 0, 4, EXTENDED, 0];
    extension.extend(b"de");
    let mut unknown = vec![0, 0, 0x40, 1, 99];
    unknown.resize(0x4005, 0);
    for (name, frame) in [
        ("the same piece", &have[..]),
        ("keep-alives", &[0; 4]),
        ("chokes", &[0, 0, 0, 1, 0]),
        ("extension handshakes", &extension),
        ("unknown messages", &unknown),
    ] {
        let report = visit(params(), &frames(frame));
        assert_eq!(report.reason, Reason::Flood, "{name}");
        assert_eq!(report.pieces, None, "{name}");
    }
}

#[test]
fn other_services_are_recognized_by_their_first_byte() {
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n"[..],
        b"SSH-2.0-x",
        b"\x15\x03",
        b"\x13Bi2",
    ] {
        let mut visit = Visit::new(params(), [0; 32]);
        visit.connected(Mono(0));
        visit.receive(answer, Mono(1));
        assert_eq!(visit.report().unwrap().reason, Reason::NotBitTorrent);
    }
}

#[test]
fn echoes_are_no_peers() {
    for encryption in [Encryption::Disable, Encryption::Allow, Encryption::Require] {
        let params = VisitParams {
            encryption,
            ..params()
        };
        let mut visit = Visit::new(params, [3; 32]);
        visit.connected(Mono(0));
        let echo = visit.take_output();
        visit.receive(&echo, Mono(1));
        let report = visit.into_report().unwrap();
        assert_eq!(report.reason, Reason::OwnPeerId, "{encryption:?}");
        assert_eq!(report.outcome(), Outcome::Unknown);
    }
    let ourselves = Behaviour {
        peer_id: OUR_ID,
        ..peer().says(BITFIELD, &[0xff])
    };
    assert_eq!(visit(params(), &ourselves).reason, Reason::OwnPeerId);
}

#[test]
fn another_hash_is_found_before_the_peer_id() {
    let theirs = seedwatch_peer::handshake::Handshake {
        reserved: Default::default(),
        info_hash: InfoHash([1; 20]),
        peer_id: [0; 20],
    };
    let mut visit = Visit::new(params(), [0; 32]);
    visit.connected(Mono(0));
    visit.receive(&theirs.to_bytes()[..48], Mono(1));
    let report = visit.into_report().unwrap();
    assert_eq!(report.outcome(), Outcome::WrongHash);
    assert_eq!(report.info_hash, None);
}

#[test]
fn endless_padding_ends_a_key_exchange() {
    let params = VisitParams {
        encryption: Encryption::Require,
        ..params()
    };
    let mut visit = Visit::new(params, [0; 32]);
    visit.connected(Mono(0));
    let mut received = 0;
    while visit.report().is_none() {
        visit.receive(&[0x55], Mono(1));
        received += 1;
        assert!(received <= 96 + 512 + 8 && visit.memory() < 16_384);
    }
    assert_eq!(visit.report().unwrap().reason, Reason::EncryptionFailed);
}

#[test]
fn impossible_keys_end_a_key_exchange() {
    for key in [[0; 96], [0xff; 96]] {
        let params = VisitParams {
            encryption: Encryption::Require,
            ..params()
        };
        let mut visit = Visit::new(params, [0; 32]);
        visit.connected(Mono(0));
        visit.receive(&key, Mono(1));
        assert_eq!(visit.report().unwrap().reason, Reason::EncryptionFailed);
    }
}

#[test]
fn calls_out_of_order_change_nothing() {
    let mut visit = Visit::new(params(), [0; 32]);
    visit.receive(b"early", Mono(0));
    visit.closed(Mono(0));
    visit.poll(Mono(1_000_000));
    assert!(visit.needs_connection() && visit.report().is_none());
    visit.connect_failed(seedwatch_peer::ConnectError::Timeout);
    let report = visit.report().cloned();
    visit.connected(Mono(0));
    visit.connect_failed(seedwatch_peer::ConnectError::Refused);
    visit.receive(b"late", Mono(0));
    visit.closed(Mono(0));
    visit.poll(Mono(2_000_000));
    assert_eq!(visit.report().cloned(), report);
    assert!(visit.take_output().is_empty());
}

/// What a peer can make a visit hold at most: a piece far away, a bitfield that does not end, and
/// metadata that lacks its last block.
#[test]
fn the_worst_peer_stays_within_the_memory_bound() {
    let size = MAX_METADATA;
    let blocks = size / 16_384;
    let far = MAX_PIECES - 1;
    let mut behaviour = peer()
        .says(HAVE, &far.to_be_bytes())
        .extends(&format!("d1:md11:ut_metadatai3ee13:metadata_sizei{size}ee"));
    for block in 0..blocks - 1 {
        let head = format!("\x02d8:msg_typei1e5:piecei{block}ee");
        behaviour = behaviour.says(EXTENDED, &[head.as_bytes(), &[1; 16_384]].concat());
    }
    let length = MAX_PIECES / 8 + 1;
    behaviour.messages.extend(length.to_be_bytes());
    behaviour.messages.push(BITFIELD);
    behaviour
        .messages
        .extend(vec![1; MAX_PIECES as usize / 8 - 1]);
    let mut peer = ScriptedPeer::new(behaviour, [1; 32]);
    let params = VisitParams {
        fetch_metadata: true,
        ..params()
    };
    let mut visit = Visit::new(params, [0; 32]);
    visit.connected(Mono(0));
    peer.receive(&visit.take_output());
    let mut most = 0;
    for part in peer.take_output().chunks(1_000) {
        visit.receive(part, Mono(1));
        most = most.max(visit.memory());
    }
    assert_eq!(visit.report(), None);
    assert!(most <= Visit::MAX_MEMORY, "{most}");
    assert!(
        most > MAX_METADATA + 2 * MAX_PIECES as usize / 8 - 40_000,
        "{most}"
    );
}
