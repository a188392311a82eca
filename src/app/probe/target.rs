//! The torrent to probe: read from the configuration or from the command line.

use std::path::Path;
use std::sync::Arc;

use tracing::warn;

use super::BoxError;
use crate::app::lists;
use crate::cli::Cli;
use crate::config::Config;
use seedwatch_geo::Geo;
use seedwatch_torrent::{Hashes, Privacy, Torrent};

/// Reads the configuration. Without a file at the default path, the defaults apply.
fn load(path: &Path) -> Result<Config, BoxError> {
    let is_absent = path == Path::new(Cli::CONFIG_FILE) && matches!(path.try_exists(), Ok(false));
    if !is_absent {
        return Ok(Config::load(path)?);
    }
    Ok(Config {
        torrents: Arc::from([]),
        lists: Default::default(),
        probe: Default::default(),
        tracker: Default::default(),
        dht: Default::default(),
        accept: Default::default(),
        geo: Arc::new(Geo::load(&Default::default())?),
        network: Default::default(),
        state: Default::default(),
        metrics: Default::default(),
        warnings: Vec::new(),
    })
}

/// Reads the configuration, with the target as its only torrent. The torrents of lists are those
/// of the copies that the daemon saved last.
pub(super) fn read(path: &Path, target: &str) -> Result<Config, BoxError> {
    let mut config = load(path)?;
    lists::peek(&mut config);
    config.torrents = [find(&config, target)?].into();
    Ok(config)
}

/// Returns the target: a watched torrent by name or info-hash, or else a magnet link, metainfo
/// file or info-hash.
fn find(config: &Config, target: &str) -> Result<Torrent, BoxError> {
    let by_name = |torrent: &&Torrent| *torrent.name == *target;
    let by_hash = |torrent: &&Torrent| {
        let wanted = Hashes::parse(target).ok();
        let mut wanted = wanted.iter().flat_map(Hashes::wire);
        wanted.any(|hash| torrent.hashes.wire().any(|other| other == hash))
    };
    let torrents = &config.torrents;
    let listed = torrents.iter().find(by_name);
    if let Some(torrent) = listed.or_else(|| torrents.iter().find(by_hash)) {
        return Ok(torrent.clone());
    }
    let (mut torrent, warnings) = config.target(target)?;
    for warning in warnings {
        warn!("{warning}");
    }
    // A magnet link cannot say that its torrent is private, but the configuration may.
    let same = |listed: &&Torrent| {
        let mut hashes = listed.hashes.wire();
        hashes.any(|hash| torrent.hashes.wire().any(|other| other == hash))
    };
    if torrent.privacy == Privacy::Public
        && let Some(listed) = config.torrents.iter().find(same)
    {
        torrent.privacy = listed.privacy;
    }
    Ok(torrent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_magnet_link_of_a_private_configured_torrent_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let entry = format!("torrents: [{{name: it, infohash: {hash}, private: true}}]");
        std::fs::write(&file, entry).unwrap();
        let config = Config::load(&file).unwrap();
        let magnet = format!("magnet:?xt=urn:btih:{hash}&tr=udp://t.example:1");
        for (target, privacy) in [
            ("it", Privacy::Consented),
            (&magnet, Privacy::Consented),
            (&magnet.replace("0123", "3210"), Privacy::Public),
        ] {
            assert_eq!(find(&config, target).unwrap().privacy, privacy, "{target}");
        }
    }
}
