//! Builds and examines the embedded table of countries. `../dbip/refresh` and `../dbip/compare`
//! download its input.
//!
//! ```text
//! countries pack FILE.mmdb OUT     packs a file in MaxMind's format and prints when it was built
//! countries compare FILE.mmdb      prints how often the embedded table agrees with another one
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use seedwatch_geo::{Country, Database, Geo, Settings};
use seedwatch_torrent::address::is_global;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("countries: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let arguments: Vec<&Path> = arguments.iter().map(PathBuf::as_path).collect();
    match arguments[..] {
        [command, from, to] if command == Path::new("pack") => {
            let packed = seedwatch_geo::pack(from)?;
            std::fs::write(to, packed)?;
            let source = Geo::load(&settings(from))?;
            println!("{}", source.built(Database::Country).unwrap_or(0));
            Ok(())
        }
        [command, other] if command == Path::new("compare") => compare(other),
        _ => Err("usage: countries pack FILE.mmdb OUT | countries compare FILE.mmdb".into()),
    }
}

fn settings(countries: &Path) -> Settings {
    Settings {
        country_database: Some(countries.to_owned()),
        asn_database: None,
    }
}

fn compare(other: &Path) -> Result<(), Box<dyn Error>> {
    let ours = Geo::load(&Settings::default())?;
    let theirs = Geo::load(&settings(other))?;
    let built = |geo: &Geo| geo.built(Database::Country).unwrap_or(0);
    println!("built: embedded {}, other {}", built(&ours), built(&theirs));
    // The same addresses in every run.
    let mut rng = SmallRng::seed_from_u64(1);
    // Few random IPv6 addresses are in use, so more are needed.
    for (family, sample, address) in [
        ("IPv4", 100_000, v4 as fn(&mut SmallRng) -> IpAddr),
        ("IPv6", 1_000_000, v6 as fn(&mut SmallRng) -> IpAddr),
    ] {
        let addresses = std::iter::repeat_with(|| address(&mut rng)).filter(|ip| is_global(*ip));
        report(family, addresses.take(sample), &ours, &theirs);
    }
    Ok(())
}

fn report(family: &str, addresses: impl Iterator<Item = IpAddr>, ours: &Geo, theirs: &Geo) {
    let mut all = 0;
    let mut unknown = [0, 0];
    let mut both = 0;
    let mut differences = HashMap::<_, u32>::new();
    for ip in addresses {
        let pair = [ours, theirs].map(|geo| geo.country(ip));
        all += 1;
        for (unknown, country) in unknown.iter_mut().zip(pair) {
            *unknown += u32::from(country == Country::UNKNOWN);
        }
        if !pair.contains(&Country::UNKNOWN) {
            both += 1;
            if pair[0] != pair[1] {
                *differences.entry(pair).or_default() += 1;
            }
        }
    }
    let share = |part: u32, of: u32| 100.0 * f64::from(part) / f64::from(of.max(1));
    println!(
        "{family}: {all} random public addresses, unknown to the embedded table {:.2} %, to the \
         other {:.2} %",
        share(unknown[0], all),
        share(unknown[1], all)
    );
    let disagreed = differences.values().sum::<u32>();
    println!(
        "  known to both {both}, the same country {:.2} %",
        share(both - disagreed, both)
    );
    let mut differences: Vec<_> = differences.into_iter().collect();
    differences.sort_unstable_by_key(|(pair, count)| (std::cmp::Reverse(*count), *pair));
    for ([ours, theirs], count) in differences.iter().take(5) {
        println!(
            "  {ours} embedded, {theirs} in the other: {:.2} %",
            share(*count, both)
        );
    }
}

fn v4(rng: &mut SmallRng) -> IpAddr {
    Ipv4Addr::from_bits(rng.next_u32()).into()
}

/// Returns a random address of the large blocks of the five registries.
fn v6(rng: &mut SmallRng) -> IpAddr {
    let random = rng.next_u64();
    let block = [0x240, 0x260, 0x280, 0x2a0, 0x2c0][(random % 5) as usize];
    let high = random >> 12 | block << 52;
    Ipv6Addr::from_bits(u128::from(high) << 64).into()
}
