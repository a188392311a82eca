//! What happens below reqwest while one request is sent: where it may connect to, how long each
//! phase took, what certificate was shown.
//!
//! reqwest and rustls offer hooks without a place for our data, so the request runs inside a
//! task-local scope that the hooks find.

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

/// What was seen while a connection was made; all empty when one was reused.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// The connector was called.
    pub(super) began: Option<Instant>,
    /// TCP is connected, the TLS handshake begins.
    pub(super) tls_began: Option<Instant>,
    /// The connection can be used.
    pub(super) connected: Option<Instant>,
    /// Earliest end of validity in the chain shown.
    pub(super) certificate_expiry: Option<Unix>,
    /// How the server's own certificate was made.
    pub(super) certificate: CertificateKind,
    /// Both ends of the connection.
    ends: Option<Ends>,
}

/// What a server's own certificate says of its making.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CertificateKind {
    /// Issuer and subject are the same.
    pub(super) is_self_signed: bool,
    /// It is a certificate of an authority, to sign others with.
    pub(super) is_authority: bool,
}

/// The addresses of both ends of a connection, which tell it from all others that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    local: SocketAddr,
    remote: SocketAddr,
}

impl Ends {
    /// Returns the ends of a connection of hyper; `None` if it was cut before they were asked for.
    pub(super) fn of(connection: &Connected) -> Option<Self> {
        let mut extensions = hyper::http::Extensions::new();
        connection.get_extras(&mut extensions);
        Self::within(&extensions)
    }

    /// Returns the ends of the connection that an answer with these extensions came over.
    pub(super) fn within(extensions: &hyper::http::Extensions) -> Option<Self> {
        let info: &HttpInfo = extensions.get()?;
        Some(Self {
            local: info.local_addr(),
            remote: info.remote_addr(),
        })
    }
}

impl Seen {
    /// How long TCP took.
    pub(super) fn connect(&self) -> Option<Duration> {
        let end = self.tls_began.or(self.connected)?;
        Some(end.saturating_duration_since(self.began?))
    }

    /// How long the TLS handshake took.
    pub(super) fn tls(&self) -> Option<Duration> {
        Some(self.connected?.saturating_duration_since(self.tls_began?))
    }

    /// The handshake began and did not end.
    pub(super) fn is_in_handshake(&self) -> bool {
        self.tls_began.is_some() && self.connected.is_none()
    }

    /// A connection is being made.
    pub(super) fn is_connecting(&self) -> bool {
        self.began.is_some() && self.connected.is_none()
    }

    /// Returns whether a request went over another connection than the one that was made for it.
    /// One that is kept can become free first. Where the ends are unknown, this says yes.
    pub(super) fn is_reuse(&self, used: Option<Ends>) -> bool {
        self.ends.is_none() || self.ends != used
    }
}

impl Trace {
    /// A record for a request that may go to these addresses only.
    pub(super) fn new(addresses: Arc<[IpAddr]>) -> Arc<Self> {
        Arc::new(Self {
            addresses,
            seen: Mutex::default(),
        })
    }

    /// Runs a request so that the hooks below write here.
    pub(super) fn record<F: Future>(
        self: &Arc<Self>,
        request: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        TRACE.scope(self.clone(), request)
    }

    /// What was seen up to now.
    pub(super) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn with_seen(change: impl FnOnce(&mut Seen)) {
    // Outside a scope nobody asked.
    let _ = TRACE.try_with(|trace| trace.write(change));
}

/// The first thing rustls does in a handshake is to look for a session to resume.
pub(super) fn tls_begins() {
    with_seen(|seen| {
        seen.tls_began.get_or_insert_with(Instant::now);
    });
}

/// Records that the server showed a chain.
pub(super) fn certificate_shown(expiry: Option<Unix>, certificate: CertificateKind) {
    with_seen(|seen| {
        seen.certificate_expiry = expiry;
        seen.certificate = certificate;
    });
}

/// Name resolution for reqwest: the addresses that the prober has resolved and may use.
#[derive(Debug)]
pub(super) struct GivenAddresses;

impl reqwest::dns::Resolve for GivenAddresses {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let given = TRACE.try_with(|trace| trace.addresses.clone());
        Box::pin(std::future::ready(match given {
            Ok(given) => {
                // Port 0: reqwest takes the one of the URL.
                let all: Vec<_> = given.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
                Ok(Box::new(all.into_iter()) as reqwest::dns::Addrs)
            }
            Err(_) => Err("a connection that no probe asked for".into()),
        }))
    }
}

/// Times the making of connections, and keeps the scope with it when hyper moves it to another
/// task.
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

/// See [`TimeConnect`]. Every request clones the connector, few connect: what it is made of is
/// cloned by those only.
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
                let ends = Ends::of(&connection.connected());
                trace.write(|seen| {
                    seen.connected = Some(Instant::now());
                    seen.ends = ends;
                });
            }
            result
        }))
    }
}
