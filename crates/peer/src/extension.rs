//! The handshake of the extension protocol (BEP 10) and what it tells about pieces.

use std::time::Duration;

use seedwatch_torrent::bencode::{Dict, Value};

/// The id under which peers send us metadata (BEP 9).
pub(crate) const OUR_METADATA_ID: u8 = 2;

/// The id under which peers tell us that they lost a piece (BEP 54).
pub(crate) const OUR_DONT_HAVE_ID: u8 = 7;

/// The id of the extension handshake.
pub(crate) const HANDSHAKE_ID: u8 = 0;

/// Most characters of a client name that are kept or sent.
pub(crate) const MAX_NAME: usize = 64;

/// Longest time since a complete copy that is believed: BitTorrent is from 2001.
const MAX_COMPLETE_AGO: Duration = Duration::from_secs(40 * 366 * 86_400);

/// When a peer last saw a complete copy of the torrent. A claim, made by programs that use
/// libtorrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompleteAgo {
    /// It has not seen one since it joined.
    Never,
    /// So long ago.
    Ago(Duration),
}

/// What a peer tells about itself. Everything is a claim.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerClaims {
    /// It wants no more pieces (BEP 21): a seeder, or a partial seed, which lacks files that its
    /// user did not select. It does not mean complete.
    pub upload_only: Option<bool>,
    /// When it last saw a complete copy.
    pub complete_ago: Option<CompleteAgo>,
    /// The size of the info dictionary in bytes (BEP 9).
    pub metadata_size: Option<u64>,
    /// How many requests it queues.
    pub request_queue: Option<u32>,
    /// The name and version of its program, printable, for diagnosis. It is no identity.
    pub client: Option<Box<str>>,
}

/// A received handshake.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct ExtensionHandshake {
    pub(crate) claims: PeerClaims,
    /// The id under which the peer wants requests for metadata; 0 if it wants none.
    pub(crate) metadata_id: Option<u8>,
}

impl ExtensionHandshake {
    /// Reads the body of a handshake. Unknown keys and values of a wrong type are ignored, and so
    /// is `yourip`: one voice is no proof of our address.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let (value, _) = Value::parse(body).ok()?;
        let mut read = Self::default();
        for (key, value) in value.as_dict()?.iter() {
            let number = value.as_int();
            match key {
                b"m" => read.metadata_id = value.as_dict().and_then(metadata_id),
                b"upload_only" => read.claims.upload_only = number.map(|it| it != 0),
                b"complete_ago" => read.claims.complete_ago = number.and_then(complete_ago),
                b"metadata_size" => {
                    read.claims.metadata_size = number.and_then(|it| it.try_into().ok());
                }
                b"reqq" => read.claims.request_queue = number.and_then(|it| it.try_into().ok()),
                b"v" => read.claims.client = value.as_bytes().and_then(client),
                _ => {}
            }
        }
        Some(read)
    }
}

impl PeerClaims {
    /// Takes over what a further handshake says; it may leave out what does not change (BEP 10).
    pub(crate) fn update(&mut self, newer: Self) {
        self.upload_only = newer.upload_only.or(self.upload_only);
        self.complete_ago = newer.complete_ago.or(self.complete_ago);
        self.metadata_size = newer.metadata_size.or(self.metadata_size);
        self.request_queue = newer.request_queue.or(self.request_queue);
        self.client = newer.client.or(self.client.take());
    }
}

/// Returns our handshake: what we read, and nothing else. There is no `upload_only` in it, because
/// libtorrent hangs up when both sides are.
pub(crate) fn our_handshake(client: &str, wants_metadata: bool) -> Vec<u8> {
    let mut body = vec![HANDSHAKE_ID];
    body.extend(format!("d1:md11:lt_donthavei{OUR_DONT_HAVE_ID}e").bytes());
    if wants_metadata {
        body.extend(format!("11:ut_metadatai{OUR_METADATA_ID}e").bytes());
    }
    body.extend(format!("e1:v{}:{client}e", client.len()).bytes());
    body
}

fn metadata_id(ids: Dict<'_>) -> Option<u8> {
    let id = ids.get(b"ut_metadata")?.as_int()?;
    id.try_into().ok()
}

fn complete_ago(seconds: i64) -> Option<CompleteAgo> {
    match u64::try_from(seconds) {
        Ok(seconds) => {
            let ago = Duration::from_secs(seconds);
            (ago <= MAX_COMPLETE_AGO).then_some(CompleteAgo::Ago(ago))
        }
        Err(_) => (seconds == -1).then_some(CompleteAgo::Never),
    }
}

fn client(name: &[u8]) -> Option<Box<str>> {
    // Enough bytes for so many characters.
    let name = String::from_utf8_lossy(&name[..name.len().min(4 * MAX_NAME)]);
    let printable = name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
    let name: String = printable.take(MAX_NAME).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(body: &str) -> PeerClaims {
        ExtensionHandshake::parse(body.as_bytes()).unwrap().claims
    }

    /// As libtorrent 2.0 sends it.
    #[test]
    fn the_handshake_of_libtorrent_is_read() {
        let body = "d12:complete_agoi-1e1:md11:lt_donthavei7e10:share_modei8e11:upload_onlyi3e\
                    12:ut_holepunchi4e11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei132e\
                    4:reqqi500e11:upload_onlyi1e1:v18:libtorrent/2.0.8.06:yourip4:\x7f\0\0\x01e";
        let read = ExtensionHandshake::parse(body.as_bytes()).unwrap();
        assert_eq!(read.metadata_id, Some(2));
        let expected = PeerClaims {
            upload_only: Some(true),
            complete_ago: Some(CompleteAgo::Never),
            metadata_size: Some(132),
            request_queue: Some(500),
            client: Some("libtorrent/2.0.8.0".into()),
        };
        assert_eq!(read.claims, expected);
    }

    #[test]
    fn hostile_values_are_no_claims() {
        assert_eq!(ExtensionHandshake::parse(b"le"), None);
        assert_eq!(ExtensionHandshake::parse(b"d1:v"), None);
        let deep = ["d1:m", &"l".repeat(70), &"e".repeat(70), "e"].concat();
        assert_eq!(ExtensionHandshake::parse(deep.as_bytes()), None);
        for body in [
            "de",
            "d1:mi7ee",
            "d12:complete_agoi-2e13:metadata_sizei-1e4:reqqi-1e11:upload_only1:1e",
            "d12:complete_agoi99999999999e13:metadata_size3:abce",
            "d1:v0:e",
            "d1:v3:\n\0\u{7f}e",
        ] {
            assert_eq!(claims(body), PeerClaims::default(), "{body}");
        }
        let long = format!("d1:v1000:{}e", "a".repeat(1000));
        assert_eq!(claims(&long).client.unwrap().len(), MAX_NAME);
    }

    #[test]
    fn a_further_handshake_changes_only_what_it_says() {
        let mut known = claims("d12:complete_agoi60e11:upload_onlyi0e1:v1:ae");
        known.update(claims("d11:upload_onlyi1ee"));
        assert_eq!(known.upload_only, Some(true));
        let minute = CompleteAgo::Ago(Duration::from_secs(60));
        assert_eq!(known.complete_ago, Some(minute));
        assert_eq!(known.client.as_deref(), Some("a"));
    }

    #[test]
    fn ours_says_what_we_read_and_never_upload_only() {
        let body = our_handshake("seedwatch/1", true);
        let text = String::from_utf8(body[1..].to_vec()).unwrap();
        assert_eq!(
            text,
            "d1:md11:lt_donthavei7e11:ut_metadatai2ee1:v11:seedwatch/1e"
        );
        let text = String::from_utf8(our_handshake("s", false)).unwrap();
        assert_eq!(text, "\0d1:md11:lt_donthavei7ee1:v1:se");
    }
}
