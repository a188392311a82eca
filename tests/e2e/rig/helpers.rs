//! Programs that seed what the feed names: qBittorrent, and FlexGet with Transmission.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::process::Process;
use super::{address, http, tools, wait};

/// qBittorrent without a window, with one rule for one feed.
pub(crate) struct QBittorrent {
    _process: Process,
    _profile: TempDir,
    control: SocketAddr,
}

impl QBittorrent {
    /// Starts a client that downloads every torrent of the feed whose title contains a word into a
    /// folder.
    pub(crate) fn follow(feed: &str, word: &str, folder: &Path, source: IpAddr) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let host = address::host();
        let control = SocketAddr::new(host.into(), address::free_port(host));
        let config = profile.path().join("qBittorrent/config");
        std::fs::create_dir_all(config.join("rss")).unwrap();
        let write = |name: &str, content: String| {
            std::fs::write(config.join(name), content).unwrap();
        };
        let folder = folder.display();
        let (ip, port) = (control.ip(), control.port());
        write(
            "qBittorrent.conf",
            format!(
                "[LegalNotice]\nAccepted=true\n\
                 [BitTorrent]\nSession\\DHTEnabled=false\nSession\\LSDEnabled=false\n\
                 Session\\PeXEnabled=false\nSession\\Port=51413\nSession\\Interface=lo\n\
                 Session\\InterfaceAddress={source}\nSession\\DefaultSavePath={folder}\n\
                 [Network]\nPortForwardingEnabled=false\n\
                 [Preferences]\nWebUI\\Enabled=true\nWebUI\\Address={ip}\nWebUI\\Port={port}\n\
                 WebUI\\LocalHostAuth=false\nWebUI\\HostHeaderValidation=false\n\
                 [RSS]\nSession\\EnableProcessing=true\nSession\\RefreshInterval=1\n\
                 AutoDownloader\\EnableProcessing=true\n"
            ),
        );
        write("rss/feeds.json", format!("{{\"seedwatch\": \"{feed}\"}}"));
        write(
            "rss/download_rules.json",
            format!(
                "{{\"needs seeding\": {{\"enabled\": true, \"mustContain\": \"{word}\", \
                 \"affectedFeeds\": [\"{feed}\"], \"savePath\": \"{folder}\", \
                 \"addPaused\": false}}}}"
            ),
        );
        let process = Process::start(
            "qbittorrent-nox",
            &[
                "qbittorrent-nox",
                &format!("--profile={}", profile.path().display()),
            ],
        );
        Self {
            _process: process,
            _profile: profile,
            control,
        }
    }

    /// Waits until the client seeds one torrent, and returns its hash. The client has announced
    /// itself as a leecher, because it did not have the metadata, and tells the tracker that it
    /// seeds when the interval of the tracker is over. The test does not wait for that.
    pub(crate) fn wait_until_seeding(&self) -> String {
        let is_seeding = |torrent: &Value| {
            let state = torrent["state"].as_str();
            matches!(state, Some("uploading" | "stalledUP" | "forcedUP"))
        };
        let hash = wait::until("qBittorrent seeds", wait::PATIENCE, || {
            let torrents = self.torrents()?;
            let torrent = torrents.iter().find(|it| is_seeding(it))?;
            Some(torrent["hash"].as_str()?.to_owned())
        });
        let announce = "/api/v2/torrents/reannounce";
        let answer = http::post_form(self.control, announce, "hashes=all").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        hash
    }

    /// Returns the torrents of the client as JSON; `None` while it does not answer.
    pub(crate) fn torrents(&self) -> Option<Vec<Value>> {
        let answer = http::request(self.control, "GET", "/api/v2/torrents/info", &[]).ok()?;
        serde_json::from_slice(&answer.body).ok()
    }
}

/// A Transmission daemon without torrents, which FlexGet drives.
pub(crate) struct FlexGet {
    _transmission: Process,
    folder: TempDir,
}

impl FlexGet {
    /// Starts Transmission, and configures FlexGet to give it every torrent of the feed.
    pub(crate) fn follow(feed: &str, data: &Path, source: IpAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = address::host();
        let port = address::free_port(host).to_string();
        let transmission = Process::start(
            "transmission",
            &[
                "transmission-daemon",
                "--foreground",
                "--config-dir",
                folder.path().join("transmission").to_str().unwrap(),
                "--download-dir",
                data.to_str().unwrap(),
                "--bind-address-ipv4",
                &source.to_string(),
                "--bind-address-ipv6",
                "::1",
                "--rpc-bind-address",
                &host.to_string(),
                "--allowed",
                "127.*.*.*",
                "--port",
                &port,
                "--no-auth",
                "--no-dht",
                "--no-lpd",
                "--no-portmap",
                "--no-utp",
            ],
        );
        let task = format!(
            "tasks:\n  seed:\n    rss: \"{feed}\"\n    accept_all: yes\n    transmission:\n      \
             host: \"{host}\"\n      port: {port}\n      path: \"{}\"\n",
            data.display()
        );
        std::fs::write(folder.path().join("config.yml"), task).unwrap();
        Self {
            _transmission: transmission,
            folder,
        }
    }

    /// Searches a Torznab indexer for a name, as FlexGet's plugin does: it asks for the
    /// capabilities, then for the name. Returns the log.
    pub(crate) fn search(url: &str, name: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let task = format!(
            "tasks:\n  search:\n    discover:\n      release_estimations: ignore\n      what:\n\
             \u{20}       - mock: [{{title: \"{name}\", url: \"mock:\"}}]\n      from:\n        \
             - torznab: {{url: \"{url}\", apikey: any, searcher: search}}\n    accept_all: yes\n"
        );
        std::fs::write(folder.path().join("config.yml"), task).unwrap();
        execute(folder.path())
    }

    /// Runs FlexGet once, as cron does every hour. Returns its log.
    pub(crate) fn run(&self) -> String {
        execute(self.folder.path())
    }
}

/// Runs FlexGet once with the configuration in a folder. Returns its log.
fn execute(folder: &Path) -> String {
    let program = tools::cached("flexget/bin/flexget");
    let config = folder.join("config.yml");
    let mut process = Process::start(
        "flexget",
        &[
            program.to_str().unwrap(),
            "-c",
            config.to_str().unwrap(),
            "execute",
        ],
    );
    let status = process.wait_for_end();
    assert!(status.success(), "{}", process.log());
    process.log()
}
