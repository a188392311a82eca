//! A client that shows what goes over the wire.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::PATIENCE;
use seedwatch_exporter::{Service, WebConfig, bind, serve};

/// A server under test, on 127.0.0.1.
pub struct Server<S> {
    /// Its address.
    pub address: SocketAddr,
    /// The service that it serves.
    pub state: Arc<S>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl<S: Service> Server<S> {
    /// Starts a server without a web configuration.
    pub fn start(state: Arc<S>) -> Self {
        Self::start_with(None, state)
    }

    /// Starts a server with a web configuration.
    pub fn start_with(config: Option<Arc<WebConfig>>, state: Arc<S>) -> Self {
        let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        Self::start_on(listeners, config, state)
    }

    /// Starts a server on these listeners.
    pub fn start_on(
        listeners: Vec<TcpListener>,
        config: Option<Arc<WebConfig>>,
        state: Arc<S>,
    ) -> Self {
        let address = listeners[0].local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = serve(listeners, config, Arc::clone(&state), async {
            let _ = stopped.await;
        });
        Self {
            address,
            state,
            stop,
            task: tokio::spawn(serving),
        }
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Connection {
        Connection(TcpStream::connect(self.address).await.unwrap())
    }

    /// Opens a connection whose receive buffer is small.
    pub async fn connect_narrow(&self) -> Connection {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Connection(socket.connect(self.address).await.unwrap())
    }

    /// Opens a connection from another address of this machine.
    pub async fn connect_from(&self, address: [u8; 4]) -> Connection {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind((address, 0).into()).unwrap();
        Connection(socket.connect(self.address).await.unwrap())
    }

    /// Stops the server, and waits for its end.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

/// A connection to the server.
pub struct Connection(TcpStream);

impl Connection {
    /// Sends a request of HTTP/1.0 with keep-alive: its answer is never cut into chunks.
    pub async fn request(&mut self, request: &str, headers: &str) {
        let head = format!("{request} HTTP/1.0\r\nConnection: keep-alive\r\n{headers}\r\n");
        self.0.write_all(head.as_bytes()).await.unwrap();
    }

    /// Opens a connection as [`Server::connect_from`] does, to the server at this address.
    pub async fn from(own: [u8; 4], server: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind((own, 0).into()).unwrap();
        Self(socket.connect(server).await.unwrap())
    }

    /// Reads at most so many bytes. Returns whether there may be more.
    pub async fn some(&mut self, most: usize) -> bool {
        let mut bytes = vec![0; most];
        self.0.read(&mut bytes).await.is_ok_and(|read| read > 0)
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Reads a response that names its length.
    pub async fn response(&mut self) -> Response {
        let mut bytes = Vec::new();
        loop {
            let response = Response::parse(&bytes);
            let whole = response.filter(|response| {
                let length = response.headers.get("content-length").unwrap();
                let length: usize = length.to_str().unwrap().parse().unwrap();
                response.body.len() >= length
            });
            if let Some(response) = whole {
                return response;
            }
            let read = self.0.read_buf(&mut bytes);
            assert!(timeout(PATIENCE, read).await.unwrap().unwrap() > 0);
        }
    }

    /// Reads the status line, and only that.
    pub async fn begin(&mut self) -> String {
        let mut line = [0; "HTTP/1.0 200 OK".len()];
        let read = self.0.read_exact(&mut line);
        timeout(PATIENCE, read).await.unwrap().unwrap();
        String::from_utf8(line.to_vec()).unwrap()
    }

    /// Reads until the server closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = self.0.read_to_end(&mut bytes);
        // A server that refuses a request before it has read all of it may reset the connection.
        let _ = timeout(PATIENCE, read).await.unwrap();
        bytes
    }

    /// Returns whether the server has closed the connection and sent nothing more.
    pub async fn at_end(&mut self) -> bool {
        self.rest().await.is_empty()
    }
}

/// A response of the server.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as sent.
    pub body: Vec<u8>,
}

impl Response {
    /// Reads a response, once its head is complete.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (
                    name.parse::<HeaderName>().unwrap(),
                    value.parse::<HeaderValue>().unwrap(),
                )
            })
            .collect();
        Some(Self {
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        })
    }

    /// Returns the body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Returns the text of a gzipped body.
    pub fn unpacked(&self) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&self.body[..])
            .read_to_string(&mut text)
            .unwrap();
        text
    }
}

/// Sends one request on a connection of its own.
pub async fn ask<S>(server: &Server<S>, request: &str, headers: &str) -> Response {
    send(server.address, request, headers).await
}

/// Sends one request to an address. Over HTTP/1.0 the body ends with the connection.
pub async fn send(address: SocketAddr, request: &str, headers: &str) -> Response {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{request} HTTP/1.0\r\n{headers}\r\n");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(head.as_bytes()).await;
    Response::parse(&Connection(stream).rest().await).expect(request)
}
