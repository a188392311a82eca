//! What holds for any bytes: no panic, bounded memory, an end, and the same report however the
//! bytes were split.

use crate::meeting::{HASH, meet, params};
use proptest::prelude::*;
use seedwatch_clock::Mono;
use seedwatch_dev_peer::{Accepts, Behaviour, ScriptedPeer};
use seedwatch_peer::frame::{self, id};
use seedwatch_peer::handshake::{Handshake, Reserved};
use seedwatch_peer::mse::Method;
use seedwatch_peer::{Encryption, Reason, Visit, VisitParams, VisitReport};

/// A message that is often valid.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let framed = |id: u8, body: Vec<u8>| {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, id, &body);
        bytes
    };
    let piece = (0u32..20).prop_map(|piece| piece.to_be_bytes().to_vec());
    let bits = prop::collection::vec(any::<u8>(), 2..4);
    let offer = Just(b"\0d1:md11:ut_metadatai3ee13:metadata_sizei20000ee".to_vec());
    let data = prop_oneof![Just(16_384usize), 0usize..20_000].prop_map(|length| {
        let head = b"\x02d8:msg_typei1e5:piecei0ee".to_vec();
        [head, vec![1; length]].concat()
    });
    let lost = (0u8..20).prop_map(|piece| vec![7, 0, 0, 0, piece]);
    prop_oneof![
        4 => piece.prop_map(move |body| framed(id::HAVE, body)),
        4 => bits.prop_map(move |body| framed(id::BITFIELD, body)),
        1 => Just(framed(id::HAVE_ALL, vec![])),
        2 => Just(framed(id::HAVE_NONE, vec![])),
        2 => offer.prop_map(move |body| framed(id::EXTENDED, body)),
        2 => data.prop_map(move |body| framed(id::EXTENDED, body)),
        2 => lost.prop_map(move |body| framed(id::EXTENDED, body)),
        1 => any::<Vec<u8>>().prop_map(move |body| framed(id::EXTENDED, body)),
        1 => (any::<u8>(), any::<Vec<u8>>()).prop_map(move |(id, body)| framed(id, body)),
        1 => any::<Vec<u8>>(),
        1 => Just(vec![0; 4]),
    ]
}

fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let theirs = Handshake {
        reserved: Reserved::FAST.with(Reserved::EXTENSIONS),
        info_hash: HASH,
        peer_id: [1; 20],
    };
    let messages = prop::collection::vec(message(), 0..12);
    messages.prop_map(move |messages| [theirs.to_bytes().to_vec(), messages.concat()].concat())
}

/// Sizes of parts, used in turn.
fn splits() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1usize..8, 1usize..2_000], 1..8)
}

/// Passes bytes in parts; then lets the time pass.
fn run(params: VisitParams, bytes: &[u8], splits: &[usize]) -> (VisitReport, Vec<u8>) {
    let mut visit = Visit::new(params, [5; 32]);
    let mut sent = Vec::new();
    visit.connected(Mono(0));
    let (mut rest, mut splits) = (bytes, splits.iter().cycle());
    while !rest.is_empty() {
        let length = splits.next().map_or(rest.len(), |it| rest.len().min(*it));
        let (part, after) = rest.split_at(length);
        visit.receive(part, Mono(10));
        assert!(visit.memory() <= Visit::MAX_MEMORY);
        sent.extend(visit.take_output());
        rest = after;
    }
    let mut timeouts = 0;
    while let Some(at) = visit.next_timeout() {
        visit.poll(at);
        timeouts += 1;
        assert!(timeouts < 4, "a timeout that ends nothing");
    }
    (visit.into_report().unwrap(), sent)
}

fn wanting(fetch_metadata: bool, encryption: Encryption) -> VisitParams {
    VisitParams {
        fetch_metadata,
        encryption,
        ..params()
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_report(
        bytes in conversation(),
        splits in splits(),
        fetch_metadata: bool,
    ) {
        let params = wanting(fetch_metadata, Encryption::Allow);
        let (whole, _) = run(params.clone(), &bytes, &[usize::MAX]);
        let (parts, _) = run(params, &bytes, &splits);
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn any_split_gives_the_same_report_through_encryption(
        bytes in conversation(),
        split in prop_oneof![1usize..4, 4usize..3_000],
        padding in 0usize..=512,
        method in prop_oneof![Just(Method::Rc4), Just(Method::Plaintext)],
        fetch_metadata: bool,
    ) {
        let behaviour = Behaviour {
            accepts: Accepts::Any(method),
            padding,
            messages: bytes[68..].to_vec(),
            ..Behaviour::new(HASH)
        };
        let plain = wanting(fetch_metadata, Encryption::Disable);
        let plain = meet(plain, &behaviour, usize::MAX).report;
        let params = wanting(fetch_metadata, Encryption::Require);
        let whole = meet(params.clone(), &behaviour, usize::MAX).report;
        prop_assert_eq!(&meet(params, &behaviour, split).report, &whole);
        prop_assert_eq!(whole.reason, plain.reason);
        prop_assert_eq!(whole.pieces, plain.pieces);
        prop_assert_eq!(whole.metadata, plain.metadata);
    }

    #[test]
    fn any_bytes_end_in_a_report(
        bytes: Vec<u8>,
        splits in splits(),
        encryption in prop_oneof![Just(Encryption::Disable), Just(Encryption::Require)],
    ) {
        run(wanting(true, encryption), &bytes, &splits);
    }

    /// A key exchange succeeds, or a damaged byte makes it fail; it always ends.
    #[test]
    fn key_exchanges_end(seed: [u8; 32], padding in 0usize..=512, damage in 0usize..1_500) {
        let params = wanting(false, Encryption::Require);
        let mut visit = Visit::new(params, seed);
        visit.connected(Mono(0));
        let behaviour = Behaviour { padding, ..Behaviour::new(HASH) };
        let mut peer = ScriptedPeer::new(behaviour.says(id::HAVE_ALL, &[]), seed.map(|it| !it));
        let mut sent = 0;
        for _ in 0..4 {
            peer.receive(&visit.take_output());
            let mut bytes = peer.take_output();
            // One damaged byte.
            if let Some(byte) = damage.checked_sub(sent).and_then(|at| bytes.get_mut(at)) {
                *byte ^= 1;
            }
            sent += bytes.len();
            visit.receive(&bytes, Mono(1));
        }
        if let Some(at) = visit.next_timeout() {
            visit.poll(at);
        }
        let report = visit.into_report().unwrap();
        if damage >= sent {
            prop_assert_eq!(report.reason, Reason::HasAll);
        }
    }
}
