//! Real trackers on free ports. Each tracker is ready when its constructor returns.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::process::Process;
use super::wire::{self, Endpoint, Hash};
use super::{address, tools};

/// opentracker: whitelisted swarms, IPv4, at most 200 peers per answer, none in answers to
/// `stopped`.
pub(crate) struct Opentracker {
    _process: Process,
    _folder: TempDir,
    address: SocketAddr,
}

impl Opentracker {
    /// Starts opentracker with a whitelist of these swarms.
    pub(crate) fn start(swarms: &[Hash]) -> Self {
        let host = address::host();
        Self::start_at(
            SocketAddr::new(host.into(), address::free_port(host)),
            swarms,
        )
    }

    /// Starts opentracker at a given address, for example to restart it.
    pub(crate) fn start_at(address: SocketAddr, swarms: &[Hash]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // opentracker reads the whitelist as the user `nobody`.
        let readable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), readable).unwrap();
        let list: String = swarms.iter().map(|hash| wire::hex(hash) + "\n").collect();
        std::fs::write(folder.path().join("whitelist"), list).unwrap();
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let folder_name = folder.path().to_str().unwrap();
        let mut process = Process::start(
            "opentracker",
            &[
                "opentracker",
                "-i",
                &ip,
                "-p",
                &port,
                "-P",
                &port,
                "-d",
                folder_name,
                "-w",
                "whitelist",
            ],
        );
        process.wait_until_ready("answers", || wire::answers_udp(address).then_some(()));
        // A separate thread of opentracker reads the whitelist after the first answers.
        if let Some(swarm) = swarms.first() {
            process.wait_until_ready("has read its whitelist", || {
                wire::knows_swarm(address, swarm).then_some(())
            });
        }
        Self {
            _process: process,
            _folder: folder,
            address,
        }
    }

    /// Returns the endpoint over UDP.
    pub(crate) fn udp(&self) -> Endpoint {
        Endpoint::Udp(self.address)
    }

    /// Returns the endpoint over HTTP, which serves the same swarms.
    pub(crate) fn http(&self) -> Endpoint {
        Endpoint::Http(self.address)
    }
}

/// bittorrent-tracker of npm: UDP and HTTP, IPv4 and IPv6, any swarm, at most 82 peers per answer.
pub(crate) struct Npm {
    _process: Process,
    host: Ipv4Addr,
    port: u16,
}

impl Npm {
    /// Starts the tracker on its own IPv4 address and on ::1.
    pub(crate) fn start() -> Self {
        Self::start_on(address::host())
    }

    /// Starts the tracker on 127.0.0.1 and ::1 with one port, as a dual-stack `localhost`.
    pub(crate) fn start_on_localhost() -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST)
    }

    fn start_on(host: Ipv4Addr) -> Self {
        let port = address::free_port(host);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/npm/server.mjs");
        let modules = tools::cached("npm/node_modules");
        let mut process = Process::start(
            "bittorrent-tracker",
            &[
                "node",
                script,
                modules.to_str().unwrap(),
                &host.to_string(),
                &port.to_string(),
            ],
        );
        process.wait_for_line("ready");
        Self {
            _process: process,
            host,
            port,
        }
    }

    /// Returns the endpoint over UDP and IPv4.
    pub(crate) fn udp(&self) -> Endpoint {
        Endpoint::Udp((self.host, self.port).into())
    }

    /// Returns the endpoint over HTTP and IPv4.
    pub(crate) fn http(&self) -> Endpoint {
        Endpoint::Http((self.host, self.port).into())
    }

    /// Returns the endpoint over HTTP and IPv6.
    pub(crate) fn http6(&self) -> Endpoint {
        Endpoint::Http(SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, self.port)))
    }

    /// Returns the port of all listeners.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// aquatic_udp: any swarm, one address family per instance.
pub(crate) struct Aquatic {
    _process: Process,
    _folder: TempDir,
    address: SocketAddr,
}

impl Aquatic {
    /// Starts the tracker on its own IPv4 address.
    pub(crate) fn start() -> Self {
        Self::start_on(address::host().into())
    }

    /// Starts the tracker on `host`, an IPv4 or IPv6 address of this machine.
    pub(crate) fn start_on(host: IpAddr) -> Self {
        let address = SocketAddr::new(host, address::free_port(host));
        let folder = tempfile::tempdir().unwrap();
        let file: PathBuf = folder.path().join("aquatic.toml");
        // The default limit of aquatic is 30 peers per answer.
        let config = format!(
            "socket_workers = 1\nlog_level = \"warn\"\n\
             [network]\naddress = \"{address}\"\nonly_ipv6 = {}\nsocket_recv_buffer_size = 0\n\
             [protocol]\nmax_response_peers = 200\n",
            host.is_ipv6()
        );
        std::fs::write(&file, config).unwrap();
        let program = tools::cached("cargo/bin/aquatic_udp");
        let mut process = Process::start(
            "aquatic_udp",
            &[program.as_os_str(), "-c".as_ref(), file.as_os_str()],
        );
        process.wait_until_ready("answers", || wire::answers_udp(address).then_some(()));
        Self {
            _process: process,
            _folder: folder,
            address,
        }
    }

    /// Returns the endpoint over UDP.
    pub(crate) fn udp(&self) -> Endpoint {
        Endpoint::Udp(self.address)
    }
}
