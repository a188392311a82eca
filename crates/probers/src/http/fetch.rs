//! One question: send it, follow where it is sent on, read what comes back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use reqwest::Response;
use reqwest::header::RETRY_AFTER;
use url::Url;

use super::asker::{Asker, Origin, Progress};
use super::body::{Body, MAX_BODY, too_large};
use super::client::Answer;
use super::large::Room;
use super::{MAX_REDIRECTS, failure, status};
use seedwatch_torrent::TrackerUrl;
use seedwatch_torrent::address::is_global;
use seedwatch_tracker::http::{answer, query};
use seedwatch_tracker::{Failed, Failure};

/// Most pieces of a body: a tracker that writes each peer by itself sends fewer.
const MAX_PIECES: usize = 1 << 14;
/// Room made for a body before any of it has come.
const FIRST_ROOM: usize = 16 << 10;

/// What is asked, at which addresses.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) addresses: Arc<[IpAddr]>,
}

impl Asker {
    /// Asks `target`, whose last parameters are `own`, and returns the body of a success. What it
    /// was last redirected to is left in `origin`.
    pub(super) async fn fetch(
        &self,
        target: Target,
        own: &str,
        tracker: &TrackerUrl,
        origin: &Origin,
        progress: &mut Progress,
    ) -> Result<Body, Failed> {
        let Target {
            mut url,
            mut addresses,
        } = target;
        let client = &self.clients[origin.family.index()];
        let is_trusted = origin.lane.standing.is_trusted();
        let mut exchange = origin.lane.standing.exchange();
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
            let Answer { response, sent } = answer?;
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
            let body = read(response, self.shared.large.room()).await?;
            if body.cut.is_none() {
                exchange.answered(body.bytes.len());
            }
            let body = body.unpacked()?;
            progress.exchange.phases.response = Some(sent.elapsed());
            if status.is_success() {
                return Ok(body);
            }
            let stated = answer::stated_refusal(&body.bytes, tracker);
            return Err(status::failure(status, retry, &body.bytes, stated));
        }
        Err(Failed::new(Failure::HttpStatus, "more than 2 redirects"))
    }

    /// The addresses of the target of a redirect, if it may be contacted.
    pub(super) async fn follow(&self, to: &Url, origin: &Origin) -> Result<Arc<[IpAddr]>, Failed> {
        let refuse = |why: &str| Failed::new(Failure::HttpStatus, format!("a redirect {why}"));
        // Without its query, which a tracker URL may not have.
        let target = TrackerUrl::parse(&to[..url::Position::AfterPath])
            .map_err(|why| refuse(&format!("is not followed: {why}")))?
            .with_scope(origin.scope);
        // Whatever is wrong with that host, this one is up, and may be asked for other torrents.
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

/// Keeps the question across a redirect that drops it. Parameters of the tracker's own (a passkey)
/// go to the same host only.
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

/// Reads a body up to its bound. One that is cut is kept as far as it came.
async fn read(mut response: Response, mut room: Room<'_>) -> Result<Body, Failed> {
    let told = response.content_length().unwrap_or(0);
    if told > MAX_BODY as u64 {
        return Err(too_large());
    }
    // Asked for before any of it is read, since the connection reads ahead. Without a place its
    // beginning is read all the same.
    let _ = room.admit(told as usize).await;
    let mut body = Body::default();
    body.bytes.reserve((told as usize).min(FIRST_ROOM));
    for _ in 0..MAX_PIECES {
        match response.chunk().await {
            Ok(Some(chunk)) if body.bytes.len() + chunk.len() > MAX_BODY => {
                return Err(too_large());
            }
            Ok(Some(chunk)) => {
                if let Err(cut) = room.admit(body.bytes.len() + chunk.len()).await {
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
        // The thread is shared: an answer that comes as fast as it is read must not keep it.
        tokio::task::consume_budget().await;
    }
    let text = "an answer of more than 16,384 chunks";
    Err(Failed::new(Failure::Malformed, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_survives_a_redirect_and_the_passkey_stays_at_home() {
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
