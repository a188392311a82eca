//! Requests over kept and new connections.
//!
//! A server may close an idle connection at any time (RFC 9112, section 9.5). A request that was
//! sent over a kept connection and got no byte of an answer is therefore sent once more over a new
//! one. A request over a new connection is never repeated.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, HOST, HeaderValue, InvalidHeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

use super::asker::Progress;
use super::connection::{Connection, Stream};
use super::failure;
use super::trace::Trace;
use super::{CONNECT_TIMEOUT, KEEP_ALIVE, MAX_PER_HOST};
use crate::observation::{Failed, Failure};

/// Sends requests over one address family.
pub(super) struct Client {
    tls: TlsConnector,
    user_agent: HeaderValue,
    idle: Mutex<IdleConnections>,
}

/// Connections that wait for a request, by scheme, host and port.
type IdleConnections = HashMap<Box<str>, Vec<Idle>>;

struct Idle {
    connection: Connection,
    since: tokio::time::Instant,
}

/// The head of an answer, and what the rest comes over.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) connection: Connection,
    /// When the request was sent.
    pub(super) sent: Instant,
}

impl Client {
    /// Prepares a client. Nothing is contacted.
    pub(super) fn new(
        user_agent: &str,
        tls: Arc<rustls::ClientConfig>,
    ) -> Result<Self, InvalidHeaderValue> {
        Ok(Self {
            tls: tls.into(),
            user_agent: HeaderValue::from_str(user_agent)?,
            idle: Mutex::default(),
        })
    }

    /// Sends a GET to one of these addresses, and waits for the head of the answer.
    pub(super) async fn get(
        &self,
        url: &Url,
        addresses: &[IpAddr],
        progress: &mut Progress,
    ) -> Result<Answer, Failed> {
        if let Some(mut connection) = self.take_idle(url, addresses) {
            progress.trace = None;
            progress.exchange.requests += 1;
            let sent = Instant::now();
            let result = connection.send(self.request(url)?).await;
            match result {
                // What was sent while the connection was idle: RFC 9110, section 15.5.9.
                Ok(response) if response.status() == StatusCode::REQUEST_TIMEOUT => {}
                Ok(response) => {
                    return Ok(Answer {
                        response,
                        connection,
                        sent,
                    });
                }
                Err(_) if connection.meter().is_untouched() => {}
                Err(error) => return Err(failure::of_exchange(&error, connection.meter())),
            }
        }
        let trace = Arc::new(Trace::default());
        progress.trace = Some(trace.clone());
        progress.exchange.requests += 1;
        let request = self.request(url)?;
        let connecting = self.connect(url, addresses, &trace);
        let connected = connecting.await;
        progress.note();
        let (mut connection, sent) = (connected?, Instant::now());
        let response = connection.send(request).await;
        let response = response.map_err(|e| failure::of_exchange(&e, connection.meter()))?;
        Ok(Answer {
            response,
            connection,
            sent,
        })
    }

    fn request(&self, url: &Url) -> Result<Request<String>, Failed> {
        let refuse = || Failed::new(Failure::Unsupported, "not a URL that can be asked");
        let target = url[Position::BeforePath..Position::AfterQuery].to_owned();
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let mut request = Request::new(String::new());
        *request.uri_mut() = Uri::try_from(target).map_err(|_| refuse())?;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, self.user_agent.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(HOST, HeaderValue::from_str(host).map_err(|_| refuse())?);
        Ok(request)
    }

    async fn connect(
        &self,
        url: &Url,
        addresses: &[IpAddr],
        trace: &Arc<Trace>,
    ) -> Result<Connection, Failed> {
        trace.connect_begins();
        let until = tokio::time::Instant::now() + CONNECT_TIMEOUT;
        let (stream, remote) = tcp(url, addresses, until).await?;
        let failed = |error| failure::of_connecting(&error, &trace.seen());
        let stream = if url.scheme() == "https" {
            trace.tls_begins();
            let handshake = trace.record(self.tls.connect(server_name(url)?, stream));
            let handshake = timeout_at(until, handshake).await;
            let stream = handshake.map_err(|_| failure::no_handshake())?;
            Stream::Tls(Box::new(stream.map_err(failed)?))
        } else {
            Stream::Plain(stream)
        };
        trace.connected();
        let connection = Connection::new(stream, remote).await;
        connection.map_err(|_| Failed::new(Failure::Reset, "the connection was cut"))
    }

    /// The kept connection to this host that was used last, if it leads to one of these addresses.
    fn take_idle(&self, url: &Url, addresses: &[IpAddr]) -> Option<Connection> {
        let mut idle = self.idle();
        let idle = idle.get_mut(&url[..Position::BeforePath])?;
        while let Some(mut kept) = idle.pop() {
            let fits = addresses.contains(&kept.connection.remote);
            if fits && kept.since.elapsed() < KEEP_ALIVE && kept.connection.is_open() {
                return Some(kept.connection);
            }
        }
        None
    }

    /// Keeps a connection for the next request, if the server does.
    pub(super) fn keep(&self, url: &Url, mut connection: Connection) {
        if !connection.is_open() {
            return;
        }
        let kept = Idle {
            connection,
            since: tokio::time::Instant::now(),
        };
        let mut idle = self.idle();
        let endpoint = &url[..Position::BeforePath];
        match idle.get_mut(endpoint) {
            Some(idle) if idle.len() >= MAX_PER_HOST => {}
            Some(idle) => idle.push(kept),
            None => drop(idle.insert(endpoint.into(), vec![kept])),
        }
    }

    /// Closes connections that were not used for long, or that the server closed.
    pub(super) fn close_idle(&self) {
        self.idle().retain(|_, idle| {
            let is_fresh = |kept: &Idle| kept.since.elapsed() < KEEP_ALIVE;
            idle.retain_mut(|kept| is_fresh(kept) && kept.connection.is_open());
            !idle.is_empty()
        });
    }

    #[cfg(test)]
    pub(super) fn idle_connections(&self) -> usize {
        self.idle().values().map(Vec::len).sum()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, IdleConnections> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects to the first of the addresses that accepts. Each gets an equal share of the time left.
async fn tcp(
    url: &Url,
    addresses: &[IpAddr],
    until: tokio::time::Instant,
) -> Result<(TcpStream, IpAddr), Failed> {
    let port = url.port_or_known_default().unwrap_or_default();
    let mut failed = failure::no_connection();
    for (place, ip) in addresses.iter().enumerate() {
        let now = tokio::time::Instant::now();
        let share = (until - now) / (addresses.len() - place) as u32;
        let connecting = TcpStream::connect(SocketAddr::new(*ip, port));
        failed = match timeout_at(now + share, connecting).await {
            Ok(Ok(stream)) => {
                // A request leaves in one piece: without this it is only later.
                let _ = stream.set_nodelay(true);
                return Ok((stream, *ip));
            }
            Ok(Err(error)) => failure::of_connecting(&error, &Default::default()),
            Err(_) => failure::no_connection(),
        };
    }
    Err(failed)
}

fn server_name(url: &Url) -> Result<ServerName<'static>, Failed> {
    let name = match url.host() {
        Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).ok(),
        Some(Host::Ipv4(ip)) => Some(IpAddr::from(ip).into()),
        Some(Host::Ipv6(ip)) => Some(IpAddr::from(ip).into()),
        None => None,
    };
    name.ok_or_else(|| Failed::new(Failure::Tls, "the host is no name for TLS"))
}
