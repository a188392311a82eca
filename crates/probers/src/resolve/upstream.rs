//! Whom we ask: the system's name servers and hosts file, or fixed ones.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Hosts, Resolver};

use super::sockets::Sockets;
use crate::shortage;

/// How often the files are looked at: a laptop that changes networks gets new name servers.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// Retries after a lost packet, the first try not counted.
const ATTEMPTS: usize = 2;
/// Wait for one answer of a name server.
const TRY_TIMEOUT: Duration = Duration::from_secs(3);

/// One consistent pair of name servers and hosts file.
pub(super) struct Asked {
    /// `None` if hickory could not be built; then only the hosts file answers.
    pub(super) dns: Option<Resolver<Sockets>>,
    /// Those that it asks over.
    pub(super) sockets: Sockets,
    pub(super) hosts: Hosts,
}

/// Whom we ask, read again when the system's files change.
pub(super) struct Upstream {
    /// `None` for fixed ones.
    system: Option<Mutex<Seen>>,
    fixed: Arc<Asked>,
}

struct Seen {
    asked: Arc<Asked>,
    changed: [Option<SystemTime>; FILES.len()],
    looked: Instant,
}

impl Upstream {
    pub(super) fn system() -> Self {
        let changed = changed();
        let asked = Arc::new(read_system());
        Self {
            fixed: asked.clone(),
            system: Some(Mutex::new(Seen {
                asked,
                changed,
                looked: Instant::now(),
            })),
        }
    }

    pub(super) fn fixed(name_servers: &[SocketAddr], hosts: &str) -> Self {
        let servers = name_servers.iter().map(|server| name_server(*server));
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        Self {
            system: None,
            fixed: Arc::new(Asked::new(
                config,
                ResolverOpts::default(),
                read_hosts(hosts.as_bytes()),
            )),
        }
    }

    /// Whom to ask now.
    pub(super) fn get(&self) -> Arc<Asked> {
        let Some(system) = &self.system else {
            return self.fixed.clone();
        };
        let mut seen = system.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.looked.elapsed() > LOOK_EVERY {
            seen.looked = Instant::now();
            let changed = changed();
            // What cannot be opened for want of descriptors is read at the next look.
            if seen.changed != changed && !FILES.iter().any(lacks_resources) {
                seen.changed = changed;
                seen.asked = Arc::new(read_system());
                tracing::info!("name server configuration changed and was read again");
            }
        }
        seen.asked.clone()
    }
}

fn lacks_resources(path: &&str) -> bool {
    fs::File::open(path).is_err_and(|error| shortage::is_shortage(&error))
}

fn changed() -> [Option<SystemTime>; FILES.len()] {
    FILES.map(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok())
}

fn read_system() -> Asked {
    let (config, options) = read_system_conf().unwrap_or_else(|error| {
        tracing::warn!(%error, "no usable /etc/resolv.conf, asking 127.0.0.1");
        let local = name_server((Ipv4Addr::LOCALHOST, 53).into());
        (
            ResolverConfig::from_parts(None, Vec::new(), vec![local]),
            ResolverOpts::default(),
        )
    });
    let hosts = fs::read(FILES[1])
        .map(|text| read_hosts(&text))
        .unwrap_or_default();
    Asked::new(config, options, hosts)
}

impl Asked {
    fn new(config: ResolverConfig, options: ResolverOpts, hosts: Hosts) -> Self {
        let sockets = Sockets::default();
        Self {
            dns: build(config, options, sockets.clone()),
            sockets,
            hosts,
        }
    }
}

fn read_hosts(text: &[u8]) -> Hosts {
    let mut hosts = Hosts::default();
    if let Err(error) = hosts.read_hosts_conf(text) {
        tracing::warn!(%error, "hosts file is not readable");
    }
    hosts
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = server.port();
        connection
    };
    NameServerConfig::new(
        server.ip(),
        true,
        [ConnectionConfig::udp(), ConnectionConfig::tcp()]
            .map(with_port)
            .into(),
    )
}

fn build(
    config: ResolverConfig,
    mut options: ResolverOpts,
    sockets: Sockets,
) -> Option<Resolver<Sockets>> {
    // The cache is ours (it also keeps failures and BEP 34), and the hosts file is read apart, to
    // tell the user's own choice from what the public DNS says.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.attempts = options.attempts.min(ATTEMPTS);
    options.timeout = options.timeout.min(TRY_TIMEOUT);
    let built: Result<_, NetError> = Resolver::builder_with_config(config, sockets)
        .with_options(options)
        .build();
    built
        .inspect_err(|error| tracing::error!(%error, "no name server can be asked"))
        .ok()
}

/// The addresses the hosts file gives a name.
pub(super) fn from_hosts(hosts: &Hosts, name: &hickory_resolver::proto::rr::Name) -> Vec<IpAddr> {
    use hickory_resolver::proto::{op::Query, rr::RecordType};
    [RecordType::A, RecordType::AAAA]
        .into_iter()
        .filter_map(|kind| hosts.lookup_static_host(&Query::query(name.clone(), kind)))
        .flat_map(|lookup| {
            let answers = lookup.answers().iter();
            answers.filter_map(|r| r.data.ip_addr()).collect::<Vec<_>>()
        })
        .collect()
}
