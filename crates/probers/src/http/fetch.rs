//! One request: send it, follow redirects, read the body.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use reqwest::Response;
use reqwest::header::RETRY_AFTER;
use url::Url;

use super::body::{Body, MAX_BODY, too_large};
use super::client::ResponseHead;
use super::http_client::{HttpClient, Origin, Progress};
use super::large::BodyBudget;
use super::{MAX_REDIRECTS, failure, status};
use seedwatch_torrent::TrackerUrl;
use seedwatch_torrent::address::is_global;
use seedwatch_tracker::http::{answer, query};
use seedwatch_tracker::{FailureReason, ProbeError};

/// The largest number of chunks of a body. A tracker that sends each peer separately needs fewer.
const MAX_PIECES: usize = 1 << 14;
/// The largest capacity reserved before a body arrives, in bytes.
const FIRST_CAPACITY: usize = 16 << 10;

/// A URL and the addresses to fetch it from.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) addresses: Arc<[IpAddr]>,
}

impl HttpClient {
    /// Fetches `target`, whose last parameters are `own`, and returns the body of a success. Stores
    /// the target of the last redirect in `origin`.
    pub(super) async fn fetch(
        &self,
        target: Target,
        own: &str,
        tracker: &TrackerUrl,
        origin: &Origin,
        progress: &mut Progress,
    ) -> Result<Body, ProbeError> {
        let Target {
            mut url,
            mut addresses,
        } = target;
        let client = &self.clients[origin.family.index()];
        let is_trusted = origin.slots.trust.is_trusted();
        let mut exchange = origin.slots.trust.exchange();
        let mut is_moved = false;
        for _ in 0..=MAX_REDIRECTS {
            if is_moved {
                origin.redirect.set(Target {
                    url: url.clone(),
                    addresses: addresses.clone(),
                });
            }
            let answer = if is_trusted {
                client.get(url, &addresses, progress).await
            } else {
                let probation = &self.shared.probation;
                client.get_on(probation, url, &addresses, progress).await
            };
            let ResponseHead { response, sent } = answer?;
            let (status, headers) = (response.status(), response.headers());
            if let Some(to) = status::redirect(status, headers, response.url()) {
                let to = carry_query(response.url(), to?, own);
                addresses = self.follow(&to, origin).await?;
                url = to;
                is_moved = true;
                continue;
            }
            let retry = match headers.contains_key(RETRY_AFTER) {
                true => status::retry_after(headers, SystemTime::now()),
                false => None,
            };
            let body = read(response, self.shared.large.budget()).await?;
            if body.cut.is_none() {
                exchange.answered(body.bytes.len());
            }
            let body = body.unpacked()?;
            progress.stats.phases.response = Some(sent.elapsed());
            if status.is_success() {
                return Ok(body);
            }
            let stated = answer::stated_refusal(&body.bytes, tracker);
            return Err(status::failure(status, retry, &body.bytes, stated));
        }
        Err(ProbeError::new(
            FailureReason::HttpStatus,
            "more than 2 redirects",
        ))
    }

    /// Returns the addresses of the target of a redirect, if it may be contacted.
    pub(super) async fn follow(
        &self,
        to: &Url,
        origin: &Origin,
    ) -> Result<Arc<[IpAddr]>, ProbeError> {
        let refuse =
            |why: &str| ProbeError::new(FailureReason::HttpStatus, format!("a redirect {why}"));
        // Without the query, which may be too long for a tracker URL.
        let target = TrackerUrl::parse(&to[..url::Position::AfterPath])
            .map_err(|why| refuse(&format!("is not followed: {why}")))?
            .with_scope(origin.scope);
        // A failure of the target's host is a failure of this response: this tracker is up and may
        // answer for other torrents.
        let resolved = self.resolver.resolve(&target).await;
        let resolved = resolved.map_err(|why| match why.is_ours {
            true => why,
            false => refuse(&format!("is not followed: {}", why.text)),
        })?;
        let mut addresses = resolved.of(origin.family);
        if origin.is_public {
            addresses.retain(|ip| is_global(*ip));
            if addresses.is_empty() && !(resolved.v4.is_empty() && resolved.v6.is_empty()) {
                return Err(refuse("into private space"));
            }
        }
        if addresses.is_empty() {
            return Err(refuse("to a host without an address of this family"));
        }
        Ok(addresses.into())
    }
}

/// Adds the parameters that a redirect dropped. The tracker's own parameters (a passkey) go only to
/// the same host.
fn carry_query(from: &Url, mut to: Url, own: &str) -> Url {
    if to.query_pairs().any(|(key, _)| key == "info_hash") {
        return to;
    }
    if to.query().is_none_or(str::is_empty) && to.host() == from.host() {
        to.set_query(from.query());
        return to;
    }
    let mut whole = to[..url::Position::AfterQuery].to_owned();
    query::push_query(&mut whole, own);
    Url::parse(&whole).unwrap_or(to)
}

/// Reads a body up to its bound. Keeps what arrived of a truncated body.
async fn read(mut response: Response, mut budget: BodyBudget<'_>) -> Result<Body, ProbeError> {
    let declared = response.content_length().unwrap_or(0);
    if declared > MAX_BODY as u64 {
        return Err(too_large());
    }
    // Requested before reading, because the connection reads ahead. Without a permit, the beginning
    // of the body is still read.
    let _ = budget.admit(declared as usize).await;
    let mut body = Body::default();
    body.bytes.reserve((declared as usize).min(FIRST_CAPACITY));
    for _ in 0..MAX_PIECES {
        match response.chunk().await {
            Ok(Some(chunk)) if body.bytes.len() + chunk.len() > MAX_BODY => {
                return Err(too_large());
            }
            Ok(Some(chunk)) => {
                if let Err(cut) = budget.admit(body.bytes.len() + chunk.len()).await {
                    body.cut = Some(cut);
                    return Ok(body);
                }
                body.bytes.extend_from_slice(&chunk);
            }
            Ok(None) => return Ok(body),
            Err(error) => {
                let cut = failure::classify(&error, &Default::default());
                if body.bytes.is_empty() {
                    return Err(cut);
                }
                body.cut = Some(cut);
                return Ok(body);
            }
        }
        // A body that arrives as fast as it is read must not occupy the shared thread.
        tokio::task::consume_budget().await;
    }
    let text = "an answer of more than 16,384 chunks";
    Err(ProbeError::new(FailureReason::Malformed, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_keeps_our_query_but_no_passkey_for_other_hosts() {
        let from = Url::parse("http://t.example/announce?passkey=s&info_hash=%00&x=1").unwrap();
        let own = "info_hash=%00&x=1";
        for (to, expected) in [
            (
                "https://t.example/announce",
                "https://t.example/announce?passkey=s&info_hash=%00&x=1",
            ),
            (
                "http://u.example/announce",
                "http://u.example/announce?info_hash=%00&x=1",
            ),
            (
                "http://t.example/a?k=v#f",
                "http://t.example/a?k=v&info_hash=%00&x=1",
            ),
            (
                "http://u.example/a?info_hash=%01",
                "http://u.example/a?info_hash=%01",
            ),
        ] {
            let carried = carry_query(&from, Url::parse(to).unwrap(), own);
            assert_eq!(carried.as_str(), expected);
        }
    }
}
