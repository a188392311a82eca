//! Validators: whether a client has the newest version of an answer (RFC 9110, section 8.8).
//!
//! - What shows values that change with every snapshot has the snapshot as its version.
//! - What changes rarely has its content as its version, so that a reader that looks every hour
//!   learns that nothing has changed.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use data_encoding::HEXLOWER;
use hyper::header::{CACHE_CONTROL, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use sha2::{Digest, Sha256};

use seedwatch_core::snapshot::Snapshot;

/// Bytes of a digest that stand in a tag.
const DIGEST_LENGTH: usize = 16;

/// Numbers the snapshots that were shown. Two of them may be taken within one second.
#[derive(Debug, Default)]
pub(super) struct Generations(Mutex<(Weak<Snapshot>, u64)>);

impl Generations {
    /// Returns the version of what shows a snapshot.
    pub(super) fn version(&self, snapshot: &Arc<Snapshot>) -> HeaderMap {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let this = Arc::downgrade(snapshot);
        if !latest.0.ptr_eq(&this) {
            *latest = (this, latest.1 + 1);
        }
        fields(format!("W/\"{}-{}\"", snapshot.taken.0, latest.1))
    }
}

/// Returns the version of an answer with this content. There is no `Last-Modified`: nobody knows
/// when the content was last another one, because entries also leave and texts change.
pub(super) fn of_content(content: &str) -> HeaderMap {
    let digest = Sha256::digest(content);
    let digest = digest.get(..DIGEST_LENGTH).unwrap_or_default();
    fields(format!("W/\"{}\"", HEXLOWER.encode(digest)))
}

fn fields(tag: String) -> HeaderMap {
    let mut fields = HeaderMap::new();
    if let Ok(tag) = HeaderValue::try_from(tag) {
        fields.insert(ETAG, tag);
    }
    // Caches must ask again every time.
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    fields
}

/// What a client says that it has.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownVersion {
    /// `If-None-Match`.
    tags: Option<String>,
}

impl KnownVersion {
    /// Reads the header of a request. A field that is not ASCII says nothing.
    pub(super) fn of(request: &HeaderMap) -> Self {
        let lines = request.get_all(IF_NONE_MATCH).iter();
        let tags: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
        Self {
            tags: request.contains_key(IF_NONE_MATCH).then(|| tags.join(",")),
        }
    }

    /// Returns whether the client has the version of an answer with these header fields.
    /// `If-Modified-Since` says nothing about an answer without a date (RFC 9110, section 13.1.3).
    pub(super) fn is(&self, answer: &HeaderMap) -> bool {
        let tag = answer.get(ETAG).and_then(|value| value.to_str().ok());
        let (Some(tags), Some(tag)) = (&self.tags, tag) else {
            return false;
        };
        // Weak comparison (section 8.8.3.2). None of our tags has a comma.
        let mut tags = tags.split(',').map(str::trim);
        tags.any(|other| other == "*" || opaque(other) == opaque(tag))
    }
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&str, &str)]) -> KnownVersion {
        let mut request = HeaderMap::new();
        for (name, value) in fields {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            request.append(name, HeaderValue::from_str(value).unwrap());
        }
        KnownVersion::of(&request)
    }

    #[test]
    fn every_snapshot_has_a_tag_of_its_own() {
        let generations = Generations::default();
        let tag = |snapshot: &Arc<Snapshot>| generations.version(snapshot)[ETAG].clone();
        let first = Arc::new(Snapshot::default());
        let second = Arc::new(Snapshot::default());
        assert_eq!(tag(&first), tag(&first));
        let old = tag(&first);
        assert_ne!(old, tag(&second));
        drop(first);
        assert_ne!(old, tag(&Arc::new(Snapshot::default())));
    }

    #[test]
    fn only_a_tag_says_what_a_client_has() {
        let answer = of_content("text");
        let tag = answer[ETAG].to_str().unwrap();
        let date = "Mon, 21 Sep 2099 14:13:20 GMT";
        let other = "W/\"0\"";
        for (fields, expected) in [
            (&[][..], false),
            (&[("if-none-match", tag)], true),
            (&[("if-none-match", opaque(tag))], true),
            (&[("if-none-match", "*")], true),
            (&[("if-none-match", other)], false),
            (&[("if-none-match", other), ("if-none-match", tag)], true),
            (
                &[("if-none-match", other), ("if-modified-since", date)],
                false,
            ),
            (&[("if-modified-since", date)], false),
        ] {
            assert_eq!(request(fields).is(&answer), expected, "{fields:?}");
        }
    }
}
