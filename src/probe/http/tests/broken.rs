//! Hosts that do not answer, or do not end.

use tokio::net::TcpSocket;

use super::server::{Says, Server, Then};
use super::*;

async fn in_time(server: &Server) -> Failed {
    let mut job = job(&server.url("/announce"), Manner::Ghost);
    job.timeout = Duration::from_millis(300);
    let (result, exchange) = announced(prober().probe(job).await);
    assert!(
        exchange.duration < Duration::from_secs(5),
        "ends by its own clock"
    );
    result.unwrap_err()
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let failed = failure_of(&format!("http://{address}/announce")).await;
    assert_eq!(failed.reason, Failure::Refused);
}

#[tokio::test]
async fn silence_and_slowness_end_with_the_time() {
    for (says, then) in [
        ("", Then::Hang),
        ("HTTP/1.1 200 OK\r\n", Then::Hang),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nd5:peers",
            Then::Hang,
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", Then::Drip),
    ] {
        let server = Server::start(move |_, _| Says::raw(says, then)).await;
        let failed = in_time(&server).await;
        assert_eq!(failed.reason, Failure::Timeout, "{says}");
        assert_eq!(&*failed.text, "no answer in time");
    }
}

#[tokio::test]
async fn a_listener_that_accepts_nothing_times_out_while_connecting() {
    // A full backlog: the kernel drops the SYN, as a firewall does.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    for _ in 0..8 {
        let connect = tokio::net::TcpStream::connect(address);
        if let Ok(stream) = timeout(Duration::from_millis(100), connect).await {
            filling.push(stream);
        } else {
            break;
        }
    }
    let mut job = job(&format!("http://{address}/announce"), Manner::Brief);
    job.timeout = Duration::from_millis(300);
    let prober = prober();
    let (result, _) = announced(prober.probe(job).await);
    let failed = result.unwrap_err();
    assert_eq!(failed.reason, Failure::Timeout);
    assert_eq!(&*failed.text, "no connection in time");
    // Nothing was said, so there is nothing to take back.
    assert_eq!(
        prober.inner.shared.farewells.available_permits(),
        MAX_FAREWELLS as usize
    );
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_meanwhile_costs_no_probe() {
    // Answers each request, and cuts the connection at the second one it gets over it.
    let server = Server::start(|asked, number| {
        if asked.connection == 0 && number > 0 {
            Says::raw("", Then::Reset)
        } else {
            Says::ok(LIST)
        }
    })
    .await;
    let prober = prober();
    let url = server.url("/announce");
    assert!(ghost(&prober, &url).await.0.is_ok());
    let (said, exchange) = ghost(&prober, &url).await;
    assert!(said.is_ok());
    assert_eq!(exchange.requests, 2, "the lost one and the repeated one");
}

#[tokio::test]
async fn a_host_that_hangs_holds_up_nobody_else() {
    let hanging = Server::start(|_, _| Says::raw("", Then::Hang)).await;
    let well = Server::saying(LIST).await;
    let prober = prober();
    let mut stuck = tokio::task::JoinSet::new();
    for _ in 0..3 * MAX_PER_HOST {
        let (prober, job) = (
            prober.clone(),
            job(&hanging.url("/announce"), Manner::Ghost),
        );
        stuck.spawn(async move { prober.probe(job).await });
    }
    let mut other = job(&well.url("/announce"), Manner::Ghost);
    other.tracker = TrackerId(9);
    let observation = prober.probe(other).await;
    assert!(observation.report.failed().is_none());
    assert!(hanging.asked().len() <= MAX_PER_HOST);
}
