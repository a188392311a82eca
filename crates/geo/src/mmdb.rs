//! MaxMind's database format → ranges.
//!
//! The file is walked once. Records are shared by many networks, so each is decoded once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;

use maxminddb::{LookupResult, MaxMindDbError, Reader, WithinOptions};
use serde::Deserialize;

use super::Loaded;
use super::asn::Asn;
use super::country::Country;
use super::ranges::{Builder, Table};

/// Longest file, in bytes.
pub const MAX_FILE: u64 = 512 << 20;

/// Most networks in a file. A file of cities has about ten million; a damaged one can seem to have
/// any number, because its tree may share branches.
pub const MAX_NETWORKS: usize = 1 << 26;

/// Why a file is of no use. The text follows the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum Bad {
    /// It is not there, or the system does not let us read it.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A folder, a device, a pipe.
    #[error("is not a regular file")]
    NotAFile,
    /// Longer than [`MAX_FILE`] or more networks than [`MAX_NETWORKS`].
    #[error("is too large: more than 512 MiB or 67 million networks")]
    TooLarge,
    /// Some other format, or not the whole file.
    #[error("is not a whole file in MaxMind's format (.mmdb): {0}")]
    Foreign(MaxMindDbError),
    /// It begins well, but parts of it make no sense.
    #[error("is damaged: {0}")]
    Damaged(MaxMindDbError),
    /// Its tree gives networks out of their order.
    #[error("is damaged: its networks overlap")]
    Disorder,
    /// It is what its metadata say, which is something else than it was to be.
    #[error("has no record with {wanted}: it is of type {found:?}")]
    OtherContent {
        /// What was looked for.
        wanted: &'static str,
        /// What the file says of itself.
        found: String,
    },
}

/// A file's content, of at most [`MAX_FILE`] bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Bad> {
    // A look before opening: to open a pipe is to wait for its other end.
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(Bad::NotAFile);
    }
    if metadata.len() > MAX_FILE {
        return Err(Bad::TooLarge);
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // It may have grown since.
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE {
        return Err(Bad::TooLarge);
    }
    Ok(content)
}

/// Countries of any database that has them.
pub(super) fn countries(content: Vec<u8>) -> Result<Loaded<Country>, Bad> {
    load(content, "a country code", |network| {
        let record = network.decode::<CountryRecord<'_>>()?;
        Ok(record.and_then(|record| record.country()))
    })
}

/// Autonomous systems.
pub(super) fn systems(content: Vec<u8>) -> Result<Loaded<Asn>, Bad> {
    load(content, "an autonomous system number", |network| {
        let record = network.decode::<AsnRecord>()?;
        Ok(record.and_then(|record| record.autonomous_system_number.map(Asn)))
    })
}

/// Reads the value of a record; `None` if it has none.
type Decode<V> = fn(&LookupResult<'_, Vec<u8>>) -> Result<Option<V>, MaxMindDbError>;

fn load<V: Copy + Default + PartialEq>(
    content: Vec<u8>,
    wanted: &'static str,
    decode: Decode<V>,
) -> Result<Loaded<V>, Bad> {
    let reader = Reader::from_source(content).map_err(Bad::Foreign)?;
    let mut v4 = Builder::with_capacity(0);
    let mut v6 = Builder::with_capacity(0);
    let mut records = HashMap::new();
    let mut networks = 0_usize;
    // Networks without data count too: what a damaged tree makes us walk is bounded.
    let all = WithinOptions::default().include_networks_without_data();
    for network in reader.networks(all).map_err(Bad::Damaged)? {
        let network = network.map_err(Bad::Damaged)?;
        networks += 1;
        if networks > MAX_NETWORKS {
            return Err(Bad::TooLarge);
        }
        let Some(offset) = network.offset() else {
            continue;
        };
        let value = match records.get(&offset) {
            Some(value) => *value,
            None => {
                let value = decode(&network).map_err(Bad::Damaged)?;
                records.insert(offset, value);
                value
            }
        };
        let range = network.network().map_err(Bad::Damaged)?;
        let value = value.unwrap_or_default();
        let in_order = match (range.network(), range.broadcast()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => v4.add(first.to_bits(), last.to_bits(), value),
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let [first, last] = [first.to_bits(), last.to_bits()];
                // Of the networks inside a /64 only the first counts.
                first as u64 != 0 || v6.add((first >> 64) as u64, (last >> 64) as u64, value)
            }
            _ => false,
        };
        if !in_order {
            return Err(Bad::Disorder);
        }
    }
    if records.values().all(Option::is_none) {
        return Err(Bad::OtherContent {
            wanted,
            found: reader.metadata().database_type.chars().take(100).collect(),
        });
    }
    Ok(Loaded {
        table: Table {
            v4: v4.finish(),
            v6: v6.finish(),
        },
        built: reader.metadata().build_epoch,
    })
}

/// `country.iso_code` and `registered_country.iso_code` (MaxMind, DB-IP), or `country_code` or
/// `country` as text (others).
#[derive(Deserialize)]
struct CountryRecord<'a> {
    #[serde(borrow)]
    country: Option<Place<'a>>,
    #[serde(borrow)]
    registered_country: Option<Place<'a>>,
    #[serde(borrow)]
    country_code: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Place<'a> {
    Record {
        #[serde(borrow)]
        iso_code: Option<&'a str>,
    },
    Text(&'a str),
}

impl CountryRecord<'_> {
    /// The first field with a country in it; `None` if there are no such fields.
    fn country(&self) -> Option<Country> {
        let place = |place: &Option<Place<'_>>| match place {
            Some(Place::Record { iso_code }) => iso_code.map(Country::parse),
            Some(Place::Text(text)) => Some(Country::parse(text)),
            None => None,
        };
        let fields = [
            place(&self.country),
            self.country_code.map(Country::parse),
            place(&self.registered_country),
        ];
        let mut fields = fields.into_iter().flatten().peekable();
        let first = fields.peek().copied();
        fields.find(|c| *c != Country::UNKNOWN).or(first)
    }
}

#[derive(Deserialize)]
struct AsnRecord {
    autonomous_system_number: Option<u32>,
}
