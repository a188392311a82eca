//! MaxMind's database format → ranges.
//!
//! The tree of a file is traversed once. Many networks share a record, so each record is decoded
//! once.

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

/// Most networks in a file. A city database has about ten million. A damaged file may seem to have
/// any number, because its tree may share branches.
pub const MAX_NETWORKS: usize = 1 << 26;

/// Why a file cannot be used. The text follows the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file does not exist, or the operating system does not let us read it.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is a directory, a device or a pipe.
    #[error("is not a regular file")]
    NotAFile,
    /// It exceeds [`MAX_FILE`] or [`MAX_NETWORKS`].
    #[error("is too large: more than 512 MiB or 67 million networks")]
    TooLarge,
    /// It has another format, or is truncated.
    #[error("is not a complete file in MaxMind's format (.mmdb): {0}")]
    Foreign(MaxMindDbError),
    /// Its header is valid, but other parts are not.
    #[error("is damaged: {0}")]
    Damaged(MaxMindDbError),
    /// Its tree lists networks out of order.
    #[error("is damaged: its networks overlap")]
    Disorder,
    /// It is a valid database of another kind.
    #[error("has no record with {wanted}: it is of type {found:?}")]
    OtherContent {
        /// The content that was needed.
        wanted: &'static str,
        /// The type that the file states in its metadata.
        found: String,
    },
}

/// Reads a file of at most [`MAX_FILE`] bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, DatabaseError> {
    // Checked before opening, because opening a pipe waits for its writer.
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(DatabaseError::NotAFile);
    }
    if metadata.len() > MAX_FILE {
        return Err(DatabaseError::TooLarge);
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // The file may have grown since.
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE {
        return Err(DatabaseError::TooLarge);
    }
    Ok(content)
}

/// Loads the countries of any database that has them.
pub(super) fn countries(content: Vec<u8>) -> Result<Loaded<Country>, DatabaseError> {
    load(content, "a country code", |network| {
        let record = network.decode::<CountryRecord<'_>>()?;
        Ok(record.and_then(|record| record.country()))
    })
}

/// Loads autonomous systems.
pub(super) fn systems(content: Vec<u8>) -> Result<Loaded<Asn>, DatabaseError> {
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
) -> Result<Loaded<V>, DatabaseError> {
    let reader = Reader::from_source(content).map_err(DatabaseError::Foreign)?;
    let mut v4 = Builder::with_capacity(0);
    let mut v6 = Builder::with_capacity(0);
    let mut records = HashMap::new();
    let mut networks = 0_usize;
    // Networks without data count too, to bound the traversal of a damaged tree.
    let all = WithinOptions::default().include_networks_without_data();
    for network in reader.networks(all).map_err(DatabaseError::Damaged)? {
        let network = network.map_err(DatabaseError::Damaged)?;
        networks += 1;
        if networks > MAX_NETWORKS {
            return Err(DatabaseError::TooLarge);
        }
        let Some(offset) = network.offset() else {
            continue;
        };
        let value = match records.get(&offset) {
            Some(value) => *value,
            None => {
                let value = decode(&network).map_err(DatabaseError::Damaged)?;
                records.insert(offset, value);
                value
            }
        };
        let range = network.network().map_err(DatabaseError::Damaged)?;
        let value = value.unwrap_or_default();
        let in_order = match (range.network(), range.broadcast()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => v4.add(first.to_bits(), last.to_bits(), value),
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let [first, last] = [first.to_bits(), last.to_bits()];
                // Only the first network inside a /64 counts.
                first as u64 != 0 || v6.add((first >> 64) as u64, (last >> 64) as u64, value)
            }
            _ => false,
        };
        if !in_order {
            return Err(DatabaseError::Disorder);
        }
    }
    if records.values().all(Option::is_none) {
        return Err(DatabaseError::OtherContent {
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

/// A record with a country: `country.iso_code` and `registered_country.iso_code` (MaxMind, DB-IP),
/// or `country_code` or `country` as text (others).
#[derive(Deserialize)]
struct CountryRecord<'a> {
    #[serde(borrow)]
    country: Option<CountryField<'a>>,
    #[serde(borrow)]
    registered_country: Option<CountryField<'a>>,
    #[serde(borrow)]
    country_code: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum CountryField<'a> {
    Record {
        #[serde(borrow)]
        iso_code: Option<&'a str>,
    },
    Text(&'a str),
}

impl CountryRecord<'_> {
    /// Returns the first field with a known country; `None` if the record has no such fields.
    fn country(&self) -> Option<Country> {
        let parse = |field: &Option<CountryField<'_>>| match field {
            Some(CountryField::Record { iso_code }) => iso_code.map(Country::parse),
            Some(CountryField::Text(text)) => Some(Country::parse(text)),
            None => None,
        };
        let fields = [
            parse(&self.country),
            self.country_code.map(Country::parse),
            parse(&self.registered_country),
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
