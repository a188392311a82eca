//! The databases that `geoip:` names.

use std::path::PathBuf;
use std::sync::Arc;

use super::kinds::absolute;
use super::section::{ConfigFile, Section, SectionReader};
use super::sections::{GeoIp, WrittenGeoIp};
use seedwatch_geo::{Database, Geo, GeoError, Settings};
use seedwatch_input::yaml::{Fault, Report};

/// Reads `geoip:` and its databases. Reports what is wrong with a file, and continues with the
/// default in its place.
pub(super) fn load(
    written: Option<WrittenGeoIp<'_>>,
    file: &ConfigFile<'_>,
    report: &mut Report,
) -> Result<Arc<Geo>, Fault> {
    let mut section = GeoIp::default();
    let mut reader = SectionReader::new::<GeoIp>(file, report);
    section.read(written.unwrap_or_default(), &mut reader);
    loop {
        let path = |name: &Option<PathBuf>| {
            let name = name.as_deref()?;
            Some(absolute(file.base.join(name)))
        };
        let settings = Settings {
            country_database: path(&section.country_database),
            asn_database: path(&section.asn_database),
        };
        let (database, why) = match Geo::load(&settings) {
            Ok(geo) => return Ok(Arc::new(geo)),
            Err(GeoError::File { database, why, .. }) => (database, why),
            Err(error @ GeoError::Embedded) => return Err(file.source.fault(0, "geoip", error)),
        };
        // The other database may be wrong as well: it is read without this one.
        let (key, name) = match database {
            Database::Country => ("country_database", section.country_database.take()),
            Database::Asn => ("asn_database", section.asn_database.take()),
        };
        let path = file.base.join(name.unwrap_or_default());
        let message = format!("{}: {why}", path.display());
        reader.fault(reader.line(key), key, message);
    }
}
