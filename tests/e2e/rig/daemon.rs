//! The real binary, on a port the kernel chose.

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::exposition::Exposition;
use super::http::{self, Response};
use super::process::Process;
use super::wait;

/// How long a state may take to show.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_seedwatch");

/// Settings of a lab: peers on the loopback net count, and nobody outside is asked for anything.
/// There is one probe and no second within a test.
pub(crate) const ONCE: &str = "addresses: {accept: any}\nnetwork: {canaries: []}\n\
     dht: {enabled: false}\nprobe: {interval: 1h, stale_after: 3h}\n";

/// The same with a probe every other second.
pub(crate) const LAB: &str = "addresses: {accept: any}\nnetwork: {canaries: []}\n\
     dht: {enabled: false}\nprobe: {interval: 2s, timeout: 2s, stale_after: 6s}\n";

/// A configuration: settings, then one entry a torrent.
pub(crate) fn config(settings: &str, entries: &[String]) -> String {
    format!("{settings}torrents:\n{}", entries.concat())
}

/// The entry of a torrent that is known by its hash.
pub(crate) fn entry(name: &str, hash: &str, trackers: &[String]) -> String {
    let quoted: Vec<String> = trackers.iter().map(|url| format!("\"{url}\"")).collect();
    let trackers = quoted.join(", ");
    format!("- {{name: {name}, infohash: \"{hash}\", trackers: [{trackers}]}}\n")
}

/// A running daemon; it is killed when dropped.
pub(crate) struct Daemon {
    process: Process,
    address: SocketAddr,
    folder: TempDir,
}

impl Daemon {
    /// Starts it on a configuration; its endpoints answer when this returns.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    /// The same with further flags.
    pub(crate) fn start_with(config: &str, flags: &[&str]) -> Self {
        let daemon = Self::launch(config, flags);
        wait::until("ready", PATIENCE, || {
            (daemon.get("/-/ready").status == 200).then_some(())
        });
        daemon
    }

    /// Starts it and waits until it listens, whatever it then answers.
    pub(crate) fn launch(config: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, config).unwrap();
        let fixed = [
            BINARY,
            "--config.file",
            file.to_str().unwrap(),
            "--web.listen-address",
            "127.0.0.1:0",
        ];
        let mut process = Process::start("seedwatch", &[&fixed[..], flags].concat());
        let line = process.wait_for_line("Listening on");
        let address = line
            .split(['=', ' ', '"', ','])
            .find_map(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("no address: {line}"));
        Self {
            process,
            address,
            folder,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes another configuration, which counts with the next reload.
    pub(crate) fn write_config(&self, config: &str) {
        std::fs::write(self.folder.path().join("config.yaml"), config).unwrap();
    }

    /// `POST /-/reload`.
    pub(crate) fn reload(&self) -> Response {
        self.request("POST", "/-/reload", &[])
    }

    /// `GET` of a path.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[])
    }

    /// Any request.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        http::request(self.address, method, path, headers)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()))
    }

    /// One scrape of `/metrics`.
    pub(crate) fn metrics(&self) -> Exposition {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200);
        Exposition::parse(&answer.text())
    }

    /// Scrapes until the page is as wanted, and returns it.
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&Exposition) -> bool) -> Exposition {
        self.wait_within(what, PATIENCE, wanted)
    }

    /// The same with a limit of one's own.
    pub(crate) fn wait_within(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Exposition) -> bool,
    ) -> Exposition {
        let mut last = Exposition::default();
        let outcome = wait::until_or_none(limit, || {
            last = self.metrics();
            wanted(&last).then_some(())
        });
        assert!(outcome.is_some(), "not within {limit:?}: {what}\n{last}");
        last
    }

    /// Scrapes until each series has its value; `None` means that it must be absent.
    pub(crate) fn wait_for_values(&self, wanted: &[(&str, Option<f64>)]) -> Exposition {
        let mut last = Exposition::default();
        let mut missing = Vec::new();
        let outcome = wait::until_or_none(PATIENCE, || {
            last = self.metrics();
            missing = wanted
                .iter()
                .filter(|(selector, value)| last.get(selector) != *value)
                .collect();
            missing.is_empty().then_some(())
        });
        assert!(
            outcome.is_some(),
            "not within {PATIENCE:?}: {missing:?}\n{last}"
        );
        last
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end and returns the exit code.
    pub(crate) fn wait_for_end(&mut self) -> Option<i32> {
        self.process.wait_for_end().code()
    }

    /// Changes how many files it may open.
    pub(crate) fn limit_files(&self, count: u32) {
        self.process.limit_files(count);
    }

    /// The most memory that it ever had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.process.peak_memory()
    }

    /// Everything it logged.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}
