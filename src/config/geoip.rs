//! `geoip:`, and the files it names.

use std::path::Path;
use std::sync::Arc;

use super::raw;
use seedwatch_geo::{Database, Geo, GeoError, Settings};
use seedwatch_input::yaml::Text;
use seedwatch_input::yaml::{Fault, Report, Source};

/// Reads `geoip:` and its databases. `base` is the directory of the configuration. What is wrong with
/// a file is noted, and the default takes its place.
pub(super) fn load(
    raw: raw::GeoIp<'_>,
    base: &Path,
    source: &Source,
    report: &mut Report,
) -> Result<Arc<Geo>, Fault> {
    let mut settings = Settings::default();
    for (database, text) in [
        (Database::Country, &raw.country_database),
        (Database::Asn, &raw.asn_database),
    ] {
        let Some(text) = text else { continue };
        if !is_file_name(text.as_str()) {
            let message = "must be the name of a file";
            report.fault(source.fault(text.line, key(database), message));
            continue;
        }
        // Absolute, so that what is shown as being in effect says where to look.
        let path = base.join(text.as_str());
        *entry(&mut settings, database) = Some(std::path::absolute(&path).unwrap_or(path));
    }
    loop {
        match Geo::load(&settings) {
            Ok(geo) => return Ok(Arc::new(geo)),
            Err(GeoError::File { database, why, .. }) => {
                let text = match database {
                    Database::Country => &raw.country_database,
                    Database::Asn => &raw.asn_database,
                };
                let line = text.as_ref().map_or(0, |text| text.line);
                let path = base.join(text.as_ref().map_or("", Text::as_str));
                let message = format!("{}: {why}", path.display());
                report.fault(source.fault(line, key(database), message));
                // The other one may be wrong as well.
                *entry(&mut settings, database) = None;
            }
            Err(error @ GeoError::Embedded) => return Err(source.fault(0, "geoip", error)),
        }
    }
}

fn is_file_name(text: &str) -> bool {
    !text.is_empty() && !text.contains("://") && !text.contains(char::is_control)
}

const fn key(database: Database) -> &'static str {
    match database {
        Database::Country => "geoip.country_database",
        Database::Asn => "geoip.asn_database",
    }
}

const fn entry(settings: &mut Settings, database: Database) -> &mut Option<std::path::PathBuf> {
    match database {
        Database::Country => &mut settings.country_database,
        Database::Asn => &mut settings.asn_database,
    }
}
