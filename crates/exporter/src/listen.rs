//! Listening addresses in the form Prometheus tools use, and sockets from them.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections the kernel holds for us until they are accepted.
const BACKLOG: i32 = 1024;

/// `--web.listen-address`: `:16881` (every address of both families), `127.0.0.1:0`,
/// `[::1]:9100`. Port 0 lets the kernel choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress {
    /// `None` = every address of this machine.
    ip: Option<IpAddr>,
    port: u16,
}

/// Why a listening address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be :PORT, IPV4:PORT or [IPV6]:PORT")]
pub struct ListenAddressError;

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        if let Some(port) = text.strip_prefix(':') {
            // `parse` would take a sign, too.
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let port = port.parse().ok().filter(|_| digits);
            return Ok(Self {
                ip: None,
                port: port.ok_or(ListenAddressError)?,
            });
        }
        let address: SocketAddr = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}").parse(),
            None => text.parse(),
        }
        .map_err(|_| ListenAddressError)?;
        Ok(Self {
            ip: Some(address.ip()),
            port: address.port(),
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            None => write!(f, ":{}", self.port),
            Some(ip) => write!(f, "{}", SocketAddr::new(ip, self.port)),
        }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    address: ListenAddress,
    source: io::Error,
}

/// Opens every listener, or none. Must be called within a tokio runtime.
///
/// # Errors
/// The first address that is taken, not ours or not permitted.
pub fn bind(addresses: &[ListenAddress]) -> Result<Vec<TcpListener>, BindError> {
    addresses
        .iter()
        .map(|&address| bind_one(address).map_err(|source| BindError { address, source }))
        .collect()
}

fn bind_one(address: ListenAddress) -> io::Result<TcpListener> {
    let open = |ip| open(SocketAddr::new(ip, address.port));
    match address.ip {
        Some(ip) => open(ip),
        None => match open(Ipv6Addr::UNSPECIFIED.into()) {
            // A machine without IPv6 still has the other family.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                open(Ipv4Addr::UNSPECIFIED.into())
            }
            result => result,
        },
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        // The system's default may be otherwise; `[::]` means both families here.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_prometheus_writes_them() {
        for (text, shown) in [
            (":16881", ":16881"),
            (":0", ":0"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("0.0.0.0:9100", "0.0.0.0:9100"),
            ("[::1]:9100", "[::1]:9100"),
            ("[::]:9100", "[::]:9100"),
            ("localhost:9100", "127.0.0.1:9100"),
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            ":",
            ":x",
            ":-1",
            ":+1",
            ":65536",
            "9100",
            "1.2.3.4",
            "::1:9100",
            "[::1]",
            "host:1",
            "localhost:",
        ] {
            assert_eq!(
                text.parse::<ListenAddress>(),
                Err(ListenAddressError),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let first = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let taken = first[0].local_addr().unwrap();
        let error = bind(&[taken.to_string().parse().unwrap()]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot listen on {taken}: Address already in use"))
        );
    }

    #[tokio::test]
    async fn the_wildcard_answers_in_both_families() {
        let listeners = bind(&[":0".parse().unwrap()]).unwrap();
        let port = listeners[0].local_addr().unwrap().port();
        let v4 = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        assert!(v4.is_ok());
        // Only where the machine has IPv6 at all.
        if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            assert!(std::net::TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok());
        }
    }
}
