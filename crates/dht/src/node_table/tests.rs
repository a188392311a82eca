use super::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

const NOW: Mono = Mono(0);

fn address(n: u32) -> PackedAddress {
    PackedAddress::from(SocketAddr::from((n.to_be_bytes(), 6881)))
}

fn filled(n: u32, rng: &mut StdRng) -> NodeTable {
    let mut table = NodeTable::new();
    for at in 0..n {
        table.add_named(NodeId::random(rng), address(at), NOW);
    }
    table
}

#[test]
fn closest_nodes_match_a_full_search() {
    let mut rng = StdRng::from_seed([3; 32]);
    for size in [0, 1, 7, 8, 9, 100, 5000] {
        let mut table = filled(size, &mut rng);
        for _ in 0..50 {
            let target = NodeId::random(&mut rng);
            let found: Vec<NodeId> = table
                .closest(&target, 8, NOW)
                .iter()
                .map(|known| known.id)
                .collect();
            let mut all: Vec<NodeId> = table.nodes.keys().copied().collect();
            all.sort_by_key(|id| target.distance(id));
            all.truncate(8);
            assert_eq!(found, all);
        }
    }
}

#[test]
fn clusters_do_not_hide_the_closest() {
    let mut rng = StdRng::from_seed([4; 32]);
    let mut table = filled(1000, &mut rng);
    let center = NodeId::random(&mut rng).0;
    for _ in 0..1000 {
        let mut id = NodeId::random(&mut rng).0;
        id[..3].copy_from_slice(&center[..3]);
        table.add_named(NodeId(id), address(1), NOW);
    }
    for bit in 0..40 {
        let target = NodeId(center).flipped(bit);
        let mut all: Vec<NodeId> = table.nodes.keys().copied().collect();
        all.sort_by_key(|id| target.distance(id));
        let found = table.closest(&target, 16, NOW);
        assert!(found.iter().map(|known| &known.id).eq(&all[..16]), "{bit}");
    }
}

#[test]
fn a_node_that_failed_is_bad_for_a_while() {
    let mut table = NodeTable::new();
    let id = NodeId([7; 20]);
    table.add_named(id, address(1), NOW);
    table.record_failure(&id, NOW);
    assert_eq!(table.add_named(id, address(1), NOW), None);
    assert_eq!(table.closest(&id, 8, NOW), []);
    let later = Mono(u64::from(BAD_MINUTES) * 60_000);
    assert_eq!(table.closest(&id, 8, later).len(), 1);
    table.record_answer(id, address(1), later);
    assert_eq!(table.count_good(later), 1);
    table.record_failure(&id, later);
    assert!(
        table.add_named(id, address(1), later).is_some(),
        "one packet may get lost"
    );
    assert_eq!(table.count_good(later), 0);
    table.record_failure(&id, later);
    assert_eq!(table.add_named(id, address(1), later), None);
}

#[test]
fn an_address_changes_only_after_the_old_one_failed() {
    let mut table = NodeTable::new();
    let id = NodeId([7; 20]);
    table.record_answer(id, address(1), NOW);
    table.record_answer(id, address(2), NOW);
    assert_eq!(table.closest(&id, 1, NOW)[0].address, address(1));
    table.record_failure(&id, NOW);
    table.add_named(id, address(2), NOW);
    assert_eq!(table.closest(&id, 1, NOW)[0].address, address(2));
}

#[test]
fn the_table_is_bounded_and_keeps_nodes_that_answered() {
    let mut rng = StdRng::from_seed([5; 32]);
    let mut table = NodeTable::new();
    for at in 0..1000 {
        table.record_answer(NodeId::random(&mut rng), address(at), NOW);
    }
    for at in 0..50_000 {
        table.add_named(NodeId::random(&mut rng), address(at), NOW);
    }
    assert_eq!((table.len(), table.count_good(NOW)), (MIN_CAPACITY, 1000));
    let middle = NodeId([0x80; 20]);
    table.trim(&NodeId([0; 20]), &middle, NOW);
    assert!(table.len() < MIN_CAPACITY * 6 / 10);
    assert_eq!(table.count_good(NOW), 1000);
}

#[test]
fn saved_nodes_are_spread_evenly() {
    let mut rng = StdRng::from_seed([6; 32]);
    let mut table = filled(500, &mut rng);
    for at in 0..4000 {
        table.record_answer(NodeId::random(&mut rng), address(at), NOW);
    }
    let saved = table.sample_evenly(512);
    assert!((480..=512).contains(&saved.len()), "{}", saved.len());
    assert!(saved.is_sorted_by(|a, b| a.id < b.id));
}

#[test]
fn old_answers_expire_even_after_the_minute_counter_wraps() {
    let day = 24 * 3_600_000;
    for start in [0, 45 * day, 46 * day, 200 * day] {
        let mut table = NodeTable::new();
        let id = NodeId([7; 20]);
        table.record_answer(id, address(1), Mono(start));
        assert_eq!(table.count_good(Mono(start + day / 24)), 1);
        assert_eq!(table.count_good(Mono(start + day / 4)), 0);
        let later = Mono(start + day / 4);
        table.record_failure(&id, later);
        table.record_failure(&id, later);
        assert_eq!(table.add_named(id, address(1), later), None);
        let minutes = u64::from(BAD_MINUTES) * 60_000;
        assert!(
            table
                .add_named(id, address(1), Mono(later.0 + minutes))
                .is_some()
        );
    }
}
