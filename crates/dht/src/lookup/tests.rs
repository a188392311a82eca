use super::*;
use crate::LookupError;
use crate::krpc::{self, Message};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::SocketAddr;

const PLAN: Plan = Plan {
    warm: false,
    was_small: false,
    holders_wanted: None,
    require_distinct_subnets: true,
    accept: Accept::Any,
};

/// A node that shares this many bits with the target, which is all zeros.
fn id(bits: u32) -> NodeId {
    let mut id = [0; 20];
    id[bits as usize / 8] = 0x80 >> (bits % 8);
    NodeId(id)
}

fn address(subnet: u8) -> PackedAddress {
    PackedAddress::from(SocketAddr::from(([9, 9, subnet, 1], 6881)))
}

fn lookup(plan: Plan) -> Lookup {
    Lookup::new(NodeId([0; 20]), Some(InfoHash([0; 20])), plan, Mono(0))
}

/// A plan for a test network, where few nodes are normal.
const LAB: Plan = Plan {
    require_distinct_subnets: false,
    ..PLAN
};

/// A size that cannot be measured, as in a network of few nodes.
fn unmeasured() -> NetworkSize {
    let mut size = NetworkSize::default();
    (0..2).for_each(|_| size.record_failed_sample());
    size
}

fn query(lookup: &mut Lookup) -> Option<NextQuery> {
    lookup.next_query(|_| true)
}

/// Delivers an answer of `id` that names these peers and nodes.
fn answer(lookup: &mut Lookup, id: &NodeId, peers: &[u16], nodes: &[(NodeId, PackedAddress)]) {
    let mut datagram = b"d1:rd2:id20:".to_vec();
    datagram.extend_from_slice(&id.0);
    datagram.extend_from_slice(b"6:valuesl");
    for peer in peers {
        let [a, b] = peer.to_be_bytes();
        datagram.extend_from_slice(b"6:");
        datagram.extend_from_slice(&[8, 8, a, b, 26, 225]);
    }
    datagram.extend_from_slice(b"ee1:t1:x1:y1:re");
    let Ok(Message::Response(response)) = krpc::parse(&datagram) else {
        panic!("unreadable");
    };
    lookup.on_response(id, false, &response, nodes);
}

#[test]
fn a_lookup_ends_when_the_eight_closest_have_answered() {
    let mut lookup = lookup(LAB);
    for bits in 1..=20 {
        lookup.add_candidate(id(bits), address(bits as u8), 1);
    }
    let mut asked = Vec::new();
    while let Some(query) = query(&mut lookup) {
        asked.push(query.id);
        answer(&mut lookup, &query.id, &[], &[]);
    }
    assert!(lookup.is_over(&mut unmeasured(), &BoundIds::default()));
    let closest: Vec<NodeId> = (13..=20).rev().map(id).collect();
    assert_eq!(asked, closest);
    let ended = lookup.finish(Mono(0));
    assert!(ended.is_whole && ended.result.unwrap().peers.is_empty());
    assert_eq!(ended.stats.closest_bits, Some(20));
}

#[test]
fn parallelism_is_low_while_a_lookup_comes_closer_and_high_afterwards() {
    let mut lookup = lookup(PLAN);
    for bits in 1..=8 {
        lookup.add_candidate(id(bits), address(bits as u8), 1);
    }
    let first = query(&mut lookup).unwrap();
    query(&mut lookup).unwrap();
    assert_eq!(query(&mut lookup), None, "two queries in flight");
    let closer: Vec<_> = (9..=16).map(|b| (id(b), address(b as u8))).collect();
    answer(&mut lookup, &first.id, &[], &closer);
    let next = query(&mut lookup).unwrap();
    assert_eq!((next.id, query(&mut lookup)), (id(16), None));
    answer(&mut lookup, &next.id, &[], &closer);
    let rest = std::iter::from_fn(|| query(&mut lookup)).count();
    assert_eq!(rest, 7, "no closer node: all of the closest in parallel");
}

#[test]
fn only_one_node_per_subnet_is_queried() {
    let mut lookup = lookup(PLAN);
    for bits in 100..140 {
        lookup.add_candidate(id(bits), address(1), 1);
    }
    lookup.add_candidate(id(5), address(2), 1);
    let asked: Vec<NodeId> = std::iter::from_fn(|| query(&mut lookup))
        .map(|q| q.id)
        .collect();
    assert_eq!(asked, [id(139), id(5)]);
}

#[test]
fn stale_nodes_do_not_delay_a_lookup_and_still_count() {
    let mut lookup = lookup(PLAN);
    for bits in 1..=9 {
        lookup.add_candidate(id(bits), address(bits as u8), 1);
    }
    let slow = query(&mut lookup).unwrap();
    lookup.mark_stale(&slow.id);
    while let Some(query) = query(&mut lookup) {
        answer(&mut lookup, &query.id, &[], &[]);
    }
    assert!(lookup.is_over(&mut unmeasured(), &BoundIds::default()));
    let datagram =
        b"d1:rd2:id20:abcdefghijklmnopqrst6:valuesl6:\x08\x08\x08\x08\x1a\xe1ee1:t1:x1:y1:re";
    let Ok(Message::Response(late)) = krpc::parse(datagram) else {
        panic!("unreadable");
    };
    lookup.on_response(&slow.id, true, &late, &[]);
    let ended = lookup.finish(Mono(0));
    assert_eq!(ended.result.unwrap().peers.len(), 1);
    assert_eq!((ended.stats.answered, ended.stats.timed_out), (9, 1));
}

#[test]
fn holders_with_truncated_lists_are_queried_again_and_asked_for_filters() {
    let mut lookup = lookup(PLAN);
    for bits in 1..=8 {
        lookup.add_candidate(id(bits), address(bits as u8), 1);
    }
    let mut rng = StdRng::from_seed([1; 32]);
    let (mut again, mut filters) = (0, 0);
    for turn in 0.. {
        let Some(query) = query(&mut lookup) else {
            if lookup.is_over(&mut unmeasured(), &BoundIds::default()) {
                break;
            }
            continue;
        };
        filters += usize::from(query.scrape);
        again += usize::from(turn >= 8 && !query.scrape);
        let peers: Vec<u16> = (0..100).map(|_| rng.next_u32() as u16 % 400).collect();
        let peers = if query.scrape { &[] } else { &peers[..] };
        answer(&mut lookup, &query.id, peers, &[]);
    }
    assert!((8..=40).contains(&again), "{again}");
    assert_eq!(filters, requery::FILTERS);
    let found = lookup.finish(Mono(0)).result.unwrap().peers.len();
    assert!(found >= 396, "{found} of 400");
}

#[test]
fn filters_that_are_lost_are_asked_for_again() {
    let mut lookup = lookup(LAB);
    for bits in 1..=20 {
        lookup.add_candidate(id(bits), address(bits as u8), 1);
    }
    let (mut lost, mut asked) = (0, Vec::new());
    while !lookup.is_over(&mut unmeasured(), &BoundIds::default()) {
        let Some(query) = query(&mut lookup) else {
            continue;
        };
        if !query.scrape {
            answer(&mut lookup, &query.id, &[1, 2], &[]);
        } else if lost < requery::FILTERS / 2 {
            lost += 1;
            lookup.mark_stale(&query.id);
        } else {
            asked.push(query.id);
            answer(&mut lookup, &query.id, &[1, 2], &[]);
        }
    }
    assert_eq!((lost, asked.len()), (2, 1), "{asked:?}");
}

#[test]
fn too_few_answers_are_a_timeout_not_an_empty_swarm() {
    let mut lookup = lookup(PLAN);
    for bits in 1..=12 {
        lookup.add_candidate(id(bits), address(bits as u8), 1);
    }
    let mut answered = 0;
    while let Some(query) = query(&mut lookup) {
        if answered < 3 {
            answered += 1;
            answer(&mut lookup, &query.id, &[], &[]);
        } else {
            lookup.mark_stale(&query.id);
        }
    }
    assert!(lookup.is_over(&mut unmeasured(), &BoundIds::default()));
    assert_eq!(lookup.finish(Mono(0)).result, Err(LookupError::Timeout));
}

#[test]
fn queries_to_removed_candidates_are_dropped() {
    let mut lookup = lookup(PLAN);
    for bits in 1..=8 {
        lookup.add_candidate(id(bits), address(bits as u8), 1);
    }
    let many: Vec<u16> = (0..60).collect();
    while let Some(query) = query(&mut lookup) {
        answer(
            &mut lookup,
            &query.id,
            &many[query.id.0[0] as usize % 7..],
            &[],
        );
    }
    assert!(
        !lookup.is_over(&mut unmeasured(), &BoundIds::default()),
        "filters are queried"
    );
    let asked = query(&mut lookup).unwrap();
    // An answer names many closer nodes that all are dead.
    let fakes: Vec<_> = (60..110).map(|b| (id(b), address(b as u8))).collect();
    answer(&mut lookup, &asked.id, &[], &fakes);
    for _ in 0..200 {
        match query(&mut lookup) {
            Some(query) => lookup.mark_stale(&query.id),
            None if lookup.is_over(&mut unmeasured(), &BoundIds::default()) => return,
            None => assert!(
                lookup.has_query_ready() || lookup.in_flight > 0,
                "no query is ready or in flight"
            ),
        }
    }
    panic!("the lookup never ends");
}

#[test]
fn a_closer_or_responsive_node_represents_its_subnet() {
    let mut lookup = lookup(PLAN);
    lookup.add_candidate(id(5), address(1), 1);
    lookup.add_candidate(id(9), address(1), 1);
    lookup.add_candidate(id(7), address(1), 1);
    let first = query(&mut lookup).unwrap();
    assert_eq!(first.id, id(9));
    lookup.add_candidate(id(12), address(1), 1);
    assert_eq!(query(&mut lookup), None, "the subnet was queried already");
    lookup.mark_stale(&first.id);
    lookup.add_candidate(id(12), address(1), 1);
    assert_eq!(query(&mut lookup).unwrap().id, id(12));
}

#[test]
fn peers_named_by_a_far_node_do_not_count() {
    let mut lookup = lookup(LAB);
    lookup.add_candidate(id(1), address(1), 1);
    let far = query(&mut lookup).unwrap();
    let near: Vec<_> = (40..48).map(|b| (id(b), address(b as u8))).collect();
    answer(&mut lookup, &far.id, &[1, 2, 3], &near);
    while let Some(query) = query(&mut lookup) {
        answer(&mut lookup, &query.id, &[], &[]);
    }
    assert!(lookup.is_over(&mut unmeasured(), &BoundIds::default()));
    assert_eq!(lookup.finish(Mono(0)).result.unwrap().peers.len(), 0);
}

#[test]
fn a_lookup_that_is_cut_off_reports_a_timeout() {
    let mut lookup = lookup(PLAN);
    for bits in 1..=12 {
        lookup.add_candidate(id(bits), address(bits as u8), 1);
    }
    for _ in 0..6 {
        let query = query(&mut lookup).unwrap();
        answer(&mut lookup, &query.id, &[], &[]);
    }
    assert_eq!(lookup.finish(Mono(0)).result, Err(LookupError::Timeout));
}

#[test]
fn a_recycled_lookup_keeps_no_state() {
    let mut lookup = lookup(PLAN);
    for bits in 1..=20 {
        lookup.add_candidate(id(bits), address(bits as u8), 1);
    }
    while let Some(query) = query(&mut lookup) {
        answer(&mut lookup, &query.id, &[1, 2], &[]);
    }
    lookup.finish(Mono(0));
    let new = || Lookup::new(NodeId([7; 20]), None, PLAN, Mono(9));
    let lookup = RecycledLookup::of(Box::new(lookup)).begin(new());
    assert_eq!(format!("{lookup:?}"), format!("{:?}", new()));
}

#[test]
fn nodes_with_chosen_ids_do_not_prove_that_a_swarm_is_empty() {
    // Most nodes of this DHT have ids that BEP 42 binds to their addresses.
    let mut bound = BoundIds::default();
    bound.record((0..100).map(|n| {
        let ip = address(n).ip();
        (crate::secure_id(ip, [n; 20]), ip)
    }));
    let result = |bound: &BoundIds| {
        let mut lookup = lookup(LAB);
        for bits in 1..=8 {
            lookup.add_candidate(id(bits), address(bits as u8), 1);
        }
        while let Some(query) = query(&mut lookup) {
            answer(&mut lookup, &query.id, &[], &[]);
        }
        assert!(lookup.is_over(&mut unmeasured(), bound));
        lookup.finish(Mono(0)).result.map(|found| found.peers.len())
    };
    assert_eq!(result(&bound), Err(LookupError::Doubtful));
    assert_eq!(result(&BoundIds::default()), Ok(0));
}

/// In the DHT of the internet there are always eight nodes to measure. If lookups found fewer, we
/// hardly reach it.
#[test]
fn only_a_test_network_has_an_empty_swarm_while_its_size_is_unknown() {
    for (plan, expected) in [(LAB, Ok(0)), (PLAN, Err(LookupError::Doubtful))] {
        let mut lookup = lookup(plan);
        for bits in 1..=8 {
            lookup.add_candidate(id(bits), address(bits as u8), 1);
        }
        while let Some(query) = query(&mut lookup) {
            answer(&mut lookup, &query.id, &[], &[]);
        }
        assert!(lookup.is_over(&mut unmeasured(), &BoundIds::default()));
        let result = lookup.finish(Mono(0)).result;
        assert_eq!(result.map(|found| found.peers.len()), expected);
    }
}
