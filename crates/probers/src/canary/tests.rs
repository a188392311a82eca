//! Canaries on loopback: reachable and unreachable ones.

use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use super::*;
use crate::resolve::Fixed;

const WITHIN: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(300);

/// Returns canaries without ICMP, because loopback always answers an echo request.
fn canaries() -> Canaries {
    let resolver = Resolver::fixed(Fixed {
        hosts: "0.0.0.0 gone.example\n".into(),
        ..Fixed::default()
    });
    Canaries {
        resolver,
        icmp: false,
    }
}

fn at(address: SocketAddr) -> (Host, u16) {
    (Host::Ip(address.ip()), address.port())
}

/// Returns a port that drops SYNs as a firewall does: the backlog of its listener is full.
async fn black_hole() -> (SocketAddr, Vec<TcpStream>, tokio::net::TcpListener) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    for _ in 0..8 {
        match timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
            Ok(Ok(stream)) => filling.push(stream),
            _ => return (address, filling, listener),
        }
    }
    panic!("the backlog is bounded");
}

#[tokio::test]
async fn accepted_and_refused_connections_are_evidence() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let result = canaries()
        .any_alive(&[at(address)], Family::Ipv4, WITHIN)
        .await;
    assert_eq!(
        (result.answer, result.asked),
        (Some(CanaryAnswer::Connection), 1)
    );
    drop(listener);
    let result = canaries()
        .any_alive(&[at(address)], Family::Ipv4, WITHIN)
        .await;
    assert_eq!(result.answer, Some(CanaryAnswer::Refusal));
    assert_eq!(result.is_alive(), Some(true));
}

#[tokio::test]
async fn any_datagram_from_the_canary_is_evidence() {
    let canary = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = canary.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        let mut buffer = [0; 200];
        let (length, from) = canary.recv_from(&mut buffer).await.unwrap();
        assert!(buffer[..length].starts_with(b"d1:ad2:id20:"));
        canary.send_to(b"what?", from).await.unwrap();
    });
    assert_eq!(
        timeout(WITHIN, datagram(address, &AtomicBool::default())).await,
        Ok(Some(CanaryAnswer::Datagram))
    );
    answering.await.unwrap();
}

#[tokio::test]
async fn a_datagram_from_another_address_is_not_evidence() {
    let canary = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = canary.local_addr().unwrap();
    let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let answering = tokio::spawn(async move {
        let mut buffer = [0; 200];
        let (_, from) = canary.recv_from(&mut buffer).await.unwrap();
        other.send_to(b"here I am", from).await.unwrap();
        canary
    });
    assert!(
        timeout(SHORT, datagram(address, &AtomicBool::default()))
            .await
            .is_err()
    );
    answering.await.unwrap();
}

#[tokio::test]
async fn the_datagram_is_retransmitted() {
    let canary = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = canary.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        let mut buffer = [0; 200];
        canary.recv_from(&mut buffer).await.unwrap();
        let (_, from) = canary.recv_from(&mut buffer).await.unwrap();
        canary.send_to(b"!", from).await.unwrap();
    });
    assert_eq!(
        timeout(WITHIN, datagram(address, &AtomicBool::default())).await,
        Ok(Some(CanaryAnswer::Datagram))
    );
    answering.await.unwrap();
}

#[tokio::test]
async fn silence_is_an_outage() {
    let (address, _filling, _listener) = black_hole().await;
    // A silent socket holds the UDP port, so that no ICMP error answers there either.
    let _silent = UdpSocket::bind(address).await.unwrap();
    let gone = (Host::Name("gone.example".into()), 1);
    let result = canaries()
        .any_alive(&[at(address), gone], Family::Ipv4, SHORT)
        .await;
    assert_eq!((result.answer, result.asked), (None, 2));
    assert_eq!(result.is_alive(), Some(false));
}

#[tokio::test]
async fn one_live_canary_among_dead_ones_is_enough() {
    let gone = (Host::Name("gone.example".into()), 1);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut all = vec![gone; 2 * MAX_AT_ONCE];
    all.push(at(listener.local_addr().unwrap()));
    let result = canaries().any_alive(&all, Family::Ipv4, WITHIN).await;
    assert_eq!(result.answer, Some(CanaryAnswer::Connection));
    // A live canary beyond the limit is not contacted.
    all.rotate_right(1);
    all.splice(..1, vec![all[1].clone(); MAX_CANARIES]);
    let result = canaries().any_alive(&all, Family::Ipv4, WITHIN).await;
    assert_eq!((result.answer, result.asked), (None, MAX_CANARIES));
}

#[tokio::test]
async fn without_a_canary_the_family_is_unknown() {
    let only4 = (Host::Ip(Ipv4Addr::LOCALHOST.into()), 1);
    for all in [&[][..], &[only4]] {
        let result = canaries().any_alive(all, Family::Ipv6, WITHIN).await;
        assert_eq!(result, CanaryResult::default());
        assert_eq!(result.is_alive(), None);
    }
}

#[tokio::test]
async fn icmp_is_optional() {
    // Root may open the socket, most users may not; an open socket must work.
    if let Some(echo) = Echo::open(Family::Ipv4) {
        assert!(echo.ask(Ipv4Addr::LOCALHOST.into(), 0).await);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let canaries = Canaries {
        icmp: true,
        ..canaries()
    };
    let all = [at(listener.local_addr().unwrap())];
    let result = canaries.any_alive(&all, Family::Ipv4, WITHIN).await;
    assert_eq!(result.is_alive(), Some(true));
}

#[tokio::test]
async fn a_canary_that_may_not_be_local_is_not_contacted() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let canary = Canary {
        may_be_local: false,
        ..at(address).into()
    };
    let result = canaries().any_alive(&[canary], Family::Ipv4, WITHIN).await;
    assert_eq!(result.answer, None);
    let came = timeout(Duration::ZERO, listener.accept()).await;
    assert!(came.is_err(), "the canary was contacted");
}
