//! A configuration → YAML for people, without secrets.

use std::fmt::{self, Write};
use std::path::Path;

use super::units::{Written, write_rate};
use super::{Accept, AnnounceMode, Config};
use seedwatch_torrent::{Hashes, Host, Privacy, Torrent, TrackerUrl};

impl Config {
    /// The configuration as it is in effect, as YAML: defaults filled in, files and links
    /// resolved, duplicates merged. What could be a passkey is shown as `<secret>`. It is read
    /// back to the same configuration, but for the secrets, for private torrents that are left
    /// alone, and for trackers of metainfo files and magnet links, which become trackers of the
    /// configuration.
    pub fn effective_yaml(&self) -> String {
        let mut out = String::with_capacity(1024 + 256 * self.torrents.len());
        // Writing to a string does not fail.
        let _ = write_all(self, &mut out);
        out
    }
}

fn write_all(config: &Config, out: &mut String) -> fmt::Result {
    let probe = &config.probe;
    writeln!(out, "probe:")?;
    writeln!(out, "  interval: {}", Written(probe.interval))?;
    writeln!(out, "  timeout: {}", Written(probe.timeout))?;
    writeln!(out, "  stale_after: {}", Written(probe.stale_after))?;
    let tracker = &config.tracker;
    let announce = match tracker.announce {
        AnnounceMode::Ghost => "ghost",
        AnnounceMode::Brief => "brief",
        AnnounceMode::Scrape => "scrape",
    };
    writeln!(out, "tracker:")?;
    writeln!(out, "  announce: {announce}")?;
    writeln!(out, "  max_rate: {}", write_rate(tracker.max_rate))?;
    writeln!(out, "  numwant: {}", tracker.numwant)?;
    writeln!(out, "  user_agent: {}", Quoted(&tracker.user_agent))?;
    writeln!(out, "  peer_id_prefix: {}", Quoted(&tracker.peer_id_prefix))?;
    let dht = &config.dht;
    writeln!(out, "dht:")?;
    writeln!(out, "  enabled: {}", dht.enabled)?;
    let listen = dht.listen.iter().map(ToString::to_string);
    write_list("  listen", listen, out)?;
    write_list("  bootstrap", dht.bootstrap.iter().map(host_and_port), out)?;
    writeln!(out, "  max_rate: {}", write_rate(dht.max_rate))?;
    writeln!(out, "  interval: {}", Written(dht.interval))?;
    if let Some(share) = dht.recall_target {
        writeln!(out, "  recall_target: {share}")?;
    }
    let accept = match config.accept {
        Accept::Global => "global",
        Accept::Any => "any",
    };
    writeln!(out, "addresses:\n  accept: {accept}")?;
    let geo = config.geo.settings();
    let databases = [
        ("country_database", &geo.country_database),
        ("asn_database", &geo.asn_database),
    ];
    for (n, (key, path)) in databases
        .into_iter()
        .filter_map(|(key, path)| Some((key, path.as_deref()?)))
        .enumerate()
    {
        if n == 0 {
            writeln!(out, "geoip:")?;
        }
        writeln!(out, "  {key}: {}", Quoted(&path.to_string_lossy()))?;
    }
    writeln!(out, "network:")?;
    let canaries = config.network.canaries.iter().map(host_and_port);
    write_list("  canaries", canaries, out)?;
    let path = config.state.path.as_deref().map(Path::to_string_lossy);
    let path = path.unwrap_or_default();
    writeln!(out, "state:\n  path: {}", Quoted(&path))?;
    writeln!(out, "  interval: {}", Written(config.state.interval))?;
    let metrics = config.metrics;
    writeln!(out, "metrics:\n  countries: {}", metrics.countries)?;
    writeln!(out, "  per_tracker: {}", metrics.per_tracker)?;
    if config.torrents.is_empty() {
        return writeln!(out, "torrents: []");
    }
    writeln!(out, "torrents:")?;
    config
        .torrents
        .iter()
        .try_for_each(|torrent| write_torrent(torrent, out))
}

fn write_list(
    key: &str,
    mut items: impl ExactSizeIterator<Item = String>,
    out: &mut String,
) -> fmt::Result {
    if items.len() == 0 {
        return writeln!(out, "{key}: []");
    }
    writeln!(out, "{key}:")?;
    items.try_for_each(|item| writeln!(out, "    - {}", Quoted(&item)))
}

fn host_and_port((host, port): &(Host, u16)) -> String {
    format!("{host}:{port}")
}

fn write_torrent(torrent: &Torrent, out: &mut String) -> fmt::Result {
    match &torrent.hashes {
        Hashes::V1(hash) => writeln!(out, "  - infohash: \"{hash}\"")?,
        Hashes::V2(hash) => writeln!(out, "  - infohash: \"{hash}\"")?,
        Hashes::Hybrid(v1, v2) => writeln!(
            out,
            "  - magnet: \"magnet:?xt=urn:btih:{v1}&xt=urn:btmh:1220{v2}\""
        )?,
    }
    writeln!(out, "    name: {}", Quoted(&torrent.name))?;
    if let Some(name) = torrent.collection() {
        writeln!(out, "    collection: {}", Quoted(name))?;
    }
    match torrent.privacy {
        Privacy::Public => {}
        Privacy::Consented => writeln!(out, "    private: true")?,
        Privacy::LeftAlone => writeln!(out, "    private: false # private (BEP 27): left alone")?,
    }
    if !torrent.trackers.is_empty() {
        writeln!(out, "    trackers:")?;
    }
    for url in torrent.trackers.iter() {
        writeln!(out, "      - {}", Quoted(&masked(url)))?;
    }
    for (n, (name, value)) in torrent.labels().iter().enumerate() {
        if n == 0 {
            writeln!(out, "    labels:")?;
        }
        writeln!(out, "      {}: {}", Quoted(name), Quoted(value))?;
    }
    Ok(())
}

/// Anything but the one path that everybody uses may be a passkey.
fn masked(url: &TrackerUrl) -> String {
    match url.secret_path_and_query() {
        path @ ("" | "/" | "/announce") => format!("{url}{path}"),
        _ => format!("{url}/<secret>"),
    }
}

/// A double-quoted YAML scalar. Control characters do not come this far; what YAML does not allow
/// or folds is escaped.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                    write!(f, "\\u{:04x}", u32::from(c))?;
                }
                _ => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}
