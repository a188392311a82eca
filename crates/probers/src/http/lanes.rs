//! Few connections to one host, however many of its torrents are due.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use url::Url;

use super::MAX_PER_HOST;
use super::probation::Standing;
use seedwatch_torrent::Family;
use seedwatch_torrent::TrackerUrl;
use seedwatch_tracker::TrackerId;
use seedwatch_tracker::http::query;

/// Lanes kept before those that nobody uses are dropped.
const MAX_LANES: usize = 4096;

/// The lanes of all tracker hosts and families.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Mutex<HashMap<(TrackerId, Family), Arc<Lane>>>,
}

/// What probes of one host and family share.
#[derive(Debug)]
pub(super) struct Lane {
    /// Those who may ask it now.
    pub(super) places: Semaphore,
    /// How it answered last.
    pub(super) standing: Standing,
    /// The announce URL last asked, and what became of it when it was parsed.
    parsed: Mutex<Option<(Arc<TrackerUrl>, Url)>>,
}

impl Lane {
    /// The announce URL with parameters of ours behind its own. Torrents of a host mostly share
    /// their URL: to parse all of it each time cost an eighth of an announce.
    pub(super) fn announce_url(&self, url: &Arc<TrackerUrl>, own: &str) -> Option<Url> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whole = match &*parsed {
            Some((of, base)) if Arc::ptr_eq(of, url) => base.clone(),
            _ => {
                let base = Url::parse(&query::announce_url(url, "")).ok()?;
                *parsed = Some((url.clone(), base.clone()));
                base
            }
        };
        match whole.query() {
            None => whole.set_query(Some(own)),
            Some(theirs) => {
                let mut both = format!("?{theirs}");
                query::push_query(&mut both, own);
                whole.set_query(Some(&both[1..]));
            }
        }
        Some(whole)
    }
}

impl Lanes {
    /// The lane of one host.
    pub(super) fn get(&self, tracker: TrackerId, family: Family) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= MAX_LANES && !lanes.contains_key(&(tracker, family)) {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        lanes
            .entry((tracker, family))
            .or_insert_with(|| {
                Arc::new(Lane {
                    places: Semaphore::new(MAX_PER_HOST),
                    standing: Standing::default(),
                    parsed: Mutex::default(),
                })
            })
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_url_is_what_parsing_the_whole_would_give() {
        let lanes = Lanes::default();
        let lane = lanes.get(TrackerId(1), Family::Ipv4);
        let own = "info_hash=%00%20%2B%26%3D%25%3F%23%2Faz09-._~%FF%22%3C&event=stopped";
        for base in [
            "http://t.example/announce",
            "http://t.example/announce?",
            "http://t.example/announce?k=s%20x'",
            "http://t.example/announce?k=s&",
            "https://[::1]:8/",
            "http://t.example",
        ] {
            let url = Arc::new(TrackerUrl::parse(base).unwrap());
            let whole = Url::parse(&query::announce_url(&url, own)).unwrap();
            for _ in 0..2 {
                let kept = lane.announce_url(&url, own);
                assert_eq!(kept.as_ref(), Some(&whole), "{base}");
            }
        }
    }
}
