//! Autonomous systems: of one torrent, and of all torrents together.

use super::*;
use crate::snapshot::AsnLabel;
use seedwatch_dev_mmdb::{Value, Writer};
use seedwatch_geo::Asn;

/// Returns settings with a database in which the networks belong to these systems.
pub(super) fn with_systems(networks: &[(&str, u32)]) -> SwarmConfig {
    let mut writer = Writer::new(6, 24);
    for (network, number) in networks {
        let number = ("autonomous_system_number", Value::U32(*number));
        writer.add(network, Value::Map(vec![number]));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("asn.mmdb");
    std::fs::write(&path, writer.write()).unwrap();
    let settings = seedwatch_geo::Settings {
        asn_database: Some(path),
        ..seedwatch_geo::Settings::default()
    };
    let geo = Arc::new(Geo::load(&settings).unwrap());
    SwarmConfig::new(Accept::Global, STALE, geo, true)
}

fn torrents() -> Vec<seedwatch_torrent::Torrent> {
    let one = |n: u8| torrent(&format!("t{n}"), Hashes::V1(InfoHash([n; 20])), &TWO[..1]);
    vec![one(1), one(2)]
}

/// Reloads the configuration.
pub(super) fn reconfigure(
    world: &mut World,
    config: SwarmConfig,
    torrents: &[seedwatch_torrent::Torrent],
) {
    let changes = world.roster.update(&torrents.to_vec().into(), |_| false);
    world
        .swarms
        .update(config, &world.roster, &changes, world.now);
}

/// Returns the number of systems of a torrent, and the share of the largest.
fn systems(world: &mut World, index: usize) -> Option<(u32, Option<f64>)> {
    let blocks = world.swarms.blocks(&world.roster, world.now);
    let windows = blocks[0].get(index).unwrap().2?;
    let systems = windows.geo.as_ref()?.systems?;
    Some((systems.distinct, systems.largest_share()))
}

fn totals(world: &mut World) -> Vec<(AsnLabel, u64)> {
    world.swarms.blocks(&world.roster, world.now);
    world.swarms.totals().systems
}

#[test]
fn peers_are_counted_by_autonomous_system() {
    let mut world = World::new(&torrents()).without_dht();
    let id = world.announce(0, 0);
    world.list(id, &["8.8.8.1", "8.8.8.2", "8.8.9.1", "1.1.1.1"]);
    assert_eq!(systems(&mut world, 0), None);
    assert_eq!(totals(&mut world), []);

    let config = with_systems(&[("8.8.8.0/23", 15169)]);
    reconfigure(&mut world, config, &torrents());
    assert_eq!(systems(&mut world, 0), Some((1, Some(0.75))));
    let blocks = world.swarms.blocks(&world.roster, world.now);
    let windows = blocks[0].get(0).unwrap().2.unwrap();
    assert_eq!(windows.geo.as_ref().unwrap().prefixes, 3);
    let known = (AsnLabel::Known(Asn(15169)), 3);
    let rest = |unknown| [(AsnLabel::Other, 0), (AsnLabel::Unknown, unknown)];
    assert_eq!(totals(&mut world)[0], known);
    assert_eq!(totals(&mut world)[1..], rest(1));

    // A peer counts once per torrent.
    let id = world.announce(1, 0);
    world.list(id, &["8.8.8.1"]);
    assert_eq!(systems(&mut world, 1), Some((1, Some(1.0))));
    assert_eq!(totals(&mut world)[0], (AsnLabel::Known(Asn(15169)), 4));

    // A reload with another database counts again.
    let config = with_systems(&[("8.8.8.0/24", 1), ("8.8.9.0/24", 2)]);
    reconfigure(&mut world, config, &torrents());
    assert_eq!(systems(&mut world, 0), Some((2, Some(0.5))));
    let rows = totals(&mut world);
    assert_eq!(
        rows[..2],
        [(AsnLabel::Known(Asn(1)), 3), (AsnLabel::Known(Asn(2)), 1)]
    );

    // A removed torrent does not count, nor does one without peers.
    let config = with_systems(&[("8.8.8.0/24", 1), ("8.8.9.0/24", 2)]);
    reconfigure(&mut world, config, &torrents()[..1]);
    assert_eq!(totals(&mut world)[0], (AsnLabel::Known(Asn(1)), 2));
    let id = world.announce(0, 0);
    world.list(id, &[]);
    assert_eq!(systems(&mut world, 0), Some((0, None)));
    assert_eq!(totals(&mut world), rest(0));
}

#[test]
fn a_stale_torrent_does_not_count() {
    let mut world = World::new(&torrents());
    let config = with_systems(&[("8.8.8.0/24", 1)]);
    reconfigure(&mut world, config, &torrents());
    let id = world.announce(0, 0);
    world.list(id, &["8.8.8.1"]);
    assert_eq!(totals(&mut world)[0], (AsnLabel::Known(Asn(1)), 1));
    world.advance(2 * 3600);
    assert_eq!(systems(&mut world, 0), None);
    assert_eq!(
        totals(&mut world),
        [(AsnLabel::Other, 0), (AsnLabel::Unknown, 0)]
    );
    // The torrent leaves the configuration and comes back.
    world.list(id, &["8.8.8.1"]);
    let config = with_systems(&[("8.8.8.0/24", 1)]);
    reconfigure(&mut world, config.clone(), &[]);
    assert_eq!(
        totals(&mut world),
        [(AsnLabel::Other, 0), (AsnLabel::Unknown, 0)]
    );
    reconfigure(&mut world, config, &torrents());
    let id = world.announce(0, 0);
    world.list(id, &["8.8.8.1", "8.8.8.2"]);
    assert_eq!(totals(&mut world)[0], (AsnLabel::Known(Asn(1)), 2));
}
