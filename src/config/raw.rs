//! The shape of the YAML files, before any check. Every value that can be wrong later knows the
//! line it stands on; strings are borrowed from the file wherever YAML allows.

use std::collections::BTreeMap;

use seedwatch_input::yaml::{At, Str, Text};
use serde::Deserialize;
use serde::de::Deserializer;

/// `Some` if the key is there, even with no value: `torrents:` alone is an empty list, not a
/// missing one.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(|value| Some(value.unwrap_or_default()))
}

/// The main file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Root<'a> {
    #[serde(default, borrow, deserialize_with = "present")]
    pub(super) torrents: Option<Vec<At<Entry<'a>>>>,
    #[serde(default, borrow, deserialize_with = "present")]
    pub(super) include: Option<Vec<Text<'a>>>,
    #[serde(default, borrow)]
    pub(super) trackers: Option<Vec<Text<'a>>>,
    #[serde(default, borrow)]
    pub(super) probe: Option<Probe<'a>>,
    #[serde(default, borrow)]
    pub(super) tracker: Option<Tracker<'a>>,
    #[serde(default, borrow)]
    pub(super) dht: Option<Dht<'a>>,
    #[serde(default, borrow)]
    pub(super) addresses: Option<Addresses<'a>>,
    #[serde(default, borrow)]
    pub(super) geoip: Option<GeoIp<'a>>,
    #[serde(default, borrow)]
    pub(super) network: Option<Network<'a>>,
    #[serde(default, borrow)]
    pub(super) state: Option<State<'a>>,
    pub(super) metrics: Option<Metrics>,
}

/// An included file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List<'a> {
    #[serde(default, borrow, deserialize_with = "present")]
    pub(super) torrents: Option<Vec<At<Entry<'a>>>>,
}

/// One entry of `torrents:`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry<'a> {
    #[serde(default, borrow)]
    pub(super) magnet: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) file: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) infohash: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) collection: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) labels: Option<BTreeMap<Str<'a>, Text<'a>>>,
    #[serde(default, borrow)]
    pub(super) trackers: Option<Vec<Text<'a>>>,
    pub(super) private: Option<bool>,
}

/// `probe:`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Probe<'a> {
    #[serde(default, borrow)]
    pub(super) interval: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) timeout: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) stale_after: Option<Text<'a>>,
}

/// `tracker:`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tracker<'a> {
    #[serde(default, borrow)]
    pub(super) announce: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) max_rate: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) numwant: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) user_agent: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) peer_id_prefix: Option<Text<'a>>,
}

/// `dht:`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dht<'a> {
    pub(super) enabled: Option<bool>,
    #[serde(default, borrow)]
    pub(super) listen: Option<At<Vec<Text<'a>>>>,
    #[serde(default, borrow)]
    pub(super) bootstrap: Option<Vec<Text<'a>>>,
    #[serde(default, borrow)]
    pub(super) max_rate: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) interval: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) recall_target: Option<Text<'a>>,
}

/// `addresses:`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Addresses<'a> {
    #[serde(default, borrow)]
    pub(super) accept: Option<Text<'a>>,
}

/// `geoip:`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GeoIp<'a> {
    #[serde(default, borrow)]
    pub(super) country_database: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) asn_database: Option<Text<'a>>,
}

/// `network:`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Network<'a> {
    #[serde(default, borrow)]
    pub(super) canaries: Option<Vec<Text<'a>>>,
}

/// `state:`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State<'a> {
    #[serde(default, borrow)]
    pub(super) path: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) interval: Option<Text<'a>>,
}

/// `metrics:`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metrics {
    pub(super) countries: Option<bool>,
    pub(super) per_tracker: Option<bool>,
}
