//! Snapshot → samples. Families are in name order, samples in label order; unknown values are left
//! out.
//!
//! | File | Families |
//! |---|---|
//! | `announce`, `tracker` | torrents at trackers, and trackers |
//! | `torrent`, `windows`, `geo` | torrents: the latest answers, over time, by place |
//! | `collection` | collections |
//! | `cliff` | falls of countries and systems |
//! | `country` | which countries of a torrent are shown |
//! | `dht`, `list`, `state` | the DHT, torrent lists, saving |
//! | `families`, `labels` | helpers |

mod announce;
mod cliff;
mod collection;
mod country;
mod dht;
mod families;
mod geo;
mod labels;
mod list;
mod state;
mod torrent;
mod tracker;
mod windows;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{Format, Process, REVISION, VERSION, catalogue};
use families::Families;
use labels::{by_family, sorted};
use seedwatch_core::snapshot::{ConfigRow, Histogram, Rejection, Snapshot};

/// One page, ready to be encoded.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) format: Format,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) process: Process,
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let to = &mut Families::new(encoder, self.format);
        let snapshot = &*self.snapshot;
        write_process(&self.process, to)?;
        if snapshot.config.per_tracker {
            announce::write(snapshot, to)?;
        }
        cliff::write_systems(snapshot, to)?;
        geo::write_totals(snapshot, to)?;
        to.gauge(&catalogue::BUILD_INFO, [([VERSION, REVISION], 1u32)])?;
        collection::write(snapshot, to)?;
        write_config(&snapshot.config, to)?;
        geo::write_countries(snapshot, &snapshot.empty_breakdown(), to)?;
        dht::write(snapshot, to)?;
        geo::write_build_times(snapshot, to)?;
        list::write(snapshot, to)?;
        write_probes(snapshot, to)?;
        write_schedule(snapshot, to)?;
        let taken = Some(snapshot.taken.0).filter(|seconds| *seconds != 0);
        to.one(&catalogue::SNAPSHOT_TIMESTAMP, taken)?;
        state::write(snapshot, to)?;
        torrent::write(snapshot, to)?;
        tracker::write(snapshot, to)?;
        windows::write_totals(snapshot, to)
    }
}

fn write_process(process: &Process, to: &mut Families<'_>) -> fmt::Result {
    to.one_counter(&catalogue::PROCESS_CPU_SECONDS, process.cpu_seconds)?;
    to.one(&catalogue::PROCESS_MAX_FDS, process.max_fds)?;
    to.one(&catalogue::PROCESS_OPEN_FDS, process.open_fds)?;
    to.one(
        &catalogue::PROCESS_RESIDENT_MEMORY,
        process.resident_memory_bytes,
    )?;
    to.one(&catalogue::PROCESS_START_TIME, process.start_time_seconds)?;
    to.one(&catalogue::PROCESS_THREADS, process.threads)?;
    to.one(
        &catalogue::PROCESS_VIRTUAL_MEMORY,
        process.virtual_memory_bytes,
    )
}

fn write_config(config: &ConfigRow, to: &mut Families<'_>) -> fmt::Result {
    let loaded = Some(config.last_reload_success.0).filter(|seconds| *seconds != 0);
    to.one(&catalogue::CONFIG_RELOAD_TIME, loaded)?;
    to.one(
        &catalogue::CONFIG_RELOAD_SUCCESSFUL,
        Some(u64::from(config.last_reload_successful)),
    )
}

fn write_probes(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    to.gauge(
        &catalogue::NETWORK_UP,
        by_family(snapshot.network_up, u32::from).map(|(family, up)| ([family], up)),
    )?;
    to.counter(
        &catalogue::PEERS_REJECTED,
        sorted(Rejection::ALL, Rejection::as_label)
            .into_iter()
            .map(|reason| ([reason.as_label()], snapshot.peers_rejected[reason.index()])),
    )?;
    to.histogram(
        &catalogue::PROBE_DURATION,
        &Histogram::SECONDS,
        snapshot
            .sources()
            .map(|source| ([source.as_label()], &snapshot.probe_durations[source])),
    )?;
    to.gauge(
        &catalogue::PROBES_IN_FLIGHT,
        snapshot
            .sources()
            .map(|source| ([source.as_label()], snapshot.schedule.in_flight[source])),
    )
}

fn write_schedule(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let schedule = &snapshot.schedule;
    to.one(&catalogue::SCHEDULER_LAG, Some(schedule.lag.as_secs_f64()))?;
    to.one(&catalogue::SCHEDULER_OVERDUE, Some(schedule.overdue))
}
