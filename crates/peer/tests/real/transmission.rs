//! transmission-daemon, with plaintext and with required encryption.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::socket::visit;
use seedwatch_dev_programs::skip_without;
use seedwatch_peer::mse::Method;
use seedwatch_peer::{Encryption, MetadataResult, Reason, Timing, VisitParams, VisitReport};
use seedwatch_torrent::Metainfo;
use sha1::{Digest, Sha1};
use tempfile::TempDir;

/// How long a daemon may take to start and to check its data.
const START: Duration = Duration::from_secs(60);

/// A daemon with one torrent.
struct Daemon {
    child: Child,
    _folder: TempDir,
    port: u16,
    params: VisitParams,
}

impl Daemon {
    /// Starts a daemon that has the first pieces of ten.
    fn start(has: usize, encryption: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let metainfo = make(&folder, has);
        std::fs::create_dir(folder.path().join("watched")).unwrap();
        std::fs::write(folder.path().join("watched/file.torrent"), &metainfo).unwrap();
        let [port, rpc] = free_ports();
        let path = |name: &str| folder.path().join(name);
        let child = Command::new("transmission-daemon")
            .arg("--foreground")
            .arg("--config-dir")
            .arg(path("settings"))
            .arg("--watch-dir")
            .arg(path("watched"))
            .arg("--download-dir")
            .arg(path("data"))
            .args([
                "--bind-address-ipv4",
                "127.0.0.1",
                "--bind-address-ipv6",
                "::1",
            ])
            .args([
                "--rpc-bind-address",
                "127.0.0.1",
                "--port",
                &rpc.to_string(),
            ])
            .args(["--peerport", &port.to_string(), encryption])
            .args(["--no-dht", "--no-lpd", "--no-portmap", "--no-utp"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let hashes = Metainfo::parse(&metainfo).unwrap().hashes;
        let info_hash = hashes.wire().next().unwrap();
        let params = VisitParams {
            hashes,
            info_hash,
            peer_id: *b"-SW0100-abcdefghijkl",
            client: "seedwatch/0.1".into(),
            encryption: Encryption::Allow,
            pieces: None,
            fetch_metadata: true,
            timing: Timing::default(),
        };
        Self {
            child,
            _folder: folder,
            port,
            params,
        }
    }

    /// Visits the daemon until it has checked its data and says so.
    fn visit_until(&self, reason: Reason) -> VisitReport {
        let start = Instant::now();
        loop {
            let report = visit(self.params.clone(), self.port);
            if report.reason == reason {
                return report;
            }
            assert!(start.elapsed() < START, "{report:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the data and returns the metainfo file.
fn make(folder: &TempDir, has: usize) -> Vec<u8> {
    let piece = |at: usize| vec![at as u8 + 1; 16_384];
    let data: Vec<u8> = (0..has).flat_map(piece).collect();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    // Without data there is no file; otherwise the rest of the file is a hole.
    if has > 0 {
        let file = folder.path().join("data/zoo");
        std::fs::write(&file, data).unwrap();
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_len(10 * 16_384).unwrap();
    }
    let hashes: Vec<u8> = (0..10).flat_map(|at| Sha1::digest(piece(at))).collect();
    let head = "d4:infod6:lengthi163840e4:name3:zoo12:piece lengthi16384e6:pieces200:";
    [head.as_bytes(), &hashes, b"ee"].concat()
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

#[test]
fn transmission_seeds_in_plaintext_and_encrypted() {
    skip_without!(["transmission-daemon"]);
    for (encryption, method) in [
        ("--encryption-tolerated", None),
        ("--encryption-required", Some(Method::Rc4)),
    ] {
        let daemon = Daemon::start(10, encryption);
        let report = daemon.visit_until(Reason::HasAll);
        assert_eq!(report.encryption, method);
        let MetadataResult::Verified(metadata) = &report.metadata else {
            panic!("{report:?}");
        };
        assert_eq!(metadata.pieces().get(), 10);
        let client = report.claims.client.unwrap();
        assert!(client.starts_with("Transmission"), "{client}");
    }
}

#[test]
fn transmission_with_some_pieces_or_none() {
    skip_without!(["transmission-daemon"]);
    let daemon = Daemon::start(4, "--encryption-tolerated");
    let report = daemon.visit_until(Reason::LacksPieces);
    assert_eq!(report.pieces.unwrap().len(), Some(4));
    let daemon = Daemon::start(0, "--encryption-required");
    let report = daemon.visit_until(Reason::HasNone);
    assert_eq!(report.encryption, Some(Method::Rc4));
}
