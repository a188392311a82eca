//! The section `geoip:`, with databases that the tests generate.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use seedwatch::config::Config;
use seedwatch_dev_mmdb::{BUILT, Value, Writer};
use seedwatch_geo::Database;
use seedwatch_input::yaml::ConfigError;

use super::load;

/// An address in the USA, according to the embedded table.
const GOOGLE: &str = "8.8.8.8";

fn countries(code: &'static str) -> Vec<u8> {
    let mut writer = Writer::new(6, 28);
    let record = Value::Map(vec![("iso_code", Value::Text(code))]);
    writer.add("8.8.8.0/24", Value::Map(vec![("country", record)]));
    writer.write()
}

fn systems(number: u32) -> Vec<u8> {
    let mut writer = Writer::new(6, 24);
    let number = ("autonomous_system_number", Value::U32(number));
    writer.add("8.8.8.0/24", Value::Map(vec![number]));
    writer.write()
}

const BOTH: &str = "torrents: []\n\
                    geoip:\n  country_database: data/country.mmdb\n  asn_database: data/asn.mmdb\n";

/// Writes a configuration and the folder `data` beside it.
fn write(folder: &Path, country: &[u8], asn: &[u8]) {
    fs::create_dir_all(folder.join("data")).unwrap();
    fs::write(folder.join("data/country.mmdb"), country).unwrap();
    fs::write(folder.join("data/asn.mmdb"), asn).unwrap();
    fs::write(folder.join("config.yaml"), BOTH).unwrap();
}

fn read(folder: &Path) -> Result<Config, ConfigError> {
    Config::load(&folder.join("config.yaml"))
}

/// Returns the country and autonomous system of [`GOOGLE`].
fn locate(config: &Config) -> (String, Option<u32>) {
    let ip: IpAddr = GOOGLE.parse().unwrap();
    let asn = config.geo.asn(ip).map(|asn| asn.0);
    (config.geo.country(ip).to_string(), asn)
}

#[test]
fn without_files_the_embedded_table_is_used() {
    let config = load("torrents: []\n").unwrap();
    assert_eq!(locate(&config), ("US".to_owned(), None));
    assert!(config.geo.credit().is_some());
    assert!(!config.effective_yaml().contains("geoip:"));
}

#[test]
fn files_are_found_beside_the_configuration_and_read_with_every_load() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    write(folder, &countries("DE"), &systems(3320));
    let first = read(folder).unwrap();
    assert_eq!(locate(&first), ("DE".to_owned(), Some(3320)));
    assert_eq!(first.geo.built(Database::Country), Some(BUILT));
    assert_eq!(first.geo.built(Database::Asn), Some(BUILT));
    assert_eq!(read(folder).unwrap(), first);

    write(folder, &countries("FR"), &systems(5511));
    let second = read(folder).unwrap();
    assert_eq!(locate(&second), ("FR".to_owned(), Some(5511)));
    assert_ne!(second, first);
    // The first configuration is unchanged.
    assert_eq!(locate(&first), ("DE".to_owned(), Some(3320)));
}

#[test]
fn the_effective_configuration_has_absolute_paths() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    write(folder, &countries("DE"), &systems(3320));
    let config = read(folder).unwrap();
    let yaml = config.effective_yaml();
    let data = folder.join("data");
    let expected = format!(
        "geoip:\n  country_database: \"{0}/country.mmdb\"\n  asn_database: \"{0}/asn.mmdb\"\n",
        data.display()
    );
    assert!(yaml.contains(&expected), "{yaml}");
    // The effective configuration means the same in another directory.
    assert_eq!(load(&yaml).unwrap().geo, config.geo);
}

/// Exchanged and truncated databases. Each fault names its key, and all are reported at once.
#[test]
fn files_of_another_kind_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let cut = &systems(3320)[..100];
    for (country, asn, expected) in [
        (
            systems(3320),
            countries("DE"),
            "/config.yaml:3: geoip.country_database: /data/country.mmdb: has no record with a \
             country code: it is of type \"Test\"\n\
             /config.yaml:4: geoip.asn_database: /data/asn.mmdb: has no record with an autonomous \
             system number: it is of type \"Test\"",
        ),
        (
            countries("DE"),
            cut.to_vec(),
            "/config.yaml:4: geoip.asn_database: /data/asn.mmdb: is not a complete file in \
             MaxMind's format (.mmdb): invalid database: could not find MaxMind DB metadata in \
             file",
        ),
    ] {
        write(folder, &country, &asn);
        let error = read(folder).unwrap_err().to_string();
        assert_eq!(error.replace(folder.to_str().unwrap(), ""), expected);
    }
}
