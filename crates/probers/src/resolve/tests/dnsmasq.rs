//! A real name server: dnsmasq on a separate loopback address.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

/// The number of log lines within which dnsmasq must report that it started.
const START_LINES: usize = 100;

pub(super) struct Dnsmasq {
    pub(super) address: SocketAddr,
    child: Child,
    log: Option<JoinHandle<String>>,
}

impl Dnsmasq {
    /// Starts dnsmasq with records given as options. It has no other data and no upstream server.
    pub(super) fn start(records: &[&str]) -> Self {
        let address = free_address();
        // Debian installs it into a directory that is only in the PATH of root.
        let debian = "/usr/sbin/dnsmasq";
        let program = if Path::new(debian).exists() {
            debian
        } else {
            "dnsmasq"
        };
        let mut child = Command::new(program)
            .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv"])
            .args(["--no-hosts", "--bind-interfaces", "--pid-file"])
            .args(["--log-queries", "--log-facility=-", "--user=root"])
            .args(["--local=/example/", "--local=/lan/", "--cache-size=0"])
            .arg(format!("--listen-address={}", address.ip()))
            .arg(format!("--port={}", address.port()))
            .args(records)
            .stderr(Stdio::piped())
            .spawn()
            .expect("dnsmasq is missing: apt-get install -y dnsmasq-base");
        let stderr = child.stderr.take().expect("piped");
        let (started, when_started) = mpsc::channel();
        let log = std::thread::spawn(move || {
            let mut all = String::new();
            for (number, line) in BufReader::new(stderr)
                .lines()
                .map_while(Result::ok)
                .enumerate()
            {
                if number < START_LINES && line.contains("started, version") {
                    let _ = started.send(());
                }
                all.push_str(&line);
                all.push('\n');
            }
            all
        });
        let mut dns = Self {
            address,
            child,
            log: Some(log),
        };
        // dnsmasq logs that it started once its sockets are bound. If it exits earlier, the sender
        // is dropped.
        if when_started.recv().is_err() {
            panic!("dnsmasq did not start: {}", dns.end());
        }
        dns
    }

    /// Stops dnsmasq and returns its log.
    pub(super) fn stop(mut self) -> String {
        self.end()
    }

    fn end(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log.take().map(JoinHandle::join);
        log.and_then(Result::ok).unwrap_or_default()
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns a UDP port that is free, on a loopback address that only this process uses.
fn free_address() -> SocketAddr {
    let id = std::process::id();
    let ip = [127, 53, (id >> 8) as u8, id as u8];
    let socket = UdpSocket::bind((std::net::Ipv4Addr::from(ip), 0)).expect("loopback");
    socket.local_addr().expect("bound")
}
