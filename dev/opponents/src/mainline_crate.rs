//! `mainline`: a lookup is a stream of peer lists that ends.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_lite::StreamExt;
use futures_lite::future::block_on;
use mainline::Dht;
use mainline::async_dht::AsyncDht;

use super::{Hash, Outcome, PATIENCE, RAMP, Result};

pub(crate) fn look_up(
    bootstrap: &[SocketAddr],
    hashes: &[Hash],
    at_once: usize,
    mut begin: impl FnMut() -> Result<()>,
) -> Result<Vec<Outcome>> {
    let dht = Dht::builder()
        .bootstrap(bootstrap)
        .bind_address(Ipv4Addr::LOCALHOST)
        .build()?
        .as_async();
    if !block_on(dht.bootstrapped()) {
        return Err("it does not bootstrap".into());
    }
    begin()?;
    let next = AtomicUsize::new(0);
    let mut outcomes = vec![Outcome::default(); hashes.len()];
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once)
            .map(|worker| {
                let pause = RAMP.mul_f64(worker as f64 / at_once as f64);
                let (dht, next) = (&dht, &next);
                scope.spawn(move || {
                    std::thread::sleep(pause);
                    let mut done = Vec::new();
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(hash) = hashes.get(index) else {
                            return done;
                        };
                        done.push((index, one(dht, *hash)));
                    }
                })
            })
            .collect();
        for worker in workers {
            for (index, outcome) in worker.join().unwrap_or_default() {
                outcomes[index] = outcome;
            }
        }
    });
    Ok(outcomes)
}

fn one(dht: &AsyncDht, hash: Hash) -> Outcome {
    let began = Instant::now();
    let mut outcome = Outcome::default();
    let mut lists = dht.get_peers(hash.into());
    while let Some(peers) = block_on(lists.next()) {
        outcome.peers.extend(peers.into_iter().map(SocketAddr::V4));
    }
    outcome.took = (began.elapsed() < PATIENCE).then(|| began.elapsed());
    outcome
}
