//! Any bytes of a peer end in a report, the same one however they are split, and within the memory
//! bound. The visit sends nothing but what it must. Run it as `krpc` is run, with `peer.dict`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedwatch_clock::Mono;
use seedwatch_peer::frame::id;
use seedwatch_peer::handshake::{self, Handshake, Reserved};
use seedwatch_peer::{
    Encryption, MetadataResult, Outcome, Reason, Timing, Visit, VisitParams, VisitReport,
};
use seedwatch_torrent::{Hashes, InfoHash};

const HASH: InfoHash = InfoHash([7; 20]);

/// Passes bytes in parts of this length; returns the report and what was sent.
fn run(params: VisitParams, bytes: &[u8], split: usize) -> (VisitReport, Vec<u8>) {
    let mut visit = Visit::new(params, [5; 32]);
    let mut sent = Vec::new();
    visit.connected(Mono(0));
    for part in bytes.chunks(split) {
        visit.receive(part, Mono(10));
        assert!(visit.memory() <= Visit::MAX_MEMORY);
        sent.extend(visit.take_output());
    }
    while let Some(at) = visit.next_timeout() {
        visit.poll(at);
    }
    (visit.into_report().unwrap(), sent)
}

/// Checks that only have-none, not interested and extension messages were sent.
fn check_sent(sent: &[u8]) {
    let mut rest = sent.get(handshake::LENGTH..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (message, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        assert!([id::NOT_INTERESTED, id::HAVE_NONE, id::EXTENDED].contains(&message[0]));
        rest = after;
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&[flags, pieces, split], bytes)) = input.split_first_chunk() else {
        return;
    };
    let params = VisitParams {
        hashes: Hashes::V1(HASH),
        info_hash: HASH,
        peer_id: [1; 20],
        client: "seedwatch/0.1".into(),
        encryption: Encryption::Disable,
        pieces: u32::from(pieces).try_into().ok(),
        fetch_metadata: flags & 1 != 0,
        timing: Timing::default(),
    };
    // Most inputs begin after a valid handshake.
    let theirs = Handshake {
        reserved: Reserved::FAST.with(Reserved::EXTENSIONS),
        info_hash: HASH,
        peer_id: [2; 20],
    };
    let bytes = match flags & 2 {
        0 => [&theirs.to_bytes(), bytes].concat(),
        _ => bytes.to_vec(),
    };
    let (report, sent) = run(params.clone(), &bytes, usize::MAX);
    let (parts, sent_parts) = run(params, &bytes, usize::from(split) + 1);
    assert_eq!(report, parts);
    check_sent(&sent);
    check_sent(&sent_parts);
    let is_known =
        [Outcome::Complete, Outcome::Partial, Outcome::Empty].contains(&report.outcome());
    assert!(!is_known || report.pieces.is_some());
    assert!(!report.reason.is_misbehaviour() || report.pieces.is_none());
    // There is no torrent with this hash.
    assert!(!matches!(report.metadata, MetadataResult::Verified(_)));
    assert!(report.reason != Reason::ConnectionRefused);
});
