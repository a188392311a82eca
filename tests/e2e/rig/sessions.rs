//! A private DHT of real libtorrent sessions. Each session has its own /24 (127.61.x.1) or its own
//! /64. Some sessions announce torrents to the DHT repeatedly.

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

/// The torrents that each session announces.
#[derive(Default)]
pub(crate) struct Plan {
    own_limits: bool,
    torrents: Vec<Value>,
    magnets: Vec<Value>,
}

impl Plan {
    /// Keeps the default rate limits of libtorrent, including its threshold for bans.
    pub(crate) fn with_own_limits(self) -> Self {
        Self {
            own_limits: true,
            ..self
        }
    }

    /// Makes the sessions `seeders` and `leechers` announce a torrent.
    pub(crate) fn torrent(
        mut self,
        torrent: &Torrent,
        seeders: Range<usize>,
        leechers: Range<usize>,
    ) -> Self {
        self.torrents.push(json!({
            "file": torrent.file,
            "folder": torrent.folder(),
            "seeds": seeders.collect::<Vec<_>>(),
            "leeches": leechers.collect::<Vec<_>>(),
        }));
        self
    }

    /// Makes these sessions leechers of the torrent in a metainfo file.
    pub(crate) fn file(mut self, file: &Path, leechers: Range<usize>) -> Self {
        self.torrents.push(json!({
            "file": file,
            "folder": "",
            "seeds": [],
            "leeches": leechers.collect::<Vec<_>>(),
        }));
        self
    }

    /// Makes these sessions leechers of an info-hash: 20 bytes (version 1) or 32 (version 2).
    pub(crate) fn magnet(mut self, hash: &[u8], leechers: Range<usize>) -> Self {
        self.magnets.push(json!({
            "hash": hex(hash),
            "leeches": leechers.collect::<Vec<_>>(),
        }));
        self
    }

    /// Starts `count` sessions, at most 256. When this returns, each session knows other nodes.
    pub(crate) fn start(self, count: usize) -> Sessions {
        let numbers = (0..count).map(|number| u8::try_from(number).unwrap());
        self.start_at(numbers.map(|number| Ipv4Addr::new(127, 61, number, 1).into()))
    }

    /// Like [`start`](Self::start), over IPv6. Works only inside a
    /// [network namespace](super::netns).
    pub(crate) fn start6(self, count: usize) -> Sessions {
        let numbers = (1..=count).map(|number| u16::try_from(number).unwrap());
        self.start_at(numbers.map(address::peer6))
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
        // Waits for each line with its own time limit, because hundreds of sessions start slowly.
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

/// Running sessions. They are killed when dropped and send nothing.
pub(crate) struct Sessions {
    _process: Process,
    _folder: TempDir,
    nodes: Vec<SocketAddr>,
}

impl Sessions {
    /// Returns the addresses of all nodes.
    pub(crate) fn nodes(&self) -> &[SocketAddr] {
        &self.nodes
    }

    /// Returns the addresses of these sessions, both as nodes and as peers.
    pub(crate) fn of(&self, numbers: Range<usize>) -> BTreeSet<SocketAddr> {
        self.nodes[numbers].iter().copied().collect()
    }

    /// Returns three nodes in the syntax of the configuration.
    pub(crate) fn bootstrap(&self) -> String {
        let quoted = self.nodes.iter().take(3).map(|node| format!("\"{node}\""));
        quoted.collect::<Vec<_>>().join(", ")
    }
}
