//! ICMP echo, if the system allows it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use surge_ping::{Client, Config, ICMP, PingIdentifier, PingSequence};
use tokio::time::timeout;

use super::TIMEOUT;
use seedwatch_torrent::Family;

/// Logged once: on most systems ICMP needs a permission that seedwatch does not require.
static SAID: AtomicBool = AtomicBool::new(false);
static NEXT: AtomicU16 = AtomicU16::new(0);

/// An ICMP socket of one family.
#[derive(Clone)]
pub(super) struct Echo {
    client: Client,
}

impl Echo {
    /// Opens a socket; `None` if the system does not allow it.
    pub(super) fn open(family: Family) -> Option<Self> {
        let kind = match family {
            Family::Ipv4 => ICMP::V4,
            Family::Ipv6 => ICMP::V6,
        };
        match Client::new(&Config::builder().kind(kind).build()) {
            Ok(client) => Some(Self { client }),
            Err(error) => {
                if !SAID.swap(true, Ordering::Relaxed) {
                    let kind = error.kind();
                    tracing::debug!(
                        %kind,
                        "ICMP is not available: canaries are checked over UDP and TCP only"
                    );
                }
                None
            }
        }
    }

    /// Returns whether the host answers. `scope` is the interface of a link-local address, else 0.
    pub(super) async fn ask(&self, ip: IpAddr, scope: u32) -> bool {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut pinger = self.client.pinger(ip, PingIdentifier(number)).await;
        pinger.timeout(TIMEOUT);
        if scope != 0 {
            pinger.scope_id(scope);
        }
        let answer = pinger.ping(PingSequence(number), &[0; 16]);
        matches!(timeout(TIMEOUT, answer).await, Ok(Ok(_)))
    }
}
