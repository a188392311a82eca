//! Announce and scrape URLs (BEP 3, 7, 23, 48).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::Identity;
use crate::announce_session::AnnounceRequest;
use crate::job::LEFT;
use seedwatch_torrent::Family;
use seedwatch_torrent::{InfoHash, TrackerUrl};
use url::Url;

/// The bytes that are percent-encoded. A space becomes `%20`, because trackers do not decode `+`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The `event` of an announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnnounceEvent {
    /// Joins the swarm.
    Started,
    /// Leaves the swarm.
    Stopped,
}

/// The parameters that follow the info-hash in the announces of one family. They change only with
/// the settings; writing them each time cost 2 % of an announce.
#[derive(Debug)]
pub struct AnnounceQueries {
    stopped_query: String,
    started: String,
    stopped: String,
}

impl AnnounceQueries {
    /// Writes the parameters of all three requests.
    pub fn new(identity: &Identity, family: Family, numwant: u16) -> Self {
        let write = |event, numwant| shared(identity, family, event, numwant);
        Self {
            stopped_query: write(AnnounceEvent::Stopped, numwant),
            started: write(AnnounceEvent::Started, numwant),
            stopped: write(AnnounceEvent::Stopped, 0),
        }
    }

    /// Returns the parameters of an announce, without a leading `?` or `&`.
    pub fn query(
        &self,
        request: AnnounceRequest,
        hash: &InfoHash,
        tracker_id: Option<&[u8]>,
    ) -> String {
        announce(
            hash,
            match request {
                AnnounceRequest::StoppedQuery => &self.stopped_query,
                AnnounceRequest::Started => &self.started,
                AnnounceRequest::Stopped => &self.stopped,
            },
            tracker_id,
        )
    }
}

/// Returns the parameters of an announce that do not depend on the swarm, with a leading `&`.
fn shared(identity: &Identity, family: Family, event: AnnounceEvent, numwant: u16) -> String {
    let peer_id = percent_encode(&identity.peer_id, RESERVED);
    let event = match event {
        AnnounceEvent::Started => "started",
        AnnounceEvent::Stopped => "stopped",
    };
    let (port, key) = (identity.port(family), identity.key);
    // No `ip`, `ipv4` or `ipv6`: BEP 7 discourages them, and the tracker sees our address.
    format!(
        "&peer_id={peer_id}&port={port}&uploaded=0&downloaded=0&left={LEFT}&compact=1\
         &no_peer_id=1&numwant={numwant}&key={key:08X}&event={event}"
    )
}

/// Joins the parameters of an announce: the info-hash, the shared parameters, and the `trackerid`.
fn announce(hash: &InfoHash, shared: &str, tracker_id: Option<&[u8]>) -> String {
    let mut query = String::with_capacity(320);
    query.push_str("info_hash=");
    encode(&mut query, &hash.0);
    query.push_str(shared);
    if let Some(id) = tracker_id {
        query.push_str("&trackerid=");
        encode(&mut query, id);
    }
    query
}

/// Returns the parameters of a scrape, without a leading `?` or `&`.
pub fn scrape<'a>(hashes: impl Iterator<Item = &'a InfoHash>) -> String {
    let mut query = String::with_capacity(1024);
    for hash in hashes {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str("info_hash=");
        encode(&mut query, &hash.0);
    }
    query
}

/// Returns the announce URL with more parameters after its own, which may include a passkey.
pub fn announce_url(url: &TrackerUrl, query: &str) -> String {
    let path = url.secret_path_and_query();
    let mut whole = String::with_capacity(64 + path.len() + query.len());
    whole.push_str(&url.label());
    whole.push_str(path);
    push_query(&mut whole, query);
    whole
}

/// Returns the scrape URL (BEP 48), or `None` if the announce URL does not lead to one.
pub fn scrape_url(url: &TrackerUrl, query: &str) -> Option<String> {
    let path = url.secret_path_and_query();
    let (path, own) = path.split_once('?').unwrap_or((path, ""));
    // `/announce/PASSKEY` is as common as `/PASSKEY/announce`, so the last such segment counts.
    let at = path.rfind("/announce")?;
    let after = &path[at + "/announce".len()..];
    let mut whole = url.label();
    whole.push_str(&path[..at]);
    whole.push_str("/scrape");
    whole.push_str(after);
    push_query(&mut whole, own);
    push_query(&mut whole, query);
    Some(whole)
}

/// Returns the target of a redirected announce for the next announce of the session. Replaces our
/// own parameters and keeps those of the tracker, such as a passkey.
pub fn redirected_url(target: &Url, own: &str) -> Option<Url> {
    let name = |parameter: &str| parameter.split('=').next().unwrap_or_default().to_owned();
    let ours: Vec<String> = own.split('&').map(name).collect();
    let theirs = target.query().unwrap_or_default().split('&');
    let theirs: Vec<&str> = theirs
        .filter(|parameter| !parameter.is_empty() && !ours.contains(&name(parameter)))
        .collect();
    let mut whole = target[..url::Position::AfterPath].to_owned();
    push_query(&mut whole, &theirs.join("&"));
    push_query(&mut whole, own);
    Url::parse(&whole).ok()
}

/// Appends parameters to a URL that may already have some.
pub fn push_query(url: &mut String, query: &str) {
    if query.is_empty() {
        return;
    }
    match url.find('?') {
        None => url.push('?'),
        Some(at) if at + 1 == url.len() || url.ends_with('&') => {}
        Some(_) => url.push('&'),
    }
    url.push_str(query);
}

/// Percent-encodes all but the unreserved characters (RFC 3986, section 2.3).
fn encode(out: &mut String, bytes: &[u8]) {
    out.extend(percent_encode(bytes, RESERVED));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> TrackerUrl {
        TrackerUrl::parse(text).unwrap()
    }

    #[test]
    fn every_byte_is_encoded_once() {
        let hash = InfoHash(*b"\x00 +&=%?#/az09-._~\xff\"<");
        let identity = Identity {
            peer_id: *b"-SW0100-abcdefgh \xc3\xa9!",
            key: 0xabc,
            ports: [6881, 6882],
        };
        let over = |family| {
            let announces = AnnounceQueries::new(&identity, family, 200);
            announces.query(AnnounceRequest::StoppedQuery, &hash, Some(b"a b"))
        };
        let query = over(Family::Ipv4);
        assert_eq!(
            query,
            "info_hash=%00%20%2B%26%3D%25%3F%23%2Faz09-._~%FF%22%3C\
             &peer_id=-SW0100-abcdefgh%20%C3%A9%21&port=6881&uploaded=0&downloaded=0\
             &left=1073741824&compact=1&no_peer_id=1&numwant=200&key=00000ABC&event=stopped\
             &trackerid=a%20b"
        );
        assert!(over(Family::Ipv6).contains("&port=6882&"));
        // The URL parser encodes nothing a second time.
        let whole = announce_url(&url("http://t.example/announce"), &query);
        assert_eq!(url::Url::parse(&whole).unwrap().query(), Some(&*query));
    }

    #[test]
    fn parameters_of_the_tracker_come_first() {
        for (base, expected) in [
            ("http://t.example/a", "http://t.example:80/a?x=1"),
            ("http://t.example/a?", "http://t.example:80/a?x=1"),
            ("http://t.example/a?k=s", "http://t.example:80/a?k=s&x=1"),
            ("http://t.example/a?k=s&", "http://t.example:80/a?k=s&x=1"),
            ("https://[::1]:8/", "https://[::1]:8/?x=1"),
        ] {
            assert_eq!(announce_url(&url(base), "x=1"), expected);
        }
    }

    #[test]
    fn the_next_announce_replaces_the_parameters_of_the_first() {
        let own = "info_hash=%01&event=stopped&numwant=0";
        for (target, expected) in [
            (
                "http://u.example/a?k=s&info_hash=%01&event=started&numwant=200",
                "http://u.example/a?k=s&info_hash=%01&event=stopped&numwant=0",
            ),
            (
                "http://u.example/a?info_hash=%01&event=started&k=a%20b&&numwant=1",
                "http://u.example/a?k=a%20b&info_hash=%01&event=stopped&numwant=0",
            ),
            (
                "https://u.example/s/announce",
                "https://u.example/s/announce?info_hash=%01&event=stopped&numwant=0",
            ),
        ] {
            let again = redirected_url(&Url::parse(target).unwrap(), own).unwrap();
            assert_eq!(again.as_str(), expected);
        }
    }

    #[test]
    fn scrape_urls_follow_the_convention() {
        for (path, expected) in [
            ("/announce", Some("/scrape?x=1")),
            ("/x/announce.php?k=s", Some("/x/scrape.php?k=s&x=1")),
            ("/announce/passkey", Some("/scrape/passkey?x=1")),
            ("/announce/x/announce", Some("/announce/x/scrape?x=1")),
            ("/a?u=/announce", None),
            ("/xannounce", None),
            ("/", None),
        ] {
            let found = scrape_url(&url(&format!("http://t.example{path}")), "x=1");
            let expected = expected.map(|rest| format!("http://t.example:80{rest}"));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn scrapes_repeat_the_hash() {
        let hashes = [InfoHash([b'a'; 20]), InfoHash([b' '; 20])];
        let query = scrape(hashes.iter());
        let spaces = "%20".repeat(20);
        assert_eq!(
            query,
            format!("info_hash={}&info_hash={spaces}", "a".repeat(20))
        );
    }
}
