//! Conversations with arbitrary answers, for the fuzz targets only.

use std::net::IpAddr;

use super::{AnnounceSession, Answer, Next, Own, Reached, Request};
use crate::{Announced, Counts, Failed, Failure, Manner};
use seedwatch_torrent::Peers;
use seedwatch_torrent::address::Accept;

/// Bytes that decide what happens next; 0 when they are used up.
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
            // Two of them are ours.
            peers.push(ip, u16::from(self.byte() % 5) * 10);
        }
        peers.malformed = u32::from(self.byte() == 1);
        peers.omitted = u32::from(self.byte() == 1);
        peers
    }

    fn answer(&mut self) -> Answer {
        let peers = self.peers();
        Answer {
            has_list: !peers.is_empty() || self.byte() % 2 == 0,
            announced: Announced {
                counts: Counts {
                    seeders: self.count(),
                    leechers: self.count(),
                    completed: self.count(),
                },
                withheld: peers.is_empty() && self.byte() == 1,
                has_absurd_counts: self.byte() == 1,
                warning: (self.byte() == 1).then(|| "closing soon".into()),
                peers,
                ..Announced::default()
            },
        }
    }
}

/// Has a conversation whose answers the bytes decide, and checks that it ends, that nothing is
/// proved that no answer says, and that an entry of ours is taken back.
pub fn fuzz(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let own = Own {
        ports: [10, 20],
        accept: Accept::Global,
    };
    let manners = [
        Manner::Ghost,
        Manner::StoppedOnly,
        Manner::Check,
        Manner::Brief,
    ];
    let mut session = AnnounceSession::new(manners[usize::from(choices.byte() % 4)]);
    let (mut is_answered, mut has_peers, mut may_remain) = (false, false, false);
    for _ in 0..3 {
        let request = session.request();
        session.sent();
        let next = if choices.byte() % 2 == 0 {
            let answer = choices.answer();
            is_answered |= request != Request::Leave;
            has_peers |= request != Request::Leave && own.others(&answer.announced.peers);
            may_remain = request == Request::Join;
            session.answered(answer, &own)
        } else {
            let reason = Failure::ALL[usize::from(choices.byte()) % Failure::ALL.len()];
            let reached = match choices.byte() % 2 {
                0 => Reached::No,
                _ => Reached::Perhaps,
            };
            let failed = match choices.byte() {
                1 => Failed::ours("no descriptors"),
                _ => Failed::new(reason, ""),
            };
            may_remain |= request == Request::Join && reached == Reached::Perhaps;
            may_remain &= !failed.reason.is_refusal();
            session.failed(failed, reached, &own)
        };
        let Next::Done(verdict) = next else {
            continue;
        };
        assert_eq!(session.may_be_registered(), may_remain);
        match verdict {
            Some(Ok(announced)) => {
                assert!(is_answered, "an answer out of nothing");
                let is_zero = announced.peers.is_empty() && !announced.withheld;
                assert!(!(is_zero && has_peers), "a list that became empty");
            }
            Some(Err(_)) => {}
            None => panic!("no verdict"),
        }
        return;
    }
    panic!("more than three requests");
}
