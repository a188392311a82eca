//! The cost of countries: size of the embedded table, time to load it, lookups per second on one
//! core. `cargo bench --bench geo`; also measures a file in MaxMind's format: `cargo bench --bench
//! geo -- FILE.mmdb`.

#![expect(
    clippy::expect_used,
    reason = "a benchmark reports errors by panicking"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use seedwatch_dev_bench::usage::CostMeter;
use seedwatch_geo::{Geo, Settings};
use seedwatch_torrent::address::is_global;

/// Random addresses, more than any CPU cache holds.
const ADDRESSES: usize = 1 << 21;

fn main() {
    let packed = include_bytes!("../crates/geo/dbip/countries.gz").len();
    println!("embedded table: {packed} bytes packed");
    measure("embedded table", &Settings::default());
    // Cargo adds `--bench`.
    if let Some(path) = std::env::args().skip(1).find(|path| path != "--bench") {
        let country_database = Some(PathBuf::from(&path));
        let settings = Settings {
            country_database,
            asn_database: None,
        };
        measure(&path, &settings);
    }
}

fn measure(name: &str, settings: &Settings) {
    let since = CostMeter::now();
    let geo = Geo::load(settings).expect("a table");
    let cost = since.cost();
    println!(
        "{name}: loaded in {:.1} ms of CPU time, {:.2} MB in memory",
        cost.cpu_each(1) / 1e3,
        geo.memory() as f64 / 1e6
    );
    for (family, address) in [
        ("IPv4", v4 as fn(u64) -> IpAddr),
        ("IPv6", v6 as fn(u64) -> IpAddr),
    ] {
        let addresses: Vec<IpAddr> = (0..)
            .map(address)
            .filter(|ip| is_global(*ip))
            .take(ADDRESSES)
            .collect();
        let since = CostMeter::now();
        for ip in &addresses {
            black_box(geo.country(black_box(*ip)));
        }
        let cost = since.cost();
        println!(
            "{name}: {:.1} million {family} lookups per second of CPU time, {:.1} of wall time",
            1.0 / cost.cpu_each(ADDRESSES),
            cost.rate(ADDRESSES) / 1e6
        );
    }
}

fn v4(n: u64) -> IpAddr {
    Ipv4Addr::from_bits(mix(n) as u32).into()
}

/// Returns an address of the large blocks of the five registries.
fn v6(n: u64) -> IpAddr {
    let block = [0x240, 0x260, 0x280, 0x2a0, 0x2c0][(n % 5) as usize];
    let high = mix(n) >> 12 | block << 52;
    Ipv6Addr::from_bits(u128::from(high) << 64).into()
}

/// SplitMix64.
fn mix(n: u64) -> u64 {
    let z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
