//! Hosts that do not answer, or whose responses do not end.

use std::net::SocketAddr;

use socket2::{Domain, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::server::{Server, ServerReply, Then};
use super::*;

async fn failure_in_time(server: &Server) -> ProbeError {
    let mut job = job(&server.url("/announce"), AnnounceStrategy::StoppedFirst);
    job.timeout = Duration::from_secs(3);
    let (result, stats) = announce_result(http_client().probe(job).await);
    assert!(
        stats.duration < Duration::from_secs(60),
        "the probe ends by its own timeout"
    );
    result.unwrap_err()
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let failed = failure_of(&format!("http://{address}/announce")).await;
    assert_eq!(failed.reason, FailureReason::Refused);
}

#[tokio::test]
async fn silent_and_slow_servers_time_out() {
    let ended = [
        ("", Then::Hang),
        ("HTTP/1.1 200 OK\r\n", Then::Hang),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nd5:peers",
            Then::Hang,
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", Then::Drip),
    ]
    .map(|(server_reply, then)| {
        tokio::spawn(async move {
            let server = Server::start(move |_, _| ServerReply::raw(server_reply, then)).await;
            let failed = failure_in_time(&server).await;
            assert_eq!(failed.reason, FailureReason::Timeout, "{server_reply}");
            assert_eq!(&*failed.text, "no answer in time");
        })
    });
    for ended in ended {
        ended.await.unwrap();
    }
}

/// Returns a port that drops SYNs as a firewall does: the backlog of its listener is full.
fn black_hole() -> (SocketAddr, Vec<std::net::TcpStream>, socket2::Socket) {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(1).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut filling = Vec::new();
    for _ in 0..8 {
        match std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            Ok(stream) => filling.push(stream),
            Err(_) => return (address, filling, socket),
        }
    }
    panic!("the backlog is bounded");
}

// The paused clock jumps from timer to timer, so this test takes no real time.
#[tokio::test(start_paused = true)]
async fn a_host_that_accepts_nothing_times_out_while_connecting() {
    let (address, _filling, _listener) = black_hole();
    // The timeout of the prober ends the first probe, that of the job the second.
    for job_timeout in [3600, 1] {
        let mut job = job(
            &format!("http://{address}/announce"),
            AnnounceStrategy::StartThenStop,
        );
        job.timeout = Duration::from_secs(job_timeout);
        let http_client = http_client();
        let failed = announce_result(http_client.probe(job).await).0.unwrap_err();
        assert_eq!(failed.reason, FailureReason::Timeout);
        assert_eq!(&*failed.text, "no connection in time");
        // No `started` was sent, so the prober sends no `stopped`.
        let permits = http_client.shared.background_stops.available_permits();
        assert_eq!(permits, MAX_BACKGROUND_STOPS as usize);
    }
}

#[tokio::test]
async fn a_stopped_that_finds_the_port_closed_is_retried() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    let once = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // From here on, connections are refused.
        drop(listener);
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        stream.write_all(&[head, LIST].concat()).await.unwrap();
    });
    let http_client = http_client();
    let response = announce_result(
        http_client
            .probe(job(&url, AnnounceStrategy::StartThenStop))
            .await,
    )
    .0;
    assert_eq!(response.unwrap().peers.len(), 1);
    let permits = http_client.shared.background_stops.available_permits();
    assert_eq!(
        permits,
        MAX_BACKGROUND_STOPS as usize - 1,
        "the prober retries `stopped`"
    );
    once.await.unwrap();
}

#[tokio::test]
async fn the_next_address_is_tried() {
    let server = Server::always(LIST).await;
    let resolver = Resolver::fixed(Fixed {
        hosts: "127.0.0.9 multi.lan\n127.0.0.1 multi.lan\n".into(),
        ..Fixed::default()
    });
    let http_client = client_with_trusted_host(settings(), resolver);
    let url = format!("http://multi.lan:{}/announce", server.address.port());
    assert!(announce_stopped_only(&http_client, &url).await.0.is_ok());
}

#[tokio::test]
async fn a_closed_kept_connection_does_not_fail_the_probe() {
    // Resets the first connection at its second request.
    let server = Server::start(|request, number| {
        if request.connection == 0 && number > 0 {
            ServerReply::raw("", Then::Reset)
        } else {
            ServerReply::ok(LIST)
        }
    })
    .await;
    let http_client = http_client();
    let url = server.url("/announce");
    assert!(announce_stopped_only(&http_client, &url).await.0.is_ok());
    let (response, stats) = announce_stopped_only(&http_client, &url).await;
    assert!(response.is_ok());
    assert_eq!(stats.requests, 2, "the lost request and its repetition");
}

#[tokio::test]
async fn a_hanging_host_does_not_delay_others() {
    let hanging = Server::start(|_, _| ServerReply::raw("", Then::Hang)).await;
    let healthy = Server::always(LIST).await;
    let http_client = http_client();
    let mut stuck = tokio::task::JoinSet::new();
    for _ in 0..3 * MAX_PER_HOST {
        let (http_client, job) = (
            http_client.clone(),
            job(&hanging.url("/announce"), AnnounceStrategy::StoppedFirst),
        );
        stuck.spawn(async move { http_client.probe(job).await });
    }
    let mut other = job(&healthy.url("/announce"), AnnounceStrategy::StoppedFirst);
    other.tracker = TrackerId(9);
    let observation = http_client.probe(other).await;
    assert!(observation.report.failed().is_none());
    assert!(hanging.requests().len() <= MAX_PER_HOST);
}
