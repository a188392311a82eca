//! Tests of our own connectivity, for times when no tracker answers.
//!
//! A canary is a host that is nearly always up: a DHT bootstrap node, a popular tracker. It is
//! contacted in three ways at once: a DHT ping over UDP (BEP 5), a TCP connect, an ICMP echo where
//! the system allows it. Any answer, also a refused connect, proves that packets leave and come
//! back, and ends the test. The default gateway is reported separately: its answer proves only that
//! the local network works.

mod echo;
mod gateway;
mod ping;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::resolve::Resolver;
use crate::shortage;
use echo::Echo;
use seedwatch_torrent::Family;
use seedwatch_torrent::Host;

/// The largest number of canaries contacted at once.
pub(crate) const MAX_AT_ONCE: usize = 3;
/// The largest number of canaries contacted in one test.
pub(crate) const MAX_CANARIES: usize = 12;
/// The time limit for one canary, with name resolution.
pub const TIMEOUT: Duration = Duration::from_secs(4);
/// The waits before a datagram is sent again.
pub(crate) const RESEND: [Duration; 2] = [Duration::from_millis(700), Duration::from_millis(1300)];

/// A host that shows whether our own network works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// Its name or address.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// Whether it may be in a local network. Only canaries of the configuration may.
    pub may_be_local: bool,
}

/// Makes a canary of the configuration.
impl From<(Host, u16)> for Canary {
    fn from((host, port): (Host, u16)) -> Self {
        Self {
            host,
            port,
            may_be_local: true,
        }
    }
}

/// What proves that our network works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryAnswer {
    /// A datagram from the canary.
    Datagram,
    /// An accepted TCP connection.
    Connection,
    /// A refused TCP connection.
    Refusal,
    /// An ICMP echo.
    Echo,
}

/// The result of a test of our own connectivity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CanaryResult {
    /// The first answer.
    pub answer: Option<CanaryAnswer>,
    /// The number of canaries contacted over this family. If 0, the result is unknown.
    pub asked: usize,
    /// The number of canaries that this machine had no resources to contact.
    pub unasked: usize,
    /// Whether the default gateway answers; `None` if it was not asked (no ICMP, no gateway) or a
    /// canary answered first.
    pub gateway: Option<bool>,
}

impl CanaryResult {
    /// Returns whether this machine had no resources for the test, so that the result is unknown.
    pub fn is_void(&self) -> bool {
        self.answer.is_none() && self.unasked > 0
    }

    /// Returns whether the network works; `None` if no canary was contacted.
    pub fn is_alive(&self) -> Option<bool> {
        (self.asked > 0).then_some(self.answer.is_some())
    }
}

/// Contacts canaries. Cheap to clone.
#[derive(Clone)]
pub struct Canaries {
    resolver: Resolver,
    icmp: bool,
}

impl Canaries {
    /// Returns a tester that resolves canaries with this resolver.
    pub fn new(resolver: Resolver) -> Self {
        Self {
            resolver,
            icmp: true,
        }
    }

    /// Tests the connectivity of one family, for at most `within`.
    pub async fn any_alive(
        &self,
        canaries: &[impl Clone + Into<Canary>],
        family: Family,
        within: Duration,
    ) -> CanaryResult {
        let echo = self.icmp.then(|| Echo::open(family)).flatten();
        let mut result = CanaryResult::default();
        let mut asking = JoinSet::new();
        // Each canary has its own time limit, and the test ends after `within`. Dropping the set
        // cancels the rest.
        let _ = timeout(within, async {
            let mut waiting = canaries.iter().take(MAX_CANARIES);
            let gateway = ask_gateway(family, echo.clone());
            tokio::pin!(gateway);
            let mut gateway_is_open = true;
            loop {
                while asking.len() < MAX_AT_ONCE
                    && let Some(canary) = waiting.next()
                {
                    let (resolver, echo) = (self.resolver.clone(), echo.clone());
                    let canary: Canary = canary.clone().into();
                    asking.spawn(async move {
                        timeout(TIMEOUT, ask(&resolver, &canary, family, echo)).await
                    });
                }
                tokio::select! {
                    Some(answer) = asking.join_next() => match answer {
                        Ok(Ok(Outcome::Answer(answer))) => {
                            result.asked += 1;
                            result.answer = Some(answer);
                            return;
                        }
                        Ok(Ok(Outcome::NoAddress)) => {}
                        Ok(Ok(Outcome::NoResources)) => result.unasked += 1,
                        _ => result.asked += 1,
                    },
                    answer = &mut gateway, if gateway_is_open => {
                        gateway_is_open = false;
                        result.gateway = answer;
                    }
                    else => return,
                }
            }
        })
        .await;
        // Contacted without an answer until the end of the test.
        result.asked += asking.len();
        result
    }
}

enum Outcome {
    Answer(CanaryAnswer),
    /// The canary has no address of this family, or its name does not resolve.
    NoAddress,
    /// This machine has no descriptors or memory.
    NoResources,
    Silence,
}

async fn ask(resolver: &Resolver, canary: &Canary, family: Family, echo: Option<Echo>) -> Outcome {
    let resolving = resolver.resolve_host_within(&canary.host, canary.may_be_local);
    let resolved = resolving.await;
    let ip = match resolved.and_then(|resolved| resolved.reachable(family)) {
        Ok(addresses) => addresses.first().copied(),
        Err(failed) if failed.is_ours => return Outcome::NoResources,
        // Names that do not resolve are a symptom of an outage.
        Err(_) => return Outcome::Silence,
    };
    let Some(ip) = ip else {
        return Outcome::NoAddress;
    };
    let address = SocketAddr::new(ip, canary.port);
    let is_short = AtomicBool::new(false);
    let answer = tokio::select! {
        Some(answer) = connection(address, &is_short) => Some(answer),
        Some(answer) = datagram(address, &is_short) => Some(answer),
        Some(answer) = echoed(ip, echo) => Some(answer),
        else => None,
    };
    match answer {
        Some(answer) => Outcome::Answer(answer),
        None if is_short.load(Ordering::Relaxed) => Outcome::NoResources,
        None => Outcome::Silence,
    }
}

/// Sets `is_short` if this machine had no resources for it.
async fn connection(address: SocketAddr, is_short: &AtomicBool) -> Option<CanaryAnswer> {
    match TcpStream::connect(address).await {
        Ok(_) => Some(CanaryAnswer::Connection),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Some(CanaryAnswer::Refusal)
        }
        Err(error) => {
            note(&error, is_short);
            None
        }
    }
}

fn note(error: &io::Error, is_short: &AtomicBool) {
    is_short.fetch_or(shortage::failed(error).is_some(), Ordering::Relaxed);
}

/// Any datagram counts. The socket is connected, so the kernel drops datagrams from other hosts.
async fn datagram(address: SocketAddr, is_short: &AtomicBool) -> Option<CanaryAnswer> {
    let bound = UdpSocket::bind(ping::any(address.ip())).await;
    let socket = bound.inspect_err(|error| note(error, is_short)).ok()?;
    socket.connect(address).await.ok()?;
    let packet = ping::packet();
    let sending = async {
        for wait in RESEND {
            // A full buffer is like a lost packet: another one follows.
            let _ = socket.send(&packet).await;
            sleep(wait).await;
        }
        let _ = socket.send(&packet).await;
        std::future::pending::<()>().await;
    };
    let receiving = async {
        let mut buffer = [0; 64];
        loop {
            match socket.recv(&mut buffer).await {
                Ok(_) => return,
                // ICMP says that the port is closed, but a local firewall may have sent it.
                Err(_) => sleep(RESEND[0]).await,
            }
        }
    };
    tokio::select! {
        () = receiving => Some(CanaryAnswer::Datagram),
        () = sending => None,
    }
}

async fn echoed(ip: IpAddr, echo: Option<Echo>) -> Option<CanaryAnswer> {
    let answered = echo?.ask(ip, 0).await;
    answered.then_some(CanaryAnswer::Echo)
}

async fn ask_gateway(family: Family, echo: Option<Echo>) -> Option<bool> {
    let echo = echo?;
    let gateway = gateway::default(family)?;
    Some(echo.ask(gateway.ip, gateway.scope).await)
}

#[cfg(test)]
mod tests;
