//! Signs of life of our own network, when no tracker gives one.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::resolve::Resolver;
use crate::observation::Family;
use crate::torrent::Host;

/// What the canaries said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// One of them gave a sign of life.
    Alive,
    /// None did within the deadline.
    Silent,
}

impl Verdict {
    /// The network works.
    pub fn is_alive(self) -> bool {
        self == Verdict::Alive
    }
}

/// Asks all canaries over one family; the first sign of life ends it.
pub async fn any_alive(
    canaries: &[(Host, u16)],
    family: Family,
    resolver: &Resolver,
    deadline: Duration,
) -> Verdict {
    let mut asked = JoinSet::new();
    for (host, port) in canaries.iter().cloned() {
        let resolver = resolver.clone();
        asked.spawn(async move {
            let Ok(resolved) = resolver.resolve_host(&host).await else {
                return false;
            };
            let Some(ip) = resolved.of(family).first().copied() else {
                return false;
            };
            let at = SocketAddr::new(ip, port);
            tokio::select! {
                true = answers_tcp(at) => true,
                true = answers_udp(at) => true,
                else => false,
            }
        });
    }
    let first = async {
        while let Some(answer) = asked.join_next().await {
            if matches!(answer, Ok(true)) {
                return Verdict::Alive;
            }
        }
        Verdict::Silent
    };
    timeout(deadline, first).await.unwrap_or(Verdict::Silent)
}

/// Accepting and refusing both prove the network.
async fn answers_tcp(at: SocketAddr) -> bool {
    match TcpStream::connect(at).await {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
    }
}

/// A BEP 5 `ping`; any datagram back, or a refusal, proves the network.
async fn answers_udp(at: SocketAddr) -> bool {
    let any = if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let Ok(socket) = UdpSocket::bind(any).await else {
        return false;
    };
    let ping = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
    if socket.connect(at).await.is_err() || socket.send(ping).await.is_err() {
        return false;
    }
    match socket.recv(&mut [0; 64]).await {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
    }
}
