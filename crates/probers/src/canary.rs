//! Signs of life of our own network, asked for when no tracker gives one.
//!
//! A canary is a host that is nearly always there: a DHT bootstrap node, a much used tracker. It
//! is asked in three ways at once, and any answer proves that packets leave and come back: a DHT
//! ping over UDP (BEP 5), a TCP connect (a refusal proves as much as an acceptance), an ICMP echo
//! where the system allows it. The first sign ends the look. The default gateway is reported
//! apart: its answer says only that the local network works.

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

/// Canaries asked at once.
pub const MAX_AT_ONCE: usize = 3;
/// Canaries asked in one look.
pub const MAX_CANARIES: usize = 12;
/// Time for one canary, resolution included.
pub const TIMEOUT: Duration = Duration::from_secs(4);
/// When a datagram is sent again, counted from the one before.
pub const RESEND: [Duration; 2] = [Duration::from_millis(700), Duration::from_millis(1300)];

/// A host that is asked for a sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// Where it is.
    pub host: Host,
    /// The port that is tried.
    pub port: u16,
    /// Whether it may lead into a local network: the configuration names it.
    pub may_be_local: bool,
}

/// A canary of the configuration.
impl From<(Host, u16)> for Canary {
    fn from((host, port): (Host, u16)) -> Self {
        Self {
            host,
            port,
            may_be_local: true,
        }
    }
}

/// What gave a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A datagram from the canary.
    Datagram,
    /// An accepted TCP connection.
    Connection,
    /// A refused TCP connection.
    Refusal,
    /// An ICMP echo.
    Echo,
}

/// What a look at our own network found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// The first sign of life.
    pub sign: Option<Sign>,
    /// Canaries that had an address of this family to ask. With none, nothing is known.
    pub asked: usize,
    /// Canaries that this machine had no resources to ask.
    pub unasked: usize,
    /// Whether the default gateway answers; `None` if it was not asked (no ICMP, no gateway) or a
    /// sign of life came first.
    pub gateway: Option<bool>,
}

impl Look {
    /// Whether this machine had no resources to look: then nothing is known.
    pub fn is_void(&self) -> bool {
        self.sign.is_none() && self.unasked > 0
    }

    /// Whether the network works; `None` if there was nobody to ask.
    pub fn is_alive(&self) -> Option<bool> {
        (self.asked > 0).then_some(self.sign.is_some())
    }
}

/// Asks canaries. Cheap to clone.
#[derive(Clone)]
pub struct Canaries {
    resolver: Resolver,
    icmp: bool,
}

impl Canaries {
    /// A prober that finds its canaries with this resolver.
    pub fn new(resolver: Resolver) -> Self {
        Self {
            resolver,
            icmp: true,
        }
    }

    /// Looks for a sign of life over one family, for at most `within`.
    pub async fn any_alive(
        &self,
        canaries: &[impl Clone + Into<Canary>],
        family: Family,
        within: Duration,
    ) -> Look {
        let echo = self.icmp.then(|| Echo::open(family)).flatten();
        let mut look = Look::default();
        let mut asking = JoinSet::new();
        // Every canary ends after its own time, the look after `within`: dropping the set ends
        // what is still under way.
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
                        Ok(Ok(Answer::Sign(sign))) => {
                            look.asked += 1;
                            look.sign = Some(sign);
                            return;
                        }
                        Ok(Ok(Answer::NoAddress)) => {}
                        Ok(Ok(Answer::NoResources)) => look.unasked += 1,
                        _ => look.asked += 1,
                    },
                    answer = &mut gateway, if gateway_is_open => {
                        gateway_is_open = false;
                        look.gateway = answer;
                    }
                    else => return,
                }
            }
        })
        .await;
        // Asked, and not answered by the end of the look.
        look.asked += asking.len();
        look
    }
}

enum Answer {
    Sign(Sign),
    /// Nothing of this family to ask, or the name does not resolve.
    NoAddress,
    /// This machine has no descriptors or memory to ask with.
    NoResources,
    Silence,
}

async fn ask(resolver: &Resolver, canary: &Canary, family: Family, echo: Option<Echo>) -> Answer {
    let resolving = resolver.resolve_host_within(&canary.host, canary.may_be_local);
    let ip = match resolving.await {
        Ok(resolved) => resolved.of(family).first().copied(),
        Err(failed) if failed.is_ours => return Answer::NoResources,
        // That names do not resolve is just what an outage looks like.
        Err(_) => return Answer::Silence,
    };
    let Some(ip) = ip else {
        return Answer::NoAddress;
    };
    let address = SocketAddr::new(ip, canary.port);
    let is_short = AtomicBool::new(false);
    let sign = tokio::select! {
        Some(sign) = connection(address, &is_short) => Some(sign),
        Some(sign) = datagram(address, &is_short) => Some(sign),
        Some(sign) = echoed(ip, echo) => Some(sign),
        else => None,
    };
    match sign {
        Some(sign) => Answer::Sign(sign),
        None if is_short.load(Ordering::Relaxed) => Answer::NoResources,
        None => Answer::Silence,
    }
}

/// Notes in `is_short` whether this machine had no resources for it.
async fn connection(address: SocketAddr, is_short: &AtomicBool) -> Option<Sign> {
    match TcpStream::connect(address).await {
        Ok(_) => Some(Sign::Connection),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Some(Sign::Refusal),
        Err(error) => {
            note(&error, is_short);
            None
        }
    }
}

fn note(error: &io::Error, is_short: &AtomicBool) {
    is_short.fetch_or(shortage::failed(error).is_some(), Ordering::Relaxed);
}

/// Any datagram counts, whatever it says; the kernel lets only those from the canary through.
async fn datagram(address: SocketAddr, is_short: &AtomicBool) -> Option<Sign> {
    let bound = UdpSocket::bind(ping::any(address.ip())).await;
    let socket = bound.inspect_err(|error| note(error, is_short)).ok()?;
    socket.connect(address).await.ok()?;
    let packet = ping::packet();
    let sending = async {
        for wait in RESEND {
            // A lost packet and a full buffer are alike: there is a next one.
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
                // ICMP says that the port is closed; perhaps a firewall near us does.
                Err(_) => sleep(RESEND[0]).await,
            }
        }
    };
    tokio::select! {
        () = receiving => Some(Sign::Datagram),
        () = sending => None,
    }
}

async fn echoed(ip: IpAddr, echo: Option<Echo>) -> Option<Sign> {
    let answered = echo?.ask(ip, 0).await;
    answered.then_some(Sign::Echo)
}

async fn ask_gateway(family: Family, echo: Option<Echo>) -> Option<bool> {
    let echo = echo?;
    let gateway = gateway::default(family)?;
    Some(echo.ask(gateway.ip, gateway.scope).await)
}

#[cfg(test)]
mod tests;
