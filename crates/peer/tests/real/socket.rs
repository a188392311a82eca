//! The smallest driver of a visit: one blocking socket at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use seedwatch_clock::{Clock, Mono};
use seedwatch_peer::{ConnectError, Visit, VisitParams, VisitReport};

/// How long to wait for a connection on the loopback network.
const CONNECT: Duration = Duration::from_secs(5);

/// Visits a peer of this machine.
pub(crate) fn visit(params: VisitParams, port: u16) -> VisitReport {
    let clock = Clock::start();
    let mut visit = Visit::new(params, [3; 32]);
    // Two connections at most.
    for _ in 0..2 {
        if visit.needs_connection() {
            let address = (Ipv4Addr::LOCALHOST, port).into();
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(socket) => talk(&mut visit, socket, &clock),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    visit.connect_failed(ConnectError::Refused);
                }
                Err(_) => visit.connect_failed(ConnectError::Timeout),
            }
        }
    }
    visit.into_report().unwrap()
}

fn talk(visit: &mut Visit, mut socket: TcpStream, clock: &Clock) {
    let now = || clock.now().mono;
    visit.connected(now());
    let mut buffer = [0; 4096];
    while let Some(end) = visit.next_timeout() {
        let output = visit.take_output();
        if socket.write_all(&output).is_err() {
            return visit.closed(now());
        }
        let wait = end.since(now()).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(wait)).unwrap();
        match socket.read(&mut buffer) {
            Ok(0) => visit.closed(now()),
            Ok(length) => visit.receive(&buffer[..length], now()),
            Err(error) if is_timeout(error.kind()) => visit.poll(now().max(Mono(end.0))),
            Err(_) => visit.closed(now()),
        }
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
