//! `/api/v1/causes`: what several torrents suffer from.

use serde::Serialize;

use seedwatch_core::snapshot::{Cause, Snapshot};

/// What several torrents suffer from.
#[derive(Serialize)]
pub(super) struct Causes<'a> {
    taken: u64,
    causes: Vec<CauseView<'a>>,
}

/// One cause.
#[derive(Serialize)]
struct CauseView<'a> {
    /// `outage`, `family_lost`, `resolver_down`, `dht_silent`, `tracker_down` or
    /// `tracker_refuses`.
    kind: &'static str,
    /// The lost family.
    family: Option<&'static str>,
    /// The tracker that is down or refuses.
    tracker: Option<&'a str>,
    /// The number of torrents that have no tracker with a valid answer, of those that use it; or
    /// that it refuses.
    torrents: Option<u32>,
    /// What a tracker that refuses says most often.
    message: Option<&'a str>,
    text: String,
}

impl<'a> Causes<'a> {
    /// Returns the causes of a snapshot.
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let view = |cause: &'a Cause| {
            let (family, tracker, torrents) = match cause {
                Cause::Outage | Cause::ResolverDown | Cause::DhtSilent => (None, None, None),
                Cause::FamilyLost(family) => (Some(family.as_label()), None, None),
                Cause::TrackerDown { tracker, torrents }
                | Cause::TrackerRefuses {
                    tracker, torrents, ..
                } => (None, Some(&**tracker), Some(*torrents)),
            };
            CauseView {
                kind: cause.as_label(),
                family,
                tracker,
                torrents,
                message: cause.message(),
                text: cause.sentence(),
            }
        };
        Self {
            taken: snapshot.taken.0,
            causes: snapshot.causes.iter().map(view).collect(),
        }
    }
}
