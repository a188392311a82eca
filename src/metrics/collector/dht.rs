//! Families of the DHT nodes.

use std::fmt;

use super::families::Families;
use super::labels::by_family;
use crate::metrics::catalogue;
use seedwatch_core::snapshot::{DhtRow, DhtStatus, Histogram, Snapshot};

/// Writes the families of the DHT nodes. Writes nothing if the DHT is off.
pub(super) fn write(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let Some(dht) = &snapshot.dht else {
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

/// Returns one sample per family that has a socket.
fn each<V>(
    dht: &DhtRow,
    value: impl Fn(DhtStatus) -> V,
) -> impl Iterator<Item = ([&'static str; 1], V)> {
    by_family(dht.families, value).map(|(family, value)| ([family], value))
}
