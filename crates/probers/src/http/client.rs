//! Requests over kept-alive and new connections.
//!
//! A server may close an idle connection at any time (RFC 9112, section 9.5). So a request that
//! fails on a kept-alive connection before the response head is repeated once over a new one. A
//! request over a new connection is never repeated.
//!
//! hyper bounds heads, chunk extensions and trailers. Interim responses (1xx) are bounded only by
//! the probe's deadline, because reqwest has no hook for them; see `probation`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use reqwest::{Method, Request, Response, StatusCode};
use url::Url;

use super::http_client::Progress;
use super::probation::Probation;
use super::trace::{ConnectionEnds, GivenAddresses, TimeConnect, Trace};
use super::{CONNECT_TIMEOUT, KEEP_ALIVE, MAX_PER_HOST, failure};
use crate::shortage;
use seedwatch_tracker::{FailureReason, ProbeError};

/// Sends requests over one family, which the given addresses decide.
pub(super) struct Client {
    /// Keeps connections alive between requests.
    keeping: reqwest::Client,
    /// Makes a new connection for each request.
    fresh: reqwest::Client,
}

/// The head of a response.
pub(super) struct ResponseHead {
    pub(super) response: Response,
    /// When the request was sent.
    pub(super) sent: Instant,
}

/// Why a request has no response.
enum Unanswered {
    /// The server may have closed a kept-alive connection before it read the request for this URL.
    Stale(Url),
    Failed(ProbeError),
}

impl Client {
    /// Builds a client. Nothing is contacted.
    pub(super) fn new(
        user_agent: &str,
        tls: &rustls::ClientConfig,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            keeping: client(user_agent, tls, MAX_PER_HOST)?,
            fresh: client(user_agent, tls, 0)?,
        })
    }

    /// As [`Client::get`], for a host that is not trusted: over a new connection, on the probation
    /// threads.
    pub(super) async fn get_on(
        &self,
        probation: &Probation,
        url: Url,
        addresses: &Arc<[IpAddr]>,
        progress: &mut Progress,
    ) -> Result<ResponseHead, ProbeError> {
        let answer = send(&self.fresh, Some(probation), url, addresses, progress).await;
        answer.map_err(Unanswered::into_failed)
    }

    /// Sends a GET to one of these addresses and waits for the response head.
    pub(super) async fn get(
        &self,
        url: Url,
        addresses: &Arc<[IpAddr]>,
        progress: &mut Progress,
    ) -> Result<ResponseHead, ProbeError> {
        match send(&self.keeping, None, url, addresses, progress).await {
            Ok(answer) => Ok(answer),
            Err(Unanswered::Stale(url)) => {
                let repeated = send(&self.fresh, None, url, addresses, progress).await;
                repeated.map_err(Unanswered::into_failed)
            }
            Err(Unanswered::Failed(failed)) => Err(failed),
        }
    }
}

impl Unanswered {
    /// Returns the failure of a request over a new connection.
    fn into_failed(self) -> ProbeError {
        match self {
            Unanswered::Failed(failed) => failed,
            // The connection was cut so early that its endpoints are unknown.
            Unanswered::Stale(_) => ProbeError::new(FailureReason::Reset, "the connection was cut"),
        }
    }
}

/// Builds a client that keeps up to `idle` unused connections per host.
pub(super) fn client(
    user_agent: &str,
    tls: &rustls::ClientConfig,
    idle: usize,
) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .dns_resolver(GivenAddresses)
        .connector_layer(TimeConnect)
        .user_agent(user_agent)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // This module decides what is repeated. Without the zero, reqwest still copies every
        // request.
        .retry(reqwest::retry::never().max_retries_per_request(0))
        .http1_only()
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(idle)
        .pool_idle_timeout(KEEP_ALIVE)
        .tcp_nodelay(true)
        .build()
}

async fn send(
    client: &reqwest::Client,
    probation: Option<&Probation>,
    url: Url,
    addresses: &Arc<[IpAddr]>,
    progress: &mut Progress,
) -> Result<ResponseHead, Unanswered> {
    let trace = Trace::new(addresses.clone());
    progress.trace = Some(trace.clone());
    progress.stats.requests += 1;
    let sent = Instant::now();
    let request = Request::new(Method::GET, url);
    let exchange = trace.record(client.execute(request));
    let result = match probation {
        None => exchange.await,
        Some(threads) => threads.run(exchange).await.ok_or_else(|| {
            Unanswered::Failed(shortage::report("a thread of the HTTP prober has ended"))
        })?,
    };
    let seen = progress.note();
    let error = match result {
        // The server sent it while the connection was idle (RFC 9110, section 15.5.9).
        Ok(response)
            if response.status() == StatusCode::REQUEST_TIMEOUT
                && seen.is_reuse(ConnectionEnds::within(response.extensions())) =>
        {
            return Err(Unanswered::Stale(response.url().clone()));
        }
        Ok(response) => {
            let sent = seen.connected.unwrap_or(sent);
            return Ok(ResponseHead { response, sent });
        }
        Err(error) => error,
    };
    let failed = failure::classify(&error, &seen);
    Err(match error.url() {
        Some(url)
            if failed.reason == FailureReason::Reset && failure::is_of_reuse(&error, &seen) =>
        {
            Unanswered::Stale(url.clone())
        }
        _ => Unanswered::Failed(failed),
    })
}
