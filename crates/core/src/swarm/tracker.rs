//! The state of one tracker.

use std::sync::Arc;
use std::time::Duration;

use super::row::TrackerRow;
use crate::Health;
use seedwatch_clock::{Mono, Unix};
use seedwatch_torrent::Family;
use seedwatch_tracker::{Failed, Failure, Observation, Phases, Remark, Report, Retry};

/// Longest interval of a tracker that is heeded; the schedule has the same ceiling.
pub(super) const LONGEST_INTERVAL: Duration = Duration::from_secs(3 * 3600);

/// One tracker (scheme, host, port).
#[derive(Debug)]
pub(super) struct Tracker {
    label: Box<str>,
    /// On this machine, where its interval does not count.
    loopback: bool,
    health: [Health; 2],
    /// When the health was last confirmed; a health that is not ages out.
    judged_at: [Mono; 2],
    phases: [Option<Phases>; 2],
    certificate_expiry: Option<Unix>,
    /// The announce interval it asks for.
    pub(super) interval: Option<Duration>,
    /// The interval between scrapes that it asks for (BEP 48).
    pub(super) scrape_interval: Option<Duration>,
    /// Why it is down or left alone, by [`Family::index`].
    troubles: [Option<Arc<Remark>>; 2],
    requests: u64,
    probes: u64,
    failures: [u64; Failure::ALL.len()],
    /// Its latest warning or rate limit, and when it came last.
    remark: Option<(Arc<Remark>, Mono)>,
}

impl Tracker {
    pub(super) fn new(label: impl Into<Box<str>>, loopback: bool) -> Self {
        Self {
            label: label.into(),
            loopback,
            health: [Health::Unknown; 2],
            judged_at: [Mono::default(); 2],
            phases: [None; 2],
            certificate_expiry: None,
            interval: None,
            scrape_interval: None,
            troubles: [None, None],
            requests: 0,
            probes: 0,
            failures: [0; Failure::ALL.len()],
            remark: None,
        }
    }

    /// Its health, while that is fresh, and until when it is; by [`Family::index`]. What an
    /// operator asked for does not age.
    pub(super) fn health(&self, now: Mono, stale_after: Duration) -> [(Health, Mono); 2] {
        [0, 1].map(|family| {
            let until = self.judged_until(family, stale_after);
            match self.health[family] {
                Health::Closed => (Health::Closed, Mono(u64::MAX)),
                health if now < until => (health, until),
                _ => (Health::Unknown, Mono(u64::MAX)),
            }
        })
    }

    /// How long its answers are fresh: longer than configured where it wants to be asked more
    /// seldom than that allows for.
    pub(super) fn stale_after(&self, configured: Duration) -> Duration {
        configured.max(self.asked() * 3 / 2)
    }

    /// Until when its health is fresh: longer than its answers, for what is down is asked every other time
    /// only.
    fn judged_until(&self, family: usize, configured: Duration) -> Mono {
        self.judged_at[family].after(configured.max(self.asked() * 5 / 2))
    }

    /// The interval that it asks for and gets.
    fn asked(&self) -> Duration {
        let asked = self.interval.max(self.scrape_interval);
        let asked = asked.filter(|_| !self.loopback);
        asked.unwrap_or_default().min(LONGEST_INTERVAL)
    }

    /// Counts requests, probes and failures.
    pub(super) fn count(&mut self, observation: &Observation) {
        self.requests += u64::from(observation.exchange.requests);
        self.count_probe(&observation.report);
        let expiry = observation.exchange.certificate_expiry;
        self.certificate_expiry = expiry.or(self.certificate_expiry);
    }

    /// Takes over the warning of an answer, and returns it as it is shared by all torrents that the
    /// tracker warns of in the same words. An answer ends a rate limit.
    pub(super) fn warn(&mut self, text: Option<&str>, now: Mono) -> Option<Arc<Remark>> {
        let Some(text) = text else {
            self.remark
                .take_if(|(remark, _)| matches!(**remark, Remark::Failed(_)));
            return None;
        };
        let known = self.remark.take().map(|(remark, _)| remark);
        let same = known.filter(|known| matches!(&**known, Remark::Warning(it) if **it == *text));
        let remark = same.unwrap_or_else(|| Arc::new(Remark::Warning(text.into())));
        self.remark = Some((remark.clone(), now));
        Some(remark)
    }

    /// Takes over a rate limit.
    pub(super) fn refuse(&mut self, failed: &Failed, now: Mono) {
        if failed.reason == Failure::RateLimited {
            self.remark = Some((Arc::new(Remark::Failed(failed.clone())), now));
        }
    }

    /// What it says now. A rate limit is shown until it is over.
    fn remark(&self, now: Mono, stale_after: Duration) -> Option<Arc<Remark>> {
        let (remark, at) = self.remark.as_ref()?;
        let for_long = match &**remark {
            Remark::Failed(Failed {
                retry: Some(Retry::After(wait)),
                ..
            }) => stale_after.max(*wait),
            _ => stale_after,
        };
        (now < at.after(for_long)).then(|| remark.clone())
    }

    /// Counts a probe and its failure together, so that failures never exceed probes.
    fn count_probe(&mut self, report: &Report) {
        let reason = report.failed().map(|failed| failed.reason);
        // That a tracker has no scrape is not a failure of its announces.
        if report.is_scrape() && reason == Some(Failure::Unsupported) {
            return;
        }
        self.probes += 1;
        if let Some(reason) = reason {
            self.failures[reason.index()] += 1;
        }
    }

    /// Takes over what a probe says of it.
    pub(super) fn settle(&mut self, family: Family, health: Health, now: Mono) {
        self.health[family.index()] = health;
        self.judged_at[family.index()] = now;
    }

    /// Takes over why a probe failed, as the reason of a health that is not up.
    pub(super) fn fail(&mut self, family: Family, failed: Option<&Failed>) {
        let is_failing = matches!(self.health[family.index()], Health::Down | Health::Closed);
        let trouble = &mut self.troubles[family.index()];
        let failed = failed.filter(|_| is_failing);
        let is_known = match (&*trouble, failed) {
            (Some(known), Some(failed)) => matches!(&**known, Remark::Failed(it) if it == failed),
            (known, failed) => known.is_none() && failed.is_none(),
        };
        if !is_known {
            *trouble = failed.map(|failed| Arc::new(Remark::Failed(failed.clone())));
        }
    }

    /// Why it is down or left alone over a family.
    pub(super) fn trouble(&self, family: Family) -> Option<&Arc<Remark>> {
        self.troubles[family.index()].as_ref()
    }

    /// Takes over the timings of an answer. A phase that did not happen this time (a connection was
    /// reused) keeps its last value.
    pub(super) fn time(&mut self, family: Family, took: &Phases) {
        let known = self.phases[family.index()].unwrap_or_default();
        self.phases[family.index()] = Some(Phases {
            resolve: took.resolve.or(known.resolve),
            connect: took.connect.or(known.connect),
            tls: took.tls.or(known.tls),
            response: took.response.or(known.response),
        });
    }

    /// What is shown of it.
    pub(super) fn row(&self, now: Mono, stale_after: Duration) -> TrackerRow {
        let fresh = |family: usize| now < self.judged_until(family, stale_after);
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
            probes: self.probes,
            failures: self.failures,
            remark: self.remark(now, self.stale_after(stale_after)),
        }
    }
}
