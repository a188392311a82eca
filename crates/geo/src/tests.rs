//! The embedded table, and lookups in any table.

mod mmdb;

use std::sync::LazyLock;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn embedded() -> &'static Geo {
    static EMBEDDED: LazyLock<Geo> = LazyLock::new(|| Geo::load(&Settings::default()).unwrap());
    &EMBEDDED
}

#[test]
fn large_providers_are_in_their_countries() {
    let geo = embedded();
    for (country, addresses) in [
        // Google, Comcast.
        ("US", ["8.8.8.8", "73.1.1.1", "2601::1"]),
        // Deutsche Telekom.
        ("DE", ["80.130.1.1", "217.0.1.1", "2003::1"]),
        // Orange.
        ("FR", ["90.10.10.10", "86.192.1.1", "2a01:cb00::1"]),
        // Jio.
        ("IN", ["49.36.1.1", "157.32.1.1", "2409:4000::1"]),
        // China Telecom, 114DNS.
        ("CN", ["113.64.1.1", "114.114.114.114", "240e::1"]),
        // NTT.
        ("JP", ["153.128.1.1", "60.32.1.1", "2400:4000::1"]),
        // Claro.
        ("BR", ["177.32.1.1", "189.0.1.1", "2804:14c::1"]),
        // Vimpelcom, Rostelecom, Yandex.
        ("RU", ["95.24.1.1", "95.32.1.1", "77.88.8.8"]),
        // Telstra.
        ("AU", ["101.160.1.1", "120.144.1.1", "2001:8000::1"]),
    ] {
        for address in addresses {
            assert_eq!(geo.country(ip(address)).as_str(), country, "{address}");
        }
    }
}

#[test]
fn special_purpose_addresses_have_no_country() {
    let geo = embedded();
    for address in [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "2002:a00:1::1",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ] {
        assert_eq!(geo.country(ip(address)), Country::UNKNOWN, "{address}");
    }
}

#[test]
fn an_ipv6_address_has_the_country_of_its_embedded_ipv4_address() {
    let geo = embedded();
    for address in [
        "::ffff:80.130.1.1",
        "2002:5082:101::",
        "2002:5082:101:ffff::1",
        "64:ff9b::80.130.1.1",
    ] {
        assert_eq!(geo.country(ip(address)).as_str(), "DE", "{address}");
    }
}

#[test]
fn the_embedded_table_is_small_dated_and_attributed() {
    let geo = embedded();
    // Bytes on disk and in memory together.
    let size = EMBEDDED.len() + geo.memory();
    assert!(size <= 10_000_000, "{size}");
    let built = geo.built(Database::Country).unwrap();
    let source = include_str!("../dbip/SOURCE");
    assert!(source.contains(&format!("\nbuilt {built} (")), "{source}");
    assert_eq!(geo.built(Database::Asn), None);
    assert_eq!(geo.asn(ip("8.8.8.8")), None);
    let credit = geo.credit().unwrap();
    let readme = include_str!("../../../README.md");
    let notice = include_str!("../../../NOTICE");
    for text in [readme, notice] {
        assert!(text.contains(credit.text) && text.contains(credit.url));
    }
}

#[test]
fn the_embedded_table_is_decoded_once() {
    let again = Geo::load(&Settings::default()).unwrap();
    assert!(Arc::ptr_eq(&again.countries, &embedded().countries));
}

#[test]
fn geo_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Geo>();
    shared::<GeoError>();
}
