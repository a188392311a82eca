use super::*;
use crate::LookupError;
use crate::krpc::{self, Message};
use std::net::SocketAddr;

const PLAN: Plan = Plan {
    warm: false,
    small: false,
    enough: None,
    one_per_net: true,
    accept: Accept::Any,
};

/// A node whose id shares this many bits with the target, which is all zeros.
fn id(bits: u32) -> NodeId {
    let mut id = [0; 20];
    id[bits as usize / 8] = 0x80 >> (bits % 8);
    NodeId(id)
}

fn address(net: u8) -> Address {
    Address::from(SocketAddr::from(([9, 9, net, 1], 6881)))
}

fn walk(plan: Plan) -> Walk {
    Walk::new(NodeId([0; 20]), Some(InfoHash([0; 20])), plan, Mono(0))
}

/// So few nodes that there is nothing to measure.
fn unmeasured() -> Size {
    let mut size = Size::default();
    (0..2).for_each(|_| size.not_measured());
    size
}

fn question(walk: &mut Walk) -> Option<Question> {
    walk.next(|_| true)
}

/// An answer of `id` that names these peers and nodes.
fn answer(walk: &mut Walk, id: &NodeId, peers: &[u16], nodes: &[(NodeId, Address)]) {
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
    walk.answered(id, false, &response, nodes);
}

#[test]
fn it_ends_when_the_eight_closest_have_answered() {
    let mut walk = walk(PLAN);
    for bits in 1..=20 {
        walk.hear(id(bits), address(bits as u8), 1);
    }
    let mut asked = Vec::new();
    while let Some(question) = question(&mut walk) {
        asked.push(question.id);
        answer(&mut walk, &question.id, &[], &[]);
    }
    assert!(walk.is_over(&mut unmeasured()));
    let closest: Vec<NodeId> = (13..=20).rev().map(id).collect();
    assert_eq!(asked, closest);
    let ended = walk.finish(Mono(0));
    assert!(ended.is_whole && ended.result.unwrap().peers.is_empty());
    assert_eq!(ended.tally.closest_bits, Some(20));
}

#[test]
fn it_is_narrow_while_it_comes_closer_and_wide_when_it_does_not() {
    let mut walk = walk(PLAN);
    for bits in 1..=8 {
        walk.hear(id(bits), address(bits as u8), 1);
    }
    let first = question(&mut walk).unwrap();
    question(&mut walk).unwrap();
    assert_eq!(question(&mut walk), None, "two at once");
    let closer: Vec<_> = (9..=16).map(|b| (id(b), address(b as u8))).collect();
    answer(&mut walk, &first.id, &[], &closer);
    let next = question(&mut walk).unwrap();
    assert_eq!((next.id, question(&mut walk)), (id(16), None));
    answer(&mut walk, &next.id, &[], &closer);
    let rest = std::iter::from_fn(|| question(&mut walk)).count();
    assert_eq!(rest, 7, "nothing new came: all of the closest at once");
}

#[test]
fn one_network_has_one_voice() {
    let mut walk = walk(PLAN);
    for bits in 100..140 {
        walk.hear(id(bits), address(1), 1);
    }
    walk.hear(id(5), address(2), 1);
    let asked: Vec<NodeId> = std::iter::from_fn(|| question(&mut walk))
        .map(|q| q.id)
        .collect();
    assert_eq!(asked, [id(139), id(5)]);
}

#[test]
fn slow_nodes_hold_up_nothing_and_still_count() {
    let mut walk = walk(PLAN);
    for bits in 1..=9 {
        walk.hear(id(bits), address(bits as u8), 1);
    }
    let slow = question(&mut walk).unwrap();
    walk.slow(&slow.id);
    while let Some(question) = question(&mut walk) {
        answer(&mut walk, &question.id, &[], &[]);
    }
    assert!(walk.is_over(&mut unmeasured()));
    let datagram =
        b"d1:rd2:id20:abcdefghijklmnopqrst6:valuesl6:\x08\x08\x08\x08\x1a\xe1ee1:t1:x1:y1:re";
    let Ok(Message::Response(late)) = krpc::parse(datagram) else {
        panic!("unreadable");
    };
    walk.answered(&slow.id, true, &late, &[]);
    let ended = walk.finish(Mono(0));
    assert_eq!(ended.result.unwrap().peers.len(), 1);
    assert_eq!((ended.tally.answered, ended.tally.timed_out), (9, 1));
}

#[test]
fn cut_lists_are_asked_for_again_and_for_filters() {
    let mut walk = walk(PLAN);
    for bits in 1..=8 {
        walk.hear(id(bits), address(bits as u8), 1);
    }
    let mut random = crate::random::Random::new([1; 32]);
    let (mut again, mut filters) = (0, 0);
    for turn in 0.. {
        let Some(question) = question(&mut walk) else {
            if walk.is_over(&mut unmeasured()) {
                break;
            }
            continue;
        };
        filters += usize::from(question.scrape);
        again += usize::from(turn >= 8 && !question.scrape);
        let peers: Vec<u16> = (0..100).map(|_| random.u32() as u16 % 400).collect();
        let peers = if question.scrape { &[] } else { &peers[..] };
        answer(&mut walk, &question.id, peers, &[]);
    }
    assert!((8..=40).contains(&again), "{again}");
    assert_eq!(filters, coupon::FILTERS);
    let found = walk.finish(Mono(0)).result.unwrap().peers.len();
    assert!(found >= 396, "{found} of 400");
}

#[test]
fn silence_is_no_zero() {
    let mut walk = walk(PLAN);
    for bits in 1..=12 {
        walk.hear(id(bits), address(bits as u8), 1);
    }
    let mut answered = 0;
    while let Some(question) = question(&mut walk) {
        if answered < 3 {
            answered += 1;
            answer(&mut walk, &question.id, &[], &[]);
        } else {
            walk.slow(&question.id);
        }
    }
    assert!(walk.is_over(&mut unmeasured()));
    assert_eq!(walk.finish(Mono(0)).result, Err(LookupError::Timeout));
}

#[test]
fn questions_to_nodes_that_were_pushed_out_of_view_are_forgotten() {
    let mut walk = walk(PLAN);
    for bits in 1..=8 {
        walk.hear(id(bits), address(bits as u8), 1);
    }
    let many: Vec<u16> = (0..60).collect();
    while let Some(question) = question(&mut walk) {
        answer(
            &mut walk,
            &question.id,
            &many[question.id.0[0] as usize % 7..],
            &[],
        );
    }
    assert!(!walk.is_over(&mut unmeasured()), "filters are wanted");
    let asked = question(&mut walk).unwrap();
    // An answer names many nodes that are closer, and none of them lives.
    let fakes: Vec<_> = (60..110).map(|b| (id(b), address(b as u8))).collect();
    answer(&mut walk, &asked.id, &[], &fakes);
    for _ in 0..200 {
        match question(&mut walk) {
            Some(question) => walk.slow(&question.id),
            None if walk.is_over(&mut unmeasured()) => return,
            None => assert!(walk.has_more() || walk.in_flight > 0, "it waits for nobody"),
        }
    }
    panic!("it never ends");
}

#[test]
fn a_closer_node_speaks_for_its_network_and_a_silent_one_does_not() {
    let mut walk = walk(PLAN);
    walk.hear(id(5), address(1), 1);
    walk.hear(id(9), address(1), 1);
    walk.hear(id(7), address(1), 1);
    let first = question(&mut walk).unwrap();
    assert_eq!(first.id, id(9));
    walk.hear(id(12), address(1), 1);
    assert_eq!(question(&mut walk), None, "it was asked already");
    walk.slow(&first.id);
    walk.hear(id(12), address(1), 1);
    assert_eq!(question(&mut walk).unwrap().id, id(12));
}

#[test]
fn who_is_far_and_names_peers_is_not_believed() {
    let mut walk = walk(PLAN);
    walk.hear(id(1), address(1), 1);
    let far = question(&mut walk).unwrap();
    let near: Vec<_> = (40..48).map(|b| (id(b), address(b as u8))).collect();
    answer(&mut walk, &far.id, &[1, 2, 3], &near);
    while let Some(question) = question(&mut walk) {
        answer(&mut walk, &question.id, &[], &[]);
    }
    assert!(walk.is_over(&mut unmeasured()));
    assert_eq!(walk.finish(Mono(0)).result.unwrap().peers.len(), 0);
}

#[test]
fn what_is_cut_off_is_no_zero() {
    let mut walk = walk(PLAN);
    for bits in 1..=12 {
        walk.hear(id(bits), address(bits as u8), 1);
    }
    for _ in 0..6 {
        let question = question(&mut walk).unwrap();
        answer(&mut walk, &question.id, &[], &[]);
    }
    assert_eq!(walk.finish(Mono(0)).result, Err(LookupError::Timeout));
}

#[test]
fn a_walk_in_the_memory_of_another_has_nothing_of_it() {
    let mut walk = walk(PLAN);
    for bits in 1..=20 {
        walk.hear(id(bits), address(bits as u8), 1);
    }
    while let Some(question) = question(&mut walk) {
        answer(&mut walk, &question.id, &[1, 2], &[]);
    }
    walk.finish(Mono(0));
    let new = || Walk::new(NodeId([7; 20]), None, PLAN, Mono(9));
    let walk = Spare::of(Box::new(walk)).begin(new());
    assert_eq!(format!("{walk:?}"), format!("{:?}", new()));
}
