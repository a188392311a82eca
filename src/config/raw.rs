//! The YAML files as written, before any check. Every value that a later check may refuse knows its
//! line; strings are borrowed from the file where YAML allows. The sections of settings are
//! defined in `sections.rs`.

use std::collections::BTreeMap;

use seedwatch_input::yaml::{At, SecretText, Str, Text};
use serde::Deserialize;
use serde::de::Deserializer;

use super::sections::{
    WrittenAddresses, WrittenDht, WrittenGeoIp, WrittenMetrics, WrittenNetwork, WrittenProbe,
    WrittenState, WrittenTracker,
};

/// Reads `Some` if the key is present, even without a value: `torrents:` alone is an empty list,
/// not a missing one.
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
    #[serde(default, borrow, deserialize_with = "present")]
    pub(super) lists: Option<Vec<At<WrittenList<'a>>>>,
    #[serde(default, borrow)]
    pub(super) trackers: Option<Vec<SecretText<'a>>>,
    #[serde(default, borrow)]
    pub(super) probe: Option<WrittenProbe<'a>>,
    #[serde(default, borrow)]
    pub(super) tracker: Option<WrittenTracker<'a>>,
    #[serde(default, borrow)]
    pub(super) dht: Option<WrittenDht<'a>>,
    #[serde(default, borrow)]
    pub(super) addresses: Option<WrittenAddresses<'a>>,
    #[serde(default, borrow)]
    pub(super) geoip: Option<WrittenGeoIp<'a>>,
    #[serde(default, borrow)]
    pub(super) network: Option<WrittenNetwork<'a>>,
    #[serde(default, borrow)]
    pub(super) state: Option<WrittenState<'a>>,
    #[serde(default, borrow)]
    pub(super) metrics: Option<WrittenMetrics<'a>>,
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
    pub(super) magnet: Option<SecretText<'a>>,
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
    pub(super) trackers: Option<Vec<SecretText<'a>>>,
    pub(super) private: Option<bool>,
}

/// One entry of `lists:`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenList<'a> {
    #[serde(default, borrow)]
    pub(super) url: Option<SecretText<'a>>,
    #[serde(default, borrow)]
    pub(super) file: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) format: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) items: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) fields: Option<BTreeMap<Str<'a>, Text<'a>>>,
    #[serde(default, borrow)]
    pub(super) interval: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) collection: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) labels: Option<BTreeMap<Str<'a>, Text<'a>>>,
    #[serde(default, borrow)]
    pub(super) trackers: Option<Vec<SecretText<'a>>>,
    pub(super) private: Option<bool>,
}
