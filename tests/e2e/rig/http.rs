//! An HTTP/1.1 client that makes one request per connection.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use super::wait;
use socket2::{Domain, Protocol, Socket, Type};

/// A complete response.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    /// The body without chunk headers, still in its content encoding.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Returns a header by its name, which is case-insensitive.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// Sends `GET path` from the given source address.
pub(crate) fn get_from(source: IpAddr, server: SocketAddr, path: &str) -> Response {
    let domain = Domain::for_address(server);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket
        .connect_timeout(&server.into(), wait::PATIENCE)
        .unwrap();
    exchange(socket.into(), "GET", path, &[]).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Sends a request. Returns an error if the connection fails or the response is not HTTP.
pub(crate) fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<Response> {
    exchange(
        TcpStream::connect_timeout(&server, wait::PATIENCE)?,
        method,
        path,
        headers,
    )
}

/// Sends a form.
pub(crate) fn post_form(server: SocketAddr, path: &str, form: &str) -> std::io::Result<Response> {
    let stream = TcpStream::connect_timeout(&server, wait::PATIENCE)?;
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    send(stream, "POST", path, &[kind], form)
}

fn exchange(
    stream: TcpStream,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<Response> {
    send(stream, method, path, headers, "")
}

fn send(
    mut stream: TcpStream,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Response> {
    stream.set_read_timeout(Some(wait::PATIENCE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: rig\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if method == "POST" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all((head + "\r\n" + body).as_bytes())?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw)?;
    parse(&raw).ok_or_else(|| {
        let text = String::from_utf8_lossy(&raw[..raw.len().min(200)]).into_owned();
        std::io::Error::other(format!("not HTTP: {text:?}"))
    })
}

fn parse(raw: &[u8]) -> Option<Response> {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(raw[..end].to_vec()).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = raw[end + 4..].to_vec();
    let mut response = Response { status, head, body };
    if response.header("transfer-encoding") == Some("chunked") {
        response.body = unchunk(&response.body)?;
    }
    Some(response)
}

fn unchunk(mut raw: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = raw.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&raw[..line]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        let start = line + 2;
        body.extend(raw.get(start..start + length)?);
        raw = raw.get(start + length + 2..)?;
    }
}
