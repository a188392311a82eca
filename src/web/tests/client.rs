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

use super::PATIENCE;
use crate::web::State;
use seedwatch_exporter::{WebConfig, bind, serve};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(state: Arc<State>) -> Self {
        Self::start_with(None, state)
    }

    pub(crate) fn start_with(config: Option<Arc<WebConfig>>, state: Arc<State>) -> Self {
        let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        Self::start_on(listeners, config, state)
    }

    pub(crate) fn start_on(
        listeners: Vec<TcpListener>,
        config: Option<Arc<WebConfig>>,
        state: Arc<State>,
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

    pub(crate) async fn connect(&self) -> Connection {
        Connection(TcpStream::connect(self.address).await.unwrap())
    }

    /// A connection that takes few bytes unless it is read.
    pub(crate) async fn connect_narrow(&self) -> Connection {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Connection(socket.connect(self.address).await.unwrap())
    }

    /// A connection from another address of this machine.
    pub(crate) async fn connect_from(&self, address: [u8; 4]) -> Connection {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind((address, 0).into()).unwrap();
        Connection(socket.connect(self.address).await.unwrap())
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

pub(crate) struct Connection(TcpStream);

impl Connection {
    /// Sends a request of HTTP/1.0 with keep-alive: its answer is never cut into chunks.
    pub(crate) async fn request(&mut self, request: &str, headers: &str) {
        let head = format!("{request} HTTP/1.0\r\nConnection: keep-alive\r\n{headers}\r\n");
        self.0.write_all(head.as_bytes()).await.unwrap();
    }

    /// As [`Server::connect_from`], for a server at this address.
    pub(crate) async fn from(own: [u8; 4], server: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind((own, 0).into()).unwrap();
        Self(socket.connect(server).await.unwrap())
    }

    /// Reads at most so many bytes. Returns whether there may be more.
    pub(crate) async fn some(&mut self, most: usize) -> bool {
        let mut bytes = vec![0; most];
        self.0.read(&mut bytes).await.is_ok_and(|read| read > 0)
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Reads a response that names its length.
    pub(crate) async fn response(&mut self) -> Response {
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
    pub(crate) async fn begin(&mut self) -> String {
        let mut line = [0; "HTTP/1.0 200 OK".len()];
        let read = self.0.read_exact(&mut line);
        timeout(PATIENCE, read).await.unwrap().unwrap();
        String::from_utf8(line.to_vec()).unwrap()
    }

    /// Reads until the server closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = self.0.read_to_end(&mut bytes);
        // A server that refuses a request before it has read all of it may reset the connection.
        let _ = timeout(PATIENCE, read).await.unwrap();
        bytes
    }

    /// The server has closed, and had nothing more to say.
    pub(crate) async fn at_end(&mut self) -> bool {
        self.rest().await.is_empty()
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
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

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn unpacked(&self) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&self.body[..])
            .read_to_string(&mut text)
            .unwrap();
        text
    }
}

pub(crate) async fn ask(server: &Server, request: &str, headers: &str) -> Response {
    send(server.address, request, headers).await
}

/// One request on a connection of its own. Over HTTP/1.0 the body ends with the connection.
pub(crate) async fn send(address: SocketAddr, request: &str, headers: &str) -> Response {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{request} HTTP/1.0\r\n{headers}\r\n");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(head.as_bytes()).await;
    Response::parse(&Connection(stream).rest().await).expect(request)
}
