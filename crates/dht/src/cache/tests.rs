use super::*;
use crate::random::Random;

const NOW: Mono = Mono(0);

fn address(n: u32) -> Address {
    Address::from(SocketAddr::from((n.to_be_bytes(), 6881)))
}

fn filled(n: u32, random: &mut Random) -> Cache {
    let mut cache = Cache::new();
    for at in 0..n {
        cache.hear(NodeId(random.id()), address(at), NOW);
    }
    cache
}

#[test]
fn the_closest_are_those_of_a_full_search() {
    let mut random = Random::new([3; 32]);
    for size in [0, 1, 7, 8, 9, 100, 5000] {
        let mut cache = filled(size, &mut random);
        for _ in 0..50 {
            let target = NodeId(random.id());
            let found: Vec<NodeId> = cache
                .closest(&target, 8, NOW)
                .iter()
                .map(|known| known.id)
                .collect();
            let mut all: Vec<NodeId> = cache.nodes.keys().copied().collect();
            all.sort_by_key(|id| target.distance(id));
            all.truncate(8);
            assert_eq!(found, all);
        }
    }
}

#[test]
fn clusters_do_not_hide_the_closest() {
    let mut random = Random::new([4; 32]);
    let mut cache = filled(1000, &mut random);
    let center = random.id();
    for _ in 0..1000 {
        let mut id = random.id();
        id[..3].copy_from_slice(&center[..3]);
        cache.hear(NodeId(id), address(1), NOW);
    }
    for bit in 0..40 {
        let target = NodeId(center).flipped(bit);
        let mut all: Vec<NodeId> = cache.nodes.keys().copied().collect();
        all.sort_by_key(|id| target.distance(id));
        let found = cache.closest(&target, 16, NOW);
        assert!(found.iter().map(|known| &known.id).eq(&all[..16]), "{bit}");
    }
}

#[test]
fn who_does_not_answer_is_left_alone_for_a_while() {
    let mut cache = Cache::new();
    let id = NodeId([7; 20]);
    cache.hear(id, address(1), NOW);
    cache.failed(&id, NOW);
    assert_eq!(cache.hear(id, address(1), NOW), None);
    assert_eq!(cache.closest(&id, 8, NOW), []);
    let later = Mono(u64::from(BAD_MINUTES) * 60_000);
    assert_eq!(cache.closest(&id, 8, later).len(), 1);
    cache.answered(id, address(1), later);
    assert_eq!(cache.good(later), 1);
    cache.failed(&id, later);
    assert!(
        cache.hear(id, address(1), later).is_some(),
        "one packet may get lost"
    );
    assert_eq!(cache.good(later), 0);
    cache.failed(&id, later);
    assert_eq!(cache.hear(id, address(1), later), None);
}

#[test]
fn an_address_changes_only_when_the_old_one_fails() {
    let mut cache = Cache::new();
    let id = NodeId([7; 20]);
    cache.answered(id, address(1), NOW);
    cache.answered(id, address(2), NOW);
    assert_eq!(cache.closest(&id, 1, NOW)[0].address, address(1));
    cache.failed(&id, NOW);
    cache.hear(id, address(2), NOW);
    assert_eq!(cache.closest(&id, 1, NOW)[0].address, address(2));
}

#[test]
fn it_never_outgrows_its_capacity_and_keeps_who_answered() {
    let mut random = Random::new([5; 32]);
    let mut cache = Cache::new();
    for at in 0..1000 {
        cache.answered(NodeId(random.id()), address(at), NOW);
    }
    for at in 0..50_000 {
        cache.hear(NodeId(random.id()), address(at), NOW);
    }
    assert_eq!((cache.len(), cache.good(NOW)), (CAPACITY, 1000));
    let middle = NodeId([0x80; 20]);
    cache.trim(&NodeId([0; 20]), &middle, NOW);
    assert!(cache.len() < CAPACITY * 6 / 10);
    assert_eq!(cache.good(NOW), 1000);
}

#[test]
fn what_is_saved_is_spread() {
    let mut random = Random::new([6; 32]);
    let mut cache = filled(500, &mut random);
    for at in 0..4000 {
        cache.answered(NodeId(random.id()), address(at), NOW);
    }
    let saved = cache.spread(512);
    assert!((480..=512).contains(&saved.len()), "{}", saved.len());
    assert!(saved.is_sorted_by(|a, b| a.id < b.id));
}

#[test]
fn what_answered_long_ago_does_not_count_and_months_do_not_stop_the_clock() {
    let day = 24 * 3_600_000;
    for start in [0, 45 * day, 46 * day, 200 * day] {
        let mut cache = Cache::new();
        let id = NodeId([7; 20]);
        cache.answered(id, address(1), Mono(start));
        assert_eq!(cache.good(Mono(start + day / 24)), 1);
        assert_eq!(cache.good(Mono(start + day / 4)), 0);
        let later = Mono(start + day / 4);
        cache.failed(&id, later);
        cache.failed(&id, later);
        assert_eq!(cache.hear(id, address(1), later), None);
        let minutes = u64::from(BAD_MINUTES) * 60_000;
        assert!(
            cache
                .hear(id, address(1), Mono(later.0 + minutes))
                .is_some()
        );
    }
}
