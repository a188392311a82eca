//! The mainline DHT (BEP 5, 32, 33, 42, 43).
//!
//! One thread with one socket per family drives one pure engine ([`seedwatch_dht`]). `worker` joins
//! it with sockets and clock, `bootstrap` finds the first nodes, and `reports` sends the results.
//! Incoming queries are never answered.

mod bootstrap;
mod reports;
mod worker;

pub use bootstrap::MAX_ADDRESSES;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::info;

use super::datagram;
use super::resolve::Resolver;
use super::shortage;
use super::waker::Waker;
use bootstrap::Bootstrap;
use reports::Reports;
use seedwatch_dht;
use seedwatch_dht::Contact;
use seedwatch_dht::DhtReport;
use seedwatch_torrent::Family;
use seedwatch_torrent::{Host, InfoHash};
use worker::{Command, Worker, WorkerChannels};

/// The settings of a [`DhtProber`].
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The local addresses; the first of each family counts. A family without one is not used.
    pub listen: Vec<SocketAddr>,
    /// The bootstrap hosts, asked for nodes while too few are known. The first
    /// [`bootstrap::MAX_NAMES`] count.
    pub bootstrap: Vec<(Host, u16)>,
    /// The settings of the engine.
    pub engine: seedwatch_dht::Settings,
}

/// Looks up info-hashes in the DHT. Dropping it is like [`DhtProber::drain`] without waiting.
#[derive(Debug)]
pub struct DhtProber {
    commands: std::sync::mpsc::Sender<Command>,
    waker: Arc<Waker>,
    /// Receives the node table when the worker has ended.
    ended: Option<oneshot::Receiver<Vec<Contact>>>,
}

impl DhtProber {
    /// Opens the sockets and starts a thread. Must be called within a tokio runtime, which is used
    /// for name lookups. `table` is that of an earlier run, or empty.
    ///
    /// Sends lookups and the state of both families at most once per second, and at once when a
    /// lookup of [`DhtProber::look_up`] ends. Waits for a slow receiver; without a receiver,
    /// reports are dropped.
    ///
    /// # Errors
    /// No socket can be opened, or a configured port is taken or not permitted. If the system has
    /// one family only, it works alone.
    pub fn start(
        settings: Settings,
        resolver: Resolver,
        table: Vec<Contact>,
        out: mpsc::Sender<DhtReport>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Handle::current();
        let sockets = open(&settings.listen)?;
        let waker = Arc::new(Waker::new()?);
        let (commands, incoming) = std::sync::mpsc::channel();
        let (end, ended) = oneshot::channel();
        let names = settings.bootstrap;
        let channels = WorkerChannels {
            commands: incoming,
            waker: Arc::clone(&waker),
            bootstrap: Bootstrap::new(names, resolver, runtime, Arc::clone(&waker)),
            reports: Reports::new(out),
        };
        // A dedicated thread, so that other work of the daemon does not delay reading.
        std::thread::Builder::new()
            .name("dht".to_owned())
            .spawn(move || {
                let sockets = sockets.map(|socket| socket.map(datagram::Socket::new));
                let table = Worker::new(settings.engine, sockets, &table, channels).run();
                // The receiver may be gone.
                let _ = end.send(table);
            })?;
        Ok(Self {
            commands,
            waker,
            ended: Some(ended),
        })
    }

    /// Sets the info-hashes that are looked up once per interval. They must be sorted and distinct.
    pub fn watch(&self, hashes: Arc<[InfoHash]>) {
        self.tell(Command::Watch(hashes));
    }

    /// Looks up an info-hash at once, in the DHT of each family with a socket.
    pub fn look_up(&self, hash: InfoHash) {
        self.tell(Command::LookUp(hash));
    }

    /// Pauses a family while our own network does not work. Its lookups wait.
    pub fn pause(&self, family: Family, paused: bool) {
        self.tell(Command::Pause(family, paused));
    }

    /// Uses these settings from now on. The sockets stay.
    pub fn configure(&self, settings: Settings) {
        self.tell(Command::Configure(Box::new(settings)));
    }

    /// Returns the nodes worth saving.
    pub fn table(&self) -> impl Future<Output = Vec<Contact>> + Send + use<> {
        let (answer, table) = oneshot::channel();
        self.tell(Command::Table(answer));
        async { table.await.unwrap_or_default() }
    }

    /// Stops without waiting for running lookups. Returns the nodes worth saving.
    pub async fn drain(mut self) -> Vec<Contact> {
        self.waker.stop();
        match self.ended.take() {
            Some(ended) => ended.await.unwrap_or_default(),
            None => Vec::new(),
        }
    }

    fn tell(&self, command: Command) {
        // The worker lives as long as its handle.
        let _ = self.commands.send(command);
        self.waker.wake();
    }
}

impl Drop for DhtProber {
    fn drop(&mut self) {
        self.waker.stop();
    }
}

/// Opens a socket for the first address of each family, by [`Family::index`].
fn open(listen: &[SocketAddr]) -> io::Result<[Option<socket2::Socket>; 2]> {
    let mut sockets = [None, None];
    let mut why = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on");
    for family in Family::ALL {
        let of_family = |at: &&SocketAddr| Family::of(&at.ip()) == family;
        let Some(at) = listen.iter().find(of_family) else {
            continue;
        };
        let error = match datagram::open_unfragmented(*at) {
            Ok(socket) => {
                sockets[family.index()] = Some(socket);
                continue;
            }
            // The machine may support the family nevertheless.
            Err(error) if shortage::is_shortage(&error) => return Err(error),
            Err(error) => io::Error::new(error.kind(), format!("{at}: {error}")),
        };
        // A configured port that cannot be opened is an error of the configuration.
        if matches!(
            error.kind(),
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
        ) {
            return Err(error);
        }
        info!(family = family.as_label(), %error, "the DHT is not used over this family");
        why = error;
    }
    match sockets {
        [None, None] => Err(why),
        sockets => Ok(sockets),
    }
}

#[cfg(test)]
mod tests;
