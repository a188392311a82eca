//! A private DHT of real libtorrent sessions, each in a /24 of its own, 127.61.x.1, or in a /64 of
//! its own. Some of them announce torrents to it, again and again.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::address;
use super::clients::Torrent;
use super::process::Process;
use super::wire::hex;

/// Who announces what.
#[derive(Default)]
pub(crate) struct Plan {
    own_limits: bool,
    torrents: Vec<Value>,
    magnets: Vec<Value>,
}

impl Plan {
    /// Sessions that answer as little as libtorrent does unless told otherwise, and ban as early.
    pub(crate) fn with_own_limits(self) -> Self {
        Self {
            own_limits: true,
            ..self
        }
    }

    /// These sessions have a torrent, or want it.
    pub(crate) fn torrent(
        mut self,
        torrent: &Torrent,
        seeds: Range<usize>,
        leeches: Range<usize>,
    ) -> Self {
        self.torrents.push(json!({
            "file": torrent.file,
            "folder": torrent.folder(),
            "seeds": seeds.collect::<Vec<_>>(),
            "leeches": leeches.collect::<Vec<_>>(),
        }));
        self
    }

    /// These sessions want the torrent of a metainfo file.
    pub(crate) fn file(mut self, file: &Path, leeches: Range<usize>) -> Self {
        self.torrents.push(json!({
            "file": file,
            "folder": "",
            "seeds": [],
            "leeches": leeches.collect::<Vec<_>>(),
        }));
        self
    }

    /// These sessions want the torrent of one info-hash: 20 bytes (version 1) or 32 (version 2).
    pub(crate) fn magnet(mut self, hash: &[u8], leeches: Range<usize>) -> Self {
        self.magnets.push(json!({
            "hash": hex(hash),
            "leeches": leeches.collect::<Vec<_>>(),
        }));
        self
    }

    /// Starts so many sessions, at most 256; each knows others when this returns.
    pub(crate) fn start(self, count: usize) -> Sessions {
        let places = (0..count).map(|number| u8::try_from(number).unwrap());
        self.start_at(places.map(|at| Ipv4Addr::new(127, 61, at, 1).into()))
    }

    /// The same with IPv6: inside a [network namespace](super::netns) only.
    pub(crate) fn start6(self, count: usize) -> Sessions {
        let places = (1..=count).map(|number| u16::try_from(number).unwrap());
        self.start_at(places.map(address::peer6))
    }

    fn start_at(self, addresses: impl Iterator<Item = IpAddr>) -> Sessions {
        let addresses: Vec<IpAddr> = addresses.collect();
        let port = address::free_port(addresses[0]);
        let plan = json!({
            "addresses": addresses,
            "port": port,
            "own_limits": self.own_limits,
            "torrents": self.torrents,
            "magnets": self.magnets,
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan.json");
        std::fs::write(&file, plan.to_string()).unwrap();
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/clients/libtorrent_dht.py"
        );
        let mut process = Process::start(
            "libtorrent",
            &["/usr/bin/python3", script, file.to_str().unwrap()],
        );
        // Each is waited for: hundreds of sessions take their time.
        process.wait_for_line("open");
        process.wait_for_line("ready");
        Sessions {
            _process: process,
            _folder: folder,
            nodes: addresses
                .into_iter()
                .map(|ip| SocketAddr::new(ip, port))
                .collect(),
        }
    }
}

/// Running sessions; they end without a word when dropped.
pub(crate) struct Sessions {
    _process: Process,
    _folder: TempDir,
    nodes: Vec<SocketAddr>,
}

impl Sessions {
    /// All nodes.
    pub(crate) fn nodes(&self) -> &[SocketAddr] {
        &self.nodes
    }

    /// Where these sessions are, as nodes and as peers.
    pub(crate) fn of(&self, numbers: Range<usize>) -> BTreeSet<SocketAddr> {
        self.nodes[numbers].iter().copied().collect()
    }

    /// Three of them, as in a configuration.
    pub(crate) fn bootstrap(&self) -> String {
        let quoted = self.nodes.iter().take(3).map(|node| format!("\"{node}\""));
        quoted.collect::<Vec<_>>().join(", ")
    }
}
