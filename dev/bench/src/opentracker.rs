//! A real tracker with real swarms: opentracker from Debian. It is built with a whitelist and
//! answers `stopped` without a peer list.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const HOST: Ipv4Addr = Ipv4Addr::new(127, 88, 9, 1);
const PATIENCE: Duration = Duration::from_secs(20);

/// A running opentracker. It stops when this value is dropped.
pub struct Opentracker {
    child: Child,
    _folder: tempfile::TempDir,
    /// Address of the tracker.
    pub address: SocketAddr,
}

impl Opentracker {
    /// Starts opentracker for these swarms with `peers` peers each. Returns `None` if it is not
    /// installed.
    pub fn start(swarms: &[[u8; 20]], peers: u16) -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        // It reads the whitelist as the user `nobody`.
        let readable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), readable).ok()?;
        let hex = |hash: &[u8; 20]| hash.map(|byte| format!("{byte:02x}")).concat() + "\n";
        let list: String = swarms.iter().map(hex).collect();
        std::fs::write(folder.path().join("whitelist"), list).ok()?;
        let free = UdpSocket::bind((HOST, 0)).ok()?;
        let address = free.local_addr().ok()?;
        drop(free);
        let port = address.port().to_string();
        let child = Command::new("opentracker")
            .args(["-i", &HOST.to_string(), "-p", &port, "-P", &port])
            .arg("-d")
            .arg(folder.path())
            .args(["-w", "whitelist"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let tracker = Self {
            child,
            _folder: folder,
            address,
        };
        let start = Instant::now();
        // It reads the whitelist in another thread. Until then it refuses announces with eight
        // bytes.
        while !tracker.join(&swarms[0], 1) {
            if start.elapsed() > PATIENCE {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let joined = (0..peers).all(|peer| {
            swarms
                .iter()
                .all(|swarm| tracker.join(swarm, u32::from(peer) + 1))
        });
        joined.then_some(tracker)
    }

    /// Announces a peer from an address of its own. Returns whether it was accepted.
    fn join(&self, swarm: &[u8; 20], peer: u32) -> bool {
        let from = Ipv4Addr::from_bits(0x7f4d_0000 + peer);
        thread_local! {
            static SOCKET: std::cell::RefCell<Option<(u32, UdpSocket, [u8; 8])>> =
                const { std::cell::RefCell::new(None) };
        }
        SOCKET.with_borrow_mut(|kept| {
            if kept.as_ref().is_none_or(|(owner, ..)| *owner != peer) {
                *kept = self.connect(from).map(|(socket, id)| (peer, socket, id));
            }
            let Some((_, socket, id)) = kept else {
                return false;
            };
            let mut request = Vec::with_capacity(98);
            request.extend(*id);
            request.extend([0, 0, 0, 1, 0, 0, 0, 9]);
            request.extend(swarm);
            request.extend([b'p'; 16]);
            request.extend(peer.to_be_bytes());
            request.extend([0; 15]);
            request.extend([1; 1]); // left
            request.extend([0; 8]);
            request.extend([0, 0, 0, 2, 0, 0, 0, 0]);
            request.extend(peer.to_be_bytes());
            request.extend([0, 0, 0, 1, 0x1a, 0xe1]);
            let mut answer = [0; 2048];
            socket.send(&request).is_ok() && socket.recv(&mut answer).is_ok_and(|n| n >= 20)
        })
    }

    fn connect(&self, from: Ipv4Addr) -> Option<(UdpSocket, [u8; 8])> {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect(self.address).ok()?;
        socket
            .set_read_timeout(Some(Duration::from_millis(500)))
            .ok()?;
        let mut request = [0; 16];
        request[..8].copy_from_slice(&0x0417_2710_1980u64.to_be_bytes());
        socket.send(&request).ok()?;
        let mut answer = [0; 16];
        let length = socket.recv(&mut answer).ok()?;
        let id = answer[8..].try_into().ok()?;
        (length == 16).then_some((socket, id))
    }
}

impl Drop for Opentracker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
