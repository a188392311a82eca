//! The readers of answers, for the fuzz targets only.

use super::answer::{self, Asked};
use crate::{AnnounceId, Failed};
use seedwatch_torrent::Family;
use seedwatch_torrent::{InfoHash, TrackerUrl};

/// A passkey that no text may repeat.
const PASSKEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// Peers kept per family.
const LIMIT: usize = 50;

/// Reads bytes as the body of answers to announces and scrapes, and checks what is promised of what
/// was read.
pub fn fuzz(bytes: &[u8]) {
    let Ok(url) = TrackerUrl::parse(&format!("http://t.example/{PASSKEY}/announce")) else {
        return;
    };
    for family in Family::ALL {
        let limit = LIMIT;
        match answer::announce(bytes, None, &url, Asked { family, limit }) {
            Ok(reply) => {
                let (peers, warning) = (&reply.announced.peers, &reply.announced.warning);
                assert!(peers.v4.len() <= LIMIT && peers.v6.len() <= LIMIT);
                assert!(warning.as_ref().is_none_or(|text| !text.contains(PASSKEY)));
            }
            Err(failed) => check(&failed),
        }
    }
    let targets = [0, 1].map(|n| (AnnounceId(n.into()), InfoHash([n; 20])));
    match answer::scrape(bytes, None, &url, &targets) {
        Ok(counted) => assert_eq!(counted.counts.len(), targets.len()),
        Err(failed) => check(&failed),
    }
    if let Some(failed) = answer::stated_refusal(bytes, &url) {
        check(&failed);
    }
}

fn check(failed: &Failed) {
    assert!(failed.text.len() <= Failed::MAX_TEXT);
    assert!(!failed.text.contains(PASSKEY), "{failed}");
    assert!(!failed.is_ours);
}
