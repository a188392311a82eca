//! The state of one tracker.

use std::time::Duration;

use super::row::TrackerRow;
use crate::observation::{Exchange, Failed, Failure, Family, Health, Observation, Phases};
use crate::time::{Mono, Unix};

/// One tracker (scheme, host, port).
#[derive(Debug)]
pub(super) struct Tracker {
    label: Box<str>,
    health: [Health; 2],
    /// When the health was last confirmed; a health that is not ages out.
    judged_at: [Mono; 2],
    phases: [Option<Phases>; 2],
    certificate_expiry: Option<Unix>,
    /// The announce interval it asks for.
    pub(super) interval: Option<Duration>,
    requests: u64,
    failures: [u64; Failure::ALL.len()],
}

impl Tracker {
    pub(super) fn new(label: impl Into<Box<str>>) -> Self {
        Self {
            label: label.into(),
            health: [Health::Unknown; 2],
            judged_at: [Mono::default(); 2],
            phases: [None; 2],
            certificate_expiry: None,
            interval: None,
            requests: 0,
            failures: [0; Failure::ALL.len()],
        }
    }

    /// Its health, by [`Family::index`].
    pub(super) fn health(&self) -> [Health; 2] {
        self.health
    }

    /// Counts requests and failures.
    pub(super) fn count(&mut self, observation: &Observation) {
        self.requests += u64::from(observation.exchange.requests);
        // That a tracker has no scrape is not a failure of its announces.
        let beside = |failed: &&Failed| {
            !(observation.report.is_scrape() && failed.reason == Failure::Unsupported)
        };
        if let Some(failed) = observation.report.failed().filter(beside) {
            self.failures[failed.reason.index()] += 1;
        }
        let expiry = observation.exchange.certificate_expiry;
        self.certificate_expiry = expiry.or(self.certificate_expiry);
    }

    /// Takes over what a probe says of it.
    pub(super) fn settle(&mut self, family: Family, health: Health, took: &Exchange, now: Mono) {
        self.health[family.index()] = health;
        self.judged_at[family.index()] = now;
        if health == Health::Up {
            self.phases[family.index()] = Some(took.phases);
        }
    }

    /// What is shown of it.
    pub(super) fn row(&self, now: Mono, stale_after: Duration) -> TrackerRow {
        let fresh = |family: usize| now < self.judged_at[family].after(stale_after);
        TrackerRow {
            label: self.label.clone(),
            up: [0, 1].map(|family| match self.health[family] {
                Health::Up if fresh(family) => Some(true),
                Health::Down if fresh(family) => Some(false),
                _ => None,
            }),
            phases: [0, 1].map(|family| self.phases[family].filter(|_| fresh(family))),
            certificate_expiry: self.certificate_expiry,
            interval: self.interval,
            requests: self.requests,
            failures: self.failures,
        }
    }
}
