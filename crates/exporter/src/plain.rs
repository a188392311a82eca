//! Plain HTTP on a port that speaks HTTPS.

use std::time::Duration;

use hyper::header::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::MAX_HEAD;

/// What the client is told.
const SENTENCE: &str = "This port speaks HTTPS: use https:// in the URL\n";

/// Longest wait for the client to take its answer.
const LINGER: Duration = Duration::from_secs(1);

/// Whether the client speaks plain text: its first byte is a letter. TLS begins with a content type
/// below 32 (RFC 8446, section 5.1). Waits for the first byte; the end of the stream is not text.
pub(super) async fn is_spoken(stream: &TcpStream) -> bool {
    let mut first = [0];
    let peeked = stream.peek(&mut first).await;
    matches!(peeked, Ok(1)) && first[0].is_ascii_alphabetic()
}

/// Answers with status 400, the headers of the web configuration and a sentence, and ends the
/// connection.
pub(super) async fn refuse(stream: &mut TcpStream, headers: &HeaderMap) {
    let mut answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
        Content-Type: text/plain; charset=utf-8\r\n"
        .to_vec();
    for (name, value) in headers {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    let length = format!("Content-Length: {}\r\n\r\n", SENTENCE.len());
    answer.extend_from_slice(length.as_bytes());
    answer.extend_from_slice(SENTENCE.as_bytes());
    // Whether the client reads it is up to the client.
    let _ = timeout(LINGER, send(stream, &answer)).await;
}

/// Sends the answer and reads what the client sent: bytes left unread would reset the connection
/// before the client has the answer.
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
