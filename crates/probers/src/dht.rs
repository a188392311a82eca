//! The mainline DHT (BEP 5, 32, 33, 42, 43).
//!
//! One task and one socket a family, all for one engine ([`seedwatch_dht`]), which knows the protocol
//! and has neither socket nor clock. `worker` joins it with sockets, clock and the rest of the
//! daemon, `bootstrap` finds a way in, `reports` takes the results out. Nothing that comes in is
//! ever answered.

mod bootstrap;
mod reports;
mod worker;

pub use bootstrap::{MAX_ADDRESSES, MAX_NAMES};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::info;

use super::bell::Bell;
use super::datagram;
use super::resolve::Resolver;
use super::shortage;
use bootstrap::Bootstrap;
use reports::Reports;
use seedwatch_dht;
use seedwatch_dht::Contact;
use seedwatch_dht::DhtReport;
use seedwatch_torrent::Family;
use seedwatch_torrent::{Host, InfoHash};
use worker::{Command, Ends, Worker};

/// Where and how the DHT is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Sockets; the first of each family counts. A family without one is left out.
    pub listen: Vec<SocketAddr>,
    /// Whom to ask for nodes while too few are known; the first [`MAX_NAMES`] count.
    pub bootstrap: Vec<(Host, u16)>,
    /// Of the node itself.
    pub engine: seedwatch_dht::Settings,
}

/// Looks info-hashes up in the DHT. Dropping it is like [`DhtProber::drain`] without waiting.
#[derive(Debug)]
pub struct DhtProber {
    commands: std::sync::mpsc::Sender<Command>,
    bell: Arc<Bell>,
    /// The table, when the worker has ended.
    ended: Option<oneshot::Receiver<Vec<Contact>>>,
}

impl DhtProber {
    /// Opens the sockets and starts a thread. Must be called within the tokio runtime in which
    /// names are to be looked up. `table` is that of an earlier run, or empty.
    ///
    /// Lookups and the state of both families go out at most once a second, and at once when
    /// something ended that [`DhtProber::look_up`] asked for. When the receiver is slow they wait;
    /// when it is gone they are dropped.
    ///
    /// # Errors
    /// When no socket can be opened, or one whose port is taken or not allowed. Where the system has
    /// one family only, that one works alone.
    pub fn start(
        settings: Settings,
        resolver: Resolver,
        table: Vec<Contact>,
        out: mpsc::Sender<DhtReport>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Handle::current();
        let sockets = open(&settings.listen)?;
        let bell = Arc::new(Bell::new()?);
        let (commands, incoming) = std::sync::mpsc::channel();
        let (end, ended) = oneshot::channel();
        let names = settings.bootstrap;
        let ends = Ends {
            commands: incoming,
            bell: Arc::clone(&bell),
            bootstrap: Bootstrap::new(names, resolver, runtime, Arc::clone(&bell)),
            reports: Reports::new(out),
        };
        // A thread of its own: what else the daemon does cannot make answers pile up.
        std::thread::Builder::new()
            .name("dht".to_owned())
            .spawn(move || {
                let sockets = sockets.map(|socket| socket.map(datagram::Socket::new));
                let table = Worker::new(settings.engine, sockets, &table, ends).run();
                // Nobody may be left to take it.
                let _ = end.send(table);
            })?;
        Ok(Self {
            commands,
            bell,
            ended: Some(ended),
        })
    }

    /// Info-hashes to be looked up once an interval: sorted, each once.
    pub fn watch(&self, hashes: Arc<[InfoHash]>) {
        self.tell(Command::Watch(hashes));
    }

    /// Looks an info-hash up at once, in the DHT of each family that has a socket.
    pub fn look_up(&self, hash: InfoHash) {
        self.tell(Command::LookUp(hash));
    }

    /// Sends nothing over a family while our own network is silent; lookups wait.
    pub fn pause(&self, family: Family, paused: bool) {
        self.tell(Command::Pause(family, paused));
    }

    /// Settings from now on; sockets stay as they are.
    pub fn configure(&self, settings: Settings) {
        self.tell(Command::Configure(Box::new(settings)));
    }

    /// Nodes worth saving.
    pub fn table(&self) -> impl Future<Output = Vec<Contact>> + Send + use<> {
        let (answer, table) = oneshot::channel();
        self.tell(Command::Table(answer));
        async { table.await.unwrap_or_default() }
    }

    /// Stops, without an end of the lookups under way, and gives the nodes worth saving.
    pub async fn drain(mut self) -> Vec<Contact> {
        self.bell.stop();
        match self.ended.take() {
            Some(ended) => ended.await.unwrap_or_default(),
            None => Vec::new(),
        }
    }

    fn tell(&self, command: Command) {
        // The worker lives as long as we do.
        let _ = self.commands.send(command);
        self.bell.ring();
    }
}

impl Drop for DhtProber {
    fn drop(&mut self) {
        self.bell.stop();
    }
}

/// A socket for the first address of each family, by [`Family::index`].
fn open(listen: &[SocketAddr]) -> io::Result<[Option<socket2::Socket>; 2]> {
    let mut sockets = [None, None];
    let mut why = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on");
    for family in Family::ALL {
        let of_family = |at: &&SocketAddr| Family::of(&at.ip()) == family;
        let Some(at) = listen.iter().find(of_family) else {
            continue;
        };
        let error = match datagram::open(*at) {
            Ok(socket) => {
                sockets[family.index()] = Some(socket);
                continue;
            }
            // This machine may well have the family.
            Err(error) if shortage::is_shortage(&error) => return Err(error),
            Err(error) => io::Error::new(error.kind(), format!("{at}: {error}")),
        };
        // A port that somebody chose, and that cannot be had, is no matter of the system.
        if matches!(
            error.kind(),
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
        ) {
            return Err(error);
        }
        info!(family = family.as_label(), %error, "the DHT is left out in this family");
        why = error;
    }
    match sockets {
        [None, None] => Err(why),
        sockets => Ok(sockets),
    }
}

#[cfg(test)]
mod tests;
