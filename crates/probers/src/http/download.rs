//! Downloads of torrent lists: bounded in size and time, and only from addresses that may be
//! contacted.
//!
//! A list is fetched over either family, because it does not matter which one works. Redirects are
//! checked as those of trackers are: never from a public server into private space, never out of
//! TLS.

use std::io::Read;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flate2::bufread::MultiGzDecoder;
use hyper::StatusCode;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED,
};
use reqwest::{Method, Request, Response};
use rustls::pki_types::CertificateDer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::client::client;
use super::trace::Trace;
use super::{SetupError, failure, status, tls};
use crate::resolve::{Resolved, Resolver};
use seedwatch_lists::{ListFailure, ListUrl, MAX_BYTES, Validators, is_bot_wall};
use seedwatch_torrent::Family;
use seedwatch_torrent::address::is_global;
use seedwatch_tracker::{FailureReason, ProbeError, Retry};

/// The time limit of a download, with name resolution and redirects.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(60);

/// The largest number of redirects followed.
const MAX_REDIRECTS: usize = 5;

/// How many bytes of an error page are searched for the marks of a wall.
const MAX_PAGE: usize = 64 << 10;

/// The largest capacity reserved before a body arrives, in bytes.
const FIRST_CAPACITY: usize = 1 << 20;

/// A header of content delivery networks: the answer is a challenge.
const CHALLENGE: HeaderName = HeaderName::from_static("cf-mitigated");

/// How large a body may become without a part of the shared memory, in bytes. Most lists are
/// smaller: no other download delays them.
const OWN_MEMORY: usize = 1 << 20;

/// How much memory the larger bodies may take together, in MiB. Each reserves at once the most that
/// it may need: one that held a part and waited for more would block the others, and they it.
const MEMORY: usize = 4 * WHOLE;

/// The memory of the largest body, in MiB.
const WHOLE: usize = MAX_BYTES >> 20;

/// What a server answered.
#[derive(Debug)]
pub enum Download {
    /// Nothing changed since the validators were given (304).
    Unchanged,
    /// A body, as it was sent.
    Body(ListBody),
}

/// The body of a list.
#[derive(Debug)]
pub struct ListBody {
    /// The bytes, perhaps compressed.
    pub bytes: Vec<u8>,
    /// The encoding of the text, if the server stated it.
    pub charset: Option<String>,
    /// The validators for the next request.
    pub validators: Validators,
    /// Its part of the shared memory, if it is not small.
    pub memory: Option<OwnedSemaphorePermit>,
}

/// What one request led to.
enum Attempt {
    /// It ended.
    Done(Download),
    /// The body needs so many MiB of the shared memory, which are not free.
    NeedsMemory(usize),
}

/// Why there is no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadError {
    /// The reason.
    pub failure: ListFailure,
    /// What is known beyond the reason; quotes nothing of the URL.
    pub detail: String,
    /// When the server allows the next try, if it said so.
    pub retry_after: Option<Duration>,
}

impl DownloadError {
    fn new(failure: ListFailure, detail: impl Into<String>) -> Self {
        Self {
            failure,
            detail: detail.into(),
            retry_after: None,
        }
    }
}

impl From<ListFailure> for DownloadError {
    fn from(failure: ListFailure) -> Self {
        Self::new(failure, failure.to_string())
    }
}

/// Downloads lists. Cheap to clone.
#[derive(Clone)]
pub struct Downloader {
    client: reqwest::Client,
    resolver: Resolver,
    limit: Duration,
    /// In MiB.
    memory: Arc<Semaphore>,
}

impl Downloader {
    /// Builds a client. Nothing is contacted.
    ///
    /// # Errors
    /// A root certificate or the user agent is not usable.
    pub fn new(
        user_agent: &str,
        roots: &[CertificateDer<'static>],
        resolver: Resolver,
    ) -> Result<Self, SetupError> {
        let tls = tls::config(roots)?;
        Ok(Self {
            client: client(user_agent, &tls, 0)?,
            resolver,
            limit: DOWNLOAD_LIMIT,
            memory: Arc::new(Semaphore::new(MEMORY)),
        })
    }

    /// Returns the same client with another time limit.
    #[cfg(test)]
    pub(super) fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Returns the same client with other shared memory, in MiB.
    #[cfg(test)]
    pub(super) fn with_memory(self, mebibytes: usize) -> Self {
        Self {
            memory: Arc::new(Semaphore::new(mebibytes)),
            ..self
        }
    }

    /// Returns how much of the shared memory is free, in MiB.
    #[cfg(test)]
    pub(super) fn free_memory(&self) -> usize {
        self.memory.available_permits()
    }

    /// Fetches a list, if it changed since the validators were given.
    ///
    /// A body for which there is no memory is requested again when there is. No server has to wait
    /// for us meanwhile, and our wait is not part of its time.
    ///
    /// # Errors
    /// Why there is no list.
    pub async fn fetch(
        &self,
        url: &ListUrl,
        validators: &Validators,
    ) -> Result<Download, DownloadError> {
        let mut memory = None;
        loop {
            let held = memory.as_ref().map(OwnedSemaphorePermit::num_permits);
            let needed = match self.attempt(url, validators, &mut memory).await? {
                Attempt::Done(download) => return Ok(download),
                Attempt::NeedsMemory(needed) => needed,
            };
            // Given back before more is asked for.
            drop(memory.take());
            // The list is larger than it was a moment ago: the whole is enough for any.
            let needed = held.map_or(needed, |_| WHOLE);
            memory = Some(self.part(needed).await?);
        }
    }

    /// Makes one request, with the memory that was reserved for it.
    async fn attempt(
        &self,
        url: &ListUrl,
        validators: &Validators,
        memory: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Attempt, DownloadError> {
        let mut has_answered = false;
        let fetching = self.follow(url, validators, &mut has_answered, memory);
        let fetched = timeout(self.limit, fetching).await;
        fetched.unwrap_or_else(|_| {
            Err(match has_answered {
                true => ListFailure::TooSlow.into(),
                false => ListFailure::Timeout.into(),
            })
        })
    }

    async fn follow(
        &self,
        url: &ListUrl,
        validators: &Validators,
        has_answered: &mut bool,
        memory: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Attempt, DownloadError> {
        let mut addresses = self.resolve(url).await?;
        let is_public = addresses.iter().all(|ip| is_global(*ip));
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&url, addresses, validators).await?;
            *has_answered = true;
            let (status, headers) = (response.status(), response.headers());
            let Some(to) = status::redirect(status, headers, url.secret_url()) else {
                return self.read(response, validators, memory).await;
            };
            let to = to.map_err(|why| DownloadError::new(ListFailure::Redirect, why.text))?;
            url = ListUrl::new(to).map_err(|error| {
                DownloadError::new(
                    ListFailure::ForbiddenAddress,
                    format!("a redirect: {error}"),
                )
            })?;
            addresses = permitted(self.resolve(&url).await?, is_public)?;
        }
        let why = format!("more than {MAX_REDIRECTS} redirects");
        Err(DownloadError::new(ListFailure::Redirect, why))
    }

    /// Returns the addresses of a server, of both families. The user chose the server, so that it
    /// may be local; a redirect from a public one may not.
    async fn resolve(&self, url: &ListUrl) -> Result<Vec<IpAddr>, DownloadError> {
        let resolved = self.resolver.resolve_host(url.host()).await;
        let resolved = resolved.map_err(|error| {
            let failure = match crate::resolve::is_forbidden(&error) {
                true => ListFailure::ForbiddenAddress,
                false => failure_of(error.reason),
            };
            DownloadError::new(failure, error.text)
        })?;
        let addresses: Vec<IpAddr> = all(&resolved);
        match addresses.is_empty() {
            true => {
                let why = "this machine has no route to the server";
                Err(DownloadError::new(ListFailure::Unreachable, why))
            }
            false => Ok(addresses),
        }
    }

    /// Sends a request, and returns the head of the answer.
    async fn send(
        &self,
        url: &ListUrl,
        addresses: Vec<IpAddr>,
        validators: &Validators,
    ) -> Result<Response, DownloadError> {
        let mut request = Request::new(Method::GET, url.secret_url().clone());
        let headers = request.headers_mut();
        let conditions = [
            (IF_NONE_MATCH, &validators.etag),
            (IF_MODIFIED_SINCE, &validators.last_modified),
        ];
        let accept = (ACCEPT, Some("*/*".into()));
        let encoding = (ACCEPT_ENCODING, Some("gzip".into()));
        let conditions = conditions.map(|(name, value)| (name, value.clone()));
        for (name, value) in conditions.into_iter().chain([accept, encoding]) {
            if let Some(value) = value.and_then(|value| value.parse().ok()) {
                headers.insert(name, value);
            }
        }
        let trace = Trace::new(addresses.into());
        let answer = trace.record(self.client.execute(request)).await;
        answer.map_err(|error| {
            let error = failure::classify(&error, &trace.seen());
            DownloadError::new(failure_of(error.reason), error.text)
        })
    }

    /// Reads the answer of the last server.
    async fn read(
        &self,
        mut response: Response,
        sent: &Validators,
        memory: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Attempt, DownloadError> {
        let status = response.status();
        let is_conditional = *sent != Validators::default();
        if status == StatusCode::NOT_MODIFIED && is_conditional {
            return Ok(Attempt::Done(Download::Unchanged));
        }
        if status != StatusCode::OK {
            return Err(refusal(&mut response).await);
        }
        let headers = response.headers();
        if headers.contains_key(CHALLENGE) {
            return Err(ListFailure::BotWall.into());
        }
        let (charset, validators) = (charset(headers), validators(headers));
        let declared = response.content_length();
        if declared.is_some_and(|declared| declared > MAX_BYTES as u64) {
            return Err(ListFailure::TooLarge.into());
        }
        // What a server does not declare may be anything.
        let most = declared.map_or(MAX_BYTES, |declared| declared as usize);
        if declared.is_some() && !self.reserve(memory, most) {
            return Ok(Attempt::NeedsMemory(mebibytes(most)));
        }
        let first = declared.map_or(0, |_| most.min(FIRST_CAPACITY));
        let mut bytes = Vec::with_capacity(first);
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() > MAX_BYTES => {
                    return Err(ListFailure::TooLarge.into());
                }
                Ok(Some(chunk)) if bytes.len() + chunk.len() > OWN_MEMORY => {
                    if !self.reserve(memory, most) {
                        return Ok(Attempt::NeedsMemory(mebibytes(most)));
                    }
                    bytes.extend_from_slice(&chunk);
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                // Shorter than the server announced, or cut between two chunks.
                Err(error) => return Err(of_body(&error)),
            }
            // A body that arrives as fast as it is read must not occupy a shared thread.
            tokio::task::consume_budget().await;
        }
        bytes.shrink_to_fit();
        let memory = memory.take().and_then(|mut memory| {
            let unused = memory.num_permits() - mebibytes(bytes.len()).min(memory.num_permits());
            let _unused = memory.split(unused);
            (bytes.len() > OWN_MEMORY).then_some(memory)
        });
        Ok(Attempt::Done(Download::Body(ListBody {
            bytes,
            charset,
            validators,
            memory,
        })))
    }

    /// Reserves the memory for a body of so many bytes, if that is free. Returns whether the body
    /// may be read.
    fn reserve(&self, memory: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> bool {
        let needed = mebibytes(bytes);
        if bytes <= OWN_MEMORY {
            return true;
        }
        if memory.is_none() {
            let free = Arc::clone(&self.memory).try_acquire_many_owned(count(needed));
            *memory = free.ok();
        }
        let held = memory.as_ref();
        held.is_some_and(|memory| memory.num_permits() >= needed)
    }

    /// Waits for so many MiB of the shared memory, which the first that asked gets first.
    async fn part(&self, mebibytes: usize) -> Result<OwnedSemaphorePermit, DownloadError> {
        let part = Arc::clone(&self.memory).acquire_many_owned(count(mebibytes));
        // The semaphore is never closed.
        part.await.map_err(|_| ListFailure::Unreachable.into())
    }
}

/// Returns how many MiB so many bytes take.
fn mebibytes(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20)
}

fn count(mebibytes: usize) -> u32 {
    u32::try_from(mebibytes).unwrap_or(u32::MAX)
}

/// Returns those addresses of the target of a redirect that may be contacted: from a public server,
/// none in private space.
fn permitted(mut addresses: Vec<IpAddr>, is_public: bool) -> Result<Vec<IpAddr>, DownloadError> {
    if is_public {
        addresses.retain(|ip| is_global(*ip));
    }
    match addresses.is_empty() {
        true => Err(DownloadError::new(
            ListFailure::ForbiddenAddress,
            "a redirect into private space",
        )),
        false => Ok(addresses),
    }
}

fn all(resolved: &Resolved) -> Vec<IpAddr> {
    let families = Family::ALL.into_iter();
    families.flat_map(|family| resolved.of(family)).collect()
}

fn of_body(error: &reqwest::Error) -> DownloadError {
    let error: ProbeError = failure::classify(error, &Default::default());
    let failure = match error.reason {
        FailureReason::Reset | FailureReason::Malformed => ListFailure::Truncated,
        reason => failure_of(reason),
    };
    DownloadError::new(failure, error.text)
}

/// Returns the failure for a status other than 200.
async fn refusal(response: &mut Response) -> DownloadError {
    let (status, headers) = (response.status(), response.headers());
    let retry_after = match status::retry_after(headers, SystemTime::now()) {
        Some(Retry::After(wait)) => Some(wait),
        _ => None,
    };
    let mut is_wall = headers.contains_key(CHALLENGE);
    let mut page = Vec::new();
    while !is_wall && page.len() < MAX_PAGE {
        match response.chunk().await {
            Ok(Some(chunk)) => page.extend_from_slice(&chunk[..chunk.len().min(MAX_PAGE)]),
            _ => break,
        }
    }
    is_wall |= is_bot_wall(&String::from_utf8_lossy(&page));
    let failure = match is_wall {
        true => ListFailure::BotWall,
        false => ListFailure::HttpStatus,
    };
    DownloadError {
        retry_after,
        ..DownloadError::new(failure, format!("HTTP {}", status.as_u16()))
    }
}

fn charset(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let mut parameters = kind.split(';').skip(1);
    let charset = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then_some(value)
    })?;
    Some(charset.trim().trim_matches('"').to_owned())
}

fn validators(headers: &HeaderMap) -> Validators {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    Validators::new(text(ETAG), text(LAST_MODIFIED))
}

fn failure_of(reason: FailureReason) -> ListFailure {
    match reason {
        FailureReason::Dns => ListFailure::Dns,
        FailureReason::Refused => ListFailure::Refused,
        FailureReason::Timeout => ListFailure::Timeout,
        FailureReason::Tls => ListFailure::Tls,
        FailureReason::HttpStatus | FailureReason::RateLimited => ListFailure::HttpStatus,
        FailureReason::Denied | FailureReason::Unsupported => ListFailure::ForbiddenAddress,
        FailureReason::NotBencode | FailureReason::Malformed => ListFailure::NotAList,
        _ => ListFailure::Unreachable,
    }
}

/// Decompresses a list that is gzip (RFC 1952), recognised by its first bytes. Takes time: call it
/// where it delays nothing.
///
/// # Errors
/// The stream is damaged or cut, or what is in it exceeds [`MAX_BYTES`].
pub fn unpack(bytes: Vec<u8>) -> Result<Vec<u8>, ListFailure> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let decoder = MultiGzDecoder::new(&*bytes);
    let read = decoder
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut unpacked);
    match read {
        _ if unpacked.len() > MAX_BYTES => Err(ListFailure::TooLarge),
        Err(_) => Err(ListFailure::Truncated),
        Ok(_) => Ok(unpacked),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn no_redirect_leads_from_a_public_server_into_private_space() {
        let public: IpAddr = Ipv4Addr::new(9, 9, 9, 9).into();
        let private = [
            Ipv4Addr::new(10, 0, 0, 1).into(),
            Ipv4Addr::LOCALHOST.into(),
            Ipv6Addr::LOCALHOST.into(),
            "fd00::1".parse().unwrap(),
        ];
        for address in private {
            let error = permitted(vec![address], true).unwrap_err();
            assert_eq!(error.failure, ListFailure::ForbiddenAddress);
            assert_eq!(permitted(vec![address, public], true).unwrap(), [public]);
            assert_eq!(permitted(vec![address], false).unwrap(), [address]);
        }
    }
}
