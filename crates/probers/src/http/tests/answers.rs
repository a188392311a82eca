//! Unusual HTTP responses.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::server::{Server, ServerReply, Then};
use super::*;
use seedwatch_tracker::Retry;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const GZIP: &str = "Content-Encoding: gzip\r\n";

async fn peers_of(server_reply: impl Fn() -> ServerReply + Send + Sync + 'static) -> usize {
    let server = Server::start(move |_, _| server_reply()).await;
    let (response, _) = announce_stopped_only(&http_client(), &server.url("/announce")).await;
    response.unwrap().peers.len()
}

#[tokio::test]
async fn gzip_is_detected_from_the_body() {
    assert_eq!(
        peers_of(|| ServerReply::with("200 OK", GZIP, gzip(LIST))).await,
        1
    );
    assert_eq!(
        peers_of(|| ServerReply::ok(gzip(LIST))).await,
        1,
        "gzip without a header"
    );
    assert_eq!(
        peers_of(|| ServerReply::with("200 OK", GZIP, LIST)).await,
        1,
        "a gzip header without gzip"
    );
}

#[tokio::test]
async fn a_decompression_bomb_is_rejected() {
    let bomb = gzip(&vec![0; 8 << 20]);
    let server = Server::start(move |_, _| ServerReply::with("200 OK", GZIP, &bomb)).await;
    let failed = failure_of(&server.url("/announce")).await;
    assert_eq!(failed.reason, FailureReason::Malformed);
    assert!(failed.text.contains("1 MiB"));
}

#[tokio::test]
async fn oversized_responses_are_rejected() {
    let declared = || {
        ServerReply::raw(
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nd",
            Then::Hang,
        )
    };
    let endless = || {
        let mut bytes = b"HTTP/1.1 200 OK\r\n\r\nd".to_vec();
        bytes.extend(vec![b'1'; 3 << 20]);
        ServerReply::raw(bytes, Then::Hang)
    };
    let headers = || {
        ServerReply::raw(
            format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(3 << 20)),
            Then::Hang,
        )
    };
    for server_reply in [declared, endless, headers] {
        let server = Server::start(move |_, _| server_reply()).await;
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
        let found = peers_of(move || ServerReply::raw(&bytes, Then::Close)).await;
        assert_eq!(found, 1, "{head}");
    }
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for byte in LIST {
        chunked.extend([b"1\r\n".as_slice(), &[*byte], b"\r\n"].concat());
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(
        peers_of(move || ServerReply::raw(&chunked, Then::Keep)).await,
        1
    );
}

#[tokio::test]
async fn a_truncated_response_yields_its_whole_entries() {
    let list = [b"d5:peers600:", &[9; 302][..]].concat();
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n";
    for then in [Then::Close, Then::Reset] {
        let bytes = [head.as_bytes(), &list].concat();
        let server = Server::start(move |_, _| ServerReply::raw(&bytes, then)).await;
        let (response, _) = announce_stopped_only(&http_client(), &server.url("/announce")).await;
        // A reset may overtake the bytes sent before it; then the response is lost.
        match response {
            Ok(response) => {
                assert_eq!((response.peers.len(), response.peers.malformed), (50, 1));
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
    let server = Server::start(move |_, _| ServerReply::raw(&nothing, Then::Close)).await;
    let failed = failure_of(&server.url("/announce")).await;
    assert_eq!(
        failed.reason,
        FailureReason::Reset,
        "a truncated response is not an empty swarm"
    );
}

#[tokio::test]
async fn failed_responses_get_distinct_reasons() {
    for (server_reply, reason) in [
        (
            ServerReply::ok("<html>Parked</html>"),
            FailureReason::NotBencode,
        ),
        (ServerReply::ok(""), FailureReason::NotBencode),
        (
            ServerReply::with("204 No Content", "", ""),
            FailureReason::NotBencode,
        ),
        (
            ServerReply::with("403 Forbidden", "", "<html>"),
            FailureReason::HttpStatus,
        ),
        (
            ServerReply::with("404 Not Found", "", ""),
            FailureReason::HttpStatus,
        ),
        (
            ServerReply::with("500 Oops", "", "d8:intervali60ee"),
            FailureReason::HttpStatus,
        ),
        (
            ServerReply::with("304 Not Modified", "", ""),
            FailureReason::HttpStatus,
        ),
        (
            ServerReply::ok("d14:failure reason5:go ond"),
            FailureReason::Rejected,
        ),
        (
            ServerReply::with("400 Bad Request", "", "d14:failure reason2:nod"),
            FailureReason::Rejected,
        ),
        (
            ServerReply::raw("SSH-2.0-OpenSSH_9\r\n", Then::Close),
            FailureReason::NotBencode,
        ),
        (ServerReply::raw("", Then::Close), FailureReason::Reset),
        (ServerReply::raw("", Then::Reset), FailureReason::Reset),
        (
            ServerReply::raw("HTTP/1.1 200 OK\r\nContent-Le", Then::Close),
            FailureReason::Reset,
        ),
    ] {
        let shown = server_reply.bytes.escape_ascii().to_string();
        let (bytes, then) = (server_reply.bytes, server_reply.then);
        let server = Server::start(move |_, _| ServerReply::raw(&bytes, then)).await;
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
        let server = Server::start(move |_, _| ServerReply::with(status, headers, body)).await;
        let failed = failure_of(&server.url("/announce")).await;
        assert_eq!((failed.reason, failed.retry), (reason, retry), "{status}");
    }
}
