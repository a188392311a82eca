//! `bip_dht`: peers arrive through its handshaker trait, ends of lookups as events.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use bip_dht::{DhtBuilder, DhtEvent, MainlineDht};
use bip_handshake::Handshaker;
use bip_util::bt::{InfoHash, PeerId};

use super::{Hash, Outcome, PATIENCE, RAMP, Result};

/// Longest wait for an event.
const LOOK: Duration = Duration::from_millis(10);

struct Peers(Sender<(Hash, SocketAddr)>);

impl Handshaker for Peers {
    type MetadataEnvelope = ();

    fn id(&self) -> PeerId {
        [7; 20].into()
    }

    fn port(&self) -> u16 {
        6889
    }

    fn connect(&mut self, _: Option<PeerId>, hash: InfoHash, address: SocketAddr) {
        // The receiver is gone once the measurement is over.
        let _ = self.0.send((hash.into(), address));
    }

    fn metadata(&mut self, (): ()) {}
}

pub(crate) fn look_up(
    bootstrap: &[SocketAddr],
    hashes: &[Hash],
    at_once: usize,
    mut begin: impl FnMut() -> Result<()>,
) -> Result<Vec<Outcome>> {
    let (peers, found) = channel();
    let [first, others @ ..] = bootstrap else {
        return Err("nowhere to begin".into());
    };
    let mut builder = DhtBuilder::with_node(*first);
    for node in others {
        builder = builder.add_node(*node);
    }
    let dht = builder
        .set_read_only(true)
        .set_source_addr((Ipv4Addr::LOCALHOST, 0).into())
        .start_mainline(Peers(peers))?;
    let events = dht.events();
    loop {
        match events.recv_timeout(PATIENCE)? {
            DhtEvent::BootstrapCompleted => break,
            DhtEvent::LookupCompleted(_) => {}
            DhtEvent::ShuttingDown(why) => return Err(format!("it ended: {why:?}").into()),
        }
    }
    begin()?;
    let ends = search(&dht, &events, hashes, at_once)?;
    let mut outcomes: HashMap<Hash, Outcome> = HashMap::new();
    for (hash, peer) in found.try_iter() {
        outcomes.entry(hash).or_default().peers.insert(peer);
    }
    Ok(hashes
        .iter()
        .map(|hash| Outcome {
            took: ends.get(hash).copied(),
            ..outcomes.remove(hash).unwrap_or_default()
        })
        .collect())
}

/// Looks up all hashes, `at_once` at a time. Returns the duration of each.
fn search(
    dht: &MainlineDht,
    events: &Receiver<DhtEvent>,
    hashes: &[Hash],
    at_once: usize,
) -> Result<HashMap<Hash, Duration>> {
    let mut left = hashes.iter();
    let mut under_way: HashMap<Hash, Instant> = HashMap::new();
    let mut ends = HashMap::new();
    let start = Instant::now();
    loop {
        let ramp = (start.elapsed().as_secs_f64() / RAMP.as_secs_f64()).min(1.0);
        while under_way.len() < (at_once as f64 * ramp).ceil() as usize
            && let Some(hash) = left.next()
        {
            under_way.insert(*hash, Instant::now());
            dht.search((*hash).into(), false);
        }
        if under_way.is_empty() && left.len() == 0 {
            return Ok(ends);
        }
        match events.recv_timeout(LOOK) {
            Ok(DhtEvent::LookupCompleted(hash)) => {
                let hash: Hash = hash.into();
                if let Some(began) = under_way.remove(&hash) {
                    ends.insert(hash, began.elapsed());
                }
            }
            Ok(DhtEvent::BootstrapCompleted) | Err(RecvTimeoutError::Timeout) => {}
            Ok(DhtEvent::ShuttingDown(why)) => return Err(format!("it ended: {why:?}").into()),
            Err(error) => return Err(error.into()),
        }
        under_way.retain(|_, began| began.elapsed() < PATIENCE);
    }
}
