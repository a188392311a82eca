//! Unusual HTTP responses.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::server::{Says, Server, Then};
use super::*;
use seedwatch_tracker::Retry;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const GZIP: &str = "Content-Encoding: gzip\r\n";

async fn peers_of(says: impl Fn() -> Says + Send + Sync + 'static) -> usize {
    let server = Server::start(move |_, _| says()).await;
    let (said, _) = ghost(&http_client(), &server.url("/announce")).await;
    said.unwrap().peers.len()
}

#[tokio::test]
async fn gzip_is_detected_from_the_body() {
    assert_eq!(peers_of(|| Says::with("200 OK", GZIP, gzip(LIST))).await, 1);
    assert_eq!(
        peers_of(|| Says::ok(gzip(LIST))).await,
        1,
        "gzip without a header"
    );
    assert_eq!(
        peers_of(|| Says::with("200 OK", GZIP, LIST)).await,
        1,
        "a gzip header without gzip"
    );
}

#[tokio::test]
async fn a_decompression_bomb_is_rejected() {
    let bomb = gzip(&vec![0; 8 << 20]);
    let server = Server::start(move |_, _| Says::with("200 OK", GZIP, &bomb)).await;
    let failed = failure_of(&server.url("/announce")).await;
    assert_eq!(failed.reason, FailureReason::Malformed);
    assert!(failed.text.contains("1 MiB"));
}

#[tokio::test]
async fn oversized_responses_are_rejected() {
    let told = || {
        Says::raw(
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nd",
            Then::Hang,
        )
    };
    let endless = || {
        let mut bytes = b"HTTP/1.1 200 OK\r\n\r\nd".to_vec();
        bytes.extend(vec![b'1'; 3 << 20]);
        Says::raw(bytes, Then::Hang)
    };
    let headers = || {
        Says::raw(
            format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(3 << 20)),
            Then::Hang,
        )
    };
    for says in [told, endless, headers] {
        let server = Server::start(move |_, _| says()).await;
        let failed = failure_of(&server.url("/announce")).await;
        assert_eq!(failed.reason, FailureReason::Malformed, "{failed}");
    }
}

#[tokio::test]
async fn sloppy_http_is_parsed() {
    let with_body = |head: &str| [head.as_bytes(), LIST].concat();
    for head in [
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 200\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\nConnection: close\n\n",
        "HTTP/1.1 200 OK\r\nX-Spaced : 1\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX(bad): 1\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Latin: \u{e9}\r\nConnection: close\r\n\r\n",
    ] {
        let bytes = with_body(head);
        let found = peers_of(move || Says::raw(&bytes, Then::Close)).await;
        assert_eq!(found, 1, "{head}");
    }
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for byte in LIST {
        chunked.extend([b"1\r\n".as_slice(), &[*byte], b"\r\n"].concat());
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(peers_of(move || Says::raw(&chunked, Then::Keep)).await, 1);
}

#[tokio::test]
async fn a_truncated_response_yields_its_whole_entries() {
    let list = [b"d5:peers600:", &[9; 302][..]].concat();
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n";
    for then in [Then::Close, Then::Reset] {
        let bytes = [head.as_bytes(), &list].concat();
        let server = Server::start(move |_, _| Says::raw(&bytes, then)).await;
        let (said, _) = ghost(&http_client(), &server.url("/announce")).await;
        // A reset may overtake the bytes sent before it; then the response is lost.
        match said {
            Ok(said) => {
                assert_eq!((said.peers.len(), said.peers.malformed), (50, 1));
            }
            Err(failed) => {
                assert!(
                    then == Then::Reset && failed.reason == FailureReason::Reset,
                    "{failed}"
                );
            }
        }
    }
    let nothing = format!("{head}d8:completei0e");
    let server = Server::start(move |_, _| Says::raw(&nothing, Then::Close)).await;
    let failed = failure_of(&server.url("/announce")).await;
    assert_eq!(failed.reason, FailureReason::Reset, "a truncated response is not an empty swarm");
}

#[tokio::test]
async fn failed_responses_get_distinct_reasons() {
    for (says, reason) in [
        (Says::ok("<html>Parked</html>"), FailureReason::NotBencode),
        (Says::ok(""), FailureReason::NotBencode),
        (
            Says::with("204 No Content", "", ""),
            FailureReason::NotBencode,
        ),
        (
            Says::with("403 Forbidden", "", "<html>"),
            FailureReason::HttpStatus,
        ),
        (
            Says::with("404 Not Found", "", ""),
            FailureReason::HttpStatus,
        ),
        (
            Says::with("500 Oops", "", "d8:intervali60ee"),
            FailureReason::HttpStatus,
        ),
        (
            Says::with("304 Not Modified", "", ""),
            FailureReason::HttpStatus,
        ),
        (
            Says::ok("d14:failure reason5:go ond"),
            FailureReason::Rejected,
        ),
        (
            Says::with("400 Bad Request", "", "d14:failure reason2:nod"),
            FailureReason::Rejected,
        ),
        (
            Says::raw("SSH-2.0-OpenSSH_9\r\n", Then::Close),
            FailureReason::NotBencode,
        ),
        (Says::raw("", Then::Close), FailureReason::Reset),
        (Says::raw("", Then::Reset), FailureReason::Reset),
        (
            Says::raw("HTTP/1.1 200 OK\r\nContent-Le", Then::Close),
            FailureReason::Reset,
        ),
    ] {
        let shown = says.bytes.escape_ascii().to_string();
        let (bytes, then) = (says.bytes, says.then);
        let server = Server::start(move |_, _| Says::raw(&bytes, then)).await;
        let failed = failure_of(&server.url("/announce?k=secret")).await;
        assert_eq!(failed.reason, reason, "{shown}: {failed}");
    }
}

#[tokio::test]
async fn retry_times_are_read() {
    let after = |seconds| Some(Retry::After(Duration::from_secs(seconds)));
    for (status, headers, body, reason, retry) in [
        (
            "429 Slow",
            "Retry-After: 90\r\n",
            "",
            FailureReason::RateLimited,
            after(90),
        ),
        ("429 Slow", "", "<html>", FailureReason::RateLimited, None),
        (
            "503 Busy",
            "Retry-After: 60\r\n",
            "",
            FailureReason::RateLimited,
            after(60),
        ),
        ("503 Busy", "", "", FailureReason::HttpStatus, None),
        (
            "200 OK",
            "",
            "d14:failure reason5:later8:retry in2:20e",
            FailureReason::Rejected,
            after(1200),
        ),
        (
            "200 OK",
            "",
            "d14:failure reason4:gone8:retry in5:nevere",
            FailureReason::Rejected,
            Some(Retry::Never),
        ),
    ] {
        let server = Server::start(move |_, _| Says::with(status, headers, body)).await;
        let failed = failure_of(&server.url("/announce")).await;
        assert_eq!((failed.reason, failed.retry), (reason, retry), "{status}");
    }
}
