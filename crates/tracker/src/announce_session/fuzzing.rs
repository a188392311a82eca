//! Sessions with arbitrary answers, for the fuzz targets only.

use std::net::IpAddr;

use super::{AnnounceRequest, AnnounceSession, Delivery, Next, PeerFilter, SessionAnswer};
use crate::{AnnounceResponse, AnnounceStrategy, Counts, FailureReason, ProbeError};
use seedwatch_torrent::Peers;
use seedwatch_torrent::address::Accept;

/// Input bytes that decide what happens next; 0 after the end.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn count(&mut self) -> Option<u32> {
        match self.byte() {
            255 => None,
            n => Some((n % 4).into()),
        }
    }

    fn peers(&mut self) -> Peers {
        let mut peers = Peers::default();
        for _ in 0..self.byte() % 4 {
            let ip: IpAddr = match self.byte() % 4 {
                0 => [81, 2, 3, self.byte()].into(),
                1 => [0x2a01, 0, 0, 0, 0, 0, 0, self.byte().into()].into(),
                2 => [127, 0, 0, 1].into(),
                _ => [0, 0, 0, 0].into(),
            };
            // Two of these five ports are ours.
            peers.push(ip, u16::from(self.byte() % 5) * 10);
        }
        peers.malformed = u32::from(self.byte() == 1);
        peers.omitted = u32::from(self.byte() == 1);
        peers
    }

    fn answer(&mut self) -> SessionAnswer {
        let peers = self.peers();
        SessionAnswer {
            has_list: !peers.is_empty() || self.byte() % 2 == 0,
            announced: AnnounceResponse {
                counts: Counts {
                    seeders: self.count(),
                    leechers: self.count(),
                    completed: self.count(),
                },
                peer_list_withheld: peers.is_empty() && self.byte() == 1,
                has_absurd_counts: self.byte() == 1,
                warning: (self.byte() == 1).then(|| "closing soon".into()),
                peers,
                ..AnnounceResponse::default()
            },
        }
    }
}

/// Runs a session whose answers the bytes decide. Checks that it ends, that the result rests on an
/// answer, and that `stopped` follows `started`.
pub fn fuzz(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let own = PeerFilter {
        ports: [10, 20],
        accept: Accept::Global,
    };
    let strategies = [
        AnnounceStrategy::StoppedFirst,
        AnnounceStrategy::StoppedOnly,
        AnnounceStrategy::Compare,
        AnnounceStrategy::StartThenStop,
    ];
    let mut session = AnnounceSession::new(strategies[usize::from(choices.byte() % 4)]);
    let (mut is_answered, mut has_peers, mut may_remain) = (false, false, false);
    for _ in 0..3 {
        let request = session.request();
        session.sent();
        let next = if choices.byte() % 2 == 0 {
            let answer = choices.answer();
            is_answered |= request != AnnounceRequest::Stopped;
            has_peers |= request != AnnounceRequest::Stopped && own.others(&answer.announced.peers);
            may_remain = request == AnnounceRequest::Started;
            session.answered(answer, &own)
        } else {
            let reason = FailureReason::ALL[usize::from(choices.byte()) % FailureReason::ALL.len()];
            let reached = match choices.byte() % 2 {
                0 => Delivery::Excluded,
                _ => Delivery::Possible,
            };
            let failed = match choices.byte() {
                1 => ProbeError::ours("no descriptors"),
                _ => ProbeError::new(reason, ""),
            };
            may_remain |= request == AnnounceRequest::Started && reached == Delivery::Possible;
            may_remain &= !failed.reason.is_refusal();
            session.failed(failed, reached, &own)
        };
        let Next::Done(result) = next else {
            continue;
        };
        assert_eq!(session.may_be_registered(), may_remain);
        match result {
            Some(Ok(announced)) => {
                assert!(is_answered, "an answer out of nothing");
                let is_zero = announced.peers.is_empty() && !announced.peer_list_withheld;
                assert!(!(is_zero && has_peers), "a list that became empty");
            }
            Some(Err(_)) => {}
            None => panic!("no result"),
        }
        return;
    }
    panic!("more than three requests");
}
