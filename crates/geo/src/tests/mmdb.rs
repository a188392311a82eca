//! Configured database files.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};

use maxminddb::Reader;
use proptest::prelude::*;

use super::super::*;
use super::ip;
use seedwatch_dev_mmdb::{BUILT, Value, Writer};

fn text(key: &'static str, value: &'static str) -> (&'static str, Value) {
    (key, Value::Text(value))
}

fn flat(code: &'static str) -> Value {
    Value::Map(vec![text("country_code", code)])
}

fn country_field(key: &'static str, code: &'static str) -> (&'static str, Value) {
    (
        key,
        Value::Map(vec![("geoname_id", Value::U32(1)), text("iso_code", code)]),
    )
}

fn system(number: u32) -> Value {
    Value::Map(vec![
        ("autonomous_system_number", Value::U32(number)),
        text("autonomous_system_organization", "Example"),
    ])
}

fn load(database: Database, content: &[u8]) -> Result<Geo, GeoError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.mmdb");
    fs::write(&path, content).unwrap();
    Geo::load(&settings(database, &path))
}

fn settings(database: Database, path: &Path) -> Settings {
    let path = Some(path.to_owned());
    match database {
        Database::Country => Settings {
            country_database: path,
            asn_database: None,
        },
        Database::Asn => Settings {
            country_database: None,
            asn_database: path,
        },
    }
}

fn load_error(database: Database, content: &[u8]) -> DatabaseError {
    match load(database, content) {
        Err(GeoError::File { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

/// A country file with both families.
fn example() -> Writer {
    let mut writer = Writer::new(6, 24);
    writer.add("192.0.2.0/24", flat("DE"));
    writer.add("2001:db8::/32", flat("FR"));
    writer
}

#[test]
fn all_forms_of_records_are_read() {
    let records = [
        ("DE", flat("DE")),
        ("DE", flat("de")),
        ("FR", Value::Map(vec![country_field("country", "FR")])),
        (
            "GB",
            Value::Map(vec![country_field("registered_country", "GB")]),
        ),
        (
            "IT",
            Value::Map(vec![
                country_field("country", "IT"),
                country_field("registered_country", "US"),
            ]),
        ),
        ("ES", Value::Map(vec![text("country", "ES")])),
        (
            "PT",
            Value::Map(vec![
                text("country", "Portugal"),
                text("country_code", "PT"),
            ]),
        ),
        // For a continent, the country of registration is the better answer.
        (
            "NL",
            Value::Map(vec![
                country_field("country", "EU"),
                country_field("registered_country", "NL"),
            ]),
        ),
        ("unknown", flat("")),
        ("unknown", flat("ZZ")),
        ("unknown", Value::Map(vec![country_field("country", "AP")])),
        (
            "unknown",
            Value::Map(vec![("continent", Value::Map(vec![text("code", "EU")]))]),
        ),
        (
            "unknown",
            Value::Map(vec![(
                "country",
                Value::Map(vec![text("name", "Atlantis")]),
            )]),
        ),
    ];
    for record_size in [24, 28, 32] {
        let mut writer = Writer::new(6, record_size);
        for (n, (_, record)) in records.iter().enumerate() {
            writer.add(&format!("192.0.2.{}/32", 2 * n), record.clone());
        }
        let geo = load(Database::Country, &writer.write()).unwrap();
        for (n, (country, record)) in records.iter().enumerate() {
            let found = geo.country(ip(&format!("192.0.2.{}", 2 * n)));
            assert_eq!(found.as_str(), *country, "{record:?}");
            let between = geo.country(ip(&format!("192.0.2.{}", 2 * n + 1)));
            assert_eq!(between, Country::UNKNOWN);
        }
    }
}

#[test]
fn a_file_replaces_the_embedded_table_and_its_credit() {
    let geo = load(Database::Country, &example().write()).unwrap();
    assert_eq!(geo.country(ip("192.0.2.255")).as_str(), "DE");
    assert_eq!(geo.country(ip("::ffff:192.0.2.1")).as_str(), "DE");
    assert_eq!(geo.country(ip("2001:db8:1::1")).as_str(), "FR");
    assert_eq!(geo.country(ip("8.8.8.8")), Country::UNKNOWN);
    assert_eq!(geo.built(Database::Country), Some(BUILT));
    assert_eq!(geo.credit(), None);
}

#[test]
fn autonomous_systems_are_read_beside_countries() {
    let mut writer = Writer::new(6, 28);
    writer.add("8.8.8.0/24", system(15169));
    writer.add("192.0.2.0/24", system(0));
    writer.add("2001:db8::/32", system(4_200_000_000));
    let geo = load(Database::Asn, &writer.write()).unwrap();
    assert_eq!(geo.asn(ip("8.8.8.8")), Some(Asn(15169)));
    assert_eq!(
        geo.asn(ip("2001:db8::")).unwrap().to_string(),
        "AS4200000000"
    );
    assert_eq!(geo.asn(ip("192.0.2.1")), None);
    assert_eq!(geo.asn(ip("192.0.3.1")), None);
    assert_eq!(geo.country(ip("8.8.8.8")).as_str(), "US");
    assert_eq!(geo.built(Database::Asn), Some(BUILT));
    assert!(geo.credit().is_some());
}

#[test]
fn files_of_one_family_leave_the_other_unknown() {
    let mut writer = Writer::new(4, 24);
    writer.add("0.0.0.0/0", flat("DE"));
    let geo = load(Database::Country, &writer.write()).unwrap();
    assert_eq!(geo.country(ip("255.255.255.255")).as_str(), "DE");
    assert_eq!(geo.country(ip("2001:db8::1")), Country::UNKNOWN);
    let mut writer = Writer::new(6, 24);
    writer.add("2000::/3", flat("DE"));
    let geo = load(Database::Country, &writer.write()).unwrap();
    assert_eq!(geo.country(ip("2001:db8::1")).as_str(), "DE");
    assert_eq!(geo.country(ip("8.8.8.8")), Country::UNKNOWN);
}

#[test]
fn aliases_of_ipv4_do_not_repeat_it() {
    let mut writer = example();
    writer.alias(0x2002 << 112, 16);
    writer.alias(0xffff << 32, 96);
    let geo = load(Database::Country, &writer.write()).unwrap();
    assert_eq!(geo.country(ip("2002:c000:201::1")).as_str(), "DE");
    assert_eq!(geo.country(ip("2002:808:808::1")), Country::UNKNOWN);
    assert_eq!(geo.country(ip("2003::1")), Country::UNKNOWN);
    assert_eq!(geo.country(ip("192.0.2.1")).as_str(), "DE");
}

#[test]
fn the_first_network_inside_a_64_counts() {
    let mut writer = Writer::new(6, 24);
    writer.add("2001:db8::/65", flat("DE"));
    writer.add("2001:db8:0:0:8000::/65", flat("FR"));
    writer.add("2001:db8:0:2:8000::/65", flat("GB"));
    let geo = load(Database::Country, &writer.write()).unwrap();
    assert_eq!(geo.country(ip("2001:db8::")).as_str(), "DE");
    assert_eq!(geo.country(ip("2001:db8::ffff:0:0:1")).as_str(), "DE");
    assert_eq!(geo.country(ip("2001:db8:0:1::")), Country::UNKNOWN);
    assert_eq!(geo.country(ip("2001:db8:0:2:8000::")), Country::UNKNOWN);
}

#[test]
fn a_changed_file_is_read_by_the_next_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("country.mmdb");
    let settings = settings(Database::Country, &path);
    for code in ["DE", "FR"] {
        let mut writer = Writer::new(4, 24);
        writer.add("192.0.2.0/24", flat(code));
        fs::write(&path, writer.write()).unwrap();
        let geo = Geo::load(&settings).unwrap();
        assert_eq!(geo.country(ip("192.0.2.1")).as_str(), code);
    }
}

#[test]
fn a_database_of_another_kind_is_rejected_by_its_type() {
    let mut asn = Writer::new(4, 24);
    asn.database_type = "GeoLite2-ASN";
    asn.add("192.0.2.0/24", system(64496));
    let bad = load_error(Database::Country, &asn.write());
    assert_eq!(
        bad.to_string(),
        "has no record with a country code: it is of type \"GeoLite2-ASN\""
    );
    let bad = load_error(Database::Asn, &example().write());
    assert!(matches!(bad, DatabaseError::OtherContent { .. }), "{bad}");
    let bad = load_error(Database::Country, &Writer::new(6, 24).write());
    assert!(matches!(bad, DatabaseError::OtherContent { .. }), "{bad}");
}

#[test]
fn errors_name_the_unreadable_file() {
    let folder = tempfile::tempdir().unwrap();
    for database in [Database::Country, Database::Asn] {
        let path = folder.path().join("none.mmdb");
        let error = Geo::load(&settings(database, &path)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the {database} database {} cannot be read: No such file or directory (os error 2)",
                path.display()
            )
        );
        let error = Geo::load(&settings(database, folder.path())).unwrap_err();
        assert!(
            error.to_string().ends_with("is not a regular file"),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.mmdb");
    // The file is sparse.
    fs::File::create(&path)
        .unwrap()
        .set_len(MAX_FILE + 1)
        .unwrap();
    let error = Geo::load(&settings(Database::Country, &path)).unwrap_err();
    assert!(
        matches!(
            error,
            GeoError::File {
                why: DatabaseError::TooLarge,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn other_formats_are_rejected() {
    for content in [&b""[..], b"country_code\nDE\n", &[0; 4096], EMBEDDED] {
        let bad = load_error(Database::Country, content);
        assert!(matches!(bad, DatabaseError::Foreign(_)), "{bad}");
        assert!(
            bad.to_string()
                .starts_with("is not a complete file in MaxMind's format")
        );
    }
}

#[test]
fn a_tree_with_a_cycle_is_rejected() {
    let mut content = example().write();
    // The right child of the first node is the node itself.
    content[3..6].fill(0);
    let bad = load_error(Database::Country, &content);
    assert!(matches!(bad, DatabaseError::Damaged(_)), "{bad}");
}

#[test]
fn damaged_files_never_panic() {
    let content = example().write();
    for at in 0..content.len() {
        for flip in [0x01, 0x10, 0x80, 0xff] {
            let mut content = content.clone();
            content[at] ^= flip;
            let _ = mmdb::countries(content);
        }
        let _ = mmdb::countries(content[..at].to_vec());
        let _ = mmdb::countries(content[at..].to_vec());
    }
}

const COUNTRIES: [&str; 4] = ["DE", "FR", "", "US"];

/// Returns close networks, shorter prefixes first: bits, length, country.
fn networks(bits: u8) -> impl Strategy<Value = Vec<(u128, u8, &'static str)>> {
    let network = (any::<u8>(), 1..=8_u8, prop::sample::select(&COUNTRIES[..]));
    prop::collection::vec(network, 1..20).prop_map(move |mut networks| {
        networks.sort_by_key(|(_, length, _)| *length);
        let network = move |(address, length, country): (u8, u8, &'static str)| {
            let kept = u128::from(address >> (8 - length) << (8 - length));
            (kept << (120 - bits), bits + length, country)
        };
        networks.into_iter().map(network).collect()
    })
}

/// Returns the value of the last network among those with the longest prefix.
fn linear(networks: &[(u128, u8, &'static str)], address: u128) -> Country {
    let covers = |(bits, length, _): &&(u128, u8, _)| (bits ^ address) >> (128 - length) == 0;
    let found = networks.iter().rev().find(covers);
    found.map_or(Country::UNKNOWN, |(_, _, country)| Country::parse(country))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lookups_agree_with_a_linear_search_and_with_the_reader(
        v4 in networks(0),
        v6 in networks(3),
        record_size in prop::sample::select(vec![24, 28, 32]),
    ) {
        // 2000::/3, and IPv4 at ::/96.
        let v6: Vec<_> = v6.into_iter().map(|(b, l, c)| (b | 1 << 125, l, c)).collect();
        let mut writer = Writer::new(6, record_size);
        for (bits, length, country) in &v4 {
            writer.add_bits(bits >> 96, length + 96, flat(country));
        }
        for (bits, length, country) in &v6 {
            writer.add_bits(*bits, *length, flat(country));
        }
        // A database must have at least one country.
        writer.add("255.255.255.255/32", flat("DE"));
        let content = writer.write();
        let geo = load(Database::Country, &content).unwrap();
        let reader = Reader::from_source(content).unwrap();
        let by_reader = |ip: IpAddr| {
            let record = reader.lookup(ip).unwrap();
        let code = record.decode_path::<&str>(&maxminddb::path!["country_code"]);
            code.unwrap().map_or(Country::UNKNOWN, Country::parse)
        };
        for step in 0..=255_u32 {
            // Both ends of every possible network.
            for address in [step << 24, step << 24 | 0xff_ffff] {
                if address != u32::MAX {
                    let ip = Ipv4Addr::from_bits(address).into();
                    prop_assert_eq!(geo.country(ip), linear(&v4, u128::from(address) << 96));
                    prop_assert_eq!(geo.country(ip), by_reader(ip));
                }
            }
            let first = (1 << 125) | u128::from(step) << 117;
            for address in [first, first | ((1 << 117) - 1)] {
                let ip = Ipv6Addr::from_bits(address);
                // A 6to4 address has the country of its IPv4 address.
                if ip.segments()[0] != 0x2002 {
                    let ip = ip.into();
                    prop_assert_eq!(geo.country(ip), linear(&v6, address));
                    prop_assert_eq!(geo.country(ip), by_reader(ip));
                }
            }
        }
    }
}
