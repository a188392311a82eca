//! Hooks below reqwest for one request: where it may connect, how long each phase takes, and which
//! certificate the server sends.
//!
//! The hooks of reqwest and rustls carry no data of the caller, so the request runs inside a
//! task-local scope that they read.

use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper_util::client::legacy::connect::{Connected, Connection, HttpInfo};
use tower_layer::Layer;
use tower_service::Service;

use seedwatch_clock::Unix;

tokio::task_local! {
    static TRACE: Arc<Trace>;
}

/// The record of one request.
#[derive(Debug)]
pub(super) struct Trace {
    addresses: Arc<[IpAddr]>,
    seen: Mutex<Seen>,
}

/// The observed phases of a new connection. All empty if a connection was reused.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// The connector was called.
    pub(super) began: Option<Instant>,
    /// TCP is connected and the TLS handshake begins.
    pub(super) tls_began: Option<Instant>,
    /// The connection can be used.
    pub(super) connected: Option<Instant>,
    /// The earliest end of validity in the certificate chain.
    pub(super) certificate_expiry: Option<Unix>,
    /// Properties of the server's own certificate.
    pub(super) certificate: CertificateKind,
    /// Both ends of the connection.
    ends: Option<ConnectionEnds>,
}

/// Properties of a server's own certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CertificateKind {
    /// The issuer is the subject.
    pub(super) is_self_signed: bool,
    /// It is a certificate of an authority.
    pub(super) is_authority: bool,
}

/// The addresses of both ends of a connection, which identify it among all open ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionEnds {
    local: SocketAddr,
    remote: SocketAddr,
}

impl ConnectionEnds {
    /// Returns the ends of a connection of hyper; `None` if it was cut before they were read.
    pub(super) fn of(connection: &Connected) -> Option<Self> {
        let mut extensions = hyper::http::Extensions::new();
        connection.get_extras(&mut extensions);
        Self::within(&extensions)
    }

    /// Returns the ends of the connection of a response with these extensions.
    pub(super) fn within(extensions: &hyper::http::Extensions) -> Option<Self> {
        let info: &HttpInfo = extensions.get()?;
        Some(Self {
            local: info.local_addr(),
            remote: info.remote_addr(),
        })
    }
}

impl Seen {
    /// Returns the duration of the TCP handshake.
    pub(super) fn connect(&self) -> Option<Duration> {
        let end = self.tls_began.or(self.connected)?;
        Some(end.saturating_duration_since(self.began?))
    }

    /// Returns the duration of the TLS handshake.
    pub(super) fn tls(&self) -> Option<Duration> {
        Some(self.connected?.saturating_duration_since(self.tls_began?))
    }

    /// Returns whether the TLS handshake has begun and not ended.
    pub(super) fn is_in_handshake(&self) -> bool {
        self.tls_began.is_some() && self.connected.is_none()
    }

    /// Returns whether a connection is being made.
    pub(super) fn is_connecting(&self) -> bool {
        self.began.is_some() && self.connected.is_none()
    }

    /// Returns whether a request used another connection than the one made for it, because a
    /// kept-alive one became free first. Also true if the ends are unknown.
    pub(super) fn is_reuse(&self, used: Option<ConnectionEnds>) -> bool {
        self.ends.is_none() || self.ends != used
    }
}

impl Trace {
    /// Returns the record of a request that may go to these addresses only.
    pub(super) fn new(addresses: Arc<[IpAddr]>) -> Arc<Self> {
        Arc::new(Self {
            addresses,
            seen: Mutex::default(),
        })
    }

    /// Runs a request with this record in scope.
    pub(super) fn record<F: Future>(
        self: &Arc<Self>,
        request: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        TRACE.scope(self.clone(), request)
    }

    /// Returns what was observed so far.
    pub(super) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn with_seen(change: impl FnOnce(&mut Seen)) {
    // Outside a scope there is no record.
    let _ = TRACE.try_with(|trace| trace.write(change));
}

/// Records the beginning of a TLS handshake: rustls first searches for a session to resume.
pub(super) fn tls_begins() {
    with_seen(|seen| {
        seen.tls_began.get_or_insert_with(Instant::now);
    });
}

/// Records the certificate chain that the server sent.
pub(super) fn certificate_shown(expiry: Option<Unix>, certificate: CertificateKind) {
    with_seen(|seen| {
        seen.certificate_expiry = expiry;
        seen.certificate = certificate;
    });
}

/// Name resolution for reqwest: returns the addresses that the prober has resolved and allowed.
#[derive(Debug)]
pub(super) struct GivenAddresses;

impl reqwest::dns::Resolve for GivenAddresses {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let given = TRACE.try_with(|trace| trace.addresses.clone());
        Box::pin(std::future::ready(match given {
            Ok(given) => {
                // With port 0, reqwest uses the port of the URL.
                let all: Vec<_> = given.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
                Ok(Box::new(all.into_iter()) as reqwest::dns::Addrs)
            }
            Err(_) => Err("a connection that no probe asked for".into()),
        }))
    }
}

/// Measures connects, and keeps the scope when hyper moves one to another task.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeConnect;

impl<S> Layer<S> for TimeConnect {
    type Service = Timed<S>;

    fn layer(&self, inner: S) -> Timed<S> {
        Timed {
            inner: Arc::new(inner),
        }
    }
}

/// See [`TimeConnect`]. Every request clones the connector but few connect, so the parts are cloned
/// only on connect.
#[derive(Debug, Clone)]
pub(super) struct Timed<S> {
    inner: Arc<S>,
}

impl<S, R> Service<R> for Timed<S>
where
    S: Service<R> + Clone + Send + Sync + 'static,
    S::Response: Connection,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let mut inner = S::clone(&self.inner);
        let connecting = async move {
            poll_fn(|context| inner.poll_ready(context)).await?;
            inner.call(request).await
        };
        let Ok(trace) = TRACE.try_with(Arc::clone) else {
            return Box::pin(connecting);
        };
        trace.write(|seen| {
            *seen = Seen {
                began: Some(Instant::now()),
                ..Seen::default()
            };
        });
        Box::pin(TRACE.scope(trace.clone(), async move {
            let result = connecting.await;
            if let Ok(connection) = &result {
                let ends = ConnectionEnds::of(&connection.connected());
                trace.write(|seen| {
                    seen.connected = Some(Instant::now());
                    seen.ends = ends;
                });
            }
            result
        }))
    }
}
