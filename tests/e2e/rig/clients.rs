//! Real BitTorrent clients that join a swarm.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};
use tempfile::TempDir;

use super::address;
use super::process::Process;
use super::wire::{Endpoint, Hash};

/// A small torrent with its data, in its own folder.
pub(crate) struct Torrent {
    folder: TempDir,
    /// The metainfo file.
    pub(crate) file: PathBuf,
    /// The version 1 info-hash.
    pub(crate) hash: Hash,
    private: bool,
}

impl Torrent {
    /// Creates the data and the info-hash; [`announce_at`](Self::announce_at) adds trackers.
    pub(crate) fn make(name: &str) -> Self {
        Self::with(name, false)
    }

    /// Like [`make`](Self::make), but the torrent is private (BEP 27).
    pub(crate) fn make_private(name: &str) -> Self {
        Self::with(name, true)
    }

    fn with(name: &str, private: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = name.repeat(2000);
        std::fs::write(folder.path().join(name), &data).unwrap();
        let file = folder.path().join("file.torrent");
        let hash = Sha1::digest(info(name, data.as_bytes(), private)).into();
        let torrent = Self {
            folder,
            file,
            hash,
            private,
        };
        torrent.announce_at(&[]);
        torrent
    }

    /// Writes the metainfo file with these trackers. The info-hash does not depend on them.
    pub(crate) fn announce_at(&self, trackers: &[Endpoint]) {
        let data = self.data();
        let name = data.file_name().unwrap().to_str().unwrap();
        let bytes = std::fs::read(&data).unwrap();
        let mut metainfo = b"d13:announce-listl".to_vec();
        for tracker in trackers {
            let url = tracker.url();
            metainfo.extend(format!("l{}:{url}e", url.len()).as_bytes());
        }
        metainfo.extend(b"e4:info");
        metainfo.extend(info(name, &bytes, self.private));
        metainfo.push(b'e');
        std::fs::write(&self.file, metainfo).unwrap();
    }

    /// Returns the folder that contains the data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.is_file() && path.extension().is_none())
            .unwrap()
    }
}

fn info(name: &str, data: &[u8], private: bool) -> Vec<u8> {
    let mut info = format!(
        "d6:lengthi{}e4:name{}:{name}12:piece lengthi16384e6:pieces",
        data.len(),
        name.len()
    )
    .into_bytes();
    let pieces: Vec<u8> = data.chunks(16_384).flat_map(Sha1::digest).collect();
    info.extend(format!("{}:", pieces.len()).as_bytes());
    info.extend(pieces);
    if private {
        info.extend(b"7:privatei1e");
    }
    info.push(b'e');
    info
}

/// A libtorrent session. It is killed when dropped and sends no `stopped`.
pub(crate) struct Libtorrent {
    process: Process,
}

impl Libtorrent {
    /// Starts one client per address. When this returns, every tracker has answered every client.
    pub(crate) fn join_all(
        torrent: &Torrent,
        trackers: &[Endpoint],
        seeders: &[IpAddr],
        leechers: &[IpAddr],
    ) -> Vec<Self> {
        let start = |role: &'static str| {
            move |source: &IpAddr| Self::start(torrent, trackers, role, *source)
        };
        let seeders = seeders.iter().map(start("seed"));
        let leechers = leechers.iter().map(start("leech"));
        let mut clients: Vec<Self> = seeders.chain(leechers).collect();
        for client in &mut clients {
            client.process.wait_for_line("ready");
        }
        clients
    }

    fn start(torrent: &Torrent, trackers: &[Endpoint], role: &str, source: IpAddr) -> Self {
        let mut command: Vec<String> = [
            "/usr/bin/python3",
            concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/clients/libtorrent_peer.py"
            ),
            role,
            &source.to_string(),
            torrent.file.to_str().unwrap(),
            torrent.folder.path().to_str().unwrap(),
        ]
        .map(str::to_owned)
        .to_vec();
        command.extend(trackers.iter().map(Endpoint::url));
        Self {
            process: Process::start("libtorrent", &command),
        }
    }
}

/// A Transmission daemon that seeds a torrent.
pub(crate) struct Transmission {
    _process: Process,
    _settings: TempDir,
}

impl Transmission {
    /// Seeds the torrent from this address, and announces to the trackers of the metainfo file.
    pub(crate) fn seed(torrent: &Torrent, source: IpAddr) -> Self {
        let settings = tempfile::tempdir().unwrap();
        let watched = settings.path().join("watched");
        std::fs::create_dir(&watched).unwrap();
        std::fs::copy(&torrent.file, watched.join("file.torrent")).unwrap();
        let host = address::host();
        let process = Process::start(
            "transmission",
            &[
                "transmission-daemon",
                "--foreground",
                "--config-dir",
                settings.path().to_str().unwrap(),
                "--watch-dir",
                watched.to_str().unwrap(),
                "--download-dir",
                torrent.folder.path().to_str().unwrap(),
                "--bind-address-ipv4",
                &source.to_string(),
                "--bind-address-ipv6",
                "::1",
                "--rpc-bind-address",
                &host.to_string(),
                "--port",
                &address::free_port(host).to_string(),
                "--no-dht",
                "--no-lpd",
                "--no-portmap",
                "--no-utp",
            ],
        );
        Self {
            _process: process,
            _settings: settings,
        }
    }
}
