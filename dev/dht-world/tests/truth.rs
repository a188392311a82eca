//! Tests of the emulated DHT: a simple lookup finds the true peers, and everything else is as the
//! settings say.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use seedwatch_dev_dht_world::{Delay, Net, ScrapeStyle, World, WorldSettings};
use seedwatch_torrent::bencode::{Dict, Value};

/// Address of the client.
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4000);
const TRANSACTION: &[u8] = b"\0t1z";

type Id = [u8; 20];

/// Returns the info-hash of a number.
fn hash(number: u64) -> Id {
    let mut hash = [0; 20];
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash[..8].copy_from_slice(&mixed.to_be_bytes());
    hash[12..].copy_from_slice(&number.to_be_bytes());
    hash
}

fn query(method: &str, target: &Id, scrape: bool) -> Vec<u8> {
    let key = ["6:target", "9:info_hash"][usize::from(method == "get_peers")];
    let scrape = ["", "6:scrapei1e"][usize::from(scrape)];
    let mut query = b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa".to_vec();
    query.extend(format!("{key}20:").as_bytes());
    query.extend(target);
    query.extend(format!("{scrape}e1:q{}:{method}2:roi1e1:t4:", method.len()).as_bytes());
    query.extend(TRANSACTION);
    query.extend(b"1:y1:qe");
    query
}

/// The answer of an honest node.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    id: Id,
    nodes: Vec<(Id, SocketAddr)>,
    values: Vec<SocketAddr>,
    filters: Option<[Vec<u8>; 2]>,
    external: Option<SocketAddr>,
}

fn read(datagram: &[u8]) -> Option<Answer> {
    let message = Dict::open(datagram)?;
    if message.get(b"t")?.as_bytes()? != TRANSACTION {
        return None;
    }
    let body = message.get(b"r")?.as_dict()?;
    let bytes = |key: &[u8]| body.get(key).and_then(|value| value.as_bytes());
    let contacts = |key: &[u8], size: usize| -> Vec<(Id, SocketAddr)> {
        let all = bytes(key).unwrap_or_default();
        all.chunks_exact(size)
            .map(|contact| (contact[..20].try_into().unwrap(), endpoint(&contact[20..])))
            .collect()
    };
    let mut nodes = contacts(b"nodes", 26);
    nodes.extend(contacts(b"nodes6", 38));
    let values = body.get(b"values").and_then(|values| values.as_list());
    let values = values.map(|list| {
        let all = list.iter();
        all.filter_map(|value| value.as_bytes().map(endpoint))
            .collect()
    });
    let seeders = bytes(b"BFsd").map(<[u8]>::to_vec);
    let peers = bytes(b"BFpe").map(<[u8]>::to_vec);
    Some(Answer {
        id: bytes(b"id")?.try_into().ok()?,
        nodes,
        values: values.unwrap_or_default(),
        filters: seeders.zip(peers).map(<[Vec<u8>; 2]>::from),
        external: message
            .get(b"ip")
            .and_then(|ip| ip.as_bytes())
            .map(endpoint),
    })
}

fn endpoint(bytes: &[u8]) -> SocketAddr {
    let (ip, port) = bytes.split_at(bytes.len() - 2);
    let port = u16::from_be_bytes(port.try_into().unwrap());
    match <[u8; 4]>::try_from(ip) {
        Ok(ip) => (ip, port).into(),
        Err(_) => (<[u8; 16]>::try_from(ip).unwrap(), port).into(),
    }
}

fn ask(world: &mut World, node: SocketAddr, query: &[u8]) -> Option<Answer> {
    let mut out = Vec::new();
    world.answer(node, CLIENT, query, 0, &mut out)?;
    read(&out)
}

/// A simple lookup without retries: it always queries the closest nodes that it knows.
fn look_up(world: &mut World, target: &Id, k: usize) -> (BTreeSet<SocketAddr>, usize) {
    let distance = |id: &Id| -> Id { std::array::from_fn(|at| id[at] ^ target[at]) };
    let query = query("get_peers", target, false);
    let start = world.bootstrap();
    let mut known: BTreeMap<Id, SocketAddr> = BTreeMap::new();
    let mut asked: BTreeSet<SocketAddr> = BTreeSet::new();
    let mut peers = BTreeSet::new();
    let mut answered: BTreeSet<Id> = BTreeSet::new();
    let mut next = Some(start[0]);
    while let Some(node) = next {
        asked.insert(node);
        if let Some(answer) = ask(world, node, &query) {
            answered.insert(distance(&answer.id));
            peers.extend(answer.values);
            known.extend(answer.nodes.iter().map(|(id, node)| (distance(id), *node)));
        }
        let enough = answered.iter().nth(k - 1);
        next = known
            .iter()
            .find(|(_, node)| !asked.contains(node))
            .filter(|(distance, _)| enough.is_none_or(|enough| *distance < enough))
            .map(|(_, node)| *node);
    }
    (peers, asked.len())
}

/// Returns the mean share of the true peers that lookups find, and the number of queries.
fn recall(world: &mut World, hashes: u64, k: usize) -> (f64, f64) {
    let (mut recall, mut cost) = (0.0, 0.0);
    for target in (0..hashes).map(hash) {
        let truth = BTreeSet::from_iter(world.peers_of(&target));
        let (found, asked) = look_up(world, &target, k);
        recall += truth.intersection(&found).count() as f64 / truth.len() as f64;
        cost += asked as f64;
    }
    (recall / hashes as f64, cost / hashes as f64)
}

#[test]
fn a_lookup_finds_the_true_peers_among_100_000_nodes() {
    for family in [Net::V4, Net::V6] {
        let mut world = World::new(WorldSettings {
            nodes: 100_000,
            dead: 0.25,
            family,
            ..WorldSettings::default()
        });
        world.auto_peers(20);
        let (recall, cost) = recall(&mut world, 100, 8);
        assert!(recall > 0.98, "{family:?}: recall {recall}");
        assert!((10.0..40.0).contains(&cost), "{family:?}: {cost} asked");
        let stats = world.stats();
        let dead = stats.dead as f64 / stats.queries as f64;
        assert!((0.1..0.4).contains(&dead), "{family:?}: {dead} dead");
        assert_eq!((stats.lost, stats.malformed, stats.without_ro), (0, 0, 0));
    }
}

#[test]
fn holders_are_the_closest_nodes_alive() {
    let mut world = World::new(WorldSettings {
        dead: 0.5,
        visible: 1.0,
        ..WorldSettings::default()
    });
    let target = hash(7);
    let peers = (0..50u8).map(|peer| (Ipv4Addr::new(127, 60, 0, peer).into(), 1000));
    world.announce(target, peers, 10);
    assert_eq!(world.peers_of(&target).len(), 50);
    let query = query("get_peers", &target, false);
    for (index, (id, node)) in world.closest(&target, 40).into_iter().enumerate() {
        let answer = ask(&mut world, node, &query).unwrap();
        assert_eq!(answer.id, id);
        assert_eq!(answer.values.len(), if index < 8 { 50 } else { 0 });
        assert_eq!(answer.nodes.len(), 8);
        assert_eq!(answer.external, Some(CLIENT));
    }
}

#[test]
fn the_same_seed_and_calls_make_the_same_world() {
    let settings = WorldSettings {
        dead: 0.2,
        loss: 0.1,
        byzantine: 0.3,
        delay: Delay::LogNormal {
            median_ms: 60.0,
            sigma: 0.5,
        },
        ..WorldSettings::default()
    };
    let run = |seed: u64| {
        let mut world = World::new(WorldSettings {
            seed,
            ..settings.clone()
        });
        world.auto_peers(30);
        let mut answers = Vec::new();
        for target in (0..20).map(hash) {
            for (_, node) in world.closest(&target, 10) {
                let mut out = Vec::new();
                let query = query("get_peers", &target, false);
                let delay = world.answer(node, CLIENT, &query, 0, &mut out);
                answers.push((delay, out));
            }
        }
        answers
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn addresses_are_distinct_and_neighbours_share_no_subnet() {
    for family in [Net::V4, Net::V6] {
        let nodes = 80_000;
        let world = World::new(WorldSettings {
            nodes,
            family,
            ..WorldSettings::default()
        });
        let all = world.closest(&[0; 20], nodes as usize);
        let net = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets()[..3].to_vec(),
            IpAddr::V6(ip) => ip.octets()[..8].to_vec(),
        };
        let distinct: BTreeSet<SocketAddr> = all.iter().map(|(_, address)| *address).collect();
        assert_eq!(distinct.len(), nodes as usize);
        for window in all.windows(32).step_by(16) {
            let nets: BTreeSet<Vec<u8>> = window.iter().map(|(_, at)| net(at.ip())).collect();
            assert_eq!(nets.len(), 32);
        }
        let mut world = world;
        for (id, address) in all.iter().step_by(997) {
            let answer = ask(&mut world, *address, &query("find_node", &hash(1), false));
            assert_eq!(answer.unwrap().id, *id);
        }
    }
}

#[test]
fn an_answer_holds_a_random_choice_of_values() {
    for (family, most) in [(Net::V4, 100), (Net::V6, 25)] {
        let mut world = World::new(WorldSettings {
            family,
            ..WorldSettings::default()
        });
        world.auto_peers(1000);
        let target = hash(3);
        let truth = BTreeSet::from_iter(world.peers_of(&target));
        assert_eq!(truth.len(), 1000);
        let (_, node) = world.closest(&target, 1)[0];
        let query = query("get_peers", &target, false);
        let mut seen = BTreeSet::new();
        for times in 1..=300 {
            let values = ask(&mut world, node, &query).unwrap().values;
            assert_eq!(BTreeSet::from_iter(&values).len(), most);
            seen.extend(values);
            assert!(times > 1 || seen.len() == most);
        }
        assert!(seen.is_subset(&truth));
        // The other peers are not stored here.
        assert!((850..950).contains(&seen.len()), "{}", seen.len());
    }
}

#[test]
fn a_scrape_gives_filters_instead_of_values() {
    let mut world = World::new(WorldSettings::default());
    world.auto_peers(400);
    let target = hash(4);
    let scrape = query("get_peers", &target, true);
    let mut union = [vec![0; 256], vec![0; 256]];
    for (_, node) in world.closest(&target, 8) {
        let answer = ask(&mut world, node, &scrape).unwrap();
        assert_eq!(answer.values, []);
        for (whole, part) in union.iter_mut().zip(answer.filters.unwrap()) {
            whole
                .iter_mut()
                .zip(part)
                .for_each(|(all, byte)| *all |= byte);
        }
    }
    for (filter, truth) in union.iter().zip([100.0, 300.0]) {
        let zeros: u32 = filter.iter().map(|byte| byte.count_zeros()).sum();
        let size = (f64::from(zeros) / 2048.0).ln() / (2.0 * (1.0 - 1.0 / 2048.0f64).ln());
        assert!((size / truth - 1.0).abs() < 0.1, "{size} for {truth}");
    }
    let (_, node) = world.closest(&target, 1)[0];
    let mut deaf = World::new(WorldSettings {
        scrape: ScrapeStyle::None,
        ..WorldSettings::default()
    });
    deaf.auto_peers(400);
    let answer = ask(&mut deaf, node, &scrape).unwrap();
    assert_eq!((answer.values.len(), answer.filters), (100, None));
}

#[test]
fn loss_delay_and_dead_nodes_match_the_settings() {
    let mut world = World::new(WorldSettings {
        loss: 0.1,
        delay: Delay::LogNormal {
            median_ms: 60.0,
            sigma: 0.5,
        },
        ..WorldSettings::default()
    });
    let query = query("find_node", &hash(5), false);
    let mut delays = Vec::new();
    for (_, node) in world.closest(&hash(6), 5000) {
        delays.extend(world.answer(node, CLIENT, &query, 0, &mut Vec::new()));
    }
    let answered = delays.len() as f64 / 5000.0;
    assert!((answered - 0.81).abs() < 0.03, "{answered}");
    delays.sort_unstable();
    let median = delays[delays.len() / 2];
    assert!((55..=65).contains(&median), "{median} ms");
    assert_eq!(world.stats().lost as usize, 5000 - delays.len());

    let mut world = World::new(WorldSettings {
        nodes: 300,
        dead: 0.25,
        ..WorldSettings::default()
    });
    assert_eq!(world.closest(&hash(6), 1000).len(), 300);
    let unused = SocketAddr::from(([127, 0, 0, 9], 6881));
    assert_eq!(ask(&mut world, unused, &query), None);
    assert_eq!(world.stats().dead, 1);
}

#[test]
fn byzantine_nodes_misbehave_in_every_way() {
    let mut world = World::new(WorldSettings {
        byzantine: 1.0,
        ..WorldSettings::default()
    });
    world.auto_peers(10);
    let target = hash(8);
    let query = query("get_peers", &target, false);
    let mut seen = BTreeMap::new();
    let mut garbage = BTreeSet::new();
    for (id, node) in world.closest(&target, 2000) {
        let mut out = Vec::new();
        world.answer(node, CLIENT, &query, 0, &mut out).unwrap();
        let what = match read(&out) {
            None if Dict::open(&out).is_some_and(|all| all.get(b"r").is_some()) => "transaction",
            None => "garbage",
            Some(answer) if answer.id != id => "id",
            Some(answer) if answer.nodes.iter().all(|(id, _)| id[..15] == target[..15]) => {
                let nets: BTreeSet<IpAddr> = answer.nodes.iter().map(|(_, at)| at.ip()).collect();
                assert_eq!(nets.len(), 8);
                let (friend, address) = answer.nodes[3];
                let of_friend = ask(&mut world, address, &query).unwrap();
                assert_eq!(of_friend.id, friend);
                assert!(
                    of_friend
                        .values
                        .iter()
                        .all(|peer| World::is_invented(peer.ip()))
                );
                "cluster"
            }
            Some(answer)
                if answer
                    .values
                    .iter()
                    .any(|peer| World::is_invented(peer.ip())) =>
            {
                assert_ne!(answer.external, Some(CLIENT));
                "peers"
            }
            Some(_) => "honest",
        };
        if what == "garbage" {
            garbage.insert(out.get(..12).unwrap_or(&out).to_vec());
        }
        *seen.entry(what).or_insert(0) += 1;
    }
    for what in ["transaction", "garbage", "id", "cluster", "peers"] {
        assert!(seen[what] > 200, "{seen:?}");
    }
    assert!(garbage.len() > 20, "{}", garbage.len());
    let truth = world.peers_of(&target);
    assert!(!truth.iter().any(|peer| World::is_invented(peer.ip())));
}

#[test]
fn some_byzantine_nodes_do_not_hide_a_swarm() {
    let mut world = World::new(WorldSettings {
        nodes: 20_000,
        byzantine: 0.1,
        ..WorldSettings::default()
    });
    world.auto_peers(20);
    let bootstrap = world.bootstrap();
    assert_eq!(bootstrap.len(), 8);
    let query = query("find_node", &hash(9), false);
    for node in bootstrap {
        assert!(ask(&mut world, node, &query).is_some());
    }
    // Every info-hash is still held by honest nodes, whether or not byzantine ones are closer.
    for target in (0..100).map(hash) {
        let query = self::query("get_peers", &target, false);
        let mut found = BTreeSet::new();
        for (_, node) in world.closest(&target, 8) {
            found.extend(
                ask(&mut world, node, &query)
                    .into_iter()
                    .flat_map(|it| it.values),
            );
        }
        let truth = world.peers_of(&target);
        let share = truth.iter().filter(|peer| found.contains(peer)).count();
        assert!(share >= 15, "{share} of 20");
    }
}

#[test]
fn the_world_counts_what_it_sees() {
    let mut world = World::new(WorldSettings::default());
    let all = world.closest(&hash(1), 3);
    let query = query("get_peers", &hash(1), true);
    let mut out = Vec::new();
    for now in [0, 100, 9_999, 10_000, 15_000, 19_998] {
        world.answer(all[0].1, CLIENT, &query, now, &mut out);
    }
    let announce = b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q13:announce_peer1:t1:x1:y1:qe";
    world.answer(all[1].1, CLIENT, announce, 20_000, &mut out);
    world.answer(all[1].1, CLIENT, b"d1:rd2:id", 20_000, &mut out);
    let stats = world.stats();
    assert_eq!((stats.queries, stats.nodes, stats.malformed), (8, 2, 1));
    assert_eq!((stats.max_to_one, stats.max_to_one_in_10s), (6, 4));
    assert_eq!(
        (stats.announces, stats.without_ro, stats.scrapes),
        (1, 1, 6)
    );
}

#[test]
fn invalid_queries_get_an_error_or_no_answer() {
    let mut world = World::new(WorldSettings::default());
    let (_, node) = world.closest(&hash(1), 1)[0];
    let id = "2:id20:aaaaaaaaaaaaaaaaaaaa";
    let mut code = |query: String| -> Option<i64> {
        let mut out = Vec::new();
        world.answer(node, CLIENT, query.as_bytes(), 0, &mut out)?;
        let message = Dict::open(&out).unwrap();
        let error = message.get(b"e").and_then(|error| error.as_list());
        Some(match error.and_then(|list| list.iter().next()) {
            Some(Value::Int(code)) => code,
            _ => 0,
        })
    };
    assert_eq!(code(format!("d1:ad{id}e1:q4:ping1:t1:x1:y1:qe")), Some(0));
    assert_eq!(
        code(format!("d1:ad{id}e1:q9:get_peers1:t1:x1:y1:qe")),
        Some(203)
    );
    assert_eq!(code("d1:ade1:q4:ping1:t1:x1:y1:qe".to_owned()), Some(203));
    assert_eq!(
        code(format!("d1:ad{id}e1:q5:storm1:t1:x1:y1:qe")),
        Some(204)
    );
    assert_eq!(code("d1:q4:ping1:t1:x1:y1:re".to_owned()), None);
    assert_eq!(code("l".repeat(1000)), None);
    assert_eq!(code(format!("d1:a{}1:q4:ping", "l".repeat(1000))), None);
    assert_eq!(code("d1:a99:x".to_owned()), None);
}
