//! The limit of connections per host, however many of its torrents are due.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use url::Url;

use super::MAX_PER_HOST;
use super::probation::HostTrust;
use seedwatch_torrent::Family;
use seedwatch_torrent::TrackerUrl;
use seedwatch_tracker::TrackerId;
use seedwatch_tracker::http::query;

/// The number of hosts kept before unused ones are dropped.
const MAX_HOSTS: usize = 4096;

/// The slots of all tracker hosts and families.
#[derive(Debug, Default)]
pub(super) struct HostTable {
    hosts: Mutex<HashMap<(TrackerId, Family), Arc<HostSlots>>>,
}

/// The state that probes of one host and family share.
#[derive(Debug)]
pub(super) struct HostSlots {
    /// One permit per concurrent probe.
    pub(super) connections: Semaphore,
    /// Whether the host is trusted.
    pub(super) trust: HostTrust,
    /// The last announce URL, with its parsed form.
    parsed: Mutex<Option<(Arc<TrackerUrl>, Url)>>,
}

impl HostSlots {
    /// Returns the announce URL with our parameters after its own. Torrents of a host mostly share
    /// their URL; parsing it each time cost 12 % of an announce.
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

impl HostTable {
    /// Returns the slots of one host.
    pub(super) fn get(&self, tracker: TrackerId, family: Family) -> Arc<HostSlots> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MAX_HOSTS && !hosts.contains_key(&(tracker, family)) {
            hosts.retain(|_, slots| Arc::strong_count(slots) > 1);
        }
        hosts
            .entry((tracker, family))
            .or_insert_with(|| {
                Arc::new(HostSlots {
                    connections: Semaphore::new(MAX_PER_HOST),
                    trust: HostTrust::default(),
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
    fn a_cached_url_equals_the_parsed_whole() {
        let hosts = HostTable::default();
        let slots = hosts.get(TrackerId(1), Family::Ipv4);
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
                let kept = slots.announce_url(&url, own);
                assert_eq!(kept.as_ref(), Some(&whole), "{base}");
            }
        }
    }
}
