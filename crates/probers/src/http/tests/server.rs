//! A scripted HTTP server on loopback.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The reply of a script to one request.
pub(super) struct ServerReply {
    pub(super) bytes: Vec<u8>,
    pub(super) then: Then,
}

/// What the server does with the connection after the reply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Keep,
    Close,
    /// Sends FIN after so many milliseconds, and answers no request before.
    CloseAfter(u64),
    /// Sends RST instead of FIN.
    Reset,
    /// Keeps the connection open and sends nothing more.
    Hang,
    /// Repeats the bytes slowly and endlessly, one at a time.
    Drip,
    /// Repeats this text endlessly.
    Repeat(&'static str),
}

impl ServerReply {
    /// Returns a whole response with these header lines, each with its line end.
    pub(super) fn with(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len();
        let mut bytes =
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n").into_bytes();
        bytes.extend_from_slice(body);
        Self {
            bytes,
            then: Then::Keep,
        }
    }

    /// Returns status 200 with a body.
    pub(super) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::with("200 OK", "Content-Type: text/plain\r\n", body)
    }

    /// Returns exactly these bytes.
    pub(super) fn raw(bytes: impl AsRef<[u8]>, then: Then) -> Self {
        Self {
            bytes: bytes.as_ref().to_vec(),
            then,
        }
    }
}

/// A request as the server received it.
#[derive(Debug, Clone)]
pub(super) struct ReceivedRequest {
    /// Path and query.
    pub(super) target: String,
    /// The request line and the headers.
    pub(super) head: String,
    /// The number of the connection that it arrived on.
    pub(super) connection: usize,
}

impl ReceivedRequest {
    /// Returns the encoded value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let query = self.target.split_once('?')?.1;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    pub(super) fn event(&self) -> &str {
        self.parameter("event").unwrap_or("")
    }
}

/// A running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
    accepting: JoinHandle<()>,
}

type Script = dyn Fn(&ReceivedRequest, usize) -> ServerReply + Send + Sync;

impl Server {
    /// Starts a server on a loopback address. The script takes each request and its number.
    pub(super) async fn start_on(
        ip: &str,
        tls: Option<TlsAcceptor>,
        script: impl Fn(&ReceivedRequest, usize) -> ServerReply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        let script: Arc<Script> = Arc::new(script);
        let accepting = tokio::spawn(async move {
            let mut number = 0;
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, script, tls) = (log.clone(), script.clone(), tls.clone());
                let connection = number;
                number += 1;
                open.spawn(async move {
                    match tls {
                        None => serve(stream, connection, &log, &*script).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, connection, &log, &*script).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            requests,
            accepting,
        }
    }

    /// Starts a server on 127.0.0.1.
    pub(super) async fn start(
        script: impl Fn(&ReceivedRequest, usize) -> ServerReply + Send + Sync + 'static,
    ) -> Self {
        Self::start_on("127.0.0.1", None, script).await
    }

    /// Starts a server that answers every request with the same body.
    pub(super) async fn always(body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref().to_vec();
        Self::start(move |_, _| ServerReply::ok(&body)).await
    }

    /// Returns the requests received so far.
    pub(super) fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// Returns the events of the announces received so far.
    pub(super) fn events(&self) -> Vec<String> {
        self.requests()
            .iter()
            .map(|request| request.event().to_owned())
            .collect()
    }

    /// Returns the URL of a path on this server.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Connections that the server can reset.
trait Abort {
    fn abort(&self);
}

impl Abort for TcpStream {
    fn abort(&self) {
        SockRef::from(self)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
    }
}

impl Abort for tokio_rustls::server::TlsStream<TcpStream> {
    fn abort(&self) {
        self.get_ref().0.abort();
    }
}

async fn serve<S>(
    mut stream: S,
    connection: usize,
    log: &Mutex<Vec<ReceivedRequest>>,
    script: &Script,
) where
    S: AsyncRead + AsyncWrite + Abort + Unpin,
{
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            let mut chunk = [0; 8192];
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(length) => buffer.extend_from_slice(&chunk[..length]),
            }
        };
        let head = String::from_utf8(buffer.drain(..end).collect()).unwrap();
        let target = head.split(' ').nth(1).unwrap().to_owned();
        let request = ReceivedRequest {
            target,
            head,
            connection,
        };
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            log.len() - 1
        };
        let reply = script(&request, number);
        if reply.then == Then::Drip {
            for byte in reply.bytes.iter().cycle() {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
        if stream.write_all(&reply.bytes).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        match reply.then {
            Then::Keep => {}
            Then::Repeat(part) => {
                let many = part.repeat(4096 / part.len());
                while stream.write_all(many.as_bytes()).await.is_ok() {}
                return;
            }
            Then::Close => {
                let _ = stream.shutdown().await;
                return;
            }
            Then::CloseAfter(milliseconds) => {
                tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
                let _ = stream.shutdown().await;
                while matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) {}
                return;
            }
            Then::Reset => return stream.abort(),
            Then::Hang | Then::Drip => return std::future::pending().await,
        }
    }
}
