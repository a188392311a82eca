//! Where an address is: its country and its autonomous system. A leaf.
//!
//! A table of countries (DB-IP Lite) is part of the program; a file in MaxMind's format replaces it,
//! and a second one adds autonomous systems. Whatever the source, it becomes sorted ranges when it is
//! loaded: a file is read whole and checked once, a lookup is one binary search and cannot fail, and
//! of a file of cities only the countries are kept in memory.
//!
//! | File | What lives there |
//! |---|---|
//! | `country` | [`Country`], the closed list of codes |
//! | `asn` | [`Asn`] |
//! | `ranges` | address → value |
//! | `mmdb` | MaxMind's format → ranges |
//! | `packed` | the form in which the table of countries is part of the program |
//! | `dbip/` | that table, its licence, and the command that makes it anew |

mod asn;
mod country;
mod mmdb;
mod packed;
mod ranges;

pub use asn::Asn;
pub use country::Country;
pub use mmdb::{Bad, MAX_FILE, MAX_NETWORKS};

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ranges::Table;

/// DB-IP Lite, packed by `dbip/refresh`.
const EMBEDDED: &[u8] = include_bytes!("../dbip/countries.gz");

/// Which files to use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Replaces the embedded table of countries.
    pub country_database: Option<PathBuf>,
    /// Autonomous systems; without it none are known.
    pub asn_database: Option<PathBuf>,
}

/// Which of the two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// Countries.
    Country,
    /// Autonomous systems.
    Asn,
}

impl Database {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Country, Self::Asn];

    /// As in labels of metrics.
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

/// Why there is no [`Geo`]. The text names the file.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// A file of the user's.
    #[error("the {database} database {} {why}", path.display())]
    File {
        /// What it was to be.
        database: Database,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        why: Bad,
    },
    /// The table inside the program, which its tests have read.
    #[error("the embedded country table is damaged")]
    Embedded,
}

/// Whose data it is and where they are to be found, for pages that show results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// The text of the link.
    pub text: &'static str,
    /// Where it leads.
    pub url: &'static str,
}

/// What the licence of the embedded table asks for.
const DBIP: Credit = Credit {
    text: "IP Geolocation by DB-IP",
    url: "https://db-ip.com",
};

/// Values by address, with the time of their making.
#[derive(Debug, PartialEq, Eq)]
struct Loaded<V> {
    table: Table<V>,
    /// Unix time in seconds.
    built: u64,
}

/// Countries and autonomous systems by address. Immutable: to be shared, and loaded again when a file
/// has changed. Equal are those that come from the same files with the same content.
#[derive(Debug, PartialEq, Eq)]
pub struct Geo {
    settings: Settings,
    countries: Arc<Loaded<Country>>,
    systems: Option<Loaded<Asn>>,
    credit: Option<Credit>,
}

impl Geo {
    /// Reads the files; what comes of it depends on nothing else. Blocks on the disk and takes some
    /// hundredths of a second (embedded table, the first time) up to seconds (large files): not for the
    /// threads of the runtime.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn load(settings: &Settings) -> Result<Self, GeoError> {
        let (countries, credit) = match &settings.country_database {
            Some(path) => {
                let countries = file(Database::Country, path, mmdb::countries)?;
                (Arc::new(countries), None)
            }
            None => (embedded().ok_or(GeoError::Embedded)?, Some(DBIP)),
        };
        let systems = match &settings.asn_database {
            Some(path) => Some(file(Database::Asn, path, mmdb::systems)?),
            None => None,
        };
        Ok(Self {
            settings: settings.clone(),
            countries,
            systems,
            credit,
        })
    }

    /// The files it comes from.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The country of an address, of an IPv6 address that of its /64.
    pub fn country(&self, ip: IpAddr) -> Country {
        get(&self.countries.table, ip)
    }

    /// The autonomous system that announces an address; `None` if unknown, and always without
    /// [`Settings::asn_database`].
    pub fn asn(&self, ip: IpAddr) -> Option<Asn> {
        let asn = get(&self.systems.as_ref()?.table, ip);
        (asn != Asn::UNKNOWN).then_some(asn)
    }

    /// When a database was built, in Unix seconds; `None` if there is none.
    pub fn built(&self, database: Database) -> Option<u64> {
        match database {
            Database::Country => Some(self.countries.built),
            Database::Asn => self.systems.as_ref().map(|systems| systems.built),
        }
    }

    /// Bytes of memory that the tables take. The embedded one is there once however often it is used.
    pub fn memory(&self) -> usize {
        let systems = self.systems.as_ref();
        self.countries.table.memory() + systems.map_or(0, |systems| systems.table.memory())
    }

    /// What pages that show countries must say; nothing of ours to say about files of the user's.
    pub const fn credit(&self) -> Option<Credit> {
        self.credit
    }
}

/// Packs a file in MaxMind's format into the form of the embedded table. The same file gives the
/// same bytes.
///
/// # Errors
/// [`GeoError::File`] as the cause.
pub fn pack(path: &Path) -> io::Result<Vec<u8>> {
    let countries = file(Database::Country, path, mmdb::countries).map_err(io::Error::other)?;
    packed::encode(&countries)
}

/// The embedded table, which never changes: decoded once in the life of the process.
fn embedded() -> Option<Arc<Loaded<Country>>> {
    static TABLE: OnceLock<Option<Arc<Loaded<Country>>>> = OnceLock::new();
    let decode = || packed::decode(EMBEDDED).map(Arc::new);
    TABLE.get_or_init(decode).clone()
}

fn file<V>(
    database: Database,
    path: &Path,
    parse: fn(Vec<u8>) -> Result<Loaded<V>, Bad>,
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
        IpAddr::V6(ip) => match v4_inside(ip.segments()) {
            Some(ip) => table.v4.get(ip.to_bits()),
            None => table.v6.get((ip.to_bits() >> 64) as u64),
        },
    }
}

/// The IPv4 address that says where an IPv6 address is: IPv4-mapped (RFC 4291), 6to4 (RFC 3056) and
/// NAT64 (RFC 6052).
const fn v4_inside(segments: [u16; 8]) -> Option<Ipv4Addr> {
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
