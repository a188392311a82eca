//! Downloads of lists from scripted servers.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::secure::Authority;
use super::server::{Server, ServerReply, Then};
use super::*;
use seedwatch_lists::{ListFailure, ListUrl, MAX_BYTES, Validators};

fn downloader() -> Downloader {
    Downloader::new("seedwatch/test", &[], resolver()).unwrap()
}

fn url(text: &str) -> ListUrl {
    ListUrl::parse(text).unwrap()
}

async fn fetch(server: &Server) -> Result<Download, DownloadError> {
    let url = url(&server.url("/list?apikey=KEY"));
    downloader().fetch(&url, &Validators::default()).await
}

async fn failure(server: &Server) -> ListFailure {
    let error = fetch(server).await.unwrap_err();
    assert!(!error.detail.contains("KEY"), "{}", error.detail);
    error.failure
}

#[tokio::test]
async fn validators_are_returned_and_sent_again() {
    let server = Server::start(|request, _| {
        let is_known = request
            .head
            .to_ascii_lowercase()
            .contains("if-none-match: \"v1\"");
        let headers = "ETag: \"v1\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                       Content-Type: text/csv; charset=\"ISO-8859-1\"\r\n";
        match is_known {
            true => ServerReply::with("304 Not Modified", headers, ""),
            false => ServerReply::with("200 OK", headers, "the list"),
        }
    })
    .await;
    let Ok(Download::Body(body)) = fetch(&server).await else {
        panic!("no body");
    };
    assert_eq!(body.bytes, b"the list");
    assert_eq!(body.charset.as_deref(), Some("ISO-8859-1"));
    assert_eq!(body.validators.etag.as_deref(), Some("\"v1\""));
    let again = downloader();
    let again = again.fetch(&url(&server.url("/")), &body.validators).await;
    assert!(matches!(again, Ok(Download::Unchanged)));
    let head = server.requests()[1].head.to_ascii_lowercase();
    assert!(
        head.contains("if-modified-since: sun, 06 nov 1994"),
        "{head}"
    );
}

#[tokio::test]
async fn what_goes_wrong_is_named() {
    let raw = |bytes: &'static str, then| Server::start(move |_, _| ServerReply::raw(bytes, then));
    let status = |status: &'static str, headers: &'static str, page: &'static str| {
        Server::start(move |_, _| ServerReply::with(status, headers, page))
    };
    for (server, expected) in [
        (status("500 Oops", "", "").await, ListFailure::HttpStatus),
        (
            status("204 No Content", "", "").await,
            ListFailure::HttpStatus,
        ),
        // Nothing was asked that could be unchanged.
        (
            status("304 Not Modified", "", "").await,
            ListFailure::HttpStatus,
        ),
        (
            status("403 No", "", "<title>Just a moment...</title>").await,
            ListFailure::BotWall,
        ),
        (
            status("200 OK", "cf-mitigated: challenge\r\n", "").await,
            ListFailure::BotWall,
        ),
        (
            raw(
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
                Then::Close,
            )
            .await,
            ListFailure::Truncated,
        ),
        (
            raw(
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
                Then::Reset,
            )
            .await,
            ListFailure::Truncated,
        ),
        (
            raw(
                "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n",
                Then::Hang,
            )
            .await,
            ListFailure::TooLarge,
        ),
        (raw("", Then::Close).await, ListFailure::Unreachable),
        (
            status("302 Found", "Location: /again\r\n", "").await,
            ListFailure::Redirect,
        ),
        (
            status(
                "302 Found",
                "Location: http://169.254.169.254/latest\r\n",
                "",
            )
            .await,
            ListFailure::ForbiddenAddress,
        ),
        (
            status("302 Found", "Location: file:///etc/passwd\r\n", "").await,
            ListFailure::Redirect,
        ),
    ] {
        assert_eq!(failure(&server).await, expected);
    }
    let closed = url("http://127.0.0.1:1/");
    let refused = downloader().fetch(&closed, &Validators::default()).await;
    assert_eq!(refused.unwrap_err().failure, ListFailure::Refused);
}

#[tokio::test]
async fn a_body_without_an_end_is_cut_at_the_limit() {
    let server = Server::start(|_, _| {
        ServerReply::raw("HTTP/1.1 200 OK\r\n\r\n", Then::Repeat("0123456789abcdef"))
    })
    .await;
    assert_eq!(failure(&server).await, ListFailure::TooLarge);
}

#[tokio::test]
async fn slow_servers_are_given_up() {
    let limit = Duration::from_millis(300);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx";
    for (bytes, expected) in [(head, ListFailure::TooSlow), ("", ListFailure::Timeout)] {
        let server = Server::start(move |_, _| ServerReply::raw(bytes, Then::Hang)).await;
        let fetched = downloader().with_limit(limit);
        let url = url(&server.url("/"));
        let error = fetched.fetch(&url, &Validators::default()).await;
        assert_eq!(error.unwrap_err().failure, expected);
    }
}

/// A response with a body of so many MiB.
fn large(mebibytes: usize, is_declared: bool) -> Vec<u8> {
    let length = mebibytes << 20;
    let header = match is_declared {
        true => format!("Content-Length: {length}\r\n"),
        false => "Connection: close\r\n".to_owned(),
    };
    let head = format!("HTTP/1.1 200 OK\r\n{header}\r\n");
    [head.into_bytes(), vec![b'x'; length]].concat()
}

#[tokio::test]
async fn large_downloads_do_not_block_each_other() {
    let limit = Duration::from_secs(20);
    let downloader = downloader().with_memory(64).with_limit(limit);
    let mut fetches = tokio::task::JoinSet::new();
    for n in 0..6 {
        let reply = large(12, n % 2 == 0);
        let server = Server::start(move |_, _| ServerReply::raw(&reply, Then::Close)).await;
        let downloader = downloader.clone();
        fetches.spawn(async move {
            let url = url(&server.url("/"));
            let Ok(Download::Body(body)) = downloader.fetch(&url, &Validators::default()).await
            else {
                panic!("no body");
            };
            assert_eq!(body.bytes.len(), 12 << 20);
            assert_eq!(body.memory.map(|memory| memory.num_permits()), Some(12));
        });
    }
    let all = fetches.join_all();
    tokio::time::timeout(4 * limit, all).await.unwrap();
}

#[tokio::test]
async fn a_list_without_an_end_delays_others_by_its_time_limit_at_most() {
    let limit = Duration::from_secs(2);
    let downloader = downloader().with_memory(64).with_limit(limit);
    let endless = large(2, false);
    let hostile = Server::start(move |_, _| ServerReply::raw(&endless, Then::Hang)).await;
    let hostile_url = url(&hostile.url("/"));
    let holder = downloader.clone();
    let holder = tokio::spawn(async move {
        let fetched = holder.fetch(&hostile_url, &Validators::default()).await;
        fetched.unwrap_err().failure
    });
    while downloader.free_memory() > 0 {
        assert!(!holder.is_finished());
        tokio::task::yield_now().await;
    }
    // A small list does not wait.
    let small = Server::always("small").await;
    let none = Validators::default();
    let fetched = downloader.fetch(&url(&small.url("/")), &none).await;
    assert!(matches!(fetched, Ok(Download::Body(_))));
    assert!(!holder.is_finished());
    // A large one waits, is asked again, and is not blamed for the wait.
    let honest = large(3, true);
    let honest = Server::start(move |_, _| ServerReply::raw(&honest, Then::Close)).await;
    let fetched = downloader.fetch(&url(&honest.url("/")), &none).await;
    assert!(matches!(fetched, Ok(Download::Body(_))), "{fetched:?}");
    assert_eq!(honest.requests().len(), 2);
    assert_eq!(holder.await.unwrap(), ListFailure::TooSlow);
}

#[tokio::test]
async fn redirects_are_followed_and_retry_after_is_returned() {
    let second = Server::start_on("127.0.0.2", None, |_, _| {
        ServerReply::with("503 Busy", "Retry-After: 120\r\n", "")
    })
    .await;
    let there = second.url("/elsewhere");
    let first = Server::start(move |_, _| {
        ServerReply::with("301 Moved", &format!("Location: {there}\r\n"), "")
    })
    .await;
    let error = fetch(&first).await.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(120)));
    assert_eq!(second.requests()[0].target, "/elsewhere");
}

#[tokio::test]
async fn certificates_are_verified() {
    let authority = Authority::new();
    let good = authority.server("localhost", 2031, false).await;
    let expired = authority.server("localhost", 2021, false).await;
    let https = |server: &Server| url(&format!("https://localhost:{}/", server.address.port()));
    let trusting = Downloader::new("x", &[authority.root()], resolver()).unwrap();
    let fetch = |server| {
        let (url, trusting) = (https(server), trusting.clone());
        async move { trusting.fetch(&url, &Validators::default()).await }
    };
    assert!(fetch(&good).await.is_ok());
    let error = fetch(&expired).await.unwrap_err();
    assert_eq!(error.failure, ListFailure::Tls);
    assert_eq!(error.detail, "the certificate has expired");
}

#[test]
fn compressed_lists_are_bounded() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(unpack(b"plain".to_vec()).unwrap(), b"plain");
    let packed = gzip(b"a list");
    assert_eq!(unpack(packed.clone()).unwrap(), b"a list");
    let cut = packed[..packed.len() - 9].to_vec();
    assert_eq!(unpack(cut), Err(ListFailure::Truncated));
    // Members of one stream share the limit.
    let bomb = gzip(&[b'0'; 1 << 20]).repeat((MAX_BYTES >> 20) + 1);
    assert_eq!(unpack(bomb), Err(ListFailure::TooLarge));
}
