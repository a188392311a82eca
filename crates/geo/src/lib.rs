//! The country and the autonomous system of an IP address.
//!
//! A table of countries (DB-IP Lite) is embedded in the program. A file in MaxMind's format can
//! replace it, and another one adds autonomous systems. Each source becomes sorted ranges when it
//! is loaded: a file is read and checked once, a lookup is one binary search that cannot fail, and
//! of a city database only the countries stay in memory.
//!
//! ```
//! use seedwatch_geo::{Geo, Settings};
//!
//! let geo = Geo::load(&Settings::default())?;
//! assert_eq!(geo.country("80.130.1.1".parse()?).as_str(), "DE");
//! assert_eq!(geo.country("10.0.0.1".parse()?).as_str(), "unknown");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | Module | Contents |
//! |---|---|
//! | `country` | [`Country`]: the closed list of codes |
//! | `asn` | [`Asn`] |
//! | `ranges` | address → value |
//! | `mmdb` | MaxMind's format → ranges |
//! | `packed` | the encoding of the embedded table |
//! | `dbip/` | the embedded table, its licence, and the command that rebuilds it |

mod asn;
mod country;
mod mmdb;
mod packed;
mod ranges;

pub use asn::Asn;
pub use country::Country;
pub use mmdb::{DatabaseError, MAX_FILE, MAX_NETWORKS};

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ranges::Table;

/// The embedded table: DB-IP Lite, packed by `dbip/refresh`.
const EMBEDDED: &[u8] = include_bytes!("../dbip/countries.gz");

/// The database files to use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// A file that replaces the embedded table of countries.
    pub country_database: Option<PathBuf>,
    /// A file of autonomous systems; without it, none are known.
    pub asn_database: Option<PathBuf>,
}

/// One of the two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// Countries.
    Country,
    /// Autonomous systems.
    Asn,
}

impl Database {
    /// Both databases.
    pub const ALL: [Self; 2] = [Self::Country, Self::Asn];

    /// Returns the value of the `database` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Asn => "asn",
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why [`Geo`] cannot be loaded. The text names the file.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// A configured file cannot be used.
    #[error("the {database} database {} {why}", path.display())]
    File {
        /// The database that the file was configured for.
        database: Database,
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        why: DatabaseError,
    },
    /// The embedded table is damaged. Tests exclude this for released programs.
    #[error("the embedded country table is damaged")]
    Embedded,
}

/// The attribution of a database, for pages that show its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// The text of the link.
    pub text: &'static str,
    /// The target of the link.
    pub url: &'static str,
}

/// The attribution that the licence of the embedded table requires.
const DBIP: Credit = Credit {
    text: "IP Geolocation by DB-IP",
    url: "https://db-ip.com",
};

/// A loaded database.
#[derive(Debug, PartialEq, Eq)]
struct Loaded<V> {
    table: Table<V>,
    /// The Unix time of building, in seconds.
    built: u64,
}

/// Countries and autonomous systems by address. The value is immutable: share it, and load a new
/// one when a file has changed. Two values are equal if the same files with the same content were
/// loaded.
#[derive(Debug, PartialEq, Eq)]
pub struct Geo {
    settings: Settings,
    countries: Arc<Loaded<Country>>,
    systems: Option<Loaded<Asn>>,
    credit: Option<Credit>,
}

impl Geo {
    /// Reads the files. Blocks on the disk, so it must not run on threads of the async runtime: the
    /// embedded table takes some hundredths of a second the first time, large files take seconds.
    ///
    /// # Errors
    /// The error of the first file that cannot be used.
    pub fn load(settings: &Settings) -> Result<Self, GeoError> {
        let (countries, credit) = match &settings.country_database {
            Some(path) => {
                let countries = load_file(Database::Country, path, mmdb::countries)?;
                (Arc::new(countries), None)
            }
            None => (embedded().ok_or(GeoError::Embedded)?, Some(DBIP)),
        };
        let systems = match &settings.asn_database {
            Some(path) => Some(load_file(Database::Asn, path, mmdb::systems)?),
            None => None,
        };
        Ok(Self {
            settings: settings.clone(),
            countries,
            systems,
            credit,
        })
    }

    /// Returns the files that were loaded.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the country of an address; for IPv6, that of its /64 network.
    pub fn country(&self, ip: IpAddr) -> Country {
        get(&self.countries.table, ip)
    }

    /// Returns the autonomous system that announces an address; `None` if unknown, or without
    /// [`Settings::asn_database`].
    pub fn asn(&self, ip: IpAddr) -> Option<Asn> {
        let asn = get(&self.systems.as_ref()?.table, ip);
        (asn != Asn::UNKNOWN).then_some(asn)
    }

    /// Returns when a database was built, in Unix seconds; `None` if there is no such database.
    pub fn built(&self, database: Database) -> Option<u64> {
        match database {
            Database::Country => Some(self.countries.built),
            Database::Asn => self.systems.as_ref().map(|systems| systems.built),
        }
    }

    /// Returns the bytes of memory of the tables. All values share one embedded table.
    pub fn memory(&self) -> usize {
        let systems = self.systems.as_ref();
        self.countries.table.memory() + systems.map_or(0, |systems| systems.table.memory())
    }

    /// Returns the attribution that pages with countries must show; `None` if the operator's own
    /// file is used.
    pub const fn credit(&self) -> Option<Credit> {
        self.credit
    }
}

/// Packs a file in MaxMind's format into the encoding of the embedded table. The same file gives
/// the same bytes.
///
/// # Errors
/// An error whose source is [`GeoError::File`].
pub fn pack(path: &Path) -> io::Result<Vec<u8>> {
    let countries =
        load_file(Database::Country, path, mmdb::countries).map_err(io::Error::other)?;
    packed::encode(&countries)
}

/// Returns the embedded table, which is decoded once per process.
fn embedded() -> Option<Arc<Loaded<Country>>> {
    static TABLE: OnceLock<Option<Arc<Loaded<Country>>>> = OnceLock::new();
    let decode = || packed::decode(EMBEDDED).map(Arc::new);
    TABLE.get_or_init(decode).clone()
}

/// Loads one database file.
fn load_file<V>(
    database: Database,
    path: &Path,
    parse: fn(Vec<u8>) -> Result<Loaded<V>, DatabaseError>,
) -> Result<Loaded<V>, GeoError> {
    mmdb::read(path)
        .and_then(parse)
        .map_err(|why| GeoError::File {
            database,
            path: path.to_owned(),
            why,
        })
}

fn get<V: Copy + Default>(table: &Table<V>, ip: IpAddr) -> V {
    match ip {
        IpAddr::V4(ip) => table.v4.get(ip.to_bits()),
        IpAddr::V6(ip) => match embedded_v4(ip.segments()) {
            Some(ip) => table.v4.get(ip.to_bits()),
            None => table.v6.get((ip.to_bits() >> 64) as u64),
        },
    }
}

/// Returns the IPv4 address inside an IPv6 address, which decides its country: IPv4-mapped (RFC
/// 4291), 6to4 (RFC 3056) or NAT64 (RFC 6052).
const fn embedded_v4(segments: [u16; 8]) -> Option<Ipv4Addr> {
    let (high, low) = match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x2002, high, low, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits((high as u32) << 16 | low as u32))
}

#[cfg(test)]
pub(crate) mod tests;
