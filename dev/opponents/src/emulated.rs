//! The emulated DHT as a process of its own.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Flags, Result};

/// Its control socket.
const CONTROL: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 6882);

/// The process. It ends when this value is dropped, with its standard input.
pub(crate) struct Emulated {
    process: Child,
    /// Bootstrap addresses.
    pub(crate) bootstrap: Vec<SocketAddr>,
}

/// The binary that the workspace builds.
const DHT_WORLD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/release/dhtworld"
);

/// Counts of the emulated DHT.
pub(crate) struct Counts {
    pub(crate) queries: u64,
    pub(crate) overflows: u64,
}

impl Emulated {
    pub(crate) fn start(flags: &Flags) -> Result<Self> {
        let options = [
            ("--nodes", flags.nodes.to_string()),
            ("--dead", flags.dead.to_string()),
            ("--loss", flags.loss.to_string()),
            ("--delay", flags.delay.clone()),
            ("--peers", flags.peers.to_string()),
            ("--seed", flags.seed.to_string()),
        ];
        let mut process = Command::new(DHT_WORLD)
            .args(options.iter().flat_map(|(name, value)| [*name, value]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let words = line
            .trim()
            .strip_prefix("ready ")
            .ok_or("it does not start")?;
        let bootstrap = words
            .split(' ')
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self { process, bootstrap })
    }

    /// Sends `STAT` or `RESET`.
    pub(crate) fn control(&self, request: &str) -> Result<Counts> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        socket.send_to(request.as_bytes(), CONTROL)?;
        let mut line = [0; 1024];
        let length = socket.recv(&mut line)?;
        let line = str::from_utf8(&line[..length])?;
        let number = |name: &str| -> Result<u64> {
            let (_, rest) = line
                .split_once(&format!("\"{name}\":"))
                .ok_or("no such count")?;
            let digits = rest.split([',', '}']).next().unwrap_or_default();
            Ok(digits.parse()?)
        };
        Ok(Counts {
            queries: number("queries")?,
            overflows: number("overflows")?,
        })
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // The exit status is of no interest.
        let _ = self.process.wait();
    }
}

/// Brings up the loopback interface, which is down in a new network namespace.
pub(crate) fn loopback_up() -> Result<()> {
    let status = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| "no loopback interface".into())
}
