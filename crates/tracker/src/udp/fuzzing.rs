//! The reader of datagrams, for the fuzz targets only.

use super::codec::{self, Answer};
use crate::Counts;
use crate::tracker_message;
use seedwatch_torrent::Family;
use seedwatch_torrent::TrackerUrl;

/// Peers kept per family.
const LIMIT: usize = 50;

/// Reads bytes as a datagram of a tracker, and checks what is promised of what was read.
pub fn fuzz(bytes: &[u8]) {
    let _ = codec::transaction_of_request(bytes);
    let Some(datagram) = codec::parse(bytes) else {
        return assert!(bytes.len() < 8);
    };
    match datagram.answer {
        Answer::Announce(answer) => {
            check(answer.counts);
            for family in Family::ALL {
                let peers = answer.peers(family, LIMIT);
                assert!(peers.v4.len() <= LIMIT && peers.v6.len() <= LIMIT);
                let listed = peers.claimed() + peers.malformed as usize;
                // Nothing is made of nothing, and nothing that is there is 0.
                assert_eq!(listed == 0, bytes.len() == 20, "{peers:?}");
                assert!(listed * 6 < bytes.len());
            }
        }
        Answer::Scrape(answer) => answer.entries().for_each(check),
        Answer::Error(text) => {
            let _ = codec::is_about_connection(text);
            if let Ok(url) = TrackerUrl::parse("udp://t.example:1/announce") {
                let _ = tracker_message::refusal(text, &url, None);
            }
        }
        Answer::Connect(_) | Answer::Damaged => {}
    }
}

fn check(counts: Counts) {
    let all = [counts.seeders, counts.leechers, counts.completed];
    assert!(all.into_iter().flatten().all(|count| count <= Counts::MAX));
}
