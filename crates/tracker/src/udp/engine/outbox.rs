//! Packets to send, in runs that fit one system call.

use std::collections::VecDeque;
use std::net::SocketAddr;

/// The largest number of packets in one run: the limit of UDP segmentation offload (Linux 4.18).
const MAX_RUN: usize = 64;
/// The largest number of bytes in one run: the largest UDP datagram without headers.
const MAX_RUN_BYTES: usize = 65_000;
/// The longest packet in a segmented send, in bytes. A segment must not exceed the path MTU.
/// Announces are far below it; large scrapes are rare and go one by one.
const MAX_SEGMENT: usize = 512;

/// A queue of packets. Consecutive packets of one length to one address form a run.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    runs: VecDeque<Run>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    to: SocketAddr,
    start: usize,
    end: usize,
    length: usize,
}

/// Packets of one length to one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packets<'a> {
    /// The destination.
    pub to: SocketAddr,
    /// The packets, end to end.
    pub bytes: &'a [u8],
    /// The length of each packet in bytes.
    pub length: usize,
}

impl<'a> Packets<'a> {
    /// Returns the packets one by one.
    pub fn each(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks_exact(self.length)
    }

    /// Returns whether the packets can go in one segmented send.
    pub fn are_segments(&self) -> bool {
        self.bytes.len() > self.length && self.length <= MAX_SEGMENT
    }
}

impl Outbox {
    /// Appends the packet that `write` writes.
    pub(super) fn push(&mut self, to: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let end = self.bytes.len();
        let length = end - start;
        match self.runs.back_mut() {
            Some(run)
                if run.to == to
                    && run.length == length
                    && end - run.start <= (length * MAX_RUN).min(MAX_RUN_BYTES) =>
            {
                run.end = end;
            }
            _ => self.runs.push_back(Run {
                to,
                start,
                end,
                length,
            }),
        }
    }

    /// What is still to be sent, in the order it was written.
    pub fn runs(&self) -> impl Iterator<Item = Packets<'_>> {
        self.runs.iter().map(|run| Packets {
            to: run.to,
            bytes: &self.bytes[run.start..run.end],
            length: run.length,
        })
    }

    /// Returns whether the next run can go in one segmented send.
    pub fn starts_with_segments(&self) -> bool {
        self.runs().next().is_some_and(|run| run.are_segments())
    }

    /// Removes the first `packets` packets.
    pub fn advance(&mut self, mut packets: usize) {
        while packets > 0
            && let Some(run) = self.runs.front_mut()
        {
            let here = packets.min((run.end - run.start) / run.length);
            run.start += here * run.length;
            packets -= here;
            if run.start == run.end {
                self.runs.pop_front();
            }
        }
        if self.runs.is_empty() {
            self.bytes.clear();
        }
    }

    /// Returns whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_neighbours_form_runs() {
        let [a, b] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut outbox = Outbox::default();
        for (to, length) in [(a, 98), (a, 98), (a, 16), (b, 16), (b, 16), (a, 98)] {
            outbox.push(to, |out| out.extend(std::iter::repeat_n(0, length)));
        }
        let runs: Vec<_> = outbox
            .runs()
            .map(|run| (run.to, run.length, run.each().count()))
            .collect();
        assert_eq!(runs, [(a, 98, 2), (a, 16, 1), (b, 16, 2), (a, 98, 1)]);
        outbox.advance(4);
        let rest: Vec<_> = outbox
            .runs()
            .map(|run| (run.to, run.length, run.each().count()))
            .collect();
        assert_eq!(rest, [(b, 16, 1), (a, 98, 1)]);
        outbox.advance(2);
        assert!(outbox.is_empty());
    }

    #[test]
    fn runs_stay_within_what_the_kernel_takes() {
        let to = SocketAddr::from(([127, 0, 0, 1], 1));
        for length in [98, 1296, 2164] {
            let mut outbox = Outbox::default();
            for _ in 0..200 {
                outbox.push(to, |out| out.extend(std::iter::repeat_n(0, length)));
            }
            for run in outbox.runs() {
                assert!(run.bytes.len() <= MAX_RUN_BYTES && run.each().count() <= MAX_RUN);
            }
            assert_eq!(outbox.runs().map(|r| r.each().count()).sum::<usize>(), 200);
        }
    }
}
