//! Failures to resolve names that our own resolver may explain.

use std::sync::Arc;

use super::{Engine, Notice};
use crate::connectivity::{CheckedName, NameChange, NameDecision, is_unresolved};
use seedwatch_clock::{Mono, Now};
use seedwatch_torrent::{Host, TrackerUrl, address};
use seedwatch_tracker::{NameAnswer, Observation, TrackerId};

/// Names per kind that a check looks up: those of canaries, of trackers that have answered, and of
/// other trackers.
const NAMES_PER_KIND: usize = 3;

impl Engine {
    /// Returns the names to look up afresh now, if it is in doubt whether our own resolver works.
    pub fn name_check_due(&mut self, now: Mono) -> Option<Vec<Host>> {
        self.names.begin_check(now).then(|| self.names_to_check())
    }

    /// Records what name servers say about names that were looked up afresh.
    pub fn names_checked(&mut self, answers: &[(Host, NameAnswer)], now: Now) {
        let checked = answers.iter().map(|(host, answer)| CheckedName {
            answer: *answer,
            has_worked: self
                .named_trackers()
                .any(|(id, it)| it.host() == host && self.schedule.has_answered(id)),
        });
        let checked: Vec<_> = checked.collect();
        let change = self.names.end_check(&checked, now.mono);
        self.apply_names(change, now);
    }

    /// Postpones a check of names: this machine lacked the resources for it.
    pub fn name_check_skipped(&mut self, now: Mono) {
        self.names.postpone_check(now);
    }

    /// Folds an observation that our own network does not explain, unless it is the failure to
    /// resolve a name that our own resolver explains.
    pub(super) fn fold_resolved(&mut self, observation: Observation, now: Now) {
        let host = self.tracker(observation.tracker);
        let host = host.map(|url| url.host()).filter(|it| self.is_checked(it));
        let began = now.mono.before(observation.stats.duration);
        if !is_unresolved(&observation) {
            // An answer of the cache does not show that the resolver still works.
            if host.is_some() && observation.stats.phases.resolve.is_some() {
                let change = self.names.record_evidence(began);
                self.apply_names(change, now);
            }
            return self.fold(observation, now);
        }
        let Some(host) = host else {
            return self.fold_unresolved(observation, now);
        };
        let has_others = self.names().any(|it| it != host);
        match self.names.decide(observation, has_others, now.mono) {
            NameDecision::Counts(observation) => self.fold_unresolved(observation, now),
            NameDecision::Held => {}
            NameDecision::Discarded(observation) => self.schedule.discard(&observation, now.mono),
        }
    }

    /// Folds the failure to resolve a name. It is counted only now, because it is the tracker's.
    fn fold_unresolved(&mut self, observation: Observation, now: Now) {
        self.swarms.count_probe(&observation);
        self.fold(observation, now);
    }

    fn apply_names(&mut self, change: NameChange, now: Now) {
        if let Some(works) = change.works {
            self.notices.push(Notice::Resolver { works });
            self.network.record_resolver(works, now.mono);
        }
        for observation in change.confirmed {
            self.fold_unresolved(observation, now);
        }
        for observation in change.discarded {
            self.schedule.discard(&observation, now.mono);
        }
    }

    /// Returns the names that a check looks up.
    fn names_to_check(&self) -> Vec<Host> {
        let mut names = Vec::new();
        let trackers = |has_answered| {
            let trackers = self.named_trackers();
            trackers
                .filter(move |(id, _)| self.schedule.has_answered(*id) == has_answered)
                .map(|(_, url)| url.host())
        };
        add_distinct(&mut names, self.named_canaries());
        add_distinct(&mut names, trackers(true));
        add_distinct(&mut names, trackers(false));
        names
    }

    /// Returns the names that a check may look up. A name may come several times.
    fn names(&self) -> impl Iterator<Item = &Host> {
        let trackers = self.named_trackers().map(|(_, url)| url.host());
        self.named_canaries().chain(trackers)
    }

    fn named_canaries(&self) -> impl Iterator<Item = &Host> {
        let canaries = self.canaries.configured().iter().map(|(host, _)| host);
        canaries.filter(|host| self.is_checked(host))
    }

    fn named_trackers(&self) -> impl Iterator<Item = (TrackerId, &Arc<TrackerUrl>)> {
        let trackers = (0..).map(TrackerId).zip(self.roster.trackers());
        trackers
            .filter_map(|(id, url)| Some((id, url.as_ref()?)))
            .filter(|(_, url)| !url.is_overlay() && self.is_checked(url.host()))
            .filter(|(id, _)| self.schedule.may_contact(*id))
    }

    /// Returns whether a host is a name that our resolver gets from the internet. Where local
    /// networks are all there is, local names count too.
    fn is_checked(&self, host: &Host) -> bool {
        let is_local = is_local_host(host) || !self.trust_local && host.is_local();
        matches!(host, Host::Name(_)) && !is_local
    }
}

/// Adds up to [`NAMES_PER_KIND`] names that the list does not have.
fn add_distinct<'a>(names: &mut Vec<Host>, more: impl Iterator<Item = &'a Host>) {
    let most = names.len() + NAMES_PER_KIND;
    for host in more {
        if names.len() == most {
            return;
        }
        if !names.contains(host) {
            names.push(host.clone());
        }
    }
}

/// Returns whether a host is in a local network, by its address or its name (RFC 6761 section 6.3).
pub(super) fn is_local_host(host: &Host) -> bool {
    match host {
        Host::Ip(ip) => !address::is_global(*ip),
        Host::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
    }
}
