//! The configuration in effect, as YAML for people, without secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use seedwatch_input::secret::MASK;
use seedwatch_torrent::{Hashes, Privacy, Torrent, TrackerUrl};
use serde::{Serialize, Serializer};
use serde_saphyr::DoubleQuoted;

use super::lists::FORMATS;
use super::sections::{Addresses, Dht, GeoIp, Metrics, Network, Probe, State, Tracker};
use super::units::DurationText;
use super::{Config, List, ListSource};

/// What the file begins with if a private torrent is left alone.
const LEFT_ALONE: &str =
    "# A torrent with \"private: false\" is private (BEP 27), and left alone.\n";

impl Config {
    /// Returns the configuration in effect as YAML: defaults filled in, files and links resolved,
    /// duplicates merged. What could be a passkey is shown as `<secret>`.
    ///
    /// Torrents of lists are not in it, as they are not in the file. The text is read back to the
    /// same configuration, with three exceptions: the secrets; private
    /// torrents that are left alone; and trackers of metainfo files and magnet links, which become
    /// trackers of the configuration.
    pub fn effective_yaml(&self) -> String {
        let mut yaml = String::with_capacity(1024 + 256 * self.lists.configured.len());
        let mut torrents = self.lists.configured.iter();
        if torrents.any(|torrent| torrent.privacy == Privacy::LeftAlone) {
            yaml.push_str(LEFT_ALONE);
        }
        let geo = self.geo.settings();
        let effective = Effective {
            probe: &self.probe,
            tracker: &self.tracker,
            dht: &self.dht,
            addresses: Addresses {
                accept: self.accept,
            },
            geoip: GeoIp {
                country_database: geo.country_database.clone(),
                asn_database: geo.asn_database.clone(),
            },
            network: &self.network,
            state: &self.state,
            metrics: &self.metrics,
            lists: self.lists.all.iter().map(|list| list.into()).collect(),
            torrents: &self.lists.configured,
        };
        let options = serde_saphyr::ser_options! { compact_list_indent: false };
        // Writing to a string does not fail.
        let _ = serde_saphyr::to_fmt_writer_with_options(&mut yaml, &effective, options);
        yaml
    }
}

/// The file that is written.
#[derive(Serialize)]
struct Effective<'a> {
    probe: &'a Probe,
    tracker: &'a Tracker,
    dht: &'a Dht,
    addresses: Addresses,
    #[serde(skip_serializing_if = "is_default")]
    geoip: GeoIp,
    network: &'a Network,
    state: &'a State,
    metrics: &'a Metrics,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lists: Vec<EffectiveList<'a>>,
    #[serde(serialize_with = "entries")]
    torrents: &'a [Torrent],
}

fn is_default(section: &GeoIp) -> bool {
    *section == GeoIp::default()
}

/// Writes torrents one at a time: there may be a million.
fn entries<S: Serializer>(torrents: &&[Torrent], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(torrents.iter().map(EffectiveEntry::from))
}

/// One entry of `lists:`.
#[derive(Serialize)]
struct EffectiveList<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<DoubleQuoted<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<DoubleQuoted<String>>,
    name: DoubleQuoted<&'a str>,
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<DoubleQuoted<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<&'static str, DoubleQuoted<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<DoubleQuoted<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trackers: Vec<DoubleQuoted<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, DoubleQuoted<&'a str>>,
}

impl<'a> From<&'a Arc<List>> for EffectiveList<'a> {
    fn from(list: &'a Arc<List>) -> Self {
        let (url, file) = match &list.source {
            ListSource::Url(url) => (Some(url.masked()), None),
            ListSource::File(path) => (None, Some(path.to_string_lossy().into_owned())),
        };
        let format = FORMATS.iter().find(|(it, _)| *it == list.format.format);
        let labels = list.labels.iter();
        let collection = list.collection.as_ref();
        let items = list.format.items.as_ref();
        let given = list.format.fields.given();
        Self {
            url: url.map(DoubleQuoted),
            file: file.map(DoubleQuoted),
            name: DoubleQuoted(&list.name),
            format: format.map_or("auto", |(_, word)| word),
            items: items.map(|items| DoubleQuoted(items.to_string())),
            fields: given
                .map(|(role, name)| (role.as_key(), DoubleQuoted(name)))
                .collect(),
            interval: list
                .has_interval()
                .then(|| DurationText(list.interval).to_string()),
            collection: collection.map(|name| DoubleQuoted(&**name)),
            private: list.private.then_some(true),
            trackers: list.trackers.iter().map(|url| masked(url)).collect(),
            labels: labels
                .map(|(name, value)| (&**name, DoubleQuoted(&**value)))
                .collect(),
        }
    }
}

/// One entry of `torrents:`.
#[derive(Serialize)]
struct EffectiveEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    infohash: Option<DoubleQuoted<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    magnet: Option<DoubleQuoted<String>>,
    name: DoubleQuoted<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<DoubleQuoted<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trackers: Vec<DoubleQuoted<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, DoubleQuoted<&'a str>>,
}

impl<'a> From<&'a Torrent> for EffectiveEntry<'a> {
    fn from(torrent: &'a Torrent) -> Self {
        let (infohash, magnet) = match &torrent.hashes {
            Hashes::V1(hash) => (Some(hash.to_string()), None),
            Hashes::V2(hash) => (Some(hash.to_string()), None),
            Hashes::Hybrid(v1, v2) => {
                let link = format!("magnet:?xt=urn:btih:{v1}&xt=urn:btmh:1220{v2}");
                (None, Some(link))
            }
        };
        let labels = torrent.labels().iter();
        let collection = torrent.collection();
        Self {
            infohash: infohash.map(DoubleQuoted),
            magnet: magnet.map(DoubleQuoted),
            name: DoubleQuoted(&torrent.name),
            collection: collection.map(|name| DoubleQuoted(&**name)),
            private: match torrent.privacy {
                Privacy::Public => None,
                Privacy::Consented => Some(true),
                Privacy::LeftAlone => Some(false),
            },
            trackers: torrent.trackers.iter().map(|url| masked(url)).collect(),
            labels: labels
                .map(|(name, value)| (&**name, DoubleQuoted(&**value)))
                .collect(),
        }
    }
}

/// Masks the path and query of a tracker URL, unless the path is one that all users share.
fn masked(url: &TrackerUrl) -> DoubleQuoted<String> {
    DoubleQuoted(match url.secret_path_and_query() {
        path @ ("" | "/" | "/announce") => format!("{url}{path}"),
        _ => format!("{url}/{MASK}"),
    })
}
