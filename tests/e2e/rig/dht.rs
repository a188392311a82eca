//! The emulated DHT, served on sockets of this network namespace.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

use super::wire::Hash;
use seedwatch_dev_dht_world::WorldServer;
use seedwatch_dev_dht_world::{World, WorldSettings};

/// A running DHT world, which stops when dropped. Works only inside a
/// [network namespace](super::netns).
pub(crate) struct DhtWorld {
    bootstrap: Vec<SocketAddr>,
    control: SocketAddr,
    /// A second instance with the same peers, which tells the expected values.
    twin: World,
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl DhtWorld {
    /// Starts a world in which every info-hash has `peers` peers. All nodes answer on `port`; the
    /// control socket uses `port + 1`.
    pub(crate) fn start(settings: &WorldSettings, peers: usize, port: u16) -> Self {
        let mut world = World::new(settings.clone());
        world.auto_peers(peers);
        let mut twin = World::new(WorldSettings {
            nodes: 1,
            dead: 0.0,
            ..settings.clone()
        });
        twin.auto_peers(peers);
        let mut server = WorldServer::open(world, port).unwrap();
        let bootstrap = server.bootstrap();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(move || server.serve(&stopped).unwrap());
        Self {
            bootstrap,
            control: (Ipv4Addr::LOCALHOST, port + 1).into(),
            twin,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Returns the bootstrap nodes.
    pub(crate) fn bootstrap(&self) -> &[SocketAddr] {
        &self.bootstrap
    }

    /// Returns the expected peers of an info-hash.
    pub(crate) fn peers_of(&self, hash: Hash) -> Vec<SocketAddr> {
        self.twin.peers_of(&hash)
    }

    /// Returns one of the counters of the world by name.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let patience = Some(Duration::from_secs(10));
        socket.set_read_timeout(patience).unwrap();
        socket.send_to(b"STAT", self.control).unwrap();
        let mut line = [0; 1024];
        let length = socket.recv(&mut line).unwrap();
        let counts: serde_json::Value = serde_json::from_slice(&line[..length]).unwrap();
        counts[name].as_u64().unwrap_or_else(|| panic!("{counts}"))
    }
}

impl Drop for DhtWorld {
    fn drop(&mut self) {
        drop(self.stop.take());
        let outcome = self.thread.take().map(JoinHandle::join);
        assert!(
            std::thread::panicking() || matches!(outcome, Some(Ok(()))),
            "the DHT world failed"
        );
    }
}
