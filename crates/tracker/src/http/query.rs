//! Announce and scrape URLs (BEP 3, 7, 23, 48).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::Identity;
use crate::announce_session::Request;
use seedwatch_torrent::Family;
use seedwatch_torrent::{InfoHash, TrackerUrl};
use url::Url;

/// What we claim to lack: more than nothing, since some trackers give a seed no seeds.
const LEFT: u64 = 1 << 30;

/// What is encoded. A space becomes `%20`: trackers do not decode `+`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The `event` of an announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// Joins the swarm.
    Started,
    /// Leaves the swarm.
    Stopped,
}

/// The parameters that follow the info-hash in the announces of one family. They change with the
/// settings only: to write them each time cost a fiftieth of an announce.
#[derive(Debug)]
pub struct Announces {
    look: String,
    join: String,
    leave: String,
}

impl Announces {
    /// Writes the parameters of all three requests.
    pub fn new(identity: &Identity, family: Family, numwant: u16) -> Self {
        let write = |event, numwant| shared(identity, family, event, numwant);
        Self {
            look: write(Event::Stopped, numwant),
            join: write(Event::Started, numwant),
            leave: write(Event::Stopped, 0),
        }
    }

    /// Returns the parameters of an announce, without `?` or `&` in front.
    pub fn query(&self, request: Request, hash: &InfoHash, tracker_id: Option<&[u8]>) -> String {
        announce(
            hash,
            match request {
                Request::Look => &self.look,
                Request::Join => &self.join,
                Request::Leave => &self.leave,
            },
            tracker_id,
        )
    }
}

/// Returns the parameters of an announce that depend on no swarm, with `&` in front.
fn shared(identity: &Identity, family: Family, event: Event, numwant: u16) -> String {
    let peer_id = percent_encode(&identity.peer_id, RESERVED);
    let event = match event {
        Event::Started => "started",
        Event::Stopped => "stopped",
    };
    let (port, key) = (identity.port(family), identity.key);
    // No ip, ipv4 or ipv6: BEP 7 discourages them, and the tracker sees where we are.
    format!(
        "&peer_id={peer_id}&port={port}&uploaded=0&downloaded=0&left={LEFT}&compact=1\
         &no_peer_id=1&numwant={numwant}&key={key:08X}&event={event}"
    )
}

/// Joins the parameters of an announce: the info-hash, what does not depend on it, and the id that
/// the tracker gave us.
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

/// The parameters of a scrape, without `?` or `&` in front.
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

/// The announce URL with more parameters after its own (a passkey may be among them).
pub fn announce_url(url: &TrackerUrl, query: &str) -> String {
    let path = url.secret_path_and_query();
    let mut whole = String::with_capacity(64 + path.len() + query.len());
    whole.push_str(&url.label());
    whole.push_str(path);
    push_query(&mut whole, query);
    whole
}

/// The scrape URL (BEP 48), or `None` where the announce URL does not lead to one.
pub fn scrape_url(url: &TrackerUrl, query: &str) -> Option<String> {
    let path = url.secret_path_and_query();
    let (path, own) = path.split_once('?').unwrap_or((path, ""));
    // `/announce/PASSKEY` is as common as `/PASSKEY/announce`: the last segment that begins so.
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

/// The target of a redirected announce with the parameters of another announce in the place of the
/// first one's. What the tracker itself put there (a passkey) stays.
pub fn asked_again(target: &Url, own: &str) -> Option<Url> {
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

/// Adds parameters to a URL that may have some already.
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

/// Percent-encodes all but the unreserved characters of RFC 3986, section 2.3.
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
    fn every_byte_arrives_as_it_is() {
        let hash = InfoHash(*b"\x00 +&=%?#/az09-._~\xff\"<");
        let identity = Identity {
            peer_id: *b"-SW0100-abcdefgh \xc3\xa9!",
            key: 0xabc,
            ports: [6881, 6882],
        };
        let over = |family| {
            let announces = Announces::new(&identity, family, 200);
            announces.query(Request::Look, &hash, Some(b"a b"))
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
        // Nothing in it is encoded again on its way to the wire.
        let whole = announce_url(&url("http://t.example/announce"), &query);
        assert_eq!(url::Url::parse(&whole).unwrap().query(), Some(&*query));
    }

    #[test]
    fn a_query_of_the_tracker_stays_in_front() {
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
    fn another_announce_replaces_the_parameters_of_the_first() {
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
            let again = asked_again(&Url::parse(target).unwrap(), own).unwrap();
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
