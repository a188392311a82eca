//! Autonomous systems: of one torrent, and of the fleet.

use super::*;
use crate::snapshot::System;
use seedwatch_dev_mmdb::{Value, Writer};
use seedwatch_geo::Asn;

/// Terms with a database in which the networks belong to these systems.
pub(super) fn with_systems(networks: &[(&str, u32)]) -> Terms {
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
    Terms::new(Accept::Global, STALE, geo, true)
}

fn torrents() -> Vec<seedwatch_torrent::Torrent> {
    let one = |n: u8| torrent(&format!("t{n}"), Hashes::V1(InfoHash([n; 20])), &TWO[..1]);
    vec![one(1), one(2)]
}

/// A reload.
pub(super) fn take_over(world: &mut World, terms: Terms, torrents: &[seedwatch_torrent::Torrent]) {
    let changes = world.roster.update(&torrents.to_vec().into(), |_| false);
    world
        .swarms
        .update(terms, &world.roster, &changes, world.now);
}

/// How many, and the share of the largest.
fn systems(world: &mut World, place: usize) -> Option<(u32, Option<f64>)> {
    let blocks = world.swarms.blocks(&world.roster, world.now);
    let reach = blocks[0].get(place).unwrap().2?;
    let systems = reach.places.as_ref()?.systems?;
    Some((systems.distinct, systems.largest_share()))
}

fn fleet(world: &mut World) -> Vec<(System, u64)> {
    world.swarms.blocks(&world.roster, world.now);
    world.swarms.fleet().systems
}

#[test]
fn one_host_that_holds_everything_is_one_mirror() {
    let mut world = World::new(&torrents()).without_dht();
    let id = world.announce(0, 0);
    world.list(id, &["8.8.8.1", "8.8.8.2", "8.8.9.1", "1.1.1.1"]);
    assert_eq!(systems(&mut world, 0), None);
    assert_eq!(fleet(&mut world), []);

    let terms = with_systems(&[("8.8.8.0/23", 15169)]);
    take_over(&mut world, terms, &torrents());
    assert_eq!(systems(&mut world, 0), Some((1, Some(0.75))));
    let blocks = world.swarms.blocks(&world.roster, world.now);
    let reach = blocks[0].get(0).unwrap().2.unwrap();
    assert_eq!(reach.places.as_ref().unwrap().prefixes, 3);
    let known = (System::Known(Asn(15169)), 3);
    let rest = |unknown| [(System::Other, 0), (System::Unknown, unknown)];
    assert_eq!(fleet(&mut world)[0], known);
    assert_eq!(fleet(&mut world)[1..], rest(1));

    // A peer of two torrents is two copies.
    let id = world.announce(1, 0);
    world.list(id, &["8.8.8.1"]);
    assert_eq!(systems(&mut world, 1), Some((1, Some(1.0))));
    assert_eq!(fleet(&mut world)[0], (System::Known(Asn(15169)), 4));

    // Another database, as after a reload.
    let terms = with_systems(&[("8.8.8.0/24", 1), ("8.8.9.0/24", 2)]);
    take_over(&mut world, terms, &torrents());
    assert_eq!(systems(&mut world, 0), Some((2, Some(0.5))));
    let rows = fleet(&mut world);
    assert_eq!(
        rows[..2],
        [(System::Known(Asn(1)), 3), (System::Known(Asn(2)), 1)]
    );

    // Gone from the configuration, or nobody there any more.
    let terms = with_systems(&[("8.8.8.0/24", 1), ("8.8.9.0/24", 2)]);
    take_over(&mut world, terms, &torrents()[..1]);
    assert_eq!(fleet(&mut world)[0], (System::Known(Asn(1)), 2));
    let id = world.announce(0, 0);
    world.list(id, &[]);
    assert_eq!(systems(&mut world, 0), Some((0, None)));
    assert_eq!(fleet(&mut world), rest(0));
}

#[test]
fn a_torrent_that_goes_stale_counts_no_more() {
    let mut world = World::new(&torrents());
    let terms = with_systems(&[("8.8.8.0/24", 1)]);
    take_over(&mut world, terms, &torrents());
    let id = world.announce(0, 0);
    world.list(id, &["8.8.8.1"]);
    assert_eq!(fleet(&mut world)[0], (System::Known(Asn(1)), 1));
    world.pass(2 * 3600);
    assert_eq!(systems(&mut world, 0), None);
    assert_eq!(
        fleet(&mut world),
        [(System::Other, 0), (System::Unknown, 0)]
    );
    // Back in the configuration after a while out of it.
    world.list(id, &["8.8.8.1"]);
    let terms = with_systems(&[("8.8.8.0/24", 1)]);
    take_over(&mut world, terms.clone(), &[]);
    assert_eq!(
        fleet(&mut world),
        [(System::Other, 0), (System::Unknown, 0)]
    );
    take_over(&mut world, terms, &torrents());
    let id = world.announce(0, 0);
    world.list(id, &["8.8.8.1", "8.8.8.2"]);
    assert_eq!(fleet(&mut world)[0], (System::Known(Asn(1)), 2));
}
