//! The DHT as a whole.

use std::fmt;

use super::{Families, Page, by_family, catalogue};
use seedwatch_core::snapshot::{DhtRow, DhtStatus, Histogram};

impl Page {
    /// Nothing at all where the DHT is not asked.
    pub(super) fn dht_families(&self, to: &mut Families<'_>) -> fmt::Result {
        let Some(dht) = &self.snapshot.dht else {
            return Ok(());
        };
        to.counter(&catalogue::DHT_ERRORS, each(dht, |family| family.errors))?;
        to.gauge(
            &catalogue::DHT_ESTIMATED_NODES,
            each(dht, |family| family.estimated_nodes)
                .filter_map(|(labels, nodes)| Some((labels, nodes?))),
        )?;
        to.histogram(
            &catalogue::DHT_LOOKUP_DURATION,
            &Histogram::SECONDS,
            [([], &dht.durations)],
        )?;
        to.histogram(
            &catalogue::DHT_LOOKUP_QUERIES,
            &Histogram::QUERIES,
            [([], &dht.queries)],
        )?;
        to.gauge(&catalogue::DHT_NODES, each(dht, |family| family.nodes))?;
        to.counter(&catalogue::DHT_QUERIES, each(dht, |family| family.queries))?;
        to.counter(
            &catalogue::DHT_TIMEOUTS,
            each(dht, |family| family.timeouts),
        )?;
        to.gauge(
            &catalogue::DHT_UP,
            each(dht, |family| family.up).filter_map(|(labels, up)| Some((labels, u32::from(up?)))),
        )
    }
}

/// One sample a family that has a socket.
fn each<V>(
    dht: &DhtRow,
    value: impl Fn(DhtStatus) -> V,
) -> impl Iterator<Item = ([&'static str; 1], V)> {
    by_family(dht.families, value).map(|(family, value)| ([family], value))
}
