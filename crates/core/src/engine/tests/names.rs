//! Tests that an outage of our own resolver is not counted against trackers and torrents.

use super::*;
use crate::snapshot::Cause;
use crate::verdict::{Condition, Reason, State};
use seedwatch_torrent::Host;
use seedwatch_tracker::NameAnswer;

const NAMED: [&str; 2] = [A, B];

/// A world whose name servers work or not, and of which some names are dead.
struct World {
    sim: Sim,
    dead: &'static [&'static str],
}

impl World {
    fn new(trackers: &[&str], canaries: &[&str], dead: &'static [&'static str]) -> Self {
        let mut settings = settings(vec![torrent(1, trackers, Privacy::Public)]);
        let canary = |name: &&str| (Host::Name((*name).into()), 6881);
        settings.canaries = canaries.iter().map(canary).collect();
        Self {
            sim: Sim::new(&settings),
            dead,
        }
    }

    /// Runs for some minutes. IPv4 works all the time, as an address shows that needs no name.
    fn run(&mut self, minutes: u64, dns: bool) -> Vec<Notice> {
        let mut events = Vec::new();
        let until = self.sim.now.mono.0 + minutes * 60_000;
        while self.sim.now.mono.0 < until {
            let (now, engine) = (self.sim.now, &mut self.sim.engine);
            let mut jobs = Vec::new();
            engine.poll(now.mono, &mut jobs);
            for family in engine.checks_due(now.mono, &mut jobs) {
                let alive = (family == Family::Ipv4).then_some(true);
                engine.check_ended(family, alive, now);
            }
            for job in jobs {
                let observation = self.report(&job, dns);
                self.sim.engine.absorb(observation, now);
            }
            if let Some(names) = self.sim.engine.name_check_due(now.mono) {
                let answers = names.into_iter().map(|host| {
                    let answer = match self.resolves(&host, dns) {
                        true => NameAnswer::Resolved,
                        false => NameAnswer::Failed,
                    };
                    (host, answer)
                });
                let answers: Vec<_> = answers.collect();
                self.sim.engine.names_checked(&answers, now);
            }
            self.sim.snapshot();
            events.extend(self.sim.engine.take_notices());
            self.sim.step(Mono(now.mono.0 + 10_000));
        }
        events
    }

    fn resolves(&self, host: &Host, dns: bool) -> bool {
        dns && !self.dead.contains(&&*host.to_string())
    }

    /// Every tracker lists a peer, unless its name does not resolve.
    fn report(&self, job: &Job, dns: bool) -> Observation {
        let is_named = matches!(job.url.host(), Host::Name(_));
        let mut observation = report(job, true);
        if is_named && job.family == Family::Ipv4 && !self.resolves(job.url.host(), dns) {
            let failed = ProbeError::new(FailureReason::Dns, "the name servers do not answer");
            observation.report = job.request.failed(failed);
            observation.stats.duration = Duration::from_secs(10);
        }
        observation
    }

    fn tracker(&mut self, index: usize) -> (Option<bool>, u64) {
        let snapshot = self.sim.snapshot();
        let row = snapshot.trackers[index].as_ref().unwrap();
        (row.up[0], row.failures[FailureReason::Dns.index()])
    }

    fn verdict(&mut self) -> (State, Reason, bool) {
        let snapshot = self.sim.snapshot();
        let verdict = snapshot.rows().next().unwrap().verdict;
        let has_no_tracker = verdict.conditions.has(Condition::NoTracker);
        (verdict.state, verdict.reason, has_no_tracker)
    }
}

fn resolver_events(events: &[Notice]) -> Vec<bool> {
    let works = events.iter().filter_map(|event| match event {
        Notice::Resolver { works } => Some(*works),
        _ => None,
    });
    works.collect()
}

#[test]
fn an_outage_of_our_own_resolver_leaves_trackers_and_states_as_they_were() {
    let mut world = World::new(&NAMED, &[], &[]);
    world.run(60, true);
    assert_eq!(world.tracker(0), (Some(true), 0));
    let events = world.run(12 * 60, false);
    assert_eq!(resolver_events(&events), [false], "told once");
    for index in [0, 1] {
        let (up, failures) = world.tracker(index);
        assert_ne!(up, Some(false));
        assert_eq!(failures, 0);
    }
    assert_eq!(world.verdict(), (State::Alive, Reason::Outage, false));
    let snapshot = world.sim.snapshot();
    assert_eq!(snapshot.causes, [Cause::ResolverDown]);
    assert_eq!(snapshot.network_up[0], Some(true), "IPv4 works");

    let events = world.run(60, true);
    assert_eq!(resolver_events(&events), [true]);
    assert_eq!(world.tracker(0), (Some(true), 0));
    assert_eq!(world.verdict(), (State::Alive, Reason::PeersNamed, false));
    assert!(world.sim.snapshot().causes.is_empty());
}

#[test]
fn a_dead_name_is_the_failure_of_its_tracker_while_another_name_resolves() {
    for (trackers, canaries, dead) in [
        (&NAMED[..], &[][..], &["a.example"][..]),
        // The only tracker, with and without a canary that has a name.
        (&[A], &["canary.example"], &["a.example"]),
        (&[A], &[], &["a.example"]),
    ] {
        let mut world = World::new(trackers, canaries, dead);
        let events = world.run(120, true);
        assert!(resolver_events(&events).is_empty());
        let (up, failures) = world.tracker(0);
        assert_eq!(up, Some(false), "{trackers:?} {canaries:?}");
        assert!(failures >= 2, "{failures}");
    }
}

#[test]
fn names_that_never_resolved_need_a_third_to_show_that_the_resolver_fails() {
    let canaries: &[&str] = &["c.example", "d.example"];
    for (trackers, canaries, up) in [
        (&[A][..], &canaries[..1], Some(false)),
        (&[A], canaries, None),
        (&NAMED, &canaries[..1], None),
    ] {
        let mut world = World::new(trackers, canaries, &[]);
        world.run(120, false);
        assert_eq!(world.tracker(0).0, up, "{trackers:?} {canaries:?}");
    }
}

#[test]
fn a_tracker_with_an_address_counts_while_no_name_resolves() {
    let trackers = [A, B, "udp://93.184.216.34:1/announce"];
    let mut world = World::new(&trackers, &[], &[]);
    world.run(60, true);
    world.run(600, false);
    assert_eq!(world.tracker(2).0, Some(true));
    assert_eq!(world.verdict(), (State::Alive, Reason::PeersNamed, false));
}
