//! An HTTP or HTTPS tracker that follows a script.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Truth;
use crate::rig::address;
use crate::rig::wire::Endpoint;

/// A request as received.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The path and query.
    pub(crate) target: String,
    /// The request line and headers.
    pub(crate) head: String,
}

impl Request {
    /// Returns a query parameter, still percent-encoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }
}

/// A response, byte for byte.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) raw: Vec<u8>,
    /// Whether the connection stays open for the next request.
    pub(crate) keep_alive: bool,
    /// The delay before the response.
    pub(crate) after: Duration,
}

impl Reply {
    /// Returns a response of these bytes, after which the connection is closed.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            raw: bytes.into(),
            keep_alive: false,
            after: Duration::ZERO,
        }
    }
}

/// Returns a response with status 200 and this body, on a connection that stays open.
pub(crate) fn ok(body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    Reply {
        keep_alive: true,
        ..Reply::raw([head.as_bytes(), body].concat())
    }
}

/// Returns the bencoded announce answer of an honest tracker.
pub(crate) fn body(truth: &Truth) -> Vec<u8> {
    let mut text = format!(
        "d8:completei{}e10:incompletei{}e8:intervali{}e",
        truth.seeders, truth.leechers, truth.interval
    )
    .into_bytes();
    for (key, v6) in [("5:peers", false), ("6:peers6", true)] {
        let list = truth.compact(v6);
        text.extend(format!("{key}{}:", list.len()).as_bytes());
        text.extend(list);
    }
    text.push(b'e');
    text
}

type Script = dyn Fn(&Request) -> Reply + Send + Sync;

/// A tracker on its own address, which stops when dropped.
pub(crate) struct HttpTracker {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Request>>>,
    connections: Arc<Mutex<usize>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HttpTracker {
    /// Starts a tracker that answers each request with the reply of the script.
    pub(crate) fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(None, Arc::new(script))
    }

    /// Like [`start`](Self::start), over TLS.
    pub(crate) fn start_tls(
        config: ServerConfig,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Some(Arc::new(config)), Arc::new(script))
    }

    fn serve(tls: Option<Arc<ServerConfig>>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind((address::host(), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (received, stop) = (Arc::clone(&received), Arc::clone(&stop));
            let connections = Arc::clone(&connections);
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    *connections.lock().unwrap() += 1;
                    let (script, received) = (Arc::clone(&script), Arc::clone(&received));
                    let tls = tls.clone();
                    std::thread::spawn(move || match tls {
                        None => serve_connection(stream, &*script, &received),
                        Some(config) => {
                            let connection = ServerConnection::new(config).unwrap();
                            serve_connection(
                                StreamOwned::new(connection, stream),
                                &*script,
                                &received,
                            );
                        }
                    });
                }
            }
        });
        Self {
            address,
            received,
            connections,
            stop,
            thread: Some(thread),
        }
    }

    /// Returns the endpoint of the tracker over plain HTTP.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::Http(self.address)
    }

    /// Returns the address that the tracker listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns every request so far.
    pub(crate) fn received(&self) -> Vec<Request> {
        self.received.lock().unwrap().clone()
    }

    /// Returns the number of connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for HttpTracker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Unblocks the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The first byte of a TLS connection, which a plain HTTP server rejects with status 400.
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves one connection until the client closes it or the script ends it.
fn serve_connection(
    mut stream: impl Read + Write,
    script: &Script,
    received: &Mutex<Vec<Request>>,
) {
    let mut raw = Vec::new();
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte) {
        raw.push(byte[0]);
        if raw == [TLS_HANDSHAKE] {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            return;
        }
        if !raw.ends_with(b"\r\n\r\n") {
            continue;
        }
        let head = String::from_utf8_lossy(&raw).into_owned();
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let request = Request { target, head };
        received.lock().unwrap().push(request.clone());
        let reply = script(&request);
        std::thread::sleep(reply.after);
        let last = !reply.keep_alive || request.head.to_lowercase().contains("connection: close");
        let sent = stream.write_all(&reply.raw).and_then(|()| stream.flush());
        if sent.is_err() || last {
            return;
        }
        raw.clear();
    }
}
