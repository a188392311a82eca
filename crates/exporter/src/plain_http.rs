//! The answer to plain HTTP on a port that speaks HTTPS.

use std::time::Duration;

use hyper::header::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::MAX_HEAD;
use super::response::protect;

/// The body of the answer.
const MESSAGE: &str = "This port speaks HTTPS: use https:// in the URL\n";

/// Longest time that the client has to read the answer.
const LINGER: Duration = Duration::from_secs(1);

/// Waits for the first byte, and returns whether the client speaks plain HTTP: the byte is a
/// letter. TLS begins with a content type below 32 (RFC 8446, section 5.1).
pub(super) async fn is_plain_http(stream: &TcpStream) -> bool {
    let mut first = [0];
    let peeked = stream.peek(&mut first).await;
    matches!(peeked, Ok(1)) && first[0].is_ascii_alphabetic()
}

/// Answers with status 400, the headers of every response and a message, and closes the connection.
pub(super) async fn refuse_plain_http(stream: &mut TcpStream, headers: &HeaderMap) {
    let mut answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
        Content-Type: text/plain; charset=utf-8\r\n"
        .to_vec();
    let mut fields = headers.clone();
    protect(&mut fields);
    for (name, value) in &fields {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    let length = format!("Content-Length: {}\r\n\r\n", MESSAGE.len());
    answer.extend_from_slice(length.as_bytes());
    answer.extend_from_slice(MESSAGE.as_bytes());
    // A client that does not read the answer is not waited for.
    let _ = timeout(LINGER, send(stream, &answer)).await;
}

/// Sends the answer, and reads what the client sent: unread bytes would reset the connection before
/// the client has the answer.
async fn send(stream: &mut TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    let mut left = MAX_HEAD;
    let mut buffer = [0; 4096];
    while left > 0 {
        match stream.read(&mut buffer).await? {
            0 => break,
            count => left = left.saturating_sub(count),
        }
    }
    Ok(())
}
