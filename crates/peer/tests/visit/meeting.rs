//! A visit and a peer that exchange bytes without a network.

use std::num::NonZeroU32;
use std::time::Duration;

use seedwatch_clock::Mono;
use seedwatch_dev_peer::{Behaviour, ScriptedPeer};
use seedwatch_peer::{Encryption, Timing, Visit, VisitParams, VisitReport};
use seedwatch_torrent::{Hashes, InfoHash};

/// The torrent of all visits without metadata.
pub(crate) const HASH: InfoHash = InfoHash([7; 20]);

pub(crate) const OUR_ID: [u8; 20] = *b"-SW0100-abcdefghijkl";

pub(crate) fn params() -> VisitParams {
    VisitParams {
        hashes: Hashes::V1(HASH),
        info_hash: HASH,
        peer_id: OUR_ID,
        client: "seedwatch/0.1".into(),
        encryption: Encryption::Allow,
        pieces: None,
        fetch_metadata: false,
        timing: Timing::default(),
    }
}

pub(crate) fn with_pieces(count: u32) -> VisitParams {
    VisitParams {
        pieces: NonZeroU32::new(count),
        ..params()
    }
}

/// What happened at a meeting.
pub(crate) struct Meeting {
    pub(crate) report: VisitReport,
    /// The peer of each connection.
    pub(crate) peers: Vec<ScriptedPeer>,
    /// How long it took.
    pub(crate) duration: Duration,
}

/// Lets a visit meet a peer. Parts of `split` bytes arrive in each direction.
pub(crate) fn meet(params: VisitParams, behaviour: &Behaviour, split: usize) -> Meeting {
    let mut visit = Visit::new(params, [5; 32]);
    let mut peers: Vec<ScriptedPeer> = Vec::new();
    let mut now = Mono(1_000);
    for _ in 0..100_000 {
        assert!(visit.memory() <= Visit::MAX_MEMORY);
        if let Some(report) = visit.report() {
            return Meeting {
                report: report.clone(),
                peers,
                duration: now.since(Mono(1_000)),
            };
        }
        if visit.needs_connection() {
            assert!(peers.len() < 2, "a third connection");
            peers.push(ScriptedPeer::new(behaviour.clone(), [6; 32]));
            visit.connected(now);
        }
        let peer = peers.last_mut().unwrap();
        let ours = visit.take_output();
        ours.chunks(split).for_each(|part| peer.receive(part));
        let theirs = peer.take_output();
        theirs
            .chunks(split)
            .for_each(|part| visit.receive(part, now));
        if peer.is_closed() {
            visit.closed(now);
        } else if ours.is_empty() && theirs.is_empty() {
            now = visit.next_timeout().unwrap_or(now);
            visit.poll(now);
        }
    }
    panic!("the visit does not end");
}

/// Meets a peer and returns the report.
pub(crate) fn visit(params: VisitParams, behaviour: &Behaviour) -> VisitReport {
    meet(params, behaviour, usize::MAX).report
}
