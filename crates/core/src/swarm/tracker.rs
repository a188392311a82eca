//! The state of one tracker.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::statements::AskedTracker;
use crate::health::MAX_BACK_OFF;
use crate::snapshot::TrackerRow;
use crate::{Health, LONGEST_TRACKER_INTERVAL};
use seedwatch_clock::{Mono, Unix};
use seedwatch_torrent::Family;
use seedwatch_tracker::{FailureReason, Observation, Phases, ProbeError, Problem, Report, Retry};

/// One tracker (scheme, host, port).
#[derive(Debug)]
pub(super) struct TrackerState {
    label: Box<str>,
    /// A hash of the label that is the same in every process.
    key: u64,
    /// The tracker runs on this machine, so that its interval is ignored.
    is_loopback: bool,
    health: [Health; 2],
    /// When the health was last confirmed. A health that is not confirmed goes stale.
    health_at: [Mono; 2],
    phases: [Option<Phases>; 2],
    certificate_expiry: Option<Unix>,
    /// The announce interval that the tracker asks for.
    pub(super) interval: Option<Duration>,
    /// The interval between scrapes that the tracker asks for (BEP 48).
    pub(super) scrape_interval: Option<Duration>,
    /// Why the tracker is down or left alone, by [`Family::index`].
    down_reasons: [Option<Arc<Problem>>; 2],
    requests: u64,
    probes: u64,
    failures: [u64; FailureReason::ALL.len()],
    /// The latest warning or rate limit, and when it last came.
    problem: Option<(Arc<Problem>, Mono)>,
}

impl TrackerState {
    /// Returns a tracker that was not probed yet.
    pub(super) fn new(label: impl Into<Box<str>>, is_loopback: bool) -> Self {
        let label = label.into();
        // A new `DefaultHasher` has the same keys in every process.
        let mut hasher = DefaultHasher::new();
        label.hash(&mut hasher);
        Self {
            key: hasher.finish(),
            label,
            is_loopback,
            health: [Health::Unknown; 2],
            health_at: [Mono::default(); 2],
            phases: [None; 2],
            certificate_expiry: None,
            interval: None,
            scrape_interval: None,
            down_reasons: [None, None],
            requests: 0,
            probes: 0,
            failures: [0; FailureReason::ALL.len()],
            problem: None,
        }
    }

    /// Returns the health while it is fresh and when it goes stale, by [`Family::index`]. A request
    /// not to be contacted does not go stale.
    pub(super) fn health(&self, now: Mono, stale_after: Duration) -> [(Health, Mono); 2] {
        [0, 1].map(|family| {
            let until = self.health_until(family, stale_after);
            match self.health[family] {
                Health::Closed => (Health::Closed, Mono(u64::MAX)),
                health if now < until => (health, until),
                _ => (Health::Unknown, Mono(u64::MAX)),
            }
        })
    }

    /// Returns the age at which an answer of the tracker is stale. It is longer than configured if
    /// the tracker asks for a long interval.
    pub(super) fn stale_after(&self, configured: Duration) -> Duration {
        configured.max(self.honored_interval() * 3 / 2)
    }

    /// Returns when the health goes stale: half an interval after the next probe of a tracker that
    /// is down. So it is fresh for longer than an answer.
    fn health_until(&self, family: usize, configured: Duration) -> Mono {
        self.health_at[family]
            .after(configured.max(self.honored_interval() * (2 * MAX_BACK_OFF + 1) / 2))
    }

    /// Returns the tracker as a source of evidence.
    pub(super) fn asked(&self) -> AskedTracker {
        AskedTracker {
            key: self.key,
            health: self.health,
        }
    }

    /// Returns the part of the tracker's interval that the schedule honors.
    fn honored_interval(&self) -> Duration {
        let interval = self.interval.max(self.scrape_interval);
        let interval = interval.filter(|_| !self.is_loopback);
        interval.unwrap_or_default().min(LONGEST_TRACKER_INTERVAL)
    }

    /// Counts requests, probes and failures.
    pub(super) fn count(&mut self, observation: &Observation) {
        self.requests += u64::from(observation.stats.requests);
        self.count_probe(&observation.report);
        let expiry = observation.stats.certificate_expiry;
        self.certificate_expiry = expiry.or(self.certificate_expiry);
    }

    /// Stores the warning of an answer, and returns it. Torrents with the same warning share it. An
    /// answer without a warning ends a rate limit.
    pub(super) fn set_warning(&mut self, text: Option<&str>, now: Mono) -> Option<Arc<Problem>> {
        let Some(text) = text else {
            self.problem
                .take_if(|(problem, _)| matches!(**problem, Problem::Failed(_)));
            return None;
        };
        let known = self.problem.take().map(|(problem, _)| problem);
        let same = known.filter(|known| matches!(&**known, Problem::Warning(it) if **it == *text));
        let problem = same.unwrap_or_else(|| Arc::new(Problem::Warning(text.into())));
        self.problem = Some((problem.clone(), now));
        Some(problem)
    }

    /// Stores a rate limit.
    pub(super) fn set_rate_limit(&mut self, failed: &ProbeError, now: Mono) {
        if failed.reason == FailureReason::RateLimited {
            self.problem = Some((Arc::new(Problem::Failed(failed.clone())), now));
        }
    }

    /// Returns the warning or rate limit while it is fresh. A rate limit stays until it is over.
    fn problem(&self, now: Mono, stale_after: Duration) -> Option<Arc<Problem>> {
        let (problem, at) = self.problem.as_ref()?;
        let shown_for = match &**problem {
            Problem::Failed(ProbeError {
                retry: Some(Retry::After(wait)),
                ..
            }) => stale_after.max(*wait),
            _ => stale_after,
        };
        (now < at.after(shown_for)).then(|| problem.clone())
    }

    /// Counts a probe and its failure together, so that failures never exceed probes.
    fn count_probe(&mut self, report: &Report) {
        let reason = report.failed().map(|failed| failed.reason);
        // A tracker without scrape support can still answer every announce.
        if report.is_scrape() && reason == Some(FailureReason::Unsupported) {
            return;
        }
        self.probes += 1;
        if let Some(reason) = reason {
            self.failures[reason.index()] += 1;
        }
    }

    /// Sets the health after a probe.
    pub(super) fn set_health(&mut self, family: Family, health: Health, now: Mono) {
        self.health[family.index()] = health;
        self.health_at[family.index()] = now;
    }

    /// Stores why a probe failed, as the reason of a health that is not up.
    pub(super) fn set_down_reason(&mut self, family: Family, failed: Option<&ProbeError>) {
        let is_failing = matches!(self.health[family.index()], Health::Down | Health::Closed);
        let reason = &mut self.down_reasons[family.index()];
        let failed = failed.filter(|_| is_failing);
        let is_known = match (&*reason, failed) {
            (Some(known), Some(failed)) => matches!(&**known, Problem::Failed(it) if it == failed),
            (known, failed) => known.is_none() && failed.is_none(),
        };
        if !is_known {
            *reason = failed.map(|failed| Arc::new(Problem::Failed(failed.clone())));
        }
    }

    /// Returns why the tracker is down or left alone over a family.
    pub(super) fn down_reason(&self, family: Family) -> Option<&Arc<Problem>> {
        self.down_reasons[family.index()].as_ref()
    }

    /// Stores the durations of an answered probe. A phase that did not happen, because a connection
    /// was reused, keeps its last value.
    pub(super) fn set_phases(&mut self, family: Family, took: &Phases) {
        let known = self.phases[family.index()].unwrap_or_default();
        self.phases[family.index()] = Some(Phases {
            resolve: took.resolve.or(known.resolve),
            connect: took.connect.or(known.connect),
            tls: took.tls.or(known.tls),
            response: took.response.or(known.response),
        });
    }

    /// Returns the values of the tracker.
    pub(super) fn row(&self, now: Mono, stale_after: Duration, next: Option<Unix>) -> TrackerRow {
        let fresh = |family: usize| now < self.health_until(family, stale_after);
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
            next_probe: next,
            requests: self.requests,
            probes: self.probes,
            failures: self.failures,
            problem: self.problem(now, self.stale_after(stale_after)),
        }
    }
}
