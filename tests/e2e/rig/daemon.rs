//! The real binary, on a port that the kernel assigns.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::exposition::Exposition;
use super::http::{self, Response};
use super::process::Process;
use super::wait;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_seedwatch");

/// Test settings: peers on the loopback network count, and the daemon contacts no external host.
/// The interval allows one probe per test.
pub(crate) const ONCE: &str = "addresses: {accept: any}\nnetwork: {canaries: []}\n\
     dht: {enabled: false}\nprobe: {interval: 1h, stale_after: 3h}\n";

/// Like [`ONCE`], but with a probe every two seconds.
pub(crate) const LAB: &str = "addresses: {accept: any}\nnetwork: {canaries: []}\n\
     dht: {enabled: false}\nprobe: {interval: 2s, timeout: 2s, stale_after: 6s}\n";

/// Returns settings that use the DHT of these nodes. Without `state`, nothing is saved.
pub(crate) fn settings_with_dht(bootstrap: &str, state: Option<&Path>) -> String {
    let dht = format!(
        "dht: {{listen: [\"127.0.0.1:0\"], bootstrap: [{bootstrap}], max_rate: 5000/s, \
         interval: 3s}}\nstate: {{path: \"{}\"}}",
        state.unwrap_or(Path::new("")).display()
    );
    LAB.replace("dht: {enabled: false}", &dht)
}

/// Returns a configuration: the settings, then one entry per torrent.
pub(crate) fn config(settings: &str, entries: &[String]) -> String {
    format!("{settings}torrents:\n{}", entries.concat())
}

/// Returns the configuration entry of a torrent that is identified by its info-hash.
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
    /// Starts the daemon with a configuration and waits until it is ready.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    /// Like [`start`](Self::start), with additional flags.
    pub(crate) fn start_with(config: &str, flags: &[&str]) -> Self {
        let daemon = Self::launch(config, flags);
        wait::until("ready", wait::PATIENCE, || {
            (daemon.get("/-/ready").status == 200).then_some(())
        });
        daemon
    }

    /// Starts the daemon and waits until it listens, but not until it is ready.
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
        let line = process.wait_for_line("listening");
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

    /// Returns the address that the daemon listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes another configuration, which takes effect with the next reload.
    pub(crate) fn write_config(&self, config: &str) {
        std::fs::write(self.folder.path().join("config.yaml"), config).unwrap();
    }

    /// Sends `POST /-/reload`.
    pub(crate) fn reload(&self) -> Response {
        self.request("POST", "/-/reload", &[])
    }

    /// Sends a `GET` request for a path.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[])
    }

    /// Sends a request.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        http::request(self.address, method, path, headers)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()))
    }

    /// Scrapes `/metrics` once.
    pub(crate) fn metrics(&self) -> Exposition {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200);
        Exposition::parse(&answer.text())
    }

    /// Scrapes until the page satisfies `wanted`, and returns the page.
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&Exposition) -> bool) -> Exposition {
        self.wait_within(what, wait::PATIENCE, wanted)
    }

    /// Like [`wait_for`](Self::wait_for), with another time limit.
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

    /// Scrapes until each series has its expected value; `None` means that it must be absent.
    pub(crate) fn wait_for_values(&self, wanted: &[(&str, Option<f64>)]) -> Exposition {
        let mut last = Exposition::default();
        let mut missing = Vec::new();
        let outcome = wait::until_or_none(wait::PATIENCE, || {
            last = self.metrics();
            missing = wanted
                .iter()
                .filter(|(selector, value)| last.get(selector) != *value)
                .collect();
            missing.is_empty().then_some(())
        });
        assert!(
            outcome.is_some(),
            "not within {:?}: {missing:?}\n{last}",
            wait::PATIENCE
        );
        last
    }

    /// Sends a signal to the daemon.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until the daemon exits and returns the exit code.
    pub(crate) fn wait_for_end(&mut self) -> Option<i32> {
        self.process.wait_for_end().code()
    }

    /// Changes the limit of open files of the daemon.
    pub(crate) fn limit_files(&self, count: u32) {
        self.process.limit_files(count);
    }

    /// Returns the peak resident memory of the daemon in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.process.peak_memory()
    }

    /// Waits until the log, which lags behind the pages, contains a text. Returns the log.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        wait::until(text, wait::PATIENCE, || {
            Some(self.log()).filter(|log| log.contains(text))
        })
    }

    /// Returns the log of the daemon so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}
